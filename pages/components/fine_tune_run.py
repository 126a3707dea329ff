"""Form that starts a new run from the weights of a saved one: other data, another rate, an early end."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.state.auth import is_writable, require_write_access
from pages.state.datasets import EMBEDDED_SETS, current_dataset, dataset_directory
from pages.state.runs import runs_directory
from pages.state.settings import get_setting
from pages.state.training import training_registry
from tempotron_core.jobs.fine_tuning import fine_tuning_job
from tempotron_core.runs.fine_tune import fine_tune_settings, require_same_shape
from tempotron_core.runs.reader import RunError, RunRecord, list_checkpoints
from tempotron_core.training.settings import devices


def fine_tune_form(record: RunRecord) -> None:
    """Show the form; call where the viewer has asked for it.

    A refused start leaves its sentence in the session key "run_problem", a start sets "run_resumed".
    """
    assert record.settings is not None
    keys = {
        name: f"tune_{name}_{record.name}" for name in ("weights", "epochs", "lr", "held_out", "target", "patience")
    }
    columns = st.columns(3)
    columns[0].selectbox("Start from the weights", list_checkpoints(record.path), key=keys["weights"])
    columns[1].number_input("Epochs", 1, 2**31 - 1, record.settings.epochs, key=keys["epochs"])
    columns[2].text_input("Learning rate", f"{record.settings.lr:g}", 20, key=keys["lr"])
    columns[0].number_input(
        "Held-out training samples", 0, 2**31 - 1, record.settings.validation, key=keys["held_out"],
        help="Evaluated instead of the test set; needed for an early end.",
    )  # fmt: skip
    columns[1].number_input("End at an accuracy of, %", 0.0, 100.0, None, key=keys["target"])
    columns[2].number_input("End after epochs without progress", 1, 10_000, None, key=keys["patience"])
    status = training_registry().status
    st.button(
        "Start from these weights", icon=":material/model_training:", on_click=_start, args=(record, keys),
        disabled=not is_writable() or bool(status and status.active), key=f"tune_go_{record.name}",
    )  # fmt: skip
    st.caption(
        "A new run on the data set in the sidebar, which must have the same shape; all other settings are those of "
        "this run. The page Training shows the progress."
    )


@require_write_access
def _start(record: RunRecord, keys: dict[str, str]) -> None:
    """Start the run of the form."""
    trainings, state = training_registry(), st.session_state
    try:
        dataset, problem = current_dataset()
        if problem:
            raise ValueError(problem)
        name = str(get_setting("data"))
        given: dict[str, Any] = {
            "dataset": name,
            "dataset_dir": None if name in EMBEDDED_SETS else dataset_directory(),
            "device": devices()[0],
            "log_dir": runs_directory(),
            "epochs": int(state[keys["epochs"]]),
            "lr": _rate(str(state[keys["lr"]])),
            "validation": int(state[keys["held_out"]]),
            "patience": state[keys["patience"]],
            "target_accuracy": None if state[keys["target"]] is None else state[keys["target"]] / 100,
        }
        settings, model = fine_tune_settings(f"{record.path}:{state[keys['weights']]}", given)
        require_same_shape(settings, model, dataset)
        trainings.start(settings, dataset, job=fine_tuning_job(model))
        state["run_resumed"] = True
    except (RunError, ValueError, TypeError, trainings.StartError) as error:
        state["run_problem"] = str(error)


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"learning rate: expected a number, got {text!r}; correct it.") from None
