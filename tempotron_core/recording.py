"""Runs from a training loop of one's own, which the pages Runs, Replay and Training follow while they are written.

with tc.record("runs", m=16, T=100) as run:
    for _ in range(10):
        ...
        run.epoch(layer.fc.weight, train_accuracy=0.91, test_accuracy=0.89)
"""

from __future__ import annotations

import math
import numbers
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tempotron_core.data import datasets
from tempotron_core.model.codes import FittedCode
from tempotron_core.runs.catalogue import rename
from tempotron_core.runs.reader import RunRecord
from tempotron_core.runs.writer import RunLog, open_run_log
from tempotron_core.training.metrics import EpochMetrics, History, StepMetrics, StepMetricsHistory
from tempotron_core.training.settings import Settings
from tempotron_core.training.snapshot import Snapshot

__all__ = ["RunRecorder", "find_weight", "record", "record_with_settings"]

_TITLE = "recorded training loop"


class RunRecorder:
    """A run that is being written.

    Attributes:
        path: run folder
        epochs_done: number of the last epoch that was written
    """

    def __init__(self, log: RunLog, snapshot: Snapshot, planned: int | None) -> None:
        self._log, self._snapshot, self._planned = log, snapshot, planned
        self._since = time.monotonic()
        self.path = log.path

    @property
    def epochs_done(self) -> int:
        """Return the number of the last epoch that was written, 0 without one."""
        return self._snapshot.epochs_done

    def epoch(self, weight: Any, *, train_accuracy: float, test_accuracy: float, loss: float = math.nan) -> None:
        """Write the weights and the metrics of an epoch.

        Args:
            weight: weights [outputs, afferents], a tensor or array, or the layer that has them
            train_accuracy: fraction of the training samples that are classified correctly, NaN where it is unknown
            test_accuracy: the same of the test samples
            loss: mean loss, NaN where it is unknown

        Raises:
            TypeError: for weights or accuracies of another type.
            ValueError: for weights of another shape or not finite, and for accuracies out of range.
            TrainingError: where the run folder cannot be written.
        """
        matrix = find_weight(weight)
        former = self._snapshot.weight
        if former is not None and former.shape != matrix.shape:
            raise ValueError(
                f"weight: expected the shape of the epochs before, {list(former.shape)}, got {list(matrix.shape)}; "
                "record another network as a run of its own."
            )
        _check_width(matrix, self._snapshot.settings)
        train, test = _fraction("train_accuracy", train_accuracy), _fraction("test_accuracy", test_accuracy)
        now = time.monotonic()
        number = self.epochs_done + 1
        row = EpochMetrics(
            number, number, float(loss), train, test, now - self._since, 0.0,
            firing_error_rate=math.nan, peaks_at_start=math.nan, peaks_at_end=math.nan,
            weight_norm=float(matrix.norm()), gradient_norm=math.nan,
        )  # fmt: skip
        self._since = now
        settings = _replace_epochs(self._snapshot.settings, max(self._planned or 0, number + 1))
        points = self._snapshot.points.appended(StepMetrics(number, float(loss), train, train))
        self._snapshot = replace(
            self._snapshot, settings=settings, total_steps=settings.epochs, step=number, weight=matrix, points=points,
            epochs=self._snapshot.epochs.appended(row),
        )  # fmt: skip
        self._log.change_settings(settings)
        self._log.write(self._snapshot)

    def finish(self) -> None:
        """Record that no epoch follows."""
        if self.epochs_done:
            self._log.change_settings(_replace_epochs(self._snapshot.settings, self.epochs_done))


@contextmanager
def record(
    log_dir: str | os.PathLike[str] = "runs",
    *,
    m: int = 16,
    T: int = 100,
    beta: float = 1.5,
    tau: float = 15.0,
    tau_s: float = 15.0 / 4,
    v_threshold: float = 1.0,
    dataset: str = datasets.EMBEDDED,
    dataset_dir: str | None = None,
    classes: tuple[str, ...] = (),
    epochs: int | None = None,
    name: str = _TITLE,
) -> Iterator[RunRecorder]:
    """Write a run from a training loop of one's own: a context manager that gives a RunRecorder.

    Args:
        log_dir: folder of the runs, that of the dashboard
        m: neurons per feature
        T: time window in ms
        beta: width parameter of the tuning curves
        tau: membrane time constant in ms
        tau_s: synaptic time constant in ms
        v_threshold: threshold, and peak of the kernel
        dataset: data set of the training, or the path of its file
        dataset_dir: folder of the data set
        classes: names of the outputs, their numbers if empty
        epochs: planned number of epochs, None where it is unknown
        name: name of the run

    Raises:
        TypeError: for constants of another type.
        ValueError: for constants out of range and an unknown data set.
        TrainingError: where the run folder cannot be written.
    """
    place = datasets.locate(dataset, dataset_dir)
    settings = Settings(
        m=m, T=T, beta=beta, tau=tau, tau_s=tau_s, v_threshold=v_threshold, dataset=place[0], dataset_dir=place[1],
        log_dir=os.fspath(log_dir), epochs=epochs or 1, imported_from=name[:80] or _TITLE,
    )  # fmt: skip
    with record_with_settings(settings, classes, epochs, name) as recorder:
        yield recorder


@contextmanager
def record_with_settings(
    settings: Settings,
    classes: tuple[str, ...] = (),
    planned: int | None = None,
    name: str = _TITLE,
    code: FittedCode | None = None,
    shape: tuple[int, ...] = (28, 28),
) -> Iterator[RunRecorder]:
    """Write a run with these settings, see record.

    Args:
        settings: constants and place of the run
        classes: names of the outputs
        planned: planned number of epochs, None where it is unknown
        name: name of the run
        code: code of the samples, where it was computed from training images
        shape: that of a sample
    """
    snapshot = Snapshot(
        settings, "training", 1, points=StepMetricsHistory(), epochs=History(), classes=classes, code=code, shape=shape
    )
    with open_run_log(settings) as log:
        with suppress(Exception):  # the run is written without its name if that fails
            rename(RunRecord(Path(log.path)), name)
        recorder = RunRecorder(log, snapshot, planned)
        try:
            yield recorder
        finally:
            recorder.finish()
            if not recorder.epochs_done:
                shutil.rmtree(recorder.path, ignore_errors=True)  # no page can show a run without weights


def find_weight(source: Any) -> torch.Tensor:
    """Return the weights [outputs, afferents] of a tensor, an array or a layer: float32 on the CPU, a copy.

    Raises:
        TypeError: for anything else, and for a layer with no matrix or several.
        ValueError: for another number of dimensions, and values that are not finite.
    """
    if isinstance(source, torch.nn.Module):
        matrices = {name: value for name, value in source.named_parameters() if value.dim() == 2}
        if len(matrices) != 1:
            shapes = ", ".join(f"{key} {list(value.shape)}" for key, value in matrices.items()) or "none"
            raise TypeError(
                f"weight: expected a layer with one matrix [outputs, afferents], got {shapes}; pass the matrix itself."
            )
        source = next(iter(matrices.values()))
    if isinstance(source, np.ndarray | list | tuple):
        try:
            source = torch.from_numpy(np.array(source, dtype=np.float64))
        except (TypeError, ValueError):
            raise TypeError("weight: expected numbers [outputs, afferents], got other objects.") from None
    if not isinstance(source, torch.Tensor):
        raise TypeError(
            f"weight: expected a tensor, an array or a layer, got {type(source).__name__}; pass [outputs, afferents]."
        )
    if source.dim() != 2 or 0 in source.shape:
        raise ValueError(f"weight: expected a matrix [outputs, afferents], got {list(source.shape)}; reshape it.")
    weight = source.detach().to("cpu", torch.float32, copy=True).contiguous()
    if not bool(weight.isfinite().all()):
        raise ValueError("weight: expected finite numbers, got NaN or infinity; lower the learning rate.")
    return weight


def _replace_epochs(settings: Settings, epochs: int) -> Settings:
    """Return the settings with another number of epochs."""
    return settings if settings.epochs == epochs else replace(settings, epochs=epochs)


def _check_width(weight: torch.Tensor, settings: Settings) -> None:
    features, width = datasets.known_features(settings.dataset), weight.shape[1]
    if width % settings.m or (features is not None and width != features * settings.m):
        wanted = f"{features * settings.m:,}" if features is not None else f"a multiple of {settings.m}"
        hint = f"pass m={width // features}" if features and not width % features else "pass m and dataset to record"
        if features and width // features < 3:
            hint = "pass dataset, the path of the file of your samples, to record"
        raise ValueError(
            f"weight: expected {wanted} afferents, m {settings.m} for each feature of {settings.dataset}, got "
            f"{list(weight.shape)}; {hint}."
        )


def _fraction(name: str, value: object) -> float:
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number from 0 to 1, got {type(value).__name__}; pass a fraction.")
    number = float(value)
    if not math.isnan(number) and not 0 <= number <= 1:
        raise ValueError(f"{name}: expected a fraction from 0 to 1, got {number:g}; divide a percentage by 100.")
    return number
