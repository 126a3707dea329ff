"""Response of a network to one sample at any time: V(t) = sum_i w_i K(t - t_i) in closed form, not only on the grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tempotron_core.model.classifier import Model, Prediction, log_mean_exp_pool

__all__ = ["Response", "potentials_at", "response_between"]

_MAX_POINTS = 600
_MAX_PER_MS = 4


@dataclass(frozen=True)
class Response:
    """Potentials of a network for one sample at n times, float64.

    Attributes:
        t: times in ms, [n]
        v: potentials of the classes, pooled over their k tempotrons, [classes, n]
        unshunted: the same without the effect of the outputs' own spikes, None if the outputs do not shunt
        neurons: potentials of the single tempotrons, [classes, k, n]
    """

    t: torch.Tensor
    v: torch.Tensor
    unshunted: torch.Tensor | None
    neurons: torch.Tensor


def potentials_at(model: Model, decision: Prediction, at: torch.Tensor, shunt: bool | None = None) -> torch.Tensor:
    """Return the potentials of all tempotrons at any times in ms: float64 [classes, k, n].

    Args:
        model: network of the prediction
        decision: prediction for the sample
        at: times in ms, [n]
        shunt: whether outputs ignore arrivals at or after their first crossing, None for what the model does
    """
    classes, k, _ = decision.neurons.shape
    times = decision.times.reshape(-1)
    has_spike = times >= 0
    arrivals, symbol = torch.unique(times[has_spike].double(), return_inverse=True)
    weight = model.weight[:, has_spike].double()
    # All spikes at one time have one course, so their weights are summed first.
    sums = torch.zeros(len(weight), len(arrivals), dtype=torch.float64).index_add_(1, symbol, weight)
    if model.after_spike == "shunt" if shunt is None else shunt:
        t_spike = decision.t_spike.reshape(-1, 1).double()
        sums = sums * ((t_spike < 0) | (arrivals < t_spike))
    course = at.double() - arrivals.unsqueeze(1)
    v: torch.Tensor = sums @ (model.kernel(course) * (course >= 0))
    return v.view(classes, k, -1)


def response_between(model: Model, decision: Prediction) -> Response:
    """Return the response at whole and fractional times, at the peaks and at the crossings."""
    last = model.T if model.time == "exact" else model.T - 1
    if model.time == "exact":
        per_ms = max(1, min(_MAX_PER_MS, _MAX_POINTS // model.T))
        grid = torch.arange(last * per_ms + 1, dtype=torch.float64) / per_ms
        marks = [decision.t_max, *([decision.t_spike.reshape(-1)] if decision.t_spike.shape[1] == 1 else [])]
        at = torch.unique(torch.cat([grid, *(times[times >= 0].double() for times in marks)]))
    else:
        at = torch.arange(last + 1, dtype=torch.float64)
    neurons = potentials_at(model, decision, at)
    unshunted = None
    if model.after_spike == "shunt":
        unshunted = _pool(potentials_at(model, decision, at, shunt=False))
    return Response(at, _pool(neurons), unshunted, neurons)


def _pool(neurons: torch.Tensor) -> torch.Tensor:
    classes, k, n = neurons.shape
    return log_mean_exp_pool(neurons.reshape(1, classes * k, n), k)[0]
