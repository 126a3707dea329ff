"""Statistics of recorded spikes against counts by hand."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import torch

from tempotron_core.analysis.spike_statistics import INTERVALS, count_spikes
from tempotron_core.data.datasets import Split

RNG = np.random.default_rng(1)
T, RISE = 50, 7.0


def samples() -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(12) % 3
    times = RNG.uniform(0, 60, (12, 6))
    times[RNG.random(times.shape) < 0.3] = -1
    times[:, 2] = -1  # silent
    times[:, 4] = times[:, 1]  # repeated afferent
    times[7] = times[3]  # repeated sample
    times[:, 5] = 10.0 * labels + 1  # tells the class
    return times, labels


def entropy(symbols: list[object]) -> float:
    return -sum(k / len(symbols) * math.log2(k / len(symbols)) for k in Counter(symbols).values())


def test_counts_are_those_by_hand() -> None:
    times, labels = samples()
    labels[7] = labels[3]
    times[:, 5] = 10.0 * labels + 1
    found = count_spikes(Split(torch.from_numpy(times).float()[:, :, None], torch.from_numpy(labels)), 3, T, RISE)
    in_window = [(i, j) for i, j in itertools.product(range(12), range(6)) if 0 <= times[i, j] <= T - 1]
    everything = [(i, j) for i, j in itertools.product(range(12), range(6)) if times[i, j] >= 0]
    assert (found.samples, found.afferents, found.silent_afferents) == (12, 6, 1)
    assert found.spikes_per_sample == len(in_window) / 12
    for ms in range(T):
        assert found.histogram[ms] == sum(int(times[place]) == ms for place in in_window) / 12
    assert found.late_spikes == sum(times[place] > T - 1 - RISE for place in in_window) / len(in_window)
    assert found.outside_spikes == (len(everything) - len(in_window)) / len(everything)
    assert found.duplicate_samples == 1
    assert found.duplicate_afferents == 1
    assert found.information is not None
    for j in range(6):
        symbols = [
            int(1 + t * INTERVALS / T) if 0 <= t <= T - 1 else 0 for t in times[:, j].astype(np.float32).tolist()
        ]

        def information(of_labels: list[int], symbols: list[int] = symbols) -> float:
            pairs: list[object] = list(zip(symbols, of_labels, strict=True))
            return entropy(list(symbols)) + entropy(list(of_labels)) - entropy(pairs)

        shuffled = [information(RNG.permutation(labels).tolist()) for _ in range(3000)]
        expected = max(0.0, information(labels.tolist()) - float(np.mean(shuffled)))
        assert abs(found.information[j] - expected) < 0.03
    assert found.information.argmax() == 5
    assert abs(found.class_entropy - entropy(labels.tolist())) < 1e-12


def test_without_labels_nothing_is_said_of_the_class() -> None:
    times, labels = samples()
    found = count_spikes(Split(torch.from_numpy(times).float()[:, :, None], torch.from_numpy(labels)), 0, T, RISE)
    assert found.information is None
    silent = count_spikes(Split(torch.full((3, 4, 1), -1.0), torch.zeros(3, dtype=torch.int64)), 0, T, RISE)
    assert (silent.spikes_per_sample, silent.late_spikes, silent.silent_samples, silent.silent_afferents) == (
        0,
        0,
        3,
        4,
    )
