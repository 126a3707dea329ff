"""Event-driven membrane potential: spikes to time bins to potential, and the gradient with respect to the weights.

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
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag, pad

__all__ = [
    "BinnedSpikes",
    "Kernel",
    "SpikeEvents",
    "bin_spikes",
    "gradient_at",
    "grid_response",
    "onset_at",
    "peak",
    "potential",
    "segment_sum",
]

_BLOCK = 100


class SpikeEvents(Protocol):
    """Interface: the spikes of a batch on a grid of T steps, whatever their storage."""

    @property
    def batch(self) -> int:
        """Return the number of samples, B."""

    @property
    def T(self) -> int:
        """Return the number of steps of the grid."""

    @property
    def bin_offset_ms(self) -> torch.Tensor | None:
        """Return the time from each spike to its bin in ms [E], None where all times are whole."""

    def sum_by_bin(self, rows: torch.Tensor, spike_weight: torch.Tensor | None) -> torch.Tensor:
        """Return the sums [B, T, O] of rows [N, O] over the spikes of each bin, weighted by spike_weight [E]."""

    def sum_by_afferent(self, rows: torch.Tensor, spike_weight: torch.Tensor | None) -> torch.Tensor:
        """Return the sums [N, O] over each afferent's spikes of their bins' rows [B*(T+1), O]; a sample's last is 0."""


@dataclass(frozen=True, eq=False)
class BinnedSpikes:
    """Spikes of B samples on a grid of T steps, ordered by (bin, sample).

    Attributes:
        afferent: int32 [E]
        offsets: int32 [T*B + 1]; the spikes of sample b in bin s lie between offsets[s*B + b] and the next one
        rows: int32 [E], the row b*(T+1) + s of each spike's bin
        bin_offset_ms: [E], time from the spike to its bin in ms, None where all times are whole
    """

    afferent: torch.Tensor
    offsets: torch.Tensor
    rows: torch.Tensor
    bin_offset_ms: torch.Tensor | None
    batch: int
    T: int
    features: int

    def sum_by_bin(self, rows: torch.Tensor, spike_weight: torch.Tensor | None) -> torch.Tensor:
        """Return the sums per bin, see SpikeEvents."""
        sums = segment_sum(rows, self.afferent, self.offsets, spike_weight)
        return sums.view(self.T, self.batch, rows.shape[1]).transpose(0, 1)

    def sum_by_afferent(self, rows: torch.Tensor, spike_weight: torch.Tensor | None) -> torch.Tensor:
        """Return the sums per afferent, see SpikeEvents."""
        order, bins, offsets = self._by_afferent
        return segment_sum(rows, bins, offsets, None if spike_weight is None else spike_weight.index_select(0, order))

    @cached_property
    def _by_afferent(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        order = _stable_argsort(self.afferent, self.features)
        offsets = _segment_offsets(torch.bincount(self.afferent, minlength=self.features))
        return order, self.rows.index_select(0, order), offsets


def bin_spikes(times: torch.Tensor, T: int) -> BinnedSpikes:
    """Bin the spikes of real times [B, N] (ms, negative: no spike) on the grid 0 ... T-1.

    The size of the result depends on the number of spikes: on an accelerator the host waits for it here, and nowhere
    later.
    """
    batch, features = times.shape
    device, count = times.device, torch.int32 if times.numel() < 2**31 else torch.int64
    times = times.reshape(-1)
    indices = _spike_indices(times)
    spike_times = times.index_select(0, indices)
    if len(indices) and float(spike_times.max()) > T - 1:
        on_grid = spike_times <= T - 1
        indices, spike_times = indices[on_grid], spike_times[on_grid]
    arrival = spike_times.ceil()
    offset_ms = None if torch.equal(arrival, spike_times) else arrival - spike_times
    bins = arrival.int()
    starts = torch.searchsorted(indices, torch.arange(batch + 1, device=device) * features)
    samples = torch.arange(batch, dtype=count, device=device)
    samples = samples.repeat_interleave(starts.diff(), output_size=len(indices))
    afferent = indices.to(count).sub_(samples * features).int()
    rows = samples.mul_(T + 1).add_(bins).int()
    order = _stable_argsort(bins, T)
    per_bin = torch.bincount(rows, minlength=batch * (T + 1)).view(batch, T + 1)[:, :T]
    return BinnedSpikes(
        afferent.index_select(0, order),
        _segment_offsets(per_bin.t().reshape(-1)),
        rows.index_select(0, order),
        None if offset_ms is None else offset_ms.index_select(0, order),
        batch,
        T,
        features,
    )


def _spike_indices(times: torch.Tensor) -> torch.Tensor:
    """Return the indices of the spikes in a vector of times. On the CPU numpy takes a third of torch's time."""
    if times.is_cpu and times.dtype != torch.bfloat16:
        return torch.from_numpy(np.flatnonzero(times.numpy() >= 0))
    return (times >= 0).nonzero().view(-1)


def _stable_argsort(keys: torch.Tensor, bound: int) -> torch.Tensor:
    """Return the stable order of int32 keys in [0, bound); short keys are sorted in half the time."""
    dtype = torch.uint8 if bound <= 2**8 else torch.int16 if bound <= 2**15 else torch.int32
    return torch.sort(keys.to(dtype), stable=True).indices


@dataclass(frozen=True)
class Kernel:
    """Postsynaptic potential whose peak equals v_threshold. Times in ms."""

    tau: float
    tau_s: float
    v_threshold: float

    @property
    def slow(self) -> float:
        """Return the longer time constant; K does not depend on the order of the two."""
        return max(self.tau, self.tau_s)

    @property
    def fast(self) -> float:
        """Return the shorter time constant."""
        return min(self.tau, self.tau_s)

    @property
    def time_to_peak(self) -> float:
        """Return the time s* from a spike to the peak of K."""
        return self.slow * self.fast * math.log(self.slow / self.fast) / (self.slow - self.fast)

    @property
    def scale(self) -> float:
        """Return V0 for the slow exponential as the first term."""
        return self.v_threshold / (math.exp(-self.time_to_peak / self.slow) - math.exp(-self.time_to_peak / self.fast))

    def __call__(self, s: torch.Tensor) -> torch.Tensor:
        """Return K(s) in float64, 0 for negative s; expm1 keeps it exact where s or tau - tau_s is small."""
        s = s.double().clamp(min=0)
        return torch.exp(-s / self.slow) * torch.expm1(-s * self.difference) * -self.scale

    @property
    def difference(self) -> float:
        """Return 1/tau_fast - 1/tau_slow."""
        return (self.slow - self.fast) / self.slow / self.fast

    def decay_and_rise(self, delay: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return exp(-delay/tau_slow) and K(delay) in the precision of the delays, which are at least 0."""
        decay = torch.exp(delay / -self.slow)
        return decay, torch.expm1(delay * -self.difference).mul_(decay).mul_(-self.scale)


def potential(weight: torch.Tensor, spikes: SpikeEvents, kernel: Kernel) -> torch.Tensor:
    """Return the membrane potentials [B, O, T] of weights [O, N]; differentiable once with respect to the weights."""
    v: torch.Tensor = _Potential.apply(weight, spikes, kernel)
    return v


def peak(weight: torch.Tensor, spikes: SpikeEvents, kernel: Kernel) -> torch.Tensor:
    """Return the peak potentials [B, O]; their gradient is the tempotron rule, d v_max/d w_i = K(t_max - t_i)."""
    v_max: torch.Tensor = _Peak.apply(weight, spikes, kernel)
    return v_max


class _Potential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, spikes: SpikeEvents, kernel: Kernel) -> torch.Tensor:
        ctx.spikes, ctx.kernel = spikes, kernel
        return _potential_forward(weight, spikes, kernel)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_v: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        grad_v = grad_v.contiguous()
        flat = grad_v.view(grad_v.shape[0] * grad_v.shape[1], ctx.spikes.T)
        return _gradient(ctx.spikes, ctx.kernel, grad_v, lambda table: flat @ table), None, None


class _Peak(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, spikes: SpikeEvents, kernel: Kernel) -> torch.Tensor:
        ctx.spikes, ctx.kernel = spikes, kernel
        v_max, t_max = _potential_forward(weight, spikes, kernel).max(dim=-1)
        ctx.t_max = t_max.view(-1)
        return v_max

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_peak: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        grad_by_peak, t_max = grad_peak.reshape(-1, 1), ctx.t_max
        grad = _gradient(
            ctx.spikes, ctx.kernel, grad_peak, lambda table: table.index_select(0, t_max).mul_(grad_by_peak)
        )
        return grad, None, None


def _potential_forward(weight: torch.Tensor, spikes: SpikeEvents, kernel: Kernel) -> torch.Tensor:
    rows = weight.detach().t().contiguous()
    batch, outputs, T = spikes.batch, weight.shape[0], spikes.T
    onset, rise = _offset_weights(spikes.bin_offset_ms, kernel, weight.dtype)

    def by_output(sums: torch.Tensor) -> torch.Tensor:
        return sums.transpose(1, 2).reshape(batch * outputs, T)

    v = _convolve(by_output(spikes.sum_by_bin(rows, onset)), kernel)
    if rise is not None:
        v += _convolve(by_output(spikes.sum_by_bin(rows, rise)), kernel, decay=True)
    return v.view(batch, outputs, T)


def grid_response(weight: torch.Tensor, spikes: SpikeEvents, kernel: Kernel) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sums of the weights that arrive on the grid, [B*O, T], and V at 0, 1, ... T, [B*O, T + 1].

    The spikes must lie at whole times.
    """
    batch, outputs, T = spikes.batch, weight.shape[0], spikes.T
    sums = spikes.sum_by_bin(weight.detach().t().contiguous(), None).transpose(1, 2).reshape(batch * outputs, T)
    if T < 2 * _BLOCK:
        return sums, sums @ _kernel_tables(kernel, T + 1, sums.dtype, sums.device)[0][:T]
    return sums, _convolve(pad(sums, (0, 1)), kernel)


def onset_at(sums: torch.Tensor, kernel: Kernel, step: torch.Tensor) -> torch.Tensor:
    """Return Y = sum w_i exp(-(t - t_i)/tau_fast) at grid times t = step [R] from the sums [R, T] that arrive.

    Until the next arrival V(t + u) = exp(-u/tau_slow) V(t) + K(u) Y(t).
    """
    to_decay = _kernel_tables_backward(kernel, sums.shape[1], sums.dtype, sums.device)[1]
    return (to_decay.index_select(0, step)[:, :-1] * sums).sum(dim=1)


def gradient_at(
    spikes: SpikeEvents, kernel: Kernel, factor: torch.Tensor, step: torch.Tensor, delay: torch.Tensor
) -> torch.Tensor:
    """Return the gradient [O, N] of the potentials at the times step + delay, without arrivals after the step.

    Args:
        spikes: spikes at whole times
        kernel: postsynaptic potential
        factor: gradient of a loss with respect to each potential, [B, O]
        step: int64 [B, O] in [0, T)
        delay: ms from 0 on, [B, O]
    """
    decay, rise = (part.mul_(factor).view(-1, 1) for part in kernel.decay_and_rise(delay.to(factor.dtype)))
    to_peak, to_decay = _kernel_tables_backward(kernel, spikes.T, factor.dtype, factor.device)
    batch, outputs, bins = spikes.batch, factor.shape[1], spikes.T + 1
    index = step.reshape(-1)
    grad = to_peak.index_select(0, index).mul_(decay).addcmul_(to_decay.index_select(0, index), rise)
    by_bin = grad.view(batch, outputs, bins).transpose(1, 2).reshape(batch * bins, outputs)
    return spikes.sum_by_afferent(by_bin, None).t()


def _convolve(sums: torch.Tensor, kernel: Kernel, decay: bool = False) -> torch.Tensor:
    """Return the response [R, T] to sums that arrive on the grid [R, T], through K or through exp(-u/tau_fast).

    A long window is processed in blocks, so that the work grows with T and not with its square. The state before a
    block that follows on t0 contributes exp(-u/tau_slow) V(t0) + K(u) Y(t0), u = t - t0; the fast exponential Y(t) =
    sum exp(-(t - s)/tau_fast) U(s) decays to exp(-u/tau_fast) Y(t0).
    """
    T = sums.shape[1]
    block = T if T <= 2 * _BLOCK else _BLOCK
    to_peak, to_decay = _kernel_tables(kernel, block, sums.dtype, sums.device)
    if block == T:
        return sums @ (to_decay if decay else to_peak)
    slow, peak, fast = _block_carry_tables(kernel, block, sums.dtype, sums.device)
    response = torch.empty_like(sums)
    v = y = sums.new_zeros(len(sums), 1)
    for part, out in zip(sums.split(block, dim=1), response.split(block, dim=1), strict=True):
        size = part.shape[1]
        if decay:
            torch.addmm(y * fast[:size], part, to_decay[:size, :size], out=out)
            y = out[:, -1:]
        else:
            torch.addmm(v * slow[:size] + y * peak[:size], part, to_peak[:size, :size], out=out)
            v, y = out[:, -1:], torch.addmm(y * fast[size - 1], part, to_decay[:size, size - 1 : size])
    return response


def _gradient(
    spikes: SpikeEvents,
    kernel: Kernel,
    grad_output: torch.Tensor,
    apply_backward: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Return the gradient [O, N]; apply_backward takes a table [T(t), T + 1(s)] to bin gradients [B*O, T + 1]."""
    batch, outputs, T = grad_output.shape[0], grad_output.shape[1], spikes.T
    onset, rise = _offset_weights(spikes.bin_offset_ms, kernel, grad_output.dtype)
    to_peak, to_decay = _kernel_tables_backward(kernel, T, grad_output.dtype, grad_output.device)

    def by_bin(grad: torch.Tensor) -> torch.Tensor:
        return grad.view(batch, outputs, T + 1).transpose(1, 2).reshape(batch * (T + 1), outputs)

    grad = spikes.sum_by_afferent(by_bin(apply_backward(to_peak)), onset)
    if rise is not None:
        grad += spikes.sum_by_afferent(by_bin(apply_backward(to_decay)), rise)
    return grad.t()


@lru_cache(maxsize=16)
def _kernel_tables(
    kernel: Kernel, T: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return K(t - s) and exp(-(t - s)/tau_fast) as tables [T(s), T(t)], 0 for t < s."""
    t = torch.arange(T, dtype=torch.float64)
    later = t - t.unsqueeze(1)
    decay = torch.exp(-later.clamp(min=0) / kernel.fast).triu()
    return kernel(later).to(device, dtype), decay.to(device, dtype)


@lru_cache(maxsize=16)
def _kernel_tables_backward(
    kernel: Kernel, T: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the transposed tables with one more bin without effect: [T(t), T + 1(s)]."""
    to_peak, to_decay = (pad(table.t(), (0, 1)) for table in _kernel_tables(kernel, T, dtype, device))
    return to_peak, to_decay


@lru_cache(maxsize=16)
def _block_carry_tables(
    kernel: Kernel, T: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return exp(-u/tau_slow), K(u) and exp(-u/tau_fast) at u = 1 ... T, each [T]."""
    u = torch.arange(1, T + 1, dtype=torch.float64)
    slow, peak, fast = torch.exp(-u / kernel.slow), kernel(u), torch.exp(-u / kernel.fast)
    return slow.to(device, dtype), peak.to(device, dtype), fast.to(device, dtype)


def segment_sum(
    rows: torch.Tensor, index: torch.Tensor, offsets: torch.Tensor, spike_weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the sums [segments, O] of rows [R, O]; segment k has the rows index[offsets[k]:offsets[k + 1]]."""
    # A single column may come with any stride, which would cost embedding_bag its fast path.
    rows = rows.reshape(-1).view(rows.shape)
    return embedding_bag(index, rows, offsets, mode="sum", per_sample_weights=spike_weight, include_last_offset=True)


def _offset_weights(
    offset_ms: torch.Tensor | None, kernel: Kernel, dtype: torch.dtype
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    if offset_ms is None:
        return None, None
    onset = torch.exp(-offset_ms.double() / kernel.slow)
    return onset.to(dtype), kernel(offset_ms).to(dtype)


def _segment_offsets(counts: torch.Tensor) -> torch.Tensor:
    """Return the start of each segment of these sizes, and the end of the last: int32 [segments + 1]."""
    offsets = torch.zeros(len(counts) + 1, dtype=torch.int32, device=counts.device)
    torch.cumsum(counts, 0, dtype=torch.int32, out=offsets[1:])
    return offsets
