"""Training on samples that are no images of 28 x 28: tables, and images of another shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data.samples import Dataset, dataset_from_arrays
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings
from tempotron_core.training.trainer import Trainer

TINY = Settings(m=3, T=20, epochs=2, batch_size=8)


def table_set(features: int = 7, samples: int = 60, classes: int = 3) -> Dataset:
    """A table whose first feature tells the class."""
    rng = np.random.default_rng(0)
    y = np.arange(samples) % classes
    x = rng.normal(size=(samples, features))
    x[:, 0] = y + rng.normal(size=samples) / 10
    return dataset_from_arrays("table", x, y)


@pytest.mark.parametrize("recipe", ["cross-entropy", "population", "reference"])
def test_a_table_of_any_width_is_learned(recipe: str) -> None:
    dataset = table_set()
    settings = replace(TINY, recipe=recipe, m=5, epochs=30, batch_size=8, lr=1e-2)
    *_, last = train_model(settings, dataset)
    assert last.weight is not None
    k = settings.resolved_recipe.tempotrons_per_class
    assert last.weight.shape == (3 * k, 7 * 5)
    assert (last.shape, last.classes) == ((7,), ("0", "1", "2"))
    assert last.epochs[-1].test_accuracy >= (0.5 if recipe == "reference" else 0.9)
    assert last.model is not None
    assert evaluate(last.model, dataset.test).accuracy == last.epochs[-1].test_accuracy


def test_weights_are_smoothed_over_the_neighbours_of_an_image_of_any_shape() -> None:
    settings = replace(TINY, recipe="reference", lr=0.1, smoothing=0.5)
    trainer = Trainer(settings, 2, shape=(3, 5))
    weight = torch.zeros(3, 5, settings.m, 2)
    weight[1, 2] = 1.0
    trainer._weight_by_afferent.data.copy_(weight.view(-1, 2))
    trainer._smooth()
    after = trainer._weight_by_afferent.detach().view(3, 5, settings.m, 2)
    assert torch.allclose(after.sum(), weight.sum())
    changed = (after != weight).any(dim=3).any(dim=2).nonzero().tolist()
    assert {(1, 1), (1, 2), (1, 3), (0, 2), (2, 2)} <= {tuple(at) for at in changed}
    assert (0, 0) not in {tuple(at) for at in changed} and (1, 0) not in {tuple(at) for at in changed}
    table = Trainer(settings, 2, shape=(15,))
    before = table._weight_by_afferent.detach().clone()
    table._smooth()
    assert torch.equal(table._weight_by_afferent, before)
