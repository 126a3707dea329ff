"""Learning recipes: which loss, optimiser and schedule a training run uses. Every choice is a name in a registry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from tempotron_core.neuron import threshold_mse

__all__ = ["DEFAULT_RECIPE", "LOSSES", "OPTIMISERS", "RECIPES", "SCHEDULES", "Recipe"]

Loss = Callable[[torch.Tensor, float, torch.Tensor], torch.Tensor]
"""(v_max [batch, classes], v_threshold, label [batch]) -> scalar."""

LOSSES: dict[str, Loss] = {
    "threshold-mse": threshold_mse,
    "cross-entropy": lambda v_max, v_threshold, label: cross_entropy(v_max, label),
}

OPTIMISERS: dict[str, Callable[[Iterable[torch.nn.Parameter], float], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, fused=True),
    "adamw": lambda parameters, lr: torch.optim.AdamW(parameters, lr=lr, fused=True),
}

_WARM_UP = 0.2


def _warm_up_cosine(progress: float) -> float:
    """Rise over the first fifth of the run, cosine decay throughout.

    A first step at the full rate moves every potential by several thresholds at once: outputs then fall silent for
    every image, and a silent output has no gradient to recover by.
    """
    return min(1.0, (progress + 1e-3) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * progress))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "warm-up-cosine": _warm_up_cosine,
}
"""Progress through the run in [0, 1) -> factor on the learning rate."""


@dataclass(frozen=True)
class Recipe:
    """One way to train: names from LOSSES, OPTIMISERS and SCHEDULES, and a sentence that says what it is."""

    name: str
    summary: str
    loss: str
    optimiser: str
    schedule: str


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
        ),
        Recipe(
            "reference",
            "Squared distance of wrong peaks from the threshold, plain SGD: the published recipe with its gradients "
            "cleared at every step.",
            loss="threshold-mse",
            optimiser="sgd",
            schedule="constant",
        ),
    )
}
