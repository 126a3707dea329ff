"""Place of the key figure of a page: directly below the headline in presentation mode, where it fits the window."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import streamlit as st

from pages.state.settings import get_setting, is_presentation_mode

_DEFAULT_WINDOW = (1280, 720)
_MIN_HEIGHT = 100
_TOP_BAR, _TOUR_BAR, _HEADLINE_LINE, _MARGIN = 56, 52, 40, 40
"""Heights in px at a font size of 20 px: buttons, tour, one line of the headline, gaps."""
_PX_PER_CHARACTER = 14.5
_mount = st.components.v2.component(
    "tempotron_window_size", js=Path(__file__).with_name("stage.js").read_text(encoding="utf-8"), isolate_styles=False
)


def watch_window() -> None:
    """Let the browser report the size of its window in presentation mode; a change reruns the page."""
    if is_presentation_mode():
        _mount(key="window_size", data=list(window_size()), on_size_change=_remember_size)


def window_size() -> tuple[int, int]:
    """Return width and height of the browser's window in px, a usual size before it is known."""
    width, height = st.session_state.get("_window", _DEFAULT_WINDOW)
    return int(width), int(height)


def key_figure_stage() -> Any:
    """Return the container for the key figure; call after the headline."""
    return st.container(key="stage")


def on_stage(stage: Any) -> AbstractContextManager[Any]:
    """Return the context in which to draw the key figure: the stage in presentation mode, else the present place."""
    return stage if is_presentation_mode() else nullcontext()


def figure_height(default: int, headline: str = "", taken: int = 0) -> int:
    """Return the height of the key figure in px: what the headline and other parts leave of the window.

    Args:
        default: height outside presentation mode
        headline: text above the figure
        taken: px that other parts of the stage need
    """
    if not is_presentation_mode():
        return default
    width, height = window_size()
    lines = 1 + int(len(headline) * _PX_PER_CHARACTER / max(1, 0.94 * width))
    bars = _TOP_BAR + (_TOUR_BAR if get_setting("tour") or st.session_state.get("tour_number") is not None else 0)
    return max(_MIN_HEIGHT, height - bars - lines * _HEADLINE_LINE - _MARGIN - taken)


def _remember_size() -> None:
    size = st.session_state["window_size"].get("size")
    if isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(part, int | float) for part in size):
        width, height = (min(max(int(part), 200), 10_000) for part in size)
        st.session_state["_window"] = width, height
