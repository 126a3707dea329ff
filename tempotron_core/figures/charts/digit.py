"""Figure of an image with its selected pixel."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure

__all__ = ["digit_figure", "pixel_of_click"]


def digit_figure(image: np.ndarray, pixel: int | None = None, height: int = 320) -> go.Figure:
    """Draw an image white on black.

    Args:
        image: The image, uint8 [h, w].
        pixel: Row-major index of the pixel to frame, None for none.
        height: Height of the figure in pixels.
    """
    rows, columns = image.shape
    figure = new_figure(
        height,
        xaxis={"visible": False, "range": [0.5, columns + 0.5], "fixedrange": True, "constrain": "domain"},
        yaxis={"visible": False, "range": [rows + 0.5, 0.5], "fixedrange": True, "scaleanchor": "x"},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
    )
    values = image
    figure.add_heatmap(
        x=np.arange(1, columns + 1),
        y=np.arange(1, rows + 1),
        z=values,
        zmin=0,
        zmax=255,
        colorscale=[[0, "#000000"], [1, "#ffffff"]],
        showscale=False,
        hovertemplate="row %{y}, column %{x}<br>value %{customdata:.3f}<extra></extra>",
        customdata=np.round(values / 255, 4),
    )
    if pixel is not None:
        row, column = divmod(pixel, columns)
        figure.add_shape(
            type="rect",
            x0=column + 0.4,
            x1=column + 1.6,
            y0=row + 0.4,
            y1=row + 1.6,
            line={"color": theme.SELECTED, "width": 4},
        )
    return figure.build()


def pixel_of_click(pixel: object, pixels: int = 28 * 28) -> int | None:
    """Return the row-major index of the clicked pixel as sent by the browser, None if it is not one of the pixels."""
    if not isinstance(pixel, int | float) or pixel != pixel // 1 or not 0 <= pixel < pixels:
        return None
    return int(pixel)
