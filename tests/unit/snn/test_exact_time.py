"""Exact peaks, crossings and shunting against a naive oracle, finite differences and SpikingJelly."""

import itertools
import os
import sys
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from helpers import reference
from numpy.typing import NDArray

from tempotron_core import Tempotron
from tempotron_core.data import datasets
from tempotron_core.model.classifier import Model, pixel_spike_times, pixel_tuning, predict
from tempotron_core.snn.engine import bin_spikes

TIME_CONSTANTS = [(15.0, 3.75), (15.0, 14.99), (3.75, 15.0), (40.0, 0.2)]
VALUE_ATOL = {torch.float64: 1e-6, torch.float32: 2e-4}
AFTER_SPIKE = ["continue", "shunt"]


@dataclass(frozen=True)
class Case:
    """One network: ties, simultaneous spikes, samples without spikes, and spikes at 0 and at T are in each."""

    tau: float
    tau_s: float
    whole: bool
    T: int = 60
    seed: int = 0

    @property
    def times(self) -> NDArray[Any]:
        rng = np.random.default_rng(self.seed)
        times = rng.uniform(-10, self.T + 5, (4, 14))
        times = np.round(times) if self.whole else times
        times[:, 1] = times[:, 0]  # simultaneous
        times[0, 2:5] = 0, self.T, self.T - 1
        times[3] = -1  # no spike at all
        return times.astype(np.float32).astype(np.float64)

    @property
    def weight(self) -> NDArray[Any]:
        w = np.random.default_rng(self.seed + 1).normal(0.1, 0.8, (6, 14))
        w[4] = -np.abs(w[4])  # never above 0
        w[5, 1] = -w[5, 0]  # two simultaneous spikes that cancel
        return w.astype(np.float32).astype(np.float64)

    def network(self, time: str, after_spike: str, dtype: torch.dtype = torch.float64) -> Tempotron:
        w = self.weight
        net = Tempotron(w.shape[1], w.shape[0], self.T, self.tau, self.tau_s, time=time, after_spike=after_spike)
        net = net.to(dtype)
        net.fc.weight.data = torch.from_numpy(w).to(dtype)
        return net


CASES = [Case(tau, tau_s, whole) for (tau, tau_s), whole in itertools.product(TIME_CONSTANTS, (True, False))]
CASES += [Case(15.0, 3.75, whole, T, 3) for T, whole in itertools.product((1, 2, 230), (True, False))]


@cache
def wanted_of(case: Case, after_spike: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The oracle's v_max, t_max, t_spike and clearness, [batch, out] each."""
    shunt = after_spike == "shunt"
    rows = [
        [reference.exact_response(w, times, case.T, case.tau, case.tau_s, 1.0, shunt) for w in case.weight]
        for times in case.times
    ]
    v_max, t_max, t_spike, clear = np.moveaxis(np.array(rows, dtype=float), -1, 0)
    return v_max, t_max, t_spike, clear.astype(bool)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("after_spike", AFTER_SPIKE)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_peaks_and_crossings_are_the_oracles(case: Case, after_spike: str, dtype: torch.dtype) -> None:
    v_max, t_max, t_spike, clear = wanted_of(case, after_spike)
    net, times = case.network("exact", after_spike, dtype), torch.from_numpy(case.times).to(dtype)
    got = {name: net(times, name).detach().double().numpy() for name in ("v_max", "t_max", "t_spike")}
    atol = VALUE_ATOL[dtype]
    np.testing.assert_allclose(got["v_max"], v_max, rtol=0, atol=atol * max(1.0, np.abs(v_max).max()))
    # The oracle finds a flat top to the square root of the precision only: 1e-8 of V is about 1e-3 ms.
    flat = 1e-2 if max(case.tau, case.tau_s) / min(case.tau, case.tau_s) > 100 else 2e-3
    np.testing.assert_allclose(got["t_max"][clear], t_max[clear], rtol=0, atol=flat)
    assert ((got["t_spike"] >= 0) == (t_spike >= 0)).all()
    np.testing.assert_allclose(got["t_spike"], t_spike, rtol=0, atol=atol)


@pytest.mark.parametrize("after_spike", AFTER_SPIKE)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_slope_at_an_inner_peak_is_zero(case: Case, after_spike: str) -> None:
    """Times of peaks to 1e-6 ms, where the value cannot tell: K' summed spike by spike over K'' there."""
    net, times = case.network("exact", after_spike), torch.from_numpy(case.times)
    t_max, t_spike, k = net(times, "t_max").detach(), net(times, "t_spike").detach(), net.kernel
    last = torch.where(t_spike >= 0, t_spike, case.T) if after_spike == "shunt" else torch.full_like(t_spike, case.T)
    s = (t_max.unsqueeze(-1) - times.unsqueeze(1)).detach()
    active = (times.unsqueeze(1) >= 0) & (s > 0) & (times.unsqueeze(1) < last.unsqueeze(-1))
    slow, fast = torch.exp(-s / k.slow) * k.scale, torch.exp(-s / k.fast) * k.scale
    weight = torch.where(active, net.fc.weight.detach(), 0)
    slope = torch.where(active, weight * (fast / k.fast - slow / k.slow), 0).sum(-1)
    curvature = torch.where(active, weight * (slow / k.slow**2 - fast / k.fast**2), 0).sum(-1)
    at_arrival = ((t_max.unsqueeze(-1) - times.unsqueeze(1)).abs() < 1e-9).any(-1)
    inner = (t_max > 0) & (t_max < case.T) & ~at_arrival
    assert inner.any() or case.T < 3
    assert ((slope / curvature).abs()[inner] < 1e-6).all()
    assert (slope[t_max == case.T] >= 0).all()


@pytest.mark.parametrize("name", ["v_max", "t_spike", "v"])
@pytest.mark.parametrize("after_spike", AFTER_SPIKE)
@pytest.mark.parametrize("time", ["exact", "grid"])
@pytest.mark.parametrize("case", CASES[:6], ids=str)
def test_gradients_are_finite_differences(case: Case, time: str, after_spike: str, name: str) -> None:
    net, times = case.network(time, after_spike), torch.from_numpy(case.times)
    value = net(times, name)
    if (time, name) == ("grid", "t_spike"):
        assert not value.requires_grad
        return
    generator = torch.Generator().manual_seed(5)
    cotangent = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    (grad,) = torch.autograd.grad((value * cotangent).sum(), net.fc.weight)
    wanted = torch.zeros_like(grad)
    step = 1e-6
    with torch.no_grad():
        for o, i in itertools.product(*map(range, grad.shape)):
            both = []
            for sign in (1, -1):
                net.fc.weight[o, i] += sign * step
                both.append((net(times, name) * cotangent)[:, o].sum())
                net.fc.weight[o, i] -= sign * step
            wanted[o, i] = (both[0] - both[1]) / (2 * step)
    scale = wanted.abs().amax(dim=1, keepdim=True).clamp(min=1e-3)
    assert ((grad - wanted).abs() <= 1e-3 * scale).all()
    assert wanted.abs().max() > 0.01


@pytest.mark.parametrize("whole", [True, False])
def test_float32_gradients_are_those_of_float64(whole: bool) -> None:
    case = Case(15.0, 3.75, whole)
    for after_spike, name in itertools.product(AFTER_SPIKE, ("v_max", "t_spike")):
        grads = []
        for dtype in (torch.float64, torch.float32):
            net = case.network("exact", after_spike, dtype)
            (grad,) = torch.autograd.grad(net(torch.from_numpy(case.times).to(dtype), name).sum(), net.fc.weight)
            grads.append(grad.double())
        torch.testing.assert_close(grads[1], grads[0], rtol=1e-3, atol=1e-3 * float(grads[0].abs().max()))


@pytest.mark.parametrize("case", [*CASES, *(Case(15.0, 3.75, False, 40, seed) for seed in range(10, 20))], ids=str)
def test_the_grid_with_shunting_is_the_masked_potential(case: Case) -> None:
    """The first grid step that reaches the threshold, and the potential without the arrivals from then on."""
    times, w = torch.from_numpy(case.times), torch.from_numpy(case.weight)
    k, grid = case.network("grid", "continue").kernel, torch.arange(case.T, dtype=torch.float64)
    effect = k(grid - times.unsqueeze(-1)) * (times >= 0).unsqueeze(-1)
    free = torch.einsum("on,bnt->bot", w, effect)
    reached = (free >= 1).any(-1)
    step = torch.where(reached, (free >= 1).long().argmax(-1), case.T).double()
    effective = (times.unsqueeze(1) < step.unsqueeze(-1)).double()
    v = torch.einsum("on,bon,bnt->bot", w, effective, effect)
    net = case.network("grid", "shunt")
    torch.testing.assert_close(net(times, "v").detach(), v, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(net(times, "v_max").detach(), v.amax(-1), rtol=1e-9, atol=1e-9)
    assert torch.equal(net(times, "t_spike"), torch.where(reached, step, -1))
    assert torch.equal(case.network("grid", "continue")(times, "t_spike"), torch.where(reached, step, -1))
    at_peak = v.gather(2, net(times, "t_max").detach().long().unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(at_peak, v.amax(-1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("whole", [True, False])
def test_an_exact_shunted_trace_is_the_masked_potential(whole: bool) -> None:
    case = Case(15.0, 3.75, whole)
    net, times = case.network("exact", "shunt"), torch.from_numpy(case.times)
    t_spike = net(times, "t_spike").detach()
    grid = torch.arange(case.T, dtype=torch.float64)
    effect = net.kernel(grid - times.unsqueeze(-1)) * (times >= 0).unsqueeze(-1)
    effective = (times.unsqueeze(1) < torch.where(t_spike >= 0, t_spike, case.T).unsqueeze(-1)).double()
    wanted = torch.einsum("on,bon,bnt->bot", net.fc.weight.detach(), effective, effect)
    torch.testing.assert_close(net(times, "v").detach(), wanted, rtol=1e-9, atol=1e-9)
    assert (t_spike >= 0).any() and (t_spike < 0).any()


def test_whole_times_and_sorted_times_agree() -> None:
    """One late spike between two milliseconds that nothing depends on selects the other algorithm."""
    case = Case(15.0, 3.75, True)
    times = torch.from_numpy(case.times)
    for time, after_spike in itertools.product(("grid", "exact"), AFTER_SPIKE):
        net = case.network(time, after_spike)
        wider = Tempotron(15, 6, case.T, time=time, after_spike=after_spike).double()
        wider.fc.weight.data = torch.cat((net.fc.weight.data, torch.zeros(6, 1)), dim=1)
        with_another = torch.cat((times, torch.full((4, 1), 3.5, dtype=torch.float64)), dim=1)
        for name in ("v", "v_max", "t_max", "t_spike"):
            torch.testing.assert_close(wider(with_another, name), net(times, name), rtol=1e-9, atol=1e-9)


def single(times: list[float], weight: list[float], **constants: Any) -> tuple[Tempotron, torch.Tensor]:
    net = Tempotron(len(times), 1, 50, **constants).double()
    net.fc.weight.data = torch.tensor([weight], dtype=torch.float64)
    return net, torch.tensor([times], dtype=torch.float64)


def test_one_spike_peaks_at_the_threshold_and_touches_it() -> None:
    """K's own peak is the threshold: a crossing with slope 0, for which the time has no derivative."""
    net, times = single([10.0], [1.0], time="exact")
    delay = net.kernel.time_to_peak
    assert net(times, "t_max").item() == pytest.approx(10 + delay, abs=1e-9)
    assert net(times, "v_max").item() == pytest.approx(1, abs=1e-12)
    net.fc.weight.data *= 1 + 1e-12
    t_spike = net(times, "t_spike")
    assert t_spike.item() == pytest.approx(10 + delay, abs=1e-4)
    t_spike.sum().backward()
    assert net.fc.weight.grad is not None and net.fc.weight.grad.isfinite().all()


def test_equal_peaks_count_at_the_earliest() -> None:
    """Two spikes so far apart that they do not overlap within rounding."""
    net = Tempotron(2, 1, 4000, 1.0, 0.25, time="exact").double()
    net.fc.weight.data.fill_(0.5)
    for times in ([3.0, 2003.0], [3.25, 2003.25]):
        t_max = net(torch.tensor([times], dtype=torch.float64), "t_max")
        assert t_max.item() == pytest.approx(times[0] + net.kernel.time_to_peak, abs=1e-6)


def test_a_spike_at_the_crossing_is_ignored_with_shunting() -> None:
    """The threshold is reached at an arrival exactly: on the grid at 14 ms, where a second spike arrives."""
    weight = 1 / float(Tempotron(1, 1, 9).kernel(torch.tensor(4.0)))
    for time in ("grid", "exact"):
        net, times = single([10.0, 14.0], [weight * (1 + 1e-12), 5.0], time=time, after_spike="shunt")
        alone, one = single([10.0], [weight * (1 + 1e-12)], time=time)
        assert net(times, "t_spike").item() == pytest.approx(14, abs=1e-6)
        assert net(times, "v_max").item() == pytest.approx(alone(one, "v_max").item(), abs=1e-9)


@pytest.mark.parametrize("time", ["grid", "exact"])
@pytest.mark.parametrize("after_spike", AFTER_SPIKE)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_without_spikes_everything_rests(time: str, after_spike: str, batch: int) -> None:
    net = Tempotron(5, 2, 20, time=time, after_spike=after_spike)
    for silent in (torch.full((batch, 5), -1.0), torch.full((batch, 5), 20.0), torch.full((batch, 5), 20.5)):
        assert net(silent, "v").abs().sum() == 0
        for name, rest in (("v_max", 0), ("t_max", 0), ("t_spike", -1), ("spikes", -1)):
            assert torch.equal(net(silent, name), torch.full((batch, 2), float(rest)))
        (grad,) = torch.autograd.grad(net(silent, "v_max").sum(), net.fc.weight)
        assert torch.equal(grad, torch.zeros(2, 5))


def test_defaults_are_the_published_form() -> None:
    case = Case(15.0, 3.75, False)
    net, times = case.network("grid", "continue"), torch.from_numpy(case.times)
    plain = Tempotron(14, 6, case.T).double()
    plain.fc.weight.data = net.fc.weight.data
    v_max, t_max = plain(times, "v").max(dim=-1)
    assert torch.equal(net(times, "v_max"), v_max) and torch.equal(net(times, "t_max"), t_max.double())
    assert (plain.time, plain.after_spike) == ("grid", "continue")


@pytest.mark.parametrize("name", ["time", "after_spike"])
@pytest.mark.parametrize("value", ["Exact", "", None, 1, ["grid"], "x" * 10_000])
def test_another_mode_is_refused_with_one_sentence(name: str, value: Any) -> None:
    with pytest.raises(ValueError) as error:
        Tempotron(3, 2, 10, **{name: value})
    message = str(error.value)
    assert message.startswith(f"{name}: expected one of ") and "; choose" in message and len(message) < 200


def test_unrounded_codes_are_the_tuning_curves() -> None:
    x = torch.linspace(0, 1, 40).view(2, 1, 20)
    wanted = reference.unrounded_times(x.numpy(), 7, [0.0], [1.0], 1.5, 50)
    got = pixel_tuning(7).encode(x.double(), 50, rounded=False)
    np.testing.assert_allclose(got.numpy(), np.where(wanted < 50, wanted, -1), rtol=0, atol=1e-5)
    assert (got != got.round()).any()
    assert torch.equal(pixel_tuning(7).encode(x, 50, rounded=True), pixel_tuning(7).encode(x, 50))
    with pytest.raises(TypeError, match="rounded: expected True or False, got 1; choose"):
        pixel_tuning(7).encode(x, 50, rounded=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("after_spike", AFTER_SPIKE)
@pytest.mark.parametrize("time", ["grid", "exact"])
def test_a_prediction_uses_the_mode_of_the_model(time: str, after_spike: str) -> None:
    split = datasets.load(datasets.EMBEDDED).test
    weight = torch.randn(20, 784 * 4, generator=torch.Generator().manual_seed(0)) * 0.05
    model = Model(weight, m=4, T=60, tempotrons_per_class=2, time=time, after_spike=after_spike)
    net, decision = model.to_layer(), predict(model, split.images[0])
    times = pixel_spike_times(split.images[:1], 4, 60)
    peaks, t_max = net(times, "v_max").view(10, 2), net(times, "t_max").view(10, 2)
    torch.testing.assert_close(decision.peaks, peaks)
    strongest = peaks.argmax(dim=1, keepdim=True)
    torch.testing.assert_close(decision.t_max.float(), t_max.gather(1, strongest).squeeze(1))
    assert torch.equal(decision.t_spike, net(times, "t_spike").view(10, 2))


def spikingjelly() -> ModuleType:
    """SpikingJelly's tempotron of continuous time, from the environment or the folder of this variable."""
    if folder := os.environ.get("TEMPOTRON_SPIKINGJELLY"):
        sys.path.append(folder)
    module: ModuleType = pytest.importorskip(
        "spikingjelly.timing_based.functional",
        reason="SpikingJelly 2.0.0 cannot be imported: pip install --no-deps --target DIR spikingjelly==2.0.0 loguru, "
        "then set TEMPOTRON_SPIKINGJELLY=DIR",
    )
    if not hasattr(module, "tempotron"):
        pytest.skip("SpikingJelly before 2.0.0 has no functional.tempotron")
    return module


def assert_equals_spikingjelly(times: torch.Tensor, weight: torch.Tensor, T: int, tau: float, tau_s: float) -> None:
    """Compare with functional.tempotron, which always shunts; with a high threshold it never does."""
    sample, afferent = (times >= 0).nonzero(as_tuple=True)
    offsets = torch.searchsorted(sample, torch.arange(len(times) + 1))
    for after_spike in AFTER_SPIKE:
        net = Tempotron(times.shape[1], len(weight), T, tau, tau_s, time="exact", after_spike=after_spike).double()
        net.fc.weight.data = weight
        threshold = 1.0 if after_spike == "shunt" else 1e9
        v_max, t_max, t_spike = spikingjelly().tempotron(
            times[sample, afferent], afferent, offsets, weight, float(T), tau, tau_s, threshold
        )
        got = {name: net(times, name).detach() for name in ("v_max", "t_max", "t_spike")}
        torch.testing.assert_close(got["v_max"], v_max, rtol=1e-9, atol=1e-6)
        # Equal peaks within rounding may lie at two times.
        assert ((got["t_max"] - t_max).abs() < 1e-6).double().mean() > 0.999
        if after_spike == "shunt":
            torch.testing.assert_close(got["t_spike"], torch.where(t_spike.isfinite(), t_spike, -1), rtol=0, atol=1e-6)


def test_random_networks_equal_spikingjelly() -> None:
    spikingjelly()
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        times = torch.rand(3, 30, generator=generator, dtype=torch.float64) * 70 - 5
        if seed % 2:
            times = times.round()
        weight = torch.randn(5, 30, generator=generator, dtype=torch.float64)
        assert_equals_spikingjelly(times, weight, 60, *TIME_CONSTANTS[seed % 3])


@pytest.mark.parametrize("rounded", [True, False])
def test_embedded_digits_equal_spikingjelly(rounded: bool) -> None:
    spikingjelly()
    images = datasets.load(datasets.EMBEDDED).test.images[: 1000 if rounded else 100]
    x = images.double().div(255).view(len(images), 1, -1)
    weight = torch.randn(10, 784 * 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.03
    for part in x.split(100):
        times = pixel_tuning(6).encode(part, 100, rounded=rounded).view(len(part), -1)
        assert_equals_spikingjelly(times, weight, 100, 15.0, 3.75)


def test_peaks_of_a_store_are_those_of_the_times() -> None:
    """bin_spikes as the layer does it: the trainer's way to the same peaks."""
    case = Case(15.0, 3.75, True)
    times = torch.from_numpy(case.times)
    for after_spike in AFTER_SPIKE:
        net = case.network("exact", after_spike)
        v_max, t_max = net.peak_and_time(bin_spikes(times, case.T))
        assert torch.equal(v_max, net(times, "v_max")) and torch.equal(t_max, net(times, "t_max"))
