"""Buttons for the previous and the next mistake of the model, in the order of the page Results."""

from __future__ import annotations

import streamlit as st

from pages.components.page import page_link
from pages.state.evaluation import step_to_mistake, walk_text
from pages.state.experiment import View
from pages.state.markdown import escape_markdown
from pages.state.settings import is_presentation_mode


def mistake_buttons(view: View) -> None:
    """Show the buttons and a link to the page Results; nothing in presentation mode.

    The test set is classified at the first click only.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="mistakes"):
        if is_presentation_mode():
            return
        for label, by, icon in (("Previous mistake", -1, "chevron_left"), ("Next mistake", 1, "chevron_right")):
            st.button(
                label, on_click=_step, args=(view, by), icon=f":material/{icon}:", key=f"mistake_{by}", type="tertiary"
            )
        page_link("views/results.py", "Results", ":material/target:")
        if text := walk_text(view):
            st.caption(escape_markdown(text), width="content")
    if st.session_state.pop("_mistake_step", False):
        st.rerun()  # the sample is also shown outside this fragment


def _step(view: View, by: int) -> None:
    step_to_mistake(view, by)
    st.session_state["_mistake_step"] = True
