"""Results of a whole split: equal to one decision after the other, counted by hand."""

import base64
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tempotron_core import figures
from tempotron_core.analysis.evaluation import Evaluation, evaluate, wilson_interval
from tempotron_core.data.datasets import Split, load
from tempotron_core.model.classifier import Model, initial_weight, pixel_spike_times, predict

TEST = load().test
SOME = Split(TEST.images[:40], TEST.labels[:40])


@pytest.mark.parametrize("k", [1, 3])
def test_results_are_those_of_single_decisions(k: int) -> None:
    model = Model(initial_weight(4, 10 * k, 5, scale=8), m=4, T=40, tempotrons_per_class=k)
    found = evaluate(model, SOME)
    for index, (image, label) in enumerate(zip(SOME.images, SOME.labels.tolist(), strict=True)):
        decision = predict(model, image)
        assert np.allclose(found.v_max[index], decision.v_max, atol=1e-4)
        assert found.t_max[index].tolist() == decision.t_max.tolist()
        others = [float(peak) for i, peak in enumerate(decision.v_max) if i != label]
        assert found.margin[index] == pytest.approx(float(decision.v_max[label]) - max(others), abs=1e-4)
        assert bool(found.correct[index]) == (found.margin[index] > 0)
        assert found.num_fired[index] == int((decision.v_max >= 1).sum())


def evaluation(v_max: list[list[float]], labels: list[int]) -> Evaluation:
    peaks = np.array(v_max)
    return Evaluation(peaks, np.zeros(peaks.shape, int), np.array(labels), 1.0, 10, 9)


def test_confusion_classes_and_ranks_are_counted() -> None:
    found = evaluation([[3, 1, 0], [0, 5, 1], [2, 1, 0], [0, 1, 1.5], [4, 3, 0]], [0, 0, 0, 1, 1])
    assert found.confusion.tolist() == [[2, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert found.accuracy == 2 / 5
    assert found.per_class[:2].tolist() == [2 / 3, 0]
    assert np.isnan(found.per_class[2])
    assert found.by_confidence_of_error().tolist() == [1, 4, 3, 2, 0]
    assert found.by_confidence_of_error(true=0, predicted=0).tolist() == [2, 0]
    assert found.by_confidence_of_error(predicted=2).tolist() == [3]
    assert found.by_confidence_of_error(true=2).tolist() == []


def test_the_interval_is_wilsons() -> None:
    # the standard example: 81 of 263 gives 0.2553 to 0.3662
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_interval_holds_the_share(samples: int, share: float) -> None:
    hits = round(share * samples)
    low, high = wilson_interval(hits, samples)
    assert -1e-9 <= low <= hits / samples + 1e-9
    assert hits / samples - 1e-9 <= high <= 1 + 1e-9


def test_the_takeaway_names_the_commonest_mistake() -> None:
    info = figures.EvaluationInfo(np.array([[5, 2], [1, 9]]), ("cat", "dog"), 14 / 17, (0.6, 0.9))
    assert info.takeaway == (
        "Test accuracy 82.4% (95 % interval 60.0% to 90.0%); most frequent error: true cat, predicted dog (2 times)."
    )
    perfect = figures.EvaluationInfo(np.array([[5, 0], [0, 9]]), ("cat", "dog"), 1.0, (0.8, 1.0))
    assert perfect.takeaway.endswith("; no errors.")


def test_a_click_on_the_confusion_names_its_cell() -> None:
    assert figures.cell_of_selection([], 10) is None
    assert figures.cell_of_selection([{"x": 3, "y": 5}], 10) == (5, 3)
    assert figures.cell_of_selection([{"x": 30, "y": 5}], 10) is None
    assert figures.cell_of_selection([{"x": None, "y": "a"}], 10) is None
    info = figures.EvaluationInfo(np.arange(9).reshape(3, 3), ("a", "b", "c"), 0.5, (0.4, 0.6))
    drawn = json.loads(figures.confusion_figure(info, (1, None)).to_json())
    text = {(y, x): t for trace in drawn["data"][1:] for x, y, t in zip(*positions(trace), strict=True)}
    assert text == {(i, j): "" if i == j == 0 else str(3 * i + j) for i in range(3) for j in range(3)}
    frame = drawn["layout"]["shapes"][0]
    assert (frame["x0"], frame["x1"], frame["y0"], frame["y1"]) == (-0.5, 2.5, 0.5, 1.5)


def positions(trace: dict[str, object]) -> tuple[list[int], list[int], list[str]]:
    def listed(values: object) -> list[int]:
        if isinstance(values, dict):
            return [int(value) for value in np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])]
        assert isinstance(values, list)
        return values

    text = trace["text"]
    assert isinstance(text, list)
    return listed(trace["x"]), listed(trace["y"]), text


def test_histograms_count_every_sample_once() -> None:
    values = np.random.default_rng(0).normal(size=500)
    drawn = figures.histogram_figure(values, values > 0, "margin", ("right", "wrong"), 0.0)
    assert sum(int(np.sum(trace.y)) for trace in drawn.data) == 500
    assert [trace.name for trace in drawn.data] == ["right", "wrong"]
    assert figures.histogram_figure(np.zeros(0), np.zeros(0, bool), "x", ("a", "b")).layout.annotations


def test_a_network_that_never_fires_is_assessed() -> None:
    found = evaluate(Model(torch.full((10, 784 * 4), -0.1), m=4, T=30), SOME)
    assert found.num_fired.max() == 0
    assert (found.margin == 0).all()


@pytest.mark.parametrize("after_spike", ["continue", "shunt"])
@pytest.mark.parametrize("time", ["grid", "exact"])
def test_evaluation_uses_the_mode_of_the_model(time: str, after_spike: str) -> None:
    model = Model(initial_weight(4, 10, 5, scale=8), m=4, T=40, time=time, after_spike=after_spike)
    net, times = model.to_layer(), pixel_spike_times(SOME.images, 4, 40)
    found = evaluate(model, SOME)
    np.testing.assert_allclose(found.v_max, net(times, "v_max").numpy(), atol=1e-5)
    np.testing.assert_allclose(found.t_max, net(times, "t_max").numpy(), atol=1e-2)
    assert found.last_time == (40 if time == "exact" else 39)
