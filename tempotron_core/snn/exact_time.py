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
from typing import Any, NamedTuple, Protocol

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
_CHUNK = 2**16  # potentials at a time: what stays in a processor's cache


class Mode(NamedTuple):
    """How a response is evaluated: time is one of TIMES, after_spike one of AFTER_SPIKE."""

    time: str = "grid"
    after_spike: str = "continue"


class _Place(NamedTuple):
    """Times [B, O] as intervals, int64, and delays from their starts in ms."""

    interval: torch.Tensor
    delay: torch.Tensor


class _Located(NamedTuple):
    """Potentials [B, O], their places and their times in ms."""

    v: torch.Tensor
    interval: torch.Tensor
    delay: torch.Tensor
    time: torch.Tensor

    @property
    def place(self) -> _Place:
        return _Place(self.interval, self.delay)


def peak(weight: torch.Tensor, spikes: Spikes, kernel: Kernel, mode: Mode) -> tuple[torch.Tensor, torch.Tensor]:
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


class _Response(Protocol):
    """Interface: the potentials of a batch in J intervals, of which the last is the end of the window, of length 0."""

    T: int
    kernel: Kernel
    last: int

    def highest(self) -> torch.Tensor:
        """Return the highest potential of each interval without its end where it is above 0, [B, O, J]."""

    def sample(self) -> torch.Tensor:
        """Return the potentials [B, O, T] on the grid."""

    def before(self, step: torch.Tensor) -> torch.Tensor:
        """Return the last interval that starts before the grid times step [B, O]; the first one for 0."""

    def state(self, interval: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | float]:
        """Return V and Y at the start of the intervals [B, O] up to last, the start, and the duration in ms."""

    def potential_at_start(self, interval: torch.Tensor) -> torch.Tensor:
        """Return V at the start of the intervals [B, O]."""


class _GridResponse:
    """Response to spikes at whole times: the intervals are the steps of the grid."""

    def __init__(self, weight: torch.Tensor, spikes: SpikeEvents, kernel: Kernel) -> None:
        self.T, self.kernel, self.last = spikes.T, kernel, spikes.T - 1
        self._sums, self._v = engine.grid_response(weight, spikes, kernel)
        self._shape = spikes.batch, len(weight)
        self._first = torch.arange(len(self._v), device=weight.device).view(self._shape).mul_(self.T + 1)

    def highest(self) -> torch.Tensor:
        # With V at the next step, Y K(1) = V(t + 1) - exp(-1/tau_slow) V(t). The last element of a row uses the first
        # of the next, which is 0: where V(T) < 0 it seems to rise to 0 there, and so has no maximum before.
        decay = math.exp(-1 / self.kernel.slow)
        rise = -self.kernel.scale * decay * math.expm1(-self.kernel.difference)
        highest = torch.empty_like(self._v)
        rows = max(1, _CHUNK // (self.T + 1)) if self._v.is_cpu else max(1, len(self._v))
        for part, out in zip(self._v.split(rows), highest.split(rows), strict=True):
            v = part.view(-1)
            y = torch.zeros_like(v)
            torch.sub(v[1:], v[:-1], alpha=decay, out=y[:-1])
            _highest_within(v, y.mul_(1 / rise), 1.0, self.kernel, out=out.view(-1))
        return highest.view(*self._shape, self.T + 1)

    def sample(self) -> torch.Tensor:
        return self._v.view(*self._shape, self.T + 1)[..., :-1]

    def before(self, step: torch.Tensor) -> torch.Tensor:
        return (step - 1).clamp_(min=0)

    def state(self, interval: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | float]:
        y = engine.onset_at(self._sums, self.kernel, interval.view(-1)).view(self._shape)
        return self.potential_at_start(interval), y, interval.to(y.dtype), 1.0

    def potential_at_start(self, interval: torch.Tensor) -> torch.Tensor:
        return self._v.take(interval + self._first)


class _SortedResponse:
    """Response to spikes at real times: the intervals lie between the sorted arrivals."""

    def __init__(self, weight: torch.Tensor, spikes: SortedSpikes, kernel: Kernel) -> None:
        self.T, self.kernel, self.last = spikes.T, kernel, spikes.time.shape[1] - 1
        self.spikes = spikes
        self._v, self._y = spikes.states(weight, kernel)
        self._entry_before = spikes.entry_before()

    def highest(self) -> torch.Tensor:
        return _highest_within(self._v, self._y, self.spikes.gap.unsqueeze(1), self.kernel)

    def sample(self, last: torch.Tensor | None = None) -> torch.Tensor:
        """Return the potentials on the grid, without arrivals after the entries last [B, O] where given."""
        entry = self._entry_before.unsqueeze(1).expand(-1, self._v.shape[1], -1)
        if last is not None:
            entry = torch.minimum(entry, last.unsqueeze(-1))
        start = self.spikes.time.unsqueeze(1).expand(-1, entry.shape[1], -1).gather(2, entry)
        grid = torch.arange(self.T, dtype=start.dtype, device=start.device)
        return _potential(self._v.gather(2, entry), self._y.gather(2, entry), grid - start, self.kernel)

    def before(self, step: torch.Tensor) -> torch.Tensor:
        return self._entry_before.gather(1, step)

    def state(self, interval: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | float]:
        y = self._y.gather(2, interval.unsqueeze(-1)).squeeze(-1)
        start, gap = (values.gather(1, interval) for values in (self.spikes.time, self.spikes.gap))
        return self.potential_at_start(interval), y, start, gap

    def potential_at_start(self, interval: torch.Tensor) -> torch.Tensor:
        return self._v.gather(2, interval.unsqueeze(-1)).squeeze(-1)


class _Peak(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: torch.Tensor, spikes: Spikes, kernel: Kernel, mode: Mode
    ) -> tuple[torch.Tensor, torch.Tensor]:
        parts = _split(spikes, len(weight))
        locate = _locate_exact_peak if mode.time == "exact" else _locate_grid_peak
        located = [locate(_respond(weight, part, kernel), mode.after_spike == "shunt") for part in parts]
        # Not the outputs themselves, which would refer to each other in a circle.
        ctx.places, ctx.parts, ctx.kernel = [part.place for part in located], parts, kernel
        ctx.set_materialize_grads(False)
        v_max, t_max = (_concatenate([getattr(part, name) for part in located], weight) for name in ("v", "time"))
        ctx.mark_non_differentiable(t_max)
        return v_max, t_max

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_peak: torch.Tensor, _: object) -> tuple[torch.Tensor, None, None, None]:
        return _gradient(ctx.parts, ctx.places, ctx.kernel, grad_peak), None, None, None


class _Crossing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, spikes: Spikes, kernel: Kernel, time: str) -> torch.Tensor:
        parts = _split(spikes, len(weight))
        places, times, slopes = [], [], []
        for part in parts:
            response = _respond(weight, part, kernel)
            has_fired, interval, step = _first_crossing(response, time)
            v, y, start, gap = response.state(interval)
            v, y, start = v.double(), y.double(), start.double()
            if time == "grid":
                delay, slope = step - start, torch.zeros_like(v)
            else:
                delay = _rise_to_threshold(v, y, gap, kernel)
                slope = _slope(v, y, delay, kernel)
            places.append(_Place(interval, delay))
            times.append(torch.where(has_fired, start + delay, -1))
            slopes.append(torch.where(has_fired, slope, 0))
        ctx.parts, ctx.places, ctx.kernel, ctx.slope = parts, places, kernel, torch.cat(slopes)
        t_spike = _concatenate(times, weight)
        if time == "grid":
            ctx.mark_non_differentiable(t_spike)
        return t_spike

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_time: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        factor = torch.where(ctx.slope > 0, -grad_time / ctx.slope, 0).to(grad_time.dtype)
        return _gradient(ctx.parts, ctx.places, ctx.kernel, factor), None, None, None


class _ShuntedPotential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, spikes: SortedSpikes, kernel: Kernel, time: str) -> torch.Tensor:
        parts, last, traces = list(spikes.split(len(weight))), [], []
        for part in parts:
            response = _SortedResponse(weight, part, kernel)
            has_fired, interval, _ = _first_crossing(response, time)
            last.append(torch.where(has_fired, interval, response.last))
            traces.append(response.sample(last[-1]))
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


def _gradient(parts: list[Any], places: list[_Place], kernel: Kernel, factor: torch.Tensor) -> torch.Tensor:
    """Return the gradient [O, N] of the sum of the potentials at these places times factor [B, O]."""
    if len(parts) == 1 and not isinstance(parts[0], SortedSpikes):
        return engine.gradient_at(parts[0], kernel, factor, *places[0])
    factors = factor.split([len(part.time) for part in parts])
    grads = [part.gradient_at(kernel, share, *place) for part, place, share in zip(parts, places, factors, strict=True)]
    return torch.stack(grads).sum(0).to(factor.dtype)


def _respond(weight: torch.Tensor, spikes: Spikes, kernel: Kernel) -> _Response:
    response = _SortedResponse if isinstance(spikes, SortedSpikes) else _GridResponse
    return response(weight, spikes, kernel)  # type: ignore[arg-type]


def _locate_exact_peak(response: _Response, shunt: bool) -> _Located:
    """Return the peak over [0, T].

    The rest of a shunted response is one interval, from that of the crossing to the end of the window.
    """
    kernel = response.kernel
    if shunt:
        has_fired, interval, value = _cross_or_peak(response, response.highest())
    else:
        value, interval = response.highest().max(dim=-1)
    interval = interval.clamp(min=0, max=response.last)
    v, y, start, gap = response.state(interval)
    stationary = _stationary_delay(v, y, kernel)
    delay = torch.where((value > v) & (stationary > 0), stationary.clamp(max=gap), 0)
    if shunt:
        rest = response.T - start
        after = torch.where((stationary > 0) & (stationary < rest), stationary, rest)
        value = torch.where(has_fired, _potential(v, y, after, kernel), value)
        delay = torch.where(has_fired, after, delay)
    return _Located(value, interval, delay, start + delay)


def _locate_grid_peak(response: _Response, shunt: bool) -> _Located:
    """Return the peak at 0, 1, ... T - 1 ms."""
    kernel, sampled = response.kernel, response.sample()
    if shunt:
        has_fired, step, value = _first_or_highest(sampled, kernel.v_threshold)
    else:
        value, step = sampled.max(dim=-1)
    interval = response.before(step)
    v, y, start, _ = response.state(interval)
    time = step.to(start.dtype)
    if shunt:  # V rises up to its stationary point and falls from there on, with Y < 0 from the start on
        last = torch.full_like(start, response.T - 1)
        stationary = torch.where(y > 0, _stationary_delay(v, y, kernel), 0) + start
        below = torch.maximum(torch.where(stationary < last, stationary.floor(), last), time)
        above = torch.minimum(below + 1, last)
        v_below, v_above = (_potential(v, y, at - start, kernel) for at in (below, above))
        value = torch.where(has_fired, torch.maximum(v_below, v_above), value)
        time = torch.where(has_fired, torch.where(v_above > v_below, above, below), time)
    return _Located(value, interval, time - start, time)


def _first_crossing(response: _Response, time: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return whether V reaches the threshold, the interval in which it first does, and the grid step; [B, O] each.

    An interval includes its end and not its start, so that an arrival at the crossing belongs to a later one. The step
    has a meaning for the grid only.
    """
    if time == "grid":
        has_fired, step, _ = _first_or_highest(response.sample(), response.kernel.v_threshold)
        return has_fired, response.before(step), step
    has_fired, interval, _ = _cross_or_peak(response, response.highest())
    return has_fired, interval.clamp(min=0, max=response.last), interval


def _cross_or_peak(response: _Response, highest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return whether V reaches the threshold, the interval, without its start, in which it does or peaks, and V there.

    V is limited to the threshold.
    """
    v_threshold = response.kernel.v_threshold
    has_fired, interval, value = _first_or_highest(highest, v_threshold)
    return has_fired, interval - (response.potential_at_start(interval) >= v_threshold).long(), value


def _first_or_highest(v: torch.Tensor, v_threshold: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return whether a row [..., J] reaches the threshold, where it first does or is highest, and the limited value."""
    value, index = v.clamp(max=v_threshold).max(dim=-1)
    return value >= v_threshold, index, value


def _highest_within(
    v: torch.Tensor, y: torch.Tensor, gap: torch.Tensor | float, kernel: Kernel, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the highest potential of each interval without its end where it is above 0, else a value of at most 0.

    With rho = 1 + V/B, 0 < u* < gap means tau_slow/tau_fast > rho > tau_slow/tau_fast exp(-gap/c). A larger rho means
    that V falls from the start on; the formula at the bound is then below V at the start. A smaller one means that V
    rises to the end.
    """
    power, bound = kernel.slow / (kernel.slow - kernel.fast), kernel.slow / kernel.fast
    ratio = (v / (y + torch.finfo(y.dtype).tiny)).mul_(1 / kernel.scale)  # tiny: not 0/0 before the first arrival
    margin = 1 + 64 * torch.finfo(v.dtype).eps  # for the rounding of the power
    if isinstance(gap, torch.Tensor):
        lowest = torch.exp(gap * -kernel.difference).mul_(bound)
        grown = torch.maximum(ratio.clamp_(max=bound - 1), lowest - 1).log1p_().mul_(power).exp_()
        grown = torch.where(grown > lowest.pow_(power).mul_(margin), grown, 0)
    else:
        least = bound * math.exp(-gap * kernel.difference)
        grown = ratio.clamp_(min=least - 1, max=bound - 1).log1p_().mul_(power).exp_()
        grown = threshold(grown, least**power * margin, 0, inplace=True)
    return torch.maximum(grown.mul_(y).mul_(kernel.v_threshold), v, out=out)  # without minima, where Y < 0


def _potential(v: torch.Tensor, y: torch.Tensor, delay: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return V after a delay in ms from states of the same shape."""
    slow, rise = kernel.decay_and_rise(delay)
    return v * slow + y * rise


def _slope(v: torch.Tensor, y: torch.Tensor, delay: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return V' after a delay in ms."""
    onset = y * (kernel.scale * kernel.difference) * torch.exp(delay / -kernel.fast)
    return onset - _potential(v, y, delay, kernel) / kernel.slow


def _stationary_delay(v: torch.Tensor, y: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return u*; NaN without a stationary point."""
    return kernel.time_to_peak - torch.log1p(v * (1 / kernel.scale) / y) / kernel.difference


def _rise_to_threshold(v: torch.Tensor, y: torch.Tensor, gap: torch.Tensor | float, kernel: Kernel) -> torch.Tensor:
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
