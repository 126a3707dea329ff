"""Perturbed images and spikes against slow loops, their decisions against the equations, and the figures of both."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import reference

from tempotron_core import figures
from tempotron_core.analysis import robustness
from tempotron_core.analysis.evaluation import evaluate, wilson_interval
from tempotron_core.analysis.robustness import (
    COMBINED,
    SWEEPS,
    Perturbation,
    num_correct,
    perturb_image,
    perturb_spikes,
    subsample,
)
from tempotron_core.data import datasets
from tempotron_core.model.classifier import Model, initial_weight, pixel_spike_times, predict, predict_from_spikes

DIGITS = datasets.load().test
FEW = datasets.Split(DIGITS.images[:130], DIGITS.labels[:130])
MUCH = Perturbation(2.3, 0.2, 1.7, 12.0, 2, -1, 5)


def model_of(m: int = 6, k: int = 1, width: float = 5.0, **more: Any) -> Model:
    return Model(initial_weight(m, 10 * k, 3, width), m=m, tempotrons_per_class=k, **more)


def times_of(model: Model, images: torch.Tensor) -> torch.Tensor:
    return pixel_spike_times(images, model.m, model.T, model.beta)


@pytest.mark.parametrize("k", [1, 3])
def test_no_perturbation_is_the_clean_decision_exactly(k: int) -> None:
    model, none = model_of(k=k), Perturbation(seed=9)
    for sample in range(20):
        image = DIGITS.images[sample : sample + 1]
        times = perturb_spikes(times_of(model, perturb_image(image, none)), none)
        found, clean = predict_from_spikes(model, times), predict(model, image[0])
        for field in fields(clean):
            one, other = getattr(found, field.name), getattr(clean, field.name)
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
    assert num_correct(model, FEW, none) == int(evaluate(model, FEW).correct.sum())
    assert none.description == ""


def test_a_perturbed_decision_is_the_equations() -> None:
    model = model_of(3, T=20, tau=9.0, tau_s=2.5, v_threshold=0.7)
    images = perturb_image(DIGITS.images[:1], MUCH)
    times = perturb_spikes(times_of(model, images), MUCH)
    assert not torch.equal(times, times.round())
    assert bool((times > model.T - 1).any())
    found = predict_from_spikes(model, times)
    v = reference.potential(model.weight.numpy(), reference.responses(times.numpy(), 20, 9.0, 2.5, 0.7))
    v_max, t_max = reference.peaks(v)
    assert np.allclose(found.v.numpy(), v[0], atol=1e-5)
    assert np.allclose(found.v_max.numpy(), v_max[0], atol=1e-5)
    clear = reference.clear_peaks(v, 1e-5)[0]
    assert np.array_equal(found.t_max.numpy()[clear], t_max[0][clear])


@pytest.mark.parametrize(("right", "down"), [(2, -1), (-5, 3), (0, 27), (28, 0), (-28, -28), (1, 0)])
def test_a_shifted_image_is_the_pixels_elsewhere(right: int, down: int) -> None:
    image = DIGITS.images[7]
    (found,) = perturb_image(image.unsqueeze(0), Perturbation(shift_x=right, shift_y=down))
    for row in range(28):
        for column in range(28):
            there = 0 <= row - down < 28 and 0 <= column - right < 28
            assert int(found[row, column]) == (int(image[row - down, column - right]) if there else 0)


def test_noise_has_its_strength_and_stays_within_grey_values() -> None:
    grey = torch.full((50, 28, 28), 128, dtype=torch.uint8)
    difference = perturb_image(grey, Perturbation(noise=10.0)).double() - 128
    assert float(difference.std()) == pytest.approx(10, rel=0.02)
    assert abs(float(difference.mean())) < 0.2
    loud = perturb_image(grey, Perturbation(noise=300.0))
    assert (int(loud.min()), int(loud.max())) == (0, 255)


def test_jitter_delay_and_loss_do_what_they_say() -> None:
    times = torch.full((40, 1000), 50.0)
    times[:, ::4] = -1
    jittered = perturb_spikes(times, Perturbation(jitter=3.0)) - times
    assert not jittered[:, ::4].any()
    spiking = torch.ones(1000, dtype=torch.bool)
    spiking[::4] = False
    assert float(jittered[:, spiking].std()) == pytest.approx(3, rel=0.03)
    assert torch.equal(perturb_spikes(times, Perturbation(delay=7.5))[:, spiking], times[:, spiking] + 7.5)
    lost = perturb_spikes(times, Perturbation(drop=0.3))
    assert float((lost[:, spiking] < 0).double().mean()) == pytest.approx(0.3, abs=0.01)
    assert bool(((lost == 50) | (lost < 0)).all())
    assert not bool((perturb_spikes(times, Perturbation(drop=1.0)) >= 0).any())
    early = perturb_spikes(torch.zeros(1, 1000), Perturbation(jitter=3.0))
    assert float(early.min()) == 0
    assert 0.4 < float((early == 0).double().mean()) < 0.6


def test_the_same_seed_is_the_same_chance_and_more_of_it_the_same_chance_stronger() -> None:
    times = torch.full((2, 5000), 50.0)
    weak, strong = (perturb_spikes(times, Perturbation(jitter=jitter, seed=4)) - 50 for jitter in (1.0, 4.0))
    assert torch.allclose(4 * weak, strong, atol=1e-4)
    few, many = (perturb_spikes(times, Perturbation(drop=drop, seed=4)) < 0 for drop in (0.2, 0.5))
    assert bool((few <= many).all())
    for now in (Perturbation(jitter=2.0, seed=4), Perturbation(drop=0.4, seed=4)):
        assert torch.equal(perturb_spikes(times, now), perturb_spikes(times, now))
        assert not torch.equal(perturb_spikes(times, now), perturb_spikes(times, replace(now, seed=5)))
        assert not torch.equal(perturb_spikes(times, now), perturb_spikes(times, now, chunk=1))
    noisy = Perturbation(noise=20.0, seed=4)
    assert torch.equal(perturb_image(DIGITS.images[:2], noisy), perturb_image(DIGITS.images[:2], noisy))
    assert not torch.equal(
        perturb_image(DIGITS.images[:2], noisy), perturb_image(DIGITS.images[:2], replace(noisy, seed=3))
    )


def test_what_comes_too_late_does_nothing() -> None:
    model = model_of()
    times = perturb_spikes(times_of(model, DIGITS.images[:1]), Perturbation(jitter=4.0, delay=20.0))
    late = times > model.T - 1
    assert 0 < int(late.sum()) < int((times >= 0).sum())
    found, without = predict_from_spikes(model, times), predict_from_spikes(model, times.masked_fill(late, -1.0))
    assert torch.equal(found.v, without.v)


@pytest.mark.parametrize("k", [1, 2])
def test_hits_are_the_right_decisions_one_by_one(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "_CHUNK", 20)
    model, right = model_of(k=k), 0
    split = datasets.Split(FEW.images[:26], FEW.labels[:26])
    for part, start in enumerate((0, 20)):
        images, labels = split.images[start : start + 20], split.labels[start : start + 20]
        times = perturb_spikes(times_of(model, perturb_image(images, MUCH, part)), MUCH, part)
        for spikes, label in zip(times, labels, strict=True):
            right += int(predict_from_spikes(model, spikes.unsqueeze(0)).v_max.argmax()) == int(label)
    assert 0 < right < len(split)
    assert num_correct(model, split, MUCH) == right


def test_a_large_split_is_measured_on_a_part_that_stays_the_same() -> None:
    assert subsample(FEW) is FEW
    one, other = subsample(DIGITS, 300), subsample(DIGITS, 300)
    assert len(one) == 300
    assert torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)
    assert len({int(label) for label in one.labels}) == 10


@pytest.mark.parametrize("kind", SWEEPS.values(), ids=list(SWEEPS))
def test_a_kind_alone_at_every_strength(kind: Any) -> None:
    assert 0 in kind.strengths
    assert list(kind.strengths) == sorted(set(kind.strengths))
    for strength in kind.strengths:
        found = kind.perturbation(strength, MUCH)
        assert found.seed == MUCH.seed
        if kind.field:
            assert kind.current_strength(found) == pytest.approx(strength)
            assert replace(found, **{kind.field: 0}) == Perturbation(seed=MUCH.seed)
        else:
            assert found.jitter == pytest.approx(MUCH.jitter * strength / 100)
    assert SWEEPS[COMBINED].perturbation(100, MUCH) == MUCH
    assert SWEEPS[COMBINED].perturbation(0, MUCH) == Perturbation(seed=MUCH.seed)
    assert SWEEPS[COMBINED].perturbation(200, replace(MUCH, drop=0.9)).drop == 1.0


def test_a_perturbation_in_words() -> None:
    words = "2.3 ms jitter, 20% of spikes lost, 1.7 ms delay, noise 12, shift right 2 px, shift down −1 px"
    assert MUCH.description == words


@pytest.mark.parametrize("name", ["jitter", "drop", "delay", "noise", "shift_x", "shift_y", "seed"])
@pytest.mark.parametrize("value", [-30.5, -29, float("nan"), float("inf"), 1e12, "4", None, True])
def test_values_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{name}: expected a .*number from .*got .*;"):
        Perturbation(**{name: value})


def info_of(model: Model, sample: int, now: Perturbation, true: int | None = None) -> figures.PerturbedInfo:
    image = DIGITS.images[sample : sample + 1]
    times = perturb_spikes(times_of(model, perturb_image(image, now)), now)
    infos = [
        figures.VoltageInfo(d.v.numpy(), d.v_max.numpy(), d.t_max.numpy(), d.v_threshold, tuple("abcdefghij"), true)
        for d in (predict(model, image[0]), predict_from_spikes(model, times))
    ]
    return figures.PerturbedInfo(infos[0], infos[1], now.description)


def peaking(values: dict[int, float], true: int | None = None) -> figures.VoltageInfo:
    peaks = np.zeros(10)
    for output, value in values.items():
        peaks[output] = value
    return figures.VoltageInfo(peaks[:, None].repeat(5, 1), peaks, np.full(10, 2), 1.0, tuple("0123456789"), true)


@pytest.mark.parametrize(
    ("clean", "now", "true", "words", "colour"),
    [
        ({7: 2}, {7: 1.5, 9: 1}, 7, "Prediction unchanged: 7 with it; lead 2.00 → 0.50.", "blue"),
        ({7: 2}, {7: 1.5, 9: 1}, None, "Prediction unchanged: 7 with it; lead 2.00 → 0.50.", ""),
        (
            {7: 2},
            {7: 1.5, 9: 1},
            9,
            "Prediction unchanged: 7 (true class 9) with it; lead 2.00 → 0.50.",
            "orange",
        ),
        ({7: 2}, {7: 1, 9: 1.5}, 7, "Prediction changed: 7 → 9 with it; lead 2.00 → 0.50.", "orange"),
        ({7: 2}, {7: 1, 9: 1.5}, 9, "Prediction corrected: 7 → 9 with it; lead 2.00 → 0.50.", "blue"),
        ({7: 2}, {}, 7, "Prediction changed: 7 → tie with it; lead 2.00 → 0.00.", "orange"),
        ({}, {}, 0, "Tie: 10 outputs share the highest peak, so no class is predicted.", "orange"),
    ],
)
def test_the_headline_says_whether_the_decision_stands(
    clean: dict[int, float], now: dict[int, float], true: int | None, words: str, colour: str
) -> None:
    info = figures.PerturbedInfo(peaking(clean, true), peaking(now, true), "it")
    assert (info.headline, info.colour) == (words, colour)
    assert replace(info, description="").headline == info.perturbed.prediction_text


def test_the_figure_shows_the_leaders_of_before_dotted() -> None:
    info = info_of(model_of(), 3, MUCH, 4)
    dotted = [trace for trace in figures.perturbed_figure(info).data if trace.line.dash == "dot"]
    leaders = {info.clean.predicted, info.perturbed.predicted, 4}
    assert {trace.name for trace in dotted} == {f"{'abcdefghij'[i]}, clean" for i in leaders}
    for trace in dotted:
        assert np.array_equal(trace.y, info.clean.v["abcdefghij".index(trace.name[0])])
    low, high = figures.perturbed_figure(info).layout.yaxis.range
    assert low <= min(info.clean.v.min(), info.perturbed.v.min())
    assert high >= max(info.clean.v.max(), info.perturbed.v.max())
    assert len(figures.perturbed_figure(info).to_json()) < 300_000
    none = figures.perturbed_figure(info_of(model_of(), 3, Perturbation(), 4))
    assert not [trace for trace in none.data if trace.line.dash == "dot"]


def test_moved_spikes_are_counted_one_by_one() -> None:
    before = np.array([[1.0, 5, -1, 9], [3, 8, 2, -1]])
    after = np.array([[1.0, 6.5, 4, -1], [3, 9.25, -1, 30]])
    found = figures.spike_changes_info(before, after, 10)
    assert (found.num_before, found.num_moved, found.num_lost, found.num_late, found.num_new) == (6, 1, 2, 1, 1)
    assert found.takeaway == "Of 6 spikes: 1 moved, 2 lost, 1 after the window, 1 new."
    assert [np.flatnonzero(row).tolist() for row in found.current] == [[1, 4, 6], [3]]
    assert [np.flatnonzero(row).tolist() for row in found.previous] == [[5, 9], [2, 8]]
    assert figures.spike_changes_info(before, before, 10).takeaway == "All 6 spikes are unchanged."
    assert "with perturbation" in figures.spike_changes_html(found)


def curve_of(
    shares: list[float], present: float, strengths: tuple[float, ...] = (0, 5, 10, 20)
) -> figures.RobustnessInfo:
    counts = tuple(round(1000 * share) for share in shares)
    intervals = tuple(wilson_interval(count, 1000) for count in counts)
    return figures.RobustnessInfo("jitter", "jitter, ms", "{} ms", strengths, counts, intervals, 1000, 0.1, present)


@pytest.mark.parametrize(
    ("shares", "present", "change", "lead"),
    [
        ([0.9, 0.8, 0.6, 0.4], 10, "falls: 90.0% → 60.0% at 10 ms", "halfway to chance at 15 ms"),
        ([0.9, 0.8, 0.6, 0.4], 7.5, "falls: 90.0% → about 70.0% at 7.5 ms", "halfway to chance at 15 ms"),
        ([0.9, 0.8, 0.7, 0.6], 0, "falls: 90.0% → 60.0% at 20 ms", "less than halfway to chance at 20 ms"),
        ([0.9, 0.9, 0.9, 0.89], 5, "is stable: 90.0% → 90.0% at 5 ms", "less than halfway to chance at 20 ms"),
        ([0.5, 0.6, 0.6, 0.6], 5, "rises: 50.0% → 60.0% at 5 ms", "less than halfway to chance at 20 ms"),
    ],
)
def test_the_curve_in_words(shares: list[float], present: float, change: str, lead: str) -> None:
    assert curve_of(shares, present).takeaway == f"Accuracy {change}; {lead}."
    guessing = "Accuracy without jitter is 10.0%, not above chance."
    assert curve_of([0.1, 0.1, 0.1, 0.1], present).takeaway == guessing


def test_a_curve_of_both_directions_speaks_of_the_side_that_is_set() -> None:
    shares, strengths = [0.1, 0.7, 0.9, 0.8, 0.2], (-4.0, -1.0, 0.0, 1.0, 4.0)
    assert curve_of(shares, -1, strengths).half_strength == pytest.approx(-2)
    assert curve_of(shares, 1, strengths).half_strength == pytest.approx(2.5)
    assert curve_of(shares, 0, strengths).half_strength == pytest.approx(2.5)
    assert "70.0% at −1 ms; halfway to chance at −2 ms" in curve_of(shares, -1, strengths).takeaway


def test_the_curve_shows_shares_and_their_intervals() -> None:
    info = curve_of([0.9, 0.8, 0.6, 0.4], 10)
    band, line = figures.robustness_figure(info).data
    assert np.allclose(line.y, [90, 80, 60, 40])
    assert np.allclose(band.y[:4], [100 * high for _, high in info.intervals])
    assert np.allclose(band.y[4:], [100 * low for low, _ in info.intervals][::-1])
    shapes = figures.robustness_figure(info).layout.shapes
    assert {shape.x0 for shape in shapes if shape.x0 == shape.x1} == {10}
    assert any(shape.y0 == pytest.approx(10) for shape in shapes)
