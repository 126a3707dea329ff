"""The background job: its states in every order, one thread at most, and a quick end."""

import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest
import torch
from helpers import idx_files
from helpers.jobs import model_of, snapshot, train_forever, train_to_end, with_train, workers
from helpers.waiting import PATIENCE, wait_until

from tempotron_core.data import datasets
from tempotron_core.jobs import job
from tempotron_core.jobs.job import Job, JobError
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings, TrainingError
from tempotron_core.training.snapshot import Snapshot

ACTIONS = ("start", "pause", "resume", "stop")
SEQUENCES = [sequence for length in range(1, 5) for sequence in product(ACTIONS, repeat=length)]


@dataclass
class Gate:
    """A run that does nothing but wait inside its first step until the gate opens."""

    opened: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def train(self, settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
        self.reached.set()
        self.opened.wait(PATIENCE)
        yield snapshot(settings, step=1)


@contextmanager
def new_registry() -> Iterator[TrainingRegistry]:
    """A registry that leaves no thread behind."""
    registry = TrainingRegistry()
    try:
        yield registry
    finally:
        registry.shutdown(PATIENCE)
        assert workers() == []


def state(registry: TrainingRegistry) -> str:
    return "idle" if registry.status is None else registry.status.state


def check_refused(registry: TrainingRegistry, settings: Settings, kind: type[Job], word: str) -> None:
    before = registry.job
    with pytest.raises(JobError) as caught:
        registry.start(settings, job=kind)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert text.startswith("Expected no training in progress")
    assert word in text
    assert registry.job is before


EXPECTED_TRANSITIONS = {
    ("running", "pause"): "paused",
    ("paused", "resume"): "running",
    ("running", "stop"): "stopping",
    ("paused", "stop"): "stopping",
}


def apply(registry: TrainingRegistry, action: str, settings: Settings, kind: type[Job], now: str) -> str:
    """Do one thing and return the state in which the job must now be."""
    if action != "start":
        if registry.job is not None:
            getattr(registry.job, action)()
        return EXPECTED_TRANSITIONS.get((now, action), now)
    if now in ("running", "paused", "stopping"):
        check_refused(registry, settings, kind, now)
        return now
    registry.start(settings, job=kind)
    return "running"


@pytest.mark.usefixtures("without_log")
def test_every_sequence_on_a_busy_worker(settings: Settings) -> None:
    for sequence in SEQUENCES:
        gate, now = Gate(), "idle"
        with new_registry() as registry:
            for action in sequence:
                now = apply(registry, action, settings, with_train(gate.train), now)
                assert state(registry) == now, sequence
                assert len(workers()) == ("start" in sequence and now != "idle"), sequence
            gate.opened.set()


@pytest.mark.usefixtures("without_log")
def test_every_sequence_on_a_quick_worker(settings: Settings) -> None:
    kind = with_train(train_forever)
    for sequence in SEQUENCES:
        now = "idle"
        with new_registry() as registry:
            for action in sequence:
                now = apply(registry, action, settings, kind, now)
                if now == "stopping":
                    assert registry.job is not None
                    assert registry.job.join(PATIENCE)
                    now = "stopped"
                assert state(registry) == now, sequence
                assert len(workers()) == (now in ("running", "paused")), sequence


@pytest.mark.usefixtures("without_log")
def test_paused_means_no_new_snapshots(settings: Settings) -> None:
    turns = threading.Semaphore(0)

    def by_turns(settings: Settings, dataset: datasets.Dataset | None) -> Iterator[Snapshot]:
        for latest in train_forever(settings, dataset):
            assert turns.acquire(timeout=PATIENCE)
            yield latest

    with new_registry() as registry:
        worker = registry.start(settings, job=with_train(by_turns))

        def step() -> int:
            return worker.status.snapshot.step if worker.status.snapshot else 0

        turns.release(3)
        wait_until(lambda: step() == 3)
        worker.pause()
        assert worker.status.active
        turns.release(100)
        wait_until(lambda: step() == 4)  # the step in progress is completed
        time.sleep(0.05)  # an observation window: a worker that was not held would go on within it
        assert step() == 4
        worker.resume()
        wait_until(lambda: step() > 4)
        worker.stop()
        turns.release(100)
        assert worker.join(PATIENCE)
        assert worker.status.state == "stopped"
        assert not worker.status.active
        assert worker.status.error is None
        assert step() > 4


@pytest.mark.usefixtures("without_log")
def test_a_run_ends_by_itself_and_can_start_again(settings: Settings) -> None:
    with new_registry() as registry:
        nothing = (
            registry.job,
            registry.status,
            registry.finished,
            model_of(registry.status),
            model_of(registry.finished),
        )
        assert nothing == (None,) * 5
        for _ in range(3):
            worker = registry.start(settings, job=with_train(train_to_end))
            assert worker.join(PATIENCE)
            assert state(registry) == "finished"
            for action in ("pause", "resume", "stop"):
                getattr(worker, action)()
                assert state(registry) == "finished"
            status = registry.status
            assert status is not None
            assert status.snapshot is not None
            assert (status.snapshot.step, status.log, status.error) == (100, "log", None)


@pytest.mark.usefixtures("without_log")
def test_a_pause_asked_for_at_the_end_does_not_hang(settings: Settings) -> None:
    gate = Gate()

    def train(settings: Settings, dataset: datasets.Dataset | None) -> Iterator[Snapshot]:
        for _ in gate.train(settings, dataset):
            yield snapshot(settings, "finished")

    with new_registry() as registry:
        worker = registry.start(settings, job=with_train(train))
        worker.pause()
        gate.opened.set()
        assert worker.join(PATIENCE)
        assert state(registry) == "finished"


@pytest.mark.usefixtures("without_log")
def test_on_start_is_called_for_every_started_run_and_no_other(settings: Settings) -> None:
    states: list[str] = []
    registry = TrainingRegistry(on_start=lambda: states.append(state(registry)))
    registry.start(settings, job=with_train(train_forever))
    assert states == ["running"]
    with pytest.raises(JobError):
        registry.start(settings, job=with_train(train_forever))
    registry.start_if_never_run(settings)
    assert states == ["running"]
    assert registry.shutdown(PATIENCE)
    registry.start_if_never_run(settings)
    assert states == ["running"]
    registry.start(settings, job=with_train(train_forever))
    assert states == ["running"] * 2
    assert registry.shutdown(PATIENCE)


@pytest.mark.usefixtures("without_log")
def test_of_two_starts_at_once_one_is_refused(settings: Settings) -> None:
    for _ in range(30):
        with new_registry() as registry:
            barrier = threading.Barrier(4)
            started: list[Job] = []
            refused: list[JobError] = []

            def start(
                registry: TrainingRegistry = registry,
                barrier: threading.Barrier = barrier,
                started: list[Job] = started,
                refused: list[JobError] = refused,
            ) -> None:
                barrier.wait()
                try:
                    started.append(registry.start(settings, job=with_train(train_forever)))
                except JobError as error:
                    refused.append(error)

            threads = [threading.Thread(target=start) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (len(started), len(refused)) == (1, 3)
            assert registry.job is started[0]
            assert len(workers()) == 1


@pytest.mark.usefixtures("without_log")
def test_a_thread_that_cannot_start_leaves_the_way_free(settings: Settings) -> None:
    class Unlucky(Job):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    registry = TrainingRegistry()
    with pytest.raises((RuntimeError, JobError)):
        registry.start(settings, job=Unlucky)
    assert state(registry) not in ("running", "paused", "stopping")


class UnprintableError(Exception):
    def __str__(self) -> str:
        return "first line\nsecond line"


@pytest.mark.usefixtures("without_log")
@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (UnprintableError(), "first line second line"),
        (ValueError(), "no message"),
        (RuntimeError("x" * 5000), "xxx"),
        (MemoryError(), "MemoryError"),
        (SystemExit(3), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (datasets.DataError("The data: expected some, got none."), "The data: expected some, got none."),
        (TrainingError("The loss is gone."), "The loss is gone."),
    ],
)
def test_an_exception_reaches_the_page_as_one_sentence(settings: Settings, problem: BaseException, words: str) -> None:
    def train(settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
        yield snapshot(settings, step=5)
        raise problem

    with new_registry() as registry:
        worker = registry.start(settings, job=with_train(train))
        assert worker.join(PATIENCE)
        status = worker.status
        assert status.state == "failed"
        assert status.error is not None
        assert len(status.error.splitlines()) == 1
        assert len(status.error) < 400
        assert words in status.error
        assert status.snapshot is not None
        assert status.snapshot.step == 5
        assert registry.start(settings, job=with_train(train_to_end)).join(PATIENCE)
        assert state(registry) == "finished"


def test_a_log_that_cannot_be_written_fails_the_run(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with new_registry() as registry:
        worker = registry.start(Settings(log_dir=str(tmp_path / "file")), job=with_train(train_forever))
        assert worker.join(PATIENCE)
        assert worker.status.state == "failed"
        assert worker.status.error is not None
        assert worker.status.error.startswith("log directory")


@pytest.mark.usefixtures("without_log")
def test_the_finished_run_survives_later_ones(settings: Settings) -> None:
    def failing(settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
        yield snapshot(settings, step=7)
        raise ValueError("no")

    with new_registry() as registry:
        registry.start(settings, job=with_train(train_to_end)).join(PATIENCE)
        finished = registry.finished
        assert finished is not None
        for kind in (train_forever, failing, train_forever):
            worker = registry.start(settings, job=with_train(kind))
            wait_until(lambda worker=worker: worker.status.snapshot is not None)  # type: ignore[misc]
            worker.stop()
            assert worker.join(PATIENCE)
            assert registry.finished is finished
            model, live = model_of(registry.finished), model_of(registry.status)
            assert model is not None
            assert live is not None
            assert model.weight.unique().tolist() == [100]
            assert live.weight.unique().tolist() != [100]
        other = registry.start(settings, job=with_train(train_to_end))
        assert other.join(PATIENCE)
        assert registry.finished is other.status


def test_weights_that_a_page_holds_do_not_change(settings: Settings) -> None:
    turn, done = threading.Semaphore(0), threading.Semaphore(0)

    def by_turns(settings: Settings, dataset: datasets.Dataset | None) -> Iterator[Snapshot]:
        for latest in train_model(settings, dataset):
            yield latest
            if latest.weight is not None:
                done.release()
                assert turn.acquire(timeout=PATIENCE)

    held = []
    with new_registry() as registry:
        worker = registry.start(settings, idx_files.few_digits(200, 20), with_train(by_turns))
        for _ in range(4):
            assert done.acquire(timeout=PATIENCE)
            model = model_of(registry.status)
            assert model is not None
            held.append((model.weight, model.weight.clone()))
            turn.release()
        worker.stop()
        turn.release(100)
        assert worker.join(PATIENCE)
    assert all(torch.equal(weight, copy) for weight, copy in held)
    assert not torch.equal(held[0][0], held[-1][0])


@pytest.mark.usefixtures("without_log")
@pytest.mark.parametrize("paused", [False, True])
def test_shutdown_is_quick(settings: Settings, paused: bool) -> None:
    with new_registry() as registry:
        worker = registry.start(settings, job=with_train(train_forever))
        wait_until(lambda: worker.status.snapshot is not None)
        if paused:
            worker.pause()
        began = time.monotonic()
        assert registry.shutdown(PATIENCE)
        assert time.monotonic() - began < PATIENCE / 2, "it waits for the end of the worker, not for its time to pass"
        assert state(registry) == "stopped"
        assert registry.shutdown(0)


@pytest.mark.usefixtures("without_log")
def test_shutdown_does_not_wait_for_a_busy_worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, waits = Gate(), list[float]()
    with new_registry() as registry:
        worker = registry.start(settings, job=with_train(gate.train))
        assert gate.reached.wait(PATIENCE)
        assert all(thread.daemon for thread in workers())
        with monkeypatch.context() as patch:
            patch.setattr(worker, "join", waits.append)
            assert not registry.shutdown()
        assert waits[0] < 2
        assert not worker.join(0.01)
        assert state(registry) == "stopping"
        gate.opened.set()
        assert worker.join(PATIENCE)
        assert state(registry) == "stopped"


def test_shutdown_before_any_run() -> None:
    with new_registry() as registry:
        registry.shutdown()
        assert registry.status is None


@pytest.mark.usefixtures("without_log")
def test_the_first_run_starts_only_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "train_model", train_forever)
    monkeypatch.setattr(Job.__init__, "__defaults__", (None, train_forever, time.monotonic))
    with new_registry() as registry:
        threads = [threading.Thread(target=registry.start_if_never_run, args=(settings,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        first = registry.job
        assert first is not None
        assert len(workers()) == 1
        registry.start_if_never_run(settings)
        first.stop()
        assert first.join(PATIENCE)
        registry.start_if_never_run(settings)
        assert registry.job is first
        assert state(registry) == "stopped"


@pytest.mark.usefixtures("without_log")
def test_a_first_run_does_not_disturb_one_already_there(settings: Settings) -> None:
    with new_registry() as registry:
        worker = registry.start(settings, job=with_train(train_forever))
        registry.start_if_never_run(settings)
        assert registry.job is worker


def test_a_real_run(settings: Settings) -> None:
    few = idx_files.few_digits(100, 50)
    with new_registry() as registry:
        worker = registry.start(settings, few)
        assert worker.join(PATIENCE)
        status = registry.finished
        assert status is not None
        assert status.snapshot is not None
        assert status.error is None
        assert len(status.snapshot.epochs) == 2
        assert status.log is not None
        assert Path(status.log, "settings.json").is_file()
        model = model_of(registry.finished)
        *_, same = train_model(settings, few)
        assert model is not None
        assert same.weight is not None
        assert torch.equal(model.weight, same.weight)


def test_a_reload_of_the_modules_leaves_a_running_job_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of the old modules raises the error class of the old modules, which its attribute names."""
    for name in ("job", "registry"):
        spec = importlib.util.find_spec(f"tempotron_core.jobs.{name}")
        assert spec is not None
        assert spec.loader is not None
        old = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, old)
        spec.loader.exec_module(old)
    trainings = old.TrainingRegistry()
    assert trainings.StartError is not JobError
    settings = Settings(epochs=1000, m=4, T=20, log_dir=str(tmp_path))
    trainings.start(settings)
    with pytest.raises(trainings.StartError, match="Expected no training in progress"):
        trainings.start(settings)
    assert trainings.shutdown(PATIENCE)
    assert trainings.status.state == "stopped"
