"""Figure of the accuracies of several runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure, placeholder

__all__ = ["ComparisonInfo", "comparison_figure"]

_COLOURS = (
    theme.METRIC,
    theme.PREDICTED,
    theme.TRUE,
    theme.SPIKE,
    theme.SELECTED,
    "#4c6ef5",
    theme.REFERENCE,
    "#8a6a00",
)
_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")


@dataclass(frozen=True, eq=False)
class ComparisonInfo:
    """Accuracies of several runs after each epoch.

    Attributes:
        names: Names of the runs.
        test: Test accuracies in [0, 1], one array per run.
        train: Training accuracies in [0, 1], one array per run.
        test_sets: Names of the samples on which they were tested, one per run; all the same if empty.
        intervals: 95 % interval of the final test accuracy of each run, None for an unknown one; none known if empty.
        bands: Lowest and highest test accuracies of several seeds, one pair of arrays per run; none drawn if empty.
    """

    names: tuple[str, ...]
    test: tuple[np.ndarray, ...]
    train: tuple[np.ndarray, ...]
    test_sets: tuple[str, ...] = ()
    intervals: tuple[tuple[float, float] | None, ...] = ()
    bands: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    @property
    def takeaway(self) -> str:
        """Return the run with the highest final test accuracy; no ranking of runs with different test sets."""
        shown = [i for i, test in enumerate(self.test) if len(test)]
        if not shown:
            return "No epoch is complete yet."
        shown.sort(key=lambda i: (float(self.test[i][-1]), self.names[i]), reverse=True)
        first = shown[0]
        best, name = float(self.test[first][-1]), self.names[first]
        if len(shown) == 1:
            return f"{name}: test accuracy {best:.2%}{self._interval_text(first)} after its last epoch."
        if len(sets := dict.fromkeys(self.test_sets[i] for i in sorted(shown) if self.test_sets)) > 1:
            return f"No common ranking: the runs were tested on different samples ({'; '.join(sets)})."
        second = shown[1]
        if float(self.test[second][-1]) == best:
            return (
                f"Highest final test accuracy: {best:.2%}{self._interval_text(first)}, the same for "
                f"{self.names[second]} and {name}."
            )
        text = (
            f"Highest final test accuracy: {name}, {best:.2%}{self._interval_text(first)}, "
            f"{100 * (best - float(self.test[second][-1])):.2f} points above {self.names[second]}"
            f"{self._interval_text(second)}"
        )
        ends = self._interval(first), self._interval(second)
        if ends[0] is None or ends[1] is None:
            return f"{text}."
        return f"{text}; the intervals {'overlap' if ends[0][0] <= ends[1][1] else 'do not overlap'}."

    def _interval(self, run: int) -> tuple[float, float] | None:
        return self.intervals[run] if self.intervals else None

    def _interval_text(self, run: int) -> str:
        interval = self._interval(run)
        return "" if interval is None else f" (95 % interval {interval[0]:.1%} to {interval[1]:.1%})"


def comparison_figure(info: ComparisonInfo, height: int = 420) -> go.Figure:
    """Draw test accuracies as thick lines and training accuracies as thin dotted lines."""
    if not any(len(test) for test in info.test):
        return placeholder(height, "Accuracies will appear here after the first epoch")
    figure = new_figure(
        height,
        xaxis={"title": {"text": "epoch"}} | ({"dtick": 1} if max(map(len, info.test)) <= 12 else {}),
        yaxis={"title": {"text": "accuracy, %"}},
        hovermode="x",
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 15}},
        margin={"t": 40},
    )
    for i, (name, test, train) in enumerate(zip(info.names, info.test, info.train, strict=True)):
        colour, epochs = _COLOURS[i % len(_COLOURS)], np.arange(1, len(test) + 1)
        if info.bands:
            low, high = info.bands[i]
            figure.add_scatter(
                x=np.concatenate((epochs, epochs[::-1])),
                y=100 * np.concatenate((high, low[::-1])),
                mode="lines",
                name=f"{theme.escape_label(name)}, range of the seeds",
                showlegend=False,
                line={"width": 0},
                fill="toself",
                fillcolor=theme.with_alpha(colour, 0.22),
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=epochs,
            y=100 * test,
            mode="lines+markers",
            name=theme.escape_label(name).replace(" · ", "<br>"),  # two short lines fit a narrow page
            line={"color": colour, "width": 4, "dash": _DASHES[i % len(_DASHES)]},
            marker={"size": 10, "symbol": _SYMBOLS[i % len(_SYMBOLS)]},
            hovertemplate="test %{y:.2f} %",
        )
        figure.add_scatter(
            x=epochs,
            y=100 * train,
            mode="lines",
            name=f"{theme.escape_label(name)}, training",
            showlegend=False,
            line={"color": colour, "width": 1.6, "dash": "dot"},
            hovertemplate="training %{y:.2f} %",
        )
    return figure.build()
