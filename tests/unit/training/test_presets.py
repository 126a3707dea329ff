"""Constants that a recipe or a code brings where the user gives none."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import idx_files

from tempotron_core import train
from tempotron_core.data import datasets
from tempotron_core.model.codes import CODES
from tempotron_core.runs.reader import load_snapshot
from tempotron_core.runs.resume import resume_settings
from tempotron_core.training.recipes import CODE_PRESETS, PRESETS, RECIPES
from tempotron_core.training.settings import Settings, settings_with_preset

PER_PIXEL: dict[str, Any] = {"m": 6, "T": 100, "tau": 60.0, "tau_s": 15.0, "code": "gaussian", "epochs": 10}
PUBLISHED = {"m": 16, "T": 100, "tau": 15.0, "tau_s": 3.75, "code": "gaussian", "epochs": 10}
LOCAL_PATTERN = {"m": 32, "T": 100, "tau": 60.0, "tau_s": 15.0, "code": "local-pattern", "epochs": 6}


@pytest.mark.parametrize(
    ("recipe", "constants"),
    [
        ("cross-entropy", PER_PIXEL),
        ("population", PER_PIXEL),
        ("reference", PUBLISHED),
        ("as-published", PUBLISHED),
        ("local-pattern", LOCAL_PATTERN),
        ("local-pattern-population", LOCAL_PATTERN | {"epochs": 10}),
    ],
)
def test_a_recipe_brings_its_constants(recipe: str, constants: dict[str, Any]) -> None:
    settings = settings_with_preset({"recipe": recipe})
    assert {name: getattr(settings, name) for name in constants} == constants
    assert settings.preset == constants
    assert settings == Settings(recipe=recipe, **constants)


def test_without_options_the_default_recipe_brings_its_constants() -> None:
    assert settings_with_preset({}) == Settings(**PER_PIXEL)


@pytest.mark.parametrize("recipe", sorted(set(RECIPES) - set(PRESETS)))
def test_other_recipes_have_the_defaults(recipe: str) -> None:
    assert settings_with_preset({"recipe": recipe}) == Settings(recipe=recipe)
    assert settings_with_preset({"recipe": recipe}).preset == {}


def test_what_is_given_is_not_changed() -> None:
    given = {"recipe": "local-pattern", "m": 8, "epochs": 6, "seed": 3}
    settings = settings_with_preset(given)
    assert {name: getattr(settings, name) for name in given} == given
    assert settings.preset == {"T": 100, "tau": 60.0, "tau_s": 15.0, "code": "local-pattern"}


@pytest.mark.parametrize(
    ("given", "constants"),
    [
        ({"tau": 15.0}, (15, 3.75)),
        ({"tau": 40}, (40, 3.75)),
        ({"tau_s": 3.0}, (15, 3)),
        ({"tau": 9, "tau_s": 1}, (9, 1)),
    ],
)
def test_a_preset_brings_both_time_constants_or_none(given: dict[str, Any], constants: tuple[float, float]) -> None:
    settings = settings_with_preset(given)
    assert (settings.tau, settings.tau_s) == constants
    assert settings.preset == {"m": 6, "T": 100, "code": "gaussian", "epochs": 10}


@pytest.mark.parametrize(("code", "m"), [("local-pattern", 32), ("latency", 1), ("latency-logarithmic", 1)])
def test_a_code_brings_its_constants_to_another_recipe(code: str, m: int) -> None:
    settings = settings_with_preset({"code": code})
    assert (settings.code, settings.m, settings.tau, settings.tau_s) == (code, m, 60, 15)
    assert settings.recipe == "cross-entropy"
    assert settings.preset == {"m": m, "T": 100, "tau": 60.0, "tau_s": 15.0, "epochs": 10}


def test_the_per_pixel_code_with_the_recipe_of_another() -> None:
    settings = settings_with_preset({"recipe": "local-pattern", "code": "gaussian"})
    assert (settings.code, settings.m, settings.tau, settings.tau_s) == ("gaussian", 6, 60, 15)


def test_presets_name_recipes_codes_and_settings() -> None:
    names = {field.name for field in fields(Settings)}
    assert set(PRESETS) <= set(RECIPES)
    assert set(CODE_PRESETS) <= set(CODES)
    assert all(set(preset) <= names for preset in (*PRESETS.values(), *CODE_PRESETS.values()))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"code": "latency", "m": 2}, r"m \(afferents a position, code latency\): expected an integer of at most 1"),
        ({"code": "local-pattern", "m": 2}, "expected an integer of at least 3, got 2"),
        ({"code": "local-pattern", "m": 257}, "expected an integer of at most 256, got 257"),
        ({"m": 2}, r"m \(neurons a pixel\): expected an integer of at least 3, got 2; choose 3 or more"),
        ({"code": "rate"}, "code: expected one of gaussian, .*latency, .* got 'rate'; choose one or register it"),
        ({"code": None}, "code: expected one of gaussian, .*latency, .* got None"),
        ({"recipe": "local"}, "recipe: expected one of"),
    ],
)
def test_settings_that_do_not_fit_are_explained(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        settings_with_preset(given)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("names", ["m", ["no-setting"], [3], 5])
def test_names_of_a_preset_are_settings(names: object) -> None:
    with pytest.raises(TypeError, match="from_preset: expected names of settings"):
        Settings(from_preset=names)  # type: ignore[arg-type]


def test_the_command_reports_the_preset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "load", lambda name, directory: idx_files.few_digits(60, 20))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    arguments = ["--recipe", "local-pattern", "-m", "5", "-T", "30", "--log-dir", str(tmp_path)]
    assert train.main([*arguments, "--epochs", "2"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    preset = {"tau": 60.0, "tau_s": 15.0, "code": "local-pattern"}
    assert report["preset"] == preset
    assert report["settings"].items() >= {**preset, "m": 5, "T": 30, "epochs": 2}.items()
    folder = Path(report["log"])
    assert json.loads((folder / "environment.json").read_text())["preset"] == preset
    assert json.loads((folder / "settings.json").read_text()) == report["settings"]
    assert train.main(["--resume", str(folder), "--epochs", "3"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["preset"] == preset


def test_a_resumed_run_names_what_is_still_of_the_preset(tmp_path: Path) -> None:
    few = idx_files.few_digits(60, 20)
    from tempotron_core.runs.writer import open_run_log
    from tempotron_core.training.loop import train_model

    settings = settings_with_preset({"recipe": "local-pattern", "m": 5, "T": 30, "log_dir": str(tmp_path)})
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, few):
            log.write(snapshot)
            if snapshot.epochs_done == 1:
                break
    origin = load_snapshot(log.path)
    assert origin.settings.preset == settings.preset
    assert "epochs" in origin.settings.preset
    assert "epochs" not in resume_settings(log.path, origin, {"epochs": 7}).preset
    assert "epochs" in resume_settings(log.path, origin, {"epochs": 6}).preset
    for damaged in ("", "[]", '{"preset": 3}', '{"preset": {"m": 7, "x": 1, "from_preset": ["m"]}}'):
        (log.path / "environment.json").write_text(damaged)
        assert load_snapshot(log.path).settings.preset == {}
