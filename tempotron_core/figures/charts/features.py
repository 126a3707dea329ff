"""Figure of one value for each feature of a table, as bars."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure

__all__ = ["MAX_NAMED", "features_figure", "short_name"]

MAX_NAMED = 24
"""Features that are drawn with their names; of more, only their numbers."""

_MAX_LETTERS = 24


def short_name(names: tuple[str, ...], index: int) -> str:
    """Return the name of a feature, cut to what fits beside a bar; its number where it has none."""
    name = names[index] if index < len(names) else f"feature {index + 1}"
    return name if len(name) <= _MAX_LETTERS else f"{name[: _MAX_LETTERS - 1]}…"


def features_figure(
    values: np.ndarray, names: tuple[str, ...], height: int = 340, quantity: str = "value", limit: float | None = None
) -> go.Figure:
    """Draw one bar per feature, green if positive, purple if negative.

    Args:
        values: Value of each feature, [features].
        names: Names of the features.
        height: Height of the figure in pixels.
        quantity: Title of the axis of the values.
        limit: Absolute value at the ends of the axis, the largest one if None.
    """
    values = np.asarray(values, float).reshape(-1)
    limit = limit or float(np.abs(values).max(initial=0)) or 1.0
    low = -limit if (values < 0).any() else 0.0
    number = np.arange(1, len(values) + 1)
    is_named = len(values) <= MAX_NAMED
    labels = [theme.escape_label(short_name(names, i)) for i in range(len(values))]
    scale = {"title": {"text": quantity}, "range": [1.05 * low, 1.05 * limit], "zeroline": True}
    figure = new_figure(
        height,
        xaxis=scale if is_named else {"title": {"text": "feature"}},
        yaxis={"tickvals": number, "ticktext": labels, "autorange": "reversed", "automargin": True}
        if is_named
        else scale,
    )
    x, y, orientation = (values, number, "h") if is_named else (number, values, "v")
    figure.add_bar(
        x=np.round(x, 5),
        y=np.round(y, 5),
        orientation=orientation,
        marker={"color": [theme.POSITIVE if value >= 0 else theme.NEGATIVE for value in values]},
        customdata=labels,
        hovertemplate=f"%{{customdata}}: %{{{'x' if is_named else 'y'}:.4f}}<extra></extra>",
    )
    return figure.build()
