"""Potential between two arrivals in closed form, and the responses of a batch as intervals between arrivals.

From an arrival or a grid time t on, until the next arrival, the potential is

    V(t + u) = A exp(-u/tau_slow) - B exp(-u/tau_fast) = exp(-u/tau_slow) V(t) + K(u) Y(t),

with B = V0 Y(t) and A = V(t) + B. The second form has no difference of large numbers where the time constants are
close. Its only stationary point is

    u* = s* - c log(1 + V/B),    V(t + u*) = v_threshold Y (1 + V/B)^(tau_slow/(tau_slow - tau_fast)),

c = tau_slow tau_fast/(tau_slow - tau_fast), s* the time to peak of K; it is a maximum where Y > 0.

Shapes: B samples, N afferents, O outputs, J intervals. At whole times the intervals are the steps of the grid, so that
the same sums as for the grid are used; for real times they lie between the sorted arrivals.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch.nn.functional import threshold

from tempotron_core.snn import engine
from tempotron_core.snn.engine import Kernel, SpikeEvents
from tempotron_core.snn.sorted_spikes import SortedSpikes

__all__ = [
    "Response",
    "SortedResponse",
    "Spikes",
    "potential_after",
    "respond",
    "rise_to_threshold",
    "slope_after",
    "stationary_delay",
]

Spikes = SpikeEvents | SortedSpikes
"""Spikes of a batch: at whole times, or at real times sorted by afferent."""

_ROOT_STEPS = 16
_CHUNK = 2**16  # potentials at a time: what stays in a processor's cache


def respond(weight: torch.Tensor, spikes: Spikes, kernel: Kernel) -> Response:
    """Return the response of neurons with these weights [O, N] to a batch of spikes."""
    response = SortedResponse if isinstance(spikes, SortedSpikes) else _GridResponse
    return response(weight, spikes, kernel)  # type: ignore[arg-type]


class Response(Protocol):
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


class SortedResponse:
    """Response to spikes at real times: the intervals lie between the sorted arrivals."""

    def __init__(self, weight: torch.Tensor, spikes: SortedSpikes, kernel: Kernel) -> None:
        self.T, self.kernel, self.last = spikes.T, kernel, spikes.time.shape[1] - 1
        self.spikes = spikes
        self._v, self._y = spikes.states(weight, kernel)
        self._entry_before = spikes.entry_before()

    def highest(self) -> torch.Tensor:
        """Return the highest potential of each interval without its end where it is above 0, [B, O, J]."""
        return _highest_within(self._v, self._y, self.spikes.gap.unsqueeze(1), self.kernel)

    def sample(self, last: torch.Tensor | None = None) -> torch.Tensor:
        """Return the potentials on the grid, without arrivals after the entries last [B, O] where given."""
        entry = self._entry_before.unsqueeze(1).expand(-1, self._v.shape[1], -1)
        if last is not None:
            entry = torch.minimum(entry, last.unsqueeze(-1))
        start = self.spikes.time.unsqueeze(1).expand(-1, entry.shape[1], -1).gather(2, entry)
        grid = torch.arange(self.T, dtype=start.dtype, device=start.device)
        return potential_after(self._v.gather(2, entry), self._y.gather(2, entry), grid - start, self.kernel)

    def before(self, step: torch.Tensor) -> torch.Tensor:
        """Return the last interval that starts before the grid times step [B, O]."""
        return self._entry_before.gather(1, step)

    def state(self, interval: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | float]:
        """Return V and Y at the start of the intervals [B, O], the start, and the duration in ms."""
        y = self._y.gather(2, interval.unsqueeze(-1)).squeeze(-1)
        start, gap = (values.gather(1, interval) for values in (self.spikes.time, self.spikes.gap))
        return self.potential_at_start(interval), y, start, gap

    def potential_at_start(self, interval: torch.Tensor) -> torch.Tensor:
        """Return V at the start of the intervals [B, O]."""
        return self._v.gather(2, interval.unsqueeze(-1)).squeeze(-1)


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


def potential_after(v: torch.Tensor, y: torch.Tensor, delay: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return V after a delay in ms from states of the same shape."""
    slow, rise = kernel.decay_and_rise(delay)
    return v * slow + y * rise


def slope_after(v: torch.Tensor, y: torch.Tensor, delay: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return V' after a delay in ms."""
    onset = y * (kernel.scale * kernel.difference) * torch.exp(delay / -kernel.fast)
    return onset - potential_after(v, y, delay, kernel) / kernel.slow


def stationary_delay(v: torch.Tensor, y: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Return u*; NaN without a stationary point."""
    return kernel.time_to_peak - torch.log1p(v * (1 / kernel.scale) / y) / kernel.difference


def rise_to_threshold(v: torch.Tensor, y: torch.Tensor, gap: torch.Tensor | float, kernel: Kernel) -> torch.Tensor:
    """Return the first delay at which V reaches the threshold within the gap, for float64 states below it.

    V is concave while it rises, and close to a parabola near its peak. So each step solves the parabola with value,
    slope and curvature of V, and halves the bracket where that leaves it. The number of steps is fixed: the host need
    not wait for a device.
    """
    stationary = stationary_delay(v, y, kernel)
    low, high = torch.zeros_like(v), torch.where((stationary > 0) & (stationary < gap), stationary, gap)
    delay = low
    for _ in range(_ROOT_STEPS):
        value, slope = potential_after(v, y, delay, kernel) - kernel.v_threshold, slope_after(v, y, delay, kernel)
        onset = slope + (value + kernel.v_threshold) / kernel.slow
        curvature = -slope / kernel.slow - onset / kernel.fast
        is_below = value < 0
        low, high = torch.where(is_below, delay, low), torch.where(is_below, high, delay)
        root = (slope.square() - 2 * value * curvature).clamp(min=0).sqrt()
        following = delay - 2 * value / (slope + root)
        delay = torch.where((following >= low) & (following <= high), following, (low + high) / 2)
    return delay
