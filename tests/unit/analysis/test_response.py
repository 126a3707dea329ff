"""The potential between whole milliseconds: the sum of the contributions, in every mode of the neuron."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import reference

from pages.state.experiment import voltage_info
from tempotron_core.analysis.attribution import kernel_at_peak
from tempotron_core.analysis.response import potentials_at, response_between
from tempotron_core.data import datasets
from tempotron_core.model.classifier import Model, predict
from tempotron_core.training.settings import Settings, initial_model

IMAGES = datasets.load().test.images[:4]
MODES = [(time, after) for time in ("grid", "exact") for after in ("continue", "shunt")]


def network(time: str, after_spike: str, k: int = 1) -> Model:
    """Untrained weights large enough for some outputs to fire and others not."""
    weight = 2 * initial_model(Settings(m=4)).weight.repeat_interleave(k, dim=0)
    weight += 0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) * (k > 1)
    return Model(weight, m=4, T=40, tempotrons_per_class=k, firing_threshold=0.2, time=time, after_spike=after_spike)


@pytest.mark.parametrize(("time", "after_spike"), MODES)
def test_contributions_sum_to_v_at_peak_crossing_and_cursor(time: str, after_spike: str) -> None:
    model, crossings = network(time, after_spike), 0
    for image in IMAGES:
        decision = predict(model, image)
        for output in range(10):
            t_max, t_spike = float(decision.peak_times[output, 0]), float(decision.t_spike[output, 0])
            crossings += t_spike >= 0
            moments = {t_max: float(decision.peaks[output, 0]), 17.0: float(decision.neurons[output, 0, 17])}
            if t_spike >= 0 and time == "exact":
                moments[t_spike] = model.threshold
            for t, v in moments.items():
                terms = kernel_at_peak(model, decision.times, t, t_spike).reshape(-1) * model.weight[output].double()
                assert float(terms.sum()) == pytest.approx(v, abs=1e-4)
                at = potentials_at(model, decision, torch.tensor([t], dtype=torch.float64))
                assert float(at[output, 0, 0]) == pytest.approx(v, abs=1e-4)
    assert 0 < crossings < 40


def test_potentials_between_the_grid_are_those_of_a_slow_loop() -> None:
    model = network("exact", "shunt")
    decision = predict(model, IMAGES[0])
    at, times = torch.tensor([0.0, 3.25, 12.5, 39.9]), decision.times.reshape(-1).tolist()
    found = potentials_at(model, decision, at)
    for output in (0, 3):
        end = float(decision.t_spike[output, 0])
        for t, v in zip(at.tolist(), found[output, 0].tolist(), strict=True):
            wanted = sum(
                w * reference.kernel(t - t_i, model.tau, model.tau_s, model.v_threshold)
                for w, t_i in zip(model.weight[output].tolist(), times, strict=True)
                if t_i >= 0 and (end < 0 or t_i < end)
            )
            assert v == pytest.approx(wanted, abs=1e-6)


def test_the_curves_pass_through_peaks_and_crossings() -> None:
    model = network("exact", "shunt")
    for image in IMAGES:
        decision = predict(model, image)
        response, info = response_between(model, decision), voltage_info(model, decision, tuple("0123456789"), 3)
        assert response.unshunted is not None and not torch.equal(response.unshunted, response.v)
        for output in range(10):
            at_peak = torch.isclose(response.t, decision.t_max[output].double(), atol=1e-9)
            assert float(response.v[output][at_peak][0]) == pytest.approx(float(decision.v_max[output]), abs=1e-5)
            assert float(response.v[output].max()) <= float(decision.v_max[output]) + 1e-5
        assert info.is_exact and info.last_time == 40
        assert f"peaks at {float(decision.t_max[info.predicted]):.2f} ms" in info.prediction_text


def test_text_distinguishes_single_neurons_from_the_pooled_value() -> None:
    model = replace(network("grid", "continue", k=3), firing_threshold=0.4)
    for image in IMAGES:
        decision = predict(model, image)
        info = voltage_info(model, decision, tuple("0123456789"), None)
        pooled, single = int((decision.v_max >= 0.4).sum()), int((decision.peaks >= 0.4).any(dim=1).sum())
        assert single >= pooled
        text = info.firing_text
        assert text.startswith("The pooled value of " + (f"{pooled} of 10 classes" if pooled else "no class"))
        for name, count in zip("0123456789", (decision.t_spike >= 0).sum(dim=1).tolist(), strict=True):
            assert (f"{count} of 3 of {name} (first at" in text) == (count > 0)
        assert "the strongest neuron of" in info.prediction_text


def test_a_crossing_is_not_the_peak() -> None:
    model = network("grid", "continue")
    for image in IMAGES:
        decision = predict(model, image)
        info = voltage_info(model, decision, tuple("0123456789"), None)
        for output in info.has_fired.nonzero()[0]:
            trace = decision.v[output]
            first = int((trace >= model.threshold).nonzero()[0])
            assert f"{output} at {first} ms" in info.firing_text or f"Only {output} crosses" in info.firing_text
            assert int(decision.t_max[output]) == int(trace.argmax())
