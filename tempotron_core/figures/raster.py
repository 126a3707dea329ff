"""Spike rasters of a pixel and of a whole image, and their histogram over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import style

__all__ = ["RasterInfo", "histogram_figure", "image_raster_figure", "pixel_raster_figure", "raster_info"]

_ROWS = 28


@dataclass(frozen=True, eq=False)
class RasterInfo:
    """Spikes of one image on a grid of T ms.

    ink, background: [784, columns] counts of spikes of pixels above 0 and of pixels at 0, column c holding the times
    from c*step to (c+1)*step; ink_histogram, background_histogram: [T] counts at every millisecond.
    """

    ink: np.ndarray
    background: np.ndarray
    ink_histogram: np.ndarray
    background_histogram: np.ndarray
    afferents: int
    T: int
    step: int

    @property
    def spikes(self) -> int:
        """All spikes."""
        return int(self.ink_histogram.sum() + self.background_histogram.sum())

    @property
    def takeaway(self) -> str:
        """What is seen, in one sentence."""
        if not self.spikes:
            return f"None of the {self.afferents:,} afferents spikes."
        share = self.background_histogram.sum() / self.spikes
        return (
            f"{self.spikes:,} of {self.afferents:,} afferents spike ({self.spikes / self.afferents:.0%}); "
            f"{share:.0%} of the spikes come from black pixels."
        )


def raster_info(times: np.ndarray, image: np.ndarray, T: int, columns: int = 200) -> RasterInfo:
    """Bin spike times [784, m] (whole ms, -1: none) of an image, uint8 [28, 28], into at most that many columns."""
    step = max(1, -(-T // columns))
    pixel, neuron = np.nonzero((times >= 0) & (times < T))
    t = times[pixel, neuron].astype(int)
    black = image.reshape(-1)[pixel] == 0
    width = -(-T // step)

    def grid(chosen: np.ndarray) -> np.ndarray:
        flat = np.bincount(pixel[chosen] * width + t[chosen] // step, minlength=len(times) * width)
        return flat.reshape(len(times), width).astype(np.uint8)

    return RasterInfo(
        grid(~black),
        grid(black),
        np.bincount(t[~black], minlength=T),
        np.bincount(t[black], minlength=T),
        times.size,
        T,
        step,
    )


def pixel_raster_figure(time: np.ndarray, T: int, height: int = 300) -> go.Figure:
    """The m neurons of one pixel against time: times [m] in ms, -1 for none."""
    m = len(time)
    firing, silent = np.flatnonzero(time >= 0), np.flatnonzero(time < 0)
    figure = style.base(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [-0.01 * T, 1.01 * T], "fixedrange": True},
        yaxis={"title": {"text": "neuron"}, "range": [m + 0.7, 0.3], "fixedrange": True},
    )
    figure.add_scatter(
        x=np.full(len(silent), T),
        y=silent + 1,
        mode="markers",
        marker={"size": 9, "symbol": "x-thin", "line": {"color": style.MUTED, "width": 2}},
        hovertemplate="neuron %{y}: no spike<extra></extra>",
    )
    figure.add_scatter(
        x=time[firing],
        y=firing + 1,
        mode="markers",
        marker={
            "size": min(26, 260 / m),
            "symbol": "line-ns",
            "line": {"color": style.SPIKE, "width": 4},
        },
        hovertemplate="neuron %{y}: %{x} ms<extra></extra>",
    )
    return figure.figure()


def image_raster_figure(info: RasterInfo, height: int = 430) -> go.Figure:
    """All afferents against time, from the top left to the bottom right of the image, as rows that can be seen."""
    together = max(1, round(2.5 * len(info.ink) / height))
    starts = np.arange(0, len(info.ink), together)
    ink, background = (np.add.reduceat(grid, starts, axis=0) for grid in (info.ink, info.background))
    figure = style.base(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [-0.5, info.T - 0.5]},
        yaxis={
            "title": {"text": "image row"},
            "range": [len(info.ink), 0],
            "tickvals": [row * _ROWS + _ROWS / 2 for row in range(0, _ROWS, 4)],
            "ticktext": [str(row + 1) for row in range(0, _ROWS, 4)],
        },
    )
    kinds = np.where(ink > 0, 2, np.where(background > 0, 1, 0)).astype(np.uint8)
    clear = "rgba(0,0,0,0)"
    figure.add_heatmap(
        z=kinds,
        x0=(info.step - 1) / 2,
        dx=info.step,
        y0=together / 2,
        dy=together,
        zmin=0,
        zmax=2,
        colorscale=[
            [0, clear],
            [0.33, clear],
            [0.33, style.MUTED],
            [0.66, style.MUTED],
            [0.66, style.SPIKE],
            [1, style.SPIKE],
        ],
        showscale=False,
        hoverongaps=False,
        hovertemplate="around pixel %{y:.0f}, %{x:.0f} ms<extra></extra>",
    )
    return figure.figure()


def histogram_figure(info: RasterInfo, height: int = 220) -> go.Figure:
    """Spikes at every millisecond: black pixels muted, the digit's own on top."""
    figure = style.base(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [-0.5, info.T - 0.5]},
        yaxis={"title": {"text": "spikes"}},
        barmode="stack",
        bargap=0,
    )
    t = np.arange(info.T)
    for counts, colour, name in (
        (info.background_histogram, style.MUTED, "black pixels"),
        (info.ink_histogram, style.SPIKE, "the digit's pixels"),
    ):
        figure.add_bar(
            x=t,
            y=counts,
            marker={"color": colour, "line": {"width": 0}},
            name=name,
            hovertemplate=f"%{{x}} ms: %{{y}} from {name}<extra></extra>",
        )
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 15}},
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
    )
    return figure.figure()
