"""Figures of one tempotron that learns random patterns: potential, errors per cycle, fraction of solved problems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import FigureBuilder, new_figure, placeholder
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
    """Potentials of the tempotron for one pattern.

    Attributes:
        target: True if the neuron should fire (target pattern), False if not (null pattern).
        v_initial: Potential with the initial weights, [T].
        v: Potential with the current weights without shunting, [T].
        v_shunted: Potential with the current weights and shunting, [T].
        spike_time: First time step at which v reaches the threshold in ms, None if it never does.
        v_threshold: Threshold potential.
        has_learned: True if the current weights differ from the initial ones.
        shunting: True to show the shunted potential.
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
        """Return the time of the peak of the unshunted potential, in ms."""
        return int(self.v.argmax())

    @property
    def correct(self) -> bool:
        """Return True if the neuron fires for a target or is silent for a null pattern."""
        return (self.spike_time is not None) == self.target

    @property
    def takeaway(self) -> str:
        """Return whether and when the potential crosses the threshold, and whether that is correct."""
        name, outcome = "Target" if self.target else "Null pattern", "correct" if self.correct else "incorrect"
        if self.spike_time is not None:
            return f"{name}: crosses the threshold at {self.spike_time} ms, {outcome}."
        return f"{name}: silent, peak potential {max(float(self.v.max()), 0.0):.2f}, {outcome}."


def pattern_figure(info: PatternInfo | None, T: int, height: int = 340) -> go.Figure:
    """Draw the potential with the initial and the current weights.

    A diamond marks the threshold crossing, a ring the peak if there is none. A dotted line is the potential without
    shunting.

    Args:
        info: Potentials, None if the problem has no such pattern.
        T: Length of the window in ms.
        height: Height of the figure in pixels.
    """
    if info is None:
        return placeholder(height, "No such pattern in this problem")
    all_values = np.concatenate([info.v_initial, info.v, [0.0, info.v_threshold]])
    figure = new_figure(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [0, T - 1 or 1]},
        # In whole steps, so that the axis rarely changes while the potential grows.
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

    line(info.v_initial, "initial weights", theme.MUTED, width=2)
    if info.has_learned:
        shows_shunting = info.shunting and info.spike_time is not None
        if shows_shunting:
            line(info.v, "without shunting", colour, since=info.spike_time or 0, width=2.5, dash="dot")
        line(info.v_shunted if shows_shunting else info.v, "current weights", colour, width=3.5)
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
            hovertemplate=f"{'peak' if info.spike_time is None else 'crossing'}: {hover_format}<extra></extra>",
        )
    return figure.build()


@dataclass(frozen=True, eq=False)
class ErrorsInfo:
    """Number of errors per learning cycle.

    Attributes:
        errors: Number of incorrectly classified patterns in each cycle, [n].
        patterns: Number of patterns.
        max_cycles: Limit of cycles at which learning ends.
    """

    errors: np.ndarray
    patterns: int
    max_cycles: int

    @property
    def solved(self) -> bool:
        """Return True if the last cycle had no error."""
        return bool(len(self.errors)) and not self.errors[-1]

    @property
    def takeaway(self) -> str:
        """Return the number of errors in the last cycle."""
        cycles = len(self.errors)
        if not cycles:
            return f"No cycles yet: press Start to learn {_count(self.patterns, 'pattern')}."
        after = _count(cycles, "cycle")
        if self.solved:
            return f"{'All ' if self.patterns > 1 else ''}{_count(self.patterns, 'pattern')} correct after {after}."
        best = int(self.errors.argmin())
        text = f"{self.errors[-1]:,} of {self.patterns:,} patterns incorrect in cycle {cycles:,}"
        if best < cycles - 1:
            text += f", minimum {self.errors[best]:,} (cycle {best + 1:,})"
        return f"{text}{'; limit of cycles reached' if cycles >= self.max_cycles else ''}."


def errors_figure(info: ErrorsInfo, height: int = 300) -> go.Figure:
    """Draw the number of errors against the cycle."""
    if not len(info.errors):
        return placeholder(height, "The errors per cycle will appear here")
    indices = downsample_minmax(info.errors)
    figure = new_figure(
        height,
        xaxis={"title": {"text": "cycle"}, "range": [0, max(20, 1.03 * len(info.errors))]},
        yaxis={"title": {"text": f"errors, of {info.patterns:,}"}, "range": [0, 1.06 * (info.errors.max() or 1)]},
        hovermode="x",
    )
    figure.add_scatter(
        x=indices + 1,
        y=info.errors[indices],
        mode="lines",
        line={"color": theme.METRIC, "width": 3},
        hovertemplate="cycle %{x}: %{y} errors<extra></extra>",
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


_SIZE_COLOURS = (theme.TRUE, theme.SPIKE, theme.PREDICTED)


@dataclass(frozen=True, eq=False)
class SuccessRates:
    """Fraction of solved problems at each load of one series.

    Attributes:
        name: Name of the series.
        load: Load alpha = P/N, patterns per afferent, [n].
        solved: Number of solved problems, [n].
        problems: Number of problems, [n].
        low: Lower end of the 95 % confidence interval of the fraction, [n].
        high: Upper end of that interval, [n].
    """

    name: str
    load: np.ndarray
    solved: np.ndarray
    problems: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def rate(self) -> np.ndarray:
        """Return the fraction of solved problems, [n]."""
        return np.asarray(self.solved / self.problems)

    @property
    def half_load(self) -> float | None:
        """Return the interpolated load at which half of the problems are solved, None where it is not covered."""
        return _half_crossing(self.load, self.rate)

    @property
    def half_text(self) -> str:
        """Return that load with the loads at which the ends of the confidence intervals are at one half."""
        ends = [_half_crossing(self.load, values) for values in (self.low, self.high)]
        if self.half_load is None:
            return f"{self.name}: not covered"
        interval = " to ".join("?" if end is None else f"{end:.2f}" for end in ends)
        return f"{self.name}: {self.half_load:.2f} ({interval})"


def _half_crossing(load: np.ndarray, rate: np.ndarray) -> float | None:
    """Return the interpolated load at which a rate falls to one half for the last time."""
    more = np.flatnonzero(rate >= 0.5)
    if not len(more) or more[-1] == len(load) - 1:
        return None
    at = slice(int(more[-1]), int(more[-1]) + 2)
    return float(np.interp(-0.5, -rate[at], load[at]))


@dataclass(frozen=True, eq=False)
class CapacityInfo:
    """Recorded and new measurements of the capacity.

    Attributes:
        recorded: Recorded series; the first is the published learning rule.
        extra: Problems tried in this session.
        load: Load of the problem on the page.
        max_cycles: Number of cycles after which a problem counts as not solved.
        status_text: Status of the problem on the page.
        sizes: Recorded series by number of afferents, learned with the settings reported for 2006.
        references: Names and values of loads reported elsewhere.
    """

    recorded: tuple[SuccessRates, ...]
    extra: SuccessRates
    load: float
    max_cycles: int
    status_text: str
    sizes: tuple[SuccessRates, ...] = ()
    references: tuple[tuple[str, float], ...] = ()

    @property
    def half_load(self) -> float | None:
        """Return the interpolated load at which half of the problems of the first series are solved, or None."""
        if not self.recorded:
            return None
        return self.recorded[0].half_load

    @property
    def takeaway(self) -> str:
        """Return the load at which half of the problems are solved, and the result of this session."""
        within = f"Found within {_count(self.max_cycles, 'cycle')}:"
        if self.half_load is None:
            text = f"{within} the recorded data do not show at which load half of the problems are solved."
        else:
            load_text = f"about {self.half_load:.1f} patterns per afferent"
            text = f"{within} half of the problems are solved at a load of {load_text}."
        tried, solved = int(self.extra.problems.sum()), int(self.extra.solved.sum())
        return text + (f" This session: {solved} of {tried} solved." if tried else "")


def capacity_figure(info: CapacityInfo, height: int = 420) -> go.Figure:
    """Draw the fraction of solved problems against the load, with 95 % intervals; open diamonds: this session."""
    series = [entry for entry in (*info.recorded, *info.sizes, info.extra) if len(entry.load)]
    if not series:
        return placeholder(height, "The fraction of solved problems will appear here")
    max_load = max(float(entry.load.max()) for entry in series)
    figure = new_figure(
        height,
        xaxis={"title": {"text": "load alpha, patterns per afferent"}, "range": [0, 1.05 * max(max_load, info.load)]},
        yaxis={"title": {"text": "solved problems, %"}, "range": [-3, 103]},
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
    for entry, colour, symbol in zip(info.sizes, _SIZE_COLOURS, ("circle-open", "square-open", "star"), strict=False):
        _points(figure, entry, {"mode": "lines+markers", "line": {"color": colour, "width": 2.5},
                                "marker": {"size": 10, "symbol": symbol}})  # fmt: skip
    for (name, load), dash in zip(info.references, ("dot", "dashdot", "longdash"), strict=False):
        figure.add_scatter(
            x=[load, load], y=[-3, 103], mode="lines", name=f"{name}: {load:.2f}",
            line={"color": theme.REFERENCE, "width": 2, "dash": dash}, hoverinfo="skip",
        )  # fmt: skip
    # In the legend, because a label beside the line would cover curves at some loads.
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


def _points(figure: FigureBuilder, series: SuccessRates, style: dict[str, object]) -> None:
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
