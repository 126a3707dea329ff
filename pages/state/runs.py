"""Saved runs: their folder, names and models."""

from __future__ import annotations

import contextlib
from pathlib import Path

import streamlit as st

from pages.state import paths
from pages.state.settings import DEFAULTS, get_setting
from tempotron_core.model.classifier import Model
from tempotron_core.runs.catalogue import run_title
from tempotron_core.runs.reader import RunError, load_model, read_run
from tempotron_core.training.settings import Settings


def runs_directory() -> str:
    """Return the log directory as typed, or the default one if it is not allowed."""
    try:
        return paths.check_inside_roots("log directory", str(get_setting("train_log_dir")), paths.RUNS_ROOTS_ENV)
    except paths.PathNotAllowedError:
        return str(DEFAULTS["train_log_dir"])


def run_names() -> list[str]:
    """Return the folder names of all runs that have weights, newest first."""
    with contextlib.suppress(OSError, ValueError):
        folders = Path(runs_directory()).expanduser().iterdir()
        readable = (folder for folder in folders if (folder / "last.safetensors").is_file() and not folder.is_symlink())
        return sorted((folder.name for folder in readable), reverse=True)
    return []


def run_display_name(name: str) -> str:
    """Return the title of a run, or the name of its folder if it cannot be read."""
    folder = Path(runs_directory()).expanduser() / name
    with contextlib.suppress(RunError, OSError):
        return _read_title(str(folder), folder.stat().st_mtime_ns)
    return name


def load_run_model(folder: Path) -> tuple[Model, Settings]:
    """Return the model with the last weights of a run, and the settings of the run.

    Raises:
        RunError: if the run is damaged.
        OSError: if its folder is missing.
    """
    return _load_run_model_cached(str(folder), (folder / "last.safetensors").stat().st_mtime_ns)


@st.cache_data(max_entries=500, show_spinner=False)
def _read_title(folder: str, changed: int) -> str:
    return run_title(read_run(folder))


@st.cache_resource(max_entries=8, show_spinner=False)
def _load_run_model_cached(folder: str, changed: int) -> tuple[Model, Settings]:
    return load_model(folder), read_run(folder).settings or Settings()
