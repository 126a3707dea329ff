"""Spikes of a whole data set, stored so that a batch needs neither encoding nor sorting.

A sample is a row of P symbols; a symbol stands for the whole spike times of m afferents. Fields that hold the first
symbol are at rest. All of them spike alike, so one small product of the batch's resting fields with the weights
stands for their spikes, and where most fields rest few spikes are left. Those are needed in two orders. By time, for
the potential: kept, sample after sample. By afferent, for the gradient: read off the batch's transposed symbols,
which list its fields in order; line by line, one line for each of a field's m neurons, the bins of the active fields
then stand in order of the afferents, so that nothing is sorted. On one thread of a CPU, and where few of the m neurons
spike, a sort of the spikes by radix is quicker than these lines.

Shapes: B samples, P fields, O outputs, r spikes of a field at rest, E active fields of a batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tempotron_core.snn.engine import segment_sum

__all__ = ["Batch", "SpikeStore"]

_CHUNK = 1000
_BUDGET_BYTES = 2**30
_MAX_RADIX = 2**16  # afferents that numpy sorts by radix, as numbers of 16 bits
_BATCHES_AHEAD = 3
_LINES_PER_SPIKE = 3  # afferents of active fields a spike, from which a sort by one thread beats lines by several


class _SpikeTable:
    """Spikes of each symbol, from whole times [symbols, m], negative for none."""

    def __init__(self, times: torch.Tensor, T: int) -> None:
        symbols, self.m = times.shape
        spikes = (times >= 0) & (times < T)
        self.resting = spikes[0].nonzero().view(-1)
        self.resting_bins = times[0, self.resting].long()
        # [m, symbols]: the bin of each neuron's spike, T for none.
        self.bins_by_neuron = torch.where(spikes, times, T).int().t().contiguous()
        self.neuron_offsets = torch.arange(self.m, dtype=torch.int32, device=times.device).mul_(symbols).unsqueeze(1)
        # The same as a list, symbol after symbol, of which the first needs none.
        spikes[0] = False
        self.counts = spikes.sum(1)
        self.first_spike = self.counts.cumsum(0) - self.counts
        self.neuron = spikes.nonzero()[:, 1]
        self.bin = times[spikes].long()


class Batch:
    """Spikes of B samples at whole times, see engine.SpikeEvents; samples: int64 [B] on the device."""

    bin_offset_ms: torch.Tensor | None = None

    def __init__(
        self,
        spike_table: _SpikeTable,
        T: int,
        samples: torch.Tensor,
        pixel_values: torch.Tensor,
        active: int,
        afferent: torch.Tensor,
        counts: torch.Tensor,
    ) -> None:
        self.batch, self.T, self.samples = len(pixel_values), T, samples
        self._spike_table, self._pixel_values, self._active = spike_table, pixel_values, active
        self._afferent, self._counts = afferent, counts

    def sum_by_bin(self, rows: torch.Tensor, spike_weight: torch.Tensor | None) -> torch.Tensor:
        """Return the sums per bin, see engine.SpikeEvents."""
        code, outputs = self._spike_table, rows.shape[1]
        sums = segment_sum(rows, self._afferent, self._offsets_by_bin).view(self.batch, self.T, outputs)
        resting = rows.view(-1, code.m, outputs).index_select(1, code.resting)
        resting = self._at_rest.to(rows.dtype) @ resting.flatten(1)
        return sums.index_add_(1, code.resting_bins, resting.view(self.batch, len(code.resting), outputs))

    def sum_by_afferent(self, rows: torch.Tensor, spike_weight: torch.Tensor | None) -> torch.Tensor:
        """Return the sums per afferent, see engine.SpikeEvents."""
        return self._sum_sorted(rows) if self._is_sorted else self._sum_line_by_line(rows)

    def prepare(self) -> Batch:
        """Arrange the spikes in both orders, so that only sums and products are left; return the batch."""
        _ = self._offsets_by_bin, self._at_rest
        if self._is_sorted:
            _ = self._sorted_by_afferent
        return self

    @cached_property
    def _offsets_by_bin(self) -> torch.Tensor:
        """Return the first spike of each bin, sample after sample, and the end of the last: int32 [B*T + 1]."""
        offsets = torch.zeros(self._counts.numel() + 1, dtype=torch.int32, device=self._counts.device)
        torch.cumsum(self._counts.view(-1), 0, dtype=torch.int32, out=offsets[1:])
        return offsets

    @cached_property
    def _at_rest(self) -> torch.Tensor:
        """Return 1 for each field at rest, else 0: float32 [B, P]."""
        return (self._pixel_values == 0).float()

    @cached_property
    def _is_sorted(self) -> bool:
        """Return whether the gradient takes the spikes sorted by afferent, not line by line."""
        code, num_pixels = self._spike_table, self._pixel_values.shape[1]
        if not self._afferent.is_cpu or code.m * num_pixels > _MAX_RADIX:
            return False
        return torch.get_num_threads() == 1 or code.m * self._active > _LINES_PER_SPIKE * len(self._afferent)

    @cached_property
    def _sorted_by_afferent(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each spike's row of its bin by afferent, int32 [E], and the offsets, int32 [P*m + 1]; on the CPU."""
        afferent, num_afferents = self._afferent.numpy(), self._pixel_values.shape[1] * self._spike_table.m
        order = np.argsort(afferent.astype(np.uint16), kind="stable")
        starts = np.arange(self.batch * (self.T + 1), dtype=np.int32).reshape(self.batch, self.T + 1)[:, : self.T]
        bins = np.repeat(starts.ravel(), self._counts.view(-1).numpy())[order]
        offsets = torch.zeros(num_afferents + 1, dtype=torch.int32)
        offsets[1:] = torch.from_numpy(np.bincount(afferent, minlength=num_afferents).cumsum())
        return torch.from_numpy(bins), offsets

    def _sum_line_by_line(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the sums per afferent from a line of all active fields for each of the m neurons."""
        code, outputs, num_pixels = self._spike_table, rows.shape[1], self._pixel_values.shape[1]
        pixel_values = self._pixel_values.t().contiguous()
        active_indices = _nonzero_indices(pixel_values.view(-1), self._active)
        pixel_value = pixel_values.view(-1).index_select(0, active_indices).int()
        bins = (
            code.bins_by_neuron.view(-1)
            .index_select(0, (code.neuron_offsets + pixel_value).view(-1))
            .view(code.m, len(pixel_value))
        )
        bins += active_indices.int().remainder_(self.batch).mul_(self.T + 1)
        starts = torch.arange(code.m, device=rows.device).unsqueeze(1) * self._active
        offsets = torch.zeros(code.m * num_pixels + 1, dtype=torch.int32, device=rows.device)
        offsets[1:] = (starts + pixel_values.count_nonzero(1).cumsum(0)).view(-1)
        sums = segment_sum(rows, bins.view(-1), offsets).view(code.m, num_pixels, outputs)
        resting = rows.view(self.batch, self.T + 1, outputs).index_select(1, code.resting_bins)
        resting = (pixel_values == 0).to(rows.dtype) @ resting.flatten(1)
        sums.index_add_(0, code.resting, resting.view(num_pixels, len(code.resting), outputs).transpose(0, 1))
        return sums.transpose(0, 1).reshape(-1, outputs)

    def _sum_sorted(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the same sums, bit for bit, from the spikes sorted by afferent, at most 2^16 of them, on the CPU."""
        code, outputs, num_pixels = self._spike_table, rows.shape[1], self._pixel_values.shape[1]
        bins, offsets = self._sorted_by_afferent
        sums = segment_sum(rows, bins, offsets).view(num_pixels, code.m, outputs)
        resting = rows.view(self.batch, self.T + 1, outputs).index_select(1, code.resting_bins)
        resting = self._at_rest.t().to(rows.dtype) @ resting.flatten(1)
        sums.index_add_(1, code.resting, resting.view(num_pixels, len(code.resting), outputs))
        return sums.view(-1, outputs)


class SpikeStore:
    """Spikes of a data set; batches can be taken once fill() is finished.

    Memory beside the symbols: 4 bytes per spike of an active field and 2 per bin of a sample. Where the spikes exceed
    the budget none is stored, and each batch is encoded when it is taken.

    Args:
        table: whole spike times [symbols, m] in ms, negative for none
        symbols: uint8 or int32 [samples, P] on the device of the table
        T: steps of the grid
        budget: bytes for the spikes, 1 GiB by default
    """

    def __init__(self, table: torch.Tensor, pixel_values: torch.Tensor, T: int, budget: int | None = None) -> None:
        self.T = T
        self._pixel_values = pixel_values
        self._spike_table = _SpikeTable(table, T)
        self._parts: list[torch.Tensor | np.ndarray] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._active = pixel_values.count_nonzero(1).cpu()
        self._counts = torch.zeros(
            0, T, dtype=torch.int16 if pixel_values.shape[1] * self._spike_table.m < 2**15 else torch.int32
        )
        self.encodes_on_the_fly = 4 * self._count_spikes() > (_BUDGET_BYTES if budget is None else budget)

    def __len__(self) -> int:
        return len(self._pixel_values)

    def fill(self) -> Iterator[int]:
        """Encode the samples part by part; yield the number of samples done."""
        counts = []
        for part in () if self.encodes_on_the_fly else self._pixel_values.split(_CHUNK):
            afferent, counts_by_bin = self._sort_by_time(part)
            self._parts.append(afferent.numpy() if afferent.is_cpu else afferent)
            counts.append(counts_by_bin)
            sizes = counts_by_bin.sum(1)
            ends = sizes.cumsum(0)
            self._starts += (ends - sizes).tolist()
            self._ends += ends.tolist()
            yield len(self._ends)
        if counts:
            self._counts = torch.cat(counts)
        else:
            yield len(self)

    def batch(self, samples: torch.Tensor) -> Batch:
        """Return the spikes of the samples with int64 indices [B] on the host, so that no size has to be waited for."""
        device_samples = _to_device(samples, self._pixel_values.device)
        pixel_values = self._pixel_values.index_select(0, device_samples)
        active = int(self._active.index_select(0, samples).sum())
        if self.encodes_on_the_fly:
            afferent, counts = self._sort_by_time(pixel_values)
        else:
            afferent, counts = self._concatenate(samples.tolist()), self._counts.index_select(0, device_samples)
        return Batch(self._spike_table, self.T, device_samples, pixel_values, active, afferent, counts)

    def prepared_batches(self, groups: Iterable[torch.Tensor], ahead: bool) -> Generator[Batch, None, None]:
        """Yield a prepared batch for each group of samples, int64 [B] on the host.

        ahead: prepare the next ones on a second thread while the caller uses one. Their values are the same.
        """
        if not ahead:
            for group in groups:
                yield self.batch(group).prepare()
            return
        worker = ThreadPoolExecutor(1, thread_name_prefix="batches")
        try:
            waiting: deque[Future[Batch]] = deque()
            for group in groups:
                waiting.append(worker.submit(lambda samples: self.batch(samples).prepare(), group))
                if len(waiting) > _BATCHES_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            worker.shutdown(cancel_futures=True)

    def _concatenate(self, samples: list[int]) -> torch.Tensor:
        """Return the spikes of the samples one after the other. On the CPU numpy slices in a tenth of torch's time."""
        slices: list[Any] = [self._parts[i // _CHUNK][self._starts[i] : self._ends[i]] for i in samples]
        if not slices:
            return torch.zeros(0, dtype=torch.int32, device=self._pixel_values.device)
        return torch.from_numpy(np.concatenate(slices)) if self._pixel_values.is_cpu else torch.cat(slices)

    def _count_spikes(self) -> int:
        values = len(self._spike_table.counts)
        occurrences = torch.zeros(values, dtype=torch.int64, device=self._pixel_values.device)
        for part in self._pixel_values.split(_CHUNK):
            occurrences += torch.bincount(part.reshape(-1), minlength=values)
        return int((occurrences * self._spike_table.counts).sum())

    def _sort_by_time(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return afferents of the active fields' spikes by (sample, bin), int32, and their number per bin [B, T]."""
        code, device = self._spike_table, pixel_values.device
        sample, pixel = pixel_values.nonzero(as_tuple=True)
        pixel_value = pixel_values[sample, pixel].int()
        spikes = code.counts.index_select(0, pixel_value)
        ends = spikes.cumsum(0)
        total = int(ends[-1]) if len(ends) else 0

        def each(per_pixel: torch.Tensor) -> torch.Tensor:
            return per_pixel.repeat_interleave(spikes, output_size=total)

        which = torch.arange(total, device=device) + each(code.first_spike.index_select(0, pixel_value) - ends + spikes)
        afferent = each(pixel * code.m) + code.neuron.index_select(0, which)
        bins, order = torch.sort(each(sample * self.T) + code.bin.index_select(0, which), stable=True)
        counts = torch.bincount(bins, minlength=len(pixel_values) * self.T).view(len(pixel_values), self.T)
        return afferent.int().index_select(0, order), counts.to(self._counts.dtype)


def _nonzero_indices(flat: torch.Tensor, size: int) -> torch.Tensor:
    """Return the indices of the nonzero elements; size is their number, so that the host need not wait for it."""
    return flat.nonzero().view(-1) if flat.is_cpu else torch.nonzero_static(flat, size=size).view(-1)


def _to_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    return values if device.type == "cpu" else values.pin_memory().to(device, non_blocking=True)
