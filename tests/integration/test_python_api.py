"""Runs recorded by a loop of one's own, and the dashboard opened on objects of a script."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers.pages import EMBEDDED, ROOT, app, headline, run_app, verdict

import tempotron_core as tc
from tempotron_core import api
from tempotron_core import dashboard as dashboard_module
from tempotron_core.dashboard import Dashboard
from tempotron_core.data.samples import DataError
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.runs.catalogue import is_being_written

SAMPLES, LABELS = EMBEDDED.test.images[:40], EMBEDDED.test.labels[:40]


def layer(m: int = 3, T: int = 20) -> tc.Tempotron:
    torch.manual_seed(0)
    net = tc.Tempotron(784 * m, 10, T=T)
    net.fc.weight.data *= 10
    return net


def test_a_recorded_run_is_followed_while_it_is_written(registry: TrainingRegistry, tmp_path: Path) -> None:
    net, state = layer(), {"train_log_dir": "runs", "sample": 3}
    with tc.record("runs", m=3, T=20, name="my loop") as run:
        assert run.epochs_done == 0
        for number in (1, 2):
            net.fc.weight.data *= 1.5
            run.epoch(net, train_accuracy=0.2 * number, test_accuracy=np.float32(0.1 * number).item(), loss=1 / number)
        page = run_app(app("training", **state))
        assert any("epoch 3 of 3" in caption.proto.text for caption in page.get("progress"))
        accuracy = page.session_state["_shown"]["accuracy"].figure.data
        assert [list(np.round(trace.y, 4)) for trace in accuracy] == [[20, 40], [10, 20]]
        assert any("Another process writes this run" in warning.value for warning in page.warning)
        assert any("not measured" in caption.value for caption in page.caption)
        assert is_being_written(tc.read_run(run.path))
        os.utime(run.path, (0, 0))
        for file in run.path.iterdir():
            os.utime(file, (0, 0))
        assert is_being_written(tc.read_run(run.path))  # an epoch of minutes
        page = run_app(app("runs", **state))
        assert any("Run in progress" in caption.value for caption in page.caption)
        page = run_app(app("replay", model="saved run", run=run.path.name, **state))
        assert page.title[0].value == "Replay · epoch 2"
    record = tc.read_run(run.path)
    assert record.settings is not None
    assert (record.settings.epochs, record.settings.m, record.settings.T) == (2, 3, 20)
    assert [result.test_accuracy for result in record.epochs] == pytest.approx([0.1, 0.2])
    assert not is_being_written(record)
    assert torch.equal(tc.load_model(run.path).weight, net.fc.weight.data)
    assert torch.allclose(tc.load_model(run.path, 1).weight, net.fc.weight.data / 1.5)


@pytest.mark.parametrize(
    ("weight", "accuracy", "expected"),
    [
        (torch.zeros(10, 100), 0.5, "expected 2,352 afferents"),
        (torch.zeros(10, 784 * 16), 0.5, "pass m=16"),
        (torch.zeros(2352), 0.5, "expected a matrix [outputs, afferents], got [2352]"),
        (torch.full((10, 2352), math.nan), 0.5, "got NaN or infinity"),
        ("weights", 0.5, "got str"),
        (torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 4)), 0.5, "0.weight [3, 2], 1.weight [4, 3]"),
        (torch.zeros(10, 2352), 93.8, "divide a percentage by 100"),
        (torch.zeros(10, 2352), "high", "expected a number from 0 to 1, got str"),
    ],
)
def test_what_cannot_be_recorded_gives_a_sentence_and_leaves_no_folder(
    weight: Any, accuracy: Any, expected: str, tmp_path: Path
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught, tc.record("runs", m=3) as run:
        run.epoch(weight, train_accuracy=accuracy, test_accuracy=accuracy)
    assert expected in str(caught.value)
    assert not run.path.exists()


def test_explore_opens_the_dashboard_on_objects_of_a_script(
    registry: TrainingRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = layer()
    started = time.monotonic()
    with tc.explore(net, SAMPLES, LABELS) as dashboard:
        seconds = time.monotonic() - started
        dashboard.wait_until_ready()
        assert time.monotonic() - started > seconds  # returned before the server answered
        folder = dashboard._folder
        query = dict(part.split("=") for part in dashboard.url.split("?")[1].split("&"))
        monkeypatch.setenv("TEMPOTRON_RUNS", str(folder / "runs"))
        monkeypatch.setenv("TEMPOTRON_DATA", str(folder / "data"))
        page = app("voltages", sample=5, train_log_dir=str(folder / "runs"), dir=str(folder / "data"))
        page.query_params.update({name: value.replace("+", " ") for name, value in query.items()})
        model = tc.Model(net.fc.weight.data, m=3, T=20)
        assert headline(run_app(page)) == verdict(model, 5)
        record = tc.read_run(folder / "runs" / query["run"])
        assert record.epochs[0].test_accuracy == tc.evaluate(model, type(EMBEDDED.test)(SAMPLES, LABELS)).accuracy
        assert dashboard.url in repr(dashboard)
    assert not folder.exists()
    assert dashboard._process.poll() is not None
    dashboard.close()


NET = layer()
MATRIX = NET.fc.weight.detach().numpy()


@pytest.mark.parametrize(
    ("network", "samples", "labels", "options", "expected"),
    [
        (NET, SAMPLES[0], LABELS[:28], {}, "a single sample needs a first dimension"),
        (NET, torch.zeros(0, 28, 28), None, {}, "at least one sample"),
        (NET, SAMPLES, LABELS[:3], {}, "expected 40 labels, one for each sample, got [3]"),
        (NET, SAMPLES, LABELS + 20, {}, "expected classes 0 to 9"),
        (NET, torch.zeros(40, 100), LABELS, {}, "expected spike times of 2,352 afferents"),
        (MATRIX, SAMPLES, LABELS, {"m": 5}, "m: expected 3"),
        (MATRIX, SAMPLES, LABELS, {"tau": -1.0}, "tau"),
        (MATRIX, SAMPLES, LABELS, {"speed": 3}, "got 'speed'"),
        (MATRIX, SAMPLES, LABELS, {"classes": ("a", "b")}, "expected 10 names"),
        (MATRIX, SAMPLES, LABELS, {"tempotrons_per_class": 3}, "expected a divisor of the 10 outputs"),
        (MATRIX[0], SAMPLES, LABELS, {}, "expected a matrix [outputs, afferents]"),
        (NET, "digits", LABELS, {}, "got str"),
        (NET, torch.full((2, 28, 28), math.nan), None, {}, "samples: expected finite values, got NaN"),
        (tc.untrained_model(code="latency", m=1), SAMPLES, LABELS, {}, "a network with the code latency"),
        (tc.untrained_model(code="local-pattern", m=8), SAMPLES, LABELS, {}, "pass model.spike_times(samples)"),
    ],
)
def test_what_cannot_be_explored_gives_a_sentence(
    network: Any, samples: Any, labels: Any, options: dict[str, Any], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a server was started"))
    with pytest.raises((TypeError, ValueError, DataError)) as caught:
        tc.explore(network, samples, labels, **options)
    assert expected in str(caught.value)


def test_the_import_of_the_package_loads_no_other_library() -> None:
    heavy = "{'torch', 'numpy', 'streamlit'} & set(sys.modules)"
    code = f"import sys, tempotron_core as tc; print({heavy}, 'explore' in dir(tc))"
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, text=True,
        capture_output=True,
    ).stdout  # fmt: skip
    assert output.split() == ["set()", "True"]


def test_every_public_name_exists() -> None:
    assert sorted(tc.__all__) == tc.__all__ == sorted(api.__all__)
    assert all(getattr(tc, name) is getattr(api, name) for name in tc.__all__)
    assert Dashboard.__doc__


def test_the_pages_offer_the_network_in_formats_of_other_programs(registry: TrainingRegistry, tmp_path: Path) -> None:
    with tc.record("runs", m=3, T=20) as run:
        run.epoch(layer(), train_accuracy=0.5, test_accuracy=0.5)
    state = {"train_log_dir": "runs", f"network_{run.path.name}": True}
    page = run_app(app("runs", **state))
    page.selectbox(key=f"network_{run.path.name}_format").set_value("spikingjelly-2")
    run_app(page)
    assert any("its decisions may differ" in caption.value for caption in page.caption)
    page = run_app(app("overview", model="saved run", run=run.path.name, train_log_dir="runs", sharing=True))
    assert page.selectbox(key="share_network_format").value == "npz"
    assert page.query_params["run"] in (run.path.name, [run.path.name])


@pytest.mark.parametrize("kind", ["spike times", "grouped spike times", "table", "without labels"])
def test_the_pages_show_what_was_explored(
    kind: str, registry: TrainingRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard_module, "_start", lambda folder, run, *_: (folder, run))
    rng, labels = np.random.default_rng(0), np.arange(20) % 3
    objects: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]] = {
        "spike times": (rng.normal(size=(3, 50)), rng.uniform(0, 60, (20, 50)), labels),
        "grouped spike times": (rng.normal(size=(3, 48)), rng.uniform(0, 60, (20, 16, 3)), labels),
        "table": (rng.normal(size=(3, 16)), rng.normal(size=(20, 4)), labels),
        "without labels": (rng.normal(size=(3, 256)), rng.integers(0, 255, (9, 8, 8)).astype(np.uint8), None),
    }
    weight, samples, given = objects[kind]
    folder, run = cast("tuple[Path, str]", tc.explore(0.3 * weight, samples, given))
    monkeypatch.setenv("TEMPOTRON_DATA", str(folder / "data"))
    monkeypatch.setenv("TEMPOTRON_RUNS", str(folder / "runs"))
    for name in ("overview", "replay", "training"):  # replay: there is no epoch 0
        page = app(name, sample=3, train_log_dir=str(folder / "runs"), dir=str(folder / "data"))
        page.query_params.update({"data": "samples.npz", "model": "saved run", "run": run})
        run_app(page)
        problems = [warning.value for warning in page.warning]
        if name == "training" and given is None:
            assert problems and "expected samples with labels, got none" in problems[0]
        else:
            assert problems == []
        if name == "overview" and "spike times" in kind:
            layer = tc.Tempotron(weight.shape[1], 3, T=100)
            layer.fc.weight.data = torch.from_numpy(0.3 * weight).float()
            v_max = layer(torch.from_numpy(np.asarray(samples)[3]).reshape(1, -1).float(), "v_max")[0]
            assert str(int(v_max.argmax())) in headline(page)
    shutil.rmtree(folder)
