"""The spikes of a whole data set, kept so that a batch of it needs neither encoding nor sorting.

A sample is a row of P symbols; a symbol stands for the whole spike times of m afferents. Fields that hold the first
symbol are at rest. All of them spike alike, so one small product of the batch's resting fields with the weights
stands for their spikes, and where most fields rest few spikes are left. Those are needed in two orders. By time, for
the potential: kept, sample after sample. By afferent, for the gradient: read off the batch's transposed symbols,
which list its fields in order; line by line, one line for each of a field's m neurons, the bins of the active fields
then stand in order of the afferents, so that nothing is sorted.

Shapes: B samples, P fields, O outputs, r spikes of a field at rest, E active fields of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from tempotron_core.snn.engine import bag_sum

__all__ = ["Batch", "SpikeStore"]

_CHUNK = 1000
_BUDGET = 2**30


class _Code:
    """The spikes that each symbol stands for, from times [symbols, m], whole, negative for none."""

    def __init__(self, times: torch.Tensor, T: int) -> None:
        symbols, self.m = times.shape
        spikes = (times >= 0) & (times < T)
        self.resting = spikes[0].nonzero().view(-1)
        self.resting_bins = times[0, self.resting].long()
        # [m, symbols]: the bin of each neuron's spike, T for none.
        self.lines = torch.where(spikes, times, T).int().t().contiguous()
        self.line_starts = torch.arange(self.m, dtype=torch.int32, device=times.device).mul_(symbols).unsqueeze(1)
        # The same as a list, symbol after symbol, of which the first needs none.
        spikes[0] = False
        self.counts = spikes.sum(1)
        self.first = self.counts.cumsum(0) - self.counts
        self.neuron = spikes.nonzero()[:, 1]
        self.bin = times[spikes].long()


class Batch:
    """The spikes of B samples, at whole times; see engine.Arrivals. samples: int64 [B] on the device."""

    lag: torch.Tensor | None = None

    def __init__(
        self,
        code: _Code,
        T: int,
        samples: torch.Tensor,
        fields: torch.Tensor,
        active: int,
        afferent: torch.Tensor,
        counts: torch.Tensor,
    ) -> None:
        self.batch, self.T, self.samples = len(fields), T, samples
        self._code, self._fields, self._active = code, fields, active
        self._afferent, self._counts = afferent, counts

    def sum_by_bin(self, rows: torch.Tensor, share: torch.Tensor | None) -> torch.Tensor:
        """See engine.Arrivals."""
        code, outputs = self._code, rows.shape[1]
        offsets = torch.zeros(self._counts.numel() + 1, dtype=torch.int32, device=rows.device)
        torch.cumsum(self._counts.view(-1), 0, dtype=torch.int32, out=offsets[1:])
        sums = bag_sum(rows, self._afferent, offsets).view(self.batch, self.T, outputs)
        resting = rows.view(-1, code.m, outputs).index_select(1, code.resting)
        resting = (self._fields == 0).to(rows.dtype) @ resting.flatten(1)
        return sums.index_add_(1, code.resting_bins, resting.view(self.batch, len(code.resting), outputs))

    def sum_by_afferent(self, rows: torch.Tensor, share: torch.Tensor | None) -> torch.Tensor:
        """See engine.Arrivals."""
        code, outputs, number = self._code, rows.shape[1], self._fields.shape[1]
        fields = self._fields.t().contiguous()
        where = _nonzero(fields.view(-1), self._active)
        symbol = fields.view(-1).index_select(0, where).int()
        bins = code.lines.view(-1).index_select(0, (code.line_starts + symbol).view(-1)).view(code.m, len(symbol))
        bins += where.int().remainder_(self.batch).mul_(self.T + 1)
        starts = torch.arange(code.m, device=rows.device).unsqueeze(1) * self._active
        offsets = torch.zeros(code.m * number + 1, dtype=torch.int32, device=rows.device)
        offsets[1:] = (starts + fields.count_nonzero(1).cumsum(0)).view(-1)
        sums = bag_sum(rows, bins.view(-1), offsets).view(code.m, number, outputs)
        resting = rows.view(self.batch, self.T + 1, outputs).index_select(1, code.resting_bins)
        resting = (fields == 0).to(rows.dtype) @ resting.flatten(1)
        sums.index_add_(0, code.resting, resting.view(number, len(code.resting), outputs).transpose(0, 1))
        return sums.transpose(0, 1).reshape(-1, outputs)


class SpikeStore:
    """The spikes of a data set; draw batches once fill() has been run through.

    table: whole times in ms, negative for none, [symbols, m]; symbols: uint8 [samples, P] on the table's device;
    T: steps of the grid; budget: bytes, 1 GiB by default. Memory beside the symbols: 4 bytes a spike of an active
    field, 2 a bin of a sample. Where the spikes would exceed the budget none is kept, and each batch is encoded when
    it is drawn.
    """

    def __init__(self, table: torch.Tensor, symbols: torch.Tensor, T: int, budget: int | None = None) -> None:
        self.T = T
        self._symbols = symbols
        self._code = _Code(table, T)
        self._parts: list[torch.Tensor | np.ndarray] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._active = symbols.count_nonzero(1).cpu()
        self._counts = torch.zeros(0, T, dtype=torch.int16 if symbols.shape[1] * self._code.m < 2**15 else torch.int32)
        self.streams = 4 * self._spikes() > (_BUDGET if budget is None else budget)

    def __len__(self) -> int:
        return len(self._symbols)

    def fill(self) -> Iterator[int]:
        """Encode the samples part by part; yields the number of samples done."""
        counts = []
        for part in () if self.streams else self._symbols.split(_CHUNK):
            afferent, arriving = self._arrange(part)
            self._parts.append(afferent.numpy() if afferent.is_cpu else afferent)
            counts.append(arriving)
            sizes = arriving.sum(1)
            ends = sizes.cumsum(0)
            self._starts += (ends - sizes).tolist()
            self._ends += ends.tolist()
            yield len(self._ends)
        if counts:
            self._counts = torch.cat(counts)
        else:
            yield len(self)

    def batch(self, samples: torch.Tensor) -> Batch:
        """The spikes of those samples: int64 indices [B], on the host, so that no size has to be waited for."""
        chosen = _upload(samples, self._symbols.device)
        fields = self._symbols.index_select(0, chosen)
        active = int(self._active.index_select(0, samples).sum())
        if self.streams:
            afferent, counts = self._arrange(fields)
        else:
            afferent, counts = self._kept(samples.tolist()), self._counts.index_select(0, chosen)
        return Batch(self._code, self.T, chosen, fields, active, afferent, counts)

    def _kept(self, samples: list[int]) -> torch.Tensor:
        """Their spikes one after the other. On the CPU by numpy: slicing costs it a tenth of torch's time."""
        slices: list[Any] = [self._parts[i // _CHUNK][self._starts[i] : self._ends[i]] for i in samples]
        if not slices:
            return torch.zeros(0, dtype=torch.int32, device=self._symbols.device)
        return torch.from_numpy(np.concatenate(slices)) if self._symbols.is_cpu else torch.cat(slices)

    def _spikes(self) -> int:
        values = len(self._code.counts)
        seen = torch.zeros(values, dtype=torch.int64, device=self._symbols.device)
        for part in self._symbols.split(_CHUNK):
            seen += torch.bincount(part.reshape(-1), minlength=values)
        return int((seen * self._code.counts).sum())

    def _arrange(self, symbols: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Afferents of the active fields' spikes in order of (sample, bin), int32, and their number a bin [B, T]."""
        code, device = self._code, symbols.device
        sample, field = symbols.nonzero(as_tuple=True)
        symbol = symbols[sample, field].int()
        spikes = code.counts.index_select(0, symbol)
        ends = spikes.cumsum(0)
        total = int(ends[-1]) if len(ends) else 0

        def each(values: torch.Tensor) -> torch.Tensor:
            return values.repeat_interleave(spikes, output_size=total)

        which = torch.arange(total, device=device) + each(code.first.index_select(0, symbol) - ends + spikes)
        afferent = each(field * code.m) + code.neuron.index_select(0, which)
        bins, order = torch.sort(each(sample * self.T) + code.bin.index_select(0, which), stable=True)
        counts = torch.bincount(bins, minlength=len(symbols) * self.T).view(len(symbols), self.T)
        return afferent.int().index_select(0, order), counts.to(self._counts.dtype)


def _nonzero(flat: torch.Tensor, size: int) -> torch.Tensor:
    """Where a vector is not zero, in order; size: the number of such places, so that no host need wait for it."""
    return flat.nonzero().view(-1) if flat.is_cpu else torch.nonzero_static(flat, size=size).view(-1)


def _upload(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    return values if device.type == "cpu" else values.pin_memory().to(device, non_blocking=True)
