"""One tempotron learning random patterns: a pattern's potential, errors by cycle, and how many problems are solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.charts.training import thinned

__all__ = [
    "CapacityInfo",
    "ErrorsInfo",
    "PatternInfo",
    "Share",
    "capacity_figure",
    "errors_figure",
    "pattern_figure",
]

_STEP = 0.5
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 15}}


@dataclass(frozen=True, eq=False)
class PatternInfo:
    """One pattern. before, v, shunted: potentials [T] with the initial and the present weights, shunted or not.

    target: whether the neuron should fire; learned: whether the present weights are not the initial ones; spike: the
    first step at the threshold in ms, None for none; shunts: whether shunting is shown.
    """

    target: bool
    before: np.ndarray
    v: np.ndarray
    shunted: np.ndarray
    spike: int | None
    v_threshold: float
    learned: bool
    shunts: bool

    @property
    def t_max(self) -> int:
        """When the potential is highest, without shunting, in ms."""
        return int(self.v.argmax())

    @property
    def right(self) -> bool:
        """Whether the neuron does what it should."""
        return (self.spike is not None) == self.target

    @property
    def takeaway(self) -> str:
        """What the neuron does and whether it should, in one sentence."""
        name = "Target" if self.target else "Null pattern"
        if self.spike is not None:
            return f"{name}: fires at {self.spike} ms, {'as' if self.target else 'but'} it should{self._no}."
        peak = f"peaks at {self.v.max():.2f}" if self.v.max() > 0 else "never rises"
        return f"{name}: silent, {peak}, {'but it should fire' if self.target else 'as it should be'}."

    @property
    def _no(self) -> str:
        return "" if self.target else " not"


def pattern_figure(info: PatternInfo | None, T: int, height: int = 340) -> go.Figure:
    """The potential before learning and now, the spike, and what shunting takes away as a dotted line."""
    if info is None:
        return theme.empty(height, "None among these patterns")
    drawn = np.concatenate([info.before, info.v, [0.0, info.v_threshold]])
    figure = theme.base(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [0, T - 1 or 1]},
        # In whole steps, so that the axis stands still while the trace grows.
        yaxis={
            "title": {"text": "V(t)"},
            "range": [_STEP * np.floor(drawn.min() / _STEP - 0.1), _STEP * np.ceil(drawn.max() / _STEP + 0.3)],
        },
        showlegend=True,
        legend=_LEGEND,
        margin={"t": 52},
    )
    t = np.arange(len(info.v))
    colour = theme.TRUE if info.right else theme.PREDICTED
    told = "%{x} ms, V = %{y:.3f}"

    def line(y: np.ndarray, name: str, colour: str, since: int = 0, **look: object) -> None:
        figure.add_scatter(
            x=t[since:],
            y=y[since:].round(4),
            mode="lines",
            name=name,
            line={"color": colour, **look},
            hovertemplate=f"{name}: {told}<extra></extra>",
        )

    line(info.before, "before", theme.MUTED, width=2)
    if info.learned:
        shunts = info.shunts and info.spike is not None
        if shunts:
            line(info.v, "unshunted", colour, since=info.spike or 0, width=2.5, dash="dot")
        line(info.shunted if shunts else info.v, "now", colour, width=3.5)
    figure.add_hline(y=info.v_threshold, line={"color": theme.INK, "width": 2.5, "dash": "dash"})
    figure.add_annotation(
        **theme.text(0.004, info.v_threshold, "threshold", xref="paper", xanchor="left", yanchor="bottom")
    )
    at = info.t_max if info.spike is None else info.spike
    if info.learned:
        figure.add_scatter(
            x=[at],
            y=[info.v[at]],
            mode="markers",
            showlegend=False,
            cliponaxis=False,
            marker={"symbol": "circle-open", "size": 14, "color": colour, "line": {"width": 2.5}}
            if info.spike is None
            else {"symbol": "diamond", "size": 16, "color": colour, "line": {"width": 2, "color": "white"}},
            hovertemplate=f"{'peak' if info.spike is None else 'spike'}: {told}<extra></extra>",
        )
    return figure.figure()


@dataclass(frozen=True, eq=False)
class ErrorsInfo:
    """Errors of each cycle [n], of so many patterns; most_cycles: where learning gives up."""

    errors: np.ndarray
    patterns: int
    most_cycles: int

    @property
    def solved(self) -> bool:
        """Whether the last cycle had no error."""
        return bool(len(self.errors)) and not self.errors[-1]

    @property
    def takeaway(self) -> str:
        """How far learning has come, in one sentence."""
        cycles = len(self.errors)
        if not cycles:
            return f"Nothing learned yet: press Start, and see {_count(self.patterns, 'pattern')} being learned."
        after = _count(cycles, "cycle")
        if self.solved:
            return f"{'All ' if self.patterns > 1 else ''}{_count(self.patterns, 'pattern')} right after {after}."
        best = int(self.errors.argmin())
        told = f"{self.errors[-1]:,} of {self.patterns:,} patterns wrong in cycle {cycles:,}"
        if best < cycles - 1:
            told += f", {self.errors[best]:,} at best (cycle {best + 1:,})"
        return f"{told}{': given up' if cycles >= self.most_cycles else ''}."


def errors_figure(info: ErrorsInfo, height: int = 300) -> go.Figure:
    """Errors against cycles."""
    if not len(info.errors):
        return theme.empty(height, "The errors of every cycle will appear here")
    keep = thinned(info.errors)
    figure = theme.base(
        height,
        xaxis={"title": {"text": "cycle"}, "range": [0, max(20, 1.03 * len(info.errors))]},
        yaxis={"title": {"text": f"wrong, of {info.patterns:,}"}, "range": [0, 1.06 * (info.errors.max() or 1)]},
        hovermode="x",
    )
    figure.add_scatter(
        x=keep + 1,
        y=info.errors[keep],
        mode="lines",
        line={"color": theme.HISTORY, "width": 3},
        hovertemplate="cycle %{x}: %{y} wrong<extra></extra>",
    )
    figure.add_scatter(
        x=[len(info.errors)],
        y=[info.errors[-1]],
        mode="markers",
        cliponaxis=False,
        marker={"size": 13, "color": theme.TRUE if info.solved else theme.HISTORY},
        hoverinfo="skip",
    )
    return figure.figure()


@dataclass(frozen=True, eq=False)
class Share:
    """Problems solved at each alpha: alpha, solved, problems, low and high (95 % confidence), [n] each."""

    name: str
    alpha: np.ndarray
    solved: np.ndarray
    problems: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """Solved of all, [n]."""
        return np.asarray(self.solved / self.problems)


@dataclass(frozen=True, eq=False)
class CapacityInfo:
    """recorded: series, the rule as published first; live: those tried here; alpha: of the problem on the page.

    most_cycles: after how many a problem counts as not solved; outcome: how the problem on the page stands, in a word.
    """

    recorded: tuple[Share, ...]
    live: Share
    alpha: float
    most_cycles: int
    outcome: str

    @property
    def half(self) -> float | None:
        """The alpha at which half of the problems are solved, between the last that solves more and the next."""
        if not self.recorded:
            return None
        first = self.recorded[0]
        more = np.flatnonzero(first.share >= 0.5)
        if not len(more) or more[-1] == len(first.alpha) - 1:
            return None
        at = slice(int(more[-1]), int(more[-1]) + 2)
        return float(np.interp(-0.5, -first.share[at], first.alpha[at]))

    @property
    def takeaway(self) -> str:
        """The capacity as recorded, and what was tried here, in words."""
        within = f"within {_count(self.most_cycles, 'cycle')}"
        if self.half is None:
            words = f"The record does not say where half of the problems are solved {within}."
        else:
            words = f"Half of the problems are solved {within} at about {self.half:.1f} patterns an afferent."
        tried, solved = int(self.live.problems.sum()), int(self.live.solved.sum())
        return words + (f" Tried here: {solved} of {tried} solved." if tried else "")


def capacity_figure(info: CapacityInfo, height: int = 420) -> go.Figure:
    """The share of problems solved against alpha, each with its interval; those tried here as open diamonds."""
    series = [each for each in (*info.recorded, info.live) if len(each.alpha)]
    if not series:
        return theme.empty(height, "The share of problems solved will appear here")
    furthest = max(float(each.alpha.max()) for each in series)
    figure = theme.base(
        height,
        xaxis={"title": {"text": "alpha, patterns an afferent"}, "range": [0, 1.05 * max(furthest, info.alpha)]},
        yaxis={"title": {"text": "problems solved, %"}, "range": [-3, 103]},
        showlegend=True,
        legend=_LEGEND,
        margin={"t": 100},
    )
    looks = (
        {"line": {"color": theme.HISTORY, "width": 4}, "marker": {"size": 11}},
        {"line": {"color": theme.MUTED, "width": 2.5, "dash": "dash"}, "marker": {"size": 8, "symbol": "square"}},
        {"line": {"color": theme.INK, "width": 2.5, "dash": "dot"}, "marker": {"size": 9, "symbol": "triangle-up"}},
    )
    for i, each in enumerate(info.recorded):
        _points(figure, each, {"mode": "lines+markers", **looks[min(i, len(looks) - 1)]})
    # Named in the legend: no place beside it is free of curves at every alpha.
    figure.add_scatter(
        x=[info.alpha, info.alpha],
        y=[-3, 103],
        mode="lines",
        name=f"<b>this problem</b>: {info.outcome}",
        line={"color": theme.CHOSEN, "width": 2.5, "dash": "dash"},
        hoverinfo="skip",
    )
    diamond = {"symbol": "diamond-open", "size": 17, "color": theme.CHOSEN, "line": {"width": 3}}
    _points(figure, info.live, {"mode": "markers", "marker": diamond})
    return figure.figure()


def _points(figure: theme.Sketch, each: Share, look: dict[str, object]) -> None:
    if not len(each.alpha):
        return
    share = 100 * each.share
    figure.add_scatter(
        x=each.alpha,
        y=share.round(2),
        name=each.name,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": (100 * each.high - share).round(2),
            "arrayminus": (share - 100 * each.low).round(2),
            "thickness": 1.6,
            "width": 5,
        },
        cliponaxis=False,
        text=[f"{s} of {n} solved" for s, n in zip(each.solved, each.problems, strict=True)],
        hovertemplate=f"<b>{each.name}</b><br>alpha %{{x}}: %{{text}}<extra></extra>",
        **look,
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
