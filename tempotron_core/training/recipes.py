"""Learning recipes: loss, optimiser, schedule and regularisation of a run, each a name in a registry.

Gütig R, Sompolinsky H. The tempotron: a neuron that learns spike timing-based decisions. Nature Neuroscience 9(3),
420-428, 2006 (the linear loss and the momentum of 0.99).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch.nn.functional import cross_entropy, one_hot

from tempotron_core.snn.tempotron import threshold_mse
from tempotron_core.validation import positive_integer, positive_real

__all__ = [
    "CODE_PRESETS",
    "DEFAULT_RECIPE",
    "LOSSES",
    "OPTIMISERS",
    "OPTIMISER_STATE_KEYS",
    "PRESETS",
    "RECIPES",
    "SCHEDULES",
    "Recipe",
]

Loss = Callable[[torch.Tensor, float, torch.Tensor], torch.Tensor]
"""(v_max [batch, classes], v_threshold, label [batch]) -> scalar, a mean over the batch."""

_MARGIN = 0.5
_FIRING_LOSS_WEIGHT = 0.1


def _one_hot(v_max: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return one_hot(label.long(), v_max.shape[1]).bool()


def _linear(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor) -> torch.Tensor:
    wrong = (v_max >= v_threshold) != _one_hot(v_max, label)
    return ((v_max - v_threshold).abs() * wrong).sum() / len(label)


def _hinge(v_max: torch.Tensor, v_threshold: float, label: torch.Tensor) -> torch.Tensor:
    above = torch.where(_one_hot(v_max, label), v_max - v_threshold, v_threshold - v_max)
    return (_MARGIN * v_threshold - above).clamp(min=0).square().sum() / len(label)


def _cross_entropy(
    v_max: torch.Tensor, v_threshold: float, label: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    return cross_entropy(v_max / temperature, label)


def _cross_entropy_and_firing(
    v_max: torch.Tensor, v_threshold: float, label: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    return cross_entropy(v_max / temperature, label) + _FIRING_LOSS_WEIGHT * _linear(v_max, v_threshold, label)


LOSSES: dict[str, Loss] = {
    "threshold-mse": threshold_mse,
    "linear": _linear,
    "margin-hinge": _hinge,
    "cross-entropy": _cross_entropy,
    "cross-entropy-and-firing": _cross_entropy_and_firing,
}
"""Squared and linear distance of wrong peaks from the threshold; squared distance of peaks from a margin of half a
threshold on their right side; cross-entropy with the peaks, over a temperature, as logits; the same plus a tenth of the
linear distance."""

_LOSSES_WITH_TEMPERATURE: dict[str, Callable[..., torch.Tensor]] = {
    "cross-entropy": _cross_entropy,
    "cross-entropy-and-firing": _cross_entropy_and_firing,
}


class _Optimiser(Protocol):
    def __call__(
        self, params: Iterable[torch.nn.Parameter], /, *, lr: float, weight_decay: float = 0.0
    ) -> torch.optim.Optimizer: ...


OPTIMISERS: dict[str, _Optimiser] = {
    "sgd": partial(torch.optim.SGD, fused=True),
    "sgd-momentum": partial(torch.optim.SGD, momentum=0.99, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
}
"""Each at a learning rate, with a weight decay of 0 where none is given."""

OPTIMISER_STATE_KEYS: dict[str, set[str]] = {
    "sgd": set(),
    "sgd-momentum": {"momentum_buffer"},
    "adamw": {"step", "exp_avg", "exp_avg_sq"},
}
"""The names of what each keeps from step to step."""

_WARM_UP_FRACTION = 0.2


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))


def _warm_up_cosine(progress: float) -> float:
    """Return the rate factor: linear warm-up over the first fifth, cosine decay throughout.

    A first step at the full rate would move each potential by several thresholds. An output whose potential is then
    never above 0 is dead: it has no gradient.
    """
    return min(1.0, (progress + 1e-3) / _WARM_UP_FRACTION) * _cosine(progress)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "cosine": _cosine,
    "warm-up-cosine": _warm_up_cosine,
}
"""Progress through the run in [0, 1) -> factor on the learning rate."""


@dataclass(frozen=True)
class Recipe:
    """One way to train: names from LOSSES, OPTIMISERS and SCHEDULES, and a one-sentence summary.

    Attributes:
        temperature: divisor of the peaks to form the logits of a cross-entropy
        weight_decay: weight decay of the optimiser
        smoothing: rate, relative to the learning rate, at which weights diffuse to neighbouring pixels
        zero_grad: whether gradients are cleared before each step
        afferent_dropout: fraction of afferents left out at each step; the others are scaled up
        reinit_dead_outputs: whether outputs that are never positive get new initial weights after an epoch
        tempotrons_per_class: tempotrons per class, pooled by the log-mean-exp of their peaks
        init_scale: factor on the initial weights

    Raises:
        TypeError: for values of another type.
        ValueError: for values out of range.
    """

    name: str
    summary: str
    loss: str
    optimiser: str
    schedule: str
    temperature: float = 1.0
    weight_decay: float = 0.0
    smoothing: float = 0.0
    zero_grad: bool = True
    afferent_dropout: float = 0.0
    reinit_dead_outputs: bool = False
    tempotrons_per_class: int = 1
    init_scale: float = 1.0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        for name, registry in (("loss", LOSSES), ("optimiser", OPTIMISERS), ("schedule", SCHEDULES)):
            value = getattr(self, name)
            if not isinstance(value, str) or value not in registry:
                raise ValueError(f"{name}: expected one of {', '.join(registry)}, got {value!r}; choose one of these.")
        positive_real("temperature", self.temperature, minimum=1e-6, maximum=1e6)
        positive_real("width of the initial weights", self.init_scale, minimum=1e-6, maximum=1e6)
        positive_integer("k (tempotrons a class)", self.tempotrons_per_class)
        for name, value_in_range, maximum in (
            ("drop", self.afferent_dropout, 1.0),
            ("weight decay", self.weight_decay, 1e6),
            ("smoothing", self.smoothing, 1e6),
        ):
            number = isinstance(value_in_range, int | float) and not isinstance(value_in_range, bool)
            if not number or not 0 <= value_in_range < maximum:
                limit = "0 to below 1" if maximum == 1 else "0 to below a million"
                raise ValueError(f"{name}: expected {limit}, got {value_in_range!r}; choose another value.")
        for name in ("zero_grad", "reinit_dead_outputs"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name}: expected true or false, got {getattr(self, name)!r}; choose one of these.")

    @property
    def loss_function(self) -> Loss:
        """Return the loss, at this temperature where it has one."""
        soft = _LOSSES_WITH_TEMPERATURE.get(self.loss)
        return LOSSES[self.loss] if soft is None else partial(soft, temperature=self.temperature)


DEFAULT_RECIPE = "cross-entropy"

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "cross-entropy",
            "Cross-entropy on the peaks, AdamW, warm-up and cosine decay: learns fast and generalises.",
            loss="cross-entropy",
            optimiser="adamw",
            weight_decay=0.01,
            schedule="warm-up-cosine",
            reinit_dead_outputs=True,
        ),
        Recipe(
            "dropped-spikes",
            "The same, every step without half of the afferents, drawn at random.",
            loss="cross-entropy",
            optimiser="adamw",
            weight_decay=0.01,
            schedule="warm-up-cosine",
            afferent_dropout=0.5,
            reinit_dead_outputs=True,
        ),
        Recipe(
            "population",
            "Twenty tempotrons a class, whose peaks are pooled softly; wide initial weights, cross-entropy, AdamW, "
            "weights smoothed over neighbouring pixels.",
            loss="cross-entropy",
            optimiser="adamw",
            weight_decay=0.01,
            schedule="warm-up-cosine",
            smoothing=0.3,
            afferent_dropout=0.1,
            reinit_dead_outputs=True,
            tempotrons_per_class=20,
            init_scale=10.0,
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
            zero_grad=False,
        ),
        Recipe(
            "gutig-momentum",
            "Loss and momentum of the tempotron rule of 2006 on mini-batches: linear distance of wrong peaks from the "
            "threshold, SGD with momentum 0.99 (learning rate near 1e-5); the rule itself is online and carries its "
            "momentum over error trials only.",
            loss="linear",
            optimiser="sgd-momentum",
            schedule="constant",
        ),
        Recipe(
            "margin-hinge",
            "Each peak half a threshold on its correct side, AdamW, warm-up and cosine decay; learning rate near 3e-4.",
            loss="margin-hinge",
            optimiser="adamw",
            weight_decay=0.01,
            schedule="warm-up-cosine",
            reinit_dead_outputs=True,
        ),
        Recipe(
            "cross-entropy-and-firing",
            "Cross-entropy plus linear firing error, AdamW, warm-up and cosine decay: only the target class fires.",
            loss="cross-entropy-and-firing",
            optimiser="adamw",
            weight_decay=0.01,
            schedule="warm-up-cosine",
            reinit_dead_outputs=True,
        ),
        Recipe(
            "over-fitting",
            "Cross-entropy on five times the peaks, AdamW at a constant rate: fits its training set far better than "
            "other samples.",
            loss="cross-entropy",
            temperature=0.2,
            optimiser="adamw",
            weight_decay=0.01,
            schedule="constant",
        ),
        Recipe(
            "local-pattern",
            "Ten tempotrons on the local-pattern code, cross-entropy, AdamW, warm-up and cosine decay.",
            loss="cross-entropy",
            optimiser="adamw",
            weight_decay=0.01,
            schedule="warm-up-cosine",
            reinit_dead_outputs=True,
        ),
        Recipe(
            "local-pattern-population",
            "Five tempotrons a class on the local-pattern code, pooled softly; wide initial weights, three in ten "
            "afferents left out of each step, weights smoothed over neighbouring positions.",
            loss="cross-entropy",
            optimiser="adamw",
            weight_decay=0.01,
            schedule="warm-up-cosine",
            smoothing=0.3,
            afferent_dropout=0.3,
            reinit_dead_outputs=True,
            tempotrons_per_class=5,
            init_scale=10.0,
        ),
    )
}

_PUBLISHED = {"m": 16, "T": 100, "tau": 15.0, "tau_s": 3.75, "code": "gaussian", "epochs": 10}
_PER_PIXEL = _PUBLISHED | {"m": 6, "tau": 60.0, "tau_s": 15.0}
_SLOW = {"T": 100, "tau": 60.0, "tau_s": 15.0}

CODE_PRESETS: dict[str, Mapping[str, Any]] = {
    "gaussian": {"m": 6, **_SLOW},
    "latency": {"m": 1, **_SLOW},
    "latency-logarithmic": {"m": 1, **_SLOW},
    "local-pattern": {"m": 32, **_SLOW},
    "gaussian-and-local-pattern": {"m": 6 + 32, **_SLOW},
    "latency-and-local-pattern": {"m": 1 + 32, **_SLOW},
}
"""Code -> constants that take the place of those of a recipe's preset for another code."""

PRESETS: dict[str, Mapping[str, Any]] = {
    "cross-entropy": _PER_PIXEL,
    "dropped-spikes": _PER_PIXEL,
    "population": _PER_PIXEL,
    "reference": _PUBLISHED,
    "as-published": _PUBLISHED,
    "local-pattern": {**CODE_PRESETS["local-pattern"], "code": "local-pattern", "epochs": 6},
    "local-pattern-population": {**CODE_PRESETS["local-pattern"], "code": "local-pattern", "epochs": 10},
}
"""Recipe -> settings that it brings where the user gives none; the other recipes have the defaults of Settings.

Those of the per-pixel recipes were chosen on held-out training digits, see README."""
