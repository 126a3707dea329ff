"""Wait for a state instead of for a time; and a run that pauses itself where a test wants to look at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from tempotron_core.data import datasets
from tempotron_core.jobs.job import Job
from tempotron_core.training.settings import Settings
from tempotron_core.training.snapshot import Snapshot

PATIENCE = 300.0
"""Seconds. Only a fault uses them up: long enough for a slow machine with busy processors, or one that is suspended."""


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Poll until the condition is true.

    Raises:
        TimeoutError: the condition has stayed false for that many seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"the condition has stayed false for {seconds:g} s")
        time.sleep(0.001)


class PausingJob(Job):
    """A job that pauses itself after the first snapshot that `pauses` accepts.

    Attributes:
        paused: set as soon as the worker only waits: it writes and publishes nothing until it is resumed or stopped.
    """

    def __init__(
        self,
        settings: Settings,
        dataset: datasets.Dataset | None = None,
        pauses: Callable[[Snapshot], bool] = lambda snapshot: True,
        **options: Any,
    ) -> None:
        super().__init__(settings, dataset, **options)
        self.paused = threading.Event()
        self._pauses = pauses

    def _wait_while_paused(self) -> bool:
        snapshot = self._status.snapshot
        if not self.paused.is_set() and snapshot is not None and self._pauses(snapshot):
            self.pause()
            self.paused.set()
        return super()._wait_while_paused()


def pausing(pauses: Callable[[Snapshot], bool]) -> type[PausingJob]:
    """Return the class of jobs that pause themselves after such a snapshot, for `Trainings.start`."""

    class Pausing(PausingJob):
        def __init__(self, settings: Settings, dataset: datasets.Dataset | None = None) -> None:
            super().__init__(settings, dataset, pauses)

    return Pausing
