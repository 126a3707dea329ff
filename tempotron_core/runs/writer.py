"""Writing of a run folder, snapshot by snapshot.

Tables are appended to; every other file is written whole beside its place and then moved there, the state after all
others: a process killed at any instant leaves a folder that opens and has lost at most the epoch in progress.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from tempotron_core.runs.csv_tables import Table
from tempotron_core.runs.files import (
    CODE_FILE,
    END_MARKER,
    RunError,
    read_tensors,
    read_text,
    serialise_weights,
    write_atomic,
)
from tempotron_core.runs.lock import RunLock
from tempotron_core.runs.tensorboard_log import TensorBoardWriter, purge_events
from tempotron_core.training.metrics import EpochMetrics, StepMetrics
from tempotron_core.training.settings import FORMER_NAMES, Settings, TrainingError
from tempotron_core.training.snapshot import Snapshot

__all__ = ["BATCH_ACCURACY_EVERY", "CHECKPOINT_BUDGET", "RunLog", "open_run_log"]

BATCH_ACCURACY_EVERY = 256
"""Steps between two values of the training accuracy of a batch."""

CHECKPOINT_BUDGET = 256 * 2**20


class RunLog:
    """Writer of a run folder, with its lock until close().

    path: folder to continue, of which the snapshot was read; None for a new one in the log directory. What differs in
    the settings is then recorded. note: one sentence on a problem that was corrected.

    Raises:
        RunLockedError: while another process writes the folder.
        RunError: where another process has continued the run since the snapshot was read.
        TrainingError: where the folder cannot be written.
    """

    def __init__(self, settings: Settings, path: Path | None = None, resume_from: Snapshot | None = None) -> None:
        data = re.sub(r"[^\w.-]+", "_", settings.dataset)
        origin = f"{settings.recipe}-seed{settings.seed}"
        if settings.imported_from is not None:
            origin = "imported"
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{data}-{origin}"
        self._settings = settings
        self.note: str | None = None
        try:
            self.path = path or _new_folder(Path(settings.log_dir).expanduser(), name)
            self._lock = RunLock(self.path)
        except (OSError, RuntimeError, ValueError) as error:
            raise _unwritable(settings, error) from error
        self.note = self._lock.note
        try:
            self._open(path, resume_from)
        except BaseException:
            self._lock.close()
            raise
        self._last_snapshot: Snapshot | None = None
        self._has_code = resume_from is not None  # the code was read from the folder
        self._best = (
            max((result.test_accuracy for result in resume_from.epochs), default=-math.inf)
            if resume_from
            else -math.inf
        )
        self._points = len(resume_from.points) if resume_from else 0
        self._epochs = len(resume_from.epochs) if resume_from else 0
        self._checkpoint_bytes = sum(file.stat().st_size for file in self.path.glob("epochs/*.safetensors"))

    def _open(self, path: Path | None, resume_from: Snapshot | None) -> None:
        """Write what the folder must hold before the first snapshot."""
        settings = self._settings
        if path is not None and resume_from is not None:
            _require_unchanged(path, resume_from)
        try:
            if path is None:
                self._write_metadata()
            else:
                _record_changes(path, settings)
            self._tables = Table(self.path / "points.csv", StepMetrics), Table(self.path / "epochs.csv", EpochMetrics)
            first_step = 0
            if resume_from is not None:
                self._write_tables(resume_from)  # without what a killed process has written since
                first_step = resume_from.step + 1
                last = {"test_accuracy": resume_from.epochs_done}  # the only scalar with a value per epoch
                purge_events(self.path, resume_from.step, last)
            self._events = TensorBoardWriter(self.path, first_step)
        except (OSError, RuntimeError, ValueError) as error:
            raise _unwritable(settings, error) from error
        with suppress(OSError):
            (self.path / END_MARKER).unlink(missing_ok=True)

    def write(self, snapshot: Snapshot) -> None:
        """Append what this snapshot adds."""
        new = snapshot.epochs[self._epochs :]
        try:
            for point in snapshot.points[self._points :]:
                self._events.add_scalar("train_loss", point.loss, point.step)
                if point.step % BATCH_ACCURACY_EVERY == 0:
                    self._events.add_scalar("train_accuracy", point.batch_accuracy, point.step)
            for result in new:
                self._events.add_scalar("test_accuracy", result.test_accuracy, result.epoch)
                self._best = max(self._best, result.test_accuracy)
            self._write_code(snapshot)
            self._last_snapshot = snapshot
            self._points, self._epochs = len(snapshot.points), len(snapshot.epochs)
            if new:
                if self._recreate_if_deleted():
                    self._write_code(snapshot)
                self._write_checkpoint(snapshot)
        except OSError as error:
            raise TrainingError(
                f"run folder: expected to write into {str(self.path)!r}, got {error.strerror or error}; all epochs "
                "before are kept; free the disk or choose another log directory, then resume the run."
            ) from error

    def change_settings(self, settings: Settings) -> None:
        """Record other settings of the run in progress, such as its number of epochs."""
        if settings == self._settings:
            return
        self._settings = settings
        try:
            _record_changes(self.path, settings)
        except (OSError, RuntimeError, ValueError, RunError):
            return  # where the folder was deleted, write() creates it again with these settings

    def close(self) -> None:
        """Flush everything to disk, the latest weights included, and write the end marker."""
        latest = self._last_snapshot
        with suppress(OSError):
            if latest is not None and latest.weight is not None:
                recreated = self._recreate_if_deleted()
                if recreated:
                    self._write_code(latest)
                if latest.state is None:  # within an epoch
                    write_atomic(self.path / "last.safetensors", serialise_weights(latest.weight, latest.classes))
                    self._write_tables(latest)
                elif recreated:
                    self._write_checkpoint(latest)
        self._events.close()
        with suppress(OSError):
            if self.path.is_dir():
                write_atomic(self.path / END_MARKER, b"")
        self._lock.close()

    def _write_metadata(self) -> None:
        write_atomic(self.path / "settings.json", _json(_settings_to_record(self._settings)))
        write_atomic(self.path / "environment.json", _json(_environment(self._settings)))

    def _write_code(self, snapshot: Snapshot) -> None:
        """Write once what the code has computed from the training images."""
        if self._has_code or snapshot.code is None:
            return
        if snapshot.code.fitted:
            tensors = {name: value.contiguous() for name, value in snapshot.code.fitted.items()}
            write_atomic(self.path / CODE_FILE, save(tensors, {"code": snapshot.code.name}))
        self._has_code = True

    def _recreate_if_deleted(self) -> bool:
        """Return whether the folder was deleted; it is then created again."""
        if (self.path / "settings.json").is_file():
            return False
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock.close()
        self._lock = RunLock(self.path)
        self._write_metadata()
        self._events.close()
        self._events = TensorBoardWriter(self.path)
        self._checkpoint_bytes = 0
        self._has_code = False
        self.note = (
            f"The run's folder {self.path.name!r} was deleted while it trained and has been created again; the weights "
            "of earlier epochs and TensorBoard's values up to then are gone."
        )
        return True

    def _write_tables(self, snapshot: Snapshot) -> None:
        points, epochs = self._tables
        points.update(snapshot.points)
        epochs.update(snapshot.epochs)

    def _write_checkpoint(self, snapshot: Snapshot) -> None:
        if snapshot.weight is None:
            return
        weights = serialise_weights(snapshot.weight, snapshot.classes)
        if self._checkpoint_bytes + len(weights) <= CHECKPOINT_BUDGET:
            write_atomic(self.path / "epochs" / f"{snapshot.epochs_done:04}.safetensors", weights)
            self._checkpoint_bytes += len(weights)
        if snapshot.epochs[-1].test_accuracy >= self._best:
            write_atomic(self.path / "best.safetensors", weights)
        write_atomic(self.path / "last.safetensors", weights)
        self._write_tables(snapshot)
        if snapshot.state is not None:
            metadata = {"epochs": str(snapshot.epochs_done), "total_steps": str(snapshot.total_steps)}
            write_atomic(self.path / "state.safetensors", save(snapshot.state, metadata))


@contextmanager
def open_run_log(settings: Settings, path: Path | None = None, resume_from: Snapshot | None = None) -> Iterator[RunLog]:
    """Open the log of a run; it is closed at the end in any case."""
    log = RunLog(settings, path, resume_from)
    try:
        yield log
    finally:
        log.close()


def _unwritable(settings: Settings, error: Exception) -> TrainingError:
    return TrainingError(
        f"log directory: expected a folder that can be written, got {settings.log_dir!r} "
        f"({getattr(error, 'strerror', None) or error}); choose another one."
    )


def _settings_to_record(settings: Settings) -> dict[str, Any]:
    """Return the settings by name, with a data set directory that holds in every working directory."""
    directory = settings.dataset_dir
    absolute = os.path.abspath(os.path.expanduser(directory)) if directory else directory
    return settings.to_record() | {"dataset_dir": absolute}


def _record_changes(folder: Path, settings: Settings) -> None:
    """Write what a resumed run changes into its settings; keep names that this version does not know."""
    former = {new: old for old, new in FORMER_NAMES.items()}
    recorded: dict[str, Any] = json.loads(read_text(folder, "settings.json"))
    wanted = _settings_to_record(settings)
    names = {name: former[name] if former.get(name) in recorded else name for name in wanted}
    changed = {names[name]: value for name, value in wanted.items() if recorded.get(names[name]) != value}
    if {name for name in changed if name in recorded}:
        write_atomic(folder / "settings.json", _json(recorded | changed))


def _require_unchanged(folder: Path, resume_from: Snapshot) -> None:
    """Raise RunError where another process has continued the run since the snapshot was read."""
    if resume_from.state is None:
        return
    _, metadata = read_tensors(folder, "state.safetensors")
    if metadata.get("epochs") != str(resume_from.epochs_done):
        raise RunError(
            f"{folder.name!r}: expected the run as it was read, after epoch {resume_from.epochs_done:,}, got one that "
            f"another process has continued to epoch {metadata.get('epochs', '?')[:20]}; resume it again."
        )


def _environment(settings: Settings) -> dict[str, object]:
    revision = ""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        process = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        revision = process.stdout.strip() if process.returncode == 0 else ""
    device = torch.cuda.get_device_name(settings.device) if settings.device.startswith("cuda") else platform.machine()
    return {
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
        "device": device,
        "threads": torch.get_num_threads(),
        "seed": settings.seed,
        "preset": settings.preset,
        "git_revision": revision or None,
    }


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


def _new_folder(parent: Path, name: str) -> Path:
    for suffix in ("", *(f"-{i}" for i in range(2, 1000))):
        try:
            (parent / (name + suffix)).mkdir(parents=True)
        except FileExistsError:
            if parent.exists() and not parent.is_dir():
                raise
            continue
        return parent / (name + suffix)
    raise OSError("a thousand runs began in the same second")
