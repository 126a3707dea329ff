"""Figures of the weight changes of one tempotron in one learning step: by pixel and by spike time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure
from tempotron_core.figures.charts.attribution import pixel_map
from tempotron_core.figures.charts.features import features_figure

__all__ = ["WeightChangeInfo", "change_figure", "kernel_figure"]

_MAX_LINES = 6


@dataclass(frozen=True, eq=False)
class WeightChangeInfo:
    """Weight changes of one tempotron in one learning step: dw_i = rate·error·K(t_max - t_i).

    Attributes:
        name: Name of the tempotron.
        dw: Weight changes, [features, m].
        times: Spike times of the afferents in ms, -1 for no spike, [features, m].
        error: Error e of the output: positive to raise its peak, negative to lower it.
        rate: Learning rate.
        t_max: Time of the peak before the step in ms.
        t_max_after: Time of the peak after the step in ms.
        grid: Times up to T in ms, [n].
        kernel: K(t_max - t) at those times, [n].
        predicted: Change of V(t_max) computed from the kernel.
        actual: Actual change of V(t_max).
        peak_change: Change of the peak potential.
        is_dead: True if the potential is never above 0.
        image: The image, uint8 [h, w], or the features of a sample of a table, [n].
        neuron: Tuning neuron shown in the map, from 0; None sums over all.
        features: Names of the features of a table.
        end: Time in ms from which on spikes are shunted.
    """

    name: str
    dw: np.ndarray
    times: np.ndarray
    error: float
    rate: float
    t_max: float
    t_max_after: float
    grid: np.ndarray
    kernel: np.ndarray
    predicted: float
    actual: float
    peak_change: float
    is_dead: bool
    image: np.ndarray
    neuron: int | None = None
    features: tuple[str, ...] = ()
    end: float = math.inf

    @property
    def by_pixel(self) -> np.ndarray:
        """Return the weight changes by pixel, summed over its tuning neurons or of one of them, [h, w] or [n]."""
        selected = self.dw.sum(axis=1) if self.neuron is None else self.dw[:, self.neuron]
        return np.asarray(selected.reshape(self.image.shape))

    @property
    def kernel_curve(self) -> np.ndarray:
        """Return the weight change of a spike at each time of the grid, [n]."""
        return np.asarray(self.rate * self.error * self.kernel)

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the distinct pairs of spike time (ms) and weight change, and the number of spikes of each, [p]."""
        has_spike = self.times >= 0
        pairs = np.stack((self.times[has_spike].astype(float), self.dw[has_spike].astype(float)))
        (times, dw), counts = np.unique(pairs, axis=1, return_counts=True)
        return times, dw, counts

    @property
    def axis_unit(self) -> tuple[float, str]:
        """Return the unit of the axes of weight changes, a power of ten, and its label."""
        largest = self.rate * (abs(self.error) or 1.0) * float(self.kernel.max(initial=0))
        power = math.floor(math.log10(largest)) if largest > 0 else 0
        return (1.0, "Δw") if -2 <= power <= 1 else (10.0**power, f"Δw, 10<sup>{power}</sup>")

    @property
    def takeaway(self) -> str:
        """Return how many weights change, and in which direction."""
        changed = int(np.count_nonzero(self.dw))
        if self.is_dead:
            return f"No weight of {self.name} changes: its potential is never above 0, so its gradient is 0."
        if not changed:
            return f"No weight of {self.name} changes: its error is 0."
        direction = "increase" if self.error > 0 else "decrease"
        spikes = int((self.times >= 0).sum())
        late = int((self.times >= self.t_max).sum())
        late_text = f"; {late:,} spikes are not before the peak and have no effect" if late else ""
        if shunted := int(((self.times >= self.end) & (self.times < self.t_max)).sum()):
            late_text += f"; {shunted:,} of {spikes:,} spikes arrive after the first crossing and are shunted"
        return f"{changed:,} weights of {self.name} {direction}{late_text}."

    @property
    def effect(self) -> str:
        """Return the predicted and the actual change of the potential."""
        if self.is_dead:
            return f"{self.name} has t_max = 0, where K is 0 for every spike, so its gradient is 0."
        if not self.dw.any():
            return f"No weight of {self.name} changes; dotted: the change for an error of +1."
        when = "" if self.t_max_after == self.t_max else f", now at {_time(self.t_max_after)} ms,"
        text = (
            f"Change of V({_time(self.t_max)} ms) of {self.name}: predicted λ·e·ΣK² = {self.predicted:+.3f}, "
            f"actual {self.actual:+.3f}; its peak{when} changes by {self.peak_change:+.3f}."
        )
        return text.replace("-", "−")


def _time(t: float) -> str:
    """Return a time in ms with at most two digits."""
    return f"{round(t, 2):g}"


def change_figure(info: WeightChangeInfo, height: int = 340) -> go.Figure:
    """Draw the weight changes by pixel, green for increases, purple for decreases.

    The tooltip of a pixel lists its spikes with their weight changes.
    """
    scale, unit = info.axis_unit
    if info.image.ndim == 1:
        return features_figure(info.by_pixel / scale, info.features, height, unit)
    return pixel_map(info.by_pixel / scale, _hover_text(info, scale), info.image, height, unit)


def kernel_figure(info: WeightChangeInfo, height: int = 300) -> go.Figure:
    """Draw the weight changes against the spike times, on the reversed kernel rate·e·K(t_max - t)."""
    scale, unit = info.axis_unit
    figure = new_figure(
        height,
        xaxis={"title": {"text": "spike time t<sub>i</sub>, ms"}, "range": [0, max(float(info.grid[-1]), 1.0)]},
        yaxis={"title": {"text": unit}, "zeroline": True, "zerolinecolor": theme.REFERENCE, "rangemode": "tozero"},
        hovermode="closest",
        margin={"t": 56},
    )
    colour = theme.POSITIVE if info.error > 0 else theme.NEGATIVE
    # Without an error, the change for an error of +1.
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
        # The area grows with the count; the constant keeps single spikes visible.
        marker={"size": 7 + np.sqrt(counts), "color": theme.SPIKE, "opacity": 0.75, "line": {"width": 1}},
        customdata=counts,
        hovertemplate="%{customdata:,} spikes at %{x:.0f} ms: <b>%{y:+.4f}</b><extra></extra>",
    )
    figure.add_vline(x=info.t_max, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    right = info.t_max > 0.5 * float(info.grid[-1])
    figure.add_annotation(
        **theme.text_label(
            info.t_max, 1, f"t_max = {_time(info.t_max)} ms", yref="paper", yanchor="bottom", font={"size": 16}
        )
        | {"xanchor": "right" if right else "left", "yshift": 20}
    )
    return figure.build()


def _hover_text(info: WeightChangeInfo, scale: float) -> list[list[str]]:
    """List the spikes of each pixel, one per line, at most _MAX_LINES."""
    cells = []
    for times, dw in zip(info.times, info.dw / scale, strict=True):
        spiking = np.flatnonzero(times >= 0)
        lines = [f"<br>neuron {j + 1} at {times[j]:.0f} ms: {dw[j]:+.3f}" for j in spiking[:_MAX_LINES]]
        more = len(spiking) - len(lines)
        cells.append("".join(lines) + (f"<br>and {more} more" if more else ""))
    width = info.image.shape[1]
    return [cells[start : start + width] for start in range(0, len(cells), width)]
