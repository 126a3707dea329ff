"""Selected data set, loaded once per process."""

from __future__ import annotations

import streamlit as st

from pages.state import paths
from pages.state.settings import get_setting
from tempotron_core.data import datasets


def current_dataset() -> tuple[datasets.Dataset, str | None]:
    """Return the selected data set and None, or the embedded one and the reason why it replaces the selected one."""
    try:
        return _load_dataset(get_setting("data"), dataset_directory() or ""), None
    except (datasets.DataError, paths.PathNotAllowedError) as error:
        return _load_dataset(datasets.EMBEDDED, ""), str(error)


def dataset_directory() -> str | None:
    """Return the folder of the selected data set, None for the embedded one.

    Raises:
        PathNotAllowedError: if the folder is outside the allowed ones.
    """
    if get_setting("data") == datasets.EMBEDDED:
        return None
    typed = str(get_setting("dir") or "")
    if not typed.strip():
        return typed
    return paths.check_inside_roots("dataset directory", typed, paths.DATA_ROOTS_ENV)


def _load_dataset(name: str, directory: str) -> datasets.Dataset:
    return _load_dataset_cached(name, directory, datasets.fingerprint(name, directory))


@st.cache_resource(max_entries=4, show_spinner=False)
def _load_dataset_cached(name: str, directory: str, fingerprint: tuple[tuple[int, int], ...]) -> datasets.Dataset:
    return datasets.load(name, directory or None)
