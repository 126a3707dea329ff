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
class ExportableFigure:
    """A picture on the page, as drawn for a query: a figure, a function that makes it, or markup.

    view: the view that was resolved last when it was drawn; to_csv: tells what is in markup as CSV.
    """

    name: str
    alt: str
    source: Any
    query: dict[str, str]
    view: View
    to_csv: Callable[[], str] | None = None

    @property
    def figure(self) -> Any:
        """The figure; None where there is only markup."""
        if self.to_csv:
            return None
        return self.source() if callable(self.source) else self.source

    def html(self) -> str:
        """A page of HTML that shows it by itself."""
        figure = self.figure
        if figure is None:
            return figures.html_page(self.source, self.alt)
        return figures.figure_to_page(figure, self.alt)

    def csv(self) -> str:
        """Its numbers as CSV."""
        return self.to_csv() if self.to_csv else figures.figure_to_csv(self.figure)


def exportable_figures() -> dict[str, ExportableFigure]:
    """The pictures drawn since the page was opened, by their keys."""
    exportables: dict[str, ExportableFigure] = st.session_state.setdefault("_shown", {})
    return exportables


def reset_exports() -> None:
    """Begin a page."""
    st.session_state["_shown"] = {}


def _title_from_key(key: str) -> str:
    return key.replace("_", " ").capitalize()


def plotly_chart(figure: Any, key: str, alt: str, **kwargs: Any) -> Any:
    """A figure in the page's theme, with a stable identity and a text alternative."""
    config = {"displayModeBar": False, "scrollZoom": False}
    exportable_figures()[key] = ExportableFigure(
        _title_from_key(key), alt, figure, st.query_params.to_dict(), current_view()
    )
    if is_presentation_mode():
        figure = figures.scale_figure(figure, PRESENTATION_SCALE)
    return st.plotly_chart(figure, width="stretch", key=key, alt=alt, config=config, **kwargs)


def html_figure(html: str, key: str | None = None, alt: str = "", to_csv: Callable[[], str] | None = None) -> None:
    """A picture that is no chart; numbers tells it as CSV where it may be taken along, under its key."""
    if key is not None and to_csv is not None:
        exportable_figures()[key] = ExportableFigure(
            _title_from_key(key), alt, html, st.query_params.to_dict(), current_view(), to_csv
        )
        html = f'<div data-figure="{key}">{html}</div>'
    st.html(html)


def html_figure_of(html: str, key: str, alt: str, figure: Any) -> None:
    """A figure, or what makes it, that the page draws as markup, in a fraction of a chart's time."""
    exportable_figures()[key] = ExportableFigure(
        _title_from_key(key), alt, figure, st.query_params.to_dict(), current_view()
    )
    st.html(f'<div data-figure="{key}">{html}</div>')


def lightweight_chart(figure: Any, key: str, alt: str) -> None:
    """A figure of lines or bars, which the browser repaints in place and faster than a Plotly chart."""
    exportable_figures()[key] = ExportableFigure(
        _title_from_key(key), alt, figure, st.query_params.to_dict(), current_view()
    )
    if is_presentation_mode():
        figure = figures.scale_figure(figure, PRESENTATION_SCALE)
    # Drawn as SVG, whose words take the page's style and which can be saved as it is.
    st.echarts_chart(figures.make_option(figure), height=figure.layout.height, key=key, renderer="svg", alt=alt)


def predictions_csv(info: VoltageInfo) -> str:
    """The peaks as CSV."""
    return figures.columns_to_csv(
        {"class": info.classes, "v_max": info.v_max, "t_max_ms": info.t_max, "fired": info.has_fired}
    )


def spikes_csv(times: np.ndarray) -> str:
    """Spike times [784, m] as CSV, a row a spike."""
    pixel, neuron = np.nonzero(times >= 0)
    when = times[pixel, neuron]
    is_integer = bool((when == when.round()).all())
    columns = {"pixel": pixel, "neuron": neuron + 1, "time_ms": when.astype(int) if is_integer else when.round(3)}
    return figures.columns_to_csv(columns)


def pixels_csv(image: np.ndarray) -> str:
    """An image's values as CSV."""
    values = image.reshape(-1)
    return figures.columns_to_csv({"pixel": range(len(values)), "value": values})
