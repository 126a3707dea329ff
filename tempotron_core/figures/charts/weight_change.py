"""What one step of the learning rule does to one tempotron's weights: by pixel, and along the kernel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.charts.attribution import pixel_map

__all__ = ["WeightChangeInfo", "change_figure", "kernel_figure"]

_SIDE = 28
_MAX_LINES = 6


@dataclass(frozen=True, eq=False)
class WeightChangeInfo:
    """The changes dw [784, m] of the tempotron `name`, whose afferents spike at times [784, m] in ms, -1 for none.

    error: how hard it is pushed; rate: the learning rate; t_max, t_max_after: ms; grid, kernel: [n], times up
    to T in ms and K(t_max - t) there; predicted: how far V(t_max) must move; actual: how far it does; peak_change:
    how far the peak does; is_dead: whether the potential is never above 0; image: uint8 [28, 28]; neuron: the one tuning
    neuron of the map, from 0, or None for all.
    """

    name: str
    dw: np.ndarray
    times: np.ndarray
    error: float
    rate: float
    t_max: int
    t_max_after: int
    grid: np.ndarray
    kernel: np.ndarray
    predicted: float
    actual: float
    peak_change: float
    is_dead: bool
    image: np.ndarray
    neuron: int | None = None

    @property
    def by_pixel(self) -> np.ndarray:
        """The map [28, 28]: summed over a pixel's tuning neurons, or those of one."""
        selected = self.dw.sum(axis=1) if self.neuron is None else self.dw[:, self.neuron]
        return np.asarray(selected.reshape(_SIDE, _SIDE))

    @property
    def kernel_curve(self) -> np.ndarray:
        """What a spike at each time of the grid gains, [n]."""
        return np.asarray(self.rate * self.error * self.kernel)

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spikes that coincide as one point: times [p] in ms, dw [p], and of how many afferents [p]."""
        has_spike = self.times >= 0
        pairs = np.stack((self.times[has_spike].astype(float), self.dw[has_spike].astype(float)))
        (times, dw), counts = np.unique(pairs, axis=1, return_counts=True)
        return times, dw, counts

    @property
    def axis_unit(self) -> tuple[float, str]:
        """What one is on the axes, and its name."""
        largest = self.rate * (abs(self.error) or 1.0) * float(self.kernel.max(initial=0))
        power = math.floor(math.log10(largest)) if largest > 0 else 0
        return (1.0, "Δw") if -2 <= power <= 1 else (10.0**power, f"Δw, 10<sup>{power}</sup>")

    @property
    def takeaway(self) -> str:
        """How many weights change, in one sentence."""
        changed = int(np.count_nonzero(self.dw))
        if self.is_dead:
            return f"No weight of {self.name} can change: its potential is never above 0."
        if not changed:
            return f"No weight of {self.name} changes: its error is 0."
        direction, late = "up" if self.error > 0 else "down", int((self.times >= self.t_max).sum())
        late_text = f", {late:,} spikes come too late" if late else ""
        return f"{changed:,} weights of {self.name} go {direction}{late_text}."

    @property
    def effect(self) -> str:
        """What the changes do to the potential, in one sentence."""
        if self.is_dead:
            return f"{self.name} has t_max = 0, and no spike has an effect there: K(0) = 0."
        if not self.dw.any():
            return f"{self.name} is left as it is; dotted: what an error of +1 would do."
        actual_text = "and does" if abs(self.actual - self.predicted) < 5e-4 else f"but moves by {self.actual:+.3f}"
        when = "" if self.t_max_after == self.t_max else f", now at {self.t_max_after} ms,"
        text = (
            f"V({self.t_max} ms) of {self.name} must move by λ·e·ΣK² = {self.predicted:+.3f}, {actual_text}; "
            f"its peak{when} moves by {self.peak_change:+.3f}."
        )
        return text.replace("-", "−")


def change_figure(info: WeightChangeInfo, height: int = 340) -> go.Figure:
    """The map by pixel, green up, purple down; a pixel tells its spikes and what each of their weights gains."""
    scale, unit = info.axis_unit
    return pixel_map(info.by_pixel / scale, _hover_text(info, scale), info.image, height, unit)


def kernel_figure(info: WeightChangeInfo, height: int = 300) -> go.Figure:
    """The change of every spiking afferent against its spike time, on the kernel turned back from t_max."""
    scale, unit = info.axis_unit
    figure = theme.new_figure(
        height,
        xaxis={"title": {"text": "spike time t<sub>i</sub>, ms"}, "range": [0, max(float(info.grid[-1]), 1.0)]},
        yaxis={"title": {"text": unit}, "zeroline": True, "zerolinecolor": theme.REFERENCE, "rangemode": "tozero"},
        hovermode="closest",
        margin={"t": 56},
    )
    colour = theme.POSITIVE if info.error > 0 else theme.NEGATIVE
    # Without an error, what one of +1 would do.
    line = {"color": colour, "width": 3.5} if info.error else {"color": theme.MUTED, "width": 2, "dash": "dot"}
    figure.add_scatter(
        x=info.grid,
        y=(info.kernel_curve if info.error else info.rate * info.kernel) / scale,
        mode="lines",
        name="kernel",
        line=line,
        hoverinfo="skip",
    )
    times, dw, counts = info.points
    figure.add_scatter(
        x=times,
        y=dw / scale,
        mode="markers",
        name="spikes",
        cliponaxis=False,
        # By area, as eyes compare; a single spike still to be seen.
        marker={"size": 7 + np.sqrt(counts), "color": theme.SPIKE, "opacity": 0.75, "line": {"width": 1}},
        customdata=counts,
        hovertemplate="%{customdata:,} spikes at %{x:.0f} ms: <b>%{y:+.4f}</b><extra></extra>",
    )
    figure.add_vline(x=info.t_max, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    right = info.t_max > 0.5 * float(info.grid[-1])
    figure.add_annotation(
        **theme.text_label(info.t_max, 1, f"t_max = {info.t_max} ms", yref="paper", yanchor="bottom", font={"size": 16})
        | {"xanchor": "right" if right else "left", "yshift": 20}
    )
    return figure.build()


def _hover_text(info: WeightChangeInfo, scale: float) -> list[list[str]]:
    """Every pixel's spikes, one a line."""
    cells = []
    for times, dw in zip(info.times, info.dw / scale, strict=True):
        spiking = np.flatnonzero(times >= 0)
        lines = [f"<br>neuron {j + 1} at {times[j]:.0f} ms: {dw[j]:+.3f}" for j in spiking[:_MAX_LINES]]
        more = len(spiking) - len(lines)
        cells.append("".join(lines) + (f"<br>and {more} more" if more else ""))
    return [cells[start : start + _SIDE] for start in range(0, len(cells), _SIDE)]
