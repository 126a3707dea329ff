"""Saved runs: their folder, names and models."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import streamlit as st

from pages.state import paths
from pages.state.settings import DEFAULTS, get_setting
from tempotron_core.model.classifier import Model
from tempotron_core.runs.catalogue import run_title
from tempotron_core.runs.files import escape_surrogates
from tempotron_core.runs.reader import RunError, checkpoint_path, find_run, load_classes, load_model, read_run
from tempotron_core.training.settings import Settings


def runs_directory() -> str:
    """Return the log directory as typed, or the default one if it is not allowed."""
    try:
        return paths.check_inside_roots("log directory", str(get_setting("train_log_dir")), paths.RUNS_ROOTS_ENV)
    except paths.PathNotAllowedError:
        return str(DEFAULTS["train_log_dir"])


def run_names() -> list[str]:
    """Return the folder names of all runs that have weights, newest first; as RunRecord.name gives them.

    A selected run of a study follows them, with the path of its folder in the log directory.
    """
    return [*_own_run_names(), *_selected_study_run()]


def is_study_run(name: str) -> bool:
    """Return whether this is the path of a run of a study that has weights."""
    if not re.fullmatch(r"studies/[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name, re.ASCII):
        return False
    folder = Path(runs_directory()).expanduser() / name
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        inside = folder.resolve().is_relative_to(Path(runs_directory()).expanduser().resolve())
        return inside and (folder / "last.safetensors").is_file()
    return False


def _selected_study_run() -> list[str]:
    selected = st.session_state.get("run") or st.query_params.get("run")
    return [selected] if isinstance(selected, str) and is_study_run(selected) else []


def _own_run_names() -> list[str]:
    """Return the folder names of the runs in the log directory itself."""
    with contextlib.suppress(OSError, ValueError):
        folders = Path(runs_directory()).expanduser().iterdir()
        readable = (folder for folder in folders if (folder / "last.safetensors").is_file() and not folder.is_symlink())
        return sorted((escape_surrogates(folder.name) for folder in readable), reverse=True)
    return []


def run_display_name(name: str) -> str:
    """Return the title of a run, or the name of its folder if it cannot be read."""
    folder = find_run(runs_directory(), name)
    with contextlib.suppress(RunError, OSError):
        return _read_title(os.fsencode(folder), folder.stat().st_mtime_ns)
    return name


def load_run_model(folder: Path, checkpoint: str = "last") -> tuple[Model, Settings]:
    """Return the model of a run, and the settings of the run.

    Args:
        folder: folder of the run
        checkpoint: "last", "best" or the number of an epoch

    Raises:
        RunError: if the run is damaged or has no weights of this epoch.
        OSError: if its folder is missing.
    """
    name = checkpoint_path(checkpoint)
    changed = (folder / "last.safetensors").stat().st_mtime_ns
    if name != "last":
        try:
            changed = (folder / f"{name}.safetensors").stat().st_mtime_ns
        except OSError:
            raise RunError(
                f"checkpoint: expected saved weights of the run {escape_surrogates(folder.name)!r}, found none named "
                f"{checkpoint!r}; choose another epoch."
            ) from None
    return _load_run_model_cached(os.fsencode(folder), changed, name)


def run_classes(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes of a run, empty where its weights name none.

    Raises:
        RunError: if the run is damaged.
        OSError: if its folder is missing.
    """
    return _run_classes_cached(os.fsencode(folder), (folder / "last.safetensors").stat().st_mtime_ns)


@st.cache_data(max_entries=16, show_spinner=False)
def _run_classes_cached(folder: bytes, changed: int) -> tuple[str, ...]:
    return load_classes(os.fsdecode(folder))


@st.cache_data(max_entries=500, show_spinner=False)
def _read_title(folder: bytes, changed: int) -> str:
    return run_title(read_run(os.fsdecode(folder)))


@st.cache_resource(max_entries=8, show_spinner=False)
def _load_run_model_cached(folder: bytes, changed: int, checkpoint: str) -> tuple[Model, Settings]:
    path = os.fsdecode(folder)  # a path that is no UTF-8 cannot be part of a cache key as text
    return load_model(path, checkpoint), read_run(path).settings or Settings()
