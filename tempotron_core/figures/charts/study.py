"""Studies: the figures of Optuna in the style of the pages, curves by a setting, accuracy against another quantity."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure, placeholder

__all__ = [
    "MAX_STUDY_TRIALS",
    "STUDY_FIGURES",
    "BandsInfo",
    "TradeOffInfo",
    "bands_figure",
    "study_figure",
    "trade_off_figure",
    "trial_of_point",
]

STUDY_FIGURES = ("History", "Parallel coordinates", "Importance", "Slice", "Contour")
"""Figures that Optuna draws."""

MAX_STUDY_TRIALS = {"History": 2000, "Parallel coordinates": 1000, "Importance": 2000, "Slice": 2000, "Contour": 150}
"""Trials that a figure of Optuna shows; of more they are taken at equal distances. The size of a contour grows with
their square."""

_TARGET = "accuracy, %"
_MAX_PARAMETERS = {"Slice": 6, "Contour": 3, "Parallel coordinates": 8}
_COLOURS = (theme.TRUE, theme.PREDICTED, theme.SPIKE, theme.METRIC, theme.SELECTED, theme.POSITIVE, theme.NEGATIVE)
_DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True, eq=False)
class BandsInfo:
    """Mean accuracies in [0, 1] after each epoch, with their deviations, one curve a group.

    Attributes:
        labels: names of the groups
        means: accuracies of each group [epochs]
        deviations: standard deviations over its runs [epochs]
        runs: number of runs of each group
    """

    labels: tuple[str, ...]
    means: tuple[np.ndarray, ...]
    deviations: tuple[np.ndarray, ...]
    runs: tuple[int, ...]

    @property
    def takeaway(self) -> str:
        """Return the highest group in one sentence."""
        if not self.labels:
            return "No trial is complete yet."
        best = max(range(len(self.labels)), key=lambda i: self.means[i][-1])
        return (
            f"Highest mean after the last epoch: {self.labels[best]} with {100 * self.means[best][-1]:.2f} % ± "
            f"{100 * self.deviations[best][-1]:.2f} over {self.runs[best]} runs."
        )


@dataclass(frozen=True, eq=False)
class TradeOffInfo:
    """Accuracies of trials against another quantity.

    Attributes:
        x: quantity [n]
        accuracy: in [0, 1], [n]
        numbers: numbers of the trials [n]
        axis: title of the quantity
        correlation: rank correlation of both, None where it is not known
    """

    x: np.ndarray
    accuracy: np.ndarray
    numbers: tuple[int, ...]
    axis: str
    correlation: float | None

    @property
    def takeaway(self) -> str:
        """Return the correlation in one sentence."""
        if self.correlation is None:
            return f"Accuracy against {self.axis} of {len(self.numbers):,} complete trials."
        return (
            f"Rank correlation of accuracy and {self.axis} over {len(self.numbers):,} complete trials: "
            f"{self.correlation:+.2f}."
        )


def study_figure(kind: str, trials: Sequence[Any], parameters: Sequence[str], height: int = 420) -> Any:
    """Return a figure of Optuna.

    Args:
        kind: one of STUDY_FIGURES
        trials: complete trials of Optuna
        parameters: names of the settings that vary
        height: height in px
    """
    if len(trials) < 2:
        return placeholder(height, "At least two complete trials are needed.")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = _copy_study(optuna, trials[:: _step(kind, len(trials))])
    drawn = list(parameters)[: _MAX_PARAMETERS.get(kind, len(parameters))]
    if kind in ("Importance", "Contour") and len(parameters) < 2:
        return placeholder(height, "At least two settings that vary are needed.")

    def target(trial: Any) -> float:
        return 100.0 * float(trial.value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures = optuna.visualization
        try:
            if kind == "History":
                figure = figures.plot_optimization_history(study, target=target, target_name=_TARGET)
            elif kind == "Parallel coordinates":
                figure = figures.plot_parallel_coordinate(study, drawn, target=target, target_name=_TARGET)
            elif kind == "Importance":
                figure = figures.plot_param_importances(
                    study, _importance_evaluator(optuna), target=target, target_name=_TARGET
                )
            elif kind == "Slice":
                figure = figures.plot_slice(study, drawn, target=target, target_name=_TARGET)
            else:
                figure = figures.plot_contour(study, drawn, target=target, target_name=_TARGET)
        except (ValueError, RuntimeError) as error:
            return placeholder(height, theme.escape_label(f"Optuna draws nothing: {str(error)[:100]}"))
    figure.update_layout(
        title=None,
        height=height,
        margin={"l": 74, "r": 24, "t": 40, "b": 58},
        font={"size": 13 if kind in ("Slice", "Contour") else 15},
        dragmode=False,
    )
    if kind == "History":
        figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})
    return figure


def _copy_study(optuna: Any, trials: Sequence[Any]) -> Any:
    """Return a study in memory with these trials."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    return study


def _step(kind: str, trials: int) -> int:
    """Return the distance of the trials that a figure shows."""
    return max(1, -(-trials // MAX_STUDY_TRIALS[kind])) if kind in MAX_STUDY_TRIALS else 1


def _importance_evaluator(optuna: Any) -> Any:
    """Return fANOVA where scikit-learn is installed, else PED-ANOVA, which needs nothing else."""
    if importlib.util.find_spec("sklearn") is None:
        return optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.FanovaImportanceEvaluator(seed=0)


def trial_of_point(kind: str, figure: Any, point: dict[str, Any], numbers: Sequence[int]) -> int | None:
    """Return the number of the trial that was clicked, None where the point is none.

    Args:
        kind: one of STUDY_FIGURES, or another figure whose points are in the order of numbers
        figure: figure that was drawn
        point: point of a selection
        numbers: numbers of the complete trials, as they were given to the figure
    """
    curve, index = int(point.get("curve_number", 0)), int(point.get("point_index", -1))
    shown = list(numbers)[:: _step(kind, len(numbers))]
    if kind == "History":
        index = index if curve == 0 else -1
    elif kind == "Slice":
        colours = getattr(figure.data[curve].marker, "color", None)
        index = -1 if colours is None or not 0 <= index < len(colours) else int(colours[index])
    elif kind in STUDY_FIGURES:
        return None
    return shown[index] if 0 <= index < len(shown) else None


def bands_figure(info: BandsInfo, height: int = 420) -> Any:
    """Return mean curves with bands of one standard deviation."""
    if not info.labels:
        return placeholder(height, "No trial is complete yet.")
    fig = new_figure(
        height,
        xaxis={"title": {"text": "epoch"}},
        yaxis={"title": {"text": "accuracy on held-out samples, %"}},
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        margin={"t": 40},
    )
    for i, (label, mean, deviation) in enumerate(zip(info.labels, info.means, info.deviations, strict=True)):
        epochs, colour = list(range(1, len(mean) + 1)), _COLOURS[i % len(_COLOURS)]
        low, high = (100 * (mean + sign * deviation) for sign in (-1, 1))
        fig.add_scatter(
            x=epochs + epochs[::-1], y=[*high.tolist(), *low[::-1].tolist()], fill="toself", mode="lines",
            name=theme.escape_label(f"{label}, ± 1 standard deviation"), line={"width": 0},
            fillcolor=theme.with_alpha(colour, 0.18), hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        fig.add_scatter(
            x=epochs, y=(100 * mean).tolist(), name=theme.escape_label(f"{label} ({info.runs[i]} runs)"),
            mode="lines+markers", line={"color": colour, "width": 3, "dash": _DASHES[i // len(_COLOURS) % 4]},
        )  # fmt: skip
    return fig.build()


def trade_off_figure(info: TradeOffInfo, height: int = 420) -> Any:
    """Return accuracies against another quantity, one point a trial."""
    if not len(info.x):
        return placeholder(height, "No trial is complete yet.")
    fig = new_figure(
        height, xaxis={"title": {"text": info.axis}}, yaxis={"title": {"text": "accuracy on held-out samples, %"}}
    )
    fig.add_scatter(
        x=info.x.tolist(), y=(100 * info.accuracy).tolist(), mode="markers",
        marker={"color": theme.METRIC, "size": 9}, text=[f"trial {number}" for number in info.numbers],
        hovertemplate="%{text}: %{y:.2f} % at %{x:.4g}<extra></extra>",
    )  # fmt: skip
    return fig.build()
