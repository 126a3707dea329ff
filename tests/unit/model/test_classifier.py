"""Images as spike times, and the decision of a network on one of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import reference

from tempotron_core import GaussianTuning
from tempotron_core.data.datasets import load
from tempotron_core.figures import VoltageInfo
from tempotron_core.model.classifier import (
    PIXELS,
    Model,
    Prediction,
    initial_weight,
    log_mean_exp_pool,
    pixel_spike_times,
    pixel_tuning,
    predict,
)

EVERY_VALUE = torch.arange(PIXELS).remainder(256).to(torch.uint8).view(1, 28, 28)


def voltage_info(decision: Prediction) -> VoltageInfo:
    names = tuple(map(str, range(len(decision.v))))
    v, v_max, t_max = decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy()
    return VoltageInfo(v, v_max, t_max, decision.v_threshold, names, None)


@pytest.mark.parametrize(("m", "T", "beta"), [(16, 100, 1.5), (3, 1, 1.5), (4, 1000, 0.7), (9, 50, 4.0)])
def test_pixels_are_coded_as_the_tuning_curves_say(m: int, T: int, beta: float) -> None:
    images = torch.cat((EVERY_VALUE, EVERY_VALUE.flip(1), torch.zeros_like(EVERY_VALUE)))
    tuning = GaussianTuning(PIXELS, m, torch.zeros(PIXELS), torch.ones(PIXELS), beta)
    wanted = tuning.encode((images / 255).view(3, PIXELS, 1), T).view(3, PIXELS * m)
    times = pixel_spike_times(images, m, T, beta)
    assert times.dtype == torch.float32
    assert torch.equal(times, wanted)


def test_one_code_serves_all_pixels() -> None:
    assert pixel_tuning(7, 2.0).mu.shape == (1, 7)
    assert pixel_spike_times(EVERY_VALUE, 5, 40).view(PIXELS, 5)[0].tolist() == (
        pixel_tuning(5).encode(torch.zeros(1, 1, 1), 40).view(-1).tolist()
    )


def test_initial_weights_are_seeded_and_bounded() -> None:
    weight = initial_weight(4, 10, 3)
    assert weight.shape == (10, 4 * PIXELS)
    assert torch.equal(weight, initial_weight(4, 10, 3))
    assert not torch.equal(weight, initial_weight(4, 10, 4))
    bound = (4 * PIXELS) ** -0.5
    assert float(weight.abs().max()) <= bound
    assert float(weight.abs().max()) > 0.99 * bound


def test_decision_agrees_with_the_oracle() -> None:
    m, T = 3, 20
    image = torch.randint(0, 256, (28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    model = Model(initial_weight(m, 4, 1), m, T, 1.5, 12.0, 3.0, 0.8)
    decision = predict(model, image)
    times = pixel_spike_times(image.unsqueeze(0), m, T)
    v = reference.potential(model.weight.numpy(), reference.responses(times.numpy(), T, 12.0, 3.0, 0.8))[0]
    v_max, t_max = reference.peaks(v[None])
    assert torch.equal(decision.times, times.view(PIXELS, m))
    assert np.allclose(decision.v, v, rtol=2e-4, atol=2e-5)
    assert np.allclose(decision.v_max, v_max[0], rtol=2e-4, atol=2e-5)
    assert decision.t_max.tolist() == t_max[0].tolist()
    ranking = sorted(v_max[0].tolist(), reverse=True)
    assert voltage_info(decision).predicted == int(v_max[0].argmax())
    assert voltage_info(decision).lead == pytest.approx(ranking[0] - ranking[1], abs=2e-5)
    assert not voltage_info(decision).is_tie
    assert voltage_info(decision).has_fired.tolist() == [bool(peak >= 0.8) for peak in v_max[0]]


def test_network_holds_the_weights_without_learning() -> None:
    model = Model(initial_weight(3, 10, 0), 3, 30, tau=10.0, tau_s=2.0, v_threshold=2.0)
    net = model.to_layer()
    assert torch.equal(net.fc.weight, model.weight)
    assert (net.T, net.tau, net.tau_s, net.v_threshold) == (30, 10.0, 2.0, 2.0)
    assert not net.fc.weight.requires_grad


def test_equal_peaks_are_tied() -> None:
    decision = predict(Model(torch.zeros(10, 3 * PIXELS), 3, 30), EVERY_VALUE[0])
    assert voltage_info(decision).predicted == 0
    assert voltage_info(decision).lead == 0
    assert voltage_info(decision).is_tie
    assert not voltage_info(decision).has_fired.any()


def test_firing_and_margin_of_known_neurons() -> None:
    weight = torch.zeros(4, 3 * PIXELS)
    times = pixel_spike_times(EVERY_VALUE, 3, 60)[0]
    early = int((times == times[times >= 0].min()).nonzero()[0])
    weight[1, early], weight[2, early], weight[3, early] = 1.5, 0.5, -1.0
    decision = predict(Model(weight, 3, 60), EVERY_VALUE[0])
    # On whole milliseconds the kernel is sampled beside its peak, so a little below the weight.
    assert decision.v_max.tolist() == pytest.approx([0, 1.5, 0.5, 0], abs=0.01)
    assert voltage_info(decision).predicted == 1
    assert voltage_info(decision).lead == pytest.approx(1.0, abs=0.01)
    assert not voltage_info(decision).is_tie
    assert voltage_info(decision).has_fired.tolist() == [False, True, False, False]
    twins = predict(Model(weight[[2, 1, 1]], 3, 60), EVERY_VALUE[0])
    assert voltage_info(twins).predicted == 1
    assert voltage_info(twins).is_tie
    assert voltage_info(twins).lead == 0


def test_a_single_output_decides_alone() -> None:
    decision = predict(Model(initial_weight(3, 1, 0), 3, 30), EVERY_VALUE[0])
    assert voltage_info(decision).predicted == 0
    assert not voltage_info(decision).is_tie
    assert voltage_info(decision).lead == pytest.approx(float(decision.v_max[0]))


def test_a_population_pools_its_tempotrons() -> None:
    k = 3
    weight = torch.randn(10 * k, PIXELS * 4, generator=torch.Generator().manual_seed(3)) * 0.02
    image = load().test.images[5]
    single, pooled_decision = (
        predict(Model(weight, m=4, T=40), image),
        predict(Model(weight, m=4, T=40, tempotrons_per_class=k), image),
    )
    assert pooled_decision.neurons.shape == (10, k, 40)
    assert torch.equal(pooled_decision.neurons.view(30, 40), single.v)
    for label in range(10):
        peaks = [float(single.v_max[label * k + j]) for j in range(k)]
        wanted = math.log(sum(math.exp(peak) for peak in peaks) / k)
        assert float(pooled_decision.v_max[label]) == pytest.approx(wanted, abs=1e-5)
        strongest = label * k + max(range(k), key=peaks.__getitem__)
        assert int(pooled_decision.t_max[label]) == int(single.t_max[strongest])
        at = single.v[label * k : (label + 1) * k, 20].double().exp().mean().log()
        assert float(pooled_decision.v[label, 20]) == pytest.approx(float(at), abs=1e-5)


def test_a_silent_population_is_at_rest() -> None:
    assert torch.allclose(log_mean_exp_pool(torch.zeros(2, 12), 4), torch.zeros(2, 3), atol=1e-6)


@pytest.mark.parametrize("time", ["grid", "exact"])
@pytest.mark.parametrize("after_spike", ["continue", "shunt"])
def test_firing_threshold_moves_crossings_and_leaves_potentials(time: str, after_spike: str) -> None:
    weight = initial_weight(4, 10, seed=3) * 40
    image = torch.randint(0, 256, (28, 28), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    plain = Model(weight, 4, 50, time=time, after_spike="continue")
    moved = replace(plain, firing_threshold=0.4, after_spike=after_spike)
    scaled = replace(plain, weight=weight / 0.4, v_threshold=0.4, after_spike=after_spike)  # the same potentials
    free, found, wanted = predict(plain, image), predict(moved, image), predict(scaled, image)
    assert found.v_threshold == 0.4
    assert torch.allclose(found.v, wanted.v, atol=1e-5)
    assert torch.allclose(found.t_spike, wanted.t_spike, atol=1e-3)
    if after_spike == "continue":
        assert torch.allclose(found.v, free.v, atol=1e-5)
        first = [next((t for t, v in enumerate(row) if v >= 0.4), -1) for row in free.v.tolist()]
        crossings = found.t_spike[:, 0].tolist()
        assert any(t >= 0 for t in first)
        for grid_time, crossing in zip(first, crossings, strict=True):
            assert crossing == grid_time or (time == "exact" and grid_time - 1 <= crossing <= max(grid_time, 50))
