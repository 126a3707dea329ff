"""A training job that starts from the weights of a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tempotron_core.data import datasets
from tempotron_core.jobs.job import Job
from tempotron_core.model.classifier import Model
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings
from tempotron_core.training.snapshot import Snapshot

__all__ = ["fine_tuning_job"]


def fine_tuning_job(initial: Model) -> type[Job]:
    """Return the class of a job whose run starts from these weights."""

    class FineTuningJob(Job):
        """A run that starts from other weights than the initial ones."""

        def __init__(
            self,
            settings: Settings,
            dataset: datasets.Dataset | None = None,
            train: Callable[..., Iterator[Snapshot]] = train_model,
            clock: Callable[[], float] = time.monotonic,
            *,
            resume_folder: Path | None = None,
        ) -> None:
            super().__init__(settings, dataset, partial(train, initial=initial), clock, resume_folder=resume_folder)

    return FineTuningJob
