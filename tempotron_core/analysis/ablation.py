"""Ablation of a code: what a trained network loses without the times of its spikes, or without their neurons.

Place only: every spike moves to 0 ms, so that only which neurons spike is left. Time only: the spike times of a sample
are given to its neurons in random order, so that only when spikes occur, and how many, is left. The network is not
trained again; one trained on such spikes could do better.

McNemar Q. Note on the sampling error of the difference between correlated proportions or percentages. Psychometrika
12(2), 153-157, 1947 (the comparison of the two).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from tempotron_core.analysis.robustness import subsample
from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import Model, log_mean_exp_pool

__all__ = ["Ablation", "ablate", "move_to_one_time", "shuffle_neurons"]

_CHUNK = 100
_Z = 1.959964  # 95 %


@dataclass(frozen=True)
class Ablation:
    """Correct predictions of a network among these samples: with its spikes, with their places, with their times.

    different: samples for which exactly one of the last two predictions is correct
    """

    samples: int
    correct: int
    place_only: int
    time_only: int
    different: int

    @property
    def sentence(self) -> str:
        """Return the result as one sentence."""
        whole, place, time = (
            f"{100 * n / self.samples:.1f} %" for n in (self.correct, self.place_only, self.time_only)
        )
        return (
            f"Of {self.samples:,} samples the network classifies {whole} correctly, {place} with all spikes at one "
            f"time and {time} with the neurons of the spikes shuffled: {self._conclusion}."
        )

    @property
    def _conclusion(self) -> str:
        difference = self.place_only - self.time_only
        if abs(difference) <= _Z * math.sqrt(self.different):  # McNemar's test
            return "these two do not differ by more than chance"
        if difference > 0:
            return "it relies more on which neurons spike than on when they do"
        return "it relies more on when neurons spike than on which of them do"


def move_to_one_time(times: torch.Tensor) -> torch.Tensor:
    """Return spike times [batch, afferents] with every spike at 0 ms, negative for none.

    Each peak is then the sum of the weights of the neurons that spike, or 0 where that is negative.
    """
    return torch.where(times >= 0, torch.zeros_like(times), times)


def shuffle_neurons(times: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Return spike times [batch, afferents] of which each sample's are in random order, independent of the others."""
    return times.gather(1, torch.rand(times.shape, generator=random).argsort(dim=1).to(times.device))


@torch.no_grad()
def ablate(model: Model, split: Split, seed: int = 0) -> Ablation:
    """Return the accuracies of a network on at most 2,000 samples, see robustness.subsample.

    Raises:
        ValueError: for a split without samples.
    """
    if not len(split):
        raise ValueError("ablation: expected at least one sample, got none; choose a split with samples.")
    split, random = subsample(split), torch.Generator().manual_seed(seed)
    net, hits = model.to_layer(), []
    for samples in torch.arange(len(split)).split(_CHUNK):
        times = model.spike_times(split.images[samples])
        peaks = [net(variant, "v_max") for variant in (times, move_to_one_time(times), shuffle_neurons(times, random))]
        predicted = [log_mean_exp_pool(v_max, model.tempotrons_per_class).argmax(dim=1) for v_max in peaks]
        hits.append(torch.stack(predicted) == split.labels[samples])
    of_kind = torch.cat(hits, dim=1)
    correct, place_only, time_only = of_kind.sum(dim=1).tolist()
    return Ablation(len(split), correct, place_only, time_only, int((of_kind[1] != of_kind[2]).sum()))
