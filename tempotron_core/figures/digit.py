"""The image itself, with the chosen pixel; its pixels can be clicked."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import style

__all__ = ["digit_figure", "pixel_of_selection"]

_SIDE = 28


def digit_figure(image: np.ndarray, pixel: int | None = None, height: int = 320, clickable: bool = False) -> go.Figure:
    """An image, uint8 [28, 28], white on black; pixel: the chosen one, row-major, framed."""
    figure = style.base(
        height,
        xaxis={"visible": False, "range": [-0.5, _SIDE - 0.5], "fixedrange": True, "constrain": "domain"},
        yaxis={"visible": False, "range": [_SIDE - 0.5, -0.5], "fixedrange": True, "scaleanchor": "x"},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        clickmode="event+select" if clickable else "event",
    )
    values = image.reshape(_SIDE, _SIDE)
    figure.add_heatmap(
        z=values,
        zmin=0,
        zmax=255,
        colorscale=[[0, "#000000"], [1, "#ffffff"]],
        showscale=False,
        hovertemplate="row %{y}, column %{x}<br>value %{customdata:.3f}<extra></extra>",
        customdata=np.round(values / 255, 4),
        hoverinfo="skip" if clickable else None,
    )
    if clickable:
        # A heatmap reports no selections, so unseen marks over its cells do.
        rows, columns = np.divmod(np.arange(_SIDE * _SIDE), _SIDE)
        figure.add_scatter(
            x=columns,
            y=rows,
            mode="markers",
            marker={"size": height / _SIDE, "symbol": "square", "opacity": 0},
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
            customdata=np.round(values.reshape(-1) / 255, 4),
            hovertemplate="row %{y}, column %{x}<br>value %{customdata:.3f}<extra></extra>",
        )
    if pixel is not None:
        row, column = divmod(pixel, _SIDE)
        figure.add_shape(
            type="rect",
            x0=column - 0.6,
            x1=column + 0.6,
            y0=row - 0.6,
            y1=row + 0.6,
            line={"color": style.CHOSEN, "width": 4},
        )
    return figure.figure()


def pixel_of_selection(points: list[dict[str, object]]) -> int | None:
    """The row-major pixel behind a click on a clickable digit; None where nothing was clicked."""
    if not points:
        return None
    column, row = points[-1].get("x"), points[-1].get("y")
    if not isinstance(column, int | float) or not isinstance(row, int | float):
        return None
    inside = 0 <= column < _SIDE and 0 <= row < _SIDE
    return int(row) * _SIDE + int(column) if inside else None
