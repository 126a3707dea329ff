"""Status of a run that another process writes, read from its folder."""

from __future__ import annotations

import math
from pathlib import Path

from tempotron_core.jobs.job import Status
from tempotron_core.model.classifier import PIXELS
from tempotron_core.runs.catalogue import is_being_written
from tempotron_core.runs.reader import load_model, read_classes, read_run
from tempotron_core.training.metrics import History
from tempotron_core.training.snapshot import Snapshot

__all__ = ["follow_run"]

_NOTE = "Another process writes this run: it can be paused or stopped only there."


def follow_run(folder: Path) -> Status:
    """Return the status of a run according to its folder: running while a process writes it, then finished.

    Raises:
        RunError: where settings or weights cannot be read.
    """
    record = read_run(folder)
    assert record.settings is not None
    model = load_model(folder, settings=record.settings)
    last = record.epochs[-1] if record.epochs else None
    steps = last.step / last.epoch if last is not None and last.epoch else 1
    features = model.num_features
    snapshot = Snapshot(
        record.settings, "training", max(1, math.ceil(steps * record.settings.epochs)), last.step if last else 0,
        points=record.points, epochs=History(record.epochs), classes=read_classes(folder, model.num_classes),
        code=model.code, shape=(28, 28) if features == PIXELS else (features,), weight=model.weight,
    )  # fmt: skip
    live = is_being_written(record)
    return Status(
        "running" if live else "finished", record.settings, snapshot, str(folder), note=_NOTE if live else None
    )
