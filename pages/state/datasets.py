"""Selected data set, loaded once per process."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import streamlit as st

from pages.state import paths
from pages.state.settings import get_setting
from tempotron_core.data import datasets

EMBEDDED_SETS = (datasets.EMBEDDED, *datasets.TABLES)
"""Data sets that need no folder."""


def current_dataset() -> tuple[datasets.Dataset, str | None]:
    """Return the selected data set and None, or the embedded one and the reason why it replaces the selected one."""
    try:
        return _load_dataset(get_setting("data"), dataset_directory() or ""), None
    except (datasets.DataError, paths.PathNotAllowedError) as error:
        return _load_dataset(datasets.EMBEDDED, ""), str(error)


def dataset_named(name: str) -> datasets.Dataset:
    """Return a data set by its name, from the folder of the sidebar or those of TEMPOTRON_DATA.

    Raises:
        DataError: if it cannot be loaded.
    """
    try:
        return _load_dataset(name, dataset_directory(name) or "")
    except paths.PathNotAllowedError as error:
        raise datasets.DataError(str(error)) from None


def dataset_directory(name: str | None = None) -> str | None:
    """Return the folder of a data set, None for an embedded one.

    A file that is not in the folder of the sidebar is looked for in the folders of TEMPOTRON_DATA.

    Args:
        name: name of the data set, None for the selected one

    Raises:
        PathNotAllowedError: if the folder is outside the allowed ones.
    """
    name, typed = str(name or get_setting("data")), str(get_setting("dir") or "")
    if name in EMBEDDED_SETS:
        return None
    if name not in datasets.BUILT_IN:
        typed = next((folder for folder in _folders() if datasets.is_known(name, folder)), typed)
    if not typed.strip():
        return typed
    return paths.check_inside_roots("dataset directory", typed, paths.DATA_ROOTS_ENV)


def dataset_key(dataset: datasets.Dataset) -> str:
    """Return a key that identifies a data set and the present content of its files in caches."""
    directory = None
    with contextlib.suppress(paths.PathNotAllowedError):
        directory = dataset_directory()
    fingerprint = datasets.fingerprint(dataset.name, directory)
    return f"{dataset.name} {len(dataset.train)} {len(dataset.test)} {get_setting('dir')} {hash(fingerprint)}"


def file_names() -> tuple[str, ...]:
    """Return the names of the data set files in the folder of the sidebar and in those of TEMPOTRON_DATA."""
    return tuple(
        dict.fromkeys(name for folder in _folders() for name in _files_in(folder) if datasets.is_file_name(name))
    )


def _files_in(folder: str) -> tuple[str, ...]:
    try:
        return _files_in_cached(os.fsencode(folder), Path(folder).expanduser().stat().st_mtime_ns)
    except (OSError, ValueError, RuntimeError):
        return ()


@st.cache_data(max_entries=16, ttl=60, show_spinner=False)
def _files_in_cached(folder: bytes, changed: int) -> tuple[str, ...]:
    # A path that is no UTF-8 cannot be part of a cache key as text.
    return datasets.find_dataset_files(Path(os.fsdecode(folder)).expanduser())


def _folders() -> list[str]:
    """Return the folders in which files are looked for, only allowed ones."""
    found = []
    for folder in (str(get_setting("dir") or ""), *paths.roots(paths.DATA_ROOTS_ENV)):
        with contextlib.suppress(paths.PathNotAllowedError):
            if folder.strip():
                found.append(paths.check_inside_roots("dataset directory", folder, paths.DATA_ROOTS_ENV))
    return list(dict.fromkeys(found))


def _load_dataset(name: str, directory: str) -> datasets.Dataset:
    return _load_dataset_cached(name, directory, datasets.fingerprint(name, directory))


@st.cache_resource(max_entries=4, show_spinner=False)
def _load_dataset_cached(name: str, directory: str, fingerprint: tuple[tuple[int, int], ...]) -> datasets.Dataset:
    return datasets.load(name, directory or None)
