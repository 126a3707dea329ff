"""Figures of a network's predictions on a whole split: confusion matrix, accuracy per class, histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure, placeholder

__all__ = [
    "ClassAccuracyInfo",
    "EvaluationInfo",
    "cell_of_selection",
    "class_figure",
    "confusion_figure",
    "histogram_figure",
    "split_takeaway",
]

_TEXT_COLOUR = "#31333f"
"""Colour of numbers on a white page; the dashboard replaces it with the text colour of its theme."""


@dataclass(frozen=True, eq=False)
class EvaluationInfo:
    """Confusion matrix and accuracy of a model on a test set.

    Attributes:
        confusion: Number of samples by true and predicted class, [C, C].
        classes: Names of the classes, C of them.
        accuracy: Test accuracy in [0, 1].
        interval: Lower and upper end of its 95 % confidence interval.
    """

    confusion: np.ndarray
    classes: tuple[str, ...]
    accuracy: float
    interval: tuple[float, float]

    @property
    def takeaway(self) -> str:
        """Return the accuracy with its interval and the most frequent error."""
        low, high = self.interval
        text = f"Test accuracy {self.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})"
        wrong = self.confusion - np.diag(self.confusion.diagonal())
        if not wrong.any():
            return f"{text}; no errors."
        true, predicted = divmod(int(wrong.argmax()), len(self.classes))
        return (
            f"{text}; most frequent error: true {self.classes[true]}, predicted {self.classes[predicted]} "
            f"({wrong[true, predicted]:,} times)."
        )


@dataclass(frozen=True, eq=False)
class ClassAccuracyInfo:
    """Accuracy of each class with its 95 % confidence interval.

    Attributes:
        accuracy: Accuracy of each class in [0, 1], [C]; NaN for a class without samples.
        interval: Lower and upper end of each interval, [C, 2].
        classes: Names of the classes, C of them.
    """

    accuracy: np.ndarray
    interval: np.ndarray
    classes: tuple[str, ...]

    @property
    def worst(self) -> int:
        """Return the class with the lowest accuracy among those with samples."""
        return int(np.nan_to_num(self.accuracy, nan=2.0).argmin())

    @property
    def heading(self) -> str:
        """Return the class with the lowest accuracy as Markdown."""
        worst = f"{self.classes[self.worst]}, {self.accuracy[self.worst]:.1%}"
        return f"**Recall (accuracy per class)**: lowest for {worst}"

    @property
    def takeaway(self) -> str:
        """Return the classes with the lowest and the highest accuracy."""
        best = int(np.nan_to_num(self.accuracy, nan=-1.0).argmax())
        return (
            f"Recall (accuracy per class): lowest for {self.classes[self.worst]}, {self.accuracy[self.worst]:.1%}; "
            f"highest for {self.classes[best]}, {self.accuracy[best]:.1%}."
        )


def confusion_figure(
    info: EvaluationInfo,
    cell: tuple[int | None, int | None] = (None, None),
    height: int = 520,
    rates: bool = False,
) -> go.Figure:
    """Draw the confusion matrix; a click on a cell selects it.

    Args:
        info: Confusion matrix and class names.
        cell: True and predicted class to frame; None frames the whole row or column, (None, None) nothing.
        height: Height of the figure in pixels.
        rates: True for percentages of the samples of the true class instead of numbers of samples.
    """
    count = len(info.classes)
    totals = np.maximum(info.confusion.sum(axis=1, keepdims=True), 1)
    share = info.confusion / totals
    mistakes = share.copy()
    np.fill_diagonal(mistakes, 0)
    limit = float(mistakes.max()) or 1.0
    short = [name if len(name) <= 8 else f"{name[:7]}…" for name in info.classes]
    axis = {"tickvals": list(range(count)), "ticktext": short, "showgrid": False, "fixedrange": True}
    figure = new_figure(
        height,
        xaxis=axis | {"title": {"text": "predicted class"}},
        yaxis=axis | {"title": {"text": "true class"}, "range": [count - 0.5, -0.5]},
        clickmode="event+select",
        margin={"l": 96},
    )
    figure.add_heatmap(
        z=np.minimum(mistakes / limit, 1),
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(232,89,12,0)"], [1, "rgba(232,89,12,0.5)"]],
        showscale=False,
        hoverinfo="skip",
        xgap=2,
        ygap=2,
    )
    rows, columns = np.divmod(np.arange(count * count), count)
    cells, diagonal = info.confusion.reshape(-1), rows == columns
    percent = 100 * share.reshape(-1)
    texts = [
        "" if not number else (f"{rate:.0f}" if rate >= 0.5 else "&lt;1") if rates else f"{number:,}"
        for number, rate in zip(cells.tolist(), percent.tolist(), strict=True)
    ]
    for which, font in (
        (~diagonal, {"size": 16, "color": _TEXT_COLOUR}),
        (diagonal, {"size": 16, "color": theme.TRUE}),
    ):
        figure.add_scatter(
            x=columns[which],
            y=rows[which],
            mode="markers+text",
            # Plotly reports no selections on a heatmap, so invisible marks over its cells receive the clicks.
            marker={"size": height / count * 0.7, "symbol": "square", "opacity": 0},
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}, "textfont": {"color": font["color"]}},
            text=[text for text, drawn in zip(texts, which, strict=True) if drawn],
            textfont=font,
            customdata=[
                f"true {theme.escape_label(info.classes[row])}, predicted {theme.escape_label(info.classes[column])}: "
                f"{number:,}, {rate:.1f} % of the true class"
                for row, column, number, rate in zip(
                    rows[which], columns[which], cells[which], percent[which], strict=True
                )
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    true, predicted = cell
    if true is not None or predicted is not None:
        x0, x1 = (-0.5, count - 0.5) if predicted is None else (predicted - 0.5, predicted + 0.5)
        y0, y1 = (-0.5, count - 0.5) if true is None else (true - 0.5, true + 0.5)
        figure.add_shape(type="rect", x0=x0, x1=x1, y0=y0, y1=y1, line={"color": theme.SELECTED, "width": 4})
    return figure.build()


def class_figure(info: ClassAccuracyInfo, height: int = 520) -> go.Figure:
    """Draw the recall of each class as dots with intervals and highlight the lowest; no dot without samples.

    Args:
        info: Accuracies, intervals and class names.
        height: Height of the figure in pixels.
    """
    percent, interval = 100 * info.accuracy, 100 * info.interval
    present = np.flatnonzero(~np.isnan(percent))
    lowest = float(interval[present, 0].min()) if len(present) else 0.0
    figure = new_figure(
        height,
        xaxis={
            "title": {"text": "accuracy, % (95 % interval)"},
            "range": [max(-2.0, np.floor(lowest / 10) * 10 - 2), 102],
        },
        yaxis={
            "tickvals": list(range(len(info.classes))),
            "ticktext": [theme.escape_label(name) for name in info.classes],
            "range": [len(info.classes) - 0.5, -0.5],
        },
        margin={"l": 96, "r": 58},
    )
    for is_worst, colour in ((False, theme.MUTED), (True, theme.PREDICTED)):
        shown = [int(i) for i in present if (i == info.worst) == is_worst]
        figure.add_scatter(
            x=percent[shown],
            y=shown,
            mode="markers",
            marker={"color": colour, "size": 13},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": interval[shown, 1] - percent[shown],
                "arrayminus": percent[shown] - interval[shown, 0],
                "color": colour,
                "thickness": 2.5,
                "width": 5,
            },
            customdata=interval[shown],
            hovertemplate="%{y}: %{x:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f})<extra></extra>",
        )
    return figure.build()


def split_takeaway(values: np.ndarray, split: np.ndarray, quantity: str, names: tuple[str, str]) -> str:
    """Return the medians of a quantity in two groups of samples.

    Args:
        values: The quantity of each sample, [N].
        split: Mask of the samples of the first group, [N].
        quantity: Name of the quantity.
        names: Names of the first and the second group.
    """
    groups = [(values[group], name) for group, name in ((split, names[0]), (~split, names[1]))]
    medians = [f"{np.median(group):.3g} for {name} ({len(group):,})" for group, name in groups if len(group)]
    return f"Median {quantity} {', '.join(medians)}." if medians else "No samples."


def histogram_figure(
    values: np.ndarray,
    split: np.ndarray,
    quantity: str,
    names: tuple[str, str],
    mark: float | None = None,
    height: int = 300,
) -> go.Figure:
    """Draw a stacked histogram of a quantity in two groups of samples.

    Args:
        values: The quantity of each sample, [N].
        split: Mask of the samples of the first group, [N].
        quantity: Name of the quantity.
        names: Names of the first and the second group.
        mark: Value to mark with a vertical line, None for none.
        height: Height of the figure in pixels.
    """
    if not len(values):
        return placeholder(height, "No samples")
    edges = np.histogram_bin_edges(values, bins=40)
    figure = new_figure(
        height,
        xaxis={"title": {"text": quantity}},
        yaxis={"title": {"text": "samples"}},
        barmode="stack",
        bargap=0,
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 16}},
        margin={"t": 36},
    )
    centres = (edges[1:] + edges[:-1]) / 2
    # Hatched, so that the groups can be distinguished without hue.
    lines = {"shape": "/", "bgcolor": theme.PREDICTED, "fgcolor": "white", "size": 6, "solidity": 0.25}
    hatched = {"color": theme.PREDICTED, "pattern": lines}
    for group, name, marker in ((split, names[0], {"color": theme.TRUE}), (~split, names[1], hatched)):
        figure.add_bar(
            x=centres,
            y=np.histogram(values[group], edges)[0],
            name=name,
            marker=marker,
            hovertemplate=f"{name}: %{{y}} at %{{x:.2f}}<extra></extra>",
        )
    if mark is not None:
        figure.add_vline(mark, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    return figure.build()


def cell_of_selection(points: list[dict[str, object]], classes: int) -> tuple[int, int] | None:
    """Return the true and the predicted class of the clicked cell.

    Args:
        points: Points of the Plotly selection.
        classes: Number of classes.

    Returns:
        The row and the column of the last point, None if there is none or it lies outside the matrix.
    """
    if not points:
        return None
    column, row = points[-1].get("x"), points[-1].get("y")
    if not isinstance(column, int | float) or not isinstance(row, int | float):
        return None
    return (int(row), int(column)) if 0 <= column < classes and 0 <= row < classes else None
