"""Attribution: the peak of a tempotron as a sum of the contributions of single spikes.

    v_max = sum_i w_i K(t_max - t_i)

Every term belongs to one spike of one tuning neuron of one feature, so that sums over the neurons of a pixel make a map
of the image, and sums over the features tell what each tuning neuron adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tempotron_core.model.classifier import Model, Prediction

__all__ = ["Evidence", "evidence", "kernel_at_peak"]


@dataclass(frozen=True)
class Evidence:
    """Contributions to the peak of one tempotron, float64 except times.

    Attributes:
        weight: w_i, [features, m], 0 where an afferent is silent or late
        kernel: K(t_max - t_i), [features, m]
        contributions: their products, [features, m]
        times: spike times [features, m] in ms, -1 for no spike
        v_max: peak
        t_max: its time in ms
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


def evidence(model: Model, decision: Prediction, output: int, neuron: int | None = None) -> Evidence:
    """Return the contributions to an output's peak.

    Args:
        model: network of the prediction
        decision: prediction to explain
        output: class, from 0
        neuron: one of its k tempotrons, from 0; the one with the highest peak if None

    Raises:
        ValueError: where there is no such output or tempotron.
    """
    classes, k, _ = decision.neurons.shape
    if not 0 <= output < classes:
        raise ValueError(f"output: expected 0 to {classes - 1}, got {output}; choose one of the classes.")
    if neuron is None:
        neuron = int(decision.peaks[output].argmax())
    if not 0 <= neuron < k:
        raise ValueError(f"neuron: expected 0 to {k - 1}, got {neuron}; choose one of the class's tempotrons.")
    v_max, t_max, t_spike = (
        float(values[output, neuron]) for values in (decision.peaks, decision.peak_times, decision.t_spike)
    )
    weight = model.weight[output * k + neuron].double().view(decision.times.shape)
    kernel = kernel_at_peak(model, decision.times, t_max, t_spike)
    return Evidence(
        weight, kernel, weight * kernel, decision.times, v_max, t_max if model.time == "exact" else int(t_max)
    )
