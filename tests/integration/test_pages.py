"""Every page run in-process: what it shows for each choice, and that nothing given to it breaks it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.jobs import model_of
from helpers.pages import (
    EMBEDDED,
    NAMES,
    ROOT,
    TINY,
    app,
    button,
    figure,
    headline,
    run_app,
    single_page,
    train_small_model,
    verdict,
    with_state,
)
from helpers.waiting import PATIENCE, PausingJob, pausing, wait_until
from streamlit.testing.v1 import AppTest

from pages.shell import presentation
from pages.state import datasets as dataset_state
from pages.state import experiment, settings
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import datasets
from tempotron_core.jobs.job import Job
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import pixel_tuning
from tempotron_core.training.settings import Settings, initial_model
from tempotron_core.training.snapshot import Snapshot


@pytest.mark.parametrize("name", NAMES)
def test_pages_run_alone_and_in_the_app_on_an_untrained_network(name: str) -> None:
    run_app(single_page(name))
    run_app(AppTest.from_file(str(ROOT / "pages/main.py"), default_timeout=PATIENCE))
    test = run_app(app(name))
    assert test.sidebar.number_input(key="sample").value == 0


@pytest.mark.parametrize("name", NAMES)
def test_pages_run_on_a_trained_network(name: str, registry: TrainingRegistry, tmp_path: Path) -> None:
    model = train_small_model(registry, tmp_path)
    test = run_app(app(name, sample=3))
    if name in ("overview", "voltages"):
        assert headline(test) == verdict(model, 3)


@pytest.mark.parametrize("name", NAMES)
def test_pages_run_on_a_network_of_the_local_pattern_code(
    name: str, registry: TrainingRegistry, tmp_path: Path
) -> None:
    model = train_small_model(registry, tmp_path, code="local-pattern")
    assert model.code.name == "local-pattern"
    test = run_app(app(name, sample=3))
    if name in ("overview", "voltages"):
        assert headline(test) == verdict(model, 3)


def test_untrained_and_live_and_finished_are_different_models(registry: TrainingRegistry, tmp_path: Path) -> None:
    assert headline(run_app(app("overview", model="live run"))) == verdict(initial_model(Settings()), 0)
    model = train_small_model(registry, tmp_path)
    assert headline(run_app(app("overview", model="last finished run"))) == verdict(model, 0)
    assert headline(run_app(app("overview", model="live run"))) == verdict(model, 0)
    assert headline(run_app(app("overview", model="untrained"))) == verdict(initial_model(Settings()), 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_link_brings_its_choices(name: str) -> None:
    test = app(name)
    test.query_params["sample"] = "7"
    test.query_params["model"] = "untrained"
    run_app(test)
    assert test.sidebar.number_input(key="sample").value == 7
    assert test.sidebar.radio(key="model").value == "untrained"
    if name in ("overview", "voltages"):
        assert headline(test) == verdict(initial_model(Settings()), 7)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("overview", {"sample": "abc", "model": "<script>alert(1)</script>", "data": "../../etc"}),
        ("overview", {"sample": "-1"}),
        ("overview", {"sample": "99999999999999999999"}),
        ("encoder", {"m": "-5", "beta": "nan", "T": "1e9", "x": "inf", "pixel": "99999"}),
        ("voltages", {"tau": "1e9", "tau_s": "-1", "threshold": "nan", "neuron": "zzz"}),
        ("training", {"train_epochs": "0", "sample": ""}),
    ],
)
def test_garbage_in_the_link_leaves_the_page_working(name: str, query: dict[str, str]) -> None:
    test = app(name)
    for key, value in query.items():
        test.query_params[key] = value
    run_app(test)
    assert 0 <= int(test.sidebar.number_input(key="sample").value or 0) < len(EMBEDDED.test)


def test_a_sample_beyond_the_end_is_the_last() -> None:
    test = run_app(app(sample=5000))
    assert test.sidebar.number_input(key="sample").value == len(EMBEDDED.test) - 1


def test_random_digits_and_random_ones_of_a_class() -> None:
    test = run_app(app())
    drawn = set()
    for _ in range(4):
        next(button for button in test.sidebar.button if button.label == "Random").click()
        run_app(test)
        drawn.add(test.session_state["sample"])
    assert len(drawn) >= 3
    for digit in (0, 4, 9):
        test.sidebar.button_group(key="of_class").set_value(str(digit))
        run_app(test)
        assert int(EMBEDDED.test.labels[test.session_state["sample"]]) == digit


def test_a_missing_data_set_gives_one_sentence_and_nothing_in_its_place(tmp_path: Path) -> None:
    test = run_app(app(data="FashionMNIST"))
    assert len({warning.value for warning in test.warning}) == 1
    assert "expected" in test.warning[0].value
    assert not test.get("plotly_chart") and not test.get("echarts_chart")
    test = run_app(app(data="MNIST", dir=str(tmp_path / "nowhere")))
    assert "existing folder" in test.warning[0].value


def test_encoder_says_what_the_tuning_curves_do() -> None:
    test = run_app(app("encoder"))
    for m, beta, T, x in ((5, 1.0, 50, 0.3), (64, 4.0, 600, 1.0), (3, 0.5, 10, 0.0)):
        test.slider(key="m").set_value(m)
        test.slider(key="beta").set_value(beta)
        test.slider(key="T").set_value(T)
        test.slider(key="x").set_value(x)
        run_app(test)
        times = pixel_tuning(m, beta).encode(torch.tensor([[[x]]]), T).view(-1)
        firing = int((times >= 0).sum())
        assert f"{firing} of {m} neuron" in headline(test)
        assert f"silent: {m - firing}." in headline(test)
        assert f"the first at {int(times[times >= 0].min())} ms" in headline(test)


def test_encoder_takes_the_value_of_the_chosen_pixel() -> None:
    test = run_app(app("encoder"))
    pixels = EMBEDDED.test.images[0].view(-1)
    brightest = int(pixels.argmax())
    test.number_input(key="pixel_row").set_value(brightest // 28 + 1)
    run_app(test)
    test.number_input(key="pixel_column").set_value(brightest % 28 + 1)
    run_app(test)
    assert test.slider(key="x").value == pytest.approx(float(pixels[brightest]) / 255, abs=5e-4)
    test.slider(key="x").set_value(0.25)
    run_app(test)
    assert test.slider(key="x").value == 0.25


def test_voltages_follow_the_constants() -> None:
    test = run_app(app("voltages", sample=2))
    model = initial_model(Settings())
    for tau, tau_s, threshold in ((30.0, 5.0, 1.0), (80.0, 20.0, 2.0), (5.0, 10.0, 0.5)):
        test.slider(key="tau").set_value(tau)
        test.slider(key="tau_s").set_value(tau_s)
        test.slider(key="threshold").set_value(threshold)
        run_app(test)
        assert headline(test) == verdict(replace(model, tau=tau, tau_s=tau_s, firing_threshold=threshold), 2)
    test.multiselect(key="neuron").set_value(["7"])
    run_app(test)


def test_equal_time_constants_give_one_sentence() -> None:
    test = run_app(app("voltages"))
    test.slider(key="tau").set_value(10.0)
    test.slider(key="tau_s").set_value(10.0)
    run_app(test)
    assert len(test.warning) == 1
    assert "two different time constants" in test.warning[0].value


@pytest.mark.parametrize(("recipe", "code"), [("local-pattern", "local-pattern"), ("margin-hinge", "gaussian")])
def test_training_starts_with_the_settings_on_the_page(
    recipe: str, code: str, registry: TrainingRegistry, tmp_path: Path
) -> None:
    test = run_app(app("training"))
    test.number_input(key="train_epochs").set_value(1)
    test.number_input(key="train_m").set_value(3)
    test.number_input(key="train_T").set_value(10)
    test.number_input(key="train_batch").set_value(500)
    test.selectbox(key="train_recipe").set_value(recipe)
    test.text_input(key="train_log_dir").set_value(str(tmp_path / "logs"))
    run_app(test)
    button(test, "Start").click()
    run_app(test)
    status = registry.status
    assert status is not None
    assert (status.settings.m, status.settings.T, status.settings.batch_size) == (3, 10, 500)
    assert (status.settings.recipe, status.settings.code) == (recipe, code)
    assert registry.job is not None
    assert registry.job.join(PATIENCE)
    run_app(test)
    assert registry.status is not None
    assert registry.status.state == "finished"
    assert any("Test accuracy" in element.value for element in test.markdown)
    assert [metric.label for metric in test.metric][:2] == ["Dead outputs", "Firing errors"]
    assert list((tmp_path / "logs").iterdir())


def test_a_recipe_is_edited_on_the_page(registry: TrainingRegistry, tmp_path: Path) -> None:
    test = run_app(app("training"))
    test.text_input(key="train_log_dir").set_value(str(tmp_path / "logs"))
    test.number_input(key="train_epochs").set_value(1)
    test.selectbox(key="train_cross-entropy_loss").set_value("margin-hinge")
    test.number_input(key="train_cross-entropy_k").set_value(2)
    button(test, "Slow neurons, few curves: m 6, tau 60, tau_s 15").click()
    run_app(test)
    assert any("Edited: loss margin-hinge, tempotrons per class 2." in caption.value for caption in test.caption)
    button(test, "Start").click()
    run_app(test)
    assert registry.status is not None
    settings = registry.status.settings
    assert (settings.loss, settings.tempotrons_per_class, settings.optimiser, settings.m, settings.tau) == (
        "margin-hinge",
        2,
        None,
        6,
        60.0,
    )
    assert settings.resolved_recipe.loss == "margin-hinge"
    test.selectbox(key="train_recipe").set_value("reference")
    run_app(test)
    assert not any("Edited" in caption.value for caption in test.caption)


def test_a_second_start_is_refused_with_a_sentence(registry: TrainingRegistry, tmp_path: Path) -> None:
    test = run_app(app("training"))
    registry.start(Settings(epochs=100000, m=4, T=20, log_dir=str(tmp_path)), TINY)
    button(test, "Start").click()
    run_app(test)
    assert any("Expected no training in progress" in warning.value for warning in test.warning)
    assert button(test, "Start").disabled
    button(test, "Pause").click()
    run_app(test)
    assert registry.status is not None
    assert registry.status.state == "paused"
    button(test, "Resume").click()
    run_app(test)
    button(test, "Stop").click()
    run_app(test)
    assert registry.job is not None
    assert registry.job.join(PATIENCE)


def test_settings_that_do_not_fit_give_a_sentence_and_no_start() -> None:
    test = run_app(app("training"))
    test.number_input(key="train_lr").set_value(0.0)
    run_app(test)
    assert "learning rate" in test.warning[0].value
    assert button(test, "Start").disabled


def test_a_failed_training_says_why_in_one_sentence(registry: TrainingRegistry, tmp_path: Path) -> None:
    job = registry.start(Settings(epochs=1, log_dir=str(tmp_path), dataset="MNIST", dataset_dir=str(tmp_path)))
    assert job.join(PATIENCE)
    test = run_app(app("training"))
    assert len(test.error) == 1
    assert "expected train-images" in test.error[0].value


def test_a_link_opened_while_the_first_training_runs_shows_its_live_weights(
    registry: TrainingRegistry, tmp_path: Path
) -> None:
    job = paused_run(registry, tmp_path)
    snapshot = job.status.snapshot
    assert isinstance(snapshot, Snapshot)
    assert snapshot.model is not None
    assert headline(run_app(app("overview", sample=1))) == verdict(snapshot.model, 1)


def paused_run(trainings: TrainingRegistry, tmp_path: Path) -> Job:
    """A run that has paused itself as soon as it had live weights."""
    kind = pausing(lambda snapshot: snapshot.weight is not None)
    job = trainings.start(Settings(epochs=1000, m=4, T=20, log_dir=str(tmp_path)), TINY, kind)
    assert isinstance(job, PausingJob) and job.paused.wait(PATIENCE)
    return job


@pytest.mark.parametrize("model", settings.MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_every_page_shows_a_run_in_progress(name: str, model: str, registry: TrainingRegistry, tmp_path: Path) -> None:
    job = registry.start(Settings(epochs=1000, m=4, T=20, log_dir=str(tmp_path)), TINY)
    wait_until(lambda: model_of(registry.status) is not None)
    run_app(app(name, model=model))
    job.pause()
    test = run_app(app(name, model=model))
    assert any("epoch" in caption.value for caption in test.sidebar.caption)


def test_a_link_to_the_encoder_keeps_its_value_until_another_pixel_is_chosen() -> None:
    test = app("encoder")
    wanted = {"m": "8", "beta": "2.0", "T": "200", "pixel": "400", "x": "0.3", "sample": "7"}
    test.query_params.update(wanted)
    run_app(test)
    for key in ("m", "beta", "T", "x"):
        assert test.slider(key=key).value == float(wanted[key])
    assert test.number_input(key="pixel").value == 400
    assert (test.number_input(key="pixel_row").value, test.number_input(key="pixel_column").value) == (15, 9)
    assert headline(test).startswith("At x = 0.30")
    assert any('data-chosen="400"' in element.proto.body for element in test.get("html"))
    test.sidebar.number_input(key="sample").set_value(8)
    run_app(test)
    assert test.slider(key="x").value == pytest.approx(float(EMBEDDED.test.images[8].view(-1)[400]) / 255, abs=5e-4)


def test_a_link_to_the_voltages_brings_constants_and_the_isolated_output() -> None:
    test = app("voltages", model="untrained")
    test.query_params.update({"tau": "20", "tau_s": "5", "threshold": "1.5", "neuron": ["3", "5"]})
    run_app(test)
    assert headline(test) == verdict(replace(initial_model(Settings()), tau=20, tau_s=5, firing_threshold=1.5), 0)
    drawn = {trace.get("name"): trace for trace in figure(test, "traces")["data"] if trace["mode"] == "lines"}
    assert set(drawn) == {"3", "5"}
    test.multiselect(key="neuron").set_value([])
    run_app(test)
    drawn = {trace.get("name"): trace for trace in figure(test, "traces")["data"] if trace["mode"] == "lines"}
    assert set(drawn) == set("0123456789")


@pytest.mark.parametrize("name", NAMES)
def test_a_smaller_data_set_takes_the_last_of_its_samples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = run_app(app(name, sample=1500))
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: TINY)
    run_app(test)
    assert test.sidebar.number_input(key="sample").value == len(TINY.test) - 1
    run_app(single_page(name, sample=1500))


def test_a_class_without_samples_gives_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    some = EMBEDDED.test.labels != 9
    few = replace(EMBEDDED, test=datasets.Split(EMBEDDED.test.images[some], EMBEDDED.test.labels[some]))
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: few)
    test = run_app(app(sample=4))
    test.sidebar.button_group(key="of_class").set_value("9")
    run_app(test)
    assert test.session_state["sample"] == 4


def test_weight_maps_carry_the_names_of_the_data_they_were_learned_from(
    registry: TrainingRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_small_model(registry, tmp_path)
    clothes = replace(TINY, name="FashionMNIST", classes=tuple(f"garment {i}" for i in range(10)))
    load = dataset_state._load_dataset
    monkeypatch.setattr(
        dataset_state, "_load_dataset", lambda name, where: clothes if name == "FashionMNIST" else load(name, where)
    )
    for chosen in (datasets.EMBEDDED, "FashionMNIST"):
        page = run_app(app("training", data=chosen))
        (maps,) = [element.proto.body for element in page.get("html") if "Weight maps" in element.proto.body]
        assert re.findall(r"font-size:1.125rem\">([^<]+)<", maps) == list("0123456789"), chosen


def test_an_unforeseen_error_is_one_sentence_and_a_new_run_can_start(
    registry: TrainingRegistry, tmp_path: Path
) -> None:
    def fails(*_: Any) -> Iterator[Snapshot]:
        raise RuntimeError("out of\nmemory")
        yield

    class Failing(Job):
        def __init__(self, settings: Settings, dataset: datasets.Dataset | None = None) -> None:
            super().__init__(settings, dataset, fails)

    assert registry.start(Settings(log_dir=str(tmp_path)), TINY, Failing).join(PATIENCE)
    test = run_app(app("training"))
    (error,) = test.error
    assert "RuntimeError (out of memory)" in error.value and "Traceback" not in error.value and "\n" not in error.value
    assert any("Training failed" in caption.value for caption in test.sidebar.caption)
    assert not button(test, "Start").disabled
    for name in NAMES:
        run_app(app(name))


@pytest.mark.parametrize("name", NAMES)
def test_pages_show_a_population(name: str, registry: TrainingRegistry, tmp_path: Path) -> None:
    model = train_small_model(registry, tmp_path, recipe="population")
    assert model.tempotrons_per_class == 20 and len(model.weight) == 200
    test = run_app(app(name, sample=3))
    if name in ("overview", "voltages"):
        assert headline(test) == verdict(model, 3)
    if name == "voltages":
        test.multiselect(key="neuron").set_value(["7"])
        run_app(test)
        drawn = [trace.get("name") or "" for trace in figure(test, "traces")["data"] if trace["mode"] == "lines"]
        assert sum("tempotron" in trace for trace in drawn) == 20
        assert len(drawn) == 21


def test_results_open_a_sample_on_the_voltages(registry: TrainingRegistry, tmp_path: Path) -> None:
    model = train_small_model(registry, tmp_path)
    test = run_app(app("results"))
    found = evaluate(model, EMBEDDED.test)
    assert f"Test accuracy {found.accuracy:.1%}" in headline(test)
    worst = int(found.by_confidence_of_error()[0])
    button = next(element for element in test.button if element.key == "open_0")
    button.click()
    run_app(test)
    assert test.session_state["sample"] == worst
    assert test.title[0].value == "Voltages"
    run_app(test.switch_page("views/results.py"))
    test.selectbox(key="true").set_value("3")
    test.selectbox(key="taken").set_value("5")
    run_app(test)
    wanted = int(found.confusion[3, 5])
    assert any(f"**{wanted:,} test samples" in element.value for element in test.markdown)


def test_results_of_another_number_of_classes_get_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "_resolve_model", lambda _: (initial_model(Settings(m=3), 7), Settings(), None))
    test = run_app(app("results"))
    assert "expected 10 outputs, one for each class of embedded, got 7" in test.warning[0].value


def test_any_run_becomes_the_model_and_is_deleted_when_asked_twice(registry: TrainingRegistry, tmp_path: Path) -> None:
    model = train_small_model(registry, tmp_path / "logs")
    other = train_small_model(registry, tmp_path / "logs", seed=9)
    test = run_app(app("runs", train_log_dir=str(tmp_path / "logs")))
    latest, first = sorted((folder.name for folder in (tmp_path / "logs").iterdir()), reverse=True)
    assert test.multiselect(key="compared").value == [latest]
    test.multiselect(key="compared").set_value([first])
    run_app(test)
    test.text_input(key=f"title_{first}").set_value("the first one")
    run_app(test)
    button(test, "Use as model").click()
    run_app(test)
    assert test.session_state["model"] == "saved run"
    assert test.session_state["run"] == first
    assert test.sidebar.selectbox(key="run").value == first
    page = run_app(app("overview", model="saved run", run=first, train_log_dir=str(tmp_path / "logs"), sample=3))
    assert headline(page) in (verdict(model, 3), verdict(other, 3))
    test.multiselect(key="compared").set_value([first, latest])
    run_app(test)
    assert any("the first one" in element.value for element in test.markdown)
    assert any("Differences in settings" in element.value for element in test.markdown)
    test.multiselect(key="compared").set_value([first])
    run_app(test)
    button(test, "Delete").click()
    run_app(test)
    assert (tmp_path / "logs" / first).exists()
    button(test, "Yes, delete it for good").click()
    run_app(test)
    assert not (tmp_path / "logs" / first).exists()
    assert (tmp_path / "logs" / latest).exists()
    assert test.sidebar.selectbox(key="run").value == latest


def test_the_run_in_progress_is_not_deleted(registry: TrainingRegistry, tmp_path: Path) -> None:
    job = registry.start(Settings(epochs=100000, m=3, T=20, log_dir=str(tmp_path)), TINY)
    wait_until(lambda: list(tmp_path.glob("*/last.safetensors")))
    job.pause()
    test = run_app(app("runs", train_log_dir=str(tmp_path)))
    assert any("Run in progress" in caption.value for caption in test.caption)
    button(test, "Delete").click()
    run_app(test)
    button(test, "Yes, delete it for good").click()
    run_app(test)
    assert any("the one in progress" in warning.value for warning in test.warning)
    assert list(tmp_path.glob("*/last.safetensors"))


def test_a_damaged_run_is_listed_with_what_is_wrong(registry: TrainingRegistry, tmp_path: Path) -> None:
    train_small_model(registry, tmp_path)
    train_small_model(registry, tmp_path)
    folder, _ = sorted(tmp_path.iterdir())
    (folder / "settings.json").write_text("{")
    test = run_app(app("runs", train_log_dir=str(tmp_path)))
    assert any("settings.json" in problem for problem in test.dataframe[0].value["problem"])
    assert folder.name not in test.multiselect(key="compared").options
    page = run_app(app("overview", model="saved run", run=folder.name, train_log_dir=str(tmp_path)))
    assert any("settings.json" in warning.value for warning in page.warning)


def test_the_published_curve_is_trained_regime_after_regime(
    registry: TrainingRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: TINY)
    test = run_app(app("published", train_log_dir=str(tmp_path / "logs")))
    test.number_input(key="published_epochs").set_value(2)
    run_app(test)
    button(test, "Train all four").click()
    run_app(test)
    assert button(test, "Train all four").disabled
    wait_until(lambda: len(registry.series) == 4 and not registry.series[-1].active)
    assert [status.state for status in registry.series] == ["finished"] * 4
    run_app(test)
    for recipe in ("as-published", "reference", "cross-entropy", "over-fitting"):
        assert sum(element.value.startswith(f"- {recipe} (") for element in test.markdown) == 2
    assert len(list((tmp_path / "logs").iterdir())) == 4


def test_a_series_ends_with_the_run_that_is_stopped(registry: TrainingRegistry, tmp_path: Path) -> None:
    settings = Settings(epochs=100000, m=3, T=20, log_dir=str(tmp_path))
    registry.start_series([settings, settings], TINY)
    job = registry.job
    assert job is not None
    job.stop()
    assert job.join(PATIENCE)
    wait_until(lambda: not any(thread.name == "series" for thread in threading.enumerate()))
    assert [status.state for status in registry.series] == ["stopped"]
    assert registry.job is job


def test_a_run_that_is_no_longer_finite_says_so_among_its_health(registry: TrainingRegistry, tmp_path: Path) -> None:
    for epochs, lr in ((1, 0.01), (50, 1e35)):
        settings = Settings(recipe="as-published", epochs=epochs, lr=lr, m=4, T=20, log_dir=str(tmp_path))
        assert registry.start(settings, TINY).join(PATIENCE)
        test = run_app(app("training"))
        (metric,) = [metric for metric in test.metric if metric.label == "Non-finite values"]
        status = registry.status
        assert status is not None
        step = status.failed_step
        assert (step is None) == (epochs == 1)
        assert metric.value == ("none" if step is None else f"stopped at step {step}"), test.error
        assert step is None or f"after step {step}:" in (status.error or "")
        assert any("NaN or infinity" in caption.value for caption in test.caption)


def test_the_settings_make_room_for_the_curves_at_the_start(
    registry: TrainingRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: TINY)
    test = run_app(app("training"))
    assert test.session_state["settings_open"]
    test.text_input(key="train_log_dir").set_value(str(tmp_path / "logs"))
    for key, value in {"epochs": 1, "m": 3, "T": 10}.items():
        test.number_input(key=f"train_{key}").set_value(value)
    button(test, "Start").click()
    run_app(test)
    assert not test.session_state["settings_open"]
    assert registry.job is not None and registry.job.join(PATIENCE)
    assert not run_app(test).session_state["settings_open"]


def test_a_link_names_the_folder_of_its_run_and_the_page_its_title(registry: TrainingRegistry, tmp_path: Path) -> None:
    for seed in (1, 2):
        train_small_model(registry, tmp_path / "logs", seed=seed)
    first, latest = sorted(folder.name for folder in (tmp_path / "logs").iterdir())
    for asked, found in ((first, first), (latest, latest), ("../../etc", "../../etc")):
        test = app("overview", train_log_dir=str(tmp_path / "logs"), model="saved run")
        test.query_params["run"] = asked
        run_app(test)
        box = test.sidebar.selectbox(key="run")
        assert box.value == found
        assert test.query_params["run"] in (found, [found])
        assert sorted(re.sub(" ·.*", "", option) for option in box.options if option != "../../etc") == [
            f"cross-entropy on embedded, m 4, seed {seed}" for seed in (1, 2)
        ]
    test.sidebar.radio(key="model").set_value("untrained")
    assert "run" not in run_app(test).query_params


def test_quick_steps_through_a_presentation_all_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(presentation, "time", SimpleNamespace(monotonic=lambda: now[0]))
    calls = (
        "presentation.reconcile_sample",
        "sidebar.render",
        "presentation.render_toggle",
        "presentation.render_controls",
        "presentation.mark_rendered",
    )
    arguments = {"sidebar.render": "''", "presentation.render_controls": "'views/overview.py'"}
    script = "from pages.shell import presentation, sidebar\n" + "".join(
        f"{call}({arguments.get(call, '')})\n" for call in calls
    )
    at = run_app(with_state(AppTest.from_string(script, default_timeout=PATIENCE), {"sample": 3, "present": True}))
    for key, reported, expected in (
        ("present_next", None, 4),
        ("present_back", 3, 3),  # the page has not received the previous step
        ("present_back", 3, 2),
        ("present_back", 2, 1),
    ):
        if reported is not None:
            at.number_input(key="sample").set_value(reported)
        at.button(key=key).click()
        assert run_app(at).number_input(key="sample").value == expected
    at.number_input(key="sample").set_value(2)  # the slider was moved before the page received the step
    assert run_app(at).number_input(key="sample").value == 1
    now[0] += presentation._STALE_CLICK_SECONDS + 0.1
    at.number_input(key="sample").set_value(2)  # whereas this has been chosen
    assert run_app(at).number_input(key="sample").value == 2
