"""Exact peaks and threshold crossings of the membrane potential, and the response of a neuron after it has fired.

The peak over the closed window [0, T] is the highest of V at arrivals, at T, and at each stationary point u* (see
responses) that lies before the next arrival. V first reaches the threshold in a rising part, before u*, where it is
concave.

Gradients: d v_max/d w_i = K(t_max - t_i), and by the implicit function theorem
d t_spike/d w_i = -K(t_spike - t_i)/V'(t_spike).

Shunting: arrivals at or after the first crossing have no effect; V goes on as A and B decay.

Shapes: B samples, N afferents, O outputs, J intervals.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from tempotron_core.snn import engine
from tempotron_core.snn.engine import Kernel
from tempotron_core.snn.responses import (
    Response,
    SortedResponse,
    Spikes,
    potential_after,
    respond,
    rise_to_threshold,
    slope_after,
    stationary_delay,
)
from tempotron_core.snn.sorted_spikes import SortedSpikes

__all__ = ["AFTER_SPIKE", "TIMES", "Mode", "crossing", "peak", "shunted_potential"]

TIMES = ("grid", "exact")
"""Where the potential is evaluated: at whole milliseconds from 0 to T - 1, or at every time from 0 to T."""

AFTER_SPIKE = ("continue", "shunt")
"""What a neuron does after it has fired: nothing else than before, or ignore all later arrivals."""


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


class _Peak(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: torch.Tensor, spikes: Spikes, kernel: Kernel, mode: Mode
    ) -> tuple[torch.Tensor, torch.Tensor]:
        parts = _split(spikes, len(weight))
        locate = _locate_exact_peak if mode.time == "exact" else _locate_grid_peak
        located = [locate(respond(weight, part, kernel), mode.after_spike == "shunt") for part in parts]
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
            response = respond(weight, part, kernel)
            has_fired, interval, step = _first_crossing(response, time)
            v, y, start, gap = response.state(interval)
            v, y, start = v.double(), y.double(), start.double()
            if time == "grid":
                delay, slope = step - start, torch.zeros_like(v)
            else:
                delay = rise_to_threshold(v, y, gap, kernel)
                slope = slope_after(v, y, delay, kernel)
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
            response = SortedResponse(weight, part, kernel)
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


def _locate_exact_peak(response: Response, shunt: bool) -> _Located:
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
    stationary = stationary_delay(v, y, kernel)
    delay = torch.where((value > v) & (stationary > 0), stationary.clamp(max=gap), 0)
    if shunt:
        rest = response.T - start
        after = torch.where((stationary > 0) & (stationary < rest), stationary, rest)
        value = torch.where(has_fired, potential_after(v, y, after, kernel), value)
        delay = torch.where(has_fired, after, delay)
    return _Located(value, interval, delay, start + delay)


def _locate_grid_peak(response: Response, shunt: bool) -> _Located:
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
        stationary = torch.where(y > 0, stationary_delay(v, y, kernel), 0) + start
        below = torch.maximum(torch.where(stationary < last, stationary.floor(), last), time)
        above = torch.minimum(below + 1, last)
        v_below, v_above = (potential_after(v, y, at - start, kernel) for at in (below, above))
        value = torch.where(has_fired, torch.maximum(v_below, v_above), value)
        time = torch.where(has_fired, torch.where(v_above > v_below, above, below), time)
    return _Located(value, interval, time - start, time)


def _first_crossing(response: Response, time: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return whether V reaches the threshold, the interval in which it first does, and the grid step; [B, O] each.

    An interval includes its end and not its start, so that an arrival at the crossing belongs to a later one. The step
    has a meaning for the grid only.
    """
    if time == "grid":
        has_fired, step, _ = _first_or_highest(response.sample(), response.kernel.v_threshold)
        return has_fired, response.before(step), step
    has_fired, interval, _ = _cross_or_peak(response, response.highest())
    return has_fired, interval.clamp(min=0, max=response.last), interval


def _cross_or_peak(response: Response, highest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
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
