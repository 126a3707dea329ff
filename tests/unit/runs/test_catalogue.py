"""Runs on the shelf: named, compared, exported, deleted, whatever lies beside them."""

import io
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import idx_files

from tempotron_core import figures
from tempotron_core.data import datasets
from tempotron_core.runs.catalogue import (
    TEST_SAMPLES,
    delete_run,
    describe_evaluation_set,
    differences,
    disambiguate,
    is_being_written,
    rename,
    run_title,
    to_zip,
)
from tempotron_core.runs.reader import RunError, RunRecord, list_runs, load_model, read_run
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    settings = Settings(m=3, T=20, epochs=2, batch_size=16, log_dir=str(tmp_path / "runs"))
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, idx_files.few_digits(60, 20)):
            log.write(snapshot)
    return read_run(log.path)


def test_a_run_gets_a_name(record: RunRecord) -> None:
    own = run_title(record)
    rename(record, "  a better\tname ")
    assert run_title(record) == "a better name"
    rename(record, "")
    assert run_title(record) == own


def test_a_run_without_a_name_says_what_it_is(record: RunRecord) -> None:
    def titled(name: str) -> str:
        return run_title(replace(record, path=record.path.with_name(name)))

    assert titled("20261125-091754-embedded-cross-entropy-seed0") == (
        "cross-entropy on embedded, m 3, seed 0 · 25 Nov 09:17:54"
    )
    assert titled("20260103-235959-embedded-cross-entropy-seed0-12").endswith("seed 0 · 3 Jan 23:59:59 (12)")
    for name in ("my runs", "20261345-091754-embedded", "20261125-0917540", "-"):
        assert titled(name) == name
    assert run_title(RunRecord(record.path)) == record.name


def test_runs_of_one_second_have_titles_of_their_own(record: RunRecord) -> None:
    assert record.settings is not None
    copies = [open_run_log(record.settings) for _ in range(5)]
    paths = []
    for copy in copies:
        with copy as log:
            paths.append(log.path)
    titles = [run_title(read_run(path)) for path in [record.path, *paths]]
    assert len(set(titles)) == 6


@pytest.mark.parametrize("title", ["x" * 81, "a\0b", "a\u202eb"])
def test_names_that_cannot_be(record: RunRecord, title: str) -> None:
    with pytest.raises(RunError, match="expected at most 80 printable"):
        rename(record, title)
    assert not (record.path / "title.txt").exists()


def test_a_name_that_somebody_else_wrote_is_short_and_of_one_line(record: RunRecord) -> None:
    (record.path / "title.txt").write_bytes(b"\xff\n" * 100_000)
    assert len(run_title(record).splitlines()) == 1
    assert len(run_title(record)) <= 80
    (record.path / "title.txt").unlink()
    (record.path / "title.txt").symlink_to("/etc/passwd")
    assert "root" not in run_title(record)


def test_runs_of_the_same_name_are_told_apart_by_their_folders() -> None:
    assert disambiguate({"a": "mine", "b": "mine", "c": "other"}) == {"a": "mine (a)", "b": "mine (b)", "c": "other"}


def test_differences_are_those_settings_that_differ(record: RunRecord) -> None:
    assert record.settings is not None
    other = replace(record, settings=replace(record.settings, lr=0.5, seed=3))
    damaged = replace(record, settings=None)
    assert differences([record, other]) == {"lr": ["0.001", "0.5"], "seed": ["0", "3"]}
    assert differences([record]) == {}
    assert differences([record, damaged])["m"] == ["3", "?"]


def test_an_exported_run_opens_elsewhere(record: RunRecord, tmp_path: Path) -> None:
    (record.path / "outside").symlink_to("/etc/passwd")
    (record.path / ".last.safetensors.part").write_bytes(b"half")
    with zipfile.ZipFile(io.BytesIO(to_zip(record))) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "elsewhere")
    assert f"{record.name}/epochs/0001.safetensors" in names
    assert not any("outside" in name or "part" in name for name in names)
    (found,) = list_runs(tmp_path / "elsewhere")
    assert (found.settings, found.epochs) == (record.settings, record.epochs)
    assert load_model(found.path).weight.equal(load_model(record.path).weight)


def test_deleting_takes_the_folder_and_follows_no_link(record: RunRecord) -> None:
    link = record.path.with_name("link")
    link.symlink_to(record.path)
    with pytest.raises(RunError, match="got a link"):
        delete_run(RunRecord(link))
    delete_run(record)
    assert not record.path.exists()
    with pytest.raises(RunError, match="expected to delete"):
        delete_run(record)


def test_a_run_is_followed_while_it_is_written(record: RunRecord) -> None:
    unfinished = replace(record, epochs=record.epochs[:1])
    assert not is_being_written(record)
    assert not is_being_written(unfinished)
    (record.path / "ended").unlink()
    assert is_being_written(unfinished)
    for path in record.path.iterdir():
        os.utime(path, (time.time() - 500,) * 2)
    assert not is_being_written(unfinished)
    assert not is_being_written(RunRecord(record.path / "nowhere", record.settings))


def test_comparisons_say_who_ends_highest() -> None:
    nothing = np.zeros(0)
    info = figures.ComparisonInfo(("a", "b"), (np.array([0.5, 0.7]), np.array([0.8, 0.75])), (nothing, nothing))
    assert info.takeaway == "Highest final test accuracy: b, 75.00%, 5.00 points above a."
    one = figures.ComparisonInfo(("a",), (np.array([0.5]),), (np.array([0.6]),))
    assert one.takeaway == "a: test accuracy 50.00% after its last epoch."
    none = figures.ComparisonInfo(("a",), (nothing,), (nothing,))
    assert none.takeaway == "No epoch is complete yet."
    assert figures.comparison_figure(none).layout.annotations
    assert [len(trace.x) for trace in figures.comparison_figure(one).data] == [1, 1]


def test_runs_with_different_test_sets_have_no_ranking() -> None:
    curves = (np.array([0.7]), np.array([0.75]))
    mixed = figures.ComparisonInfo(("a", "b"), curves, curves, ("embedded", "MNIST"))
    assert mixed.takeaway == "No common ranking: the runs were tested on different samples (embedded; MNIST)."
    for low, verb in ((0.6, "overlap"), (0.73, "do not overlap")):
        info = figures.ComparisonInfo(("a", "b"), curves, curves, ("embedded",) * 2, ((0.65, 0.72), (low, 0.8)))
        assert info.takeaway.startswith("Highest final test accuracy: b, 75.00% (95 % interval")
        assert info.takeaway.endswith(f"the intervals {verb}.")
    same = figures.ComparisonInfo(("a", "b"), (curves[0],) * 2, curves)
    assert same.takeaway == "Highest final test accuracy: 70.00%, the same for a and b."


def test_the_samples_of_an_accuracy_are_known(record: RunRecord) -> None:
    assert describe_evaluation_set(record).samples == TEST_SAMPLES["embedded"]
    for name in ("embedded", "iris", "wine"):
        assert len(datasets.load(name).test) == TEST_SAMPLES[name]
    assert record.settings is not None
    held_out = describe_evaluation_set(replace(record, settings=replace(record.settings, validation=50)))
    assert (held_out.name, held_out.samples) == ("embedded, 50 held-out training samples", 50)
