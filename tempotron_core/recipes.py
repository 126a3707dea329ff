"""Learning recipes: loss, optimiser, schedule and regularisation of a run. Every choice is a name in a registry.

Gütig R, Sompolinsky H. The tempotron: a neuron that learns spike timing-based decisions. Nature Neuroscience 9(3),
420-428, 2006 (the linear loss and the momentum of 0.99).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy, one_hot

from tempotron_core.neuron import threshold_mse

__all__ = ["DEFAULT_RECIPE", "LOSSES", "OPTIMISERS", "RECIPES", "SCHEDULES", "Recipe"]

Loss = Callable[[torch.Tensor, float, torch.Tensor], torch.Tensor]
"""(v_max [batch, classes], v_threshold, label [batch]) -> scalar, a mean over the batch."""

_SHARP = 5.0
_MARGIN = 0.5
_FIRING_SHARE = 0.1


def _targets(v_max: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return one_hot(label.long(), v_max.shape[1]).bool()


def _linear(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor) -> torch.Tensor:
    wrong = (v_max >= v_threshold) != _targets(v_max, label)
    return ((v_max - v_threshold).abs() * wrong).sum() / len(label)


def _hinge(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor) -> torch.Tensor:
    above = torch.where(_targets(v_max, label), v_max - v_threshold, v_threshold - v_max)
    return (_MARGIN * v_threshold - above).clamp(min=0).square().sum() / len(label)


def _cross_entropy(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor) -> torch.Tensor:
    return cross_entropy(v_max, label)


def _sharp_cross_entropy(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor) -> torch.Tensor:
    return cross_entropy(_SHARP * v_max, label)


def _cross_entropy_and_firing(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor) -> torch.Tensor:
    return cross_entropy(v_max, label) + _FIRING_SHARE * _linear(v_max, v_threshold, label)


LOSSES: dict[str, Loss] = {
    "threshold-mse": threshold_mse,
    "linear": _linear,
    "margin-hinge": _hinge,
    "cross-entropy": _cross_entropy,
    "sharp-cross-entropy": _sharp_cross_entropy,
    "cross-entropy-and-firing": _cross_entropy_and_firing,
}
"""Squared and linear distance of wrong peaks from the threshold; squared distance of peaks from a margin of half a
threshold on their right side; cross-entropy with the peaks, or five times the peaks, as logits; the first of the two
plus a tenth of the linear distance."""

OPTIMISERS: dict[str, Callable[[Iterable[torch.nn.Parameter], float], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, fused=True),
    "sgd-momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.99, fused=True),
    "adamw": lambda parameters, lr: torch.optim.AdamW(parameters, lr=lr, fused=True),
}

_WARM_UP = 0.2


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


def _warm_up_cosine(progress: float) -> float:
    """Rise over the first fifth of the run, cosine decay throughout.

    A first step at the full rate moves every potential by several thresholds at once: outputs then fall silent for
    every image, and a silent output has no gradient to recover by.
    """
    return min(1.0, (progress + 1e-3) / _WARM_UP) * _cosine(progress)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "cosine": _cosine,
    "warm-up-cosine": _warm_up_cosine,
}
"""Progress through the run in [0, 1) -> factor on the learning rate."""


@dataclass(frozen=True)
class Recipe:
    """One way to train: names from LOSSES, OPTIMISERS and SCHEDULES, and a sentence that says what it is.

    clears_gradients: whether a step forgets the gradients of those before, as it should. drop: share of the afferents
    that a training step leaves out at random, the others scaled up. revives: whether an output whose potential is
    never positive, and which so has no gradient, gets new initial weights after the epoch. k: tempotrons a class, whose
    peaks are pooled by their log-mean-exp. width: factor on the initial weights.
    """

    name: str
    summary: str
    loss: str
    optimiser: str
    schedule: str
    clears_gradients: bool = True
    drop: float = 0.0
    revives: bool = False
    k: int = 1
    width: float = 1.0


DEFAULT_RECIPE = "cross-entropy"

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "cross-entropy",
            "Cross-entropy on the ten peaks, AdamW, warm-up and cosine decay: learns fast and generalises.",
            loss="cross-entropy",
            optimiser="adamw",
            schedule="warm-up-cosine",
            revives=True,
        ),
        Recipe(
            "dropped-spikes",
            "The same, every step without half of the afferents, drawn at random.",
            loss="cross-entropy",
            optimiser="adamw",
            schedule="warm-up-cosine",
            drop=0.5,
            revives=True,
        ),
        Recipe(
            "population",
            "Twenty tempotrons a class, whose peaks are pooled softly; wide initial weights, cross-entropy, AdamW.",
            loss="cross-entropy",
            optimiser="adamw",
            schedule="warm-up-cosine",
            drop=0.1,
            revives=True,
            k=20,
            width=10.0,
        ),
        Recipe(
            "reference",
            "Squared distance of wrong peaks from the threshold, plain SGD: the published recipe with its gradients "
            "cleared at every step.",
            loss="threshold-mse",
            optimiser="sgd",
            schedule="constant",
        ),
        Recipe(
            "as-published",
            "The published recipe as it was run: its gradients are never cleared, so that every step repeats all "
            "those before it and the test accuracy falls.",
            loss="threshold-mse",
            optimiser="sgd",
            schedule="constant",
            clears_gradients=False,
        ),
        Recipe(
            "gutig-momentum",
            "The tempotron rule of 2006: linear distance of wrong peaks from the threshold, SGD with momentum 0.99 "
            "(a learning rate near 1e-5 suits it).",
            loss="linear",
            optimiser="sgd-momentum",
            schedule="constant",
        ),
        Recipe(
            "margin-hinge",
            "Every peak half a threshold on its right side, AdamW, cosine decay (a learning rate near 3e-4 suits it).",
            loss="margin-hinge",
            optimiser="adamw",
            schedule="warm-up-cosine",
            revives=True,
        ),
        Recipe(
            "cross-entropy-and-firing",
            "Cross-entropy plus the linear firing error, AdamW, cosine decay: the right output fires, the others not.",
            loss="cross-entropy-and-firing",
            optimiser="adamw",
            schedule="warm-up-cosine",
            revives=True,
        ),
        Recipe(
            "over-fitting",
            "Cross-entropy on five times the peaks, AdamW at a constant rate: learns its training set by heart.",
            loss="sharp-cross-entropy",
            optimiser="adamw",
            schedule="constant",
        ),
    )
}
