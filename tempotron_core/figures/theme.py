"""One look for all figures: what each colour means, sizes that carry to the last row, empty figures.

Every colour but MUTED has 4.5:1 against a white page, so that words can have it, and every one has 3:1 against a dark
one, enough for lines and marks; words on a dark page take the lighter colour in DARK_VARIANT. Where two colours come near
each other without hue, a second cue tells them apart: a width, a dash, a symbol, a pattern, or a name beside it.
"""

from __future__ import annotations

from html import escape
from typing import Any

# Plotly looks into a pandas that is there, even one that another thread has only begun to import.
import pandas  # noqa: F401
import plotly.graph_objects as go

__all__ = [
    "NEGATIVE",
    "SELECTED",
    "DIVERGING",
    "POSITIVE",
    "METRIC",
    "REFERENCE",
    "MARGINS",
    "MUTED",
    "DARK_VARIANT",
    "OUTLINE",
    "PREDICTED",
    "SPIKE",
    "TRUE",
    "FigureBuilder",
    "new_figure",
    "class_colour",
    "placeholder",
    "css_text_colour",
    "deep_merge",
    "text_label",
    "escape_label",
]

TRUE = "#1f6fd6"
"""The true class."""
PREDICTED = "#d1450e"
"""The predicted class where it is not the true one."""
MUTED = "#8f959b"
"""Everything that is context: other outputs, background spikes, silent curves."""
SPIKE = "#0b7f73"
"""Spikes of the chosen image or pixel."""
SELECTED = "#d6336c"
"""The chosen pixel and its value; the class that is read where the true one is not known."""
REFERENCE = "#6b7280"
"""Lines of reference that are text as well: the threshold, the present value."""
METRIC = "#8250df"
"""What a run measures of itself: its loss and its test accuracy."""
POSITIVE = "#1b7837"
"""What excites, or speaks for a class."""
NEGATIVE = "#a044b4"
"""What inhibits, or speaks against it."""
DARK_VARIANT = {
    TRUE: "#5aa0ff",
    PREDICTED: "#ff8a4c",
    SPIKE: "#2bb5a5",
    SELECTED: "#ff6b9d",
    REFERENCE: "#a3abb6",
    METRIC: "#b794f6",
    POSITIVE: "#5fd07f",
    NEGATIVE: "#d58be6",
}
"""Each meaning's colour for words on a dark page."""
MARGINS = (74, 12, 12, 58)
"""Left, right, top and bottom of a figure's plot, in pixels."""
OUTLINE = "#15181c"
"""The border of a digit over a map."""
DIVERGING = ((0.0, "#4d0a66"), (0.25, "#8f63a3"), (0.5, "#b4b4b4"), (0.75, "#9be09a"), (1.0, "#7dfb87"))
"""From against to for, with nothing in the middle; brighter all the way, so that the sign is seen without hue too."""


class FigureBuilder:
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
        self._layout = deep_merge(self._layout, layout)

    def build(self) -> go.Figure:
        """The figure, checked once."""
        return go.Figure(
            {"data": self._traces, "layout": self._layout | {"shapes": self._shapes, "annotations": self._labels}}
        )


def deep_merge(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """One dictionary on top of another, dictionaries in them merged in turn."""
    result = dict(base)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = deep_merge(result[key], value) if nested else value
    return result


def new_figure(height: int, **layout: Any) -> FigureBuilder:
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
    return FigureBuilder(deep_merge(common, layout))


def class_colour(neuron: int, true: int | None, predicted: int) -> str:
    """The colour that one output has on every page; none is wrong where the true class is not known."""
    if neuron == true:
        return TRUE
    if neuron == predicted:
        return SELECTED if true is None else PREDICTED
    return MUTED


def escape_label(name: str) -> str:
    """A name that comes from data, for a chart's lettering, in which some markup would count."""
    return escape(name, quote=False)


def css_text_colour(colour: str) -> str:
    """A colour for words in markup: it follows the page's theme, and what is muted is written in the page's own."""
    return f"light-dark({colour},{DARK_VARIANT[colour]})" if colour in DARK_VARIANT else "inherit"


def text_label(x: float, y: float, content: str, colour: str = REFERENCE, **more: Any) -> dict[str, Any]:
    """A label without an arrow, in data coordinates."""
    label = {"x": x, "y": y, "text": content, "showarrow": False, "font": {"size": 15, "color": colour}}
    return label | more


def placeholder(height: int, content: str) -> go.Figure:
    """A blank figure that says what will be seen there."""
    blank = new_figure(height, xaxis={"visible": False}, yaxis={"visible": False}, margin={"l": 12})
    blank.add_annotation(
        **text_label(0.5, 0.5, content, xref="paper", yref="paper", font={"size": 16, "color": REFERENCE})
    )
    return blank.build()
