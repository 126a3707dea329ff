"""A network's decisions on a whole split: who is taken for whom, by how much, and when the peaks come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

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
"""Numbers on a white page; the page's own colour takes its place there."""


@dataclass(frozen=True, eq=False)
class EvaluationInfo:
    """confusion [C, C] by label and decision; accuracy in [0, 1] and the ends of its interval."""

    confusion: np.ndarray
    classes: tuple[str, ...]
    accuracy: float
    interval: tuple[float, float]

    @property
    def takeaway(self) -> str:
        """Accuracy with its interval and the commonest mistake, in one sentence."""
        low, high = self.interval
        words = f"Test accuracy {self.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})"
        wrong = self.confusion - np.diag(self.confusion.diagonal())
        if not wrong.any():
            return f"{words}; no mistake."
        true, predicted = divmod(int(wrong.argmax()), len(self.classes))
        return (
            f"{words}; most often {self.classes[true]} is taken for {self.classes[predicted]} "
            f"({wrong[true, predicted]:,} times)."
        )


def confusion_figure(
    info: EvaluationInfo, cell: tuple[int | None, int | None] = (None, None), height: int = 520
) -> go.Figure:
    """Samples by label and decision; colour is the share of the label, and a click on a cell selects it."""
    count = len(info.classes)
    totals = np.maximum(info.confusion.sum(axis=1, keepdims=True), 1)
    share = info.confusion / totals
    mistakes = share.copy()
    np.fill_diagonal(mistakes, 0)
    limit = float(mistakes.max()) or 1.0
    short = [name if len(name) <= 8 else f"{name[:7]}…" for name in info.classes]
    axis = {"tickvals": list(range(count)), "ticktext": short, "showgrid": False, "fixedrange": True}
    figure = theme.new_figure(
        height,
        xaxis=axis | {"title": {"text": "decision"}},
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
            # A heatmap reports no selections, so unseen marks over its cells do.
            marker={"size": height / count * 0.7, "symbol": "square", "opacity": 0},
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}, "textfont": {"color": font["color"]}},
            text=[f"{number:,}" if number else "" for number in cells[which].tolist()],
            textfont=font,
            customdata=[
                f"{theme.escape_label(info.classes[row])} taken for {theme.escape_label(info.classes[column])}"
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
    """Accuracy of every class, the worst standing out."""
    percent = 100 * np.nan_to_num(per_class)
    worst = int(percent.argmin())
    low = max(0.0, float(np.floor((percent.min() - 5) / 10) * 10))
    figure = theme.new_figure(
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
    """The classes read best and worst, in one sentence."""
    accuracy = np.nan_to_num(per_class)
    worst, best = int(accuracy.argmin()), int(accuracy.argmax())
    return (
        f"{classes[worst]} is read right least often, in {accuracy[worst]:.1%} of its samples, "
        f"{classes[best]} most often, in {accuracy[best]:.1%}."
    )


def split_takeaway(values: np.ndarray, split: np.ndarray, quantity: str, names: tuple[str, str]) -> str:
    """The middle of a quantity where split holds and where not, in one sentence."""
    groups = [(values[group], name) for group, name in ((split, names[0]), (~split, names[1]))]
    medians = [f"{np.median(group):.3g} where {name} ({len(group):,})" for group, name in groups if len(group)]
    return f"Median {quantity} {', '.join(medians)}." if medians else "Nothing to count."


def histogram_figure(
    values: np.ndarray,
    split: np.ndarray,
    quantity: str,
    names: tuple[str, str],
    mark: float | None = None,
    height: int = 300,
) -> go.Figure:
    """Two groups of one quantity on top of each other: where split holds, in the true colour, and where not."""
    if not len(values):
        return theme.placeholder(height, "Nothing to count")
    edges = np.histogram_bin_edges(values, bins=40)
    figure = theme.new_figure(
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
    # Hatched: the two are told apart without their hue, too.
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
    """Label and decision of the cell behind a click; None where nothing was clicked."""
    if not points:
        return None
    column, row = points[-1].get("x"), points[-1].get("y")
    if not isinstance(column, int | float) or not isinstance(row, int | float):
        return None
    return (int(row), int(column)) if 0 <= column < classes and 0 <= row < classes else None
