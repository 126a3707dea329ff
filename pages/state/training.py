"""Training jobs of the server process: registry, state of the current job, status text."""

from __future__ import annotations

from pages import streamlit_hooks
from pages.state.process_objects import process_objects
from pages.state.settings import DEFAULTS, get_setting
from tempotron_core.jobs.job import Status
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.training.settings import Settings, devices

TRAINING_REFRESH_SECONDS = 1.2
LIVE_MODEL_REFRESH_SECONDS = 2.0


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
