"""Tuning curves over a value's range, the chosen value's crossings, and the spike times they stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["TuningInfo", "ranges", "tuning_figure"]

_INVISIBLE = 1e-3


@dataclass(frozen=True, eq=False)
class TuningInfo:
    """x [points] and g [points, m]: the curves; value: the chosen one; response [m] and time [m] (ms, -1: none)."""

    x: np.ndarray
    g: np.ndarray
    value: float
    response: np.ndarray
    time: np.ndarray
    T: int

    @property
    def firing_curves(self) -> list[int]:
        """Numbers, from 0, of the curves that spike for the value."""
        return [int(j) for j in np.flatnonzero(self.time >= 0)]

    @property
    def takeaway(self) -> str:
        """What is seen, in one sentence."""
        m = len(self.time)
        if not self.firing_curves:
            return f"At x = {self.value:.2f} no curve fires: every response is too small to spike before {self.T} ms."
        first = int(min(self.time[self.firing_curves]))
        verb = "fires" if len(self.firing_curves) == 1 else "fire"
        return (
            f"At x = {self.value:.2f}, {len(self.firing_curves)} of {m} curves {verb}, the first at {first} ms; "
            f"{m - len(self.firing_curves)} stay silent."
        )

    @property
    def silence_text(self) -> str:
        """Which curves are silent and why, in one sentence."""
        silent = [j + 1 for j in range(len(self.time)) if self.time[j] < 0]
        limit = 0.5 / self.T
        if not silent:
            return "No curve is silent at this value."
        return (
            f"Silent: {ranges(silent)}. Their response is at most {limit:.2g}, so (1 − g)·T rounds to {self.T} ms, "
            "the end of the window, which counts as no spike."
        )


def tuning_figure(info: TuningInfo, height: int = 430) -> go.Figure:
    """The m curves, the value as a line, and the time axis on the right: t = (1 - g) T."""
    figure = theme.new_figure(
        height,
        xaxis={"title": {"text": "value x"}, "range": [0, 1], "fixedrange": True},
        yaxis={"title": {"text": "response g"}, "range": [0, 1.04], "fixedrange": True},
        yaxis2={
            "title": {"text": "spike time (1 − g)·T, ms", "font": {"size": 17}, "standoff": 14},
            "tickfont": {"size": 15},
            "range": [info.T, -0.04 * info.T],
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
        },
        margin={"r": 74},
    )
    for visible in (False, True):
        which = [j for j in range(info.g.shape[1]) if (j in info.firing_curves) == visible]
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
    labelled = info.firing_curves
    figure.add_scatter(
        x=np.full(len(labelled), info.value),
        y=info.time[labelled],
        yaxis="y2",
        mode="markers",
        marker={"size": 13, "color": theme.SPIKE, "line": {"color": "white", "width": 2}},
        hovertemplate="%{text}<extra></extra>",
        text=[f"curve {j + 1} spikes at {info.time[j]:.0f} ms" for j in labelled],
    )
    figure.add_vline(x=info.value, line={"color": theme.SELECTED, "width": 3})
    for level in info.response[labelled].tolist():
        line = {"color": theme.SPIKE, "width": 2, "dash": "dot"}
        figure.add_shape(type="line", x0=info.value, x1=1, y0=level, y1=level, line=line)
    for j in _spread_out(labelled, info.response, 0.06):
        words = f"<b>{info.time[j]:.0f} ms</b>"
        figure.add_annotation(
            **theme.text_label(0.995, float(info.response[j]), words, theme.SPIKE, xanchor="right", yanchor="bottom")
        )
    return figure.build()


def _line_segments(info: TuningInfo, which: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Those curves as one line with gaps, each only where it can be told from 0: x, g and the curve's number."""
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


def _spread_out(chosen: list[int], response: np.ndarray, gap: float) -> list[int]:
    """Those whose labels do not overlap, strongest first."""
    kept: list[int] = []
    for j in sorted(chosen, key=lambda j: -response[j]):
        if all(abs(response[j] - response[k]) >= gap for k in kept):
            kept.append(j)
    return kept


def ranges(numbers: list[int]) -> str:
    """Runs of numbers in few words: 1-3, 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs)
