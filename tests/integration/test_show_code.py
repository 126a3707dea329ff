"""The code that each page shows computes the numbers of its figures, in a fresh process."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from helpers.pages import EMBEDDED, NAMES, ROOT, app, run_app, train_small_model

from tempotron_core.data.drawings import encode_drawing
from tempotron_core.jobs.registry import TrainingRegistry

Shown = dict[str, Any]
Numbers = dict[str, np.ndarray]

RUNNER = """
import json, sys
import numpy as np
numbers = {}
for index, (code, names) in enumerate(json.load(open(sys.argv[1]))):
    values = {}
    exec(compile(code, f"code {index}", "exec"), values)
    numbers.update({f"{index} {name}": np.asarray(values[name]) for name in names})
np.savez(sys.argv[2], **numbers)
"""


def series(shown: Shown, key: str) -> list[np.ndarray]:
    """The y values of all lines and bars of a figure."""
    return [np.asarray(trace.y) for trace in shown[key].figure.data if trace.type != "heatmap" and trace.y is not None]


def column(shown: Shown, key: str, name: str) -> np.ndarray:
    """A column of the CSV of a figure."""
    header, *rows = [line.split(",") for line in shown[key].csv().splitlines() if not line.startswith("#")]
    return np.array([float(row[header.index(name)]) for row in rows])


def contains(lines: list[np.ndarray], wanted: np.ndarray, tolerance: float = 1e-5) -> bool:
    """Whether one of the lines has these values."""
    return any(
        line.shape == wanted.shape and line.dtype.kind in "fiu" and np.allclose(line, wanted, atol=tolerance)
        for line in lines
    )


def check_potentials(numbers: Numbers, shown: Shown) -> None:
    assert all(contains(series(shown, "traces"), row) for row in numbers["v"])
    assert np.allclose(column(shown, "peaks", "v_max"), numbers["v_max"], atol=1e-5)
    assert np.array_equal(column(shown, "peaks", "t_max_ms"), numbers["t_max"])
    assert np.array_equal(column(shown, "spikes", "time_ms"), numbers["times"][numbers["times"] >= 0])


def check_selected(numbers: Numbers, shown: Shown) -> None:
    assert contains(series(shown, "traces"), numbers["v"][4])
    assert np.allclose(column(shown, "peaks", "v_max"), numbers["v_max"], atol=1e-5)


def check_traces(numbers: Numbers, shown: Shown) -> None:
    assert all(contains(series(shown, "traces"), row) for row in numbers["v"])
    assert np.allclose(column(shown, "peaks", "v_max"), numbers["v_max"], atol=1e-5)


def check_encoder(numbers: Numbers, shown: Shown) -> None:
    *curves, marks = series(shown, "tuning")  # those of several curves in one line, marks at the spikes
    visible = numbers["curves"][numbers["curves"] > 1e-3]
    drawn = np.concatenate(curves).astype(float)
    assert all(np.isclose(drawn, value, atol=1e-6).any() for value in visible)
    assert np.allclose(np.sort(marks.astype(float)), np.sort(numbers["time"][numbers["time"] >= 0]))


def check_spikes(numbers: Numbers, shown: Shown) -> None:
    times = column(shown, "spikes", "time_ms")
    assert np.array_equal(np.bincount(times.astype(int), minlength=len(numbers["per_ms"])), numbers["per_ms"])
    assert contains(series(shown, "spike_rate"), numbers["histogram"])
    assert contains(series(shown, "afferent_information"), numbers["information"])


def check_statistics(numbers: Numbers, shown: Shown) -> None:
    assert contains(series(shown, "curve_information"), numbers["bits"])


def check_evidence(numbers: Numbers, shown: Shown) -> None:
    for key, name in (("evidence", "by_feature"), ("lead", "difference")):
        drawn = np.asarray(shown[key].figure.data[0].z).reshape(-1)
        assert np.allclose(drawn, numbers[name], atol=1e-5)
    assert contains(series(shown, "evidence_neurons"), numbers["by_neuron"])


def check_perturbed(numbers: Numbers, shown: Shown) -> None:
    lines = series(shown, "perturbed")
    assert all(contains(lines, row) for row in numbers["v"])
    assert sum(contains(lines, row) for row in numbers["v_clean"]) >= 1
    assert np.allclose(column(shown, "peaks", "v_max"), numbers["v_max"], atol=1e-5)


def check_training(numbers: Numbers, shown: Shown) -> None:
    lines = series(shown, "accuracy")
    assert contains(lines, 100 * numbers["test_accuracy"])
    assert contains(series(shown, "loss"), numbers["loss"])
    assert np.allclose(column(shown, "weights", "4"), numbers["maps"][4], atol=1e-5)


def check_rule(numbers: Numbers, shown: Shown) -> None:
    assert all(contains(series(shown, "step"), row) for row in numbers["v_after"])


def check_replay(numbers: Numbers, shown: Shown) -> None:
    assert contains(series(shown, "replay"), numbers["margin"])
    assert all(contains(series(shown, "traces"), row) for row in numbers["v"])


def check_laboratory(numbers: Numbers, shown: Shown) -> None:
    assert contains(series(shown, "target_pattern"), numbers["v_before"], 6e-5)  # rounded for the browser


def check_results(numbers: Numbers, shown: Shown) -> None:
    counts = np.zeros((10, 10), int)
    for trace in shown["confusion"].figure.data[1:]:
        cells = np.asarray(trace.y).astype(int), np.asarray(trace.x).astype(int)
        counts[cells] = [int(text.replace(",", "") or 0) for text in trace.text]
    assert np.array_equal(counts, numbers["confusion"])
    drawn = np.concatenate([np.asarray(trace.x, float) for trace in shown["classes"].figure.data])
    assert all(np.isclose(drawn, 100 * accuracy).any() for accuracy in numbers["per_class"])


def check_runs(numbers: Numbers, shown: Shown) -> None:
    assert contains(series(shown, "comparison"), 100 * numbers["test_accuracy"][0])


def check_published(numbers: Numbers, shown: Shown) -> None:
    recorded = numbers["test_accuracy"].item()
    lines = series(shown, "published_recorded")
    assert all(contains(lines, 100 * np.array(values)) for values in recorded.values())


@dataclass(frozen=True)
class Case:
    """A page, its state, the URL, the names that its code defines, and the comparison with its figures."""

    page: str
    check: Callable[[Numbers, Shown], None]
    names: tuple[str, ...]
    state: dict[str, Any]
    query: dict[str, str]


def case(page: str, check: Callable[[Numbers, Shown], None], names: str, **state: Any) -> Case:
    return Case(page, check, tuple(names.split()), state, state.pop("query", {}))


POTENTIALS, EVIDENCE = "times v v_max t_max", "by_feature by_neuron difference"
DRAWING = EMBEDDED.test.images[11].numpy() // 2
CHANGED = {"tau": "20", "threshold": "0.5", "T": "30"}
CASES = (
    case("overview", check_potentials, POTENTIALS),
    case("overview", check_potentials, POTENTIALS, query={"image": encode_drawing(DRAWING), "label": "3"}),
    case("overview", check_potentials, POTENTIALS, model="untrained", data="iris"),
    case("voltages", check_traces, "v v_max", model="untrained", data="spikes.npz", dir="data"),
    case("encoder", check_spikes, "per_ms histogram information", model="untrained", data="spikes.npz", dir="data"),
    case("encoder", check_encoder, "curves time times", query={"m": "6", "x": "0.62"}),
    case(
        "encoder", check_statistics, "bits", query={"view": "Information in the code"}, data="iris", model="untrained"
    ),
    case("voltages", check_potentials, POTENTIALS, model="saved run", query={"checkpoint": "1"}),
    case("voltages", check_selected, POTENTIALS, neuron=["4"], query=CHANGED),
    case("evidence", check_evidence, EVIDENCE, why="7", why_not="1", query=CHANGED),
    case("draw", check_perturbed, "v v_clean v_max", jitter=2.0, noise=10, right=2, drop=20, perturb_seed=5),
    case("training", check_training, "test_accuracy loss maps"),
    case("rule", check_rule, "v_after", rule="cross-entropy", query={"tau": "20"}),
    case("replay", check_replay, "margin v", query={"tau": "20"}),
    case("laboratory", check_laboratory, "v_before", lab_seed=4),
    case("results", check_results, "confusion per_class", query={"tau": "20"}),
    case("runs", check_runs, "test_accuracy"),
    case("published", check_published, "test_accuracy"),
)


def test_the_code_of_every_page_computes_its_numbers(registry: TrainingRegistry, tmp_path: Path) -> None:
    train_small_model(registry, Path("runs"))
    Path("data").mkdir()
    times = np.random.default_rng(0).uniform(0, 80, (20, 30))
    np.savez("data/spikes.npz", times=times, labels=np.arange(20) % 3, unit=np.array("ms"))
    scripts, figures = [], []
    for entry in CASES:
        test = app(entry.page, sample=3, code_panel=True, train_log_dir="runs", **entry.state)
        test.query_params.update(entry.query)
        run_app(test)
        (code,) = (element.value for element in test.code)
        ast.parse(code)
        assert 8 <= len(code.strip().splitlines()) <= 26, code
        scripts.append((code, entry.names))
        figures.append(dict(test.session_state["_shown"]))
    assert {entry.page for entry in CASES} == {*NAMES} - {"studies"}  # which have a test of their own
    (tmp_path / "scripts.json").write_text(json.dumps(scripts))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUNNER, "scripts.json", "numbers.npz"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300, env=environment, capture_output=True)
    with np.load(tmp_path / "numbers.npz", allow_pickle=True) as archive:
        for index, (entry, shown) in enumerate(zip(CASES, figures, strict=True)):
            entry.check({name: archive[f"{index} {name}"] for name in entry.names}, shown)
