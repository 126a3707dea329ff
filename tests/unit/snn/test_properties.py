"""What must hold of any spikes and weights, searched for counter-examples in float64."""

from typing import Any

import numpy as np
import torch
from helpers import reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tempotron_core import GaussianTuning, Tempotron

LIMIT = settings(deadline=None, max_examples=60)
Problem = tuple[NDArray[Any], NDArray[Any], int, float, float]


@st.composite
def problems(draw: st.DrawFn, min_batch: int = 1) -> Problem:
    """Spikes [batch, in], weights [out, in], T, tau and tau_s."""
    batch, in_features = draw(st.integers(min_batch, 3)), draw(st.integers(1, 6))
    out, T = draw(st.integers(1, 3)), draw(st.integers(1, 40))
    time = st.one_of(
        st.integers(-2, T + 2).map(float),
        st.floats(0, T + 1, allow_subnormal=False),
        st.sampled_from([-1.0, 0.0, float(T - 1)]),
    )
    weight = st.floats(-3, 3).map(lambda w: round(w, 3))
    spikes = draw(st.lists(time, min_size=batch * in_features, max_size=batch * in_features))
    weights = draw(st.lists(weight, min_size=out * in_features, max_size=out * in_features))
    tau, tau_s = draw(st.sampled_from([(15.0, 3.75), (3.75, 15.0), (60.0, 15.0), (2.0, 1.9), (1.0, 0.2)]))
    return np.array(spikes).reshape(batch, -1), np.array(weights).reshape(out, -1), T, tau, tau_s


def call(
    ret_type: str, spikes: NDArray[Any], w: NDArray[Any], T: int, tau: float, tau_s: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The result for given weights, and the parameter that holds them."""
    module = Tempotron(w.shape[1], w.shape[0], T, tau=tau, tau_s=tau_s).double()
    with torch.no_grad():
        module.fc.weight.copy_(torch.from_numpy(w))
    return module(torch.from_numpy(spikes), ret_type), module.fc.weight


def run(ret_type: str, *problem: Any) -> torch.Tensor:
    """The result alone."""
    return call(ret_type, *problem)[0].detach()


def assert_close(got: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal to rounding, of potentials of order one."""
    assert got.shape == wanted.shape
    assert torch.allclose(got, wanted, rtol=1e-9, atol=1e-9)


@LIMIT
@given(problems())
def test_potentials_match_the_oracle(problem: Problem) -> None:
    """V is the equations', whatever the spikes."""
    spikes, w, T, tau, tau_s = problem
    wanted = reference.potential(w, reference.responses(spikes, T, tau, tau_s, 1.0))
    assert_close(run("v", *problem), torch.from_numpy(wanted))


@LIMIT
@given(problems(), st.floats(-3, 3), st.floats(-3, 3), st.integers(0, 2**32 - 1))
def test_v_is_linear_in_the_weights(problem: Problem, a: float, b: float, seed: int) -> None:
    """V of a weighted sum of weights is the weighted sum of the Vs."""
    spikes, w, *constants = problem
    other = np.random.default_rng(seed).normal(size=w.shape)
    together = run("v", spikes, a * w + b * other, *constants)
    assert_close(together, a * run("v", spikes, w, *constants) + b * run("v", spikes, other, *constants))


@LIMIT
@given(problems(), st.integers(0, 50))
def test_later_spikes_shift_v(problem: Problem, delay: int) -> None:
    """Delaying every spike by whole steps delays V by as many, from rest."""
    spikes, w, T, *constants = problem
    v = run("v", spikes, w, T, *constants)
    later = run("v", np.where(spikes >= 0, spikes + delay, spikes), w, T + delay, *constants)
    assert_close(later[:, :, delay:], v)
    assert not later[:, :, :delay].any()


@LIMIT
@given(problems())
def test_no_sample_exceeds_the_peak(problem: Problem) -> None:
    """v_max is at least every sample of V, and one of them."""
    v, v_max = run("v", *problem), run("v_max", *problem)
    assert (v <= v_max[:, :, None] + 1e-12).all()
    assert_close(v_max, v.amax(2))


@LIMIT
@given(problems())
def test_the_tempotron_rule(problem: Problem) -> None:
    """The gradient of a peak is K(t_max - t_i), for every output and sample."""
    spikes, w, T, tau, tau_s = problem
    table = reference.responses(spikes, T, tau, tau_s, 1.0)
    v = reference.potential(w, table)
    clear, (_, t_max) = reference.clear_peaks(v, 1e-9), reference.peaks(v)
    assume(clear.any())
    v_max, weight = call("v_max", *problem)
    for b, o in np.argwhere(clear):
        (grad,) = torch.autograd.grad(v_max[b, o], weight, retain_graph=True)
        rule = [reference.kernel(t_max[b, o] - t_i, tau, tau_s, 1.0) if t_i >= 0 else 0.0 for t_i in spikes[b]]
        wanted = np.zeros_like(w)
        wanted[o] = rule
        assert_close(grad, torch.from_numpy(wanted))


@LIMIT
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_afferents_is_immaterial(problem: Problem, random: Any) -> None:
    """Permuting the afferents along with their weights leaves V, and permutes the gradient."""
    spikes, w, T, *constants = problem
    order = list(range(w.shape[1]))
    random.shuffle(order)
    v, weight = call("v", spikes, w, T, *constants)
    shuffled, shuffled_weight = call("v", spikes[:, order], w[:, order], T, *constants)
    assert_close(shuffled, v)
    ramp = torch.arange(v.numel(), dtype=torch.float64).reshape(v.shape) / v.numel()
    (grad,) = torch.autograd.grad((v * ramp).sum(), weight)
    (shuffled_grad,) = torch.autograd.grad((shuffled * ramp).sum(), shuffled_weight)
    assert_close(shuffled_grad, grad[:, order])


@LIMIT
@given(problems(), st.lists(st.floats(-1e6, -1e-9), min_size=1, max_size=4), st.booleans())
def test_silent_afferents_add_nothing(problem: Problem, times: list[float], late: bool) -> None:
    """Afferents that never spike, or after the window, change nothing and get no gradient."""
    spikes, w, T, *constants = problem
    extra = np.tile(np.array(times), (len(spikes), 1))
    if late:
        extra = T - 1 - extra
    more = np.concatenate([spikes, extra], axis=1)
    more_w = np.concatenate([w, np.full((len(w), len(times)), 1e6)], axis=1)
    v, weight = call("v", more, more_w, T, *constants)
    assert_close(v, run("v", spikes, w, T, *constants))
    (grad,) = torch.autograd.grad(v.sum(), weight)
    assert not grad[:, w.shape[1] :].any()


@LIMIT
@given(problems(min_batch=2))
def test_samples_do_not_mix(problem: Problem) -> None:
    """A batch gives what its samples give one by one."""
    spikes, *rest = problem
    for ret_type in ("v", "v_max"):
        together = run(ret_type, spikes, *rest)
        assert_close(together, torch.cat([run(ret_type, row[None], *rest) for row in spikes]))


@LIMIT
@given(problems())
def test_output_spikes_tell_the_peak(problem: Problem) -> None:
    """An output fires in the window where its peak reaches the threshold, and is negative elsewhere."""
    T = problem[2]
    times, v_max = run("spikes", *problem), run("v_max", *problem)
    sure = (v_max - 1).abs() > 1e-9
    assert torch.equal((times >= 0)[sure], (v_max >= 1)[sure])
    assert (times == times.round()).all() and (times.abs() <= max(T - 1, 1)).all()
    assert ((times > 0) | (times <= -1)).all()


@LIMIT
@given(
    st.integers(3, 20),
    st.floats(-5, 5),
    st.floats(0.01, 10),
    st.floats(0.5, 3),
    st.integers(1, 600),
    st.lists(st.floats(-1, 2), min_size=1, max_size=4),
)
def test_spike_times_match_the_oracle(
    m: int, low: float, span: float, beta: float, T: int, shares: list[float]
) -> None:
    """Every encoded value spikes at the oracle's steps, up to one where the time lies on a half."""
    x = np.array([[[low + share * span for share in shares]]])
    ends = torch.tensor([low], dtype=torch.float64), torch.tensor([low + span], dtype=torch.float64)
    got = GaussianTuning(1, m, *ends, beta=beta).encode(torch.from_numpy(x), T).numpy()
    exact = reference.unrounded_times(x, m, [low], [low + span], beta, T)
    assert (got == np.floor(got)).all() and ((got == -1) | ((got >= 0) & (got < T))).all()
    settled = np.abs(exact - np.floor(exact) - 0.5) > 1e-7 * T
    wanted = np.vectorize(lambda u: reference.spike_time(u, T), otypes=[float])(exact)
    assert np.array_equal(got[settled], wanted[settled])
