"""A run's folder: TensorBoard reads back what was learnt, and no two runs share one."""

import json
import os
import random
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from helpers import idx_files
from helpers.waiting import wait_until
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tempotron_core import Tempotron
from tempotron_core.data.datasets import Dataset
from tempotron_core.runs import writer
from tempotron_core.runs.reader import list_runs, load_model, load_snapshot, read_run
from tempotron_core.runs.writer import BATCH_ACCURACY_EVERY, RunLog, open_run_log
from tempotron_core.training.loop import STEPS_PER_SNAPSHOT, train_model
from tempotron_core.training.metrics import EpochMetrics, History, StepMetrics, StepMetricsHistory
from tempotron_core.training.recipes import RECIPES
from tempotron_core.training.settings import Settings, TrainingError
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.training.trainer import Trainer

ROOT = Path(__file__).parents[3]
Series = list[tuple[int, float]]


def read_back(folder: Path) -> dict[str, Series]:
    """Every scalar in a folder: tag -> (step, value)."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def approximately(series: Series) -> object:
    return pytest.approx([number for pair in series for number in pair])


def flatten(series: Series) -> list[float]:
    return [number for pair in series for number in pair]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(m=3, T=20, epochs=3, batch_size=2, log_dir=str(tmp_path / "runs"))


def test_scalars_of_a_run_are_read_back(settings: Settings) -> None:
    few = idx_files.few_digits(400, 50)
    with open_run_log(settings) as log:
        for last in train_model(settings, few):
            log.write(last)
    scalars = read_back(log.path)
    assert set(scalars) == {"train_accuracy", "train_loss", "test_accuracy"}
    assert BATCH_ACCURACY_EVERY == 256
    assert [step for step, _ in scalars["train_accuracy"]] == [256, 512]
    wanted = {point.step: point for point in last.points}
    assert flatten(scalars["train_accuracy"]) == approximately([(s, wanted[s].batch_accuracy) for s in (256, 512)])
    assert flatten(scalars["train_loss"]) == approximately([(point.step, point.loss) for point in last.points])
    assert scalars["train_loss"][-1][0] == 600
    assert [step for step, _ in scalars["test_accuracy"]] == [1, 2, 3]
    assert [value for _, value in scalars["test_accuracy"]] == pytest.approx(
        [result.test_accuracy for result in last.epochs]
    )


def test_every_scalar_is_written_once(settings: Settings) -> None:
    points = tuple(StepMetrics(step, step / 1000, 0.5, step / 2000) for step in range(16, 1041, 16))
    epochs = tuple(EpochMetrics(epoch, 520 * epoch, 0.1, 0.2, epoch / 4, 1.0, 100.0) for epoch in (1, 2))
    with open_run_log(settings) as log:
        for count in (0, 1, 1, 30, 31, 40, len(points), len(points)):
            done = epochs[: count * 16 // 520]
            log.write(
                Snapshot(settings, "training", 1040, points=StepMetricsHistory(points[:count]), epochs=History(done))
            )
            log.write(
                Snapshot(settings, "training", 1040, points=StepMetricsHistory(points[:count]), epochs=History(done))
            )
    scalars = read_back(log.path)
    assert flatten(scalars["train_accuracy"]) == approximately([(s, s / 2000) for s in (256, 512, 768, 1024)])
    assert flatten(scalars["train_loss"]) == approximately([(point.step, point.loss) for point in points])
    assert flatten(scalars["test_accuracy"]) == approximately([(1, 0.25), (2, 0.5)])


def test_settings_are_kept(settings: Settings) -> None:
    with open_run_log(settings) as log:
        pass
    kept = json.loads((log.path / "settings.json").read_text())
    assert kept == settings.to_record()
    assert Settings(**kept) == settings
    assert not {"time", "after_spike"} & set(kept)  # version 0.1 reads the file


def test_settings_that_are_no_defaults_are_kept(settings: Settings) -> None:
    exact = replace(settings, time="exact", after_spike="shunt")
    with open_run_log(exact) as log:
        pass
    kept = json.loads((log.path / "settings.json").read_text())
    assert (kept["time"], kept["after_spike"]) == ("exact", "shunt")
    assert read_run(log.path).settings == exact


def test_a_run_that_breaks_keeps_its_scalars(settings: Settings) -> None:
    snapshot = Snapshot(settings, "training", 10, points=StepMetricsHistory([StepMetrics(16, 0.25, 0.5, 0.5)]))
    folders = []

    def break_off() -> None:
        with open_run_log(settings) as log:
            folders.append(log.path)
            log.write(snapshot)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert read_back(folders[0]) == {"train_loss": [(16, 0.25)]}


def test_runs_of_one_second_get_folders_of_their_own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda *_: "20260102-030405")
    logs = [RunLog(settings) for _ in range(3)]
    for log in logs:
        log.close()
    assert len({log.path for log in logs}) == 3
    assert all(log.path.parent == Path(settings.log_dir) for log in logs)
    assert all(len(list(log.path.glob("events.*"))) == 1 for log in logs)
    assert logs[0].path.name == "20260102-030405-embedded-cross-entropy-seed0"


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_log_directory_that_is_a_file(settings: Settings, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError) as caught:
        RunLog(replace(settings, log_dir=str(tmp_path / "file" / below)))
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert text.startswith("log directory: expected a folder")
    assert "file" in text


@pytest.mark.parametrize("log_dir", ["~nobody-of-this-name/runs", "a\0b", "/proc/nope"])
def test_log_directory_that_cannot_be(settings: Settings, log_dir: str) -> None:
    with pytest.raises(TrainingError) as caught:
        RunLog(replace(settings, log_dir=log_dir))
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith("log directory: expected a folder")


def test_log_directory_is_made(settings: Settings, tmp_path: Path) -> None:
    with open_run_log(replace(settings, log_dir=str(tmp_path / "a" / "b"))) as log:
        assert log.path.parent == tmp_path / "a" / "b"


@pytest.fixture(scope="module")
def few_digits() -> Dataset:
    return idx_files.few_digits(195, 100)


def without_times(snapshot: Snapshot) -> list[EpochMetrics]:
    return [replace(result, seconds=0, samples_per_second=0) for result in snapshot.epochs]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_resumed_run_ends_as_if_it_had_never_stopped(settings: Settings, few_digits: Dataset, recipe: str) -> None:
    settings = replace(settings, recipe=recipe, epochs=4, batch_size=16)
    with open_run_log(settings) as whole:
        for last in train_model(settings, few_digits):
            whole.write(last)
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, few_digits):
            log.write(snapshot)
            if len(snapshot.epochs) == 2 and snapshot.state is None:
                break  # in the middle of the third epoch
    origin = load_snapshot(log.path)
    assert len(origin.epochs) == 2
    with open_run_log(settings, log.path, origin) as again:
        for resumed in train_model(settings, few_digits, origin):
            again.write(resumed)
    assert resumed.phase == "finished"
    assert resumed.points == last.points
    assert without_times(resumed) == without_times(last)
    for name in ("last", "best", "epochs/0001", "epochs/0003", "epochs/0004"):
        assert torch.equal(load_model(log.path, name).weight, load_model(whole.path, name).weight), name
    assert sorted(flatten(read_back(log.path)["test_accuracy"])[::2]) == [1, 2, 3, 4]
    (end,) = [
        snapshot
        for snapshot in train_model(settings, few_digits, load_snapshot(log.path))
        if snapshot.phase == "finished"
    ]
    assert end.weight is not None and last.weight is not None
    assert torch.equal(end.weight, last.weight)


def test_a_run_is_a_folder_that_pandas_reads(settings: Settings, few_digits: Dataset) -> None:
    with open_run_log(settings) as log:
        for last in train_model(settings, few_digits):
            log.write(last)
    table = pd.read_csv(log.path / "epochs.csv")
    assert table["test_accuracy"].tolist() == [result.test_accuracy for result in last.epochs]
    environment = json.loads((log.path / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert environment["seed"] == 0
    record = read_run(log.path)
    assert (record.settings, record.points, record.epochs) == (settings, last.points, last.epochs[:])
    best = int(table["test_accuracy"].to_numpy()[::-1].argmax())
    assert torch.equal(load_model(log.path, "best").weight, load_model(log.path, f"epochs/{3 - best:04}").weight)
    net = Tempotron(784 * 3, 10, 20)
    net.load_state_dict(load_file(log.path / "last.safetensors"))
    assert torch.equal(net.fc.weight, last.weight) if last.weight is not None else False
    assert [listed.name for listed in list_runs(settings.log_dir)] == [log.path.name]
    assert list_runs(log.path / "nowhere") == ()


def test_checkpoints_of_epochs_keep_to_their_budget(
    settings: Settings, few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_BUDGET", 200_000)
    with open_run_log(settings) as log:
        for last in train_model(settings, few_digits):
            log.write(last)
    assert len(list(log.path.glob("epochs/*"))) == 2
    assert last.weight is not None
    assert torch.equal(load_model(log.path).weight, last.weight)


def test_a_state_of_another_network_is_refused(settings: Settings, few_digits: Dataset) -> None:
    state = Trainer(replace(settings, m=4), 10).state()
    state["shuffle"] = torch.Generator().get_state()
    with pytest.raises(TrainingError, match="expected that of 2,352 afferents"):
        list(train_model(settings, few_digits, Snapshot(settings, "training", 10, state=state)))


def test_a_full_disk_ends_the_run_with_a_sentence(
    settings: Settings, few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    *_, last = train_model(settings, few_digits)
    with open_run_log(settings) as log:
        monkeypatch.setattr(writer, "write_atomic", full)
        with pytest.raises(TrainingError, match="No space left on device"):
            log.write(last)


def _test_accuracies(errors: Path) -> list[int]:
    return [int(epoch) for epoch in re.findall(rb"epoch (\d+): test", errors.read_bytes())]


def test_a_killed_training_loses_no_more_than_its_epoch(tmp_path: Path) -> None:
    """Killed at random instants, TEMPOTRON_KILLS times, and resumed each time."""
    kills, draw = int(os.environ.get("TEMPOTRON_KILLS", "3")), random.Random(6)
    command = [sys.executable, "-m", "tempotron_core.train"]
    begin = ["-m", "3", "-T", "20", "-b", "256", "--epochs", "100000", "--log-dir", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    folder, done = None, 0
    for _ in range(kills):
        arguments = [*begin] if folder is None else ["--resume", str(folder)]
        with (tmp_path.parent / "errors").open("w+b") as errors:
            process = subprocess.Popen([*command, *arguments], cwd=ROOT, env=environment, stderr=errors)
            reported = Path(errors.name)
            wait_until(lambda: process.poll() is not None or max([0, *_test_accuracies(reported)]) > done)  # noqa: B023
            assert process.poll() is None
            time.sleep(draw.random() * 0.5)  # waits for nothing: draws the instant of the kill
            process.kill()
            process.wait()
        seen = max(_test_accuracies(reported))
        (record,) = list_runs(tmp_path)
        assert record.problem is None
        folder = record.path
        done = len(load_snapshot(folder).epochs)
        assert done >= seen - 1
        assert load_model(folder).weight.shape == (10, 784 * 3)
        assert load_model(folder, "best").weight.shape == (10, 784 * 3)
    table = pd.read_csv(folder / "epochs.csv") if folder else None
    assert table is not None
    assert table["epoch"].tolist() == list(range(1, len(table) + 1))


def test_a_run_that_is_no_longer_finite_keeps_its_last_finite_weights(
    settings: Settings, few_digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, learn = 0, Trainer.step

    def poisoned(trainer: Trainer, *batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal steps
        steps += 1
        if steps == 2 * STEPS_PER_SNAPSHOT + 3:
            with torch.no_grad():
                trainer.net.fc.weight[3, 7] = float("nan")
        return learn(trainer, *batch)

    monkeypatch.setattr(Trainer, "step", poisoned)
    kept: list[Snapshot] = []

    def write(log: RunLog) -> None:
        for snapshot in train_model(settings, few_digits):
            log.write(snapshot)
            kept.append(snapshot)

    with open_run_log(settings) as log, pytest.raises(TrainingError, match="last finite weights are kept"):
        write(log)
    weight = kept[-1].weight
    assert weight is not None
    assert weight.isfinite().all()
    assert kept[-1].step == 2 * STEPS_PER_SNAPSHOT
    assert torch.equal(load_model(log.path).weight, weight)
