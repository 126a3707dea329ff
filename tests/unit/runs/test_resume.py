"""Runs that come from elsewhere, go on elsewhere, or are written by two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import idx_files
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tempotron_core.data.datasets import Dataset
from tempotron_core.runs.catalogue import delete_run, differences, run_title, to_zip
from tempotron_core.runs.csv_tables import read_epoch_rows
from tempotron_core.runs.files import RunError, escape_surrogates
from tempotron_core.runs.lock import LOCK_FILE, RunLock, RunLockedError
from tempotron_core.runs.reader import find_run, list_runs, load_model, load_snapshot, read_run
from tempotron_core.runs.resume import copy_run, resume_settings
from tempotron_core.runs.tensorboard_log import TensorBoardWriter
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings, TrainingError

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def few_digits() -> Dataset:
    return idx_files.few_digits(60, 20)


@pytest.fixture
def run(tmp_path: Path, few_digits: Dataset) -> Path:
    """The folder of a run of two epochs of four steps."""
    settings = Settings(m=3, T=20, epochs=2, batch_size=16, log_dir=str(tmp_path / "runs"))
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, few_digits):
            log.write(snapshot)
    return log.path


def change_settings(run: Path, **changes: object) -> None:
    file = run / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def go_on(run: Path, few_digits: Dataset, **changes: object) -> None:
    origin = load_snapshot(run)
    settings = resume_settings(run, origin, changes)
    with open_run_log(settings, run, origin) as log:
        for snapshot in train_model(settings, few_digits, origin):
            log.write(snapshot)


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1", "mps", "xpu:3"])
def test_a_run_of_another_device_opens_and_resumes_on_the_cpu_when_asked(
    run: Path, few_digits: Dataset, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    change_settings(run, device=device)
    record = read_run(run)
    assert record.settings is not None and record.settings.device == device
    assert (record.problem, record.notes) == (None, ())
    assert load_model(run).weight.shape == (10, 784 * 3)
    with pytest.raises(RunError, match=rf"expected one of cpu, got '{device}'.*--device cpu"):
        resume_settings(run, load_snapshot(run), {})
    with pytest.raises(TrainingError, match="device: expected one of"):
        list(train_model(record.settings, few_digits))
    go_on(run, few_digits, device="cpu", epochs=3)
    record = read_run(run)
    assert record.settings is not None
    assert (record.settings.device, record.settings.epochs) == ("cpu", 3)
    assert [result.epoch for result in record.epochs] == [1, 2, 3]


def test_what_a_newer_version_has_written_is_reported(run: Path) -> None:
    change_settings(run, recipe="evolution", dataset="SVHN", loss="focal", spin=7)
    table = run / "epochs.csv"
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{header},energy", *(f"{row},1.5" for row in rows)]) + "\n")
    (record,) = list_runs(run.parent)
    assert record.problem is None
    assert record.settings is not None
    assert (record.settings.recipe, record.settings.dataset) == ("evolution", "SVHN")
    for word in ("'evolution'", "'SVHN'", "'focal'", "'spin'", "'energy'"):
        assert sum(word in note for note in record.notes) == 1, word
    assert len(record.epochs) == 2
    assert load_model(run).tempotrons_per_class == 1
    with pytest.raises(ValueError, match="expected one of"):
        resume_settings(run, load_snapshot(run), {})


def test_a_recipe_that_is_not_known_leaves_the_tempotrons_per_class_to_the_weights(
    tmp_path: Path, few_digits: Dataset
) -> None:
    settings = Settings(m=3, T=20, epochs=1, batch_size=32, recipe="population", log_dir=str(tmp_path))
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, few_digits):
            log.write(snapshot)
    change_settings(log.path, recipe="evolution")
    assert load_model(log.path).tempotrons_per_class == 20


def test_no_message_on_a_run_advises_to_delete_it(run: Path) -> None:
    (run / "settings.json").write_text('{"m": "three"}')
    (record,) = list_runs(run.parent)
    assert record.problem is not None
    assert "restore" in record.problem
    assert "delete" not in record.problem


def test_a_table_with_glued_rows_gives_the_intact_ones(run: Path) -> None:
    table = run / "epochs.csv"
    header, row, _ = table.read_text().splitlines()
    rows = [",".join([str(epoch), *row.split(",")[1:]]) for epoch in range(1, 61)]
    glued = [*rows[:23], rows[23] + rows[24][2:], *rows[25:]]
    table.write_text("\n".join([header, *glued]) + "\n")
    epochs, notes = read_epoch_rows(run)
    assert [result.epoch for result in epochs] == [*range(1, 24), *range(26, 61)]
    assert notes == ("epochs.csv: 1 of 59 rows could not be read and were left out.",)
    (record,) = list_runs(run.parent)
    assert record.problem is None
    assert record.notes == notes


def test_a_run_with_a_damaged_row_resumes_after_its_last_epoch(run: Path, few_digits: Dataset) -> None:
    table = run / "epochs.csv"
    header, first, second = table.read_text().splitlines()
    table.write_text(f"{header}\n{first[:-3]},9\n{second}\n")
    assert [result.epoch for result in read_run(run).epochs] == [2]
    go_on(run, few_digits, epochs=3)
    assert [result.epoch for result in read_run(run).epochs] == [2, 3]
    assert (run / "epochs" / "0003.safetensors").is_file()
    table.write_text(f"{header}\n{first}\n")
    with pytest.raises(RunError, match="expected the row of epoch 3"):
        load_snapshot(run)


def test_rows_that_a_second_process_repeats_count_once(run: Path) -> None:
    table = run / "epochs.csv"
    header, first, second = table.read_text().splitlines()
    table.write_text("\n".join([header, first, first, second, first]) + "\n")
    epochs, notes = read_epoch_rows(run)
    assert [result.epoch for result in epochs] == [1, 2]
    assert "2 of 4 rows" in notes[0]


def test_files_that_an_editor_has_touched_are_read(run: Path) -> None:
    before = read_run(run)
    for name in ("settings.json", "epochs.csv", "points.csv"):
        text = (run / name).read_text()
        for content in (
            b"\xef\xbb\xbf" + text.encode(),
            text.replace("\n", "\r\n").encode() + b"\r\n\r\n",
            ("\n" + text + "\n \n").encode(),
            text.encode("utf-16"),
        ):
            (run / name).write_bytes(content)
            record = read_run(run)
            assert (record.settings, record.points, record.epochs) == (before.settings, before.points, before.epochs)
            assert record.notes == ()
        (run / name).write_text(text)
    (run / "environment.json").write_bytes(b"\xef\xbb\xbf" + (run / "environment.json").read_bytes() + b"\r\n\r\n")
    assert load_snapshot(run).epochs_done == 2
    for title in (b"\xef\xbb\xbfa name\r\n\r\n", "a name\n".encode("utf-16")):
        (run / "title.txt").write_bytes(title)
        assert run_title(read_run(run)) == "a name"


def test_the_second_writer_of_a_run_is_told_who_holds_it(run: Path) -> None:
    before = (run / "epochs.csv").read_bytes()
    with open_run_log(Settings(m=3, T=20), run, load_snapshot(run)):
        with pytest.raises(RunLockedError, match=rf"process {os.getpid()} on host '.+' since '\d{{4}}-"):
            RunLock(run)
        with pytest.raises(RunLockedError), open_run_log(Settings(m=3, T=20), run, load_snapshot(run)):
            pass
        with pytest.raises(RunLockedError):
            delete_run(read_run(run))
    assert (run / "epochs.csv").read_bytes() == before
    RunLock(run).close()
    assert LOCK_FILE.encode() not in to_zip(read_run(run))
    delete_run(read_run(run))
    assert not run.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="locks with flock")
def test_a_killed_process_leaves_no_lock(run: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tempotron_core.runs.lock import RunLock;"
        "lock = RunLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(run)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunLockedError, match=f"process {holder.pid} on"):
            RunLock(run)
        holder.kill()
        holder.wait()
    RunLock(run).close()


def test_a_run_that_another_process_has_continued_is_not_overwritten(run: Path, few_digits: Dataset) -> None:
    stale = load_snapshot(run)
    go_on(run, few_digits, epochs=3)
    before = (run / "epochs.csv").read_bytes()
    with pytest.raises(RunError, match="continued to epoch 3"), open_run_log(stale.settings, run, stale):
        pass
    assert (run / "epochs.csv").read_bytes() == before


def test_fewer_epochs_than_are_done_are_refused(run: Path) -> None:
    with pytest.raises(RunError, match="at least the 2 that"):
        resume_settings(run, load_snapshot(run), {"epochs": 1})


def test_a_relative_data_directory_is_found_beside_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "started").mkdir()
    (tmp_path / "elsewhere").mkdir()
    idx_files.write_set(tmp_path / "started" / "sets")
    monkeypatch.chdir(tmp_path / "started")
    settings = Settings(m=3, T=20, epochs=1, dataset="MNIST", dataset_dir="sets")
    with open_run_log(settings) as log:
        for snapshot in train_model(settings):
            log.write(snapshot)
    folder = log.path.absolute()
    recorded = json.loads((folder / "settings.json").read_text())
    assert recorded == settings.to_record() | {"dataset_dir": str(tmp_path / "started" / "sets")}
    monkeypatch.chdir(tmp_path / "elsewhere")
    change_settings(folder, dataset_dir="sets")  # as an earlier version has recorded it
    resumed = resume_settings(folder, load_snapshot(folder), {"epochs": 2})
    assert resumed.dataset_dir == str(tmp_path / "started" / "sets")
    assert resumed.log_dir == str(tmp_path / "started" / "runs")


def test_a_run_continues_in_another_log_directory_as_a_copy(run: Path, tmp_path: Path) -> None:
    copy = copy_run(run, str(tmp_path / "more" / "runs"))
    assert copy == tmp_path / "more" / "runs" / run.name
    assert read_run(copy).epochs == read_run(run).epochs
    assert copy_run(run, str(run.parent)) == run
    with pytest.raises(RunError, match="one that exists already"):
        copy_run(run, str(tmp_path / "more" / "runs"))


def test_events_of_the_interrupted_epoch_are_purged(run: Path, few_digits: Dataset) -> None:
    (events,) = run.glob("events.*")
    assert sorted(step for step, _ in scalars(run, "train_loss")) == [4, 8]
    writer = TensorBoardWriter(run)  # as a killed process leaves them
    for step in (8, 9, 12):
        writer.add_scalar("train_loss", 100.0, step)
    writer.add_scalar("test_accuracy", 1.0, 3)
    writer.close()
    events.write_bytes(events.read_bytes() + b"\x18\0\0\0\0\0\0\0torn")
    go_on(run, few_digits, epochs=4)
    steps = [step for step, _ in scalars(run, "train_loss")]
    assert steps == sorted(steps)
    assert set(steps) == {4, 8, 12, 16}
    assert [step for step, _ in scalars(run, "test_accuracy")] == [1, 2, 3, 4]
    assert (
        1.0 not in [value for _, value in scalars(run, "test_accuracy")][2:3] or read_run(run).epochs[2].test_accuracy
    )


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names that are no UTF-8")
def test_a_folder_whose_name_is_no_utf_8_is_read_under_an_escaped_name(run: Path, few_digits: Dataset) -> None:
    odd = Path(os.fsdecode(os.fsencode(run.parent) + b"/20261127-000001-caf\xe9"))
    run.rename(odd)
    (record,) = list_runs(odd.parent)
    assert record.name == "20261127-000001-caf\\xe9"
    assert record.problem is None
    assert find_run(odd.parent, record.name) == odd
    change_settings(odd, log_dir=str(odd))
    go_on(odd, few_digits, epochs=3)
    assert load_model(odd).weight.isfinite().all()
    record = read_run(odd)
    other = replace(record, settings=Settings())
    for text in (record.name, run_title(record), str(differences([record, other])), to_zip(record)[:0].decode()):
        assert text.encode().decode() == text
    assert b"caf\\xe9" in to_zip(record)


def test_surrogates_are_escaped() -> None:
    assert escape_surrogates("caf\udce9 \ud800 ü \\x41") == "caf\\xe9 \\ud800 ü \\x41"
