"""The one place through which a process trains: at most one active job at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tempotron_core.data import datasets
from tempotron_core.jobs.job import Job, JobError, Status
from tempotron_core.training.resources import explain_if_too_large
from tempotron_core.training.settings import Settings

__all__ = ["TrainingRegistry"]


class TrainingRegistry:
    """At most one active job, and the last finished run.

    on_start: called after a run has started, in the thread that started it; it must return at once. StartError: the
    exception class of this object's own module; after a hot reload it differs from the new module's JobError.
    """

    StartError = JobError

    def __init__(self, on_start: Callable[[], object] | None = None) -> None:
        self._on_start = on_start
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._finished: Status | None = None
        self._series: tuple[Job, ...] = ()

    def start(
        self,
        settings: Settings,
        dataset: datasets.Dataset | None = None,
        job: type[Job] = Job,
        resume_folder: Path | None = None,
    ) -> Job:
        """Start a run, or continue that of resume_folder.

        Raises:
            JobError: while another job is active, and where the machine is too small.
        """
        if problem := explain_if_too_large(settings, dataset):
            raise JobError(problem)
        with self._lock:
            status = self.status
            if status is not None and status.active:
                raise JobError(
                    f"Expected no training in progress, got one that is {status.state} ({status.settings.recipe} on "
                    f"{status.settings.dataset}); stop it or wait for its end before starting another."
                )
            self._remember_finished(status)
            if self._job is not None:
                # A worker publishes the end of its run shortly before its thread ends; two at once would share the
                # machine. A worker that was given up is not waited for.
                self._job.join()
            new = (
                job(settings, dataset) if resume_folder is None else job(settings, dataset, resume_folder=resume_folder)
            )
            try:
                new.start()
            except RuntimeError as error:
                raise JobError(
                    f"Expected a thread for the training, got none ({error}); close what else runs on this machine."
                ) from error
            self._job = new
        if self._on_start:
            self._on_start()
        return new

    def start_series(self, series: Sequence[Settings], dataset: datasets.Dataset | None = None) -> None:
        """Train several runs one after the other, each after the previous one has finished.

        Raises:
            JobError: while another job is active.
        """
        jobs = [self.start(series[0], dataset)]
        self._series = tuple(jobs)

        def go_on() -> None:
            for settings in series[1:]:
                jobs[-1].join()
                if jobs[-1].status.state != "finished" or self._job is not jobs[-1]:
                    return
                with suppress(JobError):  # another session started one first
                    jobs.append(self.start(settings, dataset))
                    self._series = tuple(jobs)
                    continue
                return

        threading.Thread(target=go_on, name="series", daemon=True).start()

    @property
    def series(self) -> tuple[Status, ...]:
        """Return the statuses of the latest series."""
        return tuple(job.status for job in self._series)

    def start_if_never_run(self, settings: Settings) -> None:
        """Start a run if this process has never had one."""
        with self._lock:
            if self._job is not None:
                return
        with suppress(JobError):  # another viewer came first
            self.start(settings)

    @property
    def job(self) -> Job | None:
        """Return the latest job, active or not."""
        return self._job

    @property
    def status(self) -> Status | None:
        """Return the status of the latest job, None before the first."""
        return None if self._job is None else self._job.status

    @property
    def finished(self) -> Status | None:
        """Return the status of the last finished run, None before one has finished."""
        status = self.status
        return status if status is not None and status.state == "finished" else self._finished

    def shutdown(self, timeout: float = 1.2) -> bool:
        """Stop the job and wait at most timeout seconds; return whether no training thread is left."""
        job = self._job
        if job is None:
            return True
        job.stop()
        job.join(timeout)
        return not any(thread.name == "training" for thread in threading.enumerate())  # nor one that was given up

    def _remember_finished(self, status: Status | None) -> None:
        if status is not None and status.state == "finished":
            self._finished = status
