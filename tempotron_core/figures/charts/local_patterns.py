"""Figure of the tuning of local-pattern afferents over the distance to their preferred patterns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure
from tempotron_core.figures.charts.tuning import spike_time_axis

__all__ = ["PatternTuningInfo", "pattern_tuning_figure"]


@dataclass(frozen=True, eq=False)
class PatternTuningInfo:
    """Afferents of a local-pattern code at one position.

    Attributes:
        pattern: The nine grey values of the position from 0 to 1, row by row, [9].
        codeword: The codeword that takes its place, [9].
        preferred: Preferred patterns, [m, 9].
        time: Spike times in ms, -1 for no spike, [m].
        sigma: Width of the tuning.
        min_response: Response below which an afferent is silent.
        T: Length of the window in ms.
    """

    pattern: np.ndarray
    codeword: np.ndarray
    preferred: np.ndarray
    time: np.ndarray
    sigma: float
    min_response: float
    T: int

    @property
    def distance(self) -> np.ndarray:
        """Return the distance from the codeword to each preferred pattern, [m]."""
        return np.asarray(np.sqrt(np.square(self.preferred - self.codeword).sum(axis=1)))

    @property
    def response(self) -> np.ndarray:
        """Return the response of each afferent, [m]."""
        return self.response_at(self.distance)

    @property
    def max_distance(self) -> float:
        """Return the distance from which on an afferent is silent."""
        return float(self.sigma * np.sqrt(-2 * np.log(self.min_response)))

    def response_at(self, distance: np.ndarray) -> np.ndarray:
        """Return the response at distances of any shape."""
        return np.asarray(np.exp(-np.square(distance) / (2 * self.sigma**2)))

    @property
    def takeaway(self) -> str:
        """Return how many afferents spike for the pattern, and the nearest preferred pattern."""
        spiking, m = np.flatnonzero(self.time >= 0), len(self.time)
        if not len(spiking):
            return f"No afferent spikes: every preferred pattern is farther away than {self.max_distance:.2f}."
        nearest = int(self.distance.argmin())
        verb = "spikes" if len(spiking) == 1 else "spike"
        return (
            f"{len(spiking)} of {m} afferents {verb}; the nearest preferred pattern is number {nearest + 1}, at a "
            f"distance of {self.distance[nearest]:.2f}: {self.time[nearest]:.0f} ms."
        )


def pattern_tuning_figure(info: PatternTuningInfo, height: int = 340) -> go.Figure:
    """Draw response and spike time against the distance between pattern and preferred pattern, with all afferents."""
    distance, limit = info.distance, info.max_distance
    last = 1.05 * max(float(distance.max()), 1.5 * limit)
    figure = new_figure(
        height,
        xaxis={"title": {"text": "distance to the preferred pattern"}, "range": [0, last], "fixedrange": True},
        yaxis={"title": {"text": "response g"}, "range": [0, 1.04], "fixedrange": True},
        yaxis2=spike_time_axis("spike time (1 − g)·T, ms", info.T),
        margin={"r": 74},
    )
    grid = np.linspace(0, last, 121)
    figure.add_scatter(
        x=grid.round(4),
        y=info.response_at(grid).round(4),
        mode="lines",
        line={"color": theme.SPIKE, "width": 3.5},
        hoverinfo="skip",
    )
    for spikes, colour, size in ((False, theme.MUTED, 9), (True, theme.SPIKE, 14)):
        which = np.flatnonzero((info.time >= 0) == spikes)
        figure.add_scatter(
            x=distance[which].round(4),
            y=info.time[which] if spikes else (1 - info.response[which].round(4)) * info.T,
            yaxis="y2",
            mode="markers",
            marker={"size": size, "color": colour, "line": {"color": "white", "width": 2}},
            text=[f"spikes at {info.time[j]:.0f} ms" if spikes else "silent" for j in which],
            customdata=which + 1,
            hovertemplate="afferent %{customdata}, distance %{x:.2f}: %{text}<extra></extra>",
        )
    figure.add_vline(x=limit, line={"color": theme.REFERENCE, "width": 2, "dash": "dash"})
    figure.add_annotation(
        **theme.text_label(limit, 0.98, f"silent beyond {limit:.2f}", theme.REFERENCE, yref="paper", xanchor="left",
                           yanchor="top", xshift=6)
    )  # fmt: skip
    return figure.build()
