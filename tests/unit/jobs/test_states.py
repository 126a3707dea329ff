"""The states of a training: every sequence of what viewers press and what the worker does, alone and all at once."""

import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import Any

import pytest
from helpers.jobs import snapshot, train_forever, train_to_end, with_train, workers
from helpers.waiting import PATIENCE
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as hypothesis_strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tempotron_core import figures
from tempotron_core.data import datasets
from tempotron_core.jobs import job
from tempotron_core.jobs.job import ACTIVE_STATES, FINAL_STATES, TRANSITIONS, Job, JobError, Status
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.training.settings import Settings
from tempotron_core.training.snapshot import Snapshot

BUTTONS = ("pause", "resume", "stop")


def expected(state: str, event: str) -> str:
    """Return the next state, implemented independently of the table in the docstring."""
    if state in FINAL_STATES:
        return state
    if event == "finished":
        return "finished"
    if event == "error":
        return "failed"
    if event == "worker_exited":
        return "stopped"
    if event == "stop_timed_out":
        return "failed" if state == "stopping" else state
    if state == "running":
        return {"pause": "paused", "stop": "stopping", "resume": "running"}[event]
    if state == "paused":
        return {"pause": "paused", "stop": "stopping", "resume": "running"}[event]
    return state


def test_every_sequence_of_events_follows_the_table(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert set(TRANSITIONS) == {*BUTTONS, "finished", "error", "worker_exited", "stop_timed_out"}
    once = Settings()
    for sequence in product(TRANSITIONS, repeat=5):
        job, state = Job(once), "running"
        for event in sequence:
            before, state = state, expected(state, event)
            assert job._transition(event) == (before != state)
            assert job.status.state == state, sequence


def test_the_docstring_is_the_table() -> None:
    lines = [line.strip("| ").split("|") for line in (job.__doc__ or "").splitlines() if line.startswith("|")]
    events = [cell.strip() for cell in lines[0][1:]]
    assert events == list(TRANSITIONS)
    for row in lines[2:5]:
        state, *cells = (cell.strip() for cell in row)
        assert {event: cell for event, cell in zip(events, cells, strict=True) if cell != "."} == {
            event: pairs[state] for event, pairs in TRANSITIONS.items() if state in pairs
        }
    assert not any(end in pairs for end in FINAL_STATES for pairs in TRANSITIONS.values())


@dataclass
class ControlledTraining:
    """A run that follows orders and reports each of its moves, and a model of the job that it is in.

    After every action the test takes the reports that must follow from it, so that nothing is left to time. Reports:
    "asks" for the next order; "waits" while paused; "ends": the end of the run is published, its thread still runs.
    """

    registry: TrainingRegistry = field(default_factory=TrainingRegistry)
    orders: "queue.Queue[str]" = field(default_factory=queue.Queue)
    reports: "queue.Queue[str]" = field(default_factory=queue.Queue)
    state: str = "idle"
    held: bool = False
    step: int = 0

    def reporting_job(self) -> type[Job]:
        reports = self.reports

        class Reporting(with_train(self.train)):  # type: ignore[misc]
            def _wait_while_paused(self) -> bool:
                if self._status.state == "paused":
                    reports.put("waits")
                may: bool = super()._wait_while_paused()
                return may

            def _run(self) -> None:
                super()._run()
                reports.put("ends")

        return Reporting

    def train(self, settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
        while True:
            self.reports.put("asks")
            order = self.orders.get(timeout=PATIENCE)
            if order == "end":
                return
            if order == "raise":
                raise ValueError("as told")
            step = self.step
            yield snapshot(settings, "finished" if order == "finish" else "training", step)

    def start(self, settings: Settings) -> None:
        if self.state in ACTIVE_STATES:
            with pytest.raises(JobError, match=f"got one that is {self.state}"):
                self.registry.start(settings, job=self.reporting_job())
            self.check()
            return
        self.state, self.held = "running", False
        self.registry.start(settings, job=self.reporting_job())
        self.check("asks")

    def press(self, button: str) -> None:
        if self.registry.job is None:
            return
        getattr(self.registry.job, button)()
        self.state = expected(self.state, button)
        report = {"stopping": "ends", "running": "asks"}.get(self.state) if self.held else None
        if report == "ends":
            self.state = "stopped"
        self.held &= self.state == "paused"
        self.check(report)

    def order(self, what: str) -> None:
        """Let the worker do something, where it is not held."""
        if self.state not in ACTIVE_STATES or self.held:
            return
        self.step += 1
        self.orders.put(what)
        report = "ends"
        if what == "step":
            report = {"running": "asks", "paused": "waits", "stopping": "ends"}[self.state]
            self.held = self.state == "paused"
            self.state = "stopped" if self.state == "stopping" else self.state
        else:
            self.state = {"finish": "finished", "raise": "failed", "end": "stopped"}[what]
        self.check(report)
        if what in ("step", "finish"):
            assert self.status.snapshot is not None and self.status.snapshot.step == self.step

    def check(self, report: str | None = None) -> None:
        if report:
            assert self.reports.get(timeout=PATIENCE) == report
        assert self.status.state == self.state
        assert (self.status.error is not None) == (self.state == "failed")

    @property
    def status(self) -> Status:
        assert self.registry.status is not None
        return self.registry.status

    def end(self) -> None:
        if self.registry.job is not None:
            self.registry.job.stop()
            self.orders.put("end")
            assert self.registry.job.join(PATIENCE)


def apply_action(puppet: ControlledTraining, action: str, settings: Settings) -> None:
    if action == "start":
        puppet.start(settings)
    elif action in BUTTONS:
        puppet.press(action)
    else:
        puppet.order(action)


WAYS: dict[tuple[str, ...], tuple[str, bool]] = {
    (): ("running", False),
    ("pause",): ("paused", False),
    ("pause", "step"): ("paused", True),
    ("stop",): ("stopping", False),
    ("stop", "step"): ("stopped", False),
    ("finish",): ("finished", False),
    ("raise",): ("failed", False),
}
"""The shortest way from a start to each state of the puppet: the job's state, and whether the worker waits."""


@pytest.mark.usefixtures("without_log")
def test_every_sequence_with_a_worker_that_does_what_it_is_told(settings: Settings) -> None:
    for way, sequence in product(WAYS, product(("start", *BUTTONS, "step", "finish", "raise"), repeat=3)):
        puppet = ControlledTraining()
        puppet.start(settings)
        for action in way:
            apply_action(puppet, action, settings)
        assert (puppet.state, puppet.held) == WAYS[way]
        for action in sequence:
            apply_action(puppet, action, settings)
        puppet.end()
        assert workers() == []


@pytest.mark.usefixtures("without_log")
def test_long_sequences_in_any_order(settings: Settings) -> None:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.puppet = ControlledTraining()
            self.finished: int | None = None

        @rule()
        def start(self) -> None:
            self.puppet.start(settings)

        @precondition(lambda self: self.puppet.state != "idle")
        @rule(button=hypothesis_strategies.sampled_from(BUTTONS), times=hypothesis_strategies.integers(1, 3))
        def press(self, button: str, times: int) -> None:
            for _ in range(times):
                self.puppet.press(button)

        @precondition(lambda self: self.puppet.state in ACTIVE_STATES)
        @rule(what=hypothesis_strategies.sampled_from(("step", "step", "finish", "raise", "end")))
        def worker(self, what: str) -> None:
            before = self.puppet.step
            self.puppet.order(what)
            if what == "finish" and self.puppet.step > before:
                self.finished = self.puppet.step

        @invariant()
        def one_thread_at_most_and_the_last_finished_model_stays(self) -> None:
            if self.puppet.state in ACTIVE_STATES:
                assert len(workers()) == 1
            found = self.puppet.registry.finished
            assert (found.snapshot.step if found and found.snapshot else None) == self.finished

        def teardown(self) -> None:
            self.puppet.end()

    run_state_machine_as_test(
        Machine, settings=hypothesis_settings(max_examples=100, stateful_step_count=40, deadline=None)
    )


@pytest.mark.usefixtures("without_log")
def test_a_run_starts_after_the_thread_of_the_run_before_has_ended(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, released, overlaps = threading.Event(), threading.Event(), []

    class Slow(with_train(train_to_end)):  # type: ignore[misc]
        def _run(self) -> None:
            super()._run()
            published.set()
            assert released.wait(PATIENCE)

    class Next(with_train(train_to_end)):  # type: ignore[misc]
        def start(self) -> None:
            overlaps.append(len(workers()))
            super().start()

    registry = TrainingRegistry()
    first = registry.start(settings, job=Slow)
    assert published.wait(PATIENCE)
    assert first.status.state == "finished"
    join = first.join

    def released_by_who_waits(timeout: float | None = None) -> bool:
        released.set()
        return join(timeout)

    monkeypatch.setattr(first, "join", released_by_who_waits)
    second = registry.start(settings, job=Next)
    released.set()
    assert second.join(PATIENCE)
    assert overlaps == [0]


@pytest.mark.usefixtures("without_log")
def test_a_worker_that_does_not_answer_is_given_up_after_its_time_by_the_clock(settings: Settings) -> None:
    now, release = [100.0], threading.Event()

    def hanging(settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
        assert release.wait(PATIENCE)
        yield snapshot(settings)

    hung = Job(settings, None, hanging, clock=lambda: now[0])
    hung.start()
    hung.stop()
    now[0] += job.STOP_TIMEOUT_SECONDS
    assert hung.status.state == "stopping"
    now[0] += 0.1
    assert hung.status.state == "failed"
    assert hung.status.error is not None and "did not answer to Stop within 10 s" in hung.status.error
    assert hung.join(PATIENCE)  # a job that was given up is not waited for
    release.set()
    hung._thread.join(PATIENCE)
    assert hung.status.state == "failed" and hung.status.snapshot is None


@pytest.mark.usefixtures("without_log")
def test_everybody_presses_everything_at_once(settings: Settings) -> None:
    made: list[Any] = []

    class Noted(with_train(train_forever)):  # type: ignore[misc]
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            self.states = ["running"]
            made.append(self)

        def _transition(self, event: str, error: str | None = None) -> bool:
            with self._condition:  # one that may be entered twice by its thread
                moved: bool = super()._transition(event, error)
                if moved:
                    self.states.append(self._status.state)
                return moved

    registry, most, refused = TrainingRegistry(), [0], [0]

    def viewer(number: int) -> None:
        draw = random.Random(number)
        for _ in range(150):
            action = draw.choice(("start", *BUTTONS))
            try:
                if action == "start":
                    registry.start(settings, job=Noted)
                elif registry.job is not None:
                    getattr(registry.job, action)()
            except JobError:
                refused[0] += 1
            most[0] = max(most[0], sum(made_one.status.active for made_one in list(made)))
            time.sleep(draw.random() * 1e-3)  # waits for nothing: mixes the orders in which the viewers press

    viewers = [threading.Thread(target=viewer, args=(number,)) for number in range(12)]
    for thread in viewers:
        thread.start()
    for thread in viewers:
        thread.join()
    assert registry.shutdown(PATIENCE)
    started = [one for one in made if one._thread.ident is not None]
    assert len(started) > 1 and refused[0] > 0
    allowed = {(origin, target) for pairs in TRANSITIONS.values() for origin, target in pairs.items()}
    for one in started:
        assert set(pairwise(one.states)) <= allowed
        assert one.status.state in FINAL_STATES
    # A job made but refused is never begun.
    assert most[0] <= 1 + len(made) - len(started)


def test_the_picture_marks_the_present_state_and_names_every_event() -> None:
    for state in (*ACTIVE_STATES, *FINAL_STATES):
        markup = figures.states_html(TRANSITIONS, state)
        marked = [part for part in markup.split("<div") if "color:#fff" in part]
        assert len(marked) == 1 and f">{state}</div>" in marked[0]
        assert all(event in markup for event in TRANSITIONS)
        assert f"current state: {state}." in markup
    assert "color:#fff" not in figures.states_html(TRANSITIONS, None)
    assert "&lt;b&gt;" in figures.states_html({"<b>": {"running": "paused"}}, None)


def test_silence_is_told_only_of_a_run_that_should_go_on(settings: Settings) -> None:
    quiet = Status("running", settings, changed_at=100, clock=lambda: 145)
    assert quiet.stall_warning is not None
    assert "No step for 45 s" in quiet.stall_warning
    for state in ("paused", "stopping", *FINAL_STATES):
        assert replace(quiet, state=state).stall_warning is None
    assert replace(quiet, clock=lambda: 100 + job.STALL_WARNING_SECONDS - 0.1).stall_warning is None
