"""Comparison of two codes: what counting of their symbols tells, and two networks trained alike.

Naive Bayes scores a class by the sum over the positions of log p(symbol | class), with p counted on training samples:

    p(s | c) = (n_sc + 1/2) / (n_c + S/2)

for S symbols. It is additive like a tempotron that reads every spike at one time, and it has no parameter to train, so
that the accuracies of two kinds of symbols differ by the symbols alone. The 1/2 is the prior of Krichevsky and
Trofimov.

Krichevsky R E, Trofimov V K. The performance of universal encoding. IEEE Transactions on Information Theory 27(2),
199-207, 1981.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from tempotron_core.analysis.ablation import Ablation, ablate
from tempotron_core.analysis.evaluation import evaluate, wilson_interval
from tempotron_core.analysis.robustness import Perturbation, num_correct
from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.model.classifier import Model
from tempotron_core.model.local_patterns import DISTANCE
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings, settings_with_preset

__all__ = [
    "PERTURBATIONS",
    "MeasuredCode",
    "comparison_settings",
    "first_samples",
    "measure_code",
    "num_correct_by_counting",
    "spread_to_pixels",
    "standard_error",
    "worse_text",
]

PERTURBATIONS = {
    "image shifted by 1 pixel": Perturbation(shift_x=1),
    "pixel noise of 60": Perturbation(noise=60.0),
    "30 % of the spikes lost": Perturbation(drop=0.3),
    "jitter of 5 ms": Perturbation(jitter=5.0),
}
"""Perturbations under which the accuracies are compared, by name."""

_CHUNK = 500


def num_correct_by_counting(
    train: torch.Tensor, train_labels: torch.Tensor, test: torch.Tensor, test_labels: torch.Tensor, symbols: int,
    classes: int,
) -> int:  # fmt: skip
    """Return the number of correct predictions of naive Bayes.

    Args:
        train: symbols of training samples, integers from 0 to symbols - 1, [n, positions]
        train_labels: their classes [n]
        test: symbols of other samples [n', positions]
        test_labels: their classes [n']
        symbols: number of symbols
        classes: number of classes
    """
    positions = train.shape[1]
    counts = torch.zeros(classes, positions * symbols, dtype=torch.float64)
    offsets = torch.arange(positions) * symbols
    for label in range(classes):
        of_class = train[train_labels == label].long() + offsets
        counts[label] = torch.bincount(of_class.reshape(-1), minlength=positions * symbols)
    images = torch.bincount(train_labels.long(), minlength=classes).double()
    score = ((counts + 0.5) / (images + 0.5 * symbols).unsqueeze(1)).log_().t().contiguous()
    prior = (images / images.sum()).log()
    correct = 0
    for part in torch.arange(len(test)).split(_CHUNK):
        lines = (test[part].long() + offsets).reshape(-1)
        total = score.index_select(0, lines).view(len(part), positions, classes).sum(dim=1) + prior
        correct += int((total.argmax(dim=1) == test_labels[part]).sum())
    return correct


def spread_to_pixels(values: np.ndarray) -> np.ndarray:
    """Return the values of positions [h, w] in equal shares on the pixels of their patterns; the sum is kept.

    Each position of the local-pattern code looks at nine pixels; those outside the image get no share.
    """
    height, width = values.shape
    shifts = (-DISTANCE, 0, DISTANCE)
    row, column = np.divmod(np.arange(height * width), width)
    inside: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for y in shifts:
        for x in shifts:
            mask = (row + y >= 0) & (row + y < height) & (column + x >= 0) & (column + x < width)
            inside.append((row + y, column + x, mask))
    share = values.reshape(-1) / np.sum([mask for *_, mask in inside], axis=0)
    pixels = np.zeros(values.shape, float)
    for to_row, to_column, mask in inside:
        np.add.at(pixels, (to_row[mask], to_column[mask]), share[mask])
    return pixels


def first_samples(dataset: Dataset, train: int, test: int) -> Dataset:
    """Return a data set with the first samples of both parts."""
    first, second = (
        Split(split.images[:count], split.labels[:count])
        for split, count in ((dataset.train, train), (dataset.test, test))
    )
    return replace(dataset, train=first, test=second)


def comparison_settings(epochs: int, seed: int = 0) -> tuple[Settings, Settings]:
    """Return the settings of ten tempotrons per pixel and of local patterns; each has the preset of its recipe."""
    recipes = "cross-entropy", "local-pattern"
    first, second = (settings_with_preset({"recipe": name, "epochs": epochs, "seed": seed}) for name in recipes)
    return first, second


@dataclass(frozen=True, eq=False)
class MeasuredCode:
    """A network of one code and what was measured with it on the same samples as another.

    Attributes:
        model: network
        correct: correct predictions on the test samples
        samples: test samples
        margins: peak of the true class less the highest other one, [samples]
        spikes: mean number of spikes of a test sample
        step_seconds: mean time of a training step
        robust: correct predictions under each of PERTURBATIONS
        ablation: correct predictions without the times and without the places of the spikes
    """

    model: Model
    correct: int
    samples: int
    margins: np.ndarray
    spikes: float
    step_seconds: float
    robust: dict[str, int]
    ablation: Ablation

    @property
    def name(self) -> str:
        """Return the name of the code."""
        return self.model.code.name

    @property
    def weights(self) -> int:
        """Return the number of weights."""
        return self.model.weight.numel()


def measure_code(settings: Settings, dataset: Dataset) -> Iterator[float | MeasuredCode]:
    """Train and measure, yielding the progress from 0 to 1 and at last the result."""
    for snapshot in train_model(settings, dataset):
        yield 0.7 * snapshot.progress
    model, test = snapshot.model, dataset.test
    assert model is not None
    evaluation = evaluate(model, test)
    true = np.take_along_axis(evaluation.v_max, evaluation.labels[:, None], axis=1)[:, 0]
    others = evaluation.v_max.copy()
    np.put_along_axis(others, evaluation.labels[:, None], -np.inf, axis=1)
    spikes = float(np.mean([int((model.spike_times(image[None]) >= 0).sum()) for image in test.images[:200]]))
    robust = {}
    for number, (name, perturbation) in enumerate(PERTURBATIONS.items()):
        robust[name] = num_correct(model, test, perturbation)
        yield 0.75 + 0.05 * number
    yield MeasuredCode(
        model, int(evaluation.correct.sum()), len(test), true - others.max(axis=1), spikes,
        snapshot.training_seconds / max(snapshot.step, 1), robust, ablate(model, test),
    )  # fmt: skip


def worse_text(first: MeasuredCode, second: MeasuredCode) -> str:
    """Return in what the second code is worse than the first, from the numbers; accuracies by their intervals."""
    points = []
    for name, a, b in (
        ("number of weights", float(first.weights), float(second.weights)),
        ("time per step", first.step_seconds, second.step_seconds),
        ("number of spikes per image", first.spikes, second.spikes),
    ):
        if b > 1.05 * a:
            points.append(f"{name}, {b / a:.1f} times that of {first.name}")
    for name in PERTURBATIONS:
        low, _ = wilson_interval(first.robust[name], first.samples)
        _, high = wilson_interval(second.robust[name], second.samples)
        if high < low:
            points.append(
                f"{100 * second.robust[name] / second.samples:.1f} instead of "
                f"{100 * first.robust[name] / first.samples:.1f} % with {name}"
            )
    if not points:
        return f"In none of these measures is {second.name} clearly worse than {first.name}."
    return f"Where {second.name} is worse than {first.name}: {'; '.join(points)}."


def standard_error(correct: int, samples: int) -> float:
    """Return the standard error of an accuracy."""
    share = correct / samples
    return math.sqrt(share * (1 - share) / samples)
