"""Training jobs of the server process: registry, state of the current job, status text."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from pages import streamlit_hooks
from pages.state.process_objects import process_objects
from pages.state.runs import run_names, runs_directory
from pages.state.settings import DEFAULTS, get_setting
from tempotron_core.jobs.followed_run import follow_run
from tempotron_core.jobs.job import Status
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.runs.files import END_MARKER
from tempotron_core.runs.reader import RunError, find_run
from tempotron_core.training.settings import Settings, devices

TRAINING_REFRESH_SECONDS = 1.2
LIVE_MODEL_REFRESH_SECONDS = 2.0
_FOLLOWED = "_followed_run"
_NEWEST = 3
"""Runs among which one that another process writes is looked for."""


_registry: TrainingRegistry | None = None


def training_registry() -> TrainingRegistry:
    """Return the registry of this server process, shared by all sessions.

    It is held twice: the global survives st.cache_resource.clear(), the cache survives a reload of this module.
    """
    global _registry
    objects = process_objects()
    if "training registry" not in objects:
        objects.setdefault(
            "training registry", _registry or TrainingRegistry(on_start=streamlit_hooks.rerun_idle_sessions)
        )
    registry: TrainingRegistry = objects["training registry"]
    _registry = registry
    return registry


def shown_status() -> Status | None:
    """Return the status that the page Training shows: that of the job of this process, or of another process's run.

    A run that another process writes is shown while no job is active here, and stays after its end.
    """
    status = training_registry().status
    if status is not None and status.active:
        st.session_state.pop(_FOLLOWED, None)
        return status
    own = Path(status.log).name if status is not None and status.log else None
    folder = st.session_state.get(_FOLLOWED)
    candidates = [Path(folder)] if folder else [find_run(runs_directory(), name) for name in run_names()[:_NEWEST]]
    for candidate in candidates:
        if candidate.name == own or (not folder and (candidate / END_MARKER).exists()):
            continue
        try:
            changed = (candidate / "epochs.csv").stat().st_mtime_ns
            followed = _follow(os.fsencode(candidate), changed, (candidate / END_MARKER).exists())
        except (RunError, OSError):
            st.session_state.pop(_FOLLOWED, None)
            continue
        if folder or followed.active:
            st.session_state[_FOLLOWED] = str(candidate)
            return followed
    return status


@st.cache_resource(max_entries=4, ttl=10, show_spinner=False)
def _follow(folder: bytes, changed: int, has_ended: bool) -> Status:
    return follow_run(Path(os.fsdecode(folder)))


def start_initial_training() -> None:
    """Train on the embedded digits once per server process, so that the first session has a trained model."""
    training_registry().start_if_never_run(
        Settings(device=devices()[0], epochs=2, lr=3e-3, log_dir=DEFAULTS["train_log_dir"])
    )


def is_live() -> bool:
    """Return whether a training in progress updates the weights of the selected model."""
    registry, name = training_registry(), get_setting("model")
    status = registry.status
    if status is None or not status.active:
        return False
    return bool(name == "live run" or (name == "last finished run" and registry.finished is None))


def format_status(status: Status) -> str:
    """Return the status of a job as one line: state, recipe, data set, epoch, test accuracy."""
    snapshot, settings = status.snapshot, status.settings
    name = f"{settings.recipe} on {settings.dataset}"
    if status.state == "failed":
        return f"Training failed ({name})"
    if snapshot is None or snapshot.phase == "preparing":
        encoded = f"{snapshot.encoded_fraction if snapshot else 0:.0%} encoded"
        return (
            f"Preparing {name}: {encoded}"
            if status.state == "running"
            else f"{status.state.capitalize()}: {name}, {encoded}"
        )
    accuracy = f", test {snapshot.epochs[-1].test_accuracy:.1%}" if snapshot.epochs else ""
    if status.state == "finished":
        return f"Trained {name}{accuracy}"
    return f"{status.state.capitalize()}: {name}, epoch {snapshot.epoch} of {settings.epochs}{accuracy}"
