"""Published curve on a whole data set: python -m tempotron_core.published --dataset-dir DIR.

After each epoch the weights are evaluated on the training set and on the test set, so that both accuracies belong to
the same weights. The mean over the steps of an epoch, which a training log shows, lies below them while the weights
improve and above them while they get worse.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tempotron_core.analysis.baselines import FEATURES, linear_accuracy
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import datasets
from tempotron_core.experiments.records import read_record
from tempotron_core.runs.files import write_atomic
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings

__all__ = ["RECORD", "accuracies_by_recipe", "load_record", "main", "regime_settings"]

RECORD = Path(__file__).with_name("published_curve.json")

_EPOCHS, _SEEDS = 6, 3
_RECIPES = ("as-published", "reference", "cross-entropy", "over-fitting")


def regime_settings(dataset: str, directory: str | None, epochs: int = _EPOCHS, **more: Any) -> list[Settings]:
    """Return the settings of each regime, otherwise as published: batch 64, m 16, T 100, learning rate 1e-3."""
    return [
        Settings(dataset=dataset, dataset_dir=directory, recipe=recipe, epochs=epochs, **more) for recipe in _RECIPES
    ]


def load_record() -> dict[str, Any]:
    """Return the recorded curves on MNIST: settings and accuracies of the runs, and the linear baselines."""
    return read_record(RECORD)


def accuracies_by_recipe(record: dict[str, Any], name: str) -> dict[str, list[list[float]]]:
    """Return the accuracies of a record after each epoch, of each seed, by recipe.

    name: test_accuracy, train_accuracy (after the epoch) or mean_step_accuracy (during the epoch)
    """
    by_recipe: dict[str, list[list[float]]] = {}
    for run in record["runs"]:
        by_recipe.setdefault(run["settings"]["recipe"], []).append(run[name])
    return by_recipe


def train_regime(settings: Settings, dataset: datasets.Dataset) -> dict[str, Any]:
    """Train once and return settings and accuracies in [0, 1] after each epoch, as they are recorded."""
    train: list[float] = []
    for snapshot in train_model(settings, dataset):
        if snapshot.epochs_done > len(train):
            assert snapshot.model is not None
            train.append(evaluate(snapshot.model, dataset.train).accuracy)
    return {
        "settings": _recorded_settings(settings),
        "test_accuracy": [epoch.test_accuracy for epoch in snapshot.epochs],
        "train_accuracy": train,
        "mean_step_accuracy": [epoch.train_accuracy for epoch in snapshot.epochs],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train every regime with every seed and the baselines, and write the record after each of them."""
    parser = argparse.ArgumentParser(prog="python -m tempotron_core.published", description=__doc__)
    parser.add_argument("--dataset-dir", required=True, help="folder in torchvision's layout that holds MNIST")
    parser.add_argument("--epochs", type=int, default=_EPOCHS)
    parser.add_argument("--seeds", type=int, default=_SEEDS, help="runs of each recipe")
    parser.add_argument("--output", type=Path, default=RECORD)
    parser.add_argument("--resume", action="store_true", help="keep what the output file holds and do what is missing")
    parser.add_argument("--at-most", type=int, default=None, help="end after this many runs or baselines")
    options = parser.parse_args(arguments)
    try:
        dataset = datasets.load("MNIST", options.dataset_dir)
        series = [
            settings
            for seed in range(options.seeds)
            for settings in regime_settings("MNIST", options.dataset_dir, options.epochs, seed=seed)
        ]
        record = read_record(options.output) if options.resume and options.output.exists() else {}
    except (datasets.DataError, OSError, ValueError, TypeError) as error:
        print(error, file=sys.stderr)
        return 2
    runs, baselines = record.get("runs", []), record.get("linear_test_accuracy", {})
    done = [run["settings"] for run in runs]
    missing: list[Settings | str] = [settings for settings in series if _recorded_settings(settings) not in done]
    missing += [features for features in FEATURES if features not in baselines]
    for task in missing[: options.at_most]:
        if isinstance(task, Settings):
            runs.append(train_regime(task, dataset))
            name, accuracies = f"{task.recipe}, seed {task.seed}", runs[-1]["test_accuracy"]
        else:
            accuracies = baselines[task] = linear_accuracy(dataset, task, options.epochs)
            name = f"linear on {task}"
        print(f"{name}: {', '.join(f'{100 * value:.2f}' for value in accuracies)} %", file=sys.stderr)
        record = {
            "data": dataset.source,
            "train_samples": len(dataset.train),
            "test_samples": len(dataset.test),
            "torch": torch.__version__,
            "runs": runs,
            "linear_test_accuracy": baselines,
        }
        write_atomic(options.output, f"{json.dumps(record, indent=1)}\n".encode())
    return 0


def _recorded_settings(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in settings.to_record().items() if name not in ("dataset_dir", "log_dir")}
