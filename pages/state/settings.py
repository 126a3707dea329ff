"""What a viewer has chosen for all pages: keys, defaults, URL parameters."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from pages.state import paths
from tempotron_core.data.datasets import EMBEDDED

PRESENTATION_SCALE = 1.25
SAVED_RUN = "saved run"
MODELS = ("last finished run", "live run", "untrained", SAVED_RUN)
DEFAULTS: dict[str, Any] = {
    "data": EMBEDDED,
    "sample": 0,
    "model": MODELS[0],
    "run": None,
    "train_log_dir": paths.default_root(paths.RUNS_ROOTS_ENV, "runs"),
    "dir": paths.default_root(paths.DATA_ROOTS_ENV, ""),
    "present": False,
}


def get_setting(key: str) -> Any:
    """Return a shared setting, or its default where the sidebar has not been drawn."""
    return st.session_state.get(key, DEFAULTS[key])


def is_presentation_mode() -> bool:
    """Return whether presentation mode is on."""
    return bool(get_setting("present"))


def drop_non_finite_query_params() -> None:
    """Remove infinite numbers from the URL: number inputs of integers raise on them."""
    infinite = [key for key in st.query_params if any(map(_is_non_finite, st.query_params.get_all(key)))]
    for key in infinite:
        del st.query_params[key]
    if infinite:
        st.rerun()  # widgets have read their initial values from the URL already


def _is_non_finite(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False
