"""Every part of a peak against slow loops, and that the parts sum to the peak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import reference

from tempotron_core import figures
from tempotron_core.analysis.attribution import crossing_time, evidence
from tempotron_core.data import datasets
from tempotron_core.model.classifier import Model, initial_weight, predict

DIGITS = datasets.load().test


def model_of(m: int = 6, k: int = 1, width: float = 5.0, **more: Any) -> Model:
    return Model(initial_weight(m, 10 * k, 3, width), m=m, tempotrons_per_class=k, **more)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("sample", [0, 5, 11])
def test_parts_are_the_equations(sample: int, k: int) -> None:
    model = model_of(k=k, tau=20.0, tau_s=7.0, v_threshold=0.8)
    decision = predict(model, DIGITS.images[sample])
    for output in (0, 7):
        found = evidence(model, decision, output)
        peaks = decision.neurons[output].amax(dim=1)
        neuron = int(peaks.argmax())
        assert found.v_max == float(peaks.max())
        for pixel in (0, 300, 406, 431):
            for j in range(model.m):
                time = float(decision.times[pixel, j])
                kernel = 0.0 if time < 0 else reference.kernel(found.t_max - time, 20.0, 7.0, 0.8)
                weight = float(model.weight[output * k + neuron, pixel * model.m + j])
                assert float(found.kernel[pixel, j]) == pytest.approx(kernel, abs=1e-12)
                assert float(found.contributions[pixel, j]) == pytest.approx(weight * kernel, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2])
def test_parts_sum_to_the_peak_for_every_output_and_tempotron(k: int) -> None:
    model = model_of(16, k, 30.0)
    for sample in range(20):
        decision = predict(model, DIGITS.images[sample])
        for output in range(10):
            for neuron in range(k):
                assert evidence(model, decision, output, neuron).residual < 1e-4


def test_a_blank_image_and_a_silent_output_have_parts_that_sum_to_nothing() -> None:
    model = replace(model_of(), weight=-model_of().weight.abs())
    found = evidence(model, predict(model, torch.zeros(28, 28, dtype=torch.uint8)), 4)
    assert (found.v_max, found.t_max, found.residual) == (0.0, 0, 0.0)
    assert not found.contributions.any()


@pytest.mark.parametrize(("output", "neuron"), [(-1, None), (10, None), (0, 2), (0, -1)])
def test_what_does_not_exist_is_refused(output: int, neuron: int | None) -> None:
    model = model_of(k=2)
    with pytest.raises(ValueError, match="expected"):
        evidence(model, predict(model, DIGITS.images[0]), output, neuron)


def info_of(model: Model, sample: int, output: int, rival: int | None = None) -> figures.EvidenceInfo:
    decision = predict(model, DIGITS.images[sample])
    found = evidence(model, decision, output)
    arrays = found.weight.numpy(), found.kernel.numpy(), found.times.numpy(), found.v_max, found.t_max
    image = DIGITS.images[sample].numpy()
    if rival is None:
        return figures.EvidenceInfo(str(output), *arrays, image)
    other = evidence(model, decision, rival)
    return figures.EvidenceInfo(
        str(output), *arrays, image, str(rival), other.weight.numpy(), other.kernel.numpy(), other.v_max, other.t_max
    )


def test_the_maps_sum_to_the_peak_and_to_the_lead() -> None:
    model = model_of(16, width=30.0)
    for sample in range(8):
        v_max = predict(model, DIGITS.images[sample]).v_max
        alone, lead = info_of(model, sample, 3), info_of(model, sample, 3, 8)
        for info, total in ((alone, v_max[3]), (lead, v_max[3] - v_max[8])):
            assert info.total == pytest.approx(float(total), abs=1e-5)
            assert float(info.by_pixel.sum()) == pytest.approx(float(total), abs=1e-4)
            assert float(info.by_neuron.sum()) == pytest.approx(float(total), abs=1e-4)
            assert info.residual < 1e-4
        assert np.array_equal(lead.contributions, alone.contributions - info_of(model, sample, 8).contributions)


def test_words_follow_the_numbers() -> None:
    model = model_of(16, width=30.0)
    alone, lead = info_of(model, 0, 3), info_of(model, 0, 3, 8)
    assert f"Peak of 3 at {alone.t_max} ms: {alone.peak:.2f}," in alone.takeaway
    verb = "leads" if lead.total >= 0 else "trails"
    assert f"3 (peak at {lead.t_max} ms) {verb} 8 (peak at {lead.rival_t_max} ms) by" in lead.takeaway
    assert f"{abs(lead.total):.2f}" in lead.takeaway
    assert f"{alone.peak:.4f}" in alone.residual_text
    assert "No contribution differs" in info_of(model, 0, 3, 3).takeaway
    silent = replace(model, weight=-model.weight.abs())
    assert "No spike of this image contributes" in info_of(silent, 0, 3).takeaway


def test_figures_hold_the_maps_and_what_a_pixel_tells() -> None:
    info = info_of(model_of(16, width=30.0), 0, 3, 8)
    figure = figures.evidence_figure(info)
    heat = figure.data[0]
    assert np.allclose(heat.z, info.by_pixel, atol=1e-5)
    assert heat.zmax == -heat.zmin == pytest.approx(np.abs(info.by_pixel).max())
    pixel = int(np.argmax((info.times >= 0).sum(axis=1)))
    text = heat.text[pixel // 28][pixel % 28]
    first = int(np.flatnonzero(info.times[pixel] >= 0)[0])
    assert f"neuron {first + 1} at {info.times[pixel, first]:.0f} ms" in text
    assert f"3: w {info.weight[pixel, first]:+.3f}, K {info.kernel[pixel, first]:.3f}" in text
    assert "8: w" in text
    assert np.allclose(figures.neurons_figure(info).data[0].y, info.by_neuron, atol=1e-5)
    assert len(figure.to_json()) < 300_000


@pytest.mark.parametrize("after_spike", ["continue", "shunt"])
@pytest.mark.parametrize("time", ["grid", "exact"])
@pytest.mark.parametrize("k", [1, 3])
def test_contributions_sum_to_the_peak_of_each_mode(time: str, after_spike: str, k: int) -> None:
    image = DIGITS.images[3]
    model = model_of(k=k, width=20.0, time=time, after_spike=after_spike)
    decision = predict(model, image)
    assert (decision.t_spike >= 0).any()
    for output in range(10):
        assert evidence(model, decision, output).residual < 1e-4


@pytest.mark.parametrize("after_spike", ["continue", "shunt"])
@pytest.mark.parametrize("time", ["grid", "exact"])
def test_contributions_sum_to_the_potential_at_the_crossing_and_at_any_time(time: str, after_spike: str) -> None:
    model = model_of(width=20.0, time=time, after_spike=after_spike)
    decision = predict(model, DIGITS.images[3])
    crossings = 0
    for output in range(10):
        at = crossing_time(decision, output)
        if at is not None:
            found, crossings = evidence(model, decision, output, time=at), crossings + 1
            assert found.residual < 1e-4
            assert found.t_max == at
            assert found.v_max >= decision.v_threshold - 1e-6
        for t in (0, 17, 99):
            found = evidence(model, decision, output, time=t)
            assert found.v_max == float(decision.neurons[output, 0, t])
            assert found.residual < 1e-4
    assert 0 < crossings < 10
    between = evidence(model, decision, 0, time=17.5)
    assert (between.t_max, between.residual) == (17.5, 0)  # no independent value between two steps


@pytest.mark.parametrize("time", [-1, 100, float("nan")])
def test_a_time_outside_the_window_is_refused(time: float) -> None:
    model = model_of()
    with pytest.raises(ValueError, match="expected 0 to 99"):
        evidence(model, predict(model, DIGITS.images[0]), 0, time=time)


def test_the_strongest_spikes_are_those_of_a_slow_search() -> None:
    info = info_of(model_of(16, width=30.0), 0, 3, 8)
    contributions = info.contributions
    wanted = sorted(
        ((abs(float(contributions[i, j])), i, j) for i in range(784) for j in range(16) if contributions[i, j]),
        key=lambda entry: -entry[0],
    )[:10]
    found = info.strongest_spikes(10)
    assert [abs(value) for *_, value in found] == [size for size, *_ in wanted]
    for pixel, neuron, time, value in found:
        assert (time, value) == (info.times[pixel, neuron], contributions[pixel, neuron])
    markup = figures.strongest_spikes_html(info)
    pixel, neuron, time, _ = found[0]
    assert f"row {pixel // 28 + 1}, column {pixel % 28 + 1}, neuron {neuron + 1}" in markup
    assert f'data-pixel="{pixel}"' in markup
    assert markup.count("<button") == 10
