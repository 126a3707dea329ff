"""A run's folder on disk: its settings and its TensorBoard scalars."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tempotron_core.training import Settings, Snapshot, TrainingError

__all__ = ["BATCH_ACCURACY_EVERY", "RunLog", "logged"]

BATCH_ACCURACY_EVERY = 256
"""Steps between two values of the training accuracy of a batch."""


class RunLog:
    """Writes the settings once and every scalar of a run's snapshots once. Raises TrainingError where it cannot."""

    def __init__(self, settings: Settings) -> None:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{settings.dataset}-{settings.recipe}-seed{settings.seed}"
        try:
            self.path = _new_folder(Path(settings.log_dir).expanduser(), name)
            (self.path / "settings.json").write_text(json.dumps(asdict(settings), indent=2) + "\n")
            # Imported here: it takes a second that a page without training should not pay.
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.path), flush_secs=10)
        except (OSError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"log directory: expected a folder that can be written, got {settings.log_dir!r} "
                f"({getattr(error, 'strerror', None) or error}); choose another one."
            ) from error
        self._points = 0
        self._epochs = 0

    def write(self, snapshot: Snapshot) -> None:
        """Append what this snapshot adds to the ones before."""
        for point in snapshot.points[self._points :]:
            self._scalar("train_loss", point.loss, point.step)
            if point.step % BATCH_ACCURACY_EVERY == 0:
                self._scalar("train_accuracy", point.batch_accuracy, point.step)
        for result in snapshot.epochs[self._epochs :]:
            self._scalar("test_accuracy", result.test_accuracy, result.epoch)
        self._points, self._epochs = len(snapshot.points), len(snapshot.epochs)

    def close(self) -> None:
        """Flush everything to disk."""
        self._writer.close()

    def _scalar(self, tag: str, value: float, step: int) -> None:
        self._writer.add_scalar(tag, value, step)


@contextmanager
def logged(settings: Settings) -> Iterator[RunLog]:
    """A run's log, closed at the end whatever happens."""
    log = RunLog(settings)
    try:
        yield log
    finally:
        log.close()


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
