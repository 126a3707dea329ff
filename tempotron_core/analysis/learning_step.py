"""One learning step on one image, and sequences of such steps on a copy of a network.

A step of plain gradient descent moves the weight of every afferent i of a tempotron by

    dw_i = rate * error * K(t_max - t_i),    error = -d loss/d v_max

The error is +1 where the tempotron is silent and should fire, -1 where it fires and should not, else 0 (the tempotron
rule); twice the distance to the threshold in place of 1 (threshold-MSE); or what the peak's share of the softmax lacks
(cross-entropy). Where a class pools k tempotrons, they divide its error by the softmax of their peaks. V is linear in
the weights, so V(t_max) moves by rate * error * sum_i K(t_max - t_i)^2 exactly, and the new peak is at least as high.

Gütig R, Sompolinsky H. The tempotron: a neuron that learns spike timing-based decisions. Nature Neuroscience 9(3),
420-428, 2006.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import torch

from tempotron_core.model.classifier import Model, Prediction, log_mean_exp_pool, predict
from tempotron_core.training.recipes import LOSSES
from tempotron_core.validation import positive_real

__all__ = [
    "MAX_STEPS",
    "RULES",
    "LearningStep",
    "StepSequence",
    "StepSettings",
    "apply_steps",
    "decode_steps",
    "encode_steps",
    "learning_step",
]

RULES = ("linear", "threshold-mse", "cross-entropy")
"""Losses whose gradient is a learning rule shown here."""

MAX_STEPS = 50
"""Maximum number of steps in a sequence."""


@dataclass(frozen=True)
class StepSettings:
    """Settings of one step: target class from 0, learning rate, one of RULES.

    Raises:
        TypeError: for values of another type.
        ValueError: for values out of range.
    """

    target: int
    rate: float
    rule: str = RULES[0]

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive_real("learning rate", self.rate)
        if self.rule not in RULES:
            raise ValueError(f"rule: expected one of {', '.join(RULES)}, got {self.rule!r}; choose one of these.")


@dataclass(frozen=True)
class LearningStep:
    """A step, before and after, for C classes of k tempotrons and m neurons per feature.

    Attributes:
        model: network after the step
        wrong: [C], outputs that fire and should not, or the reverse
        error: [C, k], before the step
        t_max: [C, k] in ms, before the step
        dw: weight change [C, k, features, m]
        predicted: [C, k], change of V(t_max) by rate * error * sum K^2
        actual: [C, k], computed change
        dead_outputs: [C, k], potential never above 0, so that t_max = 0 and K = 0 for every spike
    """

    settings: StepSettings
    before: Prediction
    after: Prediction
    model: Model
    wrong: torch.Tensor
    error: torch.Tensor
    t_max: torch.Tensor
    dw: torch.Tensor
    predicted: torch.Tensor
    actual: torch.Tensor
    dead_outputs: torch.Tensor

    @property
    def changes_weights(self) -> bool:
        """Return whether any weight changes."""
        return bool(self.dw.any())


def _gradient_step(
    model: Model, times: torch.Tensor, settings: StepSettings
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return pooled peaks [C], errors [C*k] and dw [C*k, features*m] of a step on the spike times [1, features*m]."""
    classes = len(model.weight) // model.tempotrons_per_class
    if not 0 <= settings.target < classes:
        raise ValueError(f"target: expected 0 to {classes - 1}, got {settings.target}; choose one of the classes.")
    net = model.to_layer().requires_grad_(True)
    peaks = net(times, "v_max")
    v_max = log_mean_exp_pool(peaks, model.tempotrons_per_class)
    loss = LOSSES[settings.rule](v_max, model.threshold, torch.tensor([settings.target]))
    by_peak, by_weight = torch.autograd.grad(loss, (peaks, net.fc.weight))
    return v_max[0].detach(), -by_peak[0], by_weight * (-settings.rate * model.layer_scale)


def learning_step(model: Model, image: torch.Tensor, settings: StepSettings) -> LearningStep:
    """Apply one step to a copy of the network, on one sample, uint8 of any shape.

    Raises:
        ValueError: where the network has no such class.
    """
    times = model.spike_times(image.unsqueeze(0))
    _, error, dw = _gradient_step(model, times, settings)
    after = replace(model, weight=model.weight + dw)
    old, new = predict(model, image), predict(after, image)
    classes, k, _ = old.neurons.shape
    t_max = old.peak_times
    targets = torch.arange(classes) == settings.target
    delay = t_max.unsqueeze(-1).double() - times[0].double()
    has_effect = (times[0] >= 0) & (delay >= 0)
    if model.after_spike == "shunt":
        has_effect &= (old.t_spike.unsqueeze(-1) < 0) | (times[0] < old.t_spike.unsqueeze(-1))
    effect = model.kernel(delay) * has_effect
    if (model.time, model.after_spike) == ("grid", "continue"):
        change = (new.neurons.double() - old.neurons.double()).gather(2, t_max.unsqueeze(-1)).squeeze(-1)
    else:  # of V at the old peak, without spikes that had no effect there
        change = ((after.weight.double() - model.weight.double()).view(classes, k, -1) * effect).sum(dim=2)
    return LearningStep(
        settings,
        old,
        new,
        after,
        (old.v_max >= model.threshold) != targets,
        error.view(classes, k),
        t_max,
        dw.view(classes, k, *old.times.shape),
        settings.rate * error.view(classes, k).double() * effect.square().sum(dim=2),
        change,
        old.peaks <= 0,
    )


@dataclass(frozen=True)
class StepSequence:
    """Steps on one image from one network to another, neither of which is written to.

    Attributes:
        steps: settings of the steps
        peaks: class peaks [C] before each step
    """

    origin: Model
    image: torch.Tensor
    steps: tuple[StepSettings, ...]
    model: Model
    peaks: tuple[torch.Tensor, ...]

    def extended(self, settings: StepSettings, times: int = 1) -> StepSequence:
        """Return the sequence with more steps, fewer where no weight changes or the maximum length is reached."""
        spikes = self.model.spike_times(self.image.unsqueeze(0))
        model, steps, peaks = self.model, list(self.steps), list(self.peaks)
        for _ in range(min(times, MAX_STEPS - len(steps))):
            v_max, _, dw = _gradient_step(model, spikes, settings)
            if not dw.any():
                break
            model = replace(model, weight=model.weight + dw)
            steps.append(settings)
            peaks.append(v_max)
        return StepSequence(self.origin, self.image, tuple(steps), model, tuple(peaks))

    def undone(self) -> StepSequence:
        """Return the sequence without the last step; recomputed, so that the weights are equal bit for bit."""
        return apply_steps(self.origin, self.image, self.steps[:-1])


def apply_steps(origin: Model, image: torch.Tensor, steps: tuple[StepSettings, ...] = ()) -> StepSequence:
    """Apply steps one after the other to a copy of a network."""
    sequence = StepSequence(origin, image, (), origin, ())
    for settings, run in itertools.groupby(steps):
        sequence = sequence.extended(settings, len(list(run)))
    return sequence


def encode_steps(steps: tuple[StepSettings, ...]) -> str:
    """Return steps as a short text for the URL, which decode_steps reads."""
    runs = ((settings, len(list(group))) for settings, group in itertools.groupby(steps))
    return "*".join(f"{count}_{settings.rule}_{settings.target}_{settings.rate!r}" for settings, count in runs)


def decode_steps(text: str, classes: int) -> tuple[StepSettings, ...]:
    """Return the steps of such a text for this number of classes; none for any other text."""
    steps: list[StepSettings] = []
    try:
        for run in text.split("*"):
            count, rule, target, rate = run.split("_")
            settings = StepSettings(int(target), float(rate), rule)
            if not 0 <= settings.target < classes or settings.rate > 1 or not 0 < int(count) <= MAX_STEPS - len(steps):
                return ()
            steps += [settings] * int(count)
    except ValueError:
        return ()
    return tuple(steps)
