"""Assembly of Plotly figures: a plain-data builder, the common layout and the empty figure."""

from __future__ import annotations

from typing import Any

# Import pandas first: Plotly looks it up in sys.modules and fails if another thread has only begun to import it,
# see https://github.com/plotly/plotly.py/issues/2433.
import pandas  # noqa: F401
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["FigureBuilder", "new_figure", "placeholder"]


class FigureBuilder:
    """Collect a figure as plain data and validate it once.

    Plotly validates its objects at every change, which is slow for figures of many traces.
    """

    def __init__(self, layout: dict[str, Any]) -> None:
        self._layout = layout
        self._traces: list[dict[str, Any]] = []
        self._shapes: list[dict[str, Any]] = []
        self._labels: list[dict[str, Any]] = []

    def add_scatter(self, **trace: Any) -> None:
        """Add a trace of lines, markers or text."""
        self._traces.append({"type": "scatter", **trace})

    def add_bar(self, **trace: Any) -> None:
        """Add a trace of bars."""
        self._traces.append({"type": "bar", **trace})

    def add_heatmap(self, **trace: Any) -> None:
        """Add a heatmap."""
        self._traces.append({"type": "heatmap", **trace})

    def add_shape(self, **shape: Any) -> None:
        """Add a line or a rectangle, by default in data coordinates."""
        self._shapes.append(shape)

    def add_hline(self, y: float, **shape: Any) -> None:
        """Add a horizontal line across the whole plot."""
        self.add_shape(type="line", x0=0, x1=1, xref="x domain", y0=y, y1=y, **shape)

    def add_vline(self, x: float, **shape: Any) -> None:
        """Add a vertical line across the whole plot."""
        self.add_shape(type="line", y0=0, y1=1, yref="y domain", x0=x, x1=x, **shape)

    def add_annotation(self, **label: Any) -> None:
        """Add a text label."""
        self._labels.append(label)

    def update_layout(self, **layout: Any) -> None:
        """Merge entries into the layout, nested dictionaries included."""
        self._layout = _deep_merge(self._layout, layout)

    def build(self) -> go.Figure:
        """Return the validated Plotly figure."""
        return go.Figure(
            {"data": self._traces, "layout": self._layout | {"shapes": self._shapes, "annotations": self._labels}}
        )


def _deep_merge(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Merge two dictionaries recursively; overrides win."""
    result = dict(base)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _deep_merge(result[key], value) if nested else value
    return result


def new_figure(height: int, **layout: Any) -> FigureBuilder:
    """Return a builder with the common layout.

    Args:
        height: Height of the figure in pixels.
        **layout: Entries of the Plotly layout, merged into the common ones.
    """
    axis = {
        "title": {"font": {"size": 17}, "standoff": 14},
        "tickfont": {"size": 15},
        "zeroline": False,
    }
    common = {
        "height": height,
        # Fixed: with automatic margins the browser lays out every figure several times.
        "margin": dict(zip("lrtb", theme.MARGINS, strict=True)),
        "font": {"size": 15},
        "hoverlabel": {"font": {"size": 15}},
        "showlegend": False,
        "uirevision": "fixed",
        "dragmode": False,
        "xaxis": axis,
        "yaxis": axis,
    }
    return FigureBuilder(_deep_merge(common, layout))


def placeholder(height: int, content: str) -> go.Figure:
    """Return a figure without axes that shows only a message."""
    blank = new_figure(height, xaxis={"visible": False}, yaxis={"visible": False}, margin={"l": 12})
    blank.add_annotation(
        **theme.text_label(0.5, 0.5, content, xref="paper", yref="paper", font={"size": 16, "color": theme.REFERENCE})
    )
    return blank.build()
