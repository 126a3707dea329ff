"""Fine-tuning: a new run that starts from the weights of another, which may be an imported network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tempotron_core.data.datasets import Dataset
from tempotron_core.model.classifier import Model
from tempotron_core.runs.files import RunError
from tempotron_core.runs.reader import checkpoint_path, load_model, read_run
from tempotron_core.training.recipes import RECIPES
from tempotron_core.training.settings import Settings

__all__ = ["FIXED_IN_FINE_TUNING", "fine_tune_settings", "require_same_shape", "split_checkpoint"]

FIXED_IN_FINE_TUNING = ("m", "code", "tempotrons_per_class", "start_from", "imported_from")
"""Settings that belong to the weights; all others may differ from those of the run."""


def split_checkpoint(text: str) -> tuple[Path, str]:
    """Return folder and checkpoint of a text such as "runs/NAME", "runs/NAME:best" or "runs/NAME:3".

    Raises:
        RunError: for a number of more than nine digits.
    """
    folder, separator, checkpoint = text.rpartition(":")
    if not separator or not (checkpoint in ("last", "best") or checkpoint.isdecimal()):
        folder, checkpoint = text, "last"
    return Path(folder).expanduser(), checkpoint_path(checkpoint)


def fine_tune_settings(start_from: str, given: Mapping[str, Any]) -> tuple[Settings, Model]:
    """Return the settings of a run that starts from the weights of another, and these weights.

    Args:
        start_from: folder of the run, and after a colon last, best or the number of an epoch; last by default
        given: settings that differ from those of the run, by name

    Raises:
        RunError: for a folder without these weights, and for settings that belong to the weights.
        TypeError, ValueError: for values out of range.
    """
    folder, checkpoint = split_checkpoint(start_from)
    record = read_run(folder)
    assert record.settings is not None
    model = load_model(folder, checkpoint, record.settings)
    recorded = {field.name: getattr(record.settings, field.name) for field in fields(Settings)}
    for name in FIXED_IN_FINE_TUNING:
        if name in given and given[name] != recorded[name]:
            raise RunError(
                f"{name}: expected {recorded[name]} in a run that starts from {folder.name!r}, got {given[name]}; "
                "leave it out, or train from initial weights."
            )
    number = checkpoint.removeprefix("epochs/")
    name = folder.resolve().name
    if checkpoint != "last":
        name += f":{int(number) if number.isdecimal() else number}"
    own: dict[str, Any] = {"start_from": name, "imported_from": None, "lr_changes": None, "from_preset": ()}
    recipes = [RECIPES[name] for name in (record.settings.recipe, given.get("recipe")) if name in RECIPES]
    if recorded["tempotrons_per_class"] is None and any(recipe.tempotrons_per_class > 1 for recipe in recipes):
        own["tempotrons_per_class"] = model.tempotrons_per_class  # that of the weights, not of another recipe
    stopping = {"target_accuracy": None, "patience": None}
    return Settings(**{**recorded, **stopping, **own, **{k: v for k, v in given.items() if k != "start_from"}}), model


def require_same_shape(settings: Settings, model: Model, dataset: Dataset) -> None:
    """Check that the weights fit a data set.

    Raises:
        RunError: where they do not.
    """
    shape = tuple(dataset.train.images.shape[1:])
    features, classes = math.prod(shape), len(dataset.classes)
    if model.weight.shape[1] != features * settings.m or model.num_classes != classes:
        raise RunError(
            f"start_from: expected a network of {features * settings.m:,} afferents and {classes} classes for "
            f"{dataset.name}, got {model.weight.shape[1]:,} and {model.num_classes}; choose a data set of the shape of "
            "the one it was trained on."
        )
