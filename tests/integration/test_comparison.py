"""A pinned experiment is compared with the current one, and is part of the link."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.pages import EMBEDDED, app, button, figure, run_app, train_small_model

from tempotron_core.analysis.attribution import evidence
from tempotron_core.data.drawings import encode_drawing
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import Model, predict
from tempotron_core.training.settings import Settings, initial_model

UNTRAINED = initial_model(Settings())


def opened(page: str = "voltages", **query: Any) -> Any:
    test = app(page, model="untrained")
    test.query_params.update({key: str(value) for key, value in query.items()})
    return run_app(test)


def sentence(test: Any) -> str:
    return next(str(line.value) for line in test.markdown if line.value.startswith("**Pinned:**"))


def decision_text(model: Model, sample: int) -> str:
    decision, label = predict(model, EMBEDDED.test.images[sample]), int(EMBEDDED.test.labels[sample])
    output = int(decision.v_max.argmax())
    kind = "correct" if output == label else "incorrect"
    lead = float(decision.v_max.topk(2).values.diff().abs())
    return f"{output} ({kind}, peaks at {float(decision.t_max[output]):.0f} ms, lead {lead:.2f})"


def ghosts(test: Any) -> dict[str, Any]:
    traces = figure(test, "traces")["data"]
    return {trace["name"]: trace for trace in traces if trace.get("name", "").endswith(", pinned")}


def test_two_experiments_in_one_sentence_with_ghost_traces() -> None:
    test = opened(sample=3, tau=40)
    button(test, "Pin for comparison").click()
    run_app(test)
    test.sidebar.number_input(key="sample").set_value(5)
    test.slider(key="tau").set_value(15.0)
    run_app(test)
    pinned = replace(UNTRAINED, tau=40.0)
    text = sentence(test)
    assert "test sample 3" in text and "tau 40 ms" in text
    assert text.index(decision_text(pinned, 3)) < text.index(decision_text(UNTRAINED, 5))
    decision = predict(pinned, EMBEDDED.test.images[3])
    found = ghosts(test)
    assert f"{int(decision.v_max.argmax())}, pinned" in found
    link = test.query_params["pin"]
    link = link[0] if isinstance(link, list) else link
    assert sentence(opened(sample=5, pin=link)) == text
    button(test, "Remove the pin").click()
    run_app(test)
    assert not ghosts(test) and "pin" not in test.query_params


def test_a_drawing_and_another_network_are_compared(registry: TrainingRegistry, tmp_path: Path) -> None:
    model = train_small_model(registry, tmp_path / "logs")
    drawing = np.clip(EMBEDDED.test.images[11].numpy().astype(int) + 3, 0, 255).astype(np.uint8)
    test = app("voltages", train_log_dir=str(tmp_path / "logs"))
    test.query_params.update({"image": encode_drawing(drawing), "label": "3"})
    run_app(test)
    button(test, "Pin for comparison").click()
    run_app(test)
    button(test, "Back to the test sample").click()
    test.sidebar.radio(key="model").set_value("untrained")
    run_app(test)
    text = sentence(test)
    assert "drawn or uploaded" in text and "T 20 ms" in text and model.T == 20
    assert decision_text(UNTRAINED, 0) in text


@pytest.mark.parametrize(
    "text", ["x", "sample:x", "tau:nan", "tau:10;tau_s:10", "data:nowhere", "a" * 9000, ";", "T:-1"]
)
def test_a_damaged_pin_gives_one_sentence(text: str) -> None:
    test = opened(pin=text)
    assert any(line.value.startswith(":orange[pin") for line in test.markdown)
    assert figure(test, "traces")["data"]


def test_the_same_experiment_is_not_compared() -> None:
    test = opened(sample=3)
    button(test, "Pin for comparison").click()
    assert any(line.value.startswith("The pinned experiment is the current one") for line in run_app(test).markdown)


def test_contributions_of_two_samples_are_subtracted() -> None:
    test = opened("evidence", sample=3, pin="sample:5;tau:30", why="7", why_not="pinned experiment")
    info = test.session_state["_shown"]["lead"].figure
    models = UNTRAINED, replace(UNTRAINED, tau=30.0)
    decisions = [predict(model, EMBEDDED.test.images[i]) for model, i in zip(models, (3, 5), strict=True)]
    now, before = (evidence(model, d, 7) for model, d in zip(models, decisions, strict=True))
    difference = (now.contributions - before.contributions).sum(dim=1).view(28, 28)
    assert np.allclose(next(trace for trace in info.data if trace.type == "heatmap").z, difference, atol=1e-5)
    total = float(decisions[0].v_max[7] - decisions[1].v_max[7])
    assert float(difference.sum()) == pytest.approx(total, abs=1e-4)
    assert any("compared with 7 of the pinned experiment" in line.value for line in test.markdown)
    assert any(f"by {abs(total):.2f}" in line.value for line in test.markdown)
