"""Figures of a network's predictions on a whole split: confusion matrix, accuracy per class, histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure, placeholder

__all__ = [
    "EvaluationInfo",
    "cell_of_selection",
    "class_figure",
    "class_takeaway",
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


def confusion_figure(
    info: EvaluationInfo, cell: tuple[int | None, int | None] = (None, None), height: int = 520
) -> go.Figure:
    """Draw the confusion matrix; a click on a cell selects it.

    Args:
        info: Confusion matrix and class names.
        cell: True and predicted class to frame; None frames the whole row or column, (None, None) nothing.
        height: Height of the figure in pixels.
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
            text=[f"{number:,}" if number else "" for number in cells[which].tolist()],
            textfont=font,
            customdata=[
                f"true {theme.escape_label(info.classes[row])}, predicted {theme.escape_label(info.classes[column])}"
                for row, column in zip(rows[which], columns[which], strict=True)
            ],
            hovertemplate="%{customdata}: %{text}<extra></extra>",
        )
    true, predicted = cell
    if true is not None or predicted is not None:
        x0, x1 = (-0.5, count - 0.5) if predicted is None else (predicted - 0.5, predicted + 0.5)
        y0, y1 = (-0.5, count - 0.5) if true is None else (true - 0.5, true + 0.5)
        figure.add_shape(type="rect", x0=x0, x1=x1, y0=y0, y1=y1, line={"color": theme.SELECTED, "width": 4})
    return figure.build()


def class_figure(per_class: np.ndarray, classes: tuple[str, ...], height: int = 520) -> go.Figure:
    """Draw the accuracy per class and highlight the lowest.

    Args:
        per_class: Accuracy of each class in [0, 1], [C]; NaN counts as 0.
        classes: Names of the classes, C of them.
        height: Height of the figure in pixels.
    """
    percent = 100 * np.nan_to_num(per_class)
    worst = int(percent.argmin())
    low = max(0.0, float(np.floor((percent.min() - 5) / 10) * 10))
    figure = new_figure(
        height,
        xaxis={"title": {"text": "accuracy, %"}, "range": [low, 100.5]},
        yaxis={
            "tickvals": list(range(len(classes))),
            "ticktext": [theme.escape_label(name) for name in classes],
            "range": [len(classes) - 0.5, -0.5],
        },
        margin={"l": 96, "r": 58},
    )
    figure.add_bar(
        x=percent,
        y=list(range(len(classes))),
        orientation="h",
        marker={"color": [theme.PREDICTED if i == worst else theme.MUTED for i in range(len(classes))]},
        text=[f"{value:.1f}" for value in percent],
        textposition="outside",
        cliponaxis=False,
        textfont={"size": 16, "color": _TEXT_COLOUR},
        hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
    )
    return figure.build()


def class_takeaway(per_class: np.ndarray, classes: tuple[str, ...]) -> str:
    """Return the classes with the lowest and the highest accuracy."""
    accuracy = np.nan_to_num(per_class)
    worst, best = int(accuracy.argmin()), int(accuracy.argmax())
    return (
        f"Accuracy per class: lowest for {classes[worst]}, {accuracy[worst]:.1%}; "
        f"highest for {classes[best]}, {accuracy[best]:.1%}."
    )


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
