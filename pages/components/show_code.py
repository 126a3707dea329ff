"""Show code: Python that computes the numbers of a page with tempotron_core, to copy and to save."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import streamlit as st

from pages.state import own_sample
from pages.state.auth import is_writable
from pages.state.datasets import EMBEDDED_SETS, dataset_directory
from pages.state.experiment import View
from pages.state.paths import PathNotAllowedError
from pages.state.runs import runs_directory
from pages.state.settings import MODELS, SAVED_RUN, get_setting
from pages.state.training import is_live, training_registry
from tempotron_core.data.drawings import encode_drawing
from tempotron_core.interchange.code_parts import CodeInput
from tempotron_core.interchange.notebook import to_notebook
from tempotron_core.model.classifier import Model
from tempotron_core.runs.reader import find_run
from tempotron_core.training.settings import Settings

_CODE = "_code"


def render(make_code: Callable[[], str]) -> None:
    """Show the expander *Show code*; call at the end of the body of a page.

    Args:
        make_code: returns the code
    """
    code = make_code()
    shown_code().update(code=code, run=model_run()[0])
    with st.container(key="show_code"):
        # on_change makes opening a rerun, so that closed expanders cost nothing.
        panel = st.expander("Show code", icon=":material/code:", key="code_panel", on_change="rerun")
        if panel.open:
            with panel:
                _code_panel(code)


def reset() -> None:
    """Forget the code of the previous page."""
    st.session_state[_CODE] = {}


def shown_code() -> dict[str, str | None]:
    """Return code and run folder of the page, which later reruns of its body update; empty where it shows none.

    Files are made outside the session, so that they read this dictionary and not the session.
    """
    shown: dict[str, str | None] = st.session_state.setdefault(_CODE, {})
    return shown


def code_input(view: View, pixels: np.ndarray | None = None) -> CodeInput:
    """Return what determines the numbers of a view.

    Args:
        view: sample and model
        pixels: sample that takes the place of that of the view
    """
    run, note = model_run()
    trained = view.trained or view.model
    own_image = own_sample.own_image()
    test_sample = view.dataset.test.images[view.index].numpy()
    shown = view.pixels if pixels is None else pixels
    is_own = own_image is not None and view.dataset.shape is not None and not np.array_equal(shown, test_sample)
    return CodeInput(
        dataset=view.dataset.name,
        directory=_directory(view),
        index=view.index,
        drawing=encode_drawing(own_image) if is_own and own_image is not None else None,
        shape=view.dataset.shape or (28, 28),
        run=run,
        settings=_untrained_settings(view) if run is None else {},
        epoch=_epoch(),
        changes=_changes(trained, view.model),
        note=note,
        is_recorded=view.dataset.has_spike_times,
    )


def model_run() -> tuple[str | None, str | None]:
    """Return the run folder of the selected model, None for an untrained one, and a note on what differs."""
    name, registry = get_setting("model"), training_registry()
    if name == SAVED_RUN:
        return str(find_run(runs_directory(), str(get_setting("run")))), None
    status = {"live run": registry.status, MODELS[0]: registry.finished or registry.status}.get(name)
    if status is None or status.snapshot is None or status.snapshot.weight is None or not status.log:
        return None, None
    note = "The run is in progress: its folder holds the weights of the last complete epoch." if is_live() else None
    return status.log, note


def _epoch() -> int | str:
    checkpoint = str(get_setting("checkpoint")) if get_setting("model") == SAVED_RUN else "last"
    return int(checkpoint) if checkpoint.isdecimal() else checkpoint


def _directory(view: View) -> str | None:
    if view.dataset.name in EMBEDDED_SETS:
        return None
    try:
        return dataset_directory()
    except PathNotAllowedError:
        return None


def _untrained_settings(view: View) -> dict[str, Any]:
    """Return the settings of an untrained network that differ from the defaults and change its initial weights."""
    default, used = Settings(), view.settings
    names = (field.name for field in fields(Settings) if field.name not in ("dataset", "dataset_dir", "log_dir"))
    return {name: getattr(used, name) for name in names if getattr(used, name) != getattr(default, name)}


def _changes(trained: Model, model: Model) -> dict[str, Any]:
    """Return the fields in which two models differ, apart from their weights and code."""
    names = (field.name for field in fields(Model) if field.name not in ("weight", "code"))
    return {name: getattr(model, name) for name in names if getattr(model, name) != getattr(trained, name)}


def _code_panel(code: str) -> None:
    st.code(code, language=None, wrap_lines=True)
    if not is_writable():
        return
    left, right = st.columns(2)
    for column, extension, mime_type, content in (
        (left, "py", "text/x-python", code),
        (right, "ipynb", "application/x-ipynb+json", to_notebook(code)),
    ):
        column.download_button(
            f"Save .{extension}", content, f"view.{extension}", mime_type, key=f"save_code_{extension}",
            on_click="ignore", width="stretch",
        )  # fmt: skip
    st.caption(
        "Run it in the folder in which the dashboard was started: run folders and data sets are named as there. The "
        "zip of *Save or share* contains the code together with the network."
    )
