"""Figures of a page, drawn as Plotly charts, ECharts charts or HTML, and recorded for export."""

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
    """A figure on the page and what is needed to export it.

    Attributes:
        name: title of the figure
        alt: text alternative
        source: a Plotly figure, a function that returns one, or HTML if to_csv is given
        query: URL parameters at the time of drawing
        view: the view that was resolved last before the drawing, None if there is none
        to_csv: returns the numbers of an HTML figure as CSV
        numbers: returns the numbers of a Plotly figure as CSV, None for those that it draws
    """

    name: str
    alt: str
    source: Any
    query: dict[str, str]
    view: View | None
    to_csv: Callable[[], str] | None = None
    numbers: Callable[[], str] | None = None

    @property
    def figure(self) -> Any:
        """The Plotly figure, None for an HTML figure."""
        if self.to_csv:
            return None
        return self.source() if callable(self.source) else self.source

    def html(self) -> str:
        """Return a self-contained HTML page with the figure."""
        figure = self.figure
        if figure is None:
            return figures.html_page(self.source, self.alt)
        return figures.figure_to_page(figure, self.alt)

    def csv(self) -> str:
        """Return the numbers of the figure as CSV."""
        make_csv = self.to_csv or self.numbers
        return make_csv() if make_csv else figures.figure_to_csv(self.figure)


def exportable_figures() -> dict[str, ExportableFigure]:
    """Return the figures drawn since the page was opened, by key."""
    exportables: dict[str, ExportableFigure] = st.session_state.setdefault("_shown", {})
    return exportables


def reset_exports() -> None:
    """Forget the figures of the previous page."""
    st.session_state["_shown"] = {}


def register_export(
    key: str,
    alt: str,
    source: Any,
    to_csv: Callable[[], str] | None = None,
    numbers: Callable[[], str] | None = None,
) -> None:
    """Record a figure for the export panel.

    Args:
        key: key of the figure on the page; its title derives from it
        alt: text alternative
        source: a Plotly figure, a function that returns one, or HTML if to_csv is given
        to_csv: returns the numbers of an HTML figure as CSV
    """
    exportable_figures()[key] = ExportableFigure(
        _title_from_key(key), alt, source, st.query_params.to_dict(), current_view(), to_csv, numbers
    )


def _title_from_key(key: str) -> str:
    return key.replace("_", " ").capitalize()


def plotly_chart(
    figure: Any, key: str, alt: str, zoom: bool = False, numbers: Callable[[], str] | None = None, **kwargs: Any
) -> Any:
    """Draw a Plotly figure in the theme of the page and return the result of st.plotly_chart.

    Args:
        figure: Plotly figure
        key: widget key, also the key of the export
        alt: text alternative
        zoom: whether the wheel zooms and a double-click resets the axes
        numbers: returns the numbers of the figure as CSV, None for those that it draws
        **kwargs: further arguments of st.plotly_chart
    """
    config = {"displayModeBar": False, "scrollZoom": zoom, "doubleClick": "reset" if zoom else False}
    register_export(key, alt, figure, numbers=numbers)
    if is_presentation_mode():
        figure = figures.scale_figure(figure, PRESENTATION_SCALE)
    return st.plotly_chart(figure, width="stretch", key=key, alt=alt, config=config, **kwargs)


def html_figure(html: str, key: str | None = None, alt: str = "", to_csv: Callable[[], str] | None = None) -> None:
    """Draw an HTML figure; record it for export if it has a key and numbers.

    Args:
        html: HTML of the figure
        key: key of the export
        alt: text alternative of the export
        to_csv: returns the numbers of the figure as CSV
    """
    if key is not None and to_csv is not None:
        register_export(key, alt, html, to_csv)
        html = f'<div data-figure="{key}">{html}</div>'
    st.html(html)


def html_figure_of(html: str, key: str, alt: str, figure: Any) -> None:
    """Draw a Plotly figure as HTML, which takes the browser a fraction of the time of a chart.

    Args:
        html: HTML of the figure
        key: key of the export
        alt: text alternative of the export
        figure: the same figure for the export, or a function that returns it
    """
    register_export(key, alt, figure)
    st.html(f'<div data-figure="{key}">{html}</div>')


def lightweight_chart(figure: Any, key: str, alt: str) -> None:
    """Draw a figure of lines or bars with ECharts, which updates faster than Plotly."""
    register_export(key, alt, figure)
    if is_presentation_mode():
        figure = figures.scale_figure(figure, PRESENTATION_SCALE)
    # SVG, because its text takes the style of the page and the export panel can save it.
    st.echarts_chart(figures.make_option(figure), height=figure.layout.height, key=key, renderer="svg", alt=alt)


def predictions_csv(info: VoltageInfo) -> str:
    """Return peaks and first threshold crossings as CSV, one row per class; -1 for no crossing."""
    return figures.columns_to_csv(
        {
            "class": info.classes,
            "v_max": info.v_max,
            "t_max_ms": info.t_max,
            "fired": info.has_fired,
            "first_crossing_ms": info.first_crossing,
        }
    )


def spikes_csv(times: np.ndarray, shape: tuple[int, ...]) -> str:
    """Return spike times [features, m] as CSV, one row per spike; rows, columns, features and neurons from 1.

    Args:
        times: spike times in ms, -1 for none
        shape: [h, w] of an image, [n] of a sample of a table
    """
    feature, neuron = np.nonzero(times >= 0)
    spike_times = times[feature, neuron]
    is_integer = bool((spike_times == spike_times.round()).all())
    time_ms = spike_times.astype(int) if is_integer else spike_times.round(3)
    return figures.columns_to_csv({**_places(feature, shape), "neuron": neuron + 1, "time_ms": time_ms})


def pixels_csv(image: np.ndarray) -> str:
    """Return the values of a sample as CSV, one row per pixel or feature; rows, columns and features from 1."""
    return figures.columns_to_csv({**_places(np.arange(image.size), image.shape), "value": image.reshape(-1)})


def _places(features: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return row and column of pixels, or the number of features, from 1, by the name of the column."""
    if len(shape) == 2:
        return {"row": features // shape[1] + 1, "column": features % shape[1] + 1}
    return {"feature": features + 1}


def contributions_csv(info: figures.EvidenceInfo) -> str:
    """Return the contributions of all spikes as CSV, largest absolute value first."""
    rows = info.strongest_spikes(info.contributions.size)
    features, neurons, times, contributions = zip(*rows, strict=True) if rows else ((), (), (), ())
    places = _places(np.array(features, dtype=int), info.image.shape)
    return figures.columns_to_csv(
        {**places, "neuron": [j + 1 for j in neurons], "time_ms": times, "contribution": contributions}
    )


def confusion_csv(confusion: np.ndarray, classes: tuple[str, ...]) -> str:
    """Return a confusion matrix in counts as CSV, one row per cell."""
    true, predicted = np.divmod(np.arange(confusion.size), len(classes))
    names = {"true_class": [classes[i] for i in true], "predicted_class": [classes[i] for i in predicted]}
    return figures.columns_to_csv({**names, "samples": confusion.reshape(-1)})
