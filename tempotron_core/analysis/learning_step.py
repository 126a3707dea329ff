"""One training step on one image, taken apart, and the walk of such steps on a copy of a network.

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

from tempotron_core.model.classifier import Decision, Model, decide, pixel_times, pooled
from tempotron_core.training.recipes import LOSSES
from tempotron_core.validation import positive_real

__all__ = ["MOST_STEPS", "RULES", "Lesson", "Step", "Walk", "lessons_of", "step", "walk", "written"]

RULES = ("linear", "threshold-mse", "cross-entropy")
"""Losses whose gradient is a learning rule shown here."""

MOST_STEPS = 50
"""The longest walk."""


@dataclass(frozen=True)
class Lesson:
    """What one step is told: the class that the image should be, from 0, the learning rate, and one of RULES.

    Raises ValueError or TypeError where one of them is out of range.
    """

    target: int
    rate: float
    rule: str = RULES[0]

    def __post_init__(self) -> None:
        """Refuse what no step can follow."""
        positive_real("learning rate", self.rate)
        if self.rule not in RULES:
            raise ValueError(f"rule: expected one of {', '.join(RULES)}, got {self.rule!r}; choose one of these.")


@dataclass(frozen=True)
class Step:
    """A step, before and after. C classes of k tempotrons, m neurons a pixel.

    model: the network after it; wrong: [C], who fires and should not or the other way; error, t_max (ms): [C, k],
    before it; dw: [C, k, 784, m]; predicted: [C, k], how far V(t_max) must move, rate * error * sum K^2; actual: how
    far it does; dead: [C, k], whose potential is never above 0, so that t_max = 0 and K = 0 for every spike.
    """

    lesson: Lesson
    before: Decision
    after: Decision
    model: Model
    wrong: torch.Tensor
    error: torch.Tensor
    t_max: torch.Tensor
    dw: torch.Tensor
    predicted: torch.Tensor
    actual: torch.Tensor
    dead: torch.Tensor

    @property
    def moves(self) -> bool:
        """Whether any weight changes."""
        return bool(self.dw.any())


def _move(model: Model, times: torch.Tensor, lesson: Lesson) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pooled peaks [C], errors [C*k] and dw [C*k, 784*m] of a step on the spike times [1, 784*m]."""
    classes = len(model.weight) // model.k
    if not 0 <= lesson.target < classes:
        raise ValueError(f"target: expected 0 to {classes - 1}, got {lesson.target}; choose one of the classes.")
    net = model.network().requires_grad_(True)
    peaks = net(times, "v_max")
    v_max = pooled(peaks, model.k)
    loss = LOSSES[lesson.rule](v_max, model.v_threshold, torch.tensor([lesson.target]))
    by_peak, by_weight = torch.autograd.grad(loss, (peaks, net.fc.weight))
    return v_max[0].detach(), -by_peak[0], by_weight * -lesson.rate


def step(model: Model, image: torch.Tensor, lesson: Lesson) -> Step:
    """Teach a copy of the network one image, uint8 [28, 28]; ValueError where it has no such class."""
    times = pixel_times(image.unsqueeze(0), model.m, model.T, model.beta)
    _, error, dw = _move(model, times, lesson)
    after = replace(model, weight=model.weight + dw)
    old, new = decide(model, image), decide(after, image)
    classes, k, T = old.neurons.shape
    t_max = old.neurons.argmax(dim=2)
    wanted = torch.arange(classes) == lesson.target
    grid = torch.arange(T)
    spikes = torch.bincount(times[times >= 0].long(), minlength=T).double()
    squares = model.network().kernel(t_max.unsqueeze(-1) - grid).square() @ spikes
    moved = new.neurons.double() - old.neurons.double()
    return Step(
        lesson,
        old,
        new,
        after,
        (old.v_max >= model.v_threshold) != wanted,
        error.view(classes, k),
        t_max,
        dw.view(classes, k, *old.times.shape),
        lesson.rate * error.view(classes, k).double() * squares,
        moved.gather(2, t_max.unsqueeze(-1)).squeeze(-1),
        old.neurons.amax(dim=2) <= 0,
    )


@dataclass(frozen=True)
class Walk:
    """Steps on one image that have led from a network to another, neither of which is ever written to.

    lessons: those taken; peaks: the class peaks [C] before each of them.
    """

    origin: Model
    image: torch.Tensor
    lessons: tuple[Lesson, ...]
    model: Model
    peaks: tuple[torch.Tensor, ...]

    def on(self, lesson: Lesson, times: int = 1) -> Walk:
        """So many steps further, fewer where no weight changes any more or the walk is at its longest."""
        spikes = pixel_times(self.image.unsqueeze(0), self.model.m, self.model.T, self.model.beta)
        model, lessons, peaks = self.model, list(self.lessons), list(self.peaks)
        for _ in range(min(times, MOST_STEPS - len(lessons))):
            v_max, _, dw = _move(model, spikes, lesson)
            if not dw.any():
                break
            model = replace(model, weight=model.weight + dw)
            lessons.append(lesson)
            peaks.append(v_max)
        return Walk(self.origin, self.image, tuple(lessons), model, tuple(peaks))

    def back(self) -> Walk:
        """A step less: the same arithmetic once more up to there, which gives the same weights bit for bit."""
        return walk(self.origin, self.image, self.lessons[:-1])


def walk(origin: Model, image: torch.Tensor, lessons: tuple[Lesson, ...] = ()) -> Walk:
    """Take those steps, one after the other, on a copy of a network."""
    taken = Walk(origin, image, (), origin, ())
    for lesson, equal in itertools.groupby(lessons):
        taken = taken.on(lesson, len(list(equal)))
    return taken


def written(lessons: tuple[Lesson, ...]) -> str:
    """Lessons as a short text for a link, which lessons_of reads."""
    runs = ((lesson, len(list(equal))) for lesson, equal in itertools.groupby(lessons))
    return "*".join(f"{count}_{lesson.rule}_{lesson.target}_{lesson.rate!r}" for lesson, count in runs)


def lessons_of(text: str, classes: int) -> tuple[Lesson, ...]:
    """The lessons of such a text for so many classes; none where it is anything else."""
    lessons: list[Lesson] = []
    try:
        for run in text.split("*"):
            count, rule, target, rate = run.split("_")
            lesson = Lesson(int(target), float(rate), rule)
            if not 0 <= lesson.target < classes or lesson.rate > 1 or not 0 < int(count) <= MOST_STEPS - len(lessons):
                return ()
            lessons += [lesson] * int(count)
    except ValueError:
        return ()
    return tuple(lessons)
