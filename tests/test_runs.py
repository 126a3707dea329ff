"""A run's folder: TensorBoard reads back what was learnt, and no two runs share one."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import idx
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tempotron_core.runs import BATCH_ACCURACY_EVERY, RunLog, logged
from tempotron_core.training import EpochResult, Point, Settings, Snapshot, TrainingError, run

Series = list[tuple[int, float]]


def read_back(folder: Path) -> dict[str, Series]:
    """Every scalar in a folder: tag -> (step, value)."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def approximately(series: Series) -> object:
    return pytest.approx([number for pair in series for number in pair])


def flat(series: Series) -> list[float]:
    return [number for pair in series for number in pair]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(m=3, T=20, epochs=3, batch_size=2, log_dir=str(tmp_path / "runs"))


def test_scalars_of_a_run_are_read_back(settings: Settings) -> None:
    few = idx.few_digits(400, 50)
    with logged(settings) as log:
        for last in run(settings, few):
            log.write(last)
    scalars = read_back(log.path)
    assert set(scalars) == {"train_accuracy", "train_loss", "test_accuracy"}
    assert BATCH_ACCURACY_EVERY == 256
    assert [step for step, _ in scalars["train_accuracy"]] == [256, 512]
    wanted = {point.step: point for point in last.points}
    assert flat(scalars["train_accuracy"]) == approximately([(s, wanted[s].batch_accuracy) for s in (256, 512)])
    assert flat(scalars["train_loss"]) == approximately([(point.step, point.loss) for point in last.points])
    assert scalars["train_loss"][-1][0] == 600
    assert [step for step, _ in scalars["test_accuracy"]] == [1, 2, 3]
    assert [value for _, value in scalars["test_accuracy"]] == pytest.approx(
        [result.test_accuracy for result in last.epochs]
    )


def test_every_scalar_is_written_once(settings: Settings) -> None:
    points = tuple(Point(step, step / 1000, 0.5, step / 2000) for step in range(16, 1041, 16))
    epochs = tuple(EpochResult(epoch, 520 * epoch, 0.1, 0.2, epoch / 4, 1.0, 100.0) for epoch in (1, 2))
    with logged(settings) as log:
        for count in (0, 1, 1, 30, 31, 40, len(points), len(points)):
            done = epochs[: count * 16 // 520]
            log.write(Snapshot(settings, "training", 1040, points=points[:count], epochs=done))
            log.write(Snapshot(settings, "training", 1040, points=points[:count], epochs=done))
    scalars = read_back(log.path)
    assert flat(scalars["train_accuracy"]) == approximately([(s, s / 2000) for s in (256, 512, 768, 1024)])
    assert flat(scalars["train_loss"]) == approximately([(point.step, point.loss) for point in points])
    assert flat(scalars["test_accuracy"]) == approximately([(1, 0.25), (2, 0.5)])


def test_settings_are_kept(settings: Settings) -> None:
    with logged(settings) as log:
        pass
    kept = json.loads((log.path / "settings.json").read_text())
    assert kept == asdict(settings)
    assert Settings(**kept) == settings


def test_a_run_that_breaks_keeps_its_scalars(settings: Settings) -> None:
    snapshot = Snapshot(settings, "training", 10, points=(Point(16, 0.25, 0.5, 0.5),))
    folders = []

    def break_off() -> None:
        with logged(settings) as log:
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
    with logged(replace(settings, log_dir=str(tmp_path / "a" / "b"))) as log:
        assert log.path.parent == tmp_path / "a" / "b"
