"""Presentation mode: large text, no sidebar, buttons for the previous and the next sample."""

import time

import streamlit as st

from pages.components import stage
from pages.components.page import switch_page
from pages.navigation import PAGES
from pages.state import own_sample
from pages.state.datasets import current_dataset
from pages.state.settings import get_setting, is_presentation_mode, url_widget

_STALE_CLICK_SECONDS = 0.7
"""A click within this time after a rerun may come from the page as it was before the rerun."""


def render_toggle() -> None:
    """Show the switch of the presentation mode in the sidebar."""
    with st.sidebar:
        st.toggle("Presentation", **url_widget("present"))


def render_controls(script: str) -> None:
    """Show the buttons of the presentation mode if it is on.

    Args:
        script: script of the page, to find its neighbours
    """
    if not is_presentation_mode():
        return
    stage.watch_window()
    with st.container(key="presenter", horizontal=True, width="content"):
        # The tour changes the page by the same keys.
        keys = (None, None) if st.session_state.get("tour_number") is not None else ("PageUp", "PageDown")
        scripts = [entry.script for entry in PAGES]
        index = scripts.index(script)
        for label, key, shortcut, by in (("Previous page", "back", keys[0], -1), ("Next page", "next", keys[1], 1)):
            if st.button(label, key=f"present_page_{key}", shortcut=shortcut):
                switch_page(scripts[(index + by) % len(scripts)])
        st.button("Previous sample", on_click=step_sample, args=(-1,), key="present_back")
        st.button("Next sample", on_click=step_sample, args=(1,), key="present_next")
        st.button("Theme", key="present_theme", icon=":material/contrast:")  # shortcuts.js switches it
        st.button(
            "Leave",
            on_click=_leave_presentation,
            key="present_leave",
            icon=":material/close_fullscreen:",
            shortcut="Esc",
        )


def reconcile_sample() -> None:
    """Restore the latest sample if a click arrives from a page that was rendered before it.

    The browser sends the states of all widgets with each click. After quick clicks on "Next sample" it sends a former
    sample number, which would undo the latest step.
    """
    if not (steps := st.session_state.get("_steps")):
        return
    rendered_at = st.session_state.get("_steps_sent")
    is_stale_click = rendered_at is None or time.monotonic() - rendered_at < _STALE_CLICK_SECONDS
    if is_stale_click and get_setting("sample") in steps[:-1]:
        st.session_state["sample"] = steps[-1]
    elif not is_stale_click or get_setting("sample") != steps[-1]:
        del st.session_state["_steps"]


def mark_rendered() -> None:
    """Record that the page with the latest sample has been rendered."""
    if st.session_state.get("_steps"):
        st.session_state.setdefault("_steps_sent", time.monotonic())


def step_sample(by: int) -> None:
    """Select the test sample this many places after the present one; from the last one to the first."""
    reconcile_sample()
    own_sample.select_test_sample()
    dataset, _ = current_dataset()
    before = int(get_setting("sample"))
    st.session_state["sample"] = (before + by) % len(dataset.test)
    st.session_state["_steps"] = [*st.session_state.get("_steps", [before]), st.session_state["sample"]]
    st.session_state.pop("_steps_sent", None)


def _leave_presentation() -> None:
    st.session_state["present"] = False
