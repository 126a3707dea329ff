"""The population code: centres, widths, spike times and refusals."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from helpers import reference

from tempotron_core import GaussianTuning


def unit(n: int = 1, m: int = 16, beta: float = 1.5) -> GaussianTuning:
    """A code over [0, 1] in every feature."""
    return GaussianTuning(n, m, torch.zeros(n), torch.ones(n), beta=beta)


def assert_refused(error: pytest.ExceptionInfo[Exception]) -> None:
    """The message is one line that says what was expected and what was got."""
    message = str(error.value)
    assert message.strip() and len(message.splitlines()) == 1
    assert "expected" in message.lower() and "got" in message.lower()


@pytest.mark.parametrize("m", [3, 4, 6, 16, 32])
@pytest.mark.parametrize("beta", [0.7, 1.5, 2.0])
def test_centres_and_widths(m: int, beta: float) -> None:
    """Centres and variances are the equations', feature by feature."""
    x_min, x_max = [0.0, -3.0, 10.0], [1.0, 5.0, 12.0]
    code = GaussianTuning(3, m, torch.tensor(x_min), torch.tensor(x_max), beta=beta)
    assert code.mu.shape == code.sigma2.shape == (3, m)
    for i in range(3):
        mu = [reference.centre(j, m, x_min[i], x_max[i]) for j in range(1, m + 1)]
        sigma = reference.width(m, x_min[i], x_max[i], beta)
        np.testing.assert_allclose(code.mu[i].numpy(), mu, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(code.sigma2[i].numpy(), [sigma**2] * m, rtol=1e-5)


def test_beta_is_1_5_by_default() -> None:
    """Leaving beta out is the same as giving 1.5."""
    default = GaussianTuning(1, 6, torch.zeros(1), torch.ones(1))
    assert torch.equal(default.sigma2, unit(m=6).sigma2)
    assert not torch.allclose(default.sigma2, unit(m=6, beta=1.4).sigma2)


@pytest.mark.parametrize("m", [3, 4, 16])
def test_outer_centres_lie_half_a_spacing_outside(m: int) -> None:
    """The first and the last centre straddle the range, the spacing is even."""
    code = GaussianTuning(1, m, torch.tensor([-2.0]), torch.tensor([6.0]))
    spacing = 8.0 / (m - 2)
    assert code.mu[0, 0].item() == pytest.approx(-2.0 - spacing / 2, abs=1e-5)
    assert code.mu[0, -1].item() == pytest.approx(6.0 + spacing / 2, abs=1e-5)
    np.testing.assert_allclose(np.diff(code.mu[0].numpy()), spacing, rtol=1e-5)


def test_all_curves_have_one_shape() -> None:
    """At one distance from its centre, on either side, every curve spikes at the same time."""
    code = unit(m=8)
    sigma = reference.width(8, 0.0, 1.0, 1.5)
    for offset in (-1.3, -0.4, 0.0, 0.4, 1.3):
        times = code.encode((code.mu + offset * sigma)[:, None, :].reshape(1, 1, 8), 100)
        own = torch.diagonal(times[0, 0])
        assert own.tolist() == [reference.spike_time((1 - reference.tuning(offset, 0, 1)) * 100, 100)] * 8


@pytest.mark.parametrize("T", [1, 2, 50, 100, 600])
@pytest.mark.parametrize("m", [3, 4, 6, 16, 32])
@pytest.mark.parametrize("beta", [0.7, 1.5, 2.0])
def test_spike_times_match_the_oracle(m: int, beta: float, T: int) -> None:
    """Every spike time is the oracle's, save within rounding error of a half."""
    x_min, x_max = [0.0, -3.0, 10.0], [1.0, 5.0, 12.0]
    shares = torch.cat([torch.tensor([0.0, 1.0, 0.5, -0.3, 1.3, -20.0, 20.0]), torch.linspace(-0.1, 1.1, 14)])
    low, high = torch.tensor(x_min), torch.tensor(x_max)
    x = low[None, :, None] + shares[None, None, :] * (high - low)[None, :, None]
    x = torch.cat([x, x.flip(2) * 0.97])
    got = GaussianTuning(3, m, low, high, beta=beta).encode(x, T)
    assert got.shape == (2, 3, 21, m)
    exact = reference.unrounded_times(x.double().numpy(), m, x_min, x_max, beta, T)
    wanted = np.vectorize(lambda u: reference.spike_time(u, T), otypes=[float])(exact)
    settled = np.abs(exact - np.floor(exact) - 0.5) > 1e-9 * T
    assert settled.mean() > 0.99
    assert np.array_equal(got.double().numpy()[settled], wanted[settled])


def test_a_black_pixel() -> None:
    """A value of 0 excites three of sixteen neurons; the fourth time rounds to the window's end."""
    times = unit().encode(torch.zeros(1, 1, 1), 100).flatten().tolist()
    assert times == [25.0, 25.0, 92.0] + [-1.0] * 13


def test_the_window_is_50_by_default() -> None:
    """Leaving the window out is the same as giving 50."""
    x = torch.rand(2, 1, 9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(unit().encode(x), unit().encode(x, max_spike_time=50))


def test_a_half_goes_to_the_even_step() -> None:
    """Where g is exactly a half, 0.5, 1.5, 2.5 and 3.5 become 0, 2, 2 and 4."""
    code = unit(m=3, beta=1.0)
    x = torch.tensor([0.5 + math.sqrt(2 * math.log(2))], dtype=torch.float64)
    x = (x.view(torch.int64) + torch.arange(-40, 41)).view(torch.float64)[None, None, :]
    halves = code.response(x)[0, 0, :, 1] == 0.5
    assert halves.any()
    for T, even in ((1, 0), (3, 2), (5, 2), (7, 4)):
        assert set(code.encode(x, T)[0, 0, halves, 1].tolist()) == {float(even)}


def test_times_are_steps_in_the_window_or_silent() -> None:
    """No time is T, fractional, or negative other than -1."""
    x = torch.rand(4, 1, 200, generator=torch.Generator().manual_seed(1)) * 3 - 1
    for T in (1, 7, 100):
        times = unit().encode(x, T)
        assert ((times == -1) | ((times >= 0) & (times < T) & (times == times.round()))).all()
        assert (times == -1).any() and (times == 0).any()


def test_shape_device_and_dtype() -> None:
    """Singletons stay, an empty batch stays, x is left alone and floats stay floats where they are."""
    for shape in ((1, 1, 1), (0, 1, 5), (3, 1, 4)):
        times = unit(m=5).encode(torch.zeros(shape), 10)
        assert times.shape == (*shape, 5) and times.dtype == torch.float32
    x = torch.rand(2, 2, 3, dtype=torch.float64)
    before = x.clone()
    times = unit(n=2).encode(x, 10)
    assert times.is_floating_point() and times.device == x.device and torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats_do_not_blur_the_times(dtype: torch.dtype) -> None:
    """Values given in few bits are encoded to the same steps as the same values in many."""
    x = torch.linspace(0, 1, 40)[None, None, :].to(dtype)
    times = unit().encode(x, 600)
    assert times.is_floating_point() and torch.equal(times.double(), unit().encode(x.double(), 600))


def test_features_and_positions_stay_apart() -> None:
    """Each value is encoded by its own feature's curves, in its own place."""
    x_min, x_max = torch.tensor([0.0, -4.0]), torch.tensor([1.0, 4.0])
    x = torch.rand(3, 2, 5, generator=torch.Generator().manual_seed(2)) * 2 - 1
    times = GaussianTuning(2, 6, x_min, x_max).encode(x, 100)
    for i in range(2):
        alone = GaussianTuning(1, 6, x_min[i : i + 1], x_max[i : i + 1])
        for b in range(3):
            for p in range(5):
                assert torch.equal(times[b, i, p], alone.encode(x[b, i, p].reshape(1, 1, 1), 100).flatten())
    assert not torch.equal(times[:, 0], times[:, 1])


def test_a_strided_input() -> None:
    """A transposed view encodes like its copy."""
    x = torch.rand(4, 7, 2, generator=torch.Generator().manual_seed(3)).transpose(1, 2)
    assert torch.equal(unit(n=2).encode(x, 100), unit(n=2).encode(x.contiguous(), 100))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda() -> None:
    """A CUDA input gives CUDA spike times, the same as on the CPU."""
    x = torch.rand(2, 1, 50)
    times = unit().encode(x.cuda(), 100)
    assert times.is_cuda
    assert (times.cpu() - unit().encode(x, 100)).abs().le(1).float().mean() > 0.99


GOOD: dict[str, Any] = {"n": 2, "m": 6, "x_min": torch.zeros(2), "x_max": torch.ones(2), "beta": 1.5}
BAD_CODES: list[dict[str, Any]] = [
    *({"m": m} for m in (2, 1, 0, -3, 6.0, "6", True, None)),
    *({"n": n} for n in (0, -1, 2.0, "2", True, None)),
    *({"beta": beta} for beta in (0, 0.0, -1.5, float("nan"), float("inf"), "1.5", None)),
    *({"x_min": x} for x in (torch.ones(2), torch.tensor([0.0, 2.0]), torch.zeros(1), torch.zeros(3))),
    *({"x_min": x} for x in (torch.zeros(2, 1), torch.tensor(0.0), [0.0, 0.0], 0.0, None)),
    *({"x_min": torch.tensor([0.0, x])} for x in (float("nan"), float("-inf"))),
    *({"x_max": x} for x in (torch.zeros(2), torch.tensor([1.0, -1.0]), torch.ones(1), torch.ones(3))),
    *({"x_max": x} for x in (torch.ones(1, 2), torch.tensor(1.0), (1.0, 1.0), 1.0, None)),
    *({"x_max": torch.tensor([1.0, x])} for x in (float("nan"), float("inf"))),
]


@pytest.mark.parametrize("bad", BAD_CODES, ids=repr)
def test_bad_codes_are_refused(bad: dict[str, Any]) -> None:
    """Each bad argument is refused on its own, and the good ones are not."""
    GaussianTuning(**GOOD)
    with pytest.raises((ValueError, TypeError)) as error:
        GaussianTuning(**(GOOD | bad))
    assert_refused(error)


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(2, 3),
        torch.zeros(2),
        torch.zeros(1, 2, 3, 1),
        torch.zeros(4, 1, 3),
        torch.zeros(4, 3, 2),
        torch.full((1, 2, 3), float("nan")),
        torch.tensor([[[0.0, 1.0], [0.5, float("inf")]]]),
        torch.tensor([[[0.0, 1.0], [0.5, float("-inf")]]]),
    ],
    ids=repr,
)
def test_bad_values_are_refused(x: torch.Tensor) -> None:
    """A wrong rank, number of features or a non-finite value is a ValueError."""
    with pytest.raises(ValueError) as error:
        GaussianTuning(**GOOD).encode(x, 10)
    assert_refused(error)


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(1, 2, 3, dtype=torch.int64),
        torch.zeros(1, 2, 3, dtype=torch.uint8),
        torch.zeros(1, 2, 3, dtype=torch.bool),
        np.zeros((1, 2, 3), dtype=np.float32),
        [[[0.0], [0.0]]],
        None,
    ],
    ids=repr,
)
def test_values_of_a_wrong_type_are_refused(x: Any) -> None:
    """Values that are not a floating-point tensor are a TypeError."""
    with pytest.raises(TypeError) as error:
        GaussianTuning(**GOOD).encode(x, 10)
    assert_refused(error)


@pytest.mark.parametrize("window", [0, -1, True, 1.5, 10.0, "a", None, float("nan")], ids=repr)
def test_bad_windows_are_refused(window: Any) -> None:
    """The window is a positive integer."""
    with pytest.raises((ValueError, TypeError)) as error:
        GaussianTuning(**GOOD).encode(torch.zeros(1, 2, 3), window)
    assert_refused(error)


def test_values_with_a_gradient_are_encoded_like_others() -> None:
    tuning, x = GaussianTuning(2, 5, torch.zeros(2), torch.ones(2)), torch.rand(3, 2, 4)
    times = tuning.encode(x.clone().requires_grad_(), 40)
    assert torch.equal(times, tuning.encode(x, 40))
    assert not times.requires_grad


def test_values_far_outside_their_range_give_a_warning() -> None:
    tuning = GaussianTuning(2, 5, torch.zeros(2), torch.ones(2))
    with pytest.warns(
        UserWarning, match=r"expected values from x_min=0 to x_max=1 for feature 1, got 0 to 255"
    ) as caught:
        tuning.encode(torch.tensor([[[0.5, 0.5], [0.0, 255.0]]]))
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="got -3 to -3"):
        tuning.encode(torch.full((1, 2, 1), -3.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tuning.encode(torch.tensor([[[-0.9, 1.9], [0.0, 1.0]]]))
        tuning.encode(torch.zeros(0, 2, 1))
