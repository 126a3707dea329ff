"""Tables that grow: cut off anywhere they open without the incomplete line, which a continued run removes."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import idx_files

from tempotron_core.runs.csv_tables import Table, read_epoch_rows, read_point_rows
from tempotron_core.runs.files import RunError
from tempotron_core.runs.reader import load_snapshot, read_run
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.metrics import EpochMetrics, StepMetrics
from tempotron_core.training.settings import Settings

POINTS = [StepMetrics(16 * n, 1 / 3 / n, 1 / n, 0.1) for n in range(1, 6)]
EPOCHS = [EpochMetrics(n, 100 * n, 1 / n, 0.5, 1 / 3, 0.1, 1e4, dead_outputs=tuple(range(n % 3))) for n in range(1, 6)]


def test_rows_are_read_back_exactly_however_they_came(tmp_path: Path) -> None:
    points, epochs = Table(tmp_path / "points.csv", StepMetrics), Table(tmp_path / "epochs.csv", EpochMetrics)
    for length in (0, 0, 1, 1, 3, 5):
        points.update(POINTS[:length])
        epochs.update(EPOCHS[:length])
        assert read_point_rows(tmp_path)[0] == POINTS[:length]
        assert read_epoch_rows(tmp_path)[0] == tuple(EPOCHS[:length])
    text = (tmp_path / "points.csv").read_bytes()
    (tmp_path / "points.csv").write_bytes(text.replace(b"\n", b"\r\n"))  # saved by an editor
    assert read_point_rows(tmp_path)[0] == POINTS
    (tmp_path / "points.csv").write_bytes(text)
    (tmp_path / "whole").mkdir()
    Table(tmp_path / "whole" / "points.csv", StepMetrics).update(POINTS)
    assert (tmp_path / "whole" / "points.csv").read_bytes() == (tmp_path / "points.csv").read_bytes()


def test_an_append_writes_no_more_than_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, rows = Table(tmp_path / "points.csv", StepMetrics), POINTS * 1000
    table.update(rows)
    place = (tmp_path / "points.csv").stat().st_ino
    monkeypatch.setattr("tempotron_core.runs.csv_tables.write_atomic", None)
    before = (tmp_path / "points.csv").read_bytes()
    table.update([*rows, POINTS[0]])
    after = (tmp_path / "points.csv").read_bytes()
    assert (tmp_path / "points.csv").stat().st_ino == place
    assert after.startswith(before) and after.count(b"\n") == before.count(b"\n") + 1


@pytest.mark.parametrize("name", ["points.csv", "epochs.csv"])
def test_a_table_cut_off_anywhere_opens_without_the_torn_line(tmp_path: Path, name: str) -> None:
    Table(tmp_path / "points.csv", StepMetrics).update(POINTS)
    Table(tmp_path / "epochs.csv", EpochMetrics).update(EPOCHS)
    whole = (tmp_path / name).read_bytes()
    rows: list[StepMetrics] | list[EpochMetrics] = POINTS if name == "points.csv" else EPOCHS
    for length in range(whole.index(b"\n") + 1, len(whole) + 1):
        (tmp_path / name).write_bytes(whole[:length])
        lines = whole[:length].count(b"\n") - 1
        read = read_point_rows(tmp_path)[0] if name == "points.csv" else read_epoch_rows(tmp_path)[0]
        assert tuple(read) == tuple(rows[:lines])
    (tmp_path / name).write_bytes(whole[:7])
    with pytest.raises(RunError, match="expected columns"):
        _ = read_point_rows(tmp_path)[0], read_epoch_rows(tmp_path)[0]


def test_what_an_append_that_failed_has_left_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, file = Table(tmp_path / "points.csv", StepMetrics), tmp_path / "points.csv"

    def full(_: int) -> None:
        file.write_bytes(file.read_bytes()[:-5])
        raise OSError(28, "No space left on device")

    table.update(POINTS[:2])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            table.update(POINTS[:4])
    assert read_point_rows(tmp_path)[0] == POINTS[:3]
    table.update(POINTS)
    assert read_point_rows(tmp_path)[0] == POINTS


@pytest.mark.parametrize("harm", ["deleted", "cut", "linked"])
def test_a_table_that_somebody_has_harmed_is_written_whole(tmp_path: Path, harm: str) -> None:
    table, file = Table(tmp_path / "points.csv", StepMetrics), tmp_path / "points.csv"
    table.update(POINTS[:3])
    if harm == "deleted":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[:60])
    else:
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    table.update(POINTS[:4])
    assert not file.is_symlink()
    assert read_point_rows(tmp_path)[0] == POINTS[:4]
    table.update(POINTS)
    assert read_point_rows(tmp_path)[0] == POINTS


def test_a_resumed_run_cuts_off_what_a_killed_one_had_begun(tmp_path: Path) -> None:
    few = idx_files.few_digits(195, 50)
    settings = Settings(m=3, T=20, epochs=4, batch_size=2, log_dir=str(tmp_path / "runs"))
    with open_run_log(settings) as whole:
        for last in train_model(settings, few):
            whole.write(last)
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, few):
            log.write(snapshot)
            if len(snapshot.epochs) == 2:
                break
    state = (log.path / "state.safetensors").read_bytes()
    with open_run_log(settings, log.path, load_snapshot(log.path)) as more:
        for snapshot in train_model(settings, few, load_snapshot(log.path)):
            more.write(snapshot)
    # Killed while the fourth epoch was written, its state not yet, the table of epochs in the middle of a line.
    (log.path / "state.safetensors").write_bytes(state)
    for name, lines in (("points.csv", 25), ("epochs.csv", 3)):
        text = (log.path / name).read_text().splitlines(keepends=True)
        (log.path / name).write_text("".join(text[: lines + 1]) + text[lines + 1][:9])
    record = read_run(log.path)
    assert (len(record.points), len(record.epochs)) == (25, 3)
    origin = load_snapshot(log.path)
    assert (len(origin.points), len(origin.epochs)) == (14, 2)
    with open_run_log(settings, log.path, origin) as again:
        record = read_run(log.path)
        assert (record.points, record.epochs) == (origin.points, origin.epochs[:])
        for snapshot in train_model(settings, few, origin):
            again.write(snapshot)
    found, wanted = read_run(log.path), read_run(whole.path)
    assert found.points == wanted.points == last.points
    for mine, other in zip(found.epochs, wanted.epochs, strict=True):
        assert replace(mine, seconds=0, samples_per_second=0) == replace(other, seconds=0, samples_per_second=0)
