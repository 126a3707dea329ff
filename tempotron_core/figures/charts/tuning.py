"""Figure of the Gaussian tuning curves and the spike times of a selected value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure

__all__ = ["TuningInfo", "ranges", "spike_time_axis", "tuning_figure"]

_INVISIBLE = 1e-3


@dataclass(frozen=True, eq=False)
class TuningInfo:
    """Tuning curves and the spike code of one value.

    Attributes:
        x: Values at which the curves are sampled, [points].
        g: Responses of the m tuning curves, [points, m].
        value: Selected value.
        response: Responses to the selected value, [m].
        time: Spike times of the selected value in ms, -1 for no spike, [m].
        T: Length of the window in ms.
        is_gaussian: Whether g is a Gaussian response; for other codes g is 1 - t/T of the spike time t, 0 for none.
    """

    x: np.ndarray
    g: np.ndarray
    value: float
    response: np.ndarray
    time: np.ndarray
    T: int
    is_gaussian: bool = True

    @property
    def spiking_neurons(self) -> list[int]:
        """Return the indices of the neurons that spike for the value."""
        return [int(j) for j in np.flatnonzero(self.time >= 0)]

    @property
    def takeaway(self) -> str:
        """Return how many neurons spike for the value, and the time of the first spike."""
        m = len(self.time)
        if not self.spiking_neurons:
            return (
                f"At x = {self.value:.2f} no neuron spikes: every response is too small for a spike before {self.T} ms."
                if self.is_gaussian
                else f"At x = {self.value:.2f} no neuron spikes before {self.T} ms."
            )
        first = int(min(self.time[self.spiking_neurons]))
        verb = "spikes" if len(self.spiking_neurons) == 1 else "spike"
        return (
            f"At x = {self.value:.2f}, {len(self.spiking_neurons)} of {m} neurons {verb}, the first at {first} ms; "
            f"silent: {m - len(self.spiking_neurons)}."
        )

    @property
    def silence_text(self) -> str:
        """Return which neurons are silent and why."""
        silent = [j + 1 for j in range(len(self.time)) if self.time[j] < 0]
        limit = 0.5 / self.T
        if not silent:
            return "No neuron is silent at this value."
        if not self.is_gaussian:
            return f"Silent neurons: {ranges(silent)}."
        return (
            f"Silent neurons: {ranges(silent)}. Their response is at most {limit:.2g}, so (1 − g)·T rounds to {self.T} "
            "ms, the end of the window, which counts as no spike."
        )


def spike_time_axis(title: str, T: int) -> dict[str, Any]:
    """Return the layout of a right axis of spike times in a window of T ms, earliest at the top."""
    return {
        "title": {"text": title, "font": {"size": 17}, "standoff": 14},
        "tickfont": {"size": 15},
        "range": [T, -0.04 * T],
        "overlaying": "y",
        "side": "right",
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
    }


def tuning_figure(info: TuningInfo, height: int = 430) -> go.Figure:
    """Draw the m tuning curves, the selected value, and its spike times t = (1 - g)·T on the right axis."""
    figure = new_figure(
        height,
        xaxis={"title": {"text": "value x"}, "range": [0, 1], "fixedrange": True},
        yaxis={
            "title": {"text": "response g" if info.is_gaussian else "1 − t/T, 0 if silent"},
            "range": [0, 1.04],
            "fixedrange": True,
        },
        yaxis2=spike_time_axis("spike time (1 − g)·T, ms" if info.is_gaussian else "spike time t, ms", info.T),
        margin={"r": 74},
    )
    for visible in (False, True):
        which = [j for j in range(info.g.shape[1]) if (j in info.spiking_neurons) == visible]
        x, g, number = _line_segments(info, which)
        figure.add_scatter(
            x=x,
            y=g,
            customdata=number,
            mode="lines",
            line={"color": theme.SPIKE if visible else theme.MUTED, "width": 3.5 if visible else 1.3},
            name="spiking curves" if visible else "silent curves",
            hovertemplate="curve %{customdata}<br>x %{x:.3f}, g %{y:.3f}<extra></extra>",
        )
    labelled = info.spiking_neurons
    figure.add_scatter(
        x=np.full(len(labelled), info.value),
        y=info.time[labelled],
        yaxis="y2",
        mode="markers",
        marker={"size": 13, "color": theme.SPIKE, "line": {"color": "white", "width": 2}},
        hovertemplate="%{text}<extra></extra>",
        text=[f"neuron {j + 1} spikes at {info.time[j]:.0f} ms" for j in labelled],
    )
    figure.add_vline(x=info.value, line={"color": theme.SELECTED, "width": 3})
    for level in info.response[labelled].tolist():
        line = {"color": theme.SPIKE, "width": 2, "dash": "dot"}
        figure.add_shape(type="line", x0=info.value, x1=1, y0=level, y1=level, line=line)
    for j in _without_overlap(labelled, info.response, 0.06):
        text = f"<b>{info.time[j]:.0f} ms</b>"
        figure.add_annotation(
            **theme.text_label(0.995, float(info.response[j]), text, theme.SPIKE, xanchor="right", yanchor="bottom")
        )
    return figure.build()


def _line_segments(info: TuningInfo, which: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join curves into one line with gaps, each where it is visibly above 0: x, g and the number of the curve."""
    pieces = []
    for j in which:
        seen = np.flatnonzero(info.g[:, j] > _INVISIBLE)
        if len(seen):
            near = slice(max(0, seen[0] - 1), seen[-1] + 2)
            g = np.append(info.g[near, j], np.nan)
            pieces.append((np.append(info.x[near], np.nan), g, np.full(len(g), j + 1)))
    if not pieces:
        pieces.append((np.zeros(0), np.zeros(0), np.zeros(0)))
    x, g, number = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return x.astype(np.float32), g.astype(np.float32), number.astype(np.uint16)


def _without_overlap(neurons: list[int], response: np.ndarray, gap: float) -> list[int]:
    """Select neurons whose labels do not overlap, strongest response first."""
    labelled: list[int] = []
    for j in sorted(neurons, key=lambda j: -response[j]):
        if all(abs(response[j] - response[k]) >= gap for k in labelled):
            labelled.append(j)
    return labelled


def ranges(numbers: list[int]) -> str:
    """Return ascending numbers as text, consecutive ones as a range: "1–3, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs)
