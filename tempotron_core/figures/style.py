"""One look for all figures: what each colour means, sizes that carry to the last row, empty figures."""

from __future__ import annotations

from html import escape
from typing import Any

# Plotly looks into a pandas that is there, even one that another thread has only begun to import.
import pandas  # noqa: F401
import plotly.graph_objects as go

__all__ = [
    "AGAINST",
    "CHOSEN",
    "DIVERGING",
    "FOR",
    "HISTORY",
    "INK",
    "MARGINS",
    "MUTED",
    "PREDICTED",
    "SPIKE",
    "TRUE",
    "Sketch",
    "base",
    "class_colour",
    "empty",
    "merged",
    "text",
    "words",
]

TRUE = "#2b7de9"
"""The true class."""
PREDICTED = "#e8590c"
"""The predicted class where it is not the true one."""
MUTED = "#9aa0a6"
"""Everything that is context: other outputs, background spikes, silent curves."""
SPIKE = "#0f9d8f"
"""Spikes of the chosen image or pixel."""
CHOSEN = "#d6336c"
"""The chosen pixel and its value."""
INK = "#7f8790"
"""Lines of reference that are text as well: the threshold, the present value. Readable on light and dark."""
HISTORY = "#8250df"
"""What a run measures of itself: its loss and its test accuracy."""
FOR = "#1b7837"
"""What excites, or speaks for a class."""
AGAINST = "#762a83"
"""What inhibits, or speaks against it."""
MARGINS = (74, 12, 12, 58)
"""Left, right, top and bottom of a figure's plot, in pixels."""
DIVERGING = ((0.0, AGAINST), (0.25, "#c2a5cf"), (0.5, "#f7f7f7"), (0.75, "#7fbf7b"), (1.0, FOR))
"""From against to for, with nothing in the middle."""


class Sketch:
    """A figure as plain data until it is done: plotly's objects check every step of their making, which is slow."""

    def __init__(self, layout: dict[str, Any]) -> None:
        self._layout = layout
        self._traces: list[dict[str, Any]] = []
        self._shapes: list[dict[str, Any]] = []
        self._labels: list[dict[str, Any]] = []

    def add_scatter(self, **trace: Any) -> None:
        """Lines, markers or text."""
        self._traces.append({"type": "scatter", **trace})

    def add_bar(self, **trace: Any) -> None:
        """Bars."""
        self._traces.append({"type": "bar", **trace})

    def add_heatmap(self, **trace: Any) -> None:
        """Cells in colours."""
        self._traces.append({"type": "heatmap", **trace})

    def add_shape(self, **shape: Any) -> None:
        """A line or box in data coordinates."""
        self._shapes.append(shape)

    def add_hline(self, y: float, **shape: Any) -> None:
        """A line from side to side."""
        self.add_shape(type="line", x0=0, x1=1, xref="x domain", y0=y, y1=y, **shape)

    def add_vline(self, x: float, **shape: Any) -> None:
        """A line from top to bottom."""
        self.add_shape(type="line", y0=0, y1=1, yref="y domain", x0=x, x1=x, **shape)

    def add_annotation(self, **label: Any) -> None:
        """Words."""
        self._labels.append(label)

    def update_layout(self, **layout: Any) -> None:
        """Entries on top of those there are, dictionaries merged."""
        self._layout = merged(self._layout, layout)

    def figure(self) -> go.Figure:
        """The figure, checked once."""
        return go.Figure(
            {"data": self._traces, "layout": self._layout | {"shapes": self._shapes, "annotations": self._labels}}
        )


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """One dictionary on top of another, dictionaries in them merged in turn."""
    both = dict(under)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(both.get(key), dict)
        both[key] = merged(both[key], value) if nested else value
    return both


def base(height: int, **layout: Any) -> Sketch:
    """An empty sketch with the common layout; layout entries go on top."""
    axis = {
        "title": {"font": {"size": 17}, "standoff": 14},
        "tickfont": {"size": 15},
        "zeroline": False,
    }
    common = {
        "height": height,
        # Fixed: margins that follow the labels make the browser lay out every figure several times.
        "margin": dict(zip("lrtb", MARGINS, strict=True)),
        "font": {"size": 15},
        "hoverlabel": {"font": {"size": 15}},
        "showlegend": False,
        "uirevision": "fixed",
        "dragmode": False,
        "xaxis": axis,
        "yaxis": axis,
    }
    return Sketch(merged(common, layout))


def class_colour(neuron: int, true: int | None, predicted: int) -> str:
    """The colour that one output has on every page."""
    if neuron == true:
        return TRUE
    return PREDICTED if neuron == predicted else MUTED


def words(name: str) -> str:
    """A name that comes from data, for a chart's lettering, in which some markup would count."""
    return escape(name, quote=False)


def text(x: float, y: float, words: str, colour: str = INK, **more: Any) -> dict[str, Any]:
    """A label without an arrow, in data coordinates."""
    label = {"x": x, "y": y, "text": words, "showarrow": False, "font": {"size": 15, "color": colour}}
    return label | more


def empty(height: int, words: str) -> go.Figure:
    """A blank figure that says what will be seen there."""
    blank = base(height, xaxis={"visible": False}, yaxis={"visible": False})
    blank.add_annotation(**text(0.5, 0.5, words, xref="paper", yref="paper", font={"size": 18, "color": INK}))
    return blank.figure()
