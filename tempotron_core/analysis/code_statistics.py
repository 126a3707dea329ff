"""What the population code keeps of a pixel's value, and what it loses.

The code of a value is its row of m spike times; values with the same row cannot be told apart any more. A spike at t_i
lifts a potential most at t_i + s*, where the kernel K peaks; it is too late where t_i + s* > T - 1, after the window.

What a symbol S (the spike time or silence of one curve, or a pixel's whole code) tells of the class C is their mutual
information, in bits, from counts over n images:

    I(S; C) = H(S) + H(C) - H(S, C)

Counting makes it too large, the more so the more symbols there are (Miller 1955; Panzeri & Treves 1996). Here the
information that the same counts show on average over all orders of the labels is taken off. With n_s images of a symbol
and n_c of a class, n_sc is then hypergeometric, so that this average is exact (Vinh, Epps & Bailey 2010).

Miller G A. Note on the bias of information estimates. In: Information Theory in Psychology, 95-100, 1955.
Panzeri S, Treves A. Analytical estimates of limited sampling biases in different information measures. Network:
Computation in Neural Systems 7(1), 87-107, 1996.
Vinh N X, Epps J, Bailey J. Information theoretic measures for clusterings comparison. Journal of Machine Learning
Research 11, 2837-2854, 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import PIXELS, pixel_table

__all__ = [
    "IMAGES",
    "LEVELS",
    "VALUES",
    "Census",
    "Code",
    "census",
    "curve_information",
    "information",
    "pixel_information",
]

IMAGES = 5000
"""Images looked at, at most."""
VALUES = 256
LEVELS = 32
"""Steps of brightness by which pixels are compared: each of the 256 values is seen too seldom to be counted."""
_PART = 1000


@dataclass(frozen=True, eq=False)
class Census:
    """How often every pixel has every value in images of every class.

    below: int32 [257, V, C], images in which a pixel is darker than 0, 1, ..., 256, for the V pixels with more than one
    value; varying: their numbers, [V];
    histogram: int64 [256], all pixels together; labels: int64 [C], images of each class.
    log: float64 [n + 1], k log2 k; shuffled: float64 [n + 1], the sum over the classes of the mean of n_sc log2 n_sc
    for a symbol of that many images, over all orders of the labels.
    """

    below: np.ndarray
    varying: np.ndarray
    histogram: np.ndarray
    labels: np.ndarray
    log: np.ndarray
    shuffled: np.ndarray

    @property
    def images(self) -> int:
        """How many images were counted."""
        return int(self.labels.sum())

    @cached_property
    def below_in_all(self) -> np.ndarray:
        """The same, of all classes together, [257, V]."""
        return np.asarray(self.below.sum(axis=2, dtype=np.int32))

    @cached_property
    def value_information(self) -> np.ndarray:
        """What the brightness of every pixel, in LEVELS steps, tells of the class, [784] in bits, not below 0."""
        told, chance = information(np.arange(VALUES) * LEVELS // VALUES, self)
        return np.asarray(np.maximum(told - chance, 0))


def census(split: Split, classes: int, images: int = IMAGES, seed: int = 0) -> Census:
    """Count the values in at most that many images of a split, drawn with that seed.

    Raises ValueError where the split is empty.
    """
    if not len(split):
        raise ValueError("split: expected at least one image, got none; choose another data set.")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(split))[:images])
    pixels, labels = split.images.numpy()[chosen].reshape(-1, PIXELS), split.labels.numpy()[chosen]
    place = np.arange(PIXELS) * classes
    counts = np.zeros(VALUES * PIXELS * classes, np.int32)
    for start in range(0, len(chosen), _PART):
        part = slice(start, start + _PART)
        at = pixels[part].astype(np.int64) * (PIXELS * classes) + place + labels[part, None]
        counts += np.bincount(at.reshape(-1), minlength=len(counts)).astype(np.int32)
    cells = counts.reshape(VALUES, PIXELS, classes)
    by_value = cells.sum(axis=2, dtype=np.int64)
    varying = np.flatnonzero((by_value > 0).sum(axis=0) > 1)
    below = np.zeros((VALUES + 1, len(varying), classes), np.int32)
    cells[:, varying].cumsum(axis=0, out=below[1:])
    of_class, log = np.bincount(labels, minlength=classes), _log(len(chosen))
    return Census(below, varying, by_value.sum(axis=1), of_class, log, _shuffled(of_class, log))


def _log(most: int) -> np.ndarray:
    count = np.arange(most + 1)
    return np.asarray(count * np.log2(np.maximum(count, 1)))


def _shuffled(labels: np.ndarray, log: np.ndarray) -> np.ndarray:
    """The mean of sum_c n_sc log2 n_sc for symbols of 0 to n images, by drawing one image after the other."""
    n, (sizes, classes) = int(labels.sum()), np.unique(labels, return_counts=True)
    left = np.maximum(sizes[:, None] - np.arange(sizes.max() + 1), 0)  # of a class, k of its images being drawn
    chance = (left == sizes[:, None]).astype(float)  # of k drawn images being of the class
    mean = np.zeros(n + 1)
    for drawn in range(n):
        joined = chance * left / (n - drawn)
        chance -= joined
        chance[:, 1:] += joined[:, :-1]
        mean[drawn + 1] = classes @ (chance @ log[: chance.shape[1]])
    return mean


def information(symbols: np.ndarray, counted: Census) -> tuple[np.ndarray, np.ndarray]:
    """What a symbol tells of the class at every pixel as counted, and what it would tell with shuffled labels.

    symbols: [256], one for each value. Returns two arrays [784] in bits; the first less the second is the estimate.
    """
    told, chance = np.zeros(PIXELS), np.zeros(PIXELS)
    number, n, log = np.unique(symbols, return_inverse=True)[1], counted.images, counted.log
    single = _of_symbols(number, counted.below_in_all)
    # I = (sum n_sc log n_sc - sum n_s log n_s - sum n_c log n_c)/n + log n
    apart = (np.take(log, single).sum(axis=0) + log[counted.labels].sum()) / n - np.log2(n)
    joint = np.take(log, _of_symbols(number, counted.below))
    told[counted.varying] = joint.sum(axis=0).sum(axis=1) / n - apart
    chance[counted.varying] = np.take(counted.shuffled, single).sum(axis=0) / n - apart
    return told, chance


def _of_symbols(number: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Images of each symbol, [G, ...]; number: [256], the symbol of each value; below: as in Census, [257, ...]."""
    # Few runs of neighbouring values make up a symbol, and a run is one difference.
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    runs, owner = below[np.append(starts[1:], VALUES)] - below[starts], number[starts]
    first = np.unique(owner, return_index=True)[1]
    joint = runs[first]
    for run in np.setdiff1d(np.arange(len(owner)), first):
        joint[owner[run]] += runs[run]
    return np.asarray(joint)


def curve_information(table: np.ndarray, counted: Census) -> tuple[np.ndarray, np.ndarray]:
    """What the spike time or silence of every tuning curve tells of the class, the mean over all pixels.

    table: [256, m] in ms. Returns, in bits, the estimate (not below 0) and what chance alone would show, both [m].
    """
    told, chance = np.array(
        [[part.mean() for part in information(times, counted)] for times in np.ascontiguousarray(table.T)]
    ).T
    return np.maximum(told - chance, 0), chance


def pixel_information(groups: np.ndarray, counted: Census) -> tuple[np.ndarray, np.ndarray]:
    """What every pixel's code and its value tell of the class, two arrays [784] in bits, not below 0.

    groups: [256], which code each value has. Of more than LEVELS codes those are taken together whose darkest values
    are of the same step of brightness. No code tells more than the value that it is made from: where the estimate for
    the value is the lower one, that of the code stands for it.
    """
    number, darkest = np.unique(groups, return_index=True)
    symbols = groups if len(number) <= LEVELS else darkest[np.searchsorted(number, groups)] * LEVELS // VALUES
    code = np.maximum(np.subtract(*information(symbols, counted)), 0)
    return code, np.maximum(code, counted.value_information)


@dataclass(frozen=True, eq=False)
class Code:
    """m curves of that beta in a window of T ms, for values that occur as often as in histogram [256].

    rise: the time from a spike to the peak of its kernel, ms.
    """

    m: int
    T: int
    beta: float
    rise: float
    histogram: np.ndarray

    @cached_property
    def table(self) -> np.ndarray:
        """Spike times of the values, [256, m] in ms, -1 for none."""
        return np.asarray(pixel_table(self.m, self.T, self.beta).numpy())

    @cached_property
    def groups(self) -> np.ndarray:
        """Which code each value has, [256], numbered as they first occur."""
        numbers: dict[bytes, int] = {}
        rows = self.table.astype(np.int32)  # as bytes: np.unique would take longer than all the rest
        return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows])

    @cached_property
    def spikes(self) -> np.ndarray:
        """Spikes of each value, [256]."""
        return np.asarray((self.table >= 0).sum(axis=1))

    @cached_property
    def distinct(self) -> int:
        """How many of the 256 values have codes that differ."""
        return int(self.groups.max()) + 1

    @property
    def largest(self) -> int:
        """Values that share the commonest code."""
        return int(np.bincount(self.groups).max())

    @property
    def shared(self) -> float:
        """Share of the pixels whose value has the code of another value that occurs."""
        occurs = np.bincount(self.groups[self.histogram > 0], minlength=self.distinct)
        return float(self.histogram[occurs[self.groups] > 1].sum() / self.histogram.sum())

    @cached_property
    def kept(self) -> float:
        """Entropy of a pixel's code as a share of that of its value."""
        code, value = (_entropy(counts) for counts in (np.bincount(self.groups, self.histogram), self.histogram))
        return code / value if value else 1.0

    @property
    def deadline(self) -> float:
        """The latest time at which a spike still reaches its peak within the window, T - 1 - s*, ms."""
        return self.T - 1 - self.rise

    @cached_property
    def late_by_curve(self) -> np.ndarray:
        """Share of every curve's spikes that are too late, [m]; 0 for a curve without spikes."""
        spikes, late = (self.histogram @ which for which in (self.table >= 0, self._late))
        return np.asarray(late / np.maximum(spikes, 1))

    @cached_property
    def late(self) -> float:
        """Share of all spikes that are too late."""
        return float(self.histogram @ self._late.sum(axis=1)) / self._total

    @property
    def background(self) -> float:
        """Share of the spikes that come from pixels of value 0."""
        return float(self.histogram[0] * self.spikes[0]) / self._total

    @property
    def spikes_an_image(self) -> float:
        """Mean number of spikes of an image."""
        return float(self.histogram @ self.spikes) * PIXELS / float(self.histogram.sum())

    def at_every_time(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean number of spikes of an image at each ms, of pixels of value 0 and of the others, two arrays [T]."""
        images = self.histogram.sum() / PIXELS
        value, curve = np.nonzero(self.table >= 0)
        times, weight = self.table[value, curve].astype(int), self.histogram[value] / images
        black, other = (np.bincount(times[which], weight[which], minlength=self.T) for which in (value == 0, value > 0))
        return black, other

    @property
    def _late(self) -> np.ndarray:
        return (self.table >= 0) & (self.table > self.deadline)

    @property
    def _total(self) -> float:
        return max(float(self.histogram @ self.spikes), 1.0)


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())
