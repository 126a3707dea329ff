"""The image itself, with the chosen pixel; its pixels can be clicked."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["digit_figure", "pixel_of_click"]

_SIDE = 28


def digit_figure(image: np.ndarray, pixel: int | None = None, height: int = 320) -> go.Figure:
    """An image, uint8 [28, 28], white on black; pixel: the chosen one, row-major, framed."""
    figure = theme.new_figure(
        height,
        xaxis={"visible": False, "range": [-0.5, _SIDE - 0.5], "fixedrange": True, "constrain": "domain"},
        yaxis={"visible": False, "range": [_SIDE - 0.5, -0.5], "fixedrange": True, "scaleanchor": "x"},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
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
    )
    if pixel is not None:
        row, column = divmod(pixel, _SIDE)
        figure.add_shape(
            type="rect",
            x0=column - 0.6,
            x1=column + 0.6,
            y0=row - 0.6,
            y1=row + 0.6,
            line={"color": theme.SELECTED, "width": 4},
        )
    return figure.build()


def pixel_of_click(pixel: object) -> int | None:
    """The row-major pixel that the browser says was clicked; None where that is none."""
    if not isinstance(pixel, int | float) or pixel != pixel // 1 or not 0 <= pixel < _SIDE * _SIDE:
        return None
    return int(pixel)
