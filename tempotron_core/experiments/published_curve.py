"""Published curve on a whole data set: python -m tempotron_core.published --dataset-dir DIR."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tempotron_core.analysis.baselines import FEATURES, linear_accuracy
from tempotron_core.data import datasets
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings

__all__ = ["RECORD", "load_record", "main", "regime_settings"]

RECORD = Path(__file__).with_name("published_curve.json")

_EPOCHS = 6
_RECIPES = ("as-published", "reference", "cross-entropy", "over-fitting")


def regime_settings(dataset: str, directory: str | None, epochs: int = _EPOCHS, **more: Any) -> list[Settings]:
    """Return the settings of each regime, otherwise as published: batch 64, m 16, T 100, learning rate 1e-3."""
    return [
        Settings(dataset=dataset, dataset_dir=directory, recipe=recipe, epochs=epochs, **more) for recipe in _RECIPES
    ]


def load_record() -> dict[str, Any]:
    """Return the recorded curves on MNIST: settings and accuracies of the runs, and the linear baselines."""
    record = json.loads(RECORD.read_text())
    assert isinstance(record, dict)
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """Train every regime and both baselines, and write the record."""
    parser = argparse.ArgumentParser(prog="python -m tempotron_core.published", description=__doc__)
    parser.add_argument("--dataset-dir", required=True, help="folder in torchvision's layout that holds MNIST")
    parser.add_argument("--epochs", type=int, default=_EPOCHS)
    parser.add_argument("--output", type=Path, default=RECORD)
    options = parser.parse_args(arguments)
    try:
        dataset = datasets.load("MNIST", options.dataset_dir)
        series = regime_settings("MNIST", options.dataset_dir, options.epochs)
    except (datasets.DataError, ValueError, TypeError) as error:
        print(error, file=sys.stderr)
        return 2
    runs = []
    for settings in series:
        *_, last = train_model(settings, dataset)
        line = {name: value for name, value in settings.to_record().items() if name not in ("dataset_dir", "log_dir")}
        test, train = zip(*((e.test_accuracy, e.train_accuracy) for e in last.epochs), strict=True)
        runs.append({"settings": line, "test_accuracy": test, "train_accuracy": train})
        print(f"{settings.recipe}: {', '.join(f'{100 * value:.2f}' for value in test)} %", file=sys.stderr)
    baselines = {features: linear_accuracy(dataset, features) for features in FEATURES}
    for features, accuracies in baselines.items():
        print(f"linear on {features}: {100 * accuracies[-1]:.2f} %", file=sys.stderr)
    record = {
        "data": dataset.source,
        "test_samples": len(dataset.test),
        "torch": torch.__version__,
        "runs": runs,
        "linear_test_accuracy": baselines,
    }
    options.output.write_text(json.dumps(record, indent=1) + "\n")
    return 0
