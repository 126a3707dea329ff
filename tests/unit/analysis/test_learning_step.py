"""One step of learning against slow loops, and what every step and every walk of them must keep."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from tempotron_core.analysis.learning_step import (
    MAX_STEPS,
    RULES,
    StepSettings,
    apply_steps,
    decode_steps,
    encode_steps,
    learning_step,
)
from tempotron_core.data import datasets
from tempotron_core.model.classifier import PIXELS, Model, initial_weight, pixel_spike_table, pixel_spike_times, predict
from tempotron_core.snn.spike_store import SpikeStore
from tempotron_core.training.recipes import LOSSES, RECIPES
from tempotron_core.training.settings import Settings, initial_model
from tempotron_core.training.trainer import Trainer

DIGITS = datasets.load().test
SLOW_NEURONS = settings(deadline=None, max_examples=25)


def model_of(k: int = 1, width: float = 8.0, m: int = 3, T: int = 20, seed: int = 3, **more: Any) -> Model:
    return Model(initial_weight(m, 10 * k, seed, width), m=m, T=T, tempotrons_per_class=k, **more)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("k", [1, 3])
def test_a_step_is_the_equations(rule: str, k: int) -> None:
    model = model_of(k, tau=12.0, tau_s=4.0, v_threshold=0.8)
    exact = replace(model, weight=model.weight.double())
    pushed = 0
    for sample in (0, 5):
        label = int(DIGITS.labels[sample])
        times = pixel_spike_times(DIGITS.images[sample][None], model.m, model.T).numpy()
        spiking = times[0] >= 0
        table = reference.responses(times[:, spiking], model.T, 12.0, 4.0, 0.8)
        dw, errors, t_max = reference.learning_rule_step(
            exact.weight.numpy()[:, spiking], table, k, 0.8, label, 1e-3, rule
        )
        # In float32 an error other than 1 or -1 carries the rounding of its peak.
        for given_model, tolerance in ((exact, 1e-12), (model, 1e-6 if rule == "linear" else 1e-5)):
            found = learning_step(given_model, DIGITS.images[sample], StepSettings(label, 1e-3, rule))
            moved = found.dw.view(10 * k, -1).numpy()
            scale = np.abs(dw).max()
            assert np.abs(moved[:, spiking] - dw).max() <= tolerance * scale
            assert not moved[:, ~spiking].any()
            assert np.allclose(found.error.view(-1).numpy(), errors, rtol=0, atol=max(tolerance, 1e-9) * 10)
            pushing = np.abs(errors) > 1e-9
            assert (found.t_max.view(-1).numpy()[pushing] == t_max[pushing]).all()
            squares = [
                1e-3 * errors[o] * sum(table[0, i, t_max[o]] ** 2 for i in range(spiking.sum())) for o in range(10 * k)
            ]
            assert np.allclose(found.predicted.view(-1).numpy(), squares, rtol=max(10 * tolerance, 1e-9), atol=1e-9)
        pushed += int(pushing.sum())
    assert pushed >= 4


@pytest.mark.parametrize("rule", RULES)
def test_a_step_is_what_gradient_descent_does(rule: str) -> None:
    model, image, label = model_of(), DIGITS.images[5], DIGITS.labels[5:6]
    net = model.to_layer().requires_grad_(True)
    net.fc.weight.data = model.weight.clone()
    optimiser = torch.optim.SGD(net.parameters(), lr=3e-3)
    LOSSES[rule](net(pixel_spike_times(image[None], model.m, model.T), "v_max"), 1.0, label).backward()
    optimiser.step()
    found = learning_step(model, image, StepSettings(int(label), 3e-3, rule))
    assert found.changes_weights
    assert torch.allclose(found.model.weight, net.fc.weight, rtol=0, atol=1e-7)


def test_a_step_is_the_training_loops_own() -> None:
    chosen = Settings(m=3, T=20, recipe="reference", lr=2e-3)
    store = SpikeStore(pixel_spike_table(3, 20), DIGITS.images[7:8].view(-1, PIXELS), 20)
    list(store.fill())
    trainer = Trainer(chosen, 10)
    trainer.step(store.batch(torch.tensor([0])), DIGITS.labels[7:8], 0.0)
    found = learning_step(
        initial_model(chosen), DIGITS.images[7], StepSettings(int(DIGITS.labels[7]), 2e-3, RECIPES["reference"].loss)
    )
    assert found.changes_weights
    assert torch.allclose(found.model.weight, trainer.net.fc.weight, rtol=0, atol=1e-7)


@SLOW_NEURONS
@given(
    st.integers(0, 200), st.integers(0, 9), st.sampled_from(RULES), st.sampled_from([1, 2]), st.floats(-6, -2),
    st.integers(0, 5),
)  # fmt: skip
def test_what_every_step_keeps(sample: int, target: int, rule: str, k: int, exponent: float, seed: int) -> None:
    model = model_of(k, m=4, T=40, seed=seed)
    untouched = model.weight.clone()
    found = learning_step(model, DIGITS.images[sample], StepSettings(target, 10**exponent, rule))
    times = found.before.times
    assert torch.equal(model.weight, untouched)
    for c in range(10):
        for j in range(k):
            changed = found.dw[c, j] != 0
            assert bool(((times[changed] >= 0) & (times[changed] < found.t_max[c, j])).all())
            assert bool((found.dw[c, j][changed].sign() == found.error[c, j].sign()).all())
    if rule != "cross-entropy":
        right = ~found.wrong.repeat_interleave(k)
        assert torch.equal(found.model.weight[right], model.weight[right])
        assert torch.equal(found.after.v_max[~found.wrong], found.before.v_max[~found.wrong])
    assert torch.allclose(found.actual, found.predicted, rtol=1e-4, atol=2e-5)
    there = found.after.neurons.gather(2, found.t_max.unsqueeze(-1)).squeeze(-1)
    assert bool((found.after.neurons.amax(dim=2) >= there).all())
    assert torch.equal(found.wrong, (found.before.v_max >= 1) != (torch.arange(10) == target))


def test_a_population_shares_its_error_by_the_softmax_of_its_peaks() -> None:
    model = model_of(4)
    found = learning_step(model, DIGITS.images[0], StepSettings(2, 1e-3, "cross-entropy"))
    peaks = found.before.neurons.amax(dim=2)
    shares = peaks.softmax(dim=1)
    errors = torch.nn.functional.one_hot(torch.tensor(2), 10) - found.before.v_max.softmax(dim=0)
    assert torch.allclose(found.error, errors.unsqueeze(1) * shares, atol=1e-6)


def silent_model(weight: torch.Tensor) -> Model:
    return Model(weight, m=3, T=20)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("weight", [torch.zeros(10, 2352), -initial_weight(3, 10, 0).abs()])
def test_what_is_never_above_rest_cannot_learn(rule: str, weight: torch.Tensor) -> None:
    found = learning_step(silent_model(weight), DIGITS.images[0], StepSettings(0, 1e-2, rule))
    assert bool(found.dead_outputs.all()) and bool(found.error[0] > 0)
    assert not found.changes_weights and not found.predicted.any()
    assert torch.equal(found.model.weight, weight)
    taken = apply_steps(silent_model(weight), DIGITS.images[0]).extended(StepSettings(0, 1e-2, rule), 10)
    assert taken.steps == ()


def test_a_step_on_a_network_that_is_right_changes_nothing() -> None:
    image = DIGITS.images[3]
    taken = apply_steps(model_of(), image).extended(StepSettings(5, 1e-2), MAX_STEPS)
    found = learning_step(taken.model, image, StepSettings(5, 1e-2))
    assert 0 < len(taken.steps) < MAX_STEPS
    assert not found.wrong.any() and not found.error.any() and not found.changes_weights
    assert torch.equal(found.model.weight, taken.model.weight)
    assert taken.extended(StepSettings(5, 1e-2)).steps == taken.steps


@pytest.mark.parametrize("k", [1, 3])
def test_a_walk_goes_step_by_step_and_back_to_the_same_bits(k: int) -> None:
    model, image = model_of(k), DIGITS.images[5]
    untouched = model.weight.clone()
    lessons = [StepSettings(8, 1e-3, rule) for rule in ("cross-entropy", "linear", "cross-entropy", "threshold-mse")]
    walks = [apply_steps(model, image)]
    for lesson in lessons:
        found = learning_step(walks[-1].model, image, lesson)
        walks.append(walks[-1].extended(lesson))
        assert torch.equal(walks[-1].model.weight, found.model.weight)
        assert torch.equal(walks[-1].peaks[-1], found.before.v_max)
    assert len(walks[-1].steps) == 4
    assert not torch.equal(walks[-1].model.weight, untouched)
    back = walks[-1]
    for earlier in walks[-2::-1]:
        back = back.undone()
        assert back.steps == earlier.steps
        assert torch.equal(back.model.weight, earlier.model.weight)
    assert torch.equal(model.weight, untouched) and back.model is model
    assert torch.equal(apply_steps(model, image, tuple(lessons)).model.weight, walks[-1].model.weight)


def test_a_walk_has_an_end() -> None:
    lesson = StepSettings(1, 1e-6, "cross-entropy")
    taken = apply_steps(model_of(), DIGITS.images[0]).extended(lesson, 30).extended(lesson, 30)
    assert len(taken.steps) == len(taken.peaks) == MAX_STEPS
    assert taken.extended(lesson).steps == taken.steps
    assert torch.equal(taken.peaks[0], predict(taken.origin, DIGITS.images[0]).v_max)


STEP_SETTINGS = st.builds(StepSettings, st.integers(0, 9), st.floats(1e-9, 1), st.sampled_from(RULES))


@given(st.lists(STEP_SETTINGS, max_size=8).flatmap(lambda some: st.just(some * 2)))
def test_a_link_holds_the_lessons(lessons: list[StepSettings]) -> None:
    assert decode_steps(encode_steps(tuple(lessons)), 10) == tuple(lessons)


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "linear", "1_linear_3", "1_linear_10_0.1", "1_linear_-1_0.1", "0_linear_3_0.1", "-1_linear_3_0.1",
        "51_linear_3_0.1", "50_linear_3_0.1*1_linear_3_0.1", "1_hinge_3_0.1", "1_linear_3_nan", "1_linear_3_inf",
        "1_linear_3_2", "1_linear_3_-0.1", "1_linear_3_0.1*", "1_linear_x_0.1", "<script>", "9" * 5000,
        "1_linear_3_0.1_1",
    ],
)  # fmt: skip
def test_anything_else_in_a_link_is_no_lesson(text: str) -> None:
    assert decode_steps(text, 10) == ()


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ((0, 0.0), ValueError), ((0, math.nan), ValueError), ((0, math.inf), ValueError), ((0, -1.0), ValueError),
        ((0, "fast"), TypeError), ((0, 0.1, "hebbian"), ValueError), ((10, 0.1), ValueError), ((-1, 0.1), ValueError),
    ],
)  # fmt: skip
def test_lessons_that_cannot_be_taught_are_refused(given: tuple[Any, ...], kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"expected .* got"):
        learning_step(model_of(), DIGITS.images[0], StepSettings(*given))


@pytest.mark.parametrize(("time", "after_spike"), [("grid", "shunt"), ("exact", "continue"), ("exact", "shunt")])
def test_the_change_of_each_mode_is_the_predicted_one(time: str, after_spike: str) -> None:
    model = replace(Model(initial_weight(6, 10, 3, 20.0), m=6), time=time, after_spike=after_spike)
    step = learning_step(model, DIGITS.images[0], StepSettings(3, 1e-3, "threshold-mse"))
    assert step.error.any() and (step.before.t_spike >= 0).any()
    torch.testing.assert_close(step.actual, step.predicted, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(step.t_max, step.before.peak_times)
