"""Runs on disk, each a folder, read back.

settings.json       what was asked for
environment.json    versions, device, git revision
epochs.csv, points.csv          metrics, a row an epoch and a row a record
last.safetensors, best.safetensors          the latest and the best weights, as fc.weight; classes' names
epochs/0001.safetensors ...     the weights after every epoch, up to a budget of bytes in all
state.safetensors   all that the run needs to go on
events.*            TensorBoard
ended               there once nobody writes any more
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tempotron_core.model.classifier import Model
from tempotron_core.runs.csv_tables import read_epochs, read_points
from tempotron_core.runs.files import RunError, read_tensors, read_text
from tempotron_core.training.metrics import EpochResult, History, Points
from tempotron_core.training.settings import Settings, model_of
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.validation import in_short

__all__ = ["RunError", "RunRecord", "load_model", "load_snapshot", "read_run", "runs_in"]

_LONGEST_SHOWN, _MOST_SHOWN = 10_000, 1_000  # T and m of a network that is drawn
_LARGEST_WEIGHT = 1e15  # sums of more would not stay finite


@dataclass(frozen=True)
class RunRecord:
    """A run's folder as it is: what can be read of it, and what is wrong with it in one sentence, if anything."""

    path: Path
    settings: Settings | None = None
    points: Points = field(default_factory=Points)
    epochs: tuple[EpochResult, ...] = ()
    problem: str | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name


def runs_in(directory: str | os.PathLike[str]) -> tuple[RunRecord, ...]:
    """The runs in a log directory, the latest first; empty where there is no such folder."""
    with suppress(OSError, ValueError):
        folders = [entry for entry in Path(directory).expanduser().iterdir() if entry.is_symlink() or entry.is_dir()]
        return tuple(_described(folder) for folder in sorted(folders, key=lambda entry: entry.name, reverse=True))
    return ()


def read_run(path: str | os.PathLike[str]) -> RunRecord:
    """Settings and metrics of a run's folder; RunError where they cannot be read."""
    folder = Path(path)
    try:
        settings = Settings(**json.loads(read_text(folder, "settings.json")))
    except (ValueError, TypeError, RecursionError) as error:
        raise RunError(
            f"settings.json of {folder.name!r}: expected a run's settings, got {in_short(error)}; restore or delete it."
        ) from error
    return RunRecord(folder, settings, read_points(folder), read_epochs(folder))


def load_model(path: str | os.PathLike[str], which: str = "last", settings: Settings | None = None) -> Model:
    """The network of a run: its last or best weights, or those after an epoch ("epochs/0003"); RunError if damaged.

    settings: those of the run, where they have been read already.
    """
    folder = Path(path)
    settings = settings or read_run(folder).settings
    assert settings is not None
    name = f"{which}.safetensors"
    tensors, _ = read_tensors(folder, name)
    weight = tensors.get("fc.weight")
    model = None if weight is None else model_of(settings, weight)
    fits = weight is not None and weight.dim() == 2 and weight.dtype == torch.float32 and model is not None
    if not fits or weight is None or model is None or weight.shape[1] != 784 * settings.m or len(weight) % model.k:
        got = "none" if weight is None else f"{weight.dtype} {list(weight.shape)}"
        raise RunError(
            f"{name} of {folder.name!r}: expected weights fc.weight [outputs, {784 * settings.m}] in float32, got "
            f"{got}; choose another run."
        )
    if settings.T > _LONGEST_SHOWN or settings.m > _MOST_SHOWN:
        raise RunError(
            f"settings.json of {folder.name!r}: expected T of at most {_LONGEST_SHOWN:,} ms and m of at most "
            f"{_MOST_SHOWN:,} in a network to be shown, got {settings.T:,} and {settings.m:,}; choose another run."
        )
    if len(weight) == 0 or not bool(weight.isfinite().all()):
        raise RunError(f"{name} of {folder.name!r}: expected finite weights, got NaN or infinity; choose another run.")
    largest = float(weight.abs().max())
    if largest > _LARGEST_WEIGHT:
        raise RunError(
            f"{name} of {folder.name!r}: expected weights of at most {_LARGEST_WEIGHT:g}, got {largest:g}; "
            "choose another run."
        )
    return model


def load_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """The snapshot from which a run goes on; RunError where its folder has none."""
    record, folder = read_run(path), Path(path)
    assert record.settings is not None
    state, told = read_tensors(folder, "state.safetensors")
    try:
        done, total = int(told["epochs"]), int(told["total_steps"])
        epochs = record.epochs[:done]
        step = epochs[-1].step
    except (KeyError, ValueError, IndexError) as error:
        raise RunError(
            f"state.safetensors of {folder.name!r}: expected the end of an epoch in epochs.csv, got none; "
            "start the run anew."
        ) from error
    whole = len(epochs) == done and {"rows", "noise", "shuffle"} <= set(state) and state["rows"].dim() == 2
    if not whole or not all(0 <= number < state["rows"].shape[1] for number in epochs[-1].dead):
        raise RunError(f"state.safetensors of {folder.name!r}: expected a whole state, got a part; start the run anew.")
    points = Points(point for point in record.points if point.step <= step)
    return Snapshot(record.settings, "training", total, step, points=points, epochs=History(epochs), state=state)


def _described(folder: Path) -> RunRecord:
    if folder.is_symlink():
        problem = f"{folder.name!r}: expected a folder of its own, got a link; put the run itself here."
        return RunRecord(folder, problem=problem)
    try:
        return read_run(folder)
    except RunError as error:
        return RunRecord(folder, problem=str(error))
