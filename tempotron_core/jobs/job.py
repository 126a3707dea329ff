"""A training run in a background thread: start, pause, resume, stop, and the latest snapshot for whoever looks.

| state    | pause  | resume  | stop     | last epoch over | error  | worker ended | no answer |
|----------|--------|---------|----------|-----------------|--------|--------------|-----------|
| running  | paused | .       | stopping | finished        | failed | stopped      | .         |
| paused   | .      | running | stopping | finished        | failed | stopped      | .         |
| stopping | .      | .       | .        | finished        | failed | stopped      | failed    |
| stopped, finished, failed: nothing changes any more, and another run can start                |

A dot: nothing happens. MOVES is this table; there is no other way from state to state. A worker that does not answer
to stop within GIVE_UP_SECONDS is given up: whatever it still does reaches nobody.

The worker never touches a page. It publishes immutable snapshots by swapping one reference.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tempotron_core.data import datasets
from tempotron_core.model.classifier import Model
from tempotron_core.runs.writer import logged
from tempotron_core.training.loop import out_of_memory, run
from tempotron_core.training.resources import misfit
from tempotron_core.training.settings import Settings, TrainingError
from tempotron_core.training.snapshot import Snapshot

__all__ = ["ACTIVE", "ENDS", "MOVES", "Job", "JobError", "Status", "Trainings"]

ACTIVE = ("running", "paused", "stopping")
ENDS = ("stopped", "finished", "failed")
MOVES: dict[str, dict[str, str]] = {
    "pause": {"running": "paused"},
    "resume": {"paused": "running"},
    "stop": {"running": "stopping", "paused": "stopping"},
    "last epoch over": dict.fromkeys(ACTIVE, "finished"),
    "error": dict.fromkeys(ACTIVE, "failed"),
    "worker ended": dict.fromkeys(ACTIVE, "stopped"),
    "no answer": {"stopping": "failed"},
}
"""Event -> from which state to which; in every other state the event changes nothing."""

QUIET_SECONDS = 30.0
"""So long may a running job show no step before the page says so."""

GIVE_UP_SECONDS = 10.0


class JobError(Exception):
    """A request that does not fit the state of the job, in one sentence."""


@dataclass(frozen=True)
class Status:
    """What a viewer sees of a job: its state, its latest snapshot, its log folder, its error as one sentence.

    note: what went wrong and was mended, as one sentence. failed_step: the step after which loss or weights were no
    longer finite, None where they were. since: when the state or the snapshot last changed, in seconds of the clock.
    """

    state: str
    settings: Settings
    snapshot: Snapshot | None = None
    log: str | None = None
    error: str | None = None
    note: str | None = None
    failed_step: int | None = None
    since: float = field(default_factory=time.monotonic, compare=False)
    clock: Callable[[], float] = field(default=time.monotonic, compare=False, repr=False)

    @property
    def active(self) -> bool:
        """Whether the job still holds the machine."""
        return self.state in ACTIVE

    @property
    def silence(self) -> str | None:
        """A sentence where the job should go on and has shown no step for long."""
        quiet = self.clock() - self.since
        if self.state != "running" or quiet < QUIET_SECONDS:
            return None
        return (
            f"No step for {quiet:.0f} s: the training may hang, or its steps are that long; Stop ends it, and gives it "
            f"up where it does not answer within {GIVE_UP_SECONDS:.0f} s."
        )


class Job:
    """One run in a daemon thread. All methods but join return at once and may be called from any thread.

    clock: seconds that never go back; what the states' time limits are measured by.
    """

    def __init__(
        self,
        settings: Settings,
        dataset: datasets.Dataset | None = None,
        train: Callable[[Settings, datasets.Dataset | None], Iterator[Snapshot]] = run,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._condition = threading.Condition()
        self._clock = clock
        self._status = Status("running", settings, since=clock(), clock=clock)
        self._given_up = False
        self._train, self._dataset = train, dataset
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)

    @property
    def status(self) -> Status:
        """The latest status."""
        status = self._status
        if status.state == "stopping" and self._clock() - status.since > GIVE_UP_SECONDS:
            self._give_up()
        return self._status

    def start(self) -> None:
        """Begin; once only."""
        self._thread.start()

    def pause(self) -> None:
        """Hold a running job before its next snapshot; nothing where it is not running."""
        self._move("pause")

    def resume(self) -> None:
        """Go on with a paused job; nothing where it is not paused."""
        self._move("resume")

    def stop(self) -> None:
        """End a running or paused job with what it has; nothing where it has ended."""
        self._move("stop")

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most timeout seconds; whether it has ended, or was given up."""
        until = None if timeout is None else time.monotonic() + timeout
        while self._thread.is_alive() and self.status and not self._given_up:
            left = 0.5 if until is None else min(0.5, until - time.monotonic())
            if left <= 0:
                return False
            self._thread.join(left)
        return True

    def _move(self, event: str, error: str | None = None) -> bool:
        """Whether the event has changed the state."""
        with self._condition:
            state = MOVES[event].get(self._status.state)
            if state is None:
                return False
            self._status = replace(self._status, state=state, error=error, since=self._clock())
            self._condition.notify_all()
            return True

    def _publish(self, **changes: object) -> None:
        """Tell more about a job that goes on; to one that was given up nobody listens."""
        with self._condition:
            if self._status.active:
                # While it stops, since tells how long it has been asked to.
                since = self._status.since if self._status.state == "stopping" else self._clock()
                self._status = replace(self._status, since=since, **changes)  # type: ignore[arg-type]

    def _give_up(self) -> None:
        error = (
            f"The training did not answer to Stop within {GIVE_UP_SECONDS:.0f} s and was given up; its results up to "
            "the last step shown are kept; start another."
        )
        if self._move("no answer", error=error):
            self._given_up = True

    def _may_go_on(self) -> bool:
        """Wait while paused; False once the job is to stop."""
        with self._condition:
            self._condition.wait_for(lambda: self._status.state != "paused")
            return self._status.state == "running"

    def _work(self) -> None:
        event, error = "worker ended", None
        try:
            with logged(self._status.settings) as log:
                self._publish(log=str(log.path))
                for snapshot in self._train(self._status.settings, self._dataset):
                    if self._given_up:
                        break
                    log.write(snapshot)
                    # What only the folder needs would be kept for as long as the job is.
                    self._publish(snapshot=replace(snapshot, state=None), note=log.note)
                    finished = snapshot.phase == "finished"
                    if finished:
                        event = "last epoch over"
                    if finished or not self._may_go_on():
                        break
        except (datasets.DataError, TrainingError) as problem:
            event, error = "error", str(problem)
            self._publish(failed_step=getattr(problem, "failed_step", None))
        except BaseException as problem:  # whatever it is, the page must learn of it
            reason = " ".join(str(problem).split())[:200] or "no message"
            event = "error"
            error = out_of_memory(problem, self._status.settings) or (
                f"The training ended by a {type(problem).__name__} ({reason}); its results so far are kept; "
                "start it again or choose smaller settings."
            )
        self._move(event, error=error)


class Trainings:
    """The one place through which a process trains: at most one job at a time, and the last finished model.

    began: called whenever a run has begun, in the thread that began it. It must return at once.

    refusal: the exception of this object's own module. After a code edit has been hot-reloaded, an object that lives on
    raises the old class, which the new module's name no longer matches.
    """

    refusal = JobError

    def __init__(self, began: Callable[[], object] | None = None) -> None:
        self._began = began
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._finished: Status | None = None
        self._series: tuple[Job, ...] = ()

    def start(self, settings: Settings, dataset: datasets.Dataset | None = None, job: type[Job] = Job) -> Job:
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
            if self._job is not None:
                # A worker publishes the end of its run shortly before its thread ends; two at once would share the
                # machine. A worker that was given up is not waited for.
                self._job.join()
            new = job(settings, dataset)
            try:
                new.start()
            except RuntimeError as error:
                raise JobError(
                    f"Expected a thread for the training, got none ({error}); close what else runs on this machine."
                ) from error
            self._job = new
        if self._began:
            self._began()
        return new

    def start_series(self, series: Sequence[Settings], dataset: datasets.Dataset | None = None) -> None:
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
        job.join(timeout)
        return not any(thread.name == "training" for thread in threading.enumerate())  # nor one that was given up

    def _keep_finished(self, status: Status | None) -> None:
        if status is not None and status.state == "finished":
            self._finished = status
