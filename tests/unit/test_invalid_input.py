"""Invalid input in one table: each error is one sentence on what was expected, what came and what to do.

Parameters as settings, as options of the command and as arguments of the parts; data sets on disk; folders of runs, as
models and to go on from. How the pages take the same is in test_bad_pages.py.
"""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import idx_files
from helpers.invalid_input import (
    COMMANDS,
    LAST,
    PARTS,
    RUNS,
    SETS,
    SETTINGS,
    STATES,
    Damage,
    Exploding,
    content,
    pipe,
)

from tempotron_core import train
from tempotron_core.data import datasets
from tempotron_core.jobs.job import JobError
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.runs.reader import RunError, list_runs, load_model, load_snapshot
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings, TrainingError


def check_sentence(error: object) -> None:
    """One line that says what was expected and what came, is not endless and is no traceback."""
    text = str(error)
    assert len(text.splitlines()) == 1
    assert len(text) < 1000
    assert any(word in text.lower() for word in ("expected", "truncated", "too long", "no longer finite")), text
    assert "Traceback" not in text


def row_ids(rows: list[Any]) -> list[str]:
    return [f"{row[0]} {row[1]!r:.40}" for row in rows]


@pytest.mark.parametrize(("name", "value"), SETTINGS, ids=row_ids(SETTINGS))
def test_settings(name: str, value: object) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        replace(Settings(), **{name: value})  # type: ignore[arg-type]
    check_sentence(caught.value)
    assert "got" in str(caught.value)


def error_of_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line that the command prints before it exits with 2."""
    with pytest.raises(SystemExit) as caught:
        train.main(arguments)
    assert caught.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert "Traceback" not in errors
    return errors


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda row: " ".join(row)[:50].replace("\0", "NUL"))
def test_commands(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = error_of_command([*arguments, "--log-dir", str(tmp_path / "runs")], capsys).splitlines()
    assert any(word in line for word in ("expected", "invalid", "unrecognized"))
    assert len(line) < 6000
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("part", "good", "name", "bad"), PARTS, ids=[f"{row[2]} {row[3]!r:.30}" for row in PARTS])
def test_parts(part: Any, good: dict[str, Any], name: str, bad: object) -> None:
    part(**good)
    with pytest.raises((ValueError, TypeError)) as caught:
        part(**(good | {name: bad}))
    check_sentence(caught.value)


@pytest.mark.parametrize(("file", "damage", "word"), [pytest.param(*row[1:], id=row[0]) for row in SETS])
def test_sets(tmp_path: Path, file: str, damage: Damage, word: str) -> None:
    damage(idx_files.write_set(tmp_path) / file)
    with pytest.raises(datasets.DataError) as caught:
        datasets.load("MNIST", tmp_path)
    check_sentence(caught.value)
    assert word in str(caught.value)


@pytest.mark.parametrize(("file", "damage"), [pytest.param(*row[1:], id=row[0]) for row in RUNS])
def test_runs(copied_run: Path, file: str, damage: Damage) -> None:
    load_model(copied_run)
    damage(copied_run / file)
    (listed,) = list_runs(copied_run.parent)
    if file == LAST:
        assert listed.problem is None
    elif listed.problem is None and listed.notes:  # what can be read is read, and the rest is reported
        assert all("left out" in note and len(note.splitlines()) == 1 for note in listed.notes)
        assert load_model(copied_run).weight.isfinite().all()
        return
    with pytest.raises(RunError) as caught:
        load_model(copied_run)
    check_sentence(caught.value)
    if listed.problem:
        check_sentence(listed.problem)


@pytest.mark.parametrize(("file", "damage"), [pytest.param(*row[1:], id=row[0]) for row in STATES])
def test_states(
    copied_run: Path, file: str, damage: Damage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load_snapshot(copied_run)
    monkeypatch.setattr(datasets, "load", lambda *_: idx_files.few_digits(60, 20))
    damage(copied_run / file)
    check_sentence(error_of_command(["--resume", str(copied_run)], capsys).splitlines()[-1])


def test_a_run_that_is_a_link_is_listed_with_what_is_wrong(copied_run: Path) -> None:
    (copied_run.parent / "elsewhere").symlink_to(copied_run, target_is_directory=True)
    (copied_run.parent / "nowhere").symlink_to("/nonexistent")
    by_name = {record.name: record for record in list_runs(copied_run.parent)}
    assert by_name["copy"].problem is None
    for name in ("elsewhere", "nowhere"):
        check_sentence(by_name[name].problem)


def test_what_lies_beside_a_run_does_no_harm(copied_run: Path) -> None:
    shutil.rmtree(copied_run / "epochs")
    for file, damage in (
        ("epochs", content(b"a file")),
        ("title.txt", pipe),
        ("best.safetensors", content(pickle.dumps(Exploding()))),
        ("environment.json", content(b"[" * 100_000)),
        ("__init__.py", content(b"raise SystemExit")),
        ("sitecustomize.pth", content(b"import os; os.abort()")),
        ("<img src=x onerror=alert(1)>", content(b"")),
        ("new\nline", content(b"")),
    ):
        damage(copied_run / file)
    load_model(copied_run)
    (listed,) = list_runs(copied_run.parent)
    assert listed.problem is None
    with pytest.raises(RunError):
        load_model(copied_run, "epochs/0001")
    with pytest.raises(RunError):
        load_model(copied_run, "../../outside")


def test_a_training_that_does_not_fit_is_refused_where_it_is_started(tmp_path: Path) -> None:
    trainings = TrainingRegistry()
    here = Settings(log_dir=str(tmp_path))
    for settings in (
        replace(here, T=100_000), replace(here, m=1_000_000), replace(here, epochs=2**31 - 1),
        replace(here, T=10**8, m=10**8),
    ):  # fmt: skip
        with pytest.raises(JobError) as caught:
            trainings.start(settings)
        check_sentence(caught.value)
        assert "an estimate of" in str(caught.value) and "fits is" in str(caught.value)
    assert trainings.job is None
    assert list(tmp_path.iterdir()) == []


def test_weights_that_were_not_finite_from_the_start_end_the_run(tmp_path: Path) -> None:
    settings = Settings(m=3, T=20, epochs=1, lr=1e30, batch_size=1, log_dir=str(tmp_path))
    with pytest.raises(TrainingError) as caught:
        list(train_model(settings, idx_files.few_digits(40, 20)))
    check_sentence(caught.value)


def test_the_table_is_as_long_as_the_readme_says() -> None:
    tables: tuple[list[Any], ...] = (SETTINGS, COMMANDS, PARTS, SETS, RUNS, STATES)
    assert sum(len(table) for table in tables) >= 600
