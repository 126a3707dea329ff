"""Samples whose spikes lie at real times, arranged when a batch is taken.

Times that are not whole have no bins in which a whole data set could be kept, see spike_store; a batch costs a sort.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import torch

from tempotron_core.snn.engine import BinnedSpikes, bin_spikes
from tempotron_core.snn.sorted_spikes import SortedSpikes, sort_spikes

__all__ = ["TimeStore"]


@dataclass(frozen=True, eq=False)
class _BinnedBatch(BinnedSpikes):
    samples: torch.Tensor


@dataclass(frozen=True, eq=False)
class _SortedBatch(SortedSpikes):
    samples: torch.Tensor


class TimeStore:
    """Spike times of a data set; has the interface of SpikeStore.

    Args:
        values: spike times float32 [samples, afferents] in ms, negative for none; or, with a table, symbols
            [samples, P], of which each stands for m afferents
        T: window in ms
        table: real spike times [symbols, m] in ms, negative for none
        in_order: whether batches are SortedSpikes, which exact peaks and shunting need, else BinnedSpikes
    """

    encodes_on_the_fly = True

    def __init__(self, values: torch.Tensor, T: int, table: torch.Tensor | None = None, in_order: bool = False) -> None:
        self.T = T
        self._values, self._table, self._in_order = values, table, in_order

    def __len__(self) -> int:
        return len(self._values)

    def fill(self) -> Iterator[int]:
        """Yield the number of samples: nothing is encoded beforehand."""
        yield len(self)

    def batch(self, samples: torch.Tensor) -> _BinnedBatch | _SortedBatch:
        """Return the spikes of the samples with int64 indices [B] on the host."""
        on_device = samples.to(self._values.device)
        times = self._values.index_select(0, on_device)
        if self._table is not None:
            times = self._table.index_select(0, times.reshape(-1).int()).view(len(samples), -1)
        if self._in_order:
            return _SortedBatch(**vars(sort_spikes(times, self.T)), samples=on_device)
        return _BinnedBatch(**vars(bin_spikes(times, self.T)), samples=on_device)

    def prepared_batches(
        self, groups: Iterable[torch.Tensor], ahead: bool
    ) -> Generator[_BinnedBatch | _SortedBatch, None, None]:
        """Yield a batch for each group of samples, int64 [B] on the host; never ahead."""
        yield from map(self.batch, groups)
