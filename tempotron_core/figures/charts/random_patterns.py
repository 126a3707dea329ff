"""One tempotron learning random patterns: a pattern's potential, errors by cycle, and how many problems are solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.charts.training import downsample_minmax

__all__ = [
    "CapacityInfo",
    "ErrorsInfo",
    "PatternInfo",
    "SuccessRates",
    "capacity_figure",
    "errors_figure",
    "pattern_figure",
]

_STEP = 0.5
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 15}}


@dataclass(frozen=True, eq=False)
class PatternInfo:
    """One pattern. v_initial, v, v_shunted: potentials [T] with the initial and the present weights, shunted or not.

    target: whether the neuron should fire; has_learned: whether the present weights are not the initial ones; spike_time: the
    first step at the threshold in ms, None for none; shunting: whether shunting is shown.
    """

    target: bool
    v_initial: np.ndarray
    v: np.ndarray
    v_shunted: np.ndarray
    spike_time: int | None
    v_threshold: float
    has_learned: bool
    shunting: bool

    @property
    def t_max(self) -> int:
        """When the potential is highest, without shunting, in ms."""
        return int(self.v.argmax())

    @property
    def correct(self) -> bool:
        """Whether the neuron does what it should."""
        return (self.spike_time is not None) == self.target

    @property
    def takeaway(self) -> str:
        """What the neuron does and whether it should, in one sentence."""
        name = "Target" if self.target else "Null pattern"
        if self.spike_time is not None:
            return f"{name}: fires at {self.spike_time} ms, {'as' if self.target else 'but'} it should{self._negation}."
        peak = f"peaks at {self.v.max():.2f}" if self.v.max() > 0 else "never rises"
        return f"{name}: silent, {peak}, {'but it should fire' if self.target else 'as it should be'}."

    @property
    def _negation(self) -> str:
        return "" if self.target else " not"


def pattern_figure(info: PatternInfo | None, T: int, height: int = 340) -> go.Figure:
    """The potential before learning and now, the spike, and what shunting takes away as a dotted line."""
    if info is None:
        return theme.placeholder(height, "None among these patterns")
    all_values = np.concatenate([info.v_initial, info.v, [0.0, info.v_threshold]])
    figure = theme.new_figure(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [0, T - 1 or 1]},
        # In whole steps, so that the axis stands still while the trace grows.
        yaxis={
            "title": {"text": "V(t)"},
            "range": [
                _STEP * np.floor(all_values.min() / _STEP - 0.1),
                _STEP * np.ceil(all_values.max() / _STEP + 0.3),
            ],
        },
        showlegend=True,
        legend=_LEGEND,
        margin={"t": 52},
    )
    t = np.arange(len(info.v))
    colour = theme.TRUE if info.correct else theme.PREDICTED
    hover_format = "%{x} ms, V = %{y:.3f}"

    def line(y: np.ndarray, name: str, colour: str, since: int = 0, **look: object) -> None:
        figure.add_scatter(
            x=t[since:],
            y=y[since:].round(4),
            mode="lines",
            name=name,
            line={"color": colour, **look},
            hovertemplate=f"{name}: {hover_format}<extra></extra>",
        )

    line(info.v_initial, "before", theme.MUTED, width=2)
    if info.has_learned:
        shows_shunting = info.shunting and info.spike_time is not None
        if shows_shunting:
            line(info.v, "unshunted", colour, since=info.spike_time or 0, width=2.5, dash="dot")
        line(info.v_shunted if shows_shunting else info.v, "now", colour, width=3.5)
    figure.add_hline(y=info.v_threshold, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    figure.add_annotation(
        **theme.text_label(0.004, info.v_threshold, "threshold", xref="paper", xanchor="left", yanchor="bottom")
    )
    at = info.t_max if info.spike_time is None else info.spike_time
    if info.has_learned:
        figure.add_scatter(
            x=[at],
            y=[info.v[at]],
            mode="markers",
            showlegend=False,
            cliponaxis=False,
            marker={"symbol": "circle-open", "size": 14, "color": colour, "line": {"width": 2.5}}
            if info.spike_time is None
            else {"symbol": "diamond", "size": 16, "color": colour, "line": {"width": 2, "color": "white"}},
            hovertemplate=f"{'peak' if info.spike_time is None else 'spike'}: {hover_format}<extra></extra>",
        )
    return figure.build()


@dataclass(frozen=True, eq=False)
class ErrorsInfo:
    """Errors of each cycle [n], of so many patterns; max_cycles: where learning gives up."""

    errors: np.ndarray
    patterns: int
    max_cycles: int

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
        text = f"{self.errors[-1]:,} of {self.patterns:,} patterns wrong in cycle {cycles:,}"
        if best < cycles - 1:
            text += f", {self.errors[best]:,} at best (cycle {best + 1:,})"
        return f"{text}{': given up' if cycles >= self.max_cycles else ''}."


def errors_figure(info: ErrorsInfo, height: int = 300) -> go.Figure:
    """Errors against cycles."""
    if not len(info.errors):
        return theme.placeholder(height, "The errors of every cycle will appear here")
    indices = downsample_minmax(info.errors)
    figure = theme.new_figure(
        height,
        xaxis={"title": {"text": "cycle"}, "range": [0, max(20, 1.03 * len(info.errors))]},
        yaxis={"title": {"text": f"wrong, of {info.patterns:,}"}, "range": [0, 1.06 * (info.errors.max() or 1)]},
        hovermode="x",
    )
    figure.add_scatter(
        x=indices + 1,
        y=info.errors[indices],
        mode="lines",
        line={"color": theme.METRIC, "width": 3},
        hovertemplate="cycle %{x}: %{y} wrong<extra></extra>",
    )
    figure.add_scatter(
        x=[len(info.errors)],
        y=[info.errors[-1]],
        mode="markers",
        cliponaxis=False,
        marker={"size": 13, "color": theme.TRUE if info.solved else theme.METRIC},
        hoverinfo="skip",
    )
    return figure.build()


@dataclass(frozen=True, eq=False)
class SuccessRates:
    """Problems solved at each load: alpha, solved, problems, low and high (95 % confidence), [n] each."""

    name: str
    load: np.ndarray
    solved: np.ndarray
    problems: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def rate(self) -> np.ndarray:
        """Solved of all, [n]."""
        return np.asarray(self.solved / self.problems)


@dataclass(frozen=True, eq=False)
class CapacityInfo:
    """recorded: series, the rule as published first; extra: those tried here; load: of the problem on the page.

    max_cycles: after how many a problem counts as not solved; status_text: how the problem on the page stands, in a word.
    """

    recorded: tuple[SuccessRates, ...]
    extra: SuccessRates
    load: float
    max_cycles: int
    status_text: str

    @property
    def half_load(self) -> float | None:
        """The alpha at which half of the problems are solved, between the last that solves more and the next."""
        if not self.recorded:
            return None
        first = self.recorded[0]
        more = np.flatnonzero(first.rate >= 0.5)
        if not len(more) or more[-1] == len(first.load) - 1:
            return None
        at = slice(int(more[-1]), int(more[-1]) + 2)
        return float(np.interp(-0.5, -first.rate[at], first.load[at]))

    @property
    def takeaway(self) -> str:
        """The capacity as recorded, and what was tried here, in words."""
        within = f"within {_count(self.max_cycles, 'cycle')}"
        if self.half_load is None:
            words = f"The record does not say where half of the problems are solved {within}."
        else:
            words = f"Half of the problems are solved {within} at about {self.half_load:.1f} patterns an afferent."
        tried, solved = int(self.extra.problems.sum()), int(self.extra.solved.sum())
        return words + (f" Tried here: {solved} of {tried} solved." if tried else "")


def capacity_figure(info: CapacityInfo, height: int = 420) -> go.Figure:
    """The share of problems solved against alpha, each with its interval; those tried here as open diamonds."""
    series = [entry for entry in (*info.recorded, info.extra) if len(entry.load)]
    if not series:
        return theme.placeholder(height, "The share of problems solved will appear here")
    max_load = max(float(entry.load.max()) for entry in series)
    figure = theme.new_figure(
        height,
        xaxis={"title": {"text": "alpha, patterns an afferent"}, "range": [0, 1.05 * max(max_load, info.load)]},
        yaxis={"title": {"text": "problems solved, %"}, "range": [-3, 103]},
        showlegend=True,
        legend=_LEGEND,
        margin={"t": 100},
    )
    styles = (
        {"line": {"color": theme.METRIC, "width": 4}, "marker": {"size": 11}},
        {"line": {"color": theme.MUTED, "width": 2.5, "dash": "dash"}, "marker": {"size": 8, "symbol": "square"}},
        {
            "line": {"color": theme.REFERENCE, "width": 2.5, "dash": "dot"},
            "marker": {"size": 9, "symbol": "triangle-up"},
        },
    )
    for i, entry in enumerate(info.recorded):
        _points(figure, entry, {"mode": "lines+markers", **styles[min(i, len(styles) - 1)]})
    # Named in the legend: no place beside it is free of curves at every alpha.
    figure.add_scatter(
        x=[info.load, info.load],
        y=[-3, 103],
        mode="lines",
        name=f"<b>this problem</b>: {info.status_text}",
        line={"color": theme.SELECTED, "width": 2.5, "dash": "dash"},
        hoverinfo="skip",
    )
    diamond = {"symbol": "diamond-open", "size": 17, "color": theme.SELECTED, "line": {"width": 3}}
    _points(figure, info.extra, {"mode": "markers", "marker": diamond})
    return figure.build()


def _points(figure: theme.FigureBuilder, series: SuccessRates, style: dict[str, object]) -> None:
    if not len(series.load):
        return
    percent = 100 * series.rate
    figure.add_scatter(
        x=series.load,
        y=percent.round(2),
        name=series.name,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": (100 * series.high - percent).round(2),
            "arrayminus": (percent - 100 * series.low).round(2),
            "thickness": 1.6,
            "width": 5,
        },
        cliponaxis=False,
        text=[f"{s} of {n} solved" for s, n in zip(series.solved, series.problems, strict=True)],
        hovertemplate=f"<b>{series.name}</b><br>alpha %{{x}}: %{{text}}<extra></extra>",
        **style,
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
