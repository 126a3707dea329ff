"""Linear classifiers as baselines: softmax regression on the pixels and on their Gaussian features."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.model.classifier import pixel_tuning
from tempotron_core.training.recipes import SCHEDULES

__all__ = ["FEATURES", "linear_accuracy"]

FEATURES = ("pixels", "gaussian")

_BATCH = 128
_LEARNING_RATES = {"pixels": 5e-3, "gaussian": 5e-4}


def linear_accuracy(
    dataset: Dataset, features: str, epochs: int = 8, lr: float | None = None, m: int = 16, seed: int = 0
) -> list[float]:
    """Return the test accuracies in [0, 1] after each epoch of softmax regression.

    Trained with AdamW, warm-up and cosine decay on the cross-entropy. features: "pixels", or "gaussian" for m tuning
    curves per pixel; lr: 5e-3 for pixels and 5e-4 for Gaussian features by default.

    Raises:
        ValueError: for other features.
    """
    if features not in FEATURES:
        raise ValueError(f"features: expected one of {', '.join(FEATURES)}, got {features!r}; choose one of these.")
    lr = lr or _LEARNING_RATES[features]
    pixels = torch.arange(256, dtype=torch.float32) / 255
    table = (
        pixels.view(256, 1) if features == "pixels" else pixel_tuning(m).response(pixels.view(1, 1, 256))[0, 0].float()
    )
    width = dataset.num_features * table.shape[1]
    weight = torch.zeros(len(dataset.classes), width, requires_grad=True)
    bias = torch.zeros(len(dataset.classes), requires_grad=True)
    optimiser = torch.optim.AdamW([weight, bias], lr=lr, fused=True)
    order = torch.Generator().manual_seed(seed)

    def logits(split: Split, samples: torch.Tensor) -> torch.Tensor:
        values = split.images.index_select(0, samples).view(len(samples), -1).int()
        return table.index_select(0, values.view(-1)).view(len(samples), width) @ weight.t() + bias

    accuracies, step, total = [], 0, epochs * -(-len(dataset.train) // _BATCH)
    for _ in range(epochs):
        for samples in torch.randperm(len(dataset.train), generator=order).split(_BATCH):
            optimiser.param_groups[0]["lr"] = lr * SCHEDULES["warm-up-cosine"](step / total)
            optimiser.zero_grad()
            cross_entropy(logits(dataset.train, samples), dataset.train.labels[samples]).backward()
            optimiser.step()
            step += 1
        with torch.no_grad():
            parts = torch.arange(len(dataset.test)).split(500)
            predictions = torch.cat([logits(dataset.test, part).argmax(dim=1) for part in parts])
        accuracies.append(float((predictions == dataset.test.labels).float().mean()))
    return accuracies
