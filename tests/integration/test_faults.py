"""What breaks under a training: one sentence each, nothing lost but the epoch in progress, and the next start clean."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import idx_files
from helpers.pages import app, button, run_app
from helpers.waiting import PATIENCE, PausingJob, pausing, wait_until
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pages.state import datasets as dataset_state
from tempotron_core import train
from tempotron_core.data import datasets
from tempotron_core.data.datasets import Dataset
from tempotron_core.jobs import job
from tempotron_core.jobs.job import Job
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.runs import tensorboard_log
from tempotron_core.runs.reader import list_runs, load_model, load_snapshot, read_run
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings, TrainingError
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.training.trainer import Trainer


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(m=3, T=20, epochs=4, batch_size=16, log_dir=str(tmp_path / "runs"))


@pytest.fixture
def few_digits() -> Dataset:
    return idx_files.few_digits(200, 50)


@pytest.fixture
def uncaught_exceptions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if a thread ends by an uncaught exception."""
    uncaught: list[object] = []
    monkeypatch.setattr(threading, "excepthook", uncaught.append)
    yield
    assert uncaught == []


def epochs(worker: Job) -> int:
    snapshot = worker.status.snapshot
    return len(snapshot.epochs) if snapshot else 0


def check_sentence(worker: Job, *words: str) -> None:
    """Failed, with one sentence that holds these words; what was shown last is still there."""
    assert worker.join(PATIENCE)
    status = worker.status
    assert status.state == "failed"
    assert status.error is not None
    assert len(status.error.splitlines()) == 1
    assert all(word in status.error for word in words), status.error
    assert status.snapshot is not None and status.snapshot.weight is not None


def check_next_start(registry: TrainingRegistry, settings: Settings, few: Dataset) -> None:
    """Another run goes from its start to its end, in a folder of its own."""
    worker = registry.start(settings, few)
    assert worker.join(PATIENCE)
    status = worker.status
    assert (status.state, status.error, status.note) == ("finished", None, None)
    assert len(read_run(status.log or "").epochs) == settings.epochs


def check_kept(folder: str | None, least: int, settings: Settings, few: Dataset) -> None:
    """The folder opens, holds at least so many epochs, and the run goes on from them as if nothing had been."""
    path = Path(folder or "")
    origin = load_snapshot(path)
    assert len(origin.epochs) >= least
    assert load_model(path).weight.isfinite().all()
    assert not list(path.rglob("*.part"))
    *_, resumed = train_model(settings, few, origin)
    *_, whole = train_model(settings, few)
    assert resumed.weight is not None and whole.weight is not None
    assert torch.equal(resumed.weight, whole.weight)


def fails_after(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, calls: int, problem: BaseException) -> None:
    """From so many calls on, the function raises."""
    function, count = getattr(module, name), [0]

    def failing(*arguments: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] > calls:
            raise problem
        return function(*arguments, **named)

    monkeypatch.setattr(module, name, failing)


STEPS = 13  # of an epoch of 200 samples by 16


@pytest.mark.usefixtures("uncaught_exceptions")
@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee documentation"),
            "a smaller batch, 8",
        ),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "a smaller batch, 8"),
        (MemoryError(), "a smaller batch, 8"),
        (RuntimeError("CUDA error: device-side\nassert triggered"), "CUDA error: device-side assert triggered"),
    ],
)
def test_a_step_that_raises(
    problem: BaseException, words: str, settings: Settings, few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = TrainingRegistry()
    with monkeypatch.context() as patch:
        fails_after(patch, Trainer, "step", 2 * STEPS + 5, problem)
        worker = registry.start(settings, few_digits)
        check_sentence(worker, words)
    check_kept(worker.status.log, 2, settings, few_digits)
    check_next_start(registry, settings, few_digits)


def test_out_of_memory_without_the_dashboard(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], few_digits: Dataset
) -> None:
    monkeypatch.setattr(datasets, "load", lambda *_: few_digits)
    fails_after(monkeypatch, Trainer, "step", 5, torch.cuda.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(SystemExit) as end:
        train.main(["-m", "3", "-T", "20", "--log-dir", settings.log_dir])
    assert end.value.code == 2
    assert "choose a smaller batch, 32" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.usefixtures("uncaught_exceptions")
def test_a_worker_that_hangs_is_told_of_and_given_up(
    registry: TrainingRegistry,
    settings: Settings,
    few_digits: Dataset,
) -> None:
    release, hangs, now = threading.Event(), threading.Event(), [100.0]

    def hanging(settings: Settings, dataset: Dataset | None) -> Iterator[Snapshot]:
        for snapshot in train_model(settings, dataset):
            yield snapshot
            if len(snapshot.epochs) == 2:
                hangs.set()
                release.wait(PATIENCE)

    class Hanging(Job):
        def __init__(self, settings: Settings, dataset: Dataset | None = None) -> None:
            super().__init__(settings, dataset, hanging, clock=lambda: now[0])

    worker = registry.start(settings, few_digits, Hanging)
    assert hangs.wait(PATIENCE)
    assert epochs(worker) == 2
    page = run_app(app("training"))
    assert not page.warning
    now[0] += job.STALL_WARNING_SECONDS + 1
    assert "No step for 31 s" in run_app(page).warning[0].value
    button(page, "Stop").click()
    assert button(run_app(page), "Start").disabled
    now[0] += job.STOP_TIMEOUT_SECONDS + 1
    run_app(page)
    assert "did not answer to Stop" in page.error[0].value
    assert not button(page, "Start").disabled
    check_sentence(worker, "did not answer to Stop within 10 s", "start another")
    seen = worker.status
    check_next_start(registry, settings, few_digits)
    assert not registry.shutdown(0.1)  # False: a thread is still running
    release.set()
    worker._thread.join(PATIENCE)
    assert not worker._thread.is_alive()
    assert worker.status is seen
    assert registry.finished is not None and registry.finished.log != seen.log
    check_kept(seen.log, 2, settings, few_digits)


@pytest.mark.usefixtures("uncaught_exceptions")
@pytest.mark.parametrize("writes", [9, 12, 17])
def test_a_full_disk_while_saving(
    writes: int, settings: Settings, few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = TrainingRegistry()
    with monkeypatch.context() as patch:
        fails_after(patch, os, "fsync", writes, OSError(errno.ENOSPC, "No space left on device"))
        worker = registry.start(settings, few_digits)
        check_sentence(worker, "No space left on device", "all epochs before are kept", "free the disk")
    check_kept(worker.status.log, 1, settings, few_digits)
    check_next_start(registry, settings, few_digits)


@pytest.mark.usefixtures("uncaught_exceptions")
def test_a_full_disk_under_tensorboards_events(
    settings: Settings, few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = TrainingRegistry()
    with monkeypatch.context() as patch:
        full = OSError(errno.ENOSPC, "No space left on device")
        fails_after(patch, tensorboard_log.TensorBoardWriter, "add_scalar", 6, full)
        worker = registry.start(settings, few_digits)
        check_sentence(worker, "No space left on device")
    check_kept(worker.status.log, 2, settings, few_digits)
    check_next_start(registry, settings, few_digits)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB, where this process may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.usefixtures("uncaught_exceptions")
def test_a_disk_that_is_really_full(small_disk: Path, settings: Settings, few_digits: Dataset, tmp_path: Path) -> None:
    registry = TrainingRegistry()
    there = replace(settings, log_dir=str(small_disk), epochs=60)
    worker = registry.start(there, few_digits)
    check_sentence(worker, "No space left on device")
    copy = tmp_path / "copy"
    shutil.copytree(worker.status.log or "", copy)
    check_kept(str(copy), 2, there, few_digits)
    check_next_start(registry, settings, few_digits)


def job_held_after(few: Dataset, settings: Settings, registry: TrainingRegistry, count: int) -> Job:
    """A run that is held after so many epochs: its worker writes nothing meanwhile."""
    kind = pausing(lambda snapshot: len(snapshot.epochs) >= count)
    worker = registry.start(replace(settings, epochs=10_000), few, kind)
    assert isinstance(worker, PausingJob) and worker.paused.wait(PATIENCE)
    return worker


@pytest.mark.usefixtures("uncaught_exceptions")
def test_a_run_folder_made_read_only(small_disk: Path, settings: Settings, few_digits: Dataset, tmp_path: Path) -> None:
    registry = TrainingRegistry()
    worker = job_held_after(few_digits, replace(settings, log_dir=str(small_disk)), registry, 2)
    held = epochs(worker)
    folder = worker.status.log or ""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
    worker.resume()
    check_sentence(worker, "Read-only file system", "all epochs before are kept")
    subprocess.run(["umount", folder], check=True)
    assert len(load_snapshot(folder).epochs) >= held
    check_next_start(registry, settings, few_digits)


@pytest.mark.usefixtures("uncaught_exceptions")
@pytest.mark.parametrize("whole_epoch", [True, False])
def test_a_run_folder_deleted_under_the_run(
    whole_epoch: bool,
    registry: TrainingRegistry,
    settings: Settings,
    few_digits: Dataset,
) -> None:
    worker = job_held_after(few_digits, settings, registry, 2)
    held, folder = epochs(worker), Path(worker.status.log or "")
    shutil.rmtree(folder)
    if whole_epoch:
        worker.resume()
        wait_until(lambda: epochs(worker) > held)
        wait_until(lambda: worker.status.note is not None)
        assert "was deleted while it trained" in run_app(app("training")).warning[0].value
    worker.stop()
    assert worker.join(PATIENCE)
    assert worker.status.error is None
    record = read_run(folder)
    assert len(record.epochs) == epochs(worker) >= held
    snapshot = worker.status.snapshot
    assert snapshot is not None and snapshot.weight is not None
    assert torch.equal(load_model(folder).weight, snapshot.weight)
    assert EventAccumulator(str(folder)).Reload().Tags() is not None
    if whole_epoch:
        assert len(load_snapshot(folder).epochs) > held
    check_next_start(registry, settings, few_digits)


def test_a_run_stopped_before_it_learned_anything_leaves_a_deleted_folder_alone(
    settings: Settings, few_digits: Dataset
) -> None:
    with open_run_log(settings) as log:
        log.write(next(train_model(settings, few_digits)))
        shutil.rmtree(log.path)
    assert not log.path.exists()
    assert list_runs(settings.log_dir) == ()


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    idx_files.write_set(tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.usefixtures("uncaught_exceptions")
@pytest.mark.parametrize("change", ["longer", "shorter", "other"])
def test_a_data_set_that_changes_while_it_is_read(
    change: str, on_disk: Path, settings: Settings, few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision.datasets.mnist as source

    raw, read = on_disk / "MNIST" / "raw", source.read_image_file

    def changing(path: str) -> torch.Tensor:
        count = {"longer": 40, "shorter": 20, "other": 30}[change]
        other = idx_files.write_set(on_disk.parent / "other", train=count)
        for file in idx_files.FILES:
            shutil.copyfile(other / file, raw / file)
        shutil.rmtree(on_disk.parent / "other")
        pixels: torch.Tensor = read(path)
        return pixels

    registry = TrainingRegistry()
    mine = replace(settings, dataset="MNIST", dataset_dir=str(on_disk))
    with monkeypatch.context() as patch:
        patch.setattr(source, "read_image_file", changing)
        worker = registry.start(mine)
        assert worker.join(PATIENCE)
        assert worker.status.state == "failed"
        assert worker.status.error is not None
        assert "try again" in worker.status.error
        assert len(worker.status.error.splitlines()) == 1
    assert registry.start(mine).join(PATIENCE)
    assert registry.status is not None
    assert registry.status.state == "finished"


def test_pages_follow_a_data_set_that_has_changed_since(on_disk: Path) -> None:
    page = run_app(app("overview", data="MNIST", dir=str(on_disk), sample=19))
    assert page.sidebar.number_input(key="sample").max == 19
    shutil.rmtree(on_disk)
    idx_files.write_set(on_disk, test=15)
    run_app(page)
    assert page.sidebar.number_input(key="sample").max == 14
    assert page.sidebar.number_input(key="sample").value == 14
    assert dataset_state.current_dataset()[1] is None


def test_a_run_is_not_resumed_on_other_data(settings: Settings, few_digits: Dataset) -> None:
    origin = next(snapshot for snapshot in train_model(settings, few_digits) if len(snapshot.epochs) == 2)
    with pytest.raises(TrainingError, match="expected what the run began with, 13 steps an epoch, got 25"):
        list(train_model(settings, idx_files.few_digits(400, 50), origin))


@pytest.mark.usefixtures("uncaught_exceptions")
def test_a_thread_that_cannot_start_is_told_of(
    registry: TrainingRegistry,
    settings: Settings,
    few_digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = run_app(app("training"))
    with monkeypatch.context() as patch:
        fails_after(patch, Job, "start", 0, RuntimeError("can't start new thread"))
        button(page, "Start").click()
        assert "Expected a thread for the training, got none" in run_app(page).warning[0].value
    check_next_start(registry, settings, few_digits)
