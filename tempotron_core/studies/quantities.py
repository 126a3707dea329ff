"""Measured quantities of a trained network that may explain its accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tempotron_core.analysis.code_statistics import count_values, pixel_information
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.analysis.spike_statistics import count_spikes
from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import Model
from tempotron_core.model.codes import DEFAULT_CODE

__all__ = ["QUANTITIES", "Quantity", "measure"]

MAX_SAMPLES = 1000
"""Held-out samples on which a network is measured, at most."""


@dataclass(frozen=True)
class Quantity:
    """One measured quantity.

    Attributes:
        title: words for it in a sentence
        unit: what follows the number
        factor: from the stored value to the shown one
    """

    title: str
    unit: str
    factor: float = 1.0

    def format(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value * self.factor:.3g}{self.unit}"


QUANTITIES = {
    "late_spikes": Quantity("late spikes", " % of all spikes", 100.0),
    "information": Quantity("mutual information of a pixel's code with the class", " bits"),
    "dead_outputs": Quantity("dead outputs", " % of the outputs", 100.0),
    "margin": Quantity("mean margin", " thresholds"),
    "spikes_per_image": Quantity("spikes per image", ""),
}
"""Name in a trial -> quantity. Late: the kernel of the spike peaks after the window. Margin: peak of the true class
minus the highest other, mean over held-out samples."""


def measure(model: Model, split: Split, classes: int, dead_outputs: int) -> dict[str, float]:
    """Return the quantities of a network on held-out samples by name, without those that its code does not define.

    Args:
        model: network with the code of its run
        split: held-out samples, of which the first MAX_SAMPLES are used
        classes: number of classes
        dead_outputs: outputs whose potential is never above 0
    """
    part = Split(split.images[:MAX_SAMPLES], split.labels[:MAX_SAMPLES])
    margin = evaluate(model, part).margin / model.threshold
    found = {"dead_outputs": dead_outputs / len(model.weight), "margin": float(margin.mean())}
    if model.code.code.is_recorded:
        recorded = count_spikes(part, classes, model.T, model.kernel.time_to_peak)
        found |= {"late_spikes": recorded.late_spikes, "spikes_per_image": recorded.spikes_per_sample}
        return _finite(found)
    table = model.spike_table().cpu()
    symbols = torch.cat([chunk.flatten().cpu().long() for chunk in model.code.symbols_in_chunks(part.images)])
    histogram = torch.bincount(symbols, minlength=len(table)).double()
    spikes = histogram @ (table >= 0).double()
    late = histogram @ ((table >= 0) & (table > model.T - 1 - model.kernel.time_to_peak)).double()
    found["late_spikes"] = float(late.sum() / spikes.sum().clamp(min=1))
    found["spikes_per_image"] = float(spikes.sum() / len(part))
    if model.code.name == DEFAULT_CODE:
        counts = count_values(part, classes)
        groups = np.unique(table.numpy(), axis=0, return_inverse=True)[1].reshape(-1)
        found["information"] = float(np.mean(pixel_information(groups, counts)[0]))
    return _finite(found)


def _finite(found: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in found.items() if np.isfinite(value)}
