"""The spikes of a whole data set, kept so that a batch of it needs neither encoding nor sorting.

A sample is a row of P symbols; a symbol stands for the whole spike times of m afferents. Samples are kept as their
differences from the row that repeats the first symbol: the background, whose spikes all samples share and which is
added once. Where most fields hold the first symbol few differences are left. Two orders are needed. By time, for the
potential: kept, sample after sample. By afferent, for the gradient: read off the batch's transposed symbols, which
list its fields in order; line by line, one line for each of a field's m neurons, the bins of the differing fields
then stand in order of the afferents, so that nothing is sorted.

Shapes: B samples, P fields, O outputs, L lines, E differing fields of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tempotron_core.engine import bag_sum

__all__ = ["Batch", "SpikeStore"]

_CHUNK = 1000
_BUDGET = 2**30
_NO_SPIKES = torch.zeros(0, dtype=torch.int32)


class _Differences:
    """What each symbol does to the background's spikes: times [symbols, m] are whole, negative for none."""

    def __init__(self, times: torch.Tensor, fields: int, T: int) -> None:
        symbols, self.m = times.shape
        device = times.device
        at_rest = times[0]
        self.spiking = ((at_rest >= 0) & (at_rest < T)).nonzero().view(-1)
        self.rest_bins = at_rest[self.spiking].long()
        changed = times != at_rest
        added = torch.where(changed & (times >= 0) & (times < T), times, T)
        removed = torch.where(changed[:, self.spiking], at_rest[self.spiking], T)
        # Lines: m of added spikes, then one for each background spike of a field, where it is removed.
        bins = torch.cat((added, removed), dim=1).int()
        self.lines = bins.t().contiguous()  # [L, symbols]: the bin touched, T for none
        self.line_starts = torch.arange(len(self.lines), dtype=torch.int32, device=device).mul_(symbols).unsqueeze(1)
        touched = bins < T
        self.counts = touched.sum(1)
        self.first = self.counts.cumsum(0) - self.counts
        # Of each change, symbol after symbol: the neuron in its field, counted on by N where its spike is taken away.
        afferents = fields * self.m
        neurons = torch.cat((torch.arange(self.m, device=device), self.spiking + afferents))
        self.neuron = neurons.index_select(0, touched.nonzero()[:, 1])
        self.bin = bins[touched].long()


class Batch:
    """Spikes of B samples, whole times, as differences from the background; see engine.Arrivals.

    samples: int64 [B] on the device.
    """

    lag: torch.Tensor | None = None

    def __init__(
        self,
        code: _Differences,
        T: int,
        samples: torch.Tensor,
        fields: torch.Tensor,
        differing: int,
        afferent: torch.Tensor,
        counts: torch.Tensor,
    ) -> None:
        self.batch, self.T, self.samples = len(fields), T, samples
        self._code, self._fields, self._differing = code, fields, differing
        self._afferent, self._counts = afferent, counts

    def sum_by_bin(self, rows: torch.Tensor, share: torch.Tensor | None) -> torch.Tensor:
        """See engine.Arrivals."""
        code, outputs = self._code, rows.shape[1]
        offsets = torch.zeros(self._counts.numel() + 1, dtype=torch.int32, device=rows.device)
        torch.cumsum(self._counts.view(-1), 0, dtype=torch.int32, out=offsets[1:])
        sums = bag_sum(torch.cat((rows, -rows)), self._afferent, offsets).view(self.batch, self.T, outputs)
        rest = rows.view(-1, code.m, outputs).index_select(1, code.spiking).sum(0)
        background = torch.zeros(self.T, outputs, dtype=rows.dtype, device=rows.device)
        return sums + background.index_add_(0, code.rest_bins, rest)

    def sum_by_afferent(self, rows: torch.Tensor, share: torch.Tensor | None) -> torch.Tensor:
        """See engine.Arrivals."""
        code, outputs = self._code, rows.shape[1]
        number = self._fields.shape[1]
        fields = self._fields.t().contiguous().view(-1)
        where = _nonzero(fields, self._differing)
        symbol = fields.index_select(0, where).int()
        lines = (
            code.lines.view(-1).index_select(0, (code.line_starts + symbol).view(-1)).view(len(code.lines), len(symbol))
        )
        lines += where.int().remainder_(self.batch).mul_(self.T + 1)
        ends = fields.view(number, self.batch).count_nonzero(1).cumsum(0)
        starts = torch.arange(len(lines), device=rows.device).unsqueeze(1) * self._differing
        offsets = torch.zeros(starts.numel() * number + 1, dtype=torch.int32, device=rows.device)
        offsets[1:] = (starts + ends).view(-1)
        sums = bag_sum(rows, lines.view(-1), offsets).view(len(lines), number, outputs)
        shared = rows.view(self.batch, self.T + 1, outputs).sum(0).index_select(0, code.rest_bins)
        sums[: code.m].index_add_(0, code.spiking, shared.unsqueeze(1) - sums[code.m :])
        return sums[: code.m].transpose(0, 1).reshape(-1, outputs)


class SpikeStore:
    """The spikes of a data set; draw batches once fill() has been run through.

    table: whole times in ms, negative for none, [symbols, m]; symbols: uint8 [samples, P] on the table's device;
    T: steps of the grid; budget: bytes. Memory beside the symbols: 4 bytes a spike of the differences, 2 a bin of a
    sample. Where the differences would exceed the budget nothing is kept, and each batch is encoded when it is drawn.
    """

    def __init__(self, table: torch.Tensor, symbols: torch.Tensor, T: int, budget: int = _BUDGET) -> None:
        self.T = T
        self._symbols = symbols
        self._code = _Differences(table, symbols.shape[1], T)
        self._afferents = symbols.shape[1] * self._code.m
        self._parts: list[torch.Tensor] = []
        self._starts: list[int] = []
        self._sizes: list[int] = []
        self._differing = symbols.count_nonzero(1).tolist()
        self._counts = torch.zeros(0, T, dtype=torch.int16 if 2 * self._afferents < 2**15 else torch.int32)
        self.streams = 4 * self._differences() > budget

    def __len__(self) -> int:
        return len(self._symbols)

    def fill(self) -> Iterator[int]:
        """Encode the samples part by part; yields the number of samples done."""
        counts = []
        for part in () if self.streams else self._symbols.split(_CHUNK):
            afferent, arriving = self._arrange(part)
            self._parts.append(afferent)
            counts.append(arriving)
            sizes = arriving.sum(1)
            self._starts += (sizes.cumsum(0) - sizes).tolist()
            self._sizes += sizes.tolist()
            yield len(self._sizes)
        if counts:
            self._counts = torch.cat(counts)
        else:
            yield len(self)

    def batch(self, samples: torch.Tensor) -> Batch:
        """The spikes of those samples: int64 indices [B], on the host, so that no size has to be waited for."""
        which = samples.tolist()
        chosen = _upload(samples, self._symbols.device)
        fields = self._symbols.index_select(0, chosen)
        differing = sum(self._differing[i] for i in which)
        if self.streams:
            afferent, counts = self._arrange(fields)
        else:
            kept = [self._parts[i // _CHUNK].narrow(0, self._starts[i], self._sizes[i]) for i in which]
            afferent, counts = torch.cat(kept or [_NO_SPIKES]), self._counts.index_select(0, chosen)
        return Batch(self._code, self.T, chosen, fields, differing, afferent, counts)

    def _differences(self) -> int:
        values = len(self._code.counts)
        seen = torch.zeros(values, dtype=torch.int64, device=self._symbols.device)
        for part in self._symbols.split(_CHUNK):
            seen += torch.bincount(part.reshape(-1), minlength=values)
        return int((seen * self._code.counts).sum())

    def _arrange(self, symbols: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Differences of samples [B, P] in order of (sample, bin), int32 [E], and their number in each bin [B, T].

        Afferent N + i stands for a spike of afferent i taken away.
        """
        code, device = self._code, symbols.device
        sample, field = symbols.nonzero(as_tuple=True)
        symbol = symbols[sample, field].int()
        changes = code.counts.index_select(0, symbol)
        ends = changes.cumsum(0)
        total = int(ends[-1]) if len(ends) else 0
        shift = code.first.index_select(0, symbol) - ends + changes
        which = torch.arange(total, device=device) + shift.repeat_interleave(changes, output_size=total)
        afferent = (field * code.m).repeat_interleave(changes, output_size=total)
        afferent += code.neuron.index_select(0, which)
        bins = (sample * self.T).repeat_interleave(changes, output_size=total)
        bins += code.bin.index_select(0, which)
        bins, order = torch.sort(bins, stable=True)
        counts = torch.bincount(bins, minlength=len(symbols) * self.T).view(len(symbols), self.T)
        return afferent.int().index_select(0, order), counts.to(self._counts.dtype)


def _nonzero(flat: torch.Tensor, size: int) -> torch.Tensor:
    """Where a vector is not zero, in order; size: the number of such places, so that no host need wait for it."""
    return flat.nonzero().view(-1) if flat.is_cpu else torch.nonzero_static(flat, size=size).view(-1)


def _upload(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    return values if device.type == "cpu" else values.pin_memory().to(device, non_blocking=True)
