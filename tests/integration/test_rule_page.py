"""The pictures of a step, and the page that takes steps and takes them back."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.jobs import model_of
from helpers.pages import EMBEDDED, TINY, app, button, figure, headline, run_app, single_page, train_small_model
from streamlit.testing.v1 import AppTest

from pages.state import datasets as dataset_state
from pages.state import experiment
from pages.views import rule_steps
from tempotron_core import figures
from tempotron_core.analysis.attribution import kernel_at_peak
from tempotron_core.analysis.learning_step import StepSequence, StepSettings, apply_steps, learning_step
from tempotron_core.data import datasets
from tempotron_core.jobs.registry import TrainingRegistry
from tempotron_core.model.classifier import Model, initial_weight, predict
from tempotron_core.training.settings import Settings, initial_model


def view_of(model: Model, sample: int = 3, dataset: datasets.Dataset = EMBEDDED) -> experiment.View:
    return experiment.View(dataset, sample, model, None, Settings())


def wide_model(k: int = 1, width: float = 30.0) -> Model:
    return Model(initial_weight(6, 10 * k, 1, width), m=6, tempotrons_per_class=k)


def step_and_change_info(
    model: Model, lesson: StepSettings, before: int = 0, sample: int = 3
) -> tuple[figures.StepInfo, figures.WeightChangeInfo]:
    view = view_of(model, sample)
    taken = apply_steps(model, view.image).extended(lesson, before)
    found = learning_step(taken.model, view.image, lesson)
    info = rule_steps.step_info(view, taken, found)
    return info, rule_steps.weight_change_info(view, found, info.focused_output, 0)


def test_a_step_is_told_and_drawn_as_it_is() -> None:
    model, image, lesson = wide_model(), EMBEDDED.test.images[3], StepSettings(5, 1e-3)
    info, _ = step_and_change_info(model, lesson)
    before = predict(model, image)
    after = predict(learning_step(model, image, lesson).model, image)
    wrong = [i for i in range(10) if (float(before.v_max[i]) >= 1) != (i == 5)]
    assert 2 <= len(wrong) <= 9
    assert info.headline == f"Step 1: {len(wrong)} outputs have a firing error."
    assert set(info.highlighted_outputs) <= {5, *wrong} and 5 in info.highlighted_outputs
    for i in info.highlighted_outputs:
        words = next((sentence for sentence in info.sentences if sentence.startswith(f"**{i}**")), None)
        assert (words is not None) == (i in wrong)
        if words and i == 5:
            assert "is silent and should fire (+)" in words
        elif words:
            assert "fires and should not (−): its peak falls" in words
            assert f"from {float(before.v_max[i]):.2f} to {float(after.v_max[i]):.2f}" in words
    lines = {trace.name: trace for trace in figures.step_figure(info).data if trace.mode == "lines"}
    for i in info.highlighted_outputs:
        assert np.array_equal(lines[f"{i} before"].y, before.v[i].numpy())
        assert np.array_equal(lines[f"{i} after"].y, after.v[i].numpy())
        assert (lines[f"{i} before"].line.dash, lines[f"{i} after"].line.dash) == ("dot", "solid")
        assert lines[f"{i} after"].line.color == info.colour(i)
    assert info.colour(5) == figures.class_colour(5, 5, info.predicted)
    assert len(lines) == 10 + len(info.highlighted_outputs)


def test_names_keep_apart_where_peaks_lie_close() -> None:
    info, _ = step_and_change_info(wide_model(), StepSettings(5, 1e-3))
    path = figures.peak_history_figure(info)
    heights = sorted(label.y for label in path.layout.annotations if label.text.startswith("<b>"))
    assert len(heights) == len(info.highlighted_outputs)
    span = float(info.peak_history.max() - info.peak_history.min())
    assert min(np.diff(heights)) >= 0.1 * span


def test_the_map_and_the_dots_are_the_changes() -> None:
    model, lesson = wide_model(), StepSettings(5, 2e-4)
    info, one = step_and_change_info(model, lesson)
    found = learning_step(model, EMBEDDED.test.images[3], lesson)
    dw = found.dw[info.focused_output, 0].numpy()
    scale, unit = one.axis_unit
    assert unit == "Δw, 10<sup>-4</sup>" and scale == pytest.approx(1e-4)
    heat = figures.change_figure(one).data[0]
    assert np.allclose(heat.z, dw.sum(axis=1).reshape(28, 28) / scale, atol=1e-5)
    for neuron in (0, 4):
        single = figures.change_figure(replace(one, neuron=neuron)).data[0]
        assert np.allclose(single.z, dw[:, neuron].reshape(28, 28) / scale, atol=1e-5)
    pixel = int((found.before.times >= 0).sum(dim=1).argmax())
    j = int(torch.nonzero(found.before.times[pixel] >= 0)[0])
    assert (
        f"neuron {j + 1} at {found.before.times[pixel, j]:.0f} ms: {dw[pixel, j] / scale:+.3f}"
        in (heat.text[pixel // 28][pixel % 28])
    )
    curve, dots = figures.kernel_figure(one).data
    times, changes, counts = np.asarray(dots.x), np.asarray(dots.y) * scale, np.asarray(dots.customdata)
    assert counts.sum() == int((found.before.times >= 0).sum())
    expected = lesson.rate * one.error * kernel_at_peak(model, torch.tensor(times), one.t_max).numpy()
    assert np.allclose(changes, expected, rtol=1e-5, atol=1e-12)
    # Every dot lies on the drawn kernel.
    assert np.allclose(np.interp(times, curve.x, np.asarray(curve.y) * scale), changes, rtol=1e-5, atol=1e-12)
    late = int((found.before.times >= one.t_max).sum())
    changed = int((found.dw[info.focused_output, 0] != 0).sum())
    assert one.takeaway.startswith(f"{changed:,} weights of {info.focused_output} ")
    assert (f"; {late:,} spikes are not before the peak" in one.takeaway) == (late > 0)
    for picture in (figures.change_figure(one), figures.kernel_figure(one), figures.step_figure(info)):
        assert len(picture.to_json()) < 200_000


def test_what_must_move_is_said_beside_what_does() -> None:
    _, one = step_and_change_info(wide_model(), StepSettings(5, 1e-3))
    assert one.actual == pytest.approx(one.predicted, abs=1e-4)
    assert f"= {one.predicted:+.3f}, actual {one.actual:+.3f}; ".replace("-", "−") in one.effect
    assert "actual +9.000;" in replace(one, actual=9.0).effect
    assert f"now at {one.t_max + 4} ms" in replace(one, t_max_after=one.t_max + 4).effect


def test_nothing_wrong_is_drawn_as_nothing() -> None:
    info, one = step_and_change_info(wide_model(), StepSettings(5, 1e-2), before=50)
    assert info.headline == f"Step {info.number}: no output has an error, so no weight changes."
    assert info.number > 1 and info.sentences == []
    assert "its error is 0" in one.takeaway and "No weight of" in one.effect
    assert not np.asarray(figures.change_figure(one).data[0].z).any()
    curve, dots = figures.kernel_figure(one).data
    assert not np.asarray(dots.y).any()
    assert curve.line.dash == "dot"
    assert f"in {info.number - 1} step" in info.progress
    assert np.array_equal(info.peak_history[-1], info.peak_history[-2])


def test_a_dead_output_is_said_not_to_learn() -> None:
    model = replace(wide_model(), weight=-wide_model().weight.abs())
    info, one = step_and_change_info(model, StepSettings(5, 1e-3))
    assert "have no gradient" in info.headline and "no weight changes" in info.sentences[0]
    assert "never above 0" in one.takeaway and "K is 0" in one.effect
    for picture in (figures.change_figure(one), figures.kernel_figure(one), figures.step_figure(info)):
        assert "NaN" not in picture.to_json()


def test_the_softmax_is_told_in_shares() -> None:
    info, _ = step_and_change_info(wide_model(), StepSettings(5, 1e-3, "cross-entropy"))
    shares = predict(wide_model(), EMBEDDED.test.images[3]).v_max.softmax(dim=0)
    assert "the peak of 5 is raised" in info.headline
    assert f"**5** has a softmax probability of {float(shares[5]):.0%}, target 100%" in " ".join(info.sentences)
    assert len(info.sentences) <= 5


def test_the_path_holds_every_peak() -> None:
    model, lesson = wide_model(), StepSettings(5, 1e-3)
    info, _ = step_and_change_info(model, lesson, before=3)
    now, expected = model, []
    for _ in range(4):
        expected.append(predict(now, EMBEDDED.test.images[3]).v_max.numpy())
        now = learning_step(now, EMBEDDED.test.images[3], lesson).model
    expected.append(predict(now, EMBEDDED.test.images[3]).v_max.numpy())
    assert np.allclose(info.peak_history, expected, atol=1e-6)
    subject = next(t for t in figures.peak_history_figure(info).data if t.name == str(info.focused_output))
    assert np.array_equal(subject.y, info.peak_history[:, info.focused_output])
    assert (
        f"from {info.peak_history[0, info.focused_output]:.2f} to "
        f"{info.peak_history[-1, info.focused_output]:.2f} in 4 steps" in info.progress
    )


def shows_step(test: AppTest, model: Model, taken: StepSequence, lesson: StepSettings, index: int = 0) -> bool:
    """Whether the page draws that step."""
    found = learning_step(taken.model, EMBEDDED.test.images[index], lesson)
    info = rule_steps.step_info(view_of(model, index), taken, found)
    lines = {trace.get("name"): trace["y"] for trace in figure(test, "step")["data"] if trace["mode"] == "lines"}
    wanted = figures.step_figure(info).to_plotly_json()["data"]
    return headline(test).splitlines()[0] == info.headline and all(
        np.allclose(decode_array(lines[trace["name"]]), decode_array(trace["y"]), atol=1e-6)
        for trace in wanted
        if trace["mode"] == "lines"
    )


def decode_array(values: Any) -> np.ndarray:
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.asarray(values)


def test_steps_are_taken_and_taken_back_on_a_copy() -> None:
    model, label = initial_model(Settings()), int(EMBEDDED.test.labels[0])
    lesson = StepSettings(label, 1e-4)
    test = run_app(app("rule", model="untrained"))
    test.select_slider(key="rule_rate").set_value("1e-4")
    run_app(test)
    taken = apply_steps(model, EMBEDDED.test.images[0])
    assert shows_step(test, model, taken, lesson)
    assert button(test, "Undo").disabled and button(test, "Start over").disabled
    for label_of, way in (
        ("Step again", lambda now: now.extended(lesson)), ("10 more", lambda now: now.extended(lesson, 10)),
        ("Undo", StepSequence.undone), ("Step again", lambda now: now.extended(lesson)), ("Undo",
        StepSequence.undone), ("Undo", StepSequence.undone),
    ):  # fmt: skip
        button(test, label_of).click()
        run_app(test)
        taken = way(taken)
        assert len(test.session_state["rule_walk"].steps) == len(taken.steps)
        assert torch.equal(test.session_state["rule_walk"].model.weight, taken.model.weight)
        assert shows_step(test, model, taken, lesson)
    assert len(taken.steps) > 5
    button(test, "Start over").click()
    run_app(test)
    assert shows_step(test, model, apply_steps(model, EMBEDDED.test.images[0]), lesson)
    assert headline(test).startswith("Step 1")


def test_the_chosen_model_is_untouched(registry: TrainingRegistry, tmp_path: Any) -> None:
    model = train_small_model(registry, tmp_path)
    kept = model.weight.clone()
    test = run_app(app("rule", sample=3, rule="cross-entropy"))
    for label in ("Step again", "10 more", "Undo", "10 more"):
        button(test, label).click()
        run_app(test)
    assert not torch.equal(test.session_state["rule_walk"].model.weight, kept)
    now = model_of(registry.finished)
    assert now is not None
    assert torch.equal(now.weight, kept) and torch.equal(model.weight, kept)


def test_the_rate_and_the_rule_change_the_drawn_step() -> None:
    test = run_app(app("rule", model="untrained"))
    model, taken = initial_model(Settings()), apply_steps(initial_model(Settings()), EMBEDDED.test.images[0])
    for rate, name, rule in (("2e-3", "tempotron rule", "linear"), ("5e-4", "squared distance", "threshold-mse"),
                             ("1e-2", "cross-entropy", "cross-entropy")):  # fmt: skip
        test.select_slider(key="rule_rate").set_value(rate)
        test.selectbox(key="rule").set_value(name)
        run_app(test)
        assert shows_step(test, model, taken, StepSettings(int(EMBEDDED.test.labels[0]), float(rate), rule))
    test.selectbox(key="rule_target").set_value("4")
    run_app(test)
    assert shows_step(test, model, taken, StepSettings(4, 1e-2, "cross-entropy"))
    test.selectbox(key="rule_output").set_value("2")
    test.selectbox(key="rule_neuron").set_value("3")
    run_app(test)
    found = learning_step(model, EMBEDDED.test.images[0], StepSettings(4, 1e-2, "cross-entropy"))
    one = rule_steps.weight_change_info(view_of(model, 0), found, 2, 0, 2)
    heat = figure(test, "change")["data"][0]
    assert np.allclose(decode_array(heat["z"]).reshape(28, 28), one.by_pixel / one.axis_unit[0], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"sample": 4}, "Another sample"), ({"model": "last finished run"}, "Another model"), ({"data": "MNIST"}, "")],
)
def test_another_digit_or_model_begins_anew_and_says_so(
    change: dict[str, Any], words: str, registry: TrainingRegistry, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    train_small_model(registry, tmp_path)
    other = replace(TINY, name="MNIST")
    load = dataset_state._load_dataset
    monkeypatch.setattr(
        dataset_state, "_load_dataset", lambda name, where: other if name == "MNIST" else load(name, where)
    )
    test = run_app(app("rule", model="untrained", sample=3))
    button(test, "10 more").click()
    run_app(test)
    assert not headline(test).startswith("Step 1:")
    for key, value in change.items():
        (test.sidebar.radio if key == "model" else test.sidebar.number_input if key == "sample" else
         test.sidebar.selectbox)(key=key).set_value(value)  # fmt: skip
    run_app(test)
    assert headline(test).startswith("Step 1:")
    assert any((words or "Another data set") in caption.value for caption in test.caption)
    assert "rule_steps" not in test.query_params
    if not button(test, "Step again").disabled:
        button(test, "Step again").click()
        run_app(test)
        assert not any("Another" in caption.value for caption in test.caption)


def test_a_link_brings_its_steps_and_choices() -> None:
    test = app("rule", model="untrained")
    test.query_params.update({"rule_steps": "2_linear_5_0.0001*1_cross-entropy_4_0.001", "rule": "cross-entropy",
                              "rule_rate": "5e-4", "rule_target": "4", "sample": "3"})  # fmt: skip
    run_app(test)
    model = initial_model(Settings())
    lessons = (StepSettings(5, 1e-4), StepSettings(5, 1e-4), StepSettings(4, 1e-3, "cross-entropy"))
    taken = apply_steps(model, EMBEDDED.test.images[3], lessons)
    assert taken.steps == lessons
    assert shows_step(test, model, taken, StepSettings(4, 5e-4, "cross-entropy"), 3)
    button(test, "Undo").click()
    run_app(test)
    assert test.query_params["rule_steps"] == "2_linear_5_0.0001"


def test_garbage_in_a_link_leaves_the_page_working() -> None:
    test = app("rule", model="untrained")
    test.query_params.update({"rule_steps": "9_linear_77_nan", "rule": "<b>", "rule_rate": "-1", "rule_target": "zz",
                              "rule_output": "11", "rule_neuron": "0"})  # fmt: skip
    run_app(test)
    assert headline(test).startswith("Step 1:")


def use_model(monkeypatch: pytest.MonkeyPatch, model: Model, dataset: datasets.Dataset = EMBEDDED) -> None:
    monkeypatch.setattr(experiment, "_resolve_model", lambda name: (model, Settings(), None))
    monkeypatch.setattr(dataset_state, "_load_dataset", lambda *_: dataset)


def test_a_model_that_learns_on_leaves_the_copy_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    use_model(monkeypatch, wide_model())
    test = run_app(app("rule", sample=3))
    button(test, "Step again").click()
    run_app(test)
    copy = test.session_state["rule_walk"].model.weight.clone()
    later = replace(wide_model(), weight=wide_model().weight + 0.01)
    use_model(monkeypatch, later)
    run_app(test)
    assert torch.equal(test.session_state["rule_walk"].model.weight, copy)
    assert any("trained further" in caption.value for caption in test.caption)
    button(test, "Start over").click()
    run_app(test)
    assert torch.equal(test.session_state["rule_walk"].model.weight, later.weight)
    assert not any("trained further" in caption.value for caption in test.caption)


def test_a_tie_and_clothes_and_a_population(monkeypatch: pytest.MonkeyPatch) -> None:
    clothes = replace(TINY, name="FashionMNIST", classes=tuple(f"garment {i}" for i in range(10)))
    use_model(monkeypatch, replace(wide_model(), weight=torch.zeros(10, 4704)), clothes)
    test = run_app(single_page("rule"))
    assert "have no gradient" in headline(test)
    assert button(test, "Step again").disabled
    model = wide_model(3)
    use_model(monkeypatch, model, clothes)
    test = run_app(app("rule", sample=2))
    test.selectbox(key="rule_output").set_value("garment 4")
    test.selectbox(key="rule_tempotron").set_value("2")
    test.selectbox(key="rule").set_value("cross-entropy")
    run_app(test)
    assert any("tempotron 2 of garment 4" in element.value for element in test.markdown)
    found = learning_step(model, TINY.test.images[2], StepSettings(int(TINY.test.labels[2]), 1e-3, "cross-entropy"))
    one = rule_steps.weight_change_info(view_of(model, 2, clothes), found, 4, 1)
    heat = figure(test, "change")["data"][0]
    assert np.allclose(decode_array(heat["z"]).reshape(28, 28), one.by_pixel / one.axis_unit[0], atol=1e-4)
    button(test, "Step again").click()
    run_app(test)
    assert headline(test).startswith("Step 2")


def test_a_model_of_other_classes_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    use_model(monkeypatch, Model(initial_weight(3, 7, 0), m=3))
    test = run_app(app("rule"))
    assert "expected 10 outputs, one for each class of embedded, got 7" in test.warning[0].value
