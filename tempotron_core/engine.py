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


@dataclass(frozen=True)
class Spikes:
    """Spikes of B samples on a grid of T steps, ordered by (sample, bin).

    afferent: int32 [E]; offsets: int32 [B*T + 1], where the spikes of bin s of sample b lie between
    offsets[b*T + s] and the next one; lag: [E] in ms, from the spike to its bin, None where all times are whole.
    """

    afferent: torch.Tensor
    offsets: torch.Tensor
    lag: torch.Tensor | None
    batch: int
    T: int

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
    ordered, order = torch.sort(segment.int() if batch * T < 2**31 else segment, stable=True)
    return Spikes(
        afferent=afferent.int().index_select(0, order),
        offsets=_offsets(ordered, batch * T),
        lag=lag.index_select(0, order) if bool(lag.any()) else None,
        batch=batch,
        T=T,
    )


class SpikeStore:
    """The whole-time spikes of a data set, kept once in bin order so that batches need no sorting.

    Build with `add` (chunks in sample order), then draw with `batch`. Memory: 4 bytes a spike and a bin of a sample.
    """

    def __init__(self, T: int) -> None:
        self.T = T
        self._afferents: list[torch.Tensor] = []
        self._counts: list[torch.Tensor] = []
        self._starts = torch.zeros(1, dtype=torch.int64)

    def add(self, times: torch.Tensor) -> None:
        """Append samples given as whole spike times [B, N]."""
        spikes = bin_spikes(times, self.T)
        counts = spikes.offsets.diff().view(spikes.batch, self.T)
        ends = counts.sum(1).cpu().cumsum(0) + self._starts[-1]
        self._afferents.append(spikes.afferent)
        self._counts.append(counts)
        self._starts = torch.cat((self._starts, ends))

    def __len__(self) -> int:
        return self._starts.numel() - 1

    def batch(self, samples: torch.Tensor) -> Spikes:
        """The spikes of those samples: int64 indices [B], on the host, so that sizes are known without waiting."""
        afferent, counts = self._join()
        device = afferent.device
        first = self._starts[samples]
        sizes = self._starts[samples + 1] - first
        total = int(sizes.sum())
        rows = counts[samples.to(device)]
        offsets = torch.zeros(samples.numel() * self.T + 1, dtype=torch.int32, device=device)
        torch.cumsum(rows.view(-1), 0, dtype=torch.int32, out=offsets[1:])
        shift = (first - sizes.cumsum(0) + sizes).to(device)
        where = torch.arange(total, device=device)
        where += shift.repeat_interleave(sizes.to(device), output_size=total)
        return Spikes(afferent.index_select(0, where), offsets, None, samples.numel(), self.T)

    def slice(self, start: int, end: int) -> Spikes:
        """The spikes of samples start ... end-1, without copying their afferents."""
        afferent, counts = self._join()
        first, last = int(self._starts[start]), int(self._starts[end])
        offsets = torch.zeros((end - start) * self.T + 1, dtype=torch.int32, device=afferent.device)
        torch.cumsum(counts[start:end].view(-1), 0, dtype=torch.int32, out=offsets[1:])
        return Spikes(afferent[first:last], offsets, None, end - start, self.T)

    def _join(self) -> tuple[torch.Tensor, torch.Tensor]:
        if len(self._afferents) > 1:
            self._afferents = [torch.cat(self._afferents)]
            self._counts = [torch.cat(self._counts)]
        return self._afferents[0], self._counts[0]


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
        v = _by_time(_bag_sum(rows, spikes.afferent, spikes.offsets, onset), spikes) @ to_peak
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
        afferent, order = torch.sort(spikes.afferent, stable=True)
        segment, offsets = spikes.segments().index_select(0, order), _offsets(afferent, ctx.afferents)

        def gathered(grad_bin: torch.Tensor, share: torch.Tensor | None) -> torch.Tensor:
            by_bin = grad_bin.view(batch, outputs, T).transpose(1, 2).reshape(batch * T, outputs)
            return _bag_sum(by_bin, segment, offsets, None if share is None else share[order])

        grad = gathered(grad_v @ to_peak.t(), onset)
        if rise is not None:
            grad += gathered(grad_v @ to_decay.t(), rise)
        return grad.t(), None, None


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
