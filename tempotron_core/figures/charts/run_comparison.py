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
    """

    names: tuple[str, ...]
    test: tuple[np.ndarray, ...]
    train: tuple[np.ndarray, ...]

    @property
    def takeaway(self) -> str:
        """Return the run with the highest final test accuracy."""
        final = [(float(test[-1]), name) for name, test in zip(self.names, self.test, strict=True) if len(test)]
        if not final:
            return "No epoch is complete yet."
        final.sort(reverse=True)
        best, name = final[0]
        if len(final) == 1:
            return f"{name}: test accuracy {best:.2%} after its last epoch."
        second, second_name = final[1]
        return (
            f"Highest final test accuracy: {name}, {best:.2%}, {100 * (best - second):.2f} points above {second_name}."
        )


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
