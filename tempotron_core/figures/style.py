"""One look for all figures: what each colour means, sizes that carry to the last row, empty figures."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

__all__ = ["CHOSEN", "HISTORY", "INK", "MUTED", "PREDICTED", "SPIKE", "TRUE", "base", "class_colour", "empty", "text"]

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


def base(height: int, **layout: Any) -> go.Figure:
    """An empty figure with the common layout; layout entries go on top."""
    axis = {"title": {"font": {"size": 17}, "standoff": 14}, "tickfont": {"size": 15}, "zeroline": False}
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        font={"size": 15},
        hoverlabel={"font": {"size": 15}},
        showlegend=False,
        uirevision="fixed",
        dragmode=False,
        xaxis=axis | {"automargin": True},
        yaxis=axis | {"automargin": True},
    )
    figure.update_layout(**layout)
    return figure


def class_colour(neuron: int, true: int | None, predicted: int) -> str:
    """The colour that one output has on every page."""
    if neuron == true:
        return TRUE
    return PREDICTED if neuron == predicted else MUTED


def text(x: float, y: float, words: str, colour: str = INK, **more: Any) -> dict[str, Any]:
    """A label without an arrow, in data coordinates."""
    label = {"x": x, "y": y, "text": words, "showarrow": False, "font": {"size": 15, "color": colour}}
    return label | more


def empty(height: int, words: str) -> go.Figure:
    """A blank figure that says what will be seen there."""
    figure = base(height, xaxis={"visible": False}, yaxis={"visible": False})
    figure.add_annotation(**text(0.5, 0.5, words, xref="paper", yref="paper", font={"size": 18, "color": INK}))
    return figure
