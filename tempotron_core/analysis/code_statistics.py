"""Statistics of a code: distinct rows of spike times, late spikes, mutual information with the class.

The code of a value is its row of m spike times; values with the same row cannot be told apart any more. A value is a
symbol of the code: the grey value of a pixel, or the codeword of a local pattern. A spike at t_i
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

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import PIXELS, pixel_spike_table

__all__ = [
    "LEVELS",
    "MAX_IMAGES",
    "VALUES",
    "PopulationCode",
    "ValueCounts",
    "count_values",
    "curve_information",
    "information_of_counts",
    "mutual_information",
    "pixel_information",
]

MAX_IMAGES = 5000
"""Images looked at, at most."""
VALUES = 256
LEVELS = 32
"""Steps of brightness by which pixels are compared: each of the 256 values is seen too seldom to be counted."""
_CHUNK = 1000
_MAX_CELLS = 2**17  # 128 MiB of counts, and three times as many while they are made


@dataclass(frozen=True, eq=False)
class ValueCounts:
    """Counts of each pixel value at each pixel, by class.

    Attributes:
        counts_below: int32 [257, V, C], images in which a pixel is below 0, 1, ..., 256, for the V pixels with more
            than one value
        varying_pixels: numbers of these pixels [V]
        histogram: int64 [256], all pixels together
        labels: int64 [C], images of each class
        k_log2_k: float64 [n + 1], k log2 k
        expected_under_shuffle: float64 [n + 1], mean over all orders of the labels of sum_c n_sc log2 n_sc, for a
            symbol of that many images
            features: values of an image
        levels: int64 [256], group of each value, by which features are compared: LEVELS steps of brightness, or what
            a code of patterns gives
    """

    counts_below: np.ndarray
    varying_pixels: np.ndarray
    histogram: np.ndarray
    labels: np.ndarray
    k_log2_k: np.ndarray
    expected_under_shuffle: np.ndarray
    features: int = PIXELS
    levels: np.ndarray = field(default_factory=lambda: np.arange(VALUES) * LEVELS // VALUES)

    @property
    def images(self) -> int:
        """Return the number of images counted."""
        return int(self.labels.sum())

    def with_levels(self, levels: np.ndarray) -> ValueCounts:
        """Return the same counts with another group of each value, [256]."""
        return replace(self, levels=levels)

    @cached_property
    def total_counts_below(self) -> np.ndarray:
        """Return counts_below summed over the classes, [257, V]."""
        return np.asarray(self.counts_below.sum(axis=2, dtype=np.int32))

    @cached_property
    def value_information(self) -> np.ndarray:
        """Return the mutual information of the level of each value with the class: [features] in bits."""
        bits, chance = mutual_information(self.levels, self)
        return np.asarray(np.maximum(bits - chance, 0))


def count_values(split: Split, classes: int, images: int = MAX_IMAGES, seed: int = 0) -> ValueCounts:
    """Count the values in at most this many images of a split, drawn with this seed.

    Raises:
        ValueError: for an empty split, and for more features and classes than there is room to count.
    """
    if classes * split.images[:1].numel() > _MAX_CELLS:
        raise ValueError(
            f"code: expected at most {_MAX_CELLS:,} features x classes to count values for, got "
            f"{split.images[:1].numel():,} x {classes:,}; choose smaller images."
        )
    if not len(split):
        raise ValueError("split: expected at least one image, got none; choose another data set.")
    selected = np.sort(np.random.default_rng(seed).permutation(len(split))[:images])
    pixels = split.images.numpy()[selected].reshape(len(selected), -1)
    labels, features = split.labels.numpy()[selected], pixels.shape[1]
    offsets = np.arange(features) * classes
    counts = np.zeros(VALUES * features * classes, np.int32)
    for start in range(0, len(selected), _CHUNK):
        part = slice(start, start + _CHUNK)
        at = pixels[part].astype(np.int64) * (features * classes) + offsets + labels[part, None]
        counts += np.bincount(at.reshape(-1), minlength=len(counts)).astype(np.int32)
    cells = counts.reshape(VALUES, features, classes)
    by_value = cells.sum(axis=2, dtype=np.int64)
    varying = np.flatnonzero((by_value > 0).sum(axis=0) > 1)
    below = np.zeros((VALUES + 1, len(varying), classes), np.int32)
    cells[:, varying].cumsum(axis=0, out=below[1:])
    of_class, log = np.bincount(labels, minlength=classes), _k_log2_k(len(selected))
    chance = _expected_under_shuffle(of_class, log)
    return ValueCounts(below, varying, by_value.sum(axis=1), of_class, log, chance, features)


def _k_log2_k(maximum: int) -> np.ndarray:
    count = np.arange(maximum + 1)
    return np.asarray(count * np.log2(np.maximum(count, 1)))


def _expected_under_shuffle(labels: np.ndarray, log: np.ndarray) -> np.ndarray:
    """Return the mean of sum_c n_sc log2 n_sc for symbols of 0 to n images, by adding one image after the other."""
    n, (sizes, classes) = int(labels.sum()), np.unique(labels, return_counts=True)
    remaining = np.maximum(sizes[:, None] - np.arange(sizes.max() + 1), 0)  # of a class, k of its images being drawn
    chance = (remaining == sizes[:, None]).astype(float)  # of k drawn images being of the class
    mean = np.zeros(n + 1)
    for num_drawn in range(n):
        joined = chance * remaining / (n - num_drawn)
        chance -= joined
        chance[:, 1:] += joined[:, :-1]
        mean[num_drawn + 1] = classes @ (chance @ log[: chance.shape[1]])
    return mean


def mutual_information(symbols: np.ndarray, counts: ValueCounts) -> tuple[np.ndarray, np.ndarray]:
    """Return the mutual information of a symbol with the class at each pixel, as counted and under shuffled labels.

    The difference of the two arrays [features], in bits, is the estimate. symbols: [256], the symbol of each value.
    """
    bits, chance = np.zeros(counts.features), np.zeros(counts.features)
    number, n, log = np.unique(symbols, return_inverse=True)[1], counts.images, counts.k_log2_k
    single = _symbol_counts(number, counts.total_counts_below)
    # I = (sum n_sc log n_sc - sum n_s log n_s - sum n_c log n_c)/n + log n
    independent = (np.take(log, single).sum(axis=0) + log[counts.labels].sum()) / n - np.log2(n)
    joint = np.take(log, _symbol_counts(number, counts.counts_below))
    bits[counts.varying_pixels] = joint.sum(axis=0).sum(axis=1) / n - independent
    chance[counts.varying_pixels] = np.take(counts.expected_under_shuffle, single).sum(axis=0) / n - independent
    return bits, chance


def information_of_counts(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mutual information of symbols with the class, as counted and under shuffled labels, [N] in bits each.

    joint: samples of each symbol, position and class, [symbols, N, classes]; every sample has one symbol at each of
    the N positions.
    """
    single, labels = joint.sum(axis=2), joint[:, 0].sum(axis=0)
    n = int(labels.sum())
    log = _k_log2_k(n)
    independent = (np.take(log, single).sum(axis=0) + log[labels].sum()) / n - np.log2(n)
    bits = np.take(log, joint).sum(axis=(0, 2)) / n - independent
    chance = np.take(_expected_under_shuffle(labels, log), single).sum(axis=0) / n - independent
    return bits, chance


def _symbol_counts(symbol_of_value: np.ndarray, counts_below: np.ndarray) -> np.ndarray:
    """Return the images of each symbol, [G, ...], from the symbol of each value [256] and counts_below [257, ...]."""
    # Few runs of neighbouring values make up a symbol, and a run is one difference.
    starts = np.flatnonzero(np.diff(symbol_of_value, prepend=-1))
    runs, owner = counts_below[np.append(starts[1:], VALUES)] - counts_below[starts], symbol_of_value[starts]
    first = np.unique(owner, return_index=True)[1]
    joint = runs[first]
    for run in np.setdiff1d(np.arange(len(owner)), first):
        joint[owner[run]] += runs[run]
    return np.asarray(joint)


def curve_information(table: np.ndarray, counts: ValueCounts) -> tuple[np.ndarray, np.ndarray]:
    """Return the mutual information of each curve's spike time or silence with the class, mean over all pixels.

    table: spike times [256, m] in ms. Returns, in bits, the estimate (not below 0) and the value under shuffled
    labels, both [m].
    """
    bits, chance = np.array(
        [[part.mean() for part in mutual_information(times, counts)] for times in np.ascontiguousarray(table.T)]
    ).T
    return np.maximum(bits - chance, 0), chance


def pixel_information(groups: np.ndarray, counts: ValueCounts) -> tuple[np.ndarray, np.ndarray]:
    """Return the mutual information of each feature's code and value with the class: two arrays [features] in bits.

    Of more than LEVELS codes those are merged whose darkest values have the same level. A code cannot
    carry more information than the value: where the estimate for the value is lower, it is used for the code. groups:
    [256], code of each value.
    """
    number, darkest = np.unique(groups, return_index=True)
    symbols = groups if len(number) <= LEVELS else counts.levels[darkest[np.searchsorted(number, groups)]]
    code = np.maximum(np.subtract(*mutual_information(symbols, counts)), 0)
    return code, np.maximum(code, counts.value_information)


@dataclass(frozen=True, eq=False)
class PopulationCode:
    """Statistics of m curves with this beta in a window of T ms, for pixel values with this histogram [256].

    time_to_peak: time from a spike to the peak of its kernel in ms. features: values of an image. spike_table: spike
    times [n, m] of the n <= 256 values of another code, None for the Gaussian one.
    """

    m: int
    T: int
    beta: float
    time_to_peak: float
    histogram: np.ndarray
    features: int = PIXELS
    spike_table: np.ndarray | None = None

    @property
    def num_values(self) -> int:
        """Return the number of values that the code distinguishes at most."""
        return VALUES if self.spike_table is None else len(self.spike_table)

    @cached_property
    def table(self) -> np.ndarray:
        """Return the spike times of the values, [256, m] in ms, -1 for none; lines without a value are silent."""
        if self.spike_table is None:
            return np.asarray(pixel_spike_table(self.m, self.T, self.beta).numpy())
        missing = VALUES - len(self.spike_table)
        return np.pad(self.spike_table, ((0, missing), (0, 0)), constant_values=-1.0)

    @cached_property
    def groups(self) -> np.ndarray:
        """Return the code of each value, [256], numbered in order of occurrence."""
        numbers: dict[bytes, int] = {}
        rows = np.ascontiguousarray(self.table)  # as bytes: np.unique would take longer than all the rest
        return np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows])

    @cached_property
    def spikes(self) -> np.ndarray:
        """Return the number of spikes of each value, [256]."""
        return np.asarray((self.table >= 0).sum(axis=1))

    @cached_property
    def num_codes(self) -> int:
        """Return the number of distinct codes of the values."""
        return int(self.groups[: self.num_values].max()) + 1

    @property
    def largest(self) -> int:
        """Return the values that share the most common code."""
        return int(np.bincount(self.groups[: self.num_values]).max())

    @property
    def collision_rate(self) -> float:
        """Return the fraction of pixels whose value shares its code with another value that occurs."""
        codes_in_use = np.bincount(self.groups[self.histogram > 0], minlength=int(self.groups.max()) + 1)
        return float(self.histogram[codes_in_use[self.groups] > 1].sum() / self.histogram.sum())

    @cached_property
    def entropy_ratio(self) -> float:
        """Return the entropy of a pixel's code as a fraction of that of its value."""
        code, value = (_entropy(counts) for counts in (np.bincount(self.groups, self.histogram), self.histogram))
        return code / value if value else 1.0

    @property
    def latest_effective_time(self) -> float:
        """Return the latest spike time whose kernel peaks within the window, T - 1 - s*, in ms."""
        return self.T - 1 - self.time_to_peak

    @cached_property
    def late_fraction_by_curve(self) -> np.ndarray:
        """Return the fraction of each curve's spikes that are late, [m]; 0 for a curve without spikes."""
        spikes, late = (self.histogram @ which for which in (self.table >= 0, self._is_late))
        return np.asarray(late / np.maximum(spikes, 1))

    @cached_property
    def late_spike_fraction(self) -> float:
        """Return the fraction of all spikes that are late."""
        return float(self.histogram @ self._is_late.sum(axis=1)) / self._total

    @property
    def background_fraction(self) -> float:
        """Return the fraction of spikes from pixels of value 0."""
        return float(self.histogram[0] * self.spikes[0]) / self._total

    @property
    def spikes_per_image(self) -> float:
        """Return the mean number of spikes per image."""
        return float(self.histogram @ self.spikes) * self.features / float(self.histogram.sum())

    def spike_histogram(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean number of spikes per image at each ms, [T], from pixels of value 0 and from the others."""
        images = self.histogram.sum() / self.features
        value, curve = np.nonzero(self.table >= 0)
        times, weight = self.table[value, curve].astype(int), self.histogram[value] / images
        black, nonzero = (np.bincount(times[mask], weight[mask], minlength=self.T) for mask in (value == 0, value > 0))
        return black, nonzero

    @property
    def _is_late(self) -> np.ndarray:
        return (self.table >= 0) & (self.table > self.latest_effective_time)

    @property
    def _total(self) -> float:
        return max(float(self.histogram @ self.spikes), 1.0)


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())
