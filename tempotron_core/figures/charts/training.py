"""Figures of a training run: loss and accuracy against epochs; weights as maps over the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import FigureBuilder, new_figure, placeholder

__all__ = ["CurvesInfo", "accuracy_figure", "loss_figure", "weight_maps", "weight_maps_takeaway"]

_MAX_POINTS = 400


@dataclass(frozen=True, eq=False)
class CurvesInfo:
    """Learning curves of one run.

    Attributes:
        epochs: Epoch of each point, with fractions, [n].
        loss: Training loss, [n].
        train: Training accuracy in [0, 1], [n].
        test_epochs: Number of each finished epoch, [k].
        test: Test accuracy in [0, 1] after each of them, [k].
        total_epochs: Number of epochs of the whole run.
    """

    epochs: np.ndarray
    loss: np.ndarray
    train: np.ndarray
    test_epochs: np.ndarray
    test: np.ndarray
    total_epochs: int

    @property
    def takeaway(self) -> str:
        """Return the latest and the best test accuracy."""
        if not len(self.test):
            return (
                "No test accuracy yet: the first epoch is not complete." if len(self.loss) else "No training steps yet."
            )
        last, best = float(self.test[-1]), int(self.test.argmax())
        text = f"Test accuracy {last:.1%} after {len(self.test)} epoch{'s' if len(self.test) > 1 else ''}"
        if best < len(self.test) - 1:
            text += f", best {float(self.test[best]):.1%} after epoch {int(self.test_epochs[best])}"
        elif len(self.test) > 1:
            text += f", {float(self.test[-1] - self.test[0]) * 100:+.1f} points since the first"
        return text + "."

    @property
    def loss_takeaway(self) -> str:
        """Return the first and the latest loss."""
        if not len(self.loss):
            return "No loss so far."
        first, last = float(self.loss[0]), float(self.loss[-1])
        verb = "fell from" if last < first else "rose from" if last > first else "did not change:"
        return f"The loss {verb} {first:.3g} to {last:.3g} within {float(self.epochs[-1]):.2g} epochs."


def downsample_minmax(values: np.ndarray) -> np.ndarray:
    """Return at most 400 indices into values [n]: the first, the last, the minimum and maximum of each window."""
    n = len(values)
    if n <= _MAX_POINTS:
        return np.arange(n)
    window = -(-n // (_MAX_POINTS // 2 - 1))
    starts = np.arange(0, n, window)
    rows = np.pad(values, (0, len(starts) * window - n), mode="edge").reshape(len(starts), window)
    extremes = (starts + rows.argmin(axis=1), starts + rows.argmax(axis=1))
    return np.unique(np.concatenate([[0], *extremes, [n - 1]]).clip(max=n - 1))


def accuracy_figure(info: CurvesInfo, height: int = 330) -> go.Figure:
    """Draw training and test accuracy against epochs."""
    if not len(info.loss):
        return placeholder(height, "Accuracy will appear here")
    figure = _by_epoch(info, height, "accuracy, %")
    _curve(
        figure, info.epochs, 100 * info.train, "training %{y:.1f} %",
        mode="lines", name="training", line={"color": theme.MUTED, "width": 2.5},
    )  # fmt: skip
    _curve(
        figure, info.test_epochs, 100 * info.test, "test %{y:.2f} %",
        mode="lines+markers", name="test", line={"color": theme.METRIC, "width": 4}, marker={"size": 10},
        cliponaxis=False,
    )  # fmt: skip
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 16}},
        margin={"t": 34},
    )
    return figure.build()


def loss_figure(info: CurvesInfo, height: int = 330) -> go.Figure:
    """Draw the training loss against epochs."""
    if not len(info.loss):
        return placeholder(height, "The loss will appear here")
    figure = _by_epoch(info, height, "loss")
    line = {"color": theme.METRIC, "width": 3}
    _curve(figure, info.epochs, info.loss, "loss %{y:.4g}", mode="lines", line=line)
    figure.update_layout(yaxis={"rangemode": "tozero"}, margin={"t": 34})
    return figure.build()


def _by_epoch(info: CurvesInfo, height: int, quantity: str) -> FigureBuilder:
    return new_figure(
        height,
        xaxis={"title": {"text": "epoch"}, "range": [0, info.total_epochs]},
        yaxis={"title": {"text": quantity}},
        hovermode="x",
    )


def _curve(figure: FigureBuilder, x: np.ndarray, y: np.ndarray, hover: str, **style: Any) -> None:
    indices = downsample_minmax(y)
    figure.add_scatter(x=x[indices], y=y[indices], hovertemplate=f"{hover}<extra></extra>", **style)


def weight_maps(weight: np.ndarray, m: int, neuron: int | None = None, shape: tuple[int, ...] = (28, 28)) -> np.ndarray:
    """Arrange weights as maps over the image, or over the features of a table.

    Args:
        weight: Weights, pixel-major, [C, features*m].
        m: Number of tuning neurons per pixel.
        neuron: Tuning neuron to show, from 0; None sums over all m.
        shape: Height and width of the image, or the number of features.

    Returns:
        One map per class, [C, *shape].
    """
    by_pixel = weight.reshape(len(weight), -1, m)
    maps = by_pixel.sum(axis=2) if neuron is None else by_pixel[:, :, neuron]
    return maps.reshape(len(weight), *shape)


def weight_maps_takeaway(maps: np.ndarray, classes: tuple[str, ...]) -> str:
    """Return the range of weight maps [C, ...] and the class with the largest absolute weight."""
    name = classes[int(np.abs(maps).reshape(len(maps), -1).max(axis=1).argmax())]
    return (
        f"Weight maps per class, from {float(maps.min()):+.2g} (dark, inhibitory) to {float(maps.max()):+.2g} "
        f"(bright, excitatory); largest absolute weight: class {name}."
    )
