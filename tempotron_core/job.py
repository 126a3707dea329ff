"""A training run in a background thread: start, pause, resume, stop, and the latest snapshot for whoever looks.

    running <-> paused
    running, paused -> stopping -> stopped
    running -> finished | failed

After stopped, finished or failed another run can start.

The worker never touches a page. It publishes immutable snapshots by swapping one reference.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tempotron_core import data
from tempotron_core.limits import misfit
from tempotron_core.model import Model
from tempotron_core.runs import logged
from tempotron_core.training import Settings, Snapshot, TrainingError, run

__all__ = ["Job", "JobError", "Status", "Trainings"]


class JobError(Exception):
    """A request that does not fit the state of the job, in one sentence."""


@dataclass(frozen=True)
class Status:
    """What a viewer sees of a job: its state, its latest snapshot, its log folder, its error as one sentence."""

    state: str
    settings: Settings
    snapshot: Snapshot | None = None
    log: str | None = None
    error: str | None = None

    @property
    def active(self) -> bool:
        """Whether the job still holds the machine."""
        return self.state in ("running", "paused", "stopping")


class Job:
    """One run in a daemon thread. All methods return at once and may be called from any thread."""

    def __init__(
        self,
        settings: Settings,
        dataset: data.Dataset | None = None,
        train: Callable[[Settings, data.Dataset | None], Iterator[Snapshot]] = run,
    ) -> None:
        self._condition = threading.Condition()
        self._status = Status("running", settings)
        self._train, self._dataset = train, dataset
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)

    @property
    def status(self) -> Status:
        """The latest status."""
        return self._status

    def start(self) -> None:
        """Begin; once only."""
        self._thread.start()

    def pause(self) -> None:
        """Hold a running job before its next snapshot; nothing where it is not running."""
        self._move(("running",), "paused")

    def resume(self) -> None:
        """Go on with a paused job; nothing where it is not paused."""
        self._move(("paused",), "running")

    def stop(self) -> None:
        """End a running or paused job with what it has; nothing where it has ended."""
        self._move(("running", "paused"), "stopping")

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most timeout seconds; whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _move(self, origins: tuple[str, ...], state: str) -> None:
        with self._condition:
            if self._status.state in origins:
                self._status = replace(self._status, state=state)
                self._condition.notify_all()

    def _publish(self, **changes: object) -> None:
        with self._condition:
            self._status = replace(self._status, **changes)  # type: ignore[arg-type]

    def _may_go_on(self) -> bool:
        """Wait while paused; False once the job is to stop."""
        with self._condition:
            self._condition.wait_for(lambda: self._status.state != "paused")
            return self._status.state == "running"

    def _work(self) -> None:
        end, error = "stopped", None
        try:
            with logged(self._status.settings) as log:
                self._publish(log=str(log.path))
                for snapshot in self._train(self._status.settings, self._dataset):
                    log.write(snapshot)
                    self._publish(snapshot=snapshot)
                    if snapshot.phase == "finished":
                        end = "finished"
                    elif not self._may_go_on():
                        break
        except (data.DataError, TrainingError) as problem:
            end, error = "failed", str(problem)
        except BaseException as problem:  # whatever it is, the page must learn of it
            reason = " ".join(str(problem).split())[:200] or "no message"
            end = "failed"
            error = (
                f"The training ended by a {type(problem).__name__} ({reason}); its results so far are kept; "
                "start it again or choose smaller settings."
            )
        self._publish(state=end, error=error)


class Trainings:
    """The one place through which a process trains: at most one job at a time, and the last finished model.

    refusal: the exception of this object's own module. After a code edit has been hot-reloaded, an object that lives on
    raises the old class, which the new module's name no longer matches.
    """

    refusal = JobError

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._finished: Status | None = None
        self._series: tuple[Job, ...] = ()

    def start(self, settings: Settings, dataset: data.Dataset | None = None, job: type[Job] = Job) -> Job:
        """Begin a run; JobError while another one holds the machine, and where the machine is too small for it."""
        if problem := misfit(settings, dataset):
            raise JobError(problem)
        with self._lock:
            status = self.status
            if status is not None and status.active:
                raise JobError(
                    f"Expected no training in progress, got one that is {status.state} ({status.settings.recipe} on "
                    f"{status.settings.dataset}); stop it or wait for its end before starting another."
                )
            self._keep_finished(status)
            new = job(settings, dataset)
            new.start()
            self._job = new
            return new

    def start_series(self, series: Sequence[Settings], dataset: data.Dataset | None = None) -> None:
        """Train one after the other, the next where the one before has finished; JobError while another one trains."""
        jobs = [self.start(series[0], dataset)]
        self._series = tuple(jobs)

        def go_on() -> None:
            for settings in series[1:]:
                jobs[-1].join()
                if jobs[-1].status.state != "finished" or self._job is not jobs[-1]:
                    return
                with suppress(JobError):  # somebody else was quicker
                    jobs.append(self.start(settings, dataset))
                    self._series = tuple(jobs)
                    continue
                return

        threading.Thread(target=go_on, name="series", daemon=True).start()

    @property
    def series(self) -> tuple[Status, ...]:
        """The statuses of the latest series, as far as it has come."""
        return tuple(job.status for job in self._series)

    def start_first(self, settings: Settings) -> None:
        """Begin a run if this process has never had one."""
        with self._lock:
            if self._job is not None:
                return
        with suppress(JobError):  # another viewer came first
            self.start(settings)

    @property
    def job(self) -> Job | None:
        """The latest job, ended or not."""
        return self._job

    @property
    def status(self) -> Status | None:
        """The latest job's status; None before the first."""
        return None if self._job is None else self._job.status

    @property
    def finished(self) -> Status | None:
        """The last run that reached its end; None before one has."""
        status = self.status
        return status if status is not None and status.state == "finished" else self._finished

    def live_model(self) -> Model | None:
        """The weights of the latest job as of its latest snapshot."""
        status = self.status
        return status.snapshot.model if status is not None and status.snapshot is not None else None

    def finished_model(self) -> Model | None:
        """The weights of the last run that reached its end."""
        status = self.finished
        return status.snapshot.model if status is not None and status.snapshot is not None else None

    def shutdown(self, timeout: float = 1.2) -> bool:
        """Ask the job to stop and wait a moment for it; whether nothing runs any more."""
        job = self._job
        if job is None:
            return True
        job.stop()
        return job.join(timeout)

    def _keep_finished(self, status: Status | None) -> None:
        if status is not None and status.state == "finished":
            self._finished = status
