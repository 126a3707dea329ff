"""Pages run in-process with AppTest: open them, read them, train a small network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from helpers.jobs import model_of, with_train
from helpers.waiting import PATIENCE
from pages.state.experiment import voltage_info
from tempotron_core import figures
from tempotron_core.data import datasets
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import Model, predict
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings
from tempotron_core.training.snapshot import Snapshot

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    *("overview", "encoder", "voltages", "evidence", "draw"),
    *("training", "rule", "replay", "laboratory"),
    *("results", "runs", "studies", "published"),
)
EMBEDDED = datasets.load()
TINY = replace(
    EMBEDDED,
    train=datasets.Split(EMBEDDED.train.images[:200], EMBEDDED.train.labels[:200]),
    test=datasets.Split(EMBEDDED.test.images[:50], EMBEDDED.test.labels[:50]),
)


def single_page(page: str, **state: Any) -> AppTest:
    """One page without navigation and sidebar, with that session state."""
    return with_state(AppTest.from_file(str(ROOT / f"pages/views/{page}.py"), default_timeout=PATIENCE), state)


def app(page: str = "overview", **state: Any) -> AppTest:
    """The dashboard with one page open, with that session state."""
    test = AppTest.from_file(str(ROOT / "pages/main.py"), default_timeout=PATIENCE)
    return with_state(test.switch_page(f"views/{page}.py"), state)


def with_state(test: AppTest, state: dict[str, Any]) -> AppTest:
    for key, value in state.items():
        test.session_state[key] = value
    return test


def run_app(test: AppTest) -> AppTest:
    test.run()
    assert not test.exception, test.exception
    return test


def headline(test: AppTest) -> str:
    """The first large line of text, without its colour."""
    first = next(element.value for element in test.markdown if element.value.startswith("##"))
    return re.sub(r"^#+ (:\w+\[(.*)\])?", r"\2", str(first))


def page_texts(test: AppTest) -> list[str]:
    """Return all that a viewer can read: texts, labels, help, and the source of HTML figures and charts."""
    found = []
    for kind in ("markdown", "caption", "title", "header", "subheader", "warning", "info", "error", "metric"):
        for element in test.get(kind):
            found += [str(getattr(element, name, "")) for name in ("value", "label", "body")]
    for kind in ("selectbox", "slider", "number_input", "button", "toggle", "text_input"):
        found += [f"{getattr(element, 'label', '')} {getattr(element, 'help', '')}" for element in test.get(kind)]
    found += [element.proto.body for element in test.get("html")]
    found += [element.proto.spec for element in test.get("plotly_chart")]
    return found


def without_attributes(text: str) -> str:
    """Return the source of a figure without images, styles and data attributes."""
    return re.sub(r"data:[^\"')]*|(?:style|data-[a-z]+)=(?:\"[^\"]*\"|'[^']*')", "", text)


def verdict(model: Model, index: int, dataset: datasets.Dataset = EMBEDDED) -> str:
    decision = predict(model, dataset.test.images[index])
    label = int(dataset.test.labels[index])
    return voltage_info(model, decision, dataset.classes, label).prediction_text


@cache
def _train_once(settings: Settings) -> tuple[Snapshot, ...]:
    return tuple(train_model(settings, TINY))


def _repeat_training(settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
    """Yield the snapshots of the first training with these settings: many tests want the same small model."""
    for snapshot in _train_once(replace(settings, log_dir=Settings.log_dir)):
        yield replace(snapshot, settings=settings)


def train_small_model(trainings: TrainingRegistry, tmp_path: Path, **changes: Any) -> Model:
    """Let a job of the process's registry finish with a small network, and return it."""
    values: dict[str, Any] = {"epochs": 1, "m": 4, "T": 20, "log_dir": str(tmp_path)} | changes
    settings = Settings(**values)
    trainings.start(settings, TINY, with_train(_repeat_training)).join(PATIENCE)
    model = model_of(trainings.finished)
    assert model is not None
    return model


def button(test: AppTest, label: str) -> Any:
    return next(element for element in test.button if element.label == label)


def figure(test: AppTest, key: str) -> Any:
    """The figure with that key: as it is sent to the browser, or the one that another renderer draws."""
    charts = [element.proto.spec for element in test.get("plotly_chart") if element.key == key]
    if charts:
        return json.loads(charts[0])
    drawn = any(element.key == key for element in test.get("echarts_chart"))
    assert drawn or any(f'data-figure="{key}"' in element.proto.body for element in test.get("html"))
    return json.loads(figures.figure_to_json(test.session_state["_shown"][key].figure))
