"""Evaluation of a network on a split: peaks, predictions, confusion matrix, mistakes.

Wilson E B. Probable inference, the law of succession, and statistical inference. Journal of the American Statistical
Association 22(158), 209-212, 1927 (the confidence interval).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import Model, log_mean_exp_pool
from tempotron_core.model.sample_store import store_samples

__all__ = ["Evaluation", "evaluate", "wilson_interval"]

_CHUNK = 250


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Peaks of a network on a split.

    Attributes:
        v_max: [n, classes]
        t_max: [n, classes] in ms
        labels: [n]
        T: time window in ms
        last_time: last time in ms at which a peak can lie
    """

    v_max: np.ndarray
    t_max: np.ndarray
    labels: np.ndarray
    v_threshold: float
    T: int
    last_time: int

    @cached_property
    def predicted(self) -> np.ndarray:
        """Return the class with the highest peak, [n]."""
        return np.asarray(self.v_max.argmax(axis=1))

    @property
    def correct(self) -> np.ndarray:
        """Return whether each prediction is the label, [n]."""
        return np.asarray(self.predicted == self.labels)

    @property
    def accuracy(self) -> float:
        """Return the fraction of correct predictions."""
        return float(self.correct.mean())

    @cached_property
    def confusion(self) -> np.ndarray:
        """Return the confusion matrix in counts, label by predicted class."""
        classes = self.v_max.shape[1]
        cells = np.bincount(self.labels * classes + self.predicted, minlength=classes * classes)
        return cells.reshape(classes, classes)

    @property
    def per_class(self) -> np.ndarray:
        """Return the recall, the fraction of correct predictions of each label; NaN without samples."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.confusion.diagonal() / self.confusion.sum(axis=1))

    @cached_property
    def margin(self) -> np.ndarray:
        """Return the peak of the true class minus the highest other, [n]; negative for a mistake."""
        rows = np.arange(len(self.labels))
        others = self.v_max.copy()
        others[rows, self.labels] = -np.inf
        return np.asarray(self.v_max[rows, self.labels] - others.max(axis=1))

    @property
    def num_fired(self) -> np.ndarray:
        """Return the number of outputs that reach the threshold, [n]."""
        return np.asarray((self.v_max >= self.v_threshold).sum(axis=1))

    def by_confidence_of_error(self, true: int | None = None, predicted: int | None = None) -> np.ndarray:
        """Return samples of a label and prediction: most confident mistakes first, then correct ones by margin."""
        selected = np.ones(len(self.labels), bool)
        if true is not None:
            selected &= self.labels == true
        if predicted is not None:
            selected &= self.predicted == predicted
        indices = np.flatnonzero(selected)
        return indices[self.margin[indices].argsort(kind="stable")]


def evaluate(model: Model, split: Split) -> Evaluation:
    """Return the peaks of a network on a split."""
    store = store_samples(model, split.images)
    net, peaks, times = model.to_layer(), [], []
    with torch.no_grad():
        for samples in torch.arange(len(split)).split(_CHUNK):
            v, t = net.peak_and_time(store.batch(samples))
            strongest_tempotron = v.view(len(v), -1, model.tempotrons_per_class).argmax(dim=2, keepdim=True)
            times.append(t.view(len(v), -1, model.tempotrons_per_class).gather(2, strongest_tempotron).squeeze(2))
            peaks.append(log_mean_exp_pool(v, model.tempotrons_per_class))
    v_max, t_max = torch.cat(peaks).numpy(), torch.cat(times).numpy()
    return Evaluation(v_max, t_max, split.labels.numpy(), model.threshold, model.T, net.last_time)


def wilson_interval(successes: int, samples: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson confidence interval of a proportion, 95 % by default."""
    proportion, tail = successes / samples, z * z / samples
    centre, spread = proportion + tail / 2, z * math.sqrt(proportion * (1 - proportion) / samples + tail / samples / 4)
    return (centre - spread) / (1 + tail), (centre + spread) / (1 + tail)
