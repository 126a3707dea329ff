"""Form that continues a saved run: more epochs, another learning rate, another device."""

from __future__ import annotations

import streamlit as st

from pages.state import paths
from pages.state.auth import is_writable, require_write_access
from pages.state.datasets import EMBEDDED_SETS, dataset_directory
from pages.state.settings import get_setting
from pages.state.training import training_registry
from tempotron_core.runs.reader import RunError, RunRecord, load_snapshot
from tempotron_core.runs.resume import resume_settings
from tempotron_core.training.settings import devices


def resume_form(record: RunRecord) -> None:
    """Show epochs, device and the button that continues the run; call where the viewer has asked for it.

    A refused start leaves its sentence in the session key "run_problem", a start sets "run_resumed".
    """
    assert record.settings is not None
    left, rate, middle, right = st.columns([1, 1, 1, 1], vertical_alignment="bottom")
    planned, present = record.settings.epochs, devices()
    left.number_input(
        "Epochs in all", max(1, record.epochs_done), 2**31 - 1, max(planned, record.epochs_done),
        key=f"epochs_{record.name}",
    )  # fmt: skip
    lr = record.settings.rate_after(record.epochs_done)
    rate.number_input("Learning rate", 1e-12, 1e6, lr, format="%g", key=f"lr_{record.name}")
    device = record.settings.device
    middle.selectbox("Device", present, present.index(device) if device in present else 0, key=f"device_{record.name}")
    status = training_registry().status
    is_active = bool(status and status.active)
    right.button(
        "Resume", icon=":material/resume:", width="stretch", on_click=_resume, args=(record,), key=f"go_{record.name}",
        disabled=not is_writable() or is_active,
    )  # fmt: skip
    blocked = " Resume waits until the training in progress has ended." if is_active else ""
    st.caption(
        f"{record.epochs_done:,} of {planned:,} epochs are done. The learning rate follows the schedule for the "
        "new number of epochs; another one is recorded as a change. Data are read from the recorded directory, "
        "or from that in the sidebar if the same "
        f"data set is selected there. The page Training shows the progress.{blocked}"
    )


@require_write_access
def _resume(record: RunRecord) -> None:
    """Continue the run with the epochs, the rate and the device of its form."""
    trainings, state = training_registry(), st.session_state
    changes = {name: state[f"{name}_{record.name}"] for name in ("epochs", "device", "lr")}
    try:
        # The run itself is writable; its data must lie where pages may read.
        if (
            get_setting("data") not in EMBEDDED_SETS
            and record.settings
            and record.settings.dataset == get_setting("data")
        ):
            changes["dataset_dir"] = dataset_directory()
        settings = resume_settings(record.path, load_snapshot(record.path), changes)
        if settings.dataset not in EMBEDDED_SETS:
            paths.check_inside_roots("dataset directory", settings.dataset_dir or "", paths.DATA_ROOTS_ENV)
        trainings.start(settings, resume_folder=record.path)
        state["run_resumed"] = True
    except (RunError, ValueError, TypeError, trainings.StartError) as error:
        state["run_problem"] = str(error)
