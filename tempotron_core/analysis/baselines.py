"""Linear classifiers as baselines: softmax regression on the pixels, on Gaussian features, and on spike times.

The features "spikes" hold what the network receives: 1 - t/T for each afferent that spikes at t in a window of T ms,
0 for a silent one. The optimiser, its schedule, learning rate, batch size and weight decay are those of the recipe
cross-entropy at its defaults, so that neither side is tuned more than the other.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.model.classifier import pixel_spike_table, pixel_tuning
from tempotron_core.training.recipes import DEFAULT_RECIPE, OPTIMISERS, RECIPES, SCHEDULES

__all__ = ["FEATURES", "linear_accuracy"]

FEATURES = ("pixels", "gaussian", "spikes")

_BATCH, _LEARNING_RATE = 64, 1e-3


def _feature_table(features: str, m: int, T: int) -> torch.Tensor:
    """Return the features of each of the 256 pixel values, float32 [256, n]."""
    pixels = torch.arange(256, dtype=torch.float32) / 255
    if features == "pixels":
        return pixels.view(256, 1)
    if features == "gaussian":
        return pixel_tuning(m).response(pixels.view(1, 1, 256))[0, 0].float()
    times = pixel_spike_table(m, T)
    return torch.where(times >= 0, 1 - times / T, 0.0)


def linear_accuracy(
    dataset: Dataset, features: str, epochs: int = 8, lr: float = _LEARNING_RATE, m: int = 16, T: int = 100,
    seed: int = 0,
) -> list[float]:  # fmt: skip
    """Return the test accuracies in [0, 1] after each epoch of softmax regression.

    Args:
        dataset: data set
        features: "pixels", "gaussian" for m tuning curves per pixel, or "spikes" for their spikes within T ms
        epochs: passes over the training set
        lr: learning rate, that of a run by default
        m: tuning curves per pixel
        T: time window in ms
        seed: seed of the order of the samples

    Raises:
        ValueError: for other features.
    """
    if features not in FEATURES:
        raise ValueError(f"features: expected one of {', '.join(FEATURES)}, got {features!r}; choose one of these.")
    table, recipe = _feature_table(features, m, T), RECIPES[DEFAULT_RECIPE]
    width = dataset.num_features * table.shape[1]
    weight = torch.zeros(len(dataset.classes), width, requires_grad=True)
    bias = torch.zeros(len(dataset.classes), requires_grad=True)
    optimiser = OPTIMISERS[recipe.optimiser]([weight, bias], lr=lr, weight_decay=recipe.weight_decay)  # type: ignore[list-item]
    order, schedule = torch.Generator().manual_seed(seed), SCHEDULES[recipe.schedule]

    def logits(split: Split, samples: torch.Tensor) -> torch.Tensor:
        values = split.images.index_select(0, samples).view(len(samples), -1).int()
        return table.index_select(0, values.view(-1)).view(len(samples), width) @ weight.t() + bias

    accuracies, step, total = [], 0, epochs * -(-len(dataset.train) // _BATCH)
    for _ in range(epochs):
        for samples in torch.randperm(len(dataset.train), generator=order).split(_BATCH):
            optimiser.param_groups[0]["lr"] = lr * schedule(step / total)
            optimiser.zero_grad()
            cross_entropy(logits(dataset.train, samples), dataset.train.labels[samples]).backward()
            optimiser.step()
            step += 1
        with torch.no_grad():
            parts = torch.arange(len(dataset.test)).split(500)
            predictions = torch.cat([logits(dataset.test, part).argmax(dim=1) for part in parts])
        accuracies.append(float((predictions == dataset.test.labels).float().mean()))
    return accuracies
