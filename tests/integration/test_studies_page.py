"""The page of studies: start one, compare its trials, load one as the model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.pages import TINY, app, button, figure, run_app
from helpers.waiting import PATIENCE

from pages.state import datasets as dataset_state
from pages.state import studies as studies_state
from tempotron_core import figures
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.studies.storage import StudyPlace
from tempotron_core.studies.trials import StudyReader, ranked


@pytest.fixture
def study(registry: TrainingRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyReader:
    """A study of six trials that was started on the page."""
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: TINY)
    form = {"study_name": "first", "study_space": "m=3,4,5 T=20,30", "study_sampler": "grid", "study_pruner": "none"}
    test = app("studies", train_log_dir=str(tmp_path), study_epochs=1, **form)
    test.session_state["folded_New study"] = True
    run_app(test)
    button(test, "Start study").click()
    run_app(test)
    assert registry.job is not None
    assert registry.job.join(PATIENCE)
    assert registry.job.status.error is None
    assert registry.job.status.state == "finished"
    return StudyReader(StudyPlace("first", str(tmp_path)))


def test_a_study_is_started_compared_and_one_trial_loaded(
    study: StudyReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = run_app(app("studies", train_log_dir=str(tmp_path)))
    records = ranked(study.records())
    assert [one.state for one in records] == ["complete"] * 6
    text = " ".join(element.value for element in test.markdown)
    assert f"Selected: trial {records[0].number}" in text
    assert "on the test set" in text
    assert f"Best of 6 complete trials, number {records[0].number}" in text
    assert list(test.dataframe[0].value["trial"]) == [one.number for one in records]
    for view in test.selectbox(key="study_view").options:
        test.selectbox(key="study_view").set_value(view)
        run_app(test)
        assert figure(test, "study_figure")["data"], view
    run_shown_code(study, tmp_path)
    open_by_link(study, tmp_path)
    click_points(study)
    use_trials(study, tmp_path, monkeypatch)


def run_shown_code(study: StudyReader, tmp_path: Path) -> None:
    test = run_app(app("studies", train_log_dir=str(tmp_path), code_panel=True, study_by="m"))
    code = next(element.value for element in test.code if "tc.load_study" in element.value)
    numbers: dict[str, Any] = {}
    exec(compile(code, "code", "exec"), numbers)
    assert numbers["accuracy"] == [one.accuracy for one in study.records()]
    traces = [trace for trace in test.session_state["_shown"]["study_figure"].figure.data if trace.name]
    assert len(numbers["curves"]) == 3
    for name, mean in numbers["curves"].items():
        assert any(name in trace.name and list(trace.y) == pytest.approx(list(100 * mean)) for trace in traces)


def open_by_link(study: StudyReader, tmp_path: Path) -> None:
    best = ranked(study.records())[0]
    name = f"studies/first/{best.runs[0]}"
    test = run_app(app("overview", model="saved run", run=name, train_log_dir=str(tmp_path)))
    assert test.sidebar.selectbox(key="run").value == name
    assert not test.warning
    outside = "studies/../" + best.runs[0]
    refused = run_app(app("overview", model="saved run", run=outside, train_log_dir=str(tmp_path)))
    assert any("expected a run with weights" in warning.value for warning in refused.warning)
    runs = run_app(app("runs", train_log_dir=str(tmp_path)))  # the folder of the studies is no damaged run
    assert not runs.dataframe


def click_points(study: StudyReader) -> None:
    records = [one for one in study.records() if one.is_complete]
    numbers = [one.number for one in records]
    trials = study.complete_trials()
    for kind in ("History", "Slice"):
        drawn = figures.study_figure(kind, trials, ["m", "T"])
        trace = drawn.data[0]
        for index in range(len(trace.x)):
            number = figures.trial_of_point(kind, drawn, {"curve_number": 0, "point_index": index}, numbers)
            record = next(one for one in records if one.number == number)
            assert trace.y[index] == pytest.approx(100 * (record.accuracy or 0))
            assert str(trace.x[index]) == str(record.number if kind == "History" else record.values["T"])
    assert figures.trial_of_point("Contour", drawn, {"curve_number": 0, "point_index": 0}, numbers) is None


def use_trials(study: StudyReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, object] = {}
    monkeypatch.setattr("streamlit.session_state", state)
    first, second = study.records()[:2]
    studies_state.use_trial(study, first)
    assert (state["model"], state["run"]) == ("saved run", f"studies/first/{first.runs[0]}")
    shutil.rmtree(study.place.folder / second.runs[0])
    studies_state.use_trial(study, second)
    assert "expected a run with weights" in str(state["study_refused"])
    assert state["run"] == f"studies/first/{first.runs[0]}"
