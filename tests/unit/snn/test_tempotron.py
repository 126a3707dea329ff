"""The tempotron against the loop oracle, at its edges, and within its memory."""

import io
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import reference
from numpy.typing import NDArray
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from tempotron_core import Tempotron

TAU, TAU_S = 15.0, 15.0 / 4
RET_TYPES = ["v", "v_max", "spikes"]
DTYPES = [torch.float32, torch.float64]
VALUE_RTOL = {torch.float32: 2e-4, torch.float64: 1e-9}
GRAD_RTOL = {torch.float32: 1e-3, torch.float64: 1e-9}
CLEAR = {torch.float32: 1e-4, torch.float64: 1e-9}


def spike_trains(rng: np.random.Generator, batch: int, in_features: int, T: int, kind: str) -> NDArray[Any]:
    """Spike times [batch, in], exact in float32: a third silent, some on the window's edges and beyond it."""
    shape = (batch, in_features)
    if kind == "whole":
        times = rng.integers(0, T, shape).astype(np.float32)
    else:
        times = rng.uniform(0, T, shape).astype(np.float32)
    silences = [-1, -0.5, -1e-3, -7, -1e30] if kind == "real" else [-1]
    times = np.where(rng.random(shape) < 0.3, rng.choice(silences, shape), times)
    late = [T, T + 3, 1e9, 1e30] + ([T - 0.5, T + 0.25] if kind == "real" else [])
    edges = np.concatenate([[0.0, T - 1, T - 1], rng.choice(late, 3), [-1.0]])[:in_features]
    for row in times:
        row[rng.choice(in_features, len(edges), replace=False)] = edges
    return times.astype(np.float32).astype(np.float64)


def mixed_weights(rng: np.random.Generator, out: int, in_features: int) -> NDArray[Any]:
    """Weights [out, in], exact in float32: by turns mixed, exciting, inhibiting and weak."""
    w = rng.normal(0, 0.6, (out, in_features))
    for o in range(out):
        if o % 4 == 1:
            w[o] = np.abs(w[o])
        elif o % 4 == 2:
            w[o] = -np.abs(w[o])
        elif o % 4 == 3:
            w[o] *= 0.1
    return w.astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class Case:
    """One network and its input."""

    T: int = 50
    kind: str = "whole"
    tau: float = TAU
    tau_s: float = TAU_S
    v_threshold: float = 1.0
    batch: int = 2
    out: int = 4
    in_features: int = 24


@dataclass
class Wanted:
    """What the oracle says of a case."""

    spikes: NDArray[Any]
    w: NDArray[Any]
    table: reference.Array
    v: reference.Array
    v_max: reference.Array
    t_max: NDArray[np.int64]


@cache
def wanted_of(case: Case) -> Wanted:
    """The oracle's account of a case."""
    rng = np.random.default_rng([case.T, case.batch, case.out, case.in_features, int(case.tau * 100)])
    spikes = spike_trains(rng, case.batch, case.in_features, case.T, case.kind)
    w = mixed_weights(rng, case.out, case.in_features)
    table = reference.responses(spikes, case.T, case.tau, case.tau_s, case.v_threshold)
    v = reference.potential(w, table)
    return Wanted(spikes, w, table, v, *reference.peaks(v))


def network(w: NDArray[Any], T: int, dtype: torch.dtype = torch.float64, **constants: Any) -> Tempotron:
    """A tempotron with the given weights."""
    module = Tempotron(w.shape[1], w.shape[0], T, **constants).to(dtype)
    with torch.no_grad():
        module.fc.weight.copy_(torch.from_numpy(w))
    return module


def network_of(case: Case, dtype: torch.dtype) -> Tempotron:
    """The tempotron of a case."""
    constants = {"tau": case.tau, "tau_s": case.tau_s, "v_threshold": case.v_threshold}
    return network(wanted_of(case).w, case.T, dtype, **constants)


def gradient(module: Tempotron) -> NDArray[Any]:
    """What has reached the weights."""
    assert module.fc.weight.grad is not None
    return module.fc.weight.grad.double().numpy()


def assert_close(got: NDArray[Any], wanted: NDArray[Any], rtol: float) -> None:
    """Equal shapes, and values equal to rtol of the largest wanted."""
    assert got.shape == wanted.shape
    scale = np.abs(wanted).max(initial=0.0)
    assert np.abs(got - wanted).max(initial=0.0) <= rtol * scale


def assert_matches(case: Case, ret_type: str, dtype: torch.dtype) -> None:
    """The value and the gradient of one return type are the oracle's."""
    wanted, module = wanted_of(case), network_of(case, dtype)
    scale = np.abs(wanted.v).max()
    result = module(torch.from_numpy(wanted.spikes).to(dtype), ret_type)
    assert result.dtype == dtype
    rng = np.random.default_rng(5)
    cotangent = rng.normal(size=result.shape).astype(np.float32).astype(np.float64)
    clear = reference.clear_peaks(wanted.v, CLEAR[dtype] * scale)
    decided = np.abs(wanted.v_max - case.v_threshold) > CLEAR[dtype] * scale
    assert clear.mean() >= 0.5 and decided.mean() >= 0.5
    if ret_type == "v":
        value, grad = wanted.v, reference.grad_v(wanted.table, cotangent)
    elif ret_type == "v_max":
        cotangent *= clear
        value, grad = wanted.v_max, reference.grad_v_max(wanted.table, wanted.t_max, cotangent)
    else:
        cotangent *= decided
        value = reference.output_spikes(wanted.v, case.v_threshold)
        grad = reference.grad_spikes(wanted.table, wanted.v, case.v_threshold, cotangent)
        settled = clear & decided
        assert np.array_equal(result.detach().double().numpy()[settled], value[settled])
    if ret_type != "spikes":
        assert_close(result.detach().double().numpy(), value, VALUE_RTOL[dtype])
    (result * torch.from_numpy(cotangent).to(dtype)).sum().backward()
    assert_close(gradient(module), grad, GRAD_RTOL[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ret_type", RET_TYPES)
@pytest.mark.parametrize("kind", ["whole", "real"])
@pytest.mark.parametrize("T", [1, 2, 50, 100, 600, 1000])
def test_windows(T: int, kind: str, ret_type: str, dtype: torch.dtype) -> None:
    """Value and gradient in short and long windows, at whole and at real times."""
    assert_matches(Case(T=T, kind=kind), ret_type, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ret_type", RET_TYPES)
@pytest.mark.parametrize("kind", ["whole", "real"])
@pytest.mark.parametrize(
    ("tau", "tau_s", "v_threshold"),
    [(3.75, 15, 1), (15, 14.9, 1), (14.9, 15, 0.5), (0.05, 0.01, 1), (2000, 0.3, 2.5), (60, 15, 1)],
)
def test_time_constants(
    tau: float, tau_s: float, v_threshold: float, kind: str, ret_type: str, dtype: torch.dtype
) -> None:
    """Value and gradient where tau is below tau_s, next to it, tiny or long, and for other thresholds."""
    assert_matches(Case(tau=tau, tau_s=tau_s, v_threshold=v_threshold, kind=kind), ret_type, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ret_type", RET_TYPES)
@pytest.mark.parametrize(("batch", "out", "in_features"), [(1, 1, 9), (1, 4, 9), (5, 1, 9), (3, 7, 1), (1, 1, 1)])
def test_sizes(batch: int, out: int, in_features: int, ret_type: str, dtype: torch.dtype) -> None:
    """Value and gradient for single samples, outputs and afferents."""
    for kind in ("whole", "real"):
        assert_matches(Case(batch=batch, out=out, in_features=in_features, kind=kind), ret_type, dtype)


def test_the_cases_cover_firing_silent_and_dead_outputs() -> None:
    """The oracle's cases hold every kind of output."""
    wanted = wanted_of(Case())
    assert (wanted.v_max >= 1).any() and ((wanted.v_max < 1) & (wanted.v_max > 0)).any()
    assert (wanted.v_max == 0).any() and (wanted.t_max == 0).any()


def test_shapes_are_never_squeezed() -> None:
    """All dimensions stay, whatever their size."""
    for batch, out, T in product((0, 1, 2), (1, 3), (1, 5)):
        module, spikes = Tempotron(4, out, T), torch.zeros(batch, 4)
        assert module(spikes, "v").shape == (batch, out, T)
        assert module(spikes, "v_max").shape == module(spikes, "spikes").shape == (batch, out)


@pytest.mark.parametrize("ret_type", RET_TYPES)
def test_an_empty_batch_gives_a_zero_gradient(ret_type: str) -> None:
    """Training on nothing changes nothing."""
    module = Tempotron(4, 3, 10)
    module(torch.zeros(0, 4), ret_type).sum().backward()
    assert module.fc.weight.grad is not None and not module.fc.weight.grad.any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("time", [-1.0, -0.5, -1e-30, 10.0, 9.5, 1e30])
def test_without_a_spike_in_the_window_the_neuron_rests(time: float, dtype: torch.dtype) -> None:
    """All afferents silent or late: V = 0, no output spike, no gradient."""
    module = Tempotron(5, 3, 10).to(dtype)
    spikes = torch.full((2, 5), time, dtype=dtype)
    for ret_type, rest in zip(RET_TYPES, (0.0, 0.0, -1.0), strict=True):
        module.zero_grad()
        result = module(spikes, ret_type)
        assert (result == rest).all()
        result.sum().backward()
        assert not gradient(module).any()


def test_a_silent_row_leaves_the_others_alone() -> None:
    """A sample without spikes among others rests, and adds nothing to the gradient."""
    wanted = wanted_of(Case())
    spikes = np.concatenate([wanted.spikes[:1], np.full((1, 24), -1.0), wanted.spikes[1:]])
    module = network_of(Case(), torch.float64)
    v = module(torch.from_numpy(spikes), "v")
    assert not v[1].any()
    assert_close(v[[0, 2]].detach().numpy(), wanted.v, 1e-9)
    v.sum().backward()
    assert_close(gradient(module), reference.grad_v(wanted.table, np.ones_like(wanted.v)), 1e-9)


def test_minus_zero_is_a_spike_at_zero() -> None:
    """Only a time below 0 is silence."""
    module = network(np.array([[1.0]]), 20)
    v = module(torch.tensor([[-0.0]], dtype=torch.float64), "v")
    assert v[0, 0, 5] > 0 and torch.equal(v, module(torch.zeros(1, 1, dtype=torch.float64), "v"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["whole", "real"])
def test_a_dead_output_reports_silence_and_gets_no_gradient(kind: str, dtype: torch.dtype) -> None:
    """An output that is never excited peaks at 0 with 0, spikes at -1 and has exactly zero gradient."""
    spikes = torch.from_numpy(wanted_of(Case(kind=kind)).spikes).clamp(max=40).to(dtype)
    module = network(np.stack([np.full(24, -0.5), np.full(24, 0.5)]), 50, dtype)
    v_max = module(spikes, "v_max")
    assert (v_max[:, 0] == 0).all() and (v_max[:, 1] > 0).all()
    times = module(spikes, "spikes")
    assert (times[:, 0] == -1).all()
    v_max.sum().backward()
    assert not gradient(module)[0].any() and gradient(module)[1].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_silent_output_is_below_zero(dtype: torch.dtype) -> None:
    """Silent outputs report -max(t_max, 1), also where t_max is 0 or 1, and never -0."""
    for start, w, time in ((0, -1.0, -1), (0, 0.0, -1), (0, 0.1, -1), (1, 0.1, -2), (9, 0.1, -10)):
        module = network(np.array([[w]]), start + 2, dtype)
        assert module(torch.tensor([[start]], dtype=dtype), "spikes").item() == time
    assert Tempotron(1, 1, 1).to(dtype)(torch.zeros(1, 1, dtype=dtype), "spikes").item() == -1


@pytest.mark.parametrize("dtype", DTYPES)
def test_output_times_are_exactly_whole(dtype: torch.dtype) -> None:
    """The straight-through value is the hard argmax, free of the soft mean's rounding."""
    rng = np.random.default_rng(3)
    module = network(rng.normal(0, 0.4, (40, 30)), 700, dtype)
    times = module(torch.from_numpy(rng.uniform(-200, 700, (20, 30))).to(dtype), "spikes")
    assert (times == times.round()).all() and (times < 0).any() and (times > 0).any()


def test_a_peak_exactly_at_the_threshold_fires() -> None:
    """Output spikes turn on v_max >= v_threshold, to the last bit."""
    spikes = torch.tensor([[3.0]], dtype=torch.float64)
    peak = network(np.array([[1.0]]), 30)(spikes, "v_max").item()
    w = 1 / peak
    for _ in range(8):
        w = math.nextafter(w, 0)
    exact = 0
    for _ in range(17):
        module = network(np.array([[w]]), 30)
        v_max, time = module(spikes, "v_max").item(), module(spikes, "spikes").item()
        assert time == (10 if v_max >= 1 else -10)
        exact += v_max == 1
        w = math.nextafter(w, 2)
    assert 0 < exact < 17


def test_ret_types_agree() -> None:
    """v_max is the largest of v, and the output spike its place."""
    module, spikes = network_of(Case(), torch.float64), torch.from_numpy(wanted_of(Case()).spikes)
    v = module(spikes, "v")
    assert_close(module(spikes, "v_max").detach().numpy(), v.detach().amax(2).numpy(), 1e-12)
    assert torch.equal(module(spikes, "spikes").abs(), v.argmax(2).clamp(min=1).double())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ret_type", RET_TYPES)
@pytest.mark.parametrize("size", [1.0, 1e3])
def test_long_windows_and_early_times_stay_finite(size: float, ret_type: str, dtype: torch.dtype) -> None:
    """T = 1000 with every spike at or near 0, small and large weights: no NaN anywhere."""
    spikes = torch.tensor([[0.0, 0.0, 1e-30, 1e-6, 0.5, 1.0], [0.0, 999.0, 999.0, 998.5, 1e30, -1.0]])
    module = Tempotron(6, 3, 1000).to(dtype)
    with torch.no_grad():
        module.fc.weight *= size
    result = module(spikes.to(dtype), ret_type)
    result.sum().backward()
    assert result.isfinite().all() and np.isfinite(gradient(module)).all()
    if ret_type == "v":
        assert result[0].abs().amax() > 1e-2 * size


@pytest.mark.parametrize("ret_type", RET_TYPES)
def test_expanded_and_strided_cotangents(ret_type: str) -> None:
    """A cotangent's memory layout does not matter to the gradient."""
    spikes = torch.from_numpy(wanted_of(Case()).spikes)
    module = network_of(Case(), torch.float64)
    ones = module(spikes, ret_type)
    ones.sum().backward()
    expanded, module.fc.weight.grad = gradient(module).copy(), None
    module(spikes, ret_type).backward(torch.ones_like(ones).mT.contiguous().mT)
    assert_close(gradient(module), expanded, 1e-12)
    assert expanded.any()


def test_gradients_accumulate_over_calls() -> None:
    """Backward of an earlier call is not disturbed by a later one."""
    first, second = wanted_of(Case()), wanted_of(Case(kind="real"))
    module = network_of(Case(), torch.float64)
    v_first = module(torch.from_numpy(first.spikes), "v")
    v_second = module(torch.from_numpy(second.spikes), "v")
    v_first.sum().backward()
    once = reference.grad_v(first.table, np.ones_like(first.v))
    assert_close(gradient(module), once, 1e-9)
    v_second.sum().backward()
    assert_close(gradient(module), once + reference.grad_v(second.table, np.ones_like(second.v)), 1e-9)


def test_changed_spikes_and_weights_are_seen() -> None:
    """Nothing is remembered from a call whose input or weights were then changed in place."""
    module, spikes = network(np.array([[1.0, 2.0]]), 20), torch.tensor([[2.0, 5.0]], dtype=torch.float64)
    before = module(spikes, "v").detach().clone()
    spikes[0, 1] = -1
    alone = module(spikes, "v").detach().clone()
    assert_close(alone.numpy(), network(np.array([[1.0, 0.0]]), 20)(spikes, "v").detach().numpy(), 1e-12)
    assert not torch.allclose(alone, before)
    with torch.no_grad():
        module.fc.weight *= 3
    assert_close(module(spikes, "v").detach().numpy(), 3 * alone.numpy(), 1e-12)


def test_the_input_is_left_alone() -> None:
    """A call changes neither spikes nor weights, and takes a strided view like its copy."""
    module = network_of(Case(), torch.float64)
    spikes, weights = torch.from_numpy(wanted_of(Case()).spikes.copy()), module.fc.weight.detach().clone()
    strided = spikes.t().contiguous().t()
    for ret_type in RET_TYPES:
        assert torch.equal(module(strided, ret_type), module(spikes, ret_type))
    assert np.array_equal(spikes.numpy(), wanted_of(Case()).spikes)
    assert torch.equal(module.fc.weight, weights)


@pytest.mark.parametrize("ret_type", RET_TYPES)
def test_without_grad(ret_type: str) -> None:
    """Under no_grad the values are the same and carry no graph."""
    module, spikes = network_of(Case(), torch.float64), torch.from_numpy(wanted_of(Case()).spikes)
    with torch.no_grad():
        result = module(spikes, ret_type)
    assert not result.requires_grad and torch.equal(result, module(spikes, ret_type))
    assert module(spikes, ret_type).requires_grad


def test_training_after_inference() -> None:
    """A first call in inference mode leaves nothing behind that training could not use."""
    case = Case(T=37, kind="real", tau=17.0)
    with torch.inference_mode():
        network_of(case, torch.float64)(torch.from_numpy(wanted_of(case).spikes), "v")
    assert_matches(case, "v", torch.float64)


@pytest.mark.parametrize("kind", ["whole", "real"])
@pytest.mark.parametrize("ret_type", ["v", "v_max"])
def test_gradcheck(ret_type: str, kind: str) -> None:
    """Analytic and numerical derivatives agree."""
    wanted = wanted_of(Case(T=12, out=2, in_features=8, kind=kind))
    module, spikes = network(wanted.w, 12), torch.from_numpy(wanted.spikes)
    w = torch.from_numpy(wanted.w).requires_grad_()
    assert reference.clear_peaks(wanted.v, 1e-5).all()

    def potential(weight: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = functional_call(module, {"fc.weight": weight}, (spikes, ret_type))
        return result

    assert potential(w).any()
    assert torch.autograd.gradcheck(potential, (w,))


def test_checkpoints_of_the_reference_design_load() -> None:
    """The state is fc.weight alone, and survives a file."""
    module = Tempotron(12, 10, 30)
    assert list(module.state_dict()) == ["fc.weight"]
    assert [name for name, _ in module.named_parameters()] == ["fc.weight"]
    assert module.fc.weight.shape == (10, 12) and module.fc.weight.requires_grad
    saved = torch.nn.Sequential()
    saved.fc = torch.nn.Linear(12, 10, bias=False)
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    module.load_state_dict(torch.load(file, weights_only=True), strict=True)
    assert torch.equal(module.fc.weight, saved.fc.weight)
    spikes = torch.arange(12.0)[None]
    module(spikes, "v").sum().backward()
    assert module.fc.weight.grad is not None


@pytest.mark.parametrize("in_features", [16, 4096])
def test_initial_weights(in_features: int) -> None:
    """Weights start uniform in ±1/sqrt(in_features), differently for another seed."""
    torch.manual_seed(0)
    w = Tempotron(in_features, 200, 10).fc.weight.detach()
    bound = 1 / math.sqrt(in_features)
    assert 0.95 * bound < w.abs().max().item() <= bound * (1 + 1e-6)
    assert w.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert abs(w.mean().item()) < 0.05 * bound
    assert not torch.equal(w, Tempotron(in_features, 200, 10).fc.weight)


def test_defaults() -> None:
    """Unless said otherwise tau = 15, tau_s = 15/4 and v_threshold = 1."""
    wanted = wanted_of(Case())
    v = network(wanted.w, 50)(torch.from_numpy(wanted.spikes), "v").detach().numpy()
    assert_close(v, wanted.v, 1e-9)


@pytest.mark.parametrize(("tau", "tau_s"), [(15.0, 3.75), (3.75, 15.0), (15.0, 14.9), (2000.0, 500.0)])
def test_psp_kernel(tau: float, tau_s: float) -> None:
    """The kernel is the oracle's and 0 before the spike, with finite derivatives however early."""
    times = [-1e30, -1e6, -400.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 1.0, 7.0, 100.0, 1e6]
    t = torch.tensor(times, dtype=torch.float64, requires_grad=True)
    k = Tempotron.psp_kernel(t, tau, tau_s)
    np.testing.assert_allclose(k.detach().numpy(), [reference.psp(s, tau, tau_s) for s in times], rtol=1e-9)
    assert (k[:6] == 0).all()
    assert Tempotron.psp_kernel(t.detach().float().reshape(3, 4), tau, tau_s).isfinite().all()
    k.sum().backward()
    assert t.grad is not None and t.grad.isfinite().all() and not t.grad[:5].any()


@pytest.mark.parametrize(("tau", "tau_s"), [(15.0, 3.75), (3.75, 15.0), (15.0, 14.9)])
def test_psp_kernel_peak(tau: float, tau_s: float) -> None:
    """The kernel's extremum lies at tau·tau_s·ln(tau/tau_s)/(tau - tau_s)."""
    t = torch.linspace(0, 100, 200_001, dtype=torch.float64)
    place = t[Tempotron.psp_kernel(t, tau, tau_s).abs().argmax()].item()
    assert place == pytest.approx(tau * tau_s * math.log(tau / tau_s) / (tau - tau_s), abs=1e-3)


@pytest.mark.parametrize("v_threshold", [0.3, 1.0, 4.0])
@pytest.mark.parametrize(("tau", "tau_s"), [(15.0, 3.75), (3.75, 15.0), (15.0, 14.9), (60.0, 15.0)])
def test_one_spike_of_weight_one_peaks_at_the_threshold(tau: float, tau_s: float, v_threshold: float) -> None:
    """V0 normalises the kernel's peak to v_threshold, and the peak comes when it should."""
    module = network(np.array([[1.0]]), 100, tau=tau, tau_s=tau_s, v_threshold=v_threshold)
    spikes = torch.tensor([[60 - reference.peak_delay(tau, tau_s)]], dtype=torch.float64)
    v = module(spikes, "v")
    assert v[0, 0].argmax().item() == 60
    assert module(spikes, "v_max").item() == pytest.approx(v_threshold, rel=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("v_threshold", [1.0, 0.4])
def test_mse_loss(v_threshold: float, dtype: torch.dtype) -> None:
    """Loss and gradient are the oracle's, with peaks on both sides of the threshold."""
    rng = np.random.default_rng(1)
    for batch, classes in ((1, 1), (1, 4), (9, 1), (16, 10)):
        values = rng.normal(v_threshold, 1, (batch, classes)).astype(np.float32).astype(np.float64)
        label = rng.integers(0, classes, batch)
        v_max = torch.tensor(values, dtype=dtype, requires_grad=True)
        loss = Tempotron.mse_loss(v_max, v_threshold, torch.from_numpy(label), classes)
        assert loss.shape == ()
        loss.backward()
        wanted, grad = reference.mse_loss(values, v_threshold, label.tolist())
        assert loss.item() == pytest.approx(wanted, rel=VALUE_RTOL[dtype])
        assert v_max.grad is not None
        assert_close(v_max.grad.double().numpy(), grad, GRAD_RTOL[dtype])
    assert wanted > 0


def test_mse_loss_by_hand() -> None:
    """A peak at the threshold counts as fired; only wrong outputs cost."""
    v_max = torch.tensor([[1.0, 0.5, 3.0], [1.0, 0.5, -1.0]], requires_grad=True)
    loss = Tempotron.mse_loss(v_max, 1.0, torch.tensor([0, 1]), 3)
    loss.backward()
    assert loss.item() == pytest.approx((4 + 0 + 0.25) / 2)
    assert v_max.grad is not None
    assert v_max.grad.tolist() == [[0, 0, 2], [0, -0.5, 0]]


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_mse_loss_takes_any_integer_labels(dtype: torch.dtype) -> None:
    """Labels count by value, whatever their integer type."""
    v_max, label = torch.tensor([[0.5, 2.0], [3.0, 0.1]]), torch.tensor([0, 1])
    wanted = Tempotron.mse_loss(v_max, 1.0, label, 2)
    assert wanted > 0 and Tempotron.mse_loss(v_max, 1.0, label.to(dtype), 2) == wanted


def test_the_rule_learns_timing() -> None:
    """Steps down the loss's gradient tell apart two patterns that differ only in their timing."""
    spikes, label = torch.tensor([[0.0, 5.0, 10.0, 15.0], [15.0, 10.0, 5.0, 0.0]]), torch.tensor([0, 1])
    module = network(np.full((2, 4), 0.4), 40, torch.float32)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    losses = []
    for _ in range(150):
        optimiser.zero_grad()
        loss = Tempotron.mse_loss(module(spikes, "v_max"), 1.0, label, 2)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    v_max = module(spikes, "v_max")
    assert torch.equal(v_max.argmax(1), label) and losses[-1] < 0.01 * losses[0]


def assert_refused(error: pytest.ExceptionInfo[Exception]) -> None:
    """The message is one line that says what was expected and what was got."""
    message = str(error.value)
    assert message.strip() and len(message.splitlines()) == 1
    assert "expected" in message.lower() and "got" in message.lower()


NAN, INF = float("nan"), float("inf")
GOOD: dict[str, Any] = {
    "in_features": 4, "out_features": 3, "T": 20, "tau": 15.0, "tau_s": 3.75, "v_threshold": 1.0
}  # fmt: skip
SIZES = ("in_features", "out_features", "T")
REALS = ("tau", "tau_s", "v_threshold")
BAD_NETWORKS: list[dict[str, Any]] = [
    *({name: bad} for name, bad in product(SIZES, (0, -1, 4.0, 1.5, True, "4", None, NAN))),
    *({name: bad} for name, bad in product(REALS, (0, 0.0, -1.0, NAN, INF, -INF, "15", None))),
    {"tau": 3.75},
    {"tau_s": 15.0},
    {"tau_s": 15},
]


@pytest.mark.parametrize("bad", BAD_NETWORKS, ids=repr)
def test_bad_networks_are_refused(bad: dict[str, Any]) -> None:
    """Each bad argument is refused on its own, and the good ones are not."""
    Tempotron(**GOOD)
    with pytest.raises((ValueError, TypeError)) as error:
        Tempotron(**(GOOD | bad))
    assert_refused(error)


@pytest.mark.parametrize("ret_type", ["", "V", "vmax", "v_max ", "spike", None, 0], ids=repr)
def test_an_unknown_ret_type_names_the_three(ret_type: Any) -> None:
    """Anything but the five is a ValueError that lists them."""
    with pytest.raises(ValueError) as error:
        Tempotron(**GOOD)(torch.zeros(1, 4), ret_type)
    assert_refused(error)
    assert {"v", "v_max", "spikes"} <= set(re.findall(r"['\"](\w+)['\"]", str(error.value)))


@pytest.mark.parametrize(
    "spikes",
    [
        torch.zeros(4),
        torch.zeros(()),
        torch.zeros(1, 4, 1),
        torch.zeros(2, 3),
        torch.zeros(2, 5),
        torch.zeros(4, 1),
        torch.zeros(0),
        torch.tensor([[0.0, 1.0, 2.0, NAN]]),
        torch.tensor([[0.0, 1.0, 2.0, INF]]),
        torch.tensor([[0.0, 1.0, 2.0, -INF]]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("ret_type", RET_TYPES)
def test_bad_spikes_are_refused(spikes: torch.Tensor, ret_type: str) -> None:
    """A wrong rank, number of afferents or a non-finite time is a ValueError."""
    with pytest.raises(ValueError) as error:
        Tempotron(**GOOD)(spikes, ret_type)
    assert_refused(error)


@pytest.mark.parametrize(
    "spikes",
    [
        torch.zeros(1, 4, dtype=torch.int64),
        torch.zeros(1, 4, dtype=torch.bool),
        torch.zeros(1, 4, dtype=torch.complex64),
        np.zeros((1, 4), dtype=np.float32),
        [[0.0, 1.0, 2.0, 3.0]],
        None,
    ],
    ids=repr,
)
def test_spikes_of_a_wrong_type_are_refused(spikes: Any) -> None:
    """Spikes that are not a floating-point tensor are a TypeError."""
    with pytest.raises(TypeError) as error:
        Tempotron(**GOOD)(spikes, "v")
    assert_refused(error)


LOSS: dict[str, Any] = {
    "v_max": torch.zeros(2, 3), "v_threshold": 1.0, "label": torch.tensor([0, 2]), "num_classes": 3
}  # fmt: skip
BAD_LOSSES: list[dict[str, Any]] = [
    *({"v_max": bad} for bad in (torch.zeros(3), torch.zeros(2, 4), torch.zeros(3, 3), torch.zeros(2, 3, 1))),
    *({"v_max": bad} for bad in (None, [[0.0] * 3] * 2)),
    *({"label": torch.tensor(bad)} for bad in ([0], [0, 1, 2], [[0, 1]], [0, 3], [-1, 0], 0, [0.0, 1.0])),
    *({"label": bad} for bad in (torch.eye(3)[:2], torch.tensor([False, True]), [0, 2], None)),
    *({"num_classes": bad} for bad in (0, -3, 2, 4, 3.0, "3", None)),
    *({"v_threshold": bad} for bad in (NAN, INF, 0.0, -1.0, "1", None)),
]


@pytest.mark.parametrize("bad", BAD_LOSSES, ids=repr)
def test_bad_losses_are_refused(bad: dict[str, Any]) -> None:
    """Each bad argument of the loss is refused on its own, and the good ones are not."""
    Tempotron.mse_loss(**LOSS)
    with pytest.raises((ValueError, TypeError)) as error:
        Tempotron.mse_loss(**(LOSS | bad))
    assert_refused(error)


class LargestTensor(TorchDispatchMode):
    """Records the number of elements of the largest tensor produced."""

    numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and look at what it returns."""
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor):
                self.numel = max(self.numel, value.numel())
        return result


def sparse_or_dense(batch: int, in_features: int, T: int, density: float) -> torch.Tensor:
    """Random spikes: whole times for a small share of the afferents, or real times for all of them."""
    generator = torch.Generator().manual_seed(0)
    times = torch.rand(batch, in_features, generator=generator) * T
    if density < 1:
        silent = torch.rand(batch, in_features, generator=generator) >= density
        times = times.floor().masked_fill(silent, -1)
    return times


@pytest.mark.parametrize("density", [0.01, 1.0])
@pytest.mark.parametrize("ret_type", RET_TYPES)
def test_no_tensor_approaches_the_dense_size(ret_type: str, density: float) -> None:
    """Forward and backward, no tensor reaches a tenth of batch x afferents x T."""
    batch, in_features, T = 8, 20_000, 200
    module, spikes = Tempotron(in_features, 3, T), sparse_or_dense(batch, in_features, T, density)
    with LargestTensor() as largest:
        module(spikes, ret_type).sum().backward()
    assert batch * 3 <= largest.numel < batch * in_features * T / 10


MEMORY_SCRIPT = """
import resource, sys, torch
from tempotron_core import Tempotron
torch.set_num_threads(1)

def step(batch, in_features, T, density):
    module, spikes = Tempotron(in_features, 10, T), torch.rand(batch, in_features) * T
    if density < 1:
        spikes = spikes.floor().masked_fill(torch.rand(batch, in_features) >= density, -1)
    for ret_type in ("v", "v_max", "spikes"):
        module(spikes, ret_type).sum().backward()

density = float(sys.argv[1])
step(2, 50, 20, density)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 2**30, resource.RLIM_INFINITY))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
step(8, 200_000, 1000, density)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and kibibytes of ru_maxrss")
@pytest.mark.parametrize(("density", "limit_mb"), [(0.01, 200), (1.0, 640)])
def test_resident_memory_stays_far_below_the_dense_size(density: float, limit_mb: int) -> None:
    """Eight samples of 200,000 afferents over 1,000 steps, 6.4 GB if dense, take a small fraction of it."""
    command = [sys.executable, "-c", MEMORY_SCRIPT, str(density)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) / 1024 < limit_mb
