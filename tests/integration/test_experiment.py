"""One experiment on all pages: overrides of code and neuron, own samples, links, what does not belong together."""

from __future__ import annotations

import base64
import threading
import zlib
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import pages as page_helpers
from helpers.pages import EMBEDDED, app, button, figure, headline, run_app, train_small_model, verdict
from helpers.waiting import PATIENCE, wait_until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pages.state import accuracy
from pages.state.experiment import voltage_info
from pages.state.overrides import CONSTANTS, Override
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import drawings
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import Prediction, predict
from tempotron_core.runs.reader import checkpoint_path, load_model
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings, initial_model

SAME_HEADLINE = ("overview", "voltages", "evidence", "draw")
MARK = 0.125
UNTRAINED = initial_model(Settings())


def query_app(page: str, **query: Any) -> Any:
    test = app(page, model="untrained")
    test.query_params.update({key: str(value) for key, value in query.items()})
    return run_app(test)


@pytest.fixture(scope="module")
def two_epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs."""
    changes = Settings(m=4, T=30, epochs=2, batch_size=16, log_dir=str(tmp_path_factory.mktemp("runs")))
    with open_run_log(changes) as log:
        for snapshot in train_model(changes, page_helpers.TINY):
            log.write(snapshot)
    return log.path


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sample=st.integers(0, 1999),
    is_drawing=st.booleans(),
    checkpoint=st.sampled_from((None, "1", "last")),
    tau=st.sampled_from((5.0, 15.0, 40.0)),
    tau_s=st.sampled_from((3.75, 10.0)),
    threshold=st.sampled_from((0.1, 0.25, 1.0)),
    T=st.sampled_from((60, 100)),
    beta=st.sampled_from((1.5, 2.5)),
    time=st.sampled_from(("grid", "exact")),
    after_spike=st.sampled_from(("continue", "shunt")),
)
def test_all_pages_report_the_same(
    two_epochs: Path, sample: int, is_drawing: bool, checkpoint: str | None, **constants: Any
) -> None:
    query: dict[str, Any] = {"sample": sample, **constants}
    model, state = UNTRAINED, {"model": "untrained"}
    if checkpoint is not None:
        model = load_model(two_epochs, "last" if checkpoint == "last" else f"epochs/{int(checkpoint):04}")
        state = {"model": "saved run", "train_log_dir": str(two_epochs.parent)}
        query |= {"run": two_epochs.name, "checkpoint": checkpoint}
    image, label = EMBEDDED.test.images[sample], int(EMBEDDED.test.labels[sample])
    if is_drawing:
        image = image.flip(1).contiguous()
        query |= {"image": drawings.encode_drawing(image.numpy()), "label": label}
    model = replace(model, firing_threshold=constants.pop("threshold"), **constants)
    decision = predict(model, image)
    info = voltage_info(model, decision, EMBEDDED.classes, label)

    def opened(page: str) -> Any:
        test = app(page, **state)
        test.query_params.update({key: str(value) for key, value in query.items()})
        return run_app(test)

    shown = {page: opened(page) for page in ("overview", "voltages", "evidence", "rule", "encoder", "results")}
    shown |= {} if is_drawing else {"draw": opened("draw")}
    shown |= {"replay": opened("replay")} if checkpoint == "last" else {}
    for page in ("overview", "voltages", "evidence", "draw", "replay"):
        if page in shown:
            assert headline(shown[page]) == info.prediction_text, page
    for page in ("overview", "voltages"):
        assert any(line.value.startswith(info.firing_text) for line in shown[page].markdown), page
    for page in ("overview", "voltages", "draw"):
        if page in shown:
            assert any(escape(info.firing_text) in element.proto.body for element in shown[page].get("html")), page
    for page in ("overview", "voltages", "replay"):
        if page in shown:
            check_marks(figure(shown[page], "traces"), decision, model.threshold)
    rings = next(trace for trace in figure(shown["rule"], "step")["data"] if trace.get("mode") == "markers")
    peaks = set(zip(decision.t_max.tolist(), decision.v_max.tolist(), strict=True))
    assert {(float(t), float(v)) for t, v in zip(numbers(rings["x"]), numbers(rings["y"]), strict=True)} <= peaks
    spikes = f"{int((decision.times >= 0).sum()):,}"
    assert any(spikes in link.label for link in shown["overview"].get("page_link"))
    assert any(f"{spikes} of" in line.value for line in shown["encoder"].markdown)
    accuracy_text = f"Test accuracy {evaluate(model, EMBEDDED.test).accuracy:.1%}"
    assert any(accuracy_text in line.value for line in shown["results"].markdown)


def numbers(column: Any) -> list[float]:
    """The values of a column of a figure, which Plotly may have encoded."""
    if isinstance(column, dict):
        return np.frombuffer(base64.b64decode(column["bdata"]), column["dtype"]).tolist()  # type: ignore[no-any-return]
    return [float(value) for value in column]


def check_marks(drawn: Any, decision: Prediction, threshold: float) -> None:
    """Peaks and crossings are marked where they are."""
    marked = {trace["marker"]["symbol"]: trace for trace in drawn["data"] if trace.get("mode") == "markers"}
    peaks = sorted(zip(decision.t_max.tolist(), decision.v_max.tolist(), strict=True))
    symbols = ("diamond", "circle-open")
    found = [pair for name in symbols for pair in zip(*(numbers(marked[name][axis]) for axis in "xy"), strict=True)]
    assert np.array(sorted(found)) == pytest.approx(np.array(peaks))
    crossings = decision.t_spike[decision.t_spike >= 0].tolist()
    triangles = marked.get("triangle-up", {"x": [], "y": []})
    assert sorted(numbers(triangles["x"])) == pytest.approx(sorted(crossings))
    assert all(y == threshold for y in numbers(triangles["y"]))


@pytest.mark.parametrize("page", ["overview", "encoder", "voltages", "rule"])
def test_every_page_names_the_overrides_and_resets_them(page: str) -> None:
    test = query_app(page, tau="40", sample="3")
    bar = next(line.value for line in test.markdown if line.value.startswith("**Changed:**"))
    assert "tau 40 ms instead of 15 ms" in bar
    wait_until(lambda: "test accuracy" in bar_text(run_app(test)) and "being computed" not in bar_text(test))
    changed, trained = (evaluate(model, EMBEDDED.test).accuracy for model in (replace(UNTRAINED, tau=40.0), UNTRAINED))
    assert f"test accuracy {changed:.1%} instead of {trained:.1%}" in bar_text(test)
    button(test, "Reset").click()
    run_app(test)
    assert not any(line.value.startswith("**Changed:**") for line in test.markdown)
    assert test.session_state["tau"] == 15.0


def bar_text(test: Any) -> str:
    return next(str(line.value) for line in test.markdown if line.value.startswith("**Changed:**"))


def test_the_threshold_moves_alone() -> None:
    fired = set()
    for threshold in ("0.1", "1.0", "3.0"):
        test = query_app("voltages", threshold=threshold, sample="2")
        fired.add(next(line.value for line in test.markdown if "A filled diamond" in line.value))
        model = replace(UNTRAINED, firing_threshold=float(threshold))
        assert torch.equal(
            predict(model, EMBEDDED.test.images[2]).v_max, predict(UNTRAINED, EMBEDDED.test.images[2]).v_max
        )
    assert len(fired) > 1


def test_another_m_is_used_by_the_encoder_only_and_said() -> None:
    for page in SAME_HEADLINE:
        test = query_app(page, m="9", sample="4")
        assert headline(test) == verdict(UNTRAINED, 4)
        assert any("weights for m 16" in warning.value for warning in test.warning)
    encoder = query_app("encoder", m="9")
    assert any("of 9 neurons" in line.value for line in encoder.markdown)


def test_equal_time_constants_are_not_applied_and_said() -> None:
    test = query_app("voltages", tau="20", tau_s="20", sample="4")
    assert headline(test) == verdict(UNTRAINED, 4)
    assert any("two different time constants" in warning.value for warning in test.warning)


@pytest.mark.parametrize("value", ["nan", "1e99", "-3", "x", "", "inf"])
@pytest.mark.parametrize("name", CONSTANTS)
def test_strange_constants_of_a_link_break_no_page(name: str, value: str) -> None:
    test = query_app("voltages", **{name: value})
    bounds = test.slider(key=name)
    assert bounds.min <= bounds.value <= bounds.max


def test_constants_follow_another_model_and_overrides_stay(registry: TrainingRegistry, tmp_path: Path) -> None:
    train_small_model(registry, tmp_path / "logs", tau=30.0, tau_s=7.5)
    test = app("voltages", model="untrained", train_log_dir=str(tmp_path / "logs"))
    run_app(test)
    test.slider(key="threshold").set_value(2.0)
    run_app(test)
    test.sidebar.radio(key="model").set_value("last finished run")
    run_app(test)
    values = {name: test.slider(key=name).value for name in CONSTANTS}
    assert values == {"m": 4, "beta": 1.5, "T": 20, "tau": 30.0, "tau_s": 7.5, "threshold": 2.0}
    assert "threshold 2 instead of 1" in bar_text(test)


def test_train_with_these_settings_fills_the_form() -> None:
    test = query_app("voltages", tau="40", threshold="2", beta="2.5", time="exact")
    button(test, "Train with these settings").click()
    run_app(test)
    wanted = {"m": 16, "T": 100, "beta": 2.5, "tau": 40.0, "tau_s": 3.75, "threshold": 2.0, "time": "exact"}
    assert {name: test.session_state[f"train_{name}"] for name in wanted} == wanted


def test_a_missing_run_gives_a_sentence_and_nothing_in_its_place(registry: TrainingRegistry, tmp_path: Path) -> None:
    train_small_model(registry, tmp_path / "logs")
    for page in ("overview", "voltages", "evidence", "draw", "rule", "replay", "results"):
        test = app(page, model="saved run", run="20200101-000000-gone", train_log_dir=str(tmp_path / "logs"))
        run_app(test)
        assert any("found none named '20200101-000000-gone'" in warning.value for warning in test.warning)
        assert not test.get("plotly_chart") and not test.get("echarts_chart")


def test_a_link_shows_the_same_run_after_another_training(registry: TrainingRegistry, tmp_path: Path) -> None:
    first = train_small_model(registry, tmp_path / "logs", seed=1)
    test = app("overview", train_log_dir=str(tmp_path / "logs"), sample=3)
    run_app(test)
    (run,) = {test.query_params["run"]} if isinstance(test.query_params["run"], str) else test.query_params["run"]
    assert headline(test) == verdict(first, 3)
    train_small_model(registry, tmp_path / "logs", seed=2)
    again = app("overview", train_log_dir=str(tmp_path / "logs"), sample=3)
    again.query_params["run"] = run
    assert headline(run_app(again)) == verdict(first, 3)


def test_samples_of_another_data_set_give_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    clothes = replace(EMBEDDED, name="FashionMNIST", classes=tuple(f"garment {i}" for i in range(10)))
    monkeypatch.setattr(page_helpers, "EMBEDDED", clothes)
    monkeypatch.setattr("pages.state.datasets._load_dataset", lambda *_: clothes)
    test = run_app(app("voltages", data="FashionMNIST", model="untrained"))
    assert any("expect low accuracy" in warning.value for warning in test.warning)


OWN = np.clip(EMBEDDED.test.images[11].numpy().astype(int) + 3, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("page", ["overview", "voltages", "evidence", "encoder", "rule", "replay", "draw"])
def test_a_drawing_of_a_link_is_the_sample(page: str, registry: TrainingRegistry, tmp_path: Path) -> None:
    model = train_small_model(registry, tmp_path / "logs")
    test = app(page, train_log_dir=str(tmp_path / "logs"))
    test.query_params.update({"image": drawings.encode_drawing(OWN), "label": "3"})
    run_app(test)
    decision = predict(model, torch.from_numpy(OWN.copy()))
    if page in SAME_HEADLINE[:3]:
        right = int(decision.v_max.argmax()) == 3
        assert headline(test).startswith("Correct" if right else "Incorrect")
    assert any(element.label == "Back to the test sample" for element in test.sidebar.button)
    button(test, "Back to the test sample").click()
    run_app(test)
    assert "image" not in test.query_params
    if page in SAME_HEADLINE:
        assert headline(test) == verdict(model, 0)


def test_images_survive_the_url() -> None:
    for image in (OWN, np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)):
        text = drawings.encode_drawing(image)
        assert np.array_equal(drawings.decode_drawing(text), image)
        assert len(text) < 1200


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=300).map(lambda b: b.hex()))
def test_other_texts_give_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="expected an image of 28 x 28 pixels"):
        drawings.decode_drawing(text)


def test_a_compressed_flood_is_refused() -> None:
    flood = base64.urlsafe_b64encode(zlib.compress(bytes(10**7), 9)).decode()
    with pytest.raises(ValueError, match="expected an image"):
        drawings.decode_drawing(flood)
    with pytest.raises(ValueError, match="expected an image"):
        drawings.decode_drawing("A" * 10**6)
    test = app("evidence", model="untrained")
    test.query_params["image"] = "abc"
    assert any("expected an image" in warning.value for warning in run_app(test).warning)


def test_accuracies_are_computed_one_at_a_time_and_the_latest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[float] = []
    release = threading.Event()

    def slow(model: Any, split: Any) -> Any:
        if model.firing_threshold == MARK:  # not a request of another test
            order.append(model.tau)
            assert release.wait(PATIENCE)
        return evaluate(replace(model, weight=model.weight), page_helpers.TINY.test)

    monkeypatch.setattr(accuracy, "evaluate", slow)
    background = accuracy.BackgroundAccuracies()
    models = {f"{tau}": replace(UNTRAINED, tau=float(tau), firing_threshold=MARK) for tau in (20, 30, 40)}
    assert background.get("20", models["20"], page_helpers.TINY) is None
    wait_until(lambda: order)
    for key in ("30", "40"):
        assert background.get(key, models[key], page_helpers.TINY) is None
    release.set()
    wait_until(lambda: all(background.get(key, model, page_helpers.TINY) is not None for key, model in models.items()))
    assert order == [20.0, 40.0, 30.0]
    wanted = evaluate(models["40"], page_helpers.TINY.test).accuracy
    assert background.get("40", models["40"], page_helpers.TINY) == wanted


def test_accuracies_end_with_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    began, release = threading.Event(), threading.Event()

    def slow(model: Any, split: Any) -> Any:
        began.set()
        assert release.wait(PATIENCE)
        return evaluate(replace(model, weight=model.weight), page_helpers.TINY.test)

    monkeypatch.setattr(accuracy, "evaluate", slow)
    background = accuracy.BackgroundAccuracies()
    background.get("current", UNTRAINED, page_helpers.TINY)
    assert began.wait(PATIENCE)
    background.get("waiting", UNTRAINED, page_helpers.TINY)
    threading.Timer(0.05, release.set).start()
    background.stop()
    assert list(background._done) == ["current"] and not background._waiting
    assert background._thread is not None and not background._thread.is_alive()


def test_an_override_describes_itself() -> None:
    assert Override("tau", 20.0, 15.0).text == "tau 20 ms instead of 15 ms"
    assert Override("threshold", 2.0, 1.0).change == {"firing_threshold": 2.0}


def test_the_best_and_any_epoch_of_a_run_are_models(registry: TrainingRegistry, tmp_path: Path) -> None:
    train_small_model(registry, tmp_path / "logs", epochs=2, lr=0.1)
    (folder,) = (tmp_path / "logs").iterdir()
    expected = {name: load_model(folder, checkpoint_path(name)) for name in ("last", "best", "1", "2")}
    assert not torch.equal(expected["1"].weight, expected["2"].weight)
    for name in ("best", "1"):  # of a link, also to the last finished run
        test = app("overview", sample=3, train_log_dir=str(tmp_path / "logs"))
        test.query_params.update({"run": folder.name, "checkpoint": name})
        assert headline(run_app(test)) == verdict(expected[name], 3)
        assert torch.equal(test.session_state["_view"].model.weight, expected[name].weight)
    select = test.sidebar.selectbox(key="checkpoint")
    assert select.options == ["after the last epoch", "of the best epoch", "after epoch 2", "after epoch 1"]
    select.set_value("2")
    run_app(test)
    assert torch.equal(test.session_state["_view"].model.weight, expected["2"].weight)
    assert test.query_params["checkpoint"] == "2"
    test.sidebar.selectbox(key="checkpoint").set_value("last")
    run_app(test)
    assert "checkpoint" not in test.query_params


@pytest.mark.parametrize("page", ["overview", "evidence", "results"])
@pytest.mark.parametrize("name", ["7", "../last", "x" * 500])
def test_a_missing_epoch_gives_one_sentence(registry: TrainingRegistry, tmp_path: Path, page: str, name: str) -> None:
    train_small_model(registry, tmp_path / "logs")
    (folder,) = (tmp_path / "logs").iterdir()
    test = app(page, train_log_dir=str(tmp_path / "logs"))
    test.query_params.update({"run": folder.name, "checkpoint": name})
    run_app(test)
    assert [warning.value.split(":")[0] for warning in test.main.warning] == ["checkpoint"]
    assert not test.get("plotly_chart") and not test.get("echarts_chart")


@pytest.mark.parametrize("model", ["live run", "last finished run"])
def test_the_url_contains_the_run_and_keeps_it(model: str, registry: TrainingRegistry, tmp_path: Path) -> None:
    first = train_small_model(registry, tmp_path / "logs", seed=1)
    state = {"train_log_dir": str(tmp_path / "logs"), "sample": 3}
    test = run_app(app("overview", model=model, **state))
    (run,) = [folder.name for folder in (tmp_path / "logs").iterdir()]
    assert test.query_params["run"] in (run, [run])
    train_small_model(registry, tmp_path / "logs", seed=2)
    again = app("overview", **state)
    again.query_params.update({"run": run, "model": model})
    assert headline(run_app(again)) == verdict(first, 3)
    assert "run" not in run_app(app("overview", model="untrained", **state)).query_params
