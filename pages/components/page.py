"""Parts that every page uses: header, links, headings, expanders."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import ParamSpec

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from pages import streamlit_hooks
from pages.refresh import refresh_interval
from pages.state.experiment import ExperimentError
from pages.state.markdown import escape_markdown
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, is_live
from tempotron_core.figures import VoltageInfo

P = ParamSpec("P")


def page_header(text: str) -> None:
    """Show the title of a page."""
    st.title(text)


def report_experiment_errors(draw: Callable[P, None], title: str | None = None) -> Callable[P, None]:
    """Return a function that shows the sentence of an ExperimentError in place of what it cannot draw.

    Args:
        draw: function that draws a part of a page
        title: heading above the sentence, None for a page that has one
    """

    @functools.wraps(draw)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except ExperimentError as error:
            if title is not None:
                st.title(title)
            st.warning(escape_markdown(error), icon=":material/error:")

    return guarded


def draw_body(render: Callable[[], None], title: str | None = None) -> None:
    """Draw the body of a page as a fragment that follows a live model.

    Args:
        render: function that draws the body
        title: see report_experiment_errors
    """
    interval = refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live())
    streamlit_hooks.flushing_fragment(report_experiment_errors(render, title), run_every=interval)()


def page_link(page: str, label: str, icon: str) -> None:
    """Show a link to another page, or only its label if the page runs without navigation."""
    try:
        st.page_link(page, label=label, icon=icon)
    except StreamlitPageNotFoundError:
        st.markdown(label)


def switch_page(page: str, query_params: dict[str, str] | None = None) -> None:
    """Go to another page with these query parameters; do nothing if the page runs without navigation."""
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
    """Show the heading of a chart, one sentence with its result."""
    st.markdown(f"#### {text}")


def optional_caption(text: str | None) -> None:
    """Show a caption, or an empty element if there is none.

    The empty element preserves the positions of the elements below. If an element changes its type between two partly
    delivered runs, Streamlit's client can fail and show an empty page.
    """
    place = st.empty()
    if text:
        place.caption(escape_markdown(text))


def prediction_headline(info: VoltageInfo) -> str:
    """Return the prediction as a heading, blue if it is correct and orange if it is not."""
    correct = info.predicted == info.true_class and not info.is_tie
    return f"## :{'blue' if correct else 'orange'}[{info.prediction_text}]"
