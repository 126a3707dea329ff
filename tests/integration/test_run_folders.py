"""Pages with run folders from elsewhere: odd names, another device, a deleted working directory."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from helpers.pages import NAMES, app, button, run_app, train_small_model
from helpers.waiting import PATIENCE

from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.runs.reader import load_model, read_run
from tempotron_core.training.settings import Settings


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names that are no UTF-8")
@pytest.mark.parametrize("page", NAMES)
def test_a_folder_name_that_is_no_utf_8_disturbs_no_page(registry: TrainingRegistry, tmp_path: Path, page: str) -> None:
    train_small_model(registry, tmp_path)
    (run,) = tmp_path.iterdir()
    run.rename(os.fsdecode(os.fsencode(tmp_path) + b"/20261127-000001-caf\xe9"))
    os.mkdir(os.fsencode(tmp_path) + b"/20261127-000002-empty\xff")
    test = run_app(app(page, model="saved run", train_log_dir=str(tmp_path)))
    assert test.sidebar.selectbox(key="run").value == "20261127-000001-caf\\xe9"
    assert not any("untrained" in element.value for element in test.warning)
    if page == "runs":
        assert list(test.dataframe[0].value["folder"]) == [
            "20261127-000002-empty\\xff", "20261127-000001-caf\\xe9",
        ]  # fmt: skip


def test_a_run_is_extended_on_its_page(registry: TrainingRegistry, tmp_path: Path) -> None:
    registry.start(Settings(epochs=1, m=3, T=20, batch_size=500, log_dir=str(tmp_path))).join(PATIENCE)
    (run,) = tmp_path.iterdir()
    settings = json.loads((run / "settings.json").read_text())
    (run / "settings.json").write_text(json.dumps(settings | {"device": "cuda:0"}))
    test = run_app(app("runs", train_log_dir=str(tmp_path)))
    test.number_input(key=f"epochs_{run.name}").set_value(2)
    button(test, "Resume").click()
    run_app(test)
    assert registry.job is not None and registry.job.join(PATIENCE)
    assert registry.job.status.state == "finished"
    assert json.loads((run / "settings.json").read_text())["device"] == "cpu"
    assert [result.epoch for result in read_run(run).epochs] == [1, 2]


def test_a_new_run_starts_from_the_weights_of_another(registry: TrainingRegistry, tmp_path: Path) -> None:
    first = train_small_model(registry, tmp_path)
    (run,) = tmp_path.iterdir()
    test = run_app(app("runs", train_log_dir=str(tmp_path), **{f"tune_{run.name}": True}))
    for name, value in (("lr", "x"), ("lr", "1e-30")):
        test.text_input(key=f"tune_{name}_{run.name}").set_value(value)
        button(test, "Start from these weights").click()
        run_app(test)
        if value == "x":
            assert any("learning rate: expected a number" in warning.value for warning in test.warning)
    assert registry.job is not None and registry.job.join(PATIENCE)
    assert registry.job.status.error is None
    (tuned,) = set(tmp_path.iterdir()) - {run}
    settings = read_run(tuned).settings
    assert settings is not None
    assert (settings.start_from, settings.lr, settings.m) == (run.name, 1e-30, 4)
    assert torch.equal(load_model(tuned).weight, first.weight)  # nothing is learned at this rate


def test_pages_open_when_the_working_directory_was_deleted(
    registry: TrainingRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for page in NAMES:
        run_app(app(page))
    assert Path.cwd().is_dir()
