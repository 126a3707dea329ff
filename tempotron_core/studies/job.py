"""A process of a study as a training job of the dashboard: one job at a time, paused and stopped like a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tempotron_core.data import datasets
from tempotron_core.jobs.job import Job
from tempotron_core.runs.reader import RunError
from tempotron_core.studies.plan import StudyError, StudyPlan
from tempotron_core.studies.storage import StudyPlace, open_study
from tempotron_core.studies.worker import Worker
from tempotron_core.training.settings import TrainingError
from tempotron_core.training.snapshot import Snapshot

__all__ = ["study_job"]


def study_job(place: StudyPlace, plan: StudyPlan, local: Mapping[str, Any], time_budget: float = math.inf) -> type[Job]:
    """Return the class of a job that takes part in a study.

    Args:
        place: location of the study
        plan: its plan, with held-out samples
        local: device and dataset_dir of this machine
        time_budget: seconds after which no trial begins
    """

    class StudyJob(Job):
        """One process of a study in a thread."""

        def _run(self) -> None:
            event, error = "worker_exited", None

            def publish(snapshot: Snapshot, log: str) -> bool:
                if self._abandoned:
                    return False
                self._publish(snapshot=replace(snapshot, state=None), settings=snapshot.settings, log=log)
                return self._wait_while_paused()

            try:
                study, stored_plan = open_study(place, plan)
                dataset = self._dataset or datasets.load(self._status.settings.dataset, local.get("dataset_dir"))
                worker = Worker(study, stored_plan, place, dataset, local, on_snapshot=publish)
                outcome = worker.run(time_budget, self._wait_while_paused)
                if not outcome.interrupted:
                    event = "finished"
            except (StudyError, RunError, TrainingError, datasets.DataError, ValueError, TypeError) as problem:
                event, error = "error", str(problem)
            except BaseException as problem:  # the page shows an error of any type
                reason = " ".join(str(problem).split())[:200] or "no message"
                event = "error"
                error = (
                    f"The study ended by a {type(problem).__name__} ({reason}); its trials so far are stored; start "
                    "it again to continue."
                )
            with suppress(RuntimeError):
                self._transition(event, error=error)

    return StudyJob
