"""Saved runs: where they are, their names, their networks."""

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
    """Return the folder in which runs are written and looked for: the typed one if it is allowed."""
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
    """Return the title of a run, or its folder name where the run cannot be read."""
    folder = Path(runs_directory()).expanduser() / name
    with contextlib.suppress(RunError, OSError):
        return _read_title(str(folder), folder.stat().st_mtime_ns)
    return name


def load_run_model(folder: Path) -> tuple[Model, Settings]:
    """Return the last weights of a run with their constants, and its settings.

    Raises:
        RunError: for a damaged run.
        OSError: for a missing one.
    """
    return _load_run_model_cached(str(folder), (folder / "last.safetensors").stat().st_mtime_ns)


@st.cache_data(max_entries=500, show_spinner=False)
def _read_title(folder: str, changed: int) -> str:
    return run_title(read_run(folder))


@st.cache_resource(max_entries=8, show_spinner=False)
def _load_run_model_cached(folder: str, changed: int) -> tuple[Model, Settings]:
    return load_model(folder), read_run(folder).settings or Settings()
