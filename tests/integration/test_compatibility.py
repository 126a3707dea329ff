"""Run folders and links written by commit 121b8e2 still open."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from helpers.pages import app, run_app

from tempotron_core import train
from tempotron_core.runs.reader import load_model, load_snapshot, read_run

DATA = Path(__file__).parents[1] / "data"
RUN = "interrupted-run"
LINKS = {link["page"]: dict(parse_qsl(link["query"])) for link in json.loads((DATA / "links.json").read_text())}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / RUN, tmp_path / "runs" / RUN))


def test_a_run_folder_is_read_with_present_names(run: Path) -> None:
    record = read_run(run)
    assert record.settings is not None
    assert (record.settings.afferent_dropout, record.settings.init_scale) == (0.1, 2.0)
    assert record.settings.reinit_dead_outputs is True
    (epoch,) = record.epochs
    assert (epoch.firing_error_rate, epoch.peaks_at_start, epoch.dead_outputs) == (0.0931, 0.4392, ())
    assert load_model(run).weight.shape == (10, 784 * 3)
    assert load_snapshot(run).epochs == record.epochs


def test_a_run_is_resumed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--resume", str(run)]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert len(report["test_accuracy"]) == 2
    assert [epoch.epoch for epoch in read_run(run).epochs] == [1, 2]


def test_former_options_are_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--no-clears-gradients", "--drop", "0.2", "--k", "2", "--width", "2", "--revives"]
    small = ["-m", "3", "-T", "10", "--epochs", "1", "-b", "1000", "--log-dir", str(tmp_path)]
    assert train.main([*small, *options]) == 0
    settings = json.loads(capsys.readouterr().out.splitlines()[-1])["settings"]
    assert (settings["zero_grad"], settings["afferent_dropout"]) == (False, 0.2)
    assert (settings["tempotrons_per_class"], settings["init_scale"]) == (2, 2.0)
    assert settings["reinit_dead_outputs"] is True


def test_a_run_is_a_model_on_the_pages(run: Path) -> None:
    test = app("voltages", train_log_dir="runs")
    test.query_params["model"], test.query_params["run"] = "saved run", RUN
    run_app(test)
    assert test.sidebar.selectbox(key="run").value == RUN
    assert not test.warning


@pytest.mark.parametrize("page", LINKS)
def test_a_link_opens_with_its_values(page: str) -> None:
    test = app(page)
    for key, value in LINKS[page].items():
        test.query_params[key] = value
    run_app(test)
    assert test.sidebar.number_input(key="sample").value == int(LINKS[page]["sample"])
    expected: dict[str, dict[str, object]] = {
        "voltages": {"tau": 20.0, "tau_s": 5.0, "threshold": 0.5, "neuron": ["3"]},
        "encoder": {"m": 6, "beta": 2.5, "T": 60, "pixel": 406, "x": 0.62},
        "rule": {"rule": "cross-entropy", "rule_rate": "5e-3"},
    }
    for name, setting in expected[page].items():
        assert test.session_state[name] == setting, name
    if page == "rule":
        assert len(test.session_state["rule_walk"].steps) == 2


@pytest.mark.parametrize(
    ("page", "key", "former", "present"),
    [
        ("encoder", "view", "What is kept and lost", "Information in the code"),
        ("replay", "replay_of", "the winner", "predicted class"),
        ("evidence", "why", "the winner", "predicted class"),
        ("evidence", "why_not", "its strongest rival", "true class or runner-up"),
        ("replay", "replay_of", "the true class", "true class"),
        ("rule", "rule_target", "its true class", "true class"),
        ("rule", "rule_output", "most wrong", "largest error"),
        ("rule", "rule_neuron", "all, summed", "sum of all"),
    ],
)
def test_a_link_with_a_former_option_opens_with_the_present_one(
    run: Path, page: str, key: str, former: str, present: str
) -> None:
    test = app(page, train_log_dir="runs")
    test.query_params[key] = former
    run_app(test)
    assert test.session_state[key] == present
    assert not test.exception
