"""A run as it learns: loss and accuracy over the epochs, and the weights as maps over the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import style

__all__ = ["CurvesInfo", "accuracy_figure", "loss_figure", "weight_maps", "weights_figure"]

_MOST_POINTS = 400
_SIDE = 28


@dataclass(frozen=True, eq=False)
class CurvesInfo:
    """epochs [n] (fractions of them), loss [n], train [n]: the points; test_epochs [k], test [k]: after each epoch."""

    epochs: np.ndarray
    loss: np.ndarray
    train: np.ndarray
    test_epochs: np.ndarray
    test: np.ndarray
    total_epochs: int

    @property
    def takeaway(self) -> str:
        """What is seen, in one sentence."""
        if not len(self.test):
            return (
                "The first epoch is not over yet: no test accuracy so far."
                if len(self.loss)
                else "Nothing learned yet."
            )
        last, best = float(self.test[-1]), int(self.test.argmax())
        words = f"Test accuracy {last:.1%} after {len(self.test)} epoch{'s' if len(self.test) > 1 else ''}"
        if best < len(self.test) - 1:
            words += f", best {float(self.test[best]):.1%} after epoch {int(self.test_epochs[best])}"
        elif len(self.test) > 1:
            words += f", {float(self.test[-1] - self.test[0]) * 100:+.1f} points since the first"
        return words + "."


def thinned(count: int) -> np.ndarray:
    """Positions of at most _MOST_POINTS of count points, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(int)) if count else np.arange(0)


def accuracy_figure(info: CurvesInfo, height: int = 330) -> go.Figure:
    """Training and test accuracy against epochs."""
    if not len(info.loss):
        return style.empty(height, "Accuracy will appear here")
    keep = thinned(len(info.train))
    figure = _by_epoch(info, height, "accuracy, %")
    figure.add_scatter(
        x=info.epochs[keep],
        y=100 * info.train[keep],
        mode="lines",
        name="training",
        line={"color": style.MUTED, "width": 2.5},
        hovertemplate="training %{y:.1f} %<extra></extra>",
    )
    figure.add_scatter(
        x=info.test_epochs,
        y=100 * info.test,
        mode="lines+markers",
        name="test",
        line={"color": style.HISTORY, "width": 4},
        marker={"size": 10},
        cliponaxis=False,
        hovertemplate="test %{y:.2f} %<extra></extra>",
    )
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 16}},
        margin={"t": 34},
    )
    return figure.figure()


def loss_figure(info: CurvesInfo, height: int = 330) -> go.Figure:
    """Loss against epochs."""
    if not len(info.loss):
        return style.empty(height, "The loss will appear here")
    keep = thinned(len(info.loss))
    figure = _by_epoch(info, height, "loss")
    figure.add_scatter(
        x=info.epochs[keep],
        y=info.loss[keep],
        mode="lines",
        line={"color": style.HISTORY, "width": 3},
        hovertemplate="loss %{y:.4g}<extra></extra>",
    )
    figure.update_layout(yaxis={"rangemode": "tozero"}, margin={"t": 34})
    return figure.figure()


def _by_epoch(info: CurvesInfo, height: int, quantity: str) -> style.Sketch:
    return style.base(
        height,
        xaxis={"title": {"text": "epoch"}, "range": [0, info.total_epochs]},
        yaxis={"title": {"text": quantity}},
        hovermode="x",
    )


def weight_maps(weight: np.ndarray, m: int, neuron: int | None = None) -> np.ndarray:
    """Weights [C, 784*m] as maps [C, 28, 28]: summed over a pixel's m neurons, or those of one of them (from 0)."""
    by_pixel = weight.reshape(len(weight), _SIDE * _SIDE, m)
    maps = by_pixel.sum(axis=2) if neuron is None else by_pixel[:, :, neuron]
    return maps.reshape(len(weight), _SIDE, _SIDE)


def weights_figure(maps: np.ndarray, classes: tuple[str, ...], columns: int = 5, height: int = 470) -> go.Figure:
    """One map an output, all on one symmetric diverging scale: purple inhibits, green excites."""
    rows = -(-len(maps) // columns)
    limit = float(np.abs(maps).max()) or 1.0
    steps = np.round(maps / limit * 127).astype(np.int8)
    ticks = [-127, 0, 127]
    figure = style.Sketch(
        {
            "height": height,
            "margin": {"l": 0, "r": 0, "t": 28, "b": 60},
            "uirevision": "fixed",
            "dragmode": False,
            "coloraxis": {
                "cmin": -127,
                "cmax": 127,
                "colorscale": [[0, "#762a83"], [0.25, "#c2a5cf"], [0.5, "#f7f7f7"], [0.75, "#7fbf7b"], [1, "#1b7837"]],
                "colorbar": {
                    "title": {"text": "weight", "side": "top"},
                    "tickvals": ticks,
                    "ticktext": [f"{tick / 127 * limit:+.2g}" if tick else "0" for tick in ticks],
                    "thickness": 12,
                    "tickfont": {"size": 15},
                    "orientation": "h",
                    "y": -0.02,
                    "yanchor": "top",
                    "len": 0.6,
                },
            },
        }
    )
    for i, cells in enumerate(steps):
        row, column = divmod(i, columns)
        across, down = _part(column, columns, 0.012), _part(rows - 1 - row, rows, 0.1)
        x, y = (f"{axis}{i + 1 if i else ''}" for axis in "xy")
        hidden = {"visible": False, "fixedrange": True}
        figure.update_layout(
            **{
                x.replace("x", "xaxis"): hidden | {"domain": across, "anchor": y, "constrain": "domain"},
                y.replace("y", "yaxis"): hidden
                | {"domain": down, "anchor": x, "autorange": "reversed", "scaleanchor": x},
            }
        )
        figure.add_heatmap(z=cells, xaxis=x, yaxis=y, coloraxis="coloraxis", hoverinfo="skip")
        place = {"xref": "paper", "yref": "paper", "yanchor": "bottom", "font": {"size": 18}}
        figure.add_annotation(**style.text(sum(across) / 2, down[1], classes[i]) | place)
    return figure.figure()


def _part(number: int, parts: int, spacing: float) -> list[float]:
    """Where one of equal parts lies in [0, 1], with that much space between two."""
    width = (1 - spacing * (parts - 1)) / parts
    start = number * (width + spacing)
    return [start, min(1.0, start + width)]
