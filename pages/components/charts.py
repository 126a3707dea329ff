"""The pictures of a page, drawn as charts or as markup, and what of them can be taken along."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pages.state.experiment import View, current_view
from pages.state.settings import PRESENTATION_SCALE, is_presentation_mode
from tempotron_core import figures
from tempotron_core.figures import VoltageInfo


@dataclass(frozen=True)
class Shown:
    """A picture on the page, as drawn for a query: a figure, a function that makes it, or markup.

    view: the view that was resolved last when it was drawn; numbers: tells what is in markup as CSV.
    """

    name: str
    alt: str
    picture: Any
    query: dict[str, str]
    view: View
    numbers: Callable[[], str] | None = None

    @property
    def figure(self) -> Any:
        """The figure; None where there is only markup."""
        if self.numbers:
            return None
        return self.picture() if callable(self.picture) else self.picture

    def page(self) -> str:
        """A page of HTML that shows it by itself."""
        figure = self.figure
        if figure is None:
            return figures.plate_page(self.picture, self.alt)
        return figures.figure_page(figure, self.alt)

    def table(self) -> str:
        """Its numbers as CSV."""
        return self.numbers() if self.numbers else figures.figure_table(self.figure)


def shown() -> dict[str, Shown]:
    """The pictures drawn since the page was opened, by their keys."""
    pictures: dict[str, Shown] = st.session_state.setdefault("_shown", {})
    return pictures


def forget_shown() -> None:
    """Begin a page."""
    st.session_state["_shown"] = {}


def _name(key: str) -> str:
    return key.replace("_", " ").capitalize()


def chart(figure: Any, key: str, alt: str, **more: Any) -> Any:
    """A figure in the page's theme, with a stable identity and a text alternative."""
    config = {"displayModeBar": False, "scrollZoom": False}
    shown()[key] = Shown(_name(key), alt, figure, st.query_params.to_dict(), current_view())
    if is_presentation_mode():
        figure = figures.enlarged(figure, PRESENTATION_SCALE)
    return st.plotly_chart(figure, width="stretch", key=key, alt=alt, config=config, **more)


def plate(markup: str, key: str | None = None, alt: str = "", numbers: Callable[[], str] | None = None) -> None:
    """A picture that is no chart; numbers tells it as CSV where it may be taken along, under its key."""
    if key is not None and numbers is not None:
        shown()[key] = Shown(_name(key), alt, markup, st.query_params.to_dict(), current_view(), numbers)
        markup = f'<div data-plate="{key}">{markup}</div>'
    st.html(markup)


def drawn(markup: str, key: str, alt: str, figure: Any) -> None:
    """A figure, or what makes it, that the page draws as markup, in a fraction of a chart's time."""
    shown()[key] = Shown(_name(key), alt, figure, st.query_params.to_dict(), current_view())
    st.html(f'<div data-plate="{key}">{markup}</div>')


def sketch(figure: Any, key: str, alt: str) -> None:
    """A figure of lines or bars, which the browser repaints in place and faster than a Plotly chart."""
    shown()[key] = Shown(_name(key), alt, figure, st.query_params.to_dict(), current_view())
    if is_presentation_mode():
        figure = figures.enlarged(figure, PRESENTATION_SCALE)
    # Drawn as SVG, whose words take the page's style and which can be saved as it is.
    st.echarts_chart(figures.make_option(figure), height=figure.layout.height, key=key, renderer="svg", alt=alt)


def decision_numbers(info: VoltageInfo) -> str:
    """The peaks as CSV."""
    return figures.columns_table(
        {"class": info.classes, "v_max": info.v_max, "t_max_ms": info.t_max, "fired": info.fired}
    )


def spike_numbers(times: np.ndarray) -> str:
    """Spike times [784, m] as CSV, a row a spike."""
    pixel, neuron = np.nonzero(times >= 0)
    when = times[pixel, neuron]
    whole = bool((when == when.round()).all())
    columns = {"pixel": pixel, "neuron": neuron + 1, "time_ms": when.astype(int) if whole else when.round(3)}
    return figures.columns_table(columns)


def pixel_numbers(image: np.ndarray) -> str:
    """An image's values as CSV."""
    values = image.reshape(-1)
    return figures.columns_table({"pixel": range(len(values)), "value": values})
