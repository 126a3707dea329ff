"""The event-driven engine: spikes -> time bins -> membrane potential, and the gradient on the way back.

The potential V(t) = sum_i w_i K(t - t_i) is wanted on the grid t = 0 ... T-1 only. A spike at t_i enters the grid at
s = ceil(t_i), lag d = s - t_i in [0, 1), and for u = t - s >= 0 the normalised kernel obeys

    K(u + d) = exp(-d/tau) K(u) + exp(-u/tau_s) K(d)

so two gather-sums over the spikes, P(s) = sum w_i exp(-d_i/tau) and Q(s) = sum w_i K(d_i), followed by two [T, T]
products give V exactly, for any real times. Whole times have d = 0: P is the plain sum of weights and Q vanishes.
The work grows with the number of spikes; no array of [batch, afferents, T] exists. The gradient with respect to
the weights is a gather-sum again, over the same spikes grouped by afferent.

This module knows nothing of images, classes or losses. Shapes: B samples, N afferents, O outputs, E spikes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

__all__ = ["Kernel", "SpikeStore", "Spikes", "bin_spikes", "potential"]


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes of B samples on a grid of T steps, ordered by (sample, bin).

    afferent: int32 [E]; offsets: int32 [B*T + 1], where the spikes of bin s of sample b lie between
    offsets[b*T + s] and the next one; lag: [E] in ms, from the spike to its bin, None where all times are whole.
    background: spikes of one sample that every sample has beside these, or None. With a background, afferent N + i
    takes a spike of afferent i away again.
    """

    afferent: torch.Tensor
    offsets: torch.Tensor
    lag: torch.Tensor | None
    batch: int
    T: int
    background: Spikes | None = None

    def segments(self) -> torch.Tensor:
        """The flat bin b*T + s of every spike, int32 [E]."""
        bins = torch.arange(self.batch * self.T, dtype=torch.int32, device=self.offsets.device)
        return bins.repeat_interleave(self.offsets.diff(), output_size=self.afferent.numel())


def bin_spikes(times: torch.Tensor, T: int) -> Spikes:
    """Collect the spikes of real times [B, N] (ms, negative: no spike) that arrive on the grid 0 ... T-1.

    The number of spikes sizes the result, so on an accelerator the host waits for it once, here.
    """
    batch, features = times.shape
    times = times.contiguous().view(-1)
    flat = ((times >= 0) & (times <= T - 1)).nonzero().view(-1)
    spike_times = times.index_select(0, flat)
    bins = spike_times.ceil()
    lag = bins - spike_times
    afferent = flat.remainder(features) if features else flat
    segment = (flat - afferent).div_(max(features, 1), rounding_mode="floor").mul_(T).add_(bins.long())
    return _ordered(afferent.int(), segment, lag if bool(lag.any()) else None, batch, T)


def _ordered(afferent: torch.Tensor, segment: torch.Tensor, lag: torch.Tensor | None, batch: int, T: int) -> Spikes:
    ordered, order = torch.sort(segment.int() if batch * T < 2**31 else segment, stable=True)
    return Spikes(
        afferent.index_select(0, order),
        _offsets(ordered, batch * T),
        None if lag is None else lag.index_select(0, order),
        batch,
        T,
    )


class SpikeStore:
    """The spikes of a data set whose fields take few values, kept in bin order so that batches need no sorting.

    A sample is a row of P symbols; each symbol stands for the whole spike times of m afferents. The samples are
    stored as their differences from the row that repeats the first symbol: where most fields hold it, few are left.
    Memory: 4 bytes a spike of the difference, 2 a bin of a sample.

    table: whole times in ms, negative for none, [symbols, m]; fields: P; T: steps of the grid.
    """

    def __init__(self, table: torch.Tensor, fields: int, T: int) -> None:
        self.T = T
        self._m = table.shape[1]
        self._afferents = fields * self._m
        self._background = bin_spikes(table[:1].repeat(1, fields), T)
        differs = table != table[0]
        added = (differs & (table >= 0) & (table < T)).nonzero()
        removed = (differs & (table[0] >= 0) & (table[0] < T)).nonzero()
        symbol, order = torch.sort(torch.cat((added[:, 0], removed[:, 0])), stable=True)
        times = torch.cat((table[added[:, 0], added[:, 1]], table[0, removed[:, 1]])).long()
        self._changes = torch.bincount(symbol, minlength=len(table))
        self._first_change = self._changes.cumsum(0) - self._changes
        self._neuron = torch.cat((added[:, 1], removed[:, 1] + self._afferents))[order]
        self._bin = times[order]
        self._spikes: list[torch.Tensor] = []
        self._counts: list[torch.Tensor] = []
        self._starts = torch.zeros(1, dtype=torch.int64)

    def add(self, symbols: torch.Tensor) -> None:
        """Append samples: rows [B, P] of symbol numbers, uint8."""
        batch = len(symbols)
        sample, field = symbols.nonzero(as_tuple=True)
        symbol = symbols[sample, field].int()
        changes = self._changes.index_select(0, symbol)
        ends = changes.cumsum(0)
        total = int(ends[-1]) if len(ends) else 0
        shift = self._first_change.index_select(0, symbol) - ends + changes
        which = torch.arange(total, device=symbols.device) + shift.repeat_interleave(changes, output_size=total)
        afferent = (field * self._m).repeat_interleave(changes, output_size=total)
        afferent += self._neuron.index_select(0, which)
        segment = (sample * self.T).repeat_interleave(changes, output_size=total)
        segment += self._bin.index_select(0, which)
        spikes = _ordered(afferent.int(), segment, None, batch, self.T)
        counts = spikes.offsets.diff().view(batch, self.T)
        self._spikes.append(spikes.afferent)
        self._counts.append(counts.to(torch.int16 if self._afferents < 2**14 else torch.int32))
        self._starts = torch.cat((self._starts, counts.sum(1).cpu().cumsum(0) + self._starts[-1]))

    def __len__(self) -> int:
        return self._starts.numel() - 1

    def batch(self, samples: torch.Tensor) -> Spikes:
        """The spikes of those samples: int64 indices [B], on the host, so that sizes are known without waiting."""
        spikes, counts = self._join()
        device = spikes.device
        first = self._starts[samples]
        sizes = self._starts[samples + 1] - first
        total = int(sizes.sum())
        shift = (first - sizes.cumsum(0) + sizes).to(device)
        where = torch.arange(total, device=device)
        where += shift.repeat_interleave(sizes.to(device), output_size=total)
        return self._drawn(spikes.index_select(0, where), counts.index_select(0, samples.to(device)))

    def slice(self, start: int, end: int) -> Spikes:
        """The spikes of samples start ... end-1, without copying their afferents."""
        spikes, counts = self._join()
        return self._drawn(spikes[int(self._starts[start]) : int(self._starts[end])], counts[start:end])

    def _drawn(self, spikes: torch.Tensor, counts: torch.Tensor) -> Spikes:
        offsets = torch.zeros(counts.numel() + 1, dtype=torch.int32, device=spikes.device)
        torch.cumsum(counts.reshape(-1), 0, dtype=torch.int32, out=offsets[1:])
        return Spikes(spikes, offsets, None, len(counts), self.T, self._background)

    def _join(self) -> tuple[torch.Tensor, torch.Tensor]:
        if len(self._spikes) > 1:
            self._spikes = [torch.cat(self._spikes)]
            self._counts = [torch.cat(self._counts)]
        return self._spikes[0], self._counts[0]


@dataclass(frozen=True)
class Kernel:
    """The postsynaptic potential, scaled so that its peak equals v_threshold. Times in ms."""

    tau: float
    tau_s: float
    v_threshold: float

    @property
    def scale(self) -> float:
        """V0 of the normalised kernel, for time constants taken slow first (the normalised kernel is symmetric)."""
        slow, fast = max(self.tau, self.tau_s), min(self.tau, self.tau_s)
        peak = slow * fast * math.log(slow / fast) / (slow - fast)
        return self.v_threshold / (math.exp(-peak / slow) - math.exp(-peak / fast))

    def __call__(self, s: torch.Tensor) -> torch.Tensor:
        """K(s) in float64, 0 for negative s. Written with expm1, exact also where s or tau - tau_s is small."""
        slow, fast = max(self.tau, self.tau_s), min(self.tau, self.tau_s)
        s = s.double().clamp(min=0)
        return torch.exp(-s / slow) * torch.expm1(-s * ((slow - fast) / slow / fast)) * -self.scale


@lru_cache(maxsize=16)
def _grid(kernel: Kernel, T: int, dtype: torch.dtype, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """[T(s), T(t)]: K(t - s) and exp(-(t - s)/tau_fast), both 0 for t < s."""
    t = torch.arange(T, dtype=torch.float64)
    later = t - t.unsqueeze(1)
    decay = torch.exp(-later.clamp(min=0) / min(kernel.tau, kernel.tau_s)).triu()
    return kernel(later).to(device, dtype), decay.to(device, dtype)


def potential(weight: torch.Tensor, spikes: Spikes, kernel: Kernel) -> torch.Tensor:
    """Membrane potentials [B, O, T] of weights [O, N]; differentiable once with respect to the weights."""
    v: torch.Tensor = _Potential.apply(weight, spikes, kernel)
    return v


class _Potential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, spikes: Spikes, kernel: Kernel) -> torch.Tensor:
        ctx.spikes, ctx.kernel, ctx.afferents = spikes, kernel, weight.shape[1]
        rows = weight.detach().t().contiguous()
        to_peak, to_decay = _grid(kernel, spikes.T, weight.dtype, weight.device)
        onset, rise = _lag_weights(spikes.lag, kernel, weight.dtype)
        signed = rows if spikes.background is None else torch.cat((rows, -rows))
        sums = _by_time(_bag_sum(signed, spikes.afferent, spikes.offsets, onset), spikes)
        if spikes.background is not None:
            common = _bag_sum(rows, spikes.background.afferent, spikes.background.offsets, None)
            sums = (sums.reshape(spikes.batch, -1) + common.t().reshape(-1)).view_as(sums)
        v = sums @ to_peak
        if rise is not None:
            v += _by_time(_bag_sum(rows, spikes.afferent, spikes.offsets, rise), spikes) @ to_decay
        return v.view(spikes.batch, weight.shape[0], spikes.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_v: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        spikes: Spikes = ctx.spikes
        batch, outputs, T = grad_v.shape
        to_peak, to_decay = _grid(ctx.kernel, T, grad_v.dtype, grad_v.device)
        onset, rise = _lag_weights(spikes.lag, ctx.kernel, grad_v.dtype)
        grad_v = grad_v.reshape(batch * outputs, T)

        def by_bin(grad_bin: torch.Tensor) -> torch.Tensor:
            return grad_bin.view(batch, outputs, T).transpose(1, 2).reshape(batch * T, outputs)

        grad_onset = by_bin(grad_v @ to_peak.t())
        if spikes.background is None:
            terms = [(grad_onset, onset)]
            if rise is not None:
                terms.append((by_bin(grad_v @ to_decay.t()), rise))
            grad = _by_afferent(spikes, ctx.afferents, terms)
        else:
            added, removed = _by_afferent(spikes, 2 * ctx.afferents, [(grad_onset, None)]).chunk(2)
            shared = grad_onset.view(batch, T, outputs).sum(0)
            _, segment, offsets = _regrouped_background(spikes.background, ctx.afferents)
            grad = _bag_sum(shared, segment, offsets, None) + added - removed
        return grad.t(), None, None


def _by_afferent(spikes: Spikes, afferents: int, terms: list[tuple[torch.Tensor, torch.Tensor | None]]) -> torch.Tensor:
    """Gather-sums over each afferent's spikes of the rows [B*T, O] of their bins, weighted: [afferents, O]."""
    order, segment, offsets = _regrouped(spikes, afferents)
    sums = [
        _bag_sum(rows, segment, offsets, None if share is None else share.index_select(0, order))
        for rows, share in terms
    ]
    return sums[0] if len(sums) == 1 else sums[0] + sums[1]


def _regrouped(spikes: Spikes, afferents: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The order of the spikes by afferent, their bins in that order, and where each afferent begins."""
    afferent, order = torch.sort(spikes.afferent, stable=True)
    return order, spikes.segments().index_select(0, order), _offsets(afferent, afferents)


_regrouped_background = lru_cache(maxsize=4)(_regrouped)


def _bag_sum(
    rows: torch.Tensor, index: torch.Tensor, offsets: torch.Tensor, share: torch.Tensor | None
) -> torch.Tensor:
    return embedding_bag(index, rows, offsets, mode="sum", per_sample_weights=share, include_last_offset=True)


def _by_time(sums: torch.Tensor, spikes: Spikes) -> torch.Tensor:
    """[B*T, O] -> [B*O, T]."""
    batch, outputs = spikes.batch, sums.shape[1]
    return sums.view(batch, spikes.T, outputs).transpose(1, 2).reshape(batch * outputs, spikes.T)


def _lag_weights(
    lag: torch.Tensor | None, kernel: Kernel, dtype: torch.dtype
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if lag is None:
        return None, None
    onset = torch.exp(-lag.double() / max(kernel.tau, kernel.tau_s))
    return onset.to(dtype), kernel(lag).to(dtype)


def _offsets(ordered: torch.Tensor, bags: int) -> torch.Tensor:
    """Where each of the bags 0 ... bags-1 begins in an ordered list of bag numbers, and the end: [bags + 1]."""
    edges = torch.arange(bags + 1, dtype=ordered.dtype, device=ordered.device)
    return torch.searchsorted(ordered, edges, out_int32=True)
