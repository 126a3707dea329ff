"""Perturbations of images and spikes, and accuracy under them.

An image is shifted by whole pixels, black following on; then Gaussian noise is added to every pixel, rounded and cut
off at black and white. A spike at t_i moves to max(0, t_i + N(0, jitter^2)), any real time; then all are delayed, and
each is lost with the probability drop. The network is told nothing of it: what comes after T - 1 comes too late.

All chance is seeded. Stronger perturbations draw the same numbers as weaker ones: noise and jitter grow in place, and
a spike once dropped stays dropped.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass, replace
from typing import Any

import torch

from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import Model, log_mean_exp_pool

__all__ = [
    "COMBINED",
    "MAX_SAMPLES",
    "SWEEPS",
    "Perturbation",
    "Sweep",
    "num_correct",
    "perturb_image",
    "perturb_spikes",
    "subsample",
]

MAX_SAMPLES = 2000
"""Samples that a robustness curve is measured on at most."""
COMBINED = "all as set"

_MAX_SHIFT = 28
_CHUNK = 100
_BOUNDS = {
    "jitter": (0, 1e4, "ms"),
    "drop": (0, 1, "of the spikes"),
    "delay": (0, 1e4, "ms"),
    "noise": (0, 1e4, "grey values"),
    "shift_x": (-_MAX_SHIFT, _MAX_SHIFT, "pixels"),
    "shift_y": (-_MAX_SHIFT, _MAX_SHIFT, "pixels"),
    "seed": (0, 2**31 - 1, ""),
}
_INTEGER_FIELDS = ("shift_x", "shift_y", "seed")


@dataclass(frozen=True)
class Perturbation:
    """Perturbation of an image and its spikes, none by default.

    Attributes:
        jitter: standard deviation of spike times in ms
        drop: fraction of spikes lost
        delay: delay of all spikes in ms
        noise: standard deviation in grey values 0 to 255
        shift_x: whole pixels to the right
        shift_y: whole pixels down
        seed: seed of all random numbers

    Raises:
        TypeError: for values of another type.
        ValueError: for values out of range.
    """

    jitter: float = 0.0
    drop: float = 0.0
    delay: float = 0.0
    noise: float = 0.0
    shift_x: int = 0
    shift_y: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, (low, high, unit) in _BOUNDS.items():
            value: Any = getattr(self, name)
            is_integer = name in _INTEGER_FIELDS
            expectation = (
                f"{name}: expected a {'whole ' if is_integer else ''}number from {low:g} to {high:g} {unit}".rstrip()
            )
            if isinstance(value, bool) or not isinstance(value, numbers.Integral if is_integer else numbers.Real):
                raise TypeError(f"{expectation}, got {type(value).__name__}; pass a number.")
            if not low <= float(value) <= high:
                raise ValueError(f"{expectation}, got {value:g}; choose one of these.")

    @property
    def description(self) -> str:
        """Return the perturbation as text, empty where there is none."""
        return ", ".join(
            kind.description(self) for kind in SWEEPS.values() if kind.field and kind.current_strength(self)
        )

    def scaled(self, factor: float) -> Perturbation:
        """Return the perturbation multiplied by a factor; shifts in whole pixels, at most all spikes dropped."""
        return replace(
            self,
            jitter=self.jitter * factor,
            drop=min(1.0, self.drop * factor),
            delay=self.delay * factor,
            noise=self.noise * factor,
            shift_x=max(-_MAX_SHIFT, min(_MAX_SHIFT, round(self.shift_x * factor))),
            shift_y=max(-_MAX_SHIFT, min(_MAX_SHIFT, round(self.shift_y * factor))),
        )


@dataclass(frozen=True)
class Sweep:
    """A perturbation whose strength is varied.

    Attributes:
        name: name in the form
        field: field of Perturbation, empty for all together
        axis: axis title
        template: description with {} for the strength
        strengths: displayed values, scale times those of Perturbation
    """

    name: str
    field: str
    axis: str
    template: str
    strengths: tuple[float, ...]
    scale: float = 1.0

    def perturbation(self, strength: float, perturbation: Perturbation) -> Perturbation:
        """Return the perturbation of this displayed strength; for all together, this fraction of the present one."""
        if not self.field:
            return perturbation.scaled(strength / self.scale)
        value: Any = strength / self.scale
        return replace(
            Perturbation(seed=perturbation.seed),
            **{self.field: round(value) if self.field in _INTEGER_FIELDS else value},
        )

    def current_strength(self, perturbation: Perturbation) -> float:
        """Return the present strength as displayed."""
        return float(getattr(perturbation, self.field)) * self.scale if self.field else self.scale

    def description(self, perturbation: Perturbation) -> str:
        """Return the present strength as text."""
        return self.template.format(f"{self.current_strength(perturbation):.3g}".replace("-", "−"))


_SHIFT_PIXELS = (-8.0, -6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
SWEEPS = {
    kind.name: kind
    for kind in (
        Sweep("jitter", "jitter", "jitter, standard deviation, ms", "{} ms jitter", (0, 1, 2, 4, 6, 8, 12, 16, 20)),
        Sweep("drop", "drop", "spikes lost, %", "{}% of spikes lost", (0, 10, 20, 30, 40, 50, 60, 75, 90), 100.0),
        Sweep("delay", "delay", "delay, ms", "{} ms delay", (0, 2, 4, 6, 8, 10, 15, 20, 40)),
        Sweep(
            "noise", "noise", "pixel noise, standard deviation of 255", "noise {}", (0, 5, 10, 20, 30, 40, 60, 80, 100)
        ),
        Sweep("shift right", "shift_x", "shift to the right, pixels", "shift right {} px", _SHIFT_PIXELS),
        Sweep("shift down", "shift_y", "shift down, pixels", "shift down {} px", _SHIFT_PIXELS),
        Sweep(COMBINED, "", "% of all that is set", "{}% of all set", (0, 25, 50, 75, 100, 125, 150, 175, 200), 100.0),
    )
}
"""What a robustness curve can be drawn against, by name."""


def perturb_image(images: torch.Tensor, perturbation: Perturbation, chunk: int = 0) -> torch.Tensor:
    """Return samples uint8 [batch, h, w] shifted and with noise; those of a table, [batch, features], are not shifted.

    Recorded spike times have no values and are returned as they are.

    chunk: part of a data set, for the seed.
    """
    if images.dim() == 3 and not images.is_floating_point() and (perturbation.shift_x or perturbation.shift_y):
        shifted = torch.zeros_like(images)
        (to_y, from_y), (to_x, from_x) = (
            _slices(shift, side)
            for shift, side in zip((perturbation.shift_y, perturbation.shift_x), images.shape[1:], strict=True)
        )
        shifted[:, to_y, to_x] = images[:, from_y, from_x]
        images = shifted
    if perturbation.noise and not images.is_floating_point():
        noise = torch.randn(images.shape, generator=_generator(perturbation, chunk, 0))
        images = (images + perturbation.noise * noise).round_().clamp_(0, 255).to(torch.uint8)
    return images


def perturb_spikes(times: torch.Tensor, perturbation: Perturbation, chunk: int = 0) -> torch.Tensor:
    """Return spike times in ms [batch, afferents], negative for none, after jitter, delay and loss."""
    if not (perturbation.jitter or perturbation.delay or perturbation.drop):
        return times
    flat = times.flatten().clone()
    indices = (flat >= 0).nonzero().view(-1)
    spikes = flat[indices]
    if perturbation.jitter:
        jitter = torch.randn(len(spikes), dtype=flat.dtype, generator=_generator(perturbation, chunk, 1))
        spikes = (spikes + perturbation.jitter * jitter).clamp_(min=0)
    spikes = spikes + perturbation.delay
    if perturbation.drop:
        survives = torch.rand(len(spikes), generator=_generator(perturbation, chunk, 2)) >= perturbation.drop
        spikes = torch.where(survives, spikes, -1.0)
    flat[indices] = spikes
    return flat.view(times.shape)


def _slices(shift: int, side: int) -> tuple[slice, slice]:
    """Return target and source slices of a shift of an image with this side."""
    return (
        slice(min(max(shift, 0), side), max(0, side + min(shift, 0))),
        slice(min(max(-shift, 0), side), max(0, side - max(shift, 0))),
    )


def _generator(perturbation: Perturbation, chunk: int, stage: int) -> torch.Generator:
    return torch.Generator().manual_seed((perturbation.seed * 1_000_003 + chunk) * 3 + stage)


def subsample(split: Split, max_samples: int = MAX_SAMPLES) -> Split:
    """Return the split if it is small, else this many of its samples, always the same ones."""
    if len(split) <= max_samples:
        return split
    selected = torch.randperm(len(split), generator=torch.Generator().manual_seed(2006))[:max_samples].sort().values
    return Split(split.images[selected], split.labels[selected])


@torch.no_grad()
def num_correct(model: Model, split: Split, perturbation: Perturbation) -> int:
    """Return the number of correct predictions on the split under this perturbation."""
    net, correct = model.to_layer(), 0
    for chunk, samples in enumerate(torch.arange(len(split)).split(_CHUNK)):
        images = perturb_image(split.images[samples], perturbation, chunk)
        times = perturb_spikes(model.spike_times(images), perturbation, chunk)
        predicted = log_mean_exp_pool(net(times, "v_max"), model.tempotrons_per_class).argmax(dim=1)
        correct += int((predicted == split.labels[samples]).sum())
    return correct
