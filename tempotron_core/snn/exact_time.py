"""Exact peaks and threshold crossings of the membrane potential, and the response of a neuron after it has fired.

From an arrival or a grid time t on, until the next arrival, the potential is

    V(t + u) = A exp(-u/tau_slow) - B exp(-u/tau_fast) = exp(-u/tau_slow) V(t) + K(u) Y(t),

with B = V0 Y(t) and A = V(t) + B. The second form has no difference of large numbers where the time constants are
close. Its only stationary point is

    u* = s* - c log(1 + V/B),    V(t + u*) = v_threshold Y (1 + V/B)^(tau_slow/(tau_slow - tau_fast)),

c = tau_slow tau_fast/(tau_slow - tau_fast), s* the time to peak of K; it is a maximum where Y > 0. The peak over the
closed window [0, T] is the highest of V at arrivals, at T, and at each u* that lies before the next arrival. V first
reaches the threshold in a rising part, before u*, where it is concave.

Gradients: d v_max/d w_i = K(t_max - t_i), and by the implicit function theorem
d t_spike/d w_i = -K(t_spike - t_i)/V'(t_spike).

Shunting: arrivals at or after the first crossing have no effect; V goes on as A and B decay.

Shapes: B samples, N afferents, O outputs, J intervals. At whole times the intervals are the steps of the grid, so that
the same sums as for the grid are used; for real times they lie between the sorted arrivals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import threshold

from tempotron_core.snn import engine
from tempotron_core.snn.engine import Kernel, SpikeEvents
from tempotron_core.snn.sorted_spikes import SortedSpikes

__all__ = ["AFTER_SPIKE", "TIMES", "Mode", "crossing", "peak", "shunted_potential"]

TIMES = ("grid", "exact")
"""Where the potential is evaluated: at whole milliseconds from 0 to T - 1, or at every time from 0 to T."""

AFTER_SPIKE = ("continue", "shunt")
"""What a neuron does after it has fired: nothing else than before, or ignore all later arrivals."""

Spikes = SpikeEvents | SortedSpikes
_ROOT_STEPS = 16
_MAX_ERROR = 1e-6  # relative, of a power in the precision of the weights


class Mode(NamedTuple):
    """How a response is evaluated: time is one of TIMES, after_spike one of AFTER_SPIKE."""

    time: str = "grid"
    after_spike: str = "continue"


@dataclass(frozen=True, eq=False)
class _Intervals:
    """States at the start of each interval.

    Attributes:
        v, y: [B, O, J]
        start: ms, [J] or [B, 1, J]
        gap: duration in ms, 1.0 or [B, 1, J]
    """

    v: torch.Tensor
    y: torch.Tensor
    start: torch.Tensor
    gap: torch.Tensor | float
    kernel: Kernel
    T: int

    def at(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return V, Y and the start of the intervals with index [B, O]."""
        index = index.unsqueeze(-1)
        start = self.start.expand(*self.v.shape)
        v, y, start = (values.gather(2, index).squeeze(-1) for values in (self.v, self.y, start))
        return v, y, start


class _Located(NamedTuple):
    """A time [B, O] as an interval and the delay from its start, with the potential there."""

    v: torch.Tensor
    interval: torch.Tensor
    delay: torch.Tensor
    time: torch.Tensor


def peak(
    weight: torch.Tensor, spikes: Spikes, kernel: Kernel, mode: Mode
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the peaks and their times in ms, [B, O] each.

    The peak is differentiable once with respect to the weights [O, N], its time is not. Of equal peaks the earliest
    counts.
    """
    v_max, t_max = _Peak.apply(weight, spikes, kernel, mode)
    return v_max, t_max


def crossing(weight: torch.Tensor, spikes: Spikes, kernel: Kernel, time: str) -> torch.Tensor:
    """Return the first times [B, O] in ms at which V reaches the threshold, -1 where it does not.

    Exact times are differentiable once with respect to the weights [O, N]; the gradient is 0 where there is no crossing
    and where V touches the threshold with slope 0, where the time has no derivative. Times on the grid are constant
    almost everywhere and have no gradient.
    """
    t_spike: torch.Tensor = _Crossing.apply(weight, spikes, kernel, time)
    return t_spike


def shunted_potential(weight: torch.Tensor, spikes: SortedSpikes, kernel: Kernel, time: str) -> torch.Tensor:
    """Return the potentials [B, O, T] on the grid of neurons that ignore arrivals at or after their first crossing."""
    v: torch.Tensor = _ShuntedPotential.apply(weight, spikes, kernel, time)
    return v


class _Peak(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: torch.Tensor, spikes: Spikes, kernel: Kernel, mode: Mode
    ) -> tuple[torch.Tensor, torch.Tensor]:
        parts = _split(spikes, len(weight))
        located = [_locate_peak(part, _intervals(weight, part, kernel), mode) for part in parts]
        ctx.located, ctx.parts, ctx.kernel = located, parts, kernel
        v_max, t_max = (_concatenate([getattr(part, name) for part in located], weight) for name in ("v", "time"))
        ctx.mark_non_differentiable(t_max)
        return v_max, t_max

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_peak: torch.Tensor, _: object) -> tuple[torch.Tensor, None, None, None]:
        return _gradient(ctx.parts, ctx.located, ctx.kernel, grad_peak), None, None, None


class _Crossing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, spikes: Spikes, kernel: Kernel, time: str) -> torch.Tensor:
        parts = _split(spikes, len(weight))
        located, slopes = [], []
        for part in parts:
            intervals = _intervals(weight, part, kernel)
            has_fired, interval, step = _first_crossing(part, intervals, time)
            v, y, start = (value.double() for value in intervals.at(interval))
            if time == "grid":
                delay, slope = step - start, torch.zeros_like(v)
            else:
                delay = _rise_to_threshold(v, y, _gap_at(intervals, interval), kernel)
                slope = _slope(v, y, delay, kernel)
            located.append(_Located(v, interval, delay, torch.where(has_fired, start + delay, -1)))
            slopes.append(torch.where(has_fired, slope, 0))
        ctx.parts, ctx.located, ctx.kernel, ctx.slope = parts, located, kernel, torch.cat(slopes)
        t_spike = _concatenate([part.time for part in located], weight)
        if time == "grid":
            ctx.mark_non_differentiable(t_spike)
        return t_spike

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_time: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        factor = torch.where(ctx.slope > 0, -grad_time / ctx.slope, 0).to(grad_time.dtype)
        return _gradient(ctx.parts, ctx.located, ctx.kernel, factor), None, None, None


class _ShuntedPotential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, spikes: SortedSpikes, kernel: Kernel, time: str) -> torch.Tensor:
        parts, last, traces = list(spikes.split(len(weight))), [], []
        for part in parts:
            intervals = _intervals(weight, part, kernel)
            has_fired, interval, _ = _first_crossing(part, intervals, time)
            last.append(torch.where(has_fired, interval, part.time.shape[1] - 1))
            traces.append(_sample(part, intervals, last[-1]))
        ctx.parts, ctx.last, ctx.kernel = parts, last, kernel
        return torch.cat(traces).to(weight.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_v: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        grads, first = [], 0
        for part, last in zip(ctx.parts, ctx.last, strict=True):
            grid = torch.arange(part.T, dtype=torch.float64, device=grad_v.device).unsqueeze(1)
            effect = grad_v[first : first + len(part.time)].double() @ ctx.kernel(grid - part.time.unsqueeze(1))
            grads.append(part.sum_by_afferent(effect, last))
            first += len(part.time)
        return torch.stack(grads).sum(0).to(grad_v.dtype), None, None, None


def _split(spikes: Spikes, outputs: int) -> list[Any]:
    return list(spikes.split(outputs)) if isinstance(spikes, SortedSpikes) else [spikes]


def _concatenate(parts: list[torch.Tensor], weight: torch.Tensor) -> torch.Tensor:
    return (parts[0] if len(parts) == 1 else torch.cat(parts)).to(weight.dtype)


def _gradient(parts: list[Any], located: list[_Located], kernel: Kernel, factor: torch.Tensor) -> torch.Tensor:
    """Return the gradient [O, N] of the sum of the located potentials times factor [B, O]."""
    if len(parts) == 1 and not isinstance(parts[0], SortedSpikes):
        return engine.gradient_at(parts[0], kernel, factor, located[0].interval, located[0].delay)
    factors = factor.split([len(part.time) for part in parts])
    grads = [
        part.gradient_at(kernel, share, at.interval, at.delay)
        for part, at, share in zip(parts, located, factors, strict=True)
    ]
    return torch.stack(grads).sum(0).to(factor.dtype)


def _intervals(weight: torch.Tensor, spikes: Spikes, kernel: Kernel) -> _Intervals:
    if isinstance(spikes, SortedSpikes):
        v, y = spikes.states(weight, kernel)
        return _Intervals(v, y, spikes.time.unsqueeze(1), spikes.gap.unsqueeze(1), kernel, spikes.T)
    v, y = engine.grid_states(weight, spikes, kernel)
    return _Intervals(v, y, torch.arange(spikes.T, dtype=v.dtype, device=v.device), 1.0, kernel, spikes.T)


def _locate_peak(spikes: Spikes, intervals: _Intervals, mode: Mode) -> _Located:
    if mode.time == "exact":
        highest = _highest_within(intervals)
        located = _locate_exact_peak(intervals, highest)
        if mode.after_spike == "continue":
            return located
        has_fired, interval, _ = _first_crossing(spikes, intervals, mode.time, highest)
    else:
        assert mode.after_spike == "shunt"  # the grid without shunting is engine.peak
        has_fired, interval, first_step = _first_crossing(spikes, intervals, mode.time)
        located = _locate_grid_peak(spikes, intervals)
    # The rest of a shunted response is one interval, from that of the crossing to the end of the window.
    v, y, start = intervals.at(interval)
    delay = _stationary_delay(v, y, intervals.kernel)
    if mode.time == "exact":
        limit = intervals.T - start
        delay = torch.where(delay < limit, delay, limit).clamp(min=0)
        value = _potential(v, y, delay, intervals.kernel)
    else:
        last = torch.full_like(start, intervals.T - 1)
        below = torch.where(delay < last - start, (start + delay).floor(), last)
        below = torch.maximum(below, first_step.to(start.dtype)).clamp(max=intervals.T - 1)
        above = torch.minimum(below + 1, last)
        values = [_potential(v, y, time - start, intervals.kernel) for time in (below, above)]
        is_above = values[1] > values[0]
        value, delay = torch.where(is_above, values[1], values[0]), torch.where(is_above, above, below) - start
    return _Located(
        torch.where(has_fired, value, located.v),
        torch.where(has_fired, interval, located.interval),
        torch.where(has_fired, delay, located.delay),
        torch.where(has_fired, start + delay, located.time),
    )


def _highest_within(intervals: _Intervals) -> torch.Tensor:
    """Return the highest potential of each interval without its end where it is above 0, [B, O, J].

    Where none is above 0 the value is at most 0, the potential at the start of the window. With rho = 1 + V/B,
    0 < u* < gap means tau_slow/tau_fast > rho > tau_slow/tau_fast exp(-gap/c). A larger rho means that V falls from the
    start on; the formula at the bound is then below V at the start. A smaller one means that V rises to the end.
    """
    kernel, v, y = intervals.kernel, intervals.v, intervals.y
    power, bound = kernel.slow / (kernel.slow - kernel.fast), kernel.slow / kernel.fast
    difference = (kernel.slow - kernel.fast) / kernel.slow / kernel.fast
    if power * torch.finfo(v.dtype).eps > _MAX_ERROR:
        v, y = v.double(), y.double()
    rho = (v / (y + torch.finfo(y.dtype).tiny)).mul_(1 / kernel.scale).add_(1)  # tiny: not 0/0 before the first arrival
    if isinstance(intervals.gap, torch.Tensor):
        rho = torch.where(rho > bound * torch.exp(intervals.gap * -difference), rho, 0)
    else:
        rho = threshold(rho, bound * math.exp(-intervals.gap * difference), 0, inplace=True)
    top = rho.clamp_(max=bound).pow_(power).mul_(y).mul_(kernel.v_threshold)
    return torch.maximum(top.to(intervals.v.dtype), intervals.v)  # without minima, where Y < 0


def _locate_exact_peak(intervals: _Intervals, highest: torch.Tensor) -> _Located:
    value, interval = highest.max(dim=-1)
    v, y, start = intervals.at(interval)
    delay = torch.where(value > v, _stationary_delay(v, y, intervals.kernel), 0)
    at_end, end_delay = _at_end(intervals)
    is_at_end = at_end > value
    return _Located(
        torch.where(is_at_end, at_end, value),
        torch.where(is_at_end, highest.shape[-1] - 1, interval),
        torch.where(is_at_end, end_delay, delay),
        torch.where(is_at_end, intervals.T, start + delay),
    )


def _locate_grid_peak(spikes: Spikes, intervals: _Intervals) -> _Located:
    if isinstance(spikes, SortedSpikes):
        everything = torch.full(intervals.v.shape[:2], intervals.v.shape[2] - 1, device=intervals.v.device)
        value, step = _sample(spikes, intervals, everything).max(dim=-1)
        interval = spikes.entry_before().gather(1, step)
        time = step.to(value.dtype)
        return _Located(value, interval, time - intervals.at(interval)[2], time)
    value, step = intervals.v.max(dim=-1)
    return _Located(value, step, torch.zeros_like(value), step.to(value.dtype))


def _first_crossing(
    spikes: Spikes, intervals: _Intervals, time: str, highest: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return whether V reaches the threshold, the interval in which it first does, and the grid step; [B, O] each.

    An interval includes its end and not its start, so that an arrival at the crossing belongs to a later one. The step
    has a meaning for the grid only.
    """
    threshold = intervals.kernel.v_threshold
    if time == "grid":
        v = intervals.v
        if isinstance(spikes, SortedSpikes):
            everything = torch.full(v.shape[:2], v.shape[2] - 1, device=v.device)
            v = _sample(spikes, intervals, everything)
        reached, step = _first_true(v >= threshold)
        if isinstance(spikes, SortedSpikes):
            return reached, spikes.entry_before().gather(1, step), step
        return reached, (step - 1).clamp(min=0), step
    highest = _highest_within(intervals) if highest is None else highest
    reached, interval = _first_true(highest >= threshold)
    already = intervals.v.gather(2, interval.unsqueeze(-1)).squeeze(-1) >= threshold
    interval = (interval - already.long()).clamp(min=0)
    last = torch.full_like(interval, highest.shape[-1] - 1)
    return reached | (_at_end(intervals)[0] >= threshold), torch.where(reached, interval, last), interval


def _first_true(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return whether a row [..., J] has a true element, and the index of the first; 0 without."""
    found, index = mask.to(torch.uint8).max(dim=-1)
    return found.bool(), index


def _sample(spikes: SortedSpikes, intervals: _Intervals, last: torch.Tensor) -> torch.Tensor:
    """Return the potentials [B, O, T] on the grid, without arrivals after the entries last [B, O]."""
    entry = torch.minimum(spikes.entry_before().unsqueeze(1), last.unsqueeze(-1))
    v, y = intervals.v.gather(2, entry), intervals.y.gather(2, entry)
    grid = torch.arange(spikes.T, dtype=torch.float64, device=v.device)
    start = spikes.time.unsqueeze(1).expand(-1, entry.shape[1], -1).gather(2, entry)
    return _potential(v, y, grid - start, intervals.kernel)


def _at_end(intervals: _Intervals) -> tuple[torch.Tensor, torch.Tensor]:
    """Return V(T) [B, O], and the time from the start of the last interval to T."""
    delay = (intervals.T - intervals.start[..., -1]).expand(intervals.v.shape[:2])
    return _potential(intervals.v[..., -1], intervals.y[..., -1], delay, intervals.kernel), delay


def _gap_at(intervals: _Intervals, interval: torch.Tensor) -> torch.Tensor:
    if not isinstance(intervals.gap, torch.Tensor):
        return torch.full_like(interval, intervals.gap, dtype=torch.float64)
    return intervals.gap.expand(*intervals.v.shape).gather(2, interval.unsqueeze(-1)).squeeze(-1)


def _potential(v: torch.Tensor, y: torch.Tensor, delay: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return V after a delay in ms from states of the same shape."""
    difference = (kernel.slow - kernel.fast) / kernel.slow / kernel.fast
    return torch.exp(delay / -kernel.slow) * (v - y * kernel.scale * torch.expm1(delay * -difference))


def _slope(v: torch.Tensor, y: torch.Tensor, delay: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return V' after a delay in ms."""
    difference = (kernel.slow - kernel.fast) / kernel.slow / kernel.fast
    onset = y * (kernel.scale * difference) * torch.exp(delay / -kernel.fast)
    return onset - _potential(v, y, delay, kernel) / kernel.slow


def _stationary_delay(v: torch.Tensor, y: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return u*; NaN without a stationary point."""
    factor = kernel.slow * kernel.fast / (kernel.slow - kernel.fast)
    return kernel.time_to_peak - factor * torch.log1p(v * (1 / kernel.scale) / y)


def _rise_to_threshold(v: torch.Tensor, y: torch.Tensor, gap: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return the first delay at which V reaches the threshold within the gap, for float64 states below it.

    V is concave while it rises, and close to a parabola near its peak. So each step solves the parabola with value,
    slope and curvature of V, and halves the bracket where that leaves it. The number of steps is fixed: the host need
    not wait for a device.
    """
    stationary = _stationary_delay(v, y, kernel)
    low, high = torch.zeros_like(v), torch.where((stationary > 0) & (stationary < gap), stationary, gap)
    delay = low
    for _ in range(_ROOT_STEPS):
        value, slope = _potential(v, y, delay, kernel) - kernel.v_threshold, _slope(v, y, delay, kernel)
        onset = slope + (value + kernel.v_threshold) / kernel.slow
        curvature = -slope / kernel.slow - onset / kernel.fast
        is_below = value < 0
        low, high = torch.where(is_below, delay, low), torch.where(is_below, high, delay)
        root = (slope.square() - 2 * value * curvature).clamp(min=0).sqrt()
        following = delay - 2 * value / (slope + root)
        delay = torch.where((following >= low) & (following <= high), following, (low + high) / 2)
    return delay
