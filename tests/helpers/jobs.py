"""Training jobs whose progress a test controls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tempotron_core.data import datasets
from tempotron_core.jobs.job import Job, Status
from tempotron_core.model.classifier import Model
from tempotron_core.training.settings import Settings
from tempotron_core.training.snapshot import Snapshot

Train = Callable[[Settings, datasets.Dataset | None], Iterator[Snapshot]]


@dataclass
class NoLog:
    path: Path = Path("log")
    note: str | None = None
    written: list[Snapshot] = field(default_factory=list)

    def write(self, snapshot: Snapshot) -> None:
        self.written.append(snapshot)


def model_of(status: Status | None) -> Model | None:
    """Weights of the latest snapshot of a job."""
    return None if status is None or status.snapshot is None else status.snapshot.model


def with_train(train: Train) -> type[Job]:
    """The job class with this training."""

    class GivenJob(Job):
        def __init__(self, settings: Settings, dataset: datasets.Dataset | None = None, train: Train = train) -> None:
            super().__init__(settings, dataset, train)

    return GivenJob


def snapshot(settings: Settings, phase: str = "training", step: int = 0) -> Snapshot:
    return Snapshot(settings, phase, 100, step, weight=torch.full((2, 3), float(step)))


def train_forever(settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
    """A run that goes on until it is stopped."""
    step = 0
    while True:
        step += 1
        yield snapshot(settings, step=step)
        time.sleep(0.0005)  # waits for nothing: leaves the processor to the others


def train_to_end(settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
    yield snapshot(settings, step=1)
    yield snapshot(settings, "finished", step=100)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "training"]
