"""Parts that every page uses: header, links, headings, expanders."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from pages import streamlit_hooks
from pages.state.markdown import escape_markdown
from tempotron_core.figures import VoltageInfo


def page_header(text: str) -> None:
    """Show the title of a page."""
    st.title(text)


def page_link(page: str, label: str, icon: str) -> None:
    """Show a link to another page; its label alone where the page runs without navigation."""
    try:
        st.page_link(page, label=label, icon=icon)
    except StreamlitPageNotFoundError:
        st.markdown(label)


def switch_page(page: str, query_params: dict[str, str] | None = None) -> None:
    """Go to another page with these query parameters; do nothing where the page runs without navigation."""
    with contextlib.suppress(StreamlitPageNotFoundError):
        # Pass an empty dict: without query_params Streamlit rejects widget-bound parameters instead of clearing them.
        st.switch_page(page, query_params=query_params or {})


@streamlit_hooks.flushing_fragment
def lazy_expander(label: str, content: Callable[[], None]) -> None:
    """Show an expander whose content is rendered on first opening (KaTeX is not loaded before)."""
    panel = st.expander(label, key=f"folded_{label}", on_change="rerun")
    if panel.open:
        with panel:
            content()


def chart_heading(text: str) -> None:
    """Show the one sentence over a chart that says what it shows."""
    st.markdown(f"#### {text}")


def optional_caption(text: str | None) -> None:
    """Show a caption, or keep its place empty.

    The place stays so that the elements below keep their position: where an element changes its kind between two
    partly delivered runs, Streamlit's client can fail and show nothing.
    """
    place = st.empty()
    if text:
        place.caption(escape_markdown(text))


def prediction_headline(info: VoltageInfo) -> str:
    """Return the decision as a heading, in the colour of the true class if correct, else of the predicted class."""
    correct = info.predicted == info.true_class and not info.is_tie
    return f"## :{'blue' if correct else 'orange'}[{info.prediction_text}]"
