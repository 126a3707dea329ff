"""A training run in a background thread: start, pause, resume, stop, and its latest snapshot.

| state    | pause  | resume  | stop     | finished | error  | worker_exited | stop_timed_out |
|----------|--------|---------|----------|-----------------|--------|--------------|-----------|
| running  | paused | .       | stopping | finished        | failed | stopped      | .         |
| paused   | .      | running | stopping | finished        | failed | stopped      | .         |
| stopping | .      | .       | .        | finished        | failed | stopped      | failed    |
| stopped, finished, failed: nothing changes any more, and another run can start                |

A dot: nothing happens. TRANSITIONS is this table; there is no other transition. A worker that does not answer to stop
within STOP_TIMEOUT_SECONDS is abandoned: its later results are ignored.

The worker never touches a page. It publishes immutable snapshots by swapping one reference.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tempotron_core.data import datasets
from tempotron_core.runs.reader import RunError, load_snapshot
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import out_of_memory_message, train_model
from tempotron_core.training.settings import Settings, TrainingError
from tempotron_core.training.snapshot import Snapshot

__all__ = ["ACTIVE_STATES", "FINAL_STATES", "STOP_TIMEOUT_SECONDS", "TRANSITIONS", "Job", "JobError", "Status"]

ACTIVE_STATES = ("running", "paused", "stopping")
FINAL_STATES = ("stopped", "finished", "failed")
TRANSITIONS: dict[str, dict[str, str]] = {
    "pause": {"running": "paused"},
    "resume": {"paused": "running"},
    "stop": {"running": "stopping", "paused": "stopping"},
    "finished": dict.fromkeys(ACTIVE_STATES, "finished"),
    "error": dict.fromkeys(ACTIVE_STATES, "failed"),
    "worker_exited": dict.fromkeys(ACTIVE_STATES, "stopped"),
    "stop_timed_out": {"stopping": "failed"},
}
"""Event -> from which state to which; in every other state the event changes nothing."""

STALL_WARNING_SECONDS = 30.0
"""Time without a new step after which the page shows a warning."""

STOP_TIMEOUT_SECONDS = 10.0


class JobError(Exception):
    """A request does not fit the state of the job; the message is one sentence."""


@dataclass(frozen=True)
class Status:
    """State of a job as a viewer sees it.

    Attributes:
        note: one sentence on a problem that was corrected
        failed_step: step after which loss or weights were not finite, else None
        changed_at: when state or snapshot last changed, in seconds of the clock
    """

    state: str
    settings: Settings
    snapshot: Snapshot | None = None
    log: str | None = None
    error: str | None = None
    note: str | None = None
    failed_step: int | None = None
    changed_at: float = field(default_factory=time.monotonic, compare=False)
    clock: Callable[[], float] = field(default=time.monotonic, compare=False, repr=False)

    @property
    def active(self) -> bool:
        """Return whether the job still runs or may continue."""
        return self.state in ACTIVE_STATES

    @property
    def stall_warning(self) -> str | None:
        """Return a sentence if the job should run and has shown no step for long, else None."""
        seconds_without_step = self.clock() - self.changed_at
        if self.state != "running" or seconds_without_step < STALL_WARNING_SECONDS:
            return None
        return (
            f"No step for {seconds_without_step:.0f} s: the training may hang, or its steps are that long; Stop "
            f"ends it, and abandons it "
            f"where it does not answer within {STOP_TIMEOUT_SECONDS:.0f} s."
        )


class Job:
    """One run in a daemon thread. All methods except join return at once and may be called from any thread.

    clock: monotonic seconds, by which the time limits are measured. resume_folder: folder of the run to continue, None
    for a new one.
    """

    def __init__(
        self,
        settings: Settings,
        dataset: datasets.Dataset | None = None,
        train: Callable[..., Iterator[Snapshot]] = train_model,
        clock: Callable[[], float] = time.monotonic,
        *,
        resume_folder: Path | None = None,
    ) -> None:
        self._condition = threading.Condition()
        self._clock = clock
        self._status = Status("running", settings, changed_at=clock(), clock=clock)
        self._abandoned = False
        self._train, self._dataset, self._resume_folder = train, dataset, resume_folder
        self._thread = threading.Thread(target=self._run, name="training", daemon=True)

    @property
    def status(self) -> Status:
        """Return the latest status."""
        status = self._status
        if status.state == "stopping" and self._clock() - status.changed_at > STOP_TIMEOUT_SECONDS:
            self._abandon()
        return self._status

    def start(self) -> None:
        """Start the thread; once only."""
        self._thread.start()

    def pause(self) -> None:
        """Pause a running job before its next snapshot; do nothing in another state."""
        self._transition("pause")

    def resume(self) -> None:
        """Continue a paused job; do nothing in another state."""
        self._transition("resume")

    def stop(self) -> None:
        """Stop a running or paused job and keep its results; do nothing in another state."""
        self._transition("stop")

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most timeout seconds; return whether the job has ended or was abandoned."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._thread.is_alive() and self.status and not self._abandoned:
            remaining = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
            if remaining <= 0:
                return False
            self._thread.join(remaining)
        return True

    def _transition(self, event: str, error: str | None = None) -> bool:
        """Apply an event; return whether the state changed."""
        with self._condition:
            state = TRANSITIONS[event].get(self._status.state)
            if state is None:
                return False
            self._status = replace(self._status, state=state, error=error, changed_at=self._clock())
            self._condition.notify_all()
            return True

    def _publish(self, **changes: object) -> None:
        """Publish changes of the status of an active job."""
        with self._condition:
            if self._status.active:
                # While the job stops, changed_at stays at the time of the request: the time limit counts from there.
                since = self._status.changed_at if self._status.state == "stopping" else self._clock()
                self._status = replace(self._status, changed_at=since, **changes)  # type: ignore[arg-type]

    def _abandon(self) -> None:
        error = (
            f"The training did not answer to Stop within {STOP_TIMEOUT_SECONDS:.0f} s and was given up; its "
            f"results up to "
            "the last step shown are kept; start another."
        )
        if self._transition("stop_timed_out", error=error):
            self._abandoned = True

    def _wait_while_paused(self) -> bool:
        """Wait while paused; return False once the job is to stop."""
        with self._condition:
            self._condition.wait_for(lambda: self._status.state != "paused")
            return self._status.state == "running"

    def _run(self) -> None:
        event, error = "worker_exited", None
        try:
            settings, folder = self._status.settings, self._resume_folder
            resume_from = () if folder is None else (load_snapshot(folder),)
            with open_run_log(settings, *([] if folder is None else [folder, *resume_from])) as log:
                self._publish(log=str(log.path))
                for snapshot in self._train(settings, self._dataset, *resume_from):
                    if self._abandoned:
                        break
                    log.write(snapshot)
                    # What only the folder needs would be kept for as long as the job is.
                    self._publish(snapshot=replace(snapshot, state=None), note=log.note)
                    finished = snapshot.phase == "finished"
                    if finished:
                        event = "finished"
                    if finished or not self._wait_while_paused():
                        break
        except (datasets.DataError, RunError, TrainingError) as problem:
            event, error = "error", str(problem)
            self._publish(failed_step=getattr(problem, "failed_step", None))
        except BaseException as problem:  # the page shows an error of any type
            reason = " ".join(str(problem).split())[:200] or "no message"
            event = "error"
            error = out_of_memory_message(problem, self._status.settings) or (
                f"The training ended by a {type(problem).__name__} ({reason}); its results so far are kept; "
                "start it again or choose smaller settings."
            )
        self._transition(event, error=error)
