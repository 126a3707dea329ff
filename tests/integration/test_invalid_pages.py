"""Bad input as the pages take it: links, forms, folders of runs. Whatever comes, the page stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.invalid_input import LAST, RUNS
from helpers.pages import EMBEDDED, NAMES, app, button, run_app

from pages.state import settings
from tempotron_core.jobs.registry import TrainingRegistry

KEYS = (
    "data", "sample", "model", "run", "present", "m", "beta", "T", "pixel", "x", "tau", "tau_s", "threshold", "neuron",
    "why", "why_not", "why_neuron", "why_time", "true", "taken", "cells", "open_in",
    "gallery", "t", "tour", "dir", "train_log_dir", "train_epochs", "compared", "epoch", "step",
    "no-such-key", "__proto__", "_stcore",
)  # fmt: skip
HOSTILE = {
    "negative": "-1",
    "huge": "1e99",
    "of hundreds of digits": "9" * 400,
    "not a number": "NaN",
    "infinite": "-Infinity",
    "empty": "",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a formula": "{{7*7}}${7*7}$(id)';DROP TABLE runs;--",
    "a path out": "../../../../etc/passwd",
    "NUL": "a\0b\r\nSet-Cookie: x=1",
    "other scripts": "٣𝟗é\u202e\ufeff\U0001f4a5",
    "long": "A" * 20_000,
    "a list": "[1, 2, {'a': None}]",
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("name", NAMES)
def test_links(name: str, value: str) -> None:
    test = app(name)
    for key in KEYS:
        test.query_params[key] = value
    run_app(test)
    assert test.sidebar.number_input(key="sample").value in range(len(EMBEDDED.test))
    assert test.sidebar.radio(key="model").value in settings.MODELS
    assert test.sidebar.selectbox(key="data").value == "embedded"


@pytest.mark.parametrize("name", NAMES)
def test_links_that_repeat_their_choices(name: str) -> None:
    test = app(name)
    for key in KEYS:
        test.query_params[key] = ["3", "inf", "-1", "<b>"]
    run_app(test)
    assert test.sidebar.number_input(key="sample").value in range(len(EMBEDDED.test))
    assert test.sidebar.radio(key="model").value in settings.MODELS


FORM: list[tuple[str, str, Any]] = [
    *(
        ("training", f"train_{key}", value)
        for key, values in {
            "epochs": (0, -1, 10**12),
            "lr": (0.0, -1.0, 1e300, float("nan"), float("inf")),
            "batch": (0, -5, 10**30),
            "m": (0, 2, -1, 10**9),
            "T": (0, -1, 10**9),
            "seed": (-1, 2**70),
            "beta": (0.0, -1.0, 1e300, float("nan")),
            "tau": (0.0, -1.0, 1e300, float("nan"), 3.75),
            "tau_s": (0.0, -1.0, float("inf"), 15.0),
            "threshold": (0.0, -1.0, 1e300, float("nan")),
            "validation": (-1, 10**9, 60_000),
        }.items()
        for value in values
    ),
    *(("published", "published_epochs", value) for value in (0, -1, 10**12)),
    *(("encoder", "pixel", value) for value in (-1, 784, 10**12)),
    *(("overview", "sample", value) for value in (-1, 2000, 10**12)),
]


@pytest.mark.parametrize(("name", "key", "value"), FORM, ids=[f"{row[1]} {row[2]:.4g}" for row in FORM])
def test_forms(name: str, key: str, value: float, registry: TrainingRegistry) -> None:
    """A number outside its range is set back into it, or reported by a warning; Start is disabled only then."""
    test = run_app(app(name))
    place = test.sidebar if key == "sample" else test
    place.number_input(key=key).set_value(value)
    run_app(test)
    field = (test.sidebar if key == "sample" else test).number_input(key=key)
    warnings = [element.value for element in test.warning]
    assert warnings or float(field.min or 0) <= float(field.value or 0) <= float(field.max or 0)
    assert len(warnings) <= 1
    if name == "training":
        assert button(test, "Start").disabled == bool(warnings)


def test_settings_beyond_the_machine_are_refused_with_the_nearest_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempotron_core.training.resources.available_memory", lambda device: 4e8)
    test = run_app(app("training"))
    assert not test.warning
    test.number_input(key="train_batch").set_value(4096)
    test.number_input(key="train_T").set_value(1000)
    run_app(test)
    (warning,) = test.warning
    assert "an estimate of" in warning.value and "the nearest that fits is" in warning.value
    assert button(test, "Start").disabled


def test_every_damaged_run_is_listed_and_none_breaks_a_page(
    complete_run: Path,
    tmp_path: Path,
    registry: TrainingRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs, names = tmp_path / "logs", {}
    logs.mkdir()
    for number, (kind, file, damage) in enumerate(RUNS):
        folder = logs / f"run-{number:03}"
        shutil.copytree(complete_run, folder)
        damage(folder / file)
        names[kind] = folder.name, file
    test = run_app(app("runs", train_log_dir=str(logs)))
    listed = test.dataframe[0].value.set_index("folder")["problem"]
    assert len(listed) == len(RUNS)
    for name, file in names.values():
        problem = str(listed[name])
        explanations = ("expected", "not known here", "could not be read")
        is_sentence = any(words in problem for words in explanations) and "\n" not in problem
        assert file == LAST or problem == "" or is_sentence
    for name, _ in list(names.values())[::4]:
        if (logs / name / LAST).is_file():
            page = run_app(app("overview", model=settings.SAVED_RUN, run=name, train_log_dir=str(logs)))
            has_sentence = any("expected" in element.value for element in page.warning)
            assert has_sentence or (page.get("echarts_chart") and "expected" not in listed[name]), name
    assert not Path("exploded").exists()


Change = Callable[[Path], object]
STRANGE: dict[str, Change] = {
    "seven classes": lambda run: _reshaped(run, 7),
    "a thousand classes": lambda run: _reshaped(run, 1000),
    "a fast neuron": lambda run: _settings(run, tau=1e-3, tau_s=2e-3),
    "a slow neuron": lambda run: _settings(run, tau=1e6, tau_s=9e5),
    "one millisecond": lambda run: _settings(run, T=1),
    "three seconds": lambda run: _settings(run, T=3000),
    "narrow curves": lambda run: _settings(run, beta=1e3),
    "wide curves": lambda run: _settings(run, beta=1e-3),
    "a high threshold": lambda run: _settings(run, v_threshold=1e6),
    "a low threshold": lambda run: _settings(run, v_threshold=1e-6),
    "ten tempotrons a class, of one class": lambda run: _settings(run, k=10),
    "no weights": lambda run: _weighted(run, 0.0),
    "large weights": lambda run: _weighted(run, 1e15),
    "small weights": lambda run: _weighted(run, 1e-38),
}


def _settings(run: Path, **values: object) -> None:
    file = run / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _reshaped(run: Path, rows: int) -> None:
    from helpers.invalid_input import weights

    (run / LAST).write_bytes(weights(rows=rows))


def _weighted(run: Path, value: float) -> None:
    from helpers.invalid_input import weights

    (run / LAST).write_bytes(weights(value=value))


@pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE.keys())
def test_a_strange_run_is_shown_by_every_page_or_told(
    complete_run: Path,
    tmp_path: Path,
    change: Change,
) -> None:
    shutil.copytree(complete_run, tmp_path / "logs" / "strange")
    change(tmp_path / "logs" / "strange")
    for name in ("overview", "voltages", "evidence"):
        page = run_app(app(name, model=settings.SAVED_RUN, run="strange", train_log_dir=str(tmp_path / "logs")))
        has_figure = page.get("plotly_chart") or page.get("html")
        has_sentence = any("expected" in element.value for element in page.warning)
        assert has_figure or has_sentence, name
