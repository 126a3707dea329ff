"""Figures of the contributions of pixels and tuning neurons to a potential, or to the difference between two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure
from tempotron_core.figures.charts.features import features_figure

__all__ = ["MOMENTS", "EvidenceInfo", "evidence_figure", "neurons_figure", "outline", "time_text"]

PEAK, CROSSING, CURSOR = MOMENTS = ("peak", "threshold crossing", "time cursor")
"""Moments at which contributions are shown."""
_MAX_LINES = 6


@dataclass(frozen=True, eq=False)
class EvidenceInfo:
    """Contributions to the potential of a class, minus those to the potential of a rival class if there is one.

    Attributes:
        name: Name of the class.
        weight: Its weights w_i, [features, m].
        kernel: Kernel values K(t_max - t_i) at its peak, [features, m].
        times: Spike times in ms, -1 for no spike, [features, m].
        peak: Its peak potential, or its potential at the time of another moment.
        t_max: Time of its peak or of that moment in ms.
        image: The image, uint8 [h, w], or the features of a sample of a table, [n].
        rival: Name of the rival class, None for none.
        rival_weight: Weights of the rival, [features, m].
        rival_kernel: Kernel values at the peak of the rival, [features, m].
        rival_peak: Peak potential of the rival.
        rival_t_max: Time of the peak of the rival in ms.
        features: Names of the features of a table.
        moment: What happens at these times, one of MOMENTS.
    """

    name: str
    weight: np.ndarray
    kernel: np.ndarray
    times: np.ndarray
    peak: float
    t_max: float
    image: np.ndarray
    rival: str | None = None
    rival_weight: np.ndarray | None = None
    rival_kernel: np.ndarray | None = None
    rival_peak: float = 0.0
    rival_t_max: float = 0
    features: tuple[str, ...] = ()
    moment: str = PEAK

    @property
    def contributions(self) -> np.ndarray:
        """Return the contribution w_i·K(t_max - t_i) of each afferent, less that to the rival, [features, m]."""
        contributions = np.asarray(self.weight * self.kernel)
        if self.rival_weight is not None and self.rival_kernel is not None:
            contributions = contributions - self.rival_weight * self.rival_kernel
        return contributions

    @property
    def by_pixel(self) -> np.ndarray:
        """Return the contribution of each pixel [h, w] or feature [n]."""
        return np.asarray(self.contributions.sum(axis=1).reshape(self.image.shape))

    @property
    def by_neuron(self) -> np.ndarray:
        """Return the contribution of each tuning neuron, summed over all pixels, [m]."""
        return np.asarray(self.contributions.sum(axis=0))

    @property
    def total(self) -> float:
        """Return the value that the contributions should sum to: the peak, or the difference between the peaks."""
        return self.peak - self.rival_peak

    @property
    def residual(self) -> float:
        """Return the absolute difference between the sum of the contributions and the total."""
        return abs(float(self.contributions.sum()) - self.total)

    @property
    def takeaway(self) -> str:
        """Return the total, its time and the sums of the positive and the negative contributions of pixels."""
        positive, negative = float(self.by_pixel.clip(min=0).sum()), float(self.by_pixel.clip(max=0).sum())
        at = time_text(self.t_max)
        if self.rival is None:
            if not self.contributions.any():
                sample = "image" if self.image.ndim == 2 else "sample"
                return f"No spike of this {sample} contributes to the {self._quantity} of {self.name} at {at}."
            quantity = "Peak" if self.moment == PEAK else "Potential"
            return (
                f"{quantity} of {self.name} at {at}: {self.peak:.2f}, with positive contributions of {positive:.1f} "
                f"and negative contributions of {negative:.1f}."
            )
        if not self.contributions.any():
            return f"No contribution differs between {self.name} and {self.rival}."
        lead = "leads" if self.total >= 0 else "trails"
        if self.moment == PEAK:
            start = f"{self.name} (peak at {at}) {lead} {self.rival} (peak at {time_text(self.rival_t_max)})"
        elif self.rival_t_max != self.t_max:
            start = f"{self.name} at {at} {lead} {self.rival} at {time_text(self.rival_t_max)}"
        else:
            start = f"At {at} {self.name} {lead} {self.rival}"
        return (
            f"{start} by {abs(self.total):.2f}: contributions of {positive:.1f} for "
            f"{self.name} and {-negative:.1f} for {self.rival}."
        )

    @property
    def _quantity(self) -> str:
        return "peak" if self.moment == PEAK else "potential"

    @property
    def residual_text(self) -> str:
        """Return the number of contributions, their total and the residual."""
        total_text = (
            f"the {self._quantity} of {self.name}"
            if self.rival is None
            else f"the {self._quantity} of {self.name} minus that of {self.rival}"
        )
        count = np.count_nonzero(self.contributions)
        return f"The {count:,} contributions sum to {total_text}, {self.total:.4f}, within {self.residual:.0e}."

    def strongest_spikes(self, count: int = 10) -> list[tuple[int, int, float, float]]:
        """Return the spikes with the largest absolute contributions, largest first; none without a contribution.

        Returns:
            Feature and tuning neuron of each, both from 0, time in ms, contribution.
        """
        contributions, m = self.contributions.reshape(-1), self.contributions.shape[1]
        order = np.argsort(-np.abs(contributions), kind="stable")[:count].tolist()
        times = self.times.reshape(-1)
        return [(i // m, i % m, float(times[i]), float(contributions[i])) for i in order if contributions[i]]

    @property
    def neurons_takeaway(self) -> str:
        """Return the tuning neurons with the largest and the smallest contribution."""
        sums = self.by_neuron
        largest, smallest = _neuron_text(sums, int(sums.argmax())), _neuron_text(sums, int(sums.argmin()))
        return f"Contributions of tuning neurons: largest {largest}; smallest {smallest}."


def time_text(t: float) -> str:
    """Return a time with its unit: whole milliseconds on the grid, two decimals between its steps."""
    return f"{t:.0f} ms" if t == int(t) else f"{t:.2f} ms"


def _neuron_text(sums: np.ndarray, index: int) -> str:
    return f"neuron {index + 1}, {float(sums[index]):+.2f}"


def evidence_figure(info: EvidenceInfo, height: int = 350, limit: float | None = None) -> go.Figure:
    """Draw the contributions by pixel, bright if positive, dark if negative.

    The tooltip of a pixel lists its spikes with their weights and kernel values.

    Args:
        info: Contributions.
        height: Height of the figure in pixels.
        limit: Absolute value at the ends of the colour scale, the largest of the map if None.
    """
    if info.image.ndim == 1:
        return features_figure(info.by_pixel, info.features, height, "contribution", limit)
    return pixel_map(info.by_pixel, _hover_text(info), info.image, height, limit=limit)


def pixel_map(
    values: np.ndarray,
    hover_text: list[list[str]],
    image: np.ndarray,
    height: int,
    quantity: str = "",
    limit: float | None = None,
) -> go.Figure:
    """Draw a map of pixels in diverging colours, with the outline of the image.

    Args:
        values: Value of each pixel, [h, w].
        hover_text: Text after the value in the tooltip of each pixel, h rows of w.
        image: The image, uint8 [h, w].
        height: Height of the figure in pixels.
        quantity: Title of the colour scale.
        limit: Absolute value at the ends of the colour scale, the largest of the map if None.
    """
    limit = limit or float(np.abs(values).max()) or 1.0
    rows, columns = values.shape
    figure = new_figure(
        height,
        xaxis={"visible": False, "range": [0.5, columns + 0.5], "constrain": "domain", "fixedrange": True},
        yaxis={
            "visible": False,
            "range": [rows + 0.5, 0.5],
            "scaleanchor": "x",
            "fixedrange": True,
            "constrain": "domain",
            "constraintoward": "top",
        },
        margin={"l": 0, "r": 76, "t": 4, "b": 4},
    )
    figure.add_heatmap(
        x=np.arange(1, columns + 1),
        y=np.arange(1, rows + 1),
        z=np.round(values, 5),
        zmin=-limit,
        zmax=limit,
        colorscale=theme.DIVERGING,
        text=hover_text,
        hovertemplate="row %{y}, column %{x}: <b>%{z:+.4f}</b>%{text}<extra></extra>",
        colorbar={
            "thickness": 16,
            "tickfont": {"size": 15},
            "len": 1,
            "y": 1,
            "yanchor": "top",
            "nticks": 5,
            "outlinewidth": 0,
            "title": {"text": quantity, "font": {"size": 16}},
        },
    )
    across, down = outline(image)
    figure.add_scatter(
        x=[None if end is None else end + 1 for end in across],
        y=[None if end is None else end + 1 for end in down],
        mode="lines",
        line={"color": theme.OUTLINE, "width": 2},
        hoverinfo="skip",
        cliponaxis=False,
    )
    return figure.build()


def neurons_figure(info: EvidenceInfo, height: int = 260) -> go.Figure:
    """Draw the contribution of each tuning neuron, ordered from dark to bright preferred values."""
    sums = info.by_neuron
    m, low, high = len(sums), min(0.0, float(sums.min())), max(0.0, float(sums.max()))
    padding = 0.05 * (high - low) or 1.0
    figure = new_figure(
        height,
        xaxis={
            "title": {
                "text": "tuning neuron, dark to bright" if info.image.ndim == 2 else "tuning neuron, low to high"
            },
            "range": [0.4, m + 0.6],
            "tick0": 1,
            "dtick": _tick_step(m),
        },
        yaxis={
            "title": {"text": "contribution"},
            "range": [low - padding, high + padding],
            "zeroline": True,
            "zerolinecolor": theme.REFERENCE,
        },
    )
    figure.add_bar(
        x=np.arange(1, m + 1),
        y=np.round(sums, 5),
        marker={"color": [theme.POSITIVE if value >= 0 else theme.NEGATIVE for value in sums]},
        hovertemplate="neuron %{x}: %{y:+.4f}<extra></extra>",
    )
    return figure.build()


def outline(image: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """Return the border between the bright and the dark pixels of an image.

    Args:
        image: The image, uint8 [h, w]; pixels above 127 are bright.

    Returns:
        The x and the y coordinates of the line segments, with None after each segment.
    """
    bright = np.pad(image > 127, 1)
    x: list[float | None] = []
    y: list[float | None] = []
    for row, column in np.argwhere(bright[:, 1:] != bright[:, :-1]):
        x += [column - 0.5, column - 0.5, None]
        y += [row - 1.5, row - 0.5, None]
    for row, column in np.argwhere(bright[1:] != bright[:-1]):
        x += [column - 1.5, column - 0.5, None]
        y += [row - 0.5, row - 0.5, None]
    return x, y


def _tick_step(m: int) -> int:
    return 1 if m <= 20 else 5


def _hover_text(info: EvidenceInfo) -> list[list[str]]:
    """List the spikes of each pixel, one per line, at most _MAX_LINES."""
    names = [(theme.escape_label(info.name), info.weight.tolist(), info.kernel.tolist())]
    if info.rival is not None and info.rival_weight is not None and info.rival_kernel is not None:
        names.append((theme.escape_label(info.rival), info.rival_weight.tolist(), info.rival_kernel.tolist()))
    times = info.times.tolist()
    rows: list[list[str]] = []
    height, width = info.image.shape
    for row in range(height):
        cells = []
        for pixel in range(row * width, (row + 1) * width):
            spike_neurons = [j for j, time in enumerate(times[pixel]) if time >= 0]
            lines = [
                f"<br>neuron {j + 1} at {times[pixel][j]:.0f} ms"
                + "".join(f" · {name}: w {w[pixel][j]:+.3f}, K {k[pixel][j]:.3f}" for name, w, k in names)
                for j in spike_neurons[:_MAX_LINES]
            ]
            more = len(spike_neurons) - len(lines)
            cells.append("".join(lines) + (f"<br>and {more} more" if more else ""))
        rows.append(cells)
    return rows
