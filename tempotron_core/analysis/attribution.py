"""Attribution: the potential of a tempotron as a sum of the contributions of single spikes, usually at its peak.

    V(t) = sum_i w_i K(t - t_i),  v_max = V(t_max)

Every term belongs to one spike of one tuning neuron of one feature, so that sums over the neurons of a pixel make a map
of the image, and sums over the features tell what each tuning neuron adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tempotron_core.model.classifier import Model, Prediction

__all__ = ["Evidence", "crossing_time", "evidence", "kernel_at_peak"]


@dataclass(frozen=True)
class Evidence:
    """Contributions to the potential of one tempotron at its peak, or at another time, float64 except times.

    Attributes:
        weight: w_i, [features, m], 0 where an afferent is silent or late
        kernel: K(t_max - t_i), [features, m]
        contributions: their products, [features, m]
        times: spike times [features, m] in ms, -1 for no spike
        v_max: peak, or the potential at the other time
        t_max: time of the peak in ms, or the other time
    """

    weight: torch.Tensor
    kernel: torch.Tensor
    contributions: torch.Tensor
    times: torch.Tensor
    v_max: float
    t_max: float

    @property
    def residual(self) -> float:
        """Return the difference between the sum of the contributions and the computed peak."""
        return abs(float(self.contributions.sum()) - self.v_max)


def kernel_at_peak(model: Model, times: torch.Tensor, t_max: float, t_spike: float = -1.0) -> torch.Tensor:
    """Return K(t_max - t_i) in float64 for spike times in ms of any shape, negative for none.

    Where the output shunts, spikes at or after its first crossing t_spike (-1 for none) have no effect.
    """
    kernel = model.kernel(t_max - times.double())
    has_effect = (times >= 0) & (times <= t_max)
    if model.after_spike == "shunt" and t_spike >= 0:
        has_effect &= times < t_spike
    return kernel * has_effect


def _strongest_neuron(decision: Prediction, output: int) -> int:
    """Return the tempotron of a class with the highest peak, from 0."""
    return int(decision.peaks[output].argmax())


def crossing_time(decision: Prediction, output: int, neuron: int | None = None) -> float | None:
    """Return the first time in ms at which a tempotron reaches the threshold, None if it does not.

    Args:
        decision: prediction
        output: class, from 0
        neuron: one of its k tempotrons, from 0; the one with the highest peak if None
    """
    neuron = _strongest_neuron(decision, output) if neuron is None else neuron
    t_spike = float(decision.t_spike[output, neuron])
    return t_spike if t_spike >= 0 else None


def evidence(
    model: Model, decision: Prediction, output: int, neuron: int | None = None, time: float | None = None
) -> Evidence:
    """Return the contributions to an output's peak, or to its potential at another time.

    Args:
        model: network of the prediction
        decision: prediction to explain
        output: class, from 0
        neuron: one of its k tempotrons, from 0; the one with the highest peak if None
        time: time in ms, from 0 to T - 1, to T for exact times; that of the peak if None

    Raises:
        ValueError: where there is no such output, tempotron or time.
    """
    classes, k, T = decision.neurons.shape
    if not 0 <= output < classes:
        raise ValueError(f"output: expected 0 to {classes - 1}, got {output}; choose one of the classes.")
    if neuron is None:
        neuron = _strongest_neuron(decision, output)
    if not 0 <= neuron < k:
        raise ValueError(f"neuron: expected 0 to {k - 1}, got {neuron}; choose one of the class's tempotrons.")
    v_max, t_max, t_spike = (
        float(values[output, neuron]) for values in (decision.peaks, decision.peak_times, decision.t_spike)
    )
    if time is not None:
        last = T if model.time == "exact" else T - 1
        if not 0 <= time <= last:
            raise ValueError(f"time (ms): expected 0 to {last}, got {time:g}; choose a time in the window.")
        t_max = float(time)
    weight = model.weight[output * k + neuron].double().view(decision.times.shape)
    kernel = kernel_at_peak(model, decision.times, t_max, t_spike)
    contributions = weight * kernel
    if time is not None and t_max.is_integer() and t_max < T:
        v_max = float(decision.neurons[output, neuron, int(t_max)])
    elif time is not None:  # between two steps of the trace
        v_max = decision.v_threshold if t_max == t_spike else float(contributions.sum())
    is_whole = t_max.is_integer() and (time is not None or model.time != "exact")
    return Evidence(weight, kernel, contributions, decision.times, v_max, int(t_max) if is_whole else t_max)
