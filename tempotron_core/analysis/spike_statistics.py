"""Statistics of recorded spike times: silence, rate, late spikes, duplicates, mutual information with the class.

The same questions as those of code_statistics, for spikes whose code is not known. For the mutual information each
afferent of a sample is one of INTERVALS + 1 symbols: silent in the window, or the interval of its spike; the value
expected by chance is taken off, see code_statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tempotron_core.analysis.code_statistics import information_of_counts
from tempotron_core.data.datasets import Split

__all__ = ["INTERVALS", "MAX_SAMPLES", "SpikeStatistics", "count_spikes"]

INTERVALS = 16
"""Parts of the window by which spike times are compared."""

MAX_SAMPLES = 5000
"""Samples looked at, at most."""

_MAX_CELLS = 2**23  # times looked at
_CHUNK = 200
_MAX_COUNTS = 2**17  # afferents x classes whose symbols are counted


@dataclass(frozen=True, eq=False)
class SpikeStatistics:
    """Statistics of n samples of N afferents in a window of T ms.

    Attributes:
        samples, afferents: n and N
        histogram: mean number of spikes of a sample in each ms, [T]
        silent_afferents: afferents without a spike in the window in any sample
        silent_samples: samples without a spike in the window
        late_spikes: fraction of the spikes in the window whose kernel peaks after it
        outside_spikes: fraction of all spikes that are after the window
        duplicate_samples: samples with the same spikes as an earlier one
        duplicate_afferents: afferents with the same spikes as an earlier one in all samples, silent ones not counted
        information: mutual information of each afferent with the class, [N] in bits; None without classes, and where
            there are too many to count
        class_entropy: entropy of the class in bits
    """

    samples: int
    afferents: int
    histogram: np.ndarray
    silent_afferents: int
    silent_samples: int
    late_spikes: float
    outside_spikes: float
    duplicate_samples: int
    duplicate_afferents: int
    information: np.ndarray | None
    class_entropy: float

    @property
    def spikes_per_sample(self) -> float:
        """Return the mean number of spikes of a sample in the window."""
        return float(self.histogram.sum())


def count_spikes(split: Split, classes: int, T: int, time_to_peak: float, seed: int = 0) -> SpikeStatistics:
    """Return the statistics of at most MAX_SAMPLES samples of spike times, drawn with this seed.

    Args:
        split: samples float32 [n, features, m] in ms, negative for none
        classes: number of classes, 0 without labels
        T: window in ms
        time_to_peak: time from a spike to the peak of its kernel in ms
        seed: seed of the samples
    """
    afferents = split.images[0].numel()
    most = max(1, min(MAX_SAMPLES, _MAX_CELLS // afferents))
    selected = np.sort(np.random.default_rng(seed).permutation(len(split))[:most])
    times = split.images.flatten(1)[torch.from_numpy(selected)].numpy()
    labels = split.labels[torch.from_numpy(selected)]
    has_spike = times >= 0
    in_window = has_spike & (times <= T - 1)
    spikes, total = int(in_window.sum()), int(has_spike.sum())
    silent = ~in_window.any(axis=0)
    histogram = np.bincount(times[in_window].astype(int), minlength=T) / len(times)
    columns = np.ascontiguousarray(np.where(in_window, times, -1).T)
    information, entropy = None, 0.0
    if classes and afferents * classes <= _MAX_COUNTS:
        joint = _count_symbols(np.where(in_window, 1 + times * INTERVALS / T, 0), labels.numpy(), classes)
        bits, chance = information_of_counts(joint)
        information = np.maximum(bits - chance, 0)
        share = np.bincount(labels.numpy()) / len(labels)
        entropy = float(-(share[share > 0] * np.log2(share[share > 0])).sum())
    return SpikeStatistics(
        samples=len(times),
        afferents=afferents,
        histogram=histogram,
        silent_afferents=int(silent.sum()),
        silent_samples=int((~in_window.any(axis=1)).sum()),
        late_spikes=float((in_window & (times > T - 1 - time_to_peak)).sum()) / max(spikes, 1),
        outside_spikes=(total - spikes) / max(total, 1),
        duplicate_samples=len(times) - len({row.tobytes() for row in columns.T}),
        duplicate_afferents=int((~silent).sum()) - len({row.tobytes() for row in columns[~silent]}),
        information=information,
        class_entropy=entropy,
    )


def _count_symbols(symbols: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the samples of each symbol [n, N] (cut to whole numbers), afferent and class, [symbols, N, classes]."""
    afferents = symbols.shape[1]
    counts = np.zeros((INTERVALS + 1) * afferents * classes, np.int64)
    for start in range(0, len(symbols), _CHUNK):
        rows = slice(start, start + _CHUNK)
        at = (symbols[rows].astype(np.int64) * afferents + np.arange(afferents)) * classes + labels[rows, None]
        counts += np.bincount(at.reshape(-1), minlength=len(counts))
    return counts.reshape(INTERVALS + 1, afferents, classes)
