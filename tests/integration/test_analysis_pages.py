"""Evidence at other moments, the walk through the mistakes, pages of results, the table of runs, the training page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.jobs import with_train
from helpers.pages import EMBEDDED, TINY, app, button, figure, run_app, train_small_model
from helpers.waiting import PATIENCE, wait_until

from pages.views import runs_table
from tempotron_core import figures
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import datasets
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import predict
from tempotron_core.runs.reader import list_runs, read_run
from tempotron_core.training.settings import Settings, initial_model
from tempotron_core.training.snapshot import Snapshot

UNTRAINED = initial_model(Settings())


def texts(test: Any) -> list[str]:
    return [str(element.value) for kind in ("markdown", "caption", "info", "warning") for element in test.get(kind)]


def shows(test: Any, part: str) -> bool:
    return any(part in text for text in texts(test))


def linked(page: str, **query: Any) -> Any:
    test = app(page, model="untrained")
    test.query_params.update({key: str(value) for key, value in query.items()})
    return run_app(test)


def test_evidence_is_shown_at_the_crossing_and_at_the_cursor() -> None:
    decision = predict(UNTRAINED, EMBEDDED.test.images[3])
    output = int(decision.v_max.argmax())
    threshold = round(float(decision.v_max[output]) * 0.6, 2)
    crossing = int((decision.v[output] >= threshold).nonzero()[0])
    test = linked("evidence", sample=3, why=output, why_time="threshold crossing", threshold=threshold)
    assert shows(test, f"Potential of {output} at {crossing} ms: {float(decision.v[output, crossing]):.2f}")
    silent = linked("evidence", sample=3, why=output, why_time="threshold crossing", threshold=3.0)
    assert shows(silent, f"{output} does not reach the threshold of 3.00")
    assert not silent.get("echarts_chart")
    cursor = linked("evidence", sample=3, why=4, why_not=5, why_time="time cursor", t=40)
    lead = float(decision.v[4, 40] - decision.v[5, 40])
    assert shows(cursor, f"At 40 ms 4 {'leads' if lead >= 0 else 'trails'} 5 by {abs(lead):.2f}")
    peaks = linked("evidence", sample=3, why=4, why_not=5)
    times = [int(decision.t_max[i]) for i in (4, 5)]
    assert any(f"(peak at {times[0]} ms)" in text and f"(peak at {times[1]} ms)" in text for text in texts(peaks))


def test_the_next_mistake_is_that_of_the_selection_on_results(registry: TrainingRegistry, tmp_path: Path) -> None:
    model = train_small_model(registry, tmp_path / "logs")
    found = evaluate(model, EMBEDDED.test)
    order = found.by_confidence_of_error(predicted=3)
    mistakes = [int(i) for i in order if found.labels[i] != 3]
    assert len(mistakes) > 2
    test = app("results", train_log_dir=str(tmp_path / "logs"))
    test.query_params.update({"taken": "3", "open_in": "Evidence"})
    run_app(test)
    next(element for element in test.button if element.key == "open_0").click()
    run_app(test)
    assert test.title[0].value == "Evidence"
    assert shows(test, f"Mistake 1 of {len(mistakes)}: true {found.labels[mistakes[0]]}, predicted 3")
    test.switch_page("views/evidence.py")  # as the browser is by now
    for label, position in (("Next mistake", 1), ("Next mistake", 2), ("Previous mistake", 1), ("Previous mistake", 0)):
        button(test, label).click()
        run_app(test)
        assert test.session_state["sample"] == mistakes[position]
    button(test, "Previous mistake").click()
    run_app(test)
    assert test.session_state["sample"] == mistakes[-1]
    run_app(test.switch_page("views/results.py"))
    assert test.selectbox(key="taken").value == "3"


def test_the_mistakes_are_shown_page_by_page() -> None:
    found = evaluate(UNTRAINED, EMBEDDED.test)
    order = found.by_confidence_of_error()
    test = linked("results", gallery=2)
    wanted = [f"({found.margin[i]:+.2f})" for i in order[12:24]]
    shown = {str(element.key): element.label for element in test.button}
    assert [shown[f"open_{i}"].rsplit(" ", 1)[1] for i in range(12)] == wanted
    assert shows(test, f"{int((~found.correct).sum()):,} of them mistakes")
    test.selectbox(key="true").set_value("3")
    run_app(test)
    assert test.session_state["gallery"] == 1


def test_the_confusion_matrix_is_shown_in_counts_or_rates() -> None:
    found = evaluate(UNTRAINED, EMBEDDED.test)
    row, column = divmod(int(found.confusion.argmax()), 10)
    for cells, wanted in (
        ("counts", f"{found.confusion[row, column]:,}"),
        ("rates, %", f"{100 * found.confusion[row, column] / found.confusion[row].sum():.0f}"),
    ):
        test = linked("results", cells=cells)
        traces = [trace for trace in test.session_state["_shown"]["confusion"].figure.data if trace.type == "scatter"]
        drawn = {(y, x): text for trace in traces for text, x, y in zip(trace.text, trace.x, trace.y, strict=True)}
        assert drawn[row, column] == wanted


def test_runs_show_differences_as_columns_and_the_selection_in_the_url(
    registry: TrainingRegistry, tmp_path: Path
) -> None:
    for lr in (1e-3, 5e-3):
        train_small_model(registry, tmp_path / "logs", lr=lr, seed=4)
    newest, oldest = sorted((path.name for path in (tmp_path / "logs").iterdir()), reverse=True)
    test = app("runs", train_log_dir=str(tmp_path / "logs"))
    test.query_params["compared"] = [oldest, "gone"]
    run_app(test)
    assert test.multiselect(key="compared").value == [oldest]
    assert shows(test, "found none named 'gone'")
    table = test.dataframe[0].value
    assert list(table["lr"]) == ["0.005", "0.001"]
    assert "seed" not in table and "m" not in table
    accuracy = read_run(tmp_path / "logs" / newest).epochs[-1].test_accuracy
    assert table["last, %"][0].startswith(f"{100 * accuracy:.2f} (")
    test.multiselect(key="compared").set_value([newest, oldest])
    run_app(test)
    assert test.query_params["compared"] == [newest, oldest]


def test_the_training_page_keeps_the_curves_until_new_ones_exist(registry: TrainingRegistry, tmp_path: Path) -> None:
    train_small_model(registry, tmp_path)
    test = run_app(app("training", train_log_dir=str(tmp_path)))
    curve = figure(test, "accuracy")["data"]
    assert shows(test, "Pause, Resume and Stop: no training is in progress.")
    release = threading.Event()

    def prepares(settings: Settings, _: datasets.Dataset | None) -> Iterator[Snapshot]:
        yield Snapshot(settings, "preparing", 100)
        assert release.wait(PATIENCE)

    job = registry.start(Settings(log_dir=str(tmp_path)), TINY, with_train(prepares))
    wait_until(lambda: job.status.snapshot is not None)
    run_app(test)
    assert shows(test, "Run before, cross-entropy on embedded")
    assert figure(test, "accuracy")["data"] == curve
    assert shows(test, "Start: a training is in progress; stop it first.")
    release.set()
    assert job.join(PATIENCE)


def test_a_run_is_extended_on_the_training_page(registry: TrainingRegistry, tmp_path: Path) -> None:
    registry.start(Settings(epochs=1, m=3, T=20, batch_size=500, log_dir=str(tmp_path))).join(PATIENCE)
    (run,) = tmp_path.iterdir()
    test = app("training", train_log_dir=str(tmp_path), **{"folded_Continue or extend a run": True})
    run_app(test)
    test.number_input(key=f"epochs_{run.name}").set_value(2)
    next(element for element in test.button if element.key == f"go_{run.name}").click()
    run_app(test)
    assert registry.job is not None and registry.job.join(PATIENCE)
    assert [result.epoch for result in read_run(run).epochs] == [1, 2]


@pytest.mark.parametrize("page", ["overview", "training"])
def test_the_sidebar_names_the_run_of_its_accuracy(page: str, registry: TrainingRegistry, tmp_path: Path) -> None:
    train_small_model(registry, tmp_path, seed=7)
    test = run_app(app(page, train_log_dir=str(tmp_path)))
    assert any(caption.value.startswith("Run: cross-entropy on embedded, m 4, seed 7") for caption in test.caption)


def test_dots_and_intervals_are_those_of_each_class() -> None:
    info = figures.ClassAccuracyInfo(
        np.array([0.9, np.nan, 0.5]), np.array([[0.8, 0.95], [0, 1], [0.3, 0.7]]), ("a", "b", "c")
    )
    others, worst = figures.class_figure(info).data
    assert (list(others.x), list(others.y)) == ([90.0], [0])
    assert (list(worst.x), list(worst.y)) == ([50.0], [2])
    assert (worst.error_x.array[0], worst.error_x.arrayminus[0]) == pytest.approx((20, 20))
    assert "lowest for c, 50.0%" in info.takeaway and "highest for a, 90.0%" in info.takeaway


@pytest.mark.parametrize(("rows", "cells", "wanted"), [([0, 1], [], [1, 0]), ([1], [(0, "name")], [0]), ([], [], [])])
def test_a_click_into_a_row_selects_its_run(
    rows: list[int],
    cells: list[tuple[int, str]],
    wanted: list[int],
    registry: TrainingRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for seed in (1, 2):
        train_small_model(registry, tmp_path, seed=seed)
    records = list_runs(tmp_path)
    state: dict[str, Any] = {"compared": [records[1].name]}
    selected = dict[str, Any]()
    monkeypatch.setattr("streamlit.session_state", state)
    monkeypatch.setattr("streamlit.dataframe", lambda *_, **arguments: selected.update(arguments))
    runs_table.clickable_table(tuple(records))
    assert selected["selection_default"]["selection"]["rows"] == [1]
    state[selected["key"]] = {"selection": {"rows": rows, "cells": cells}}
    selected["on_select"]()
    assert state["compared"] == [records[i].name for i in wanted]
