"""How spikes are laid out on the grid, and long windows done block by block."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tempotron_core.snn.engine import Kernel, bin_spikes, peak, potential


def test_bins_are_in_order() -> None:
    times = torch.tensor([[2.0, 0.25, 2.0, -1.0, 5.0], [-0.5, 1.0, 4.0, 3.5, 4.5], [-1.0] * 5])
    spikes = bin_spikes(times, 5)
    assert spikes.afferent.tolist() == [1, 1, 0, 2, 2, 3]
    assert spikes.rows.tolist() == [1, 6 + 1, 2, 2, 6 + 4, 6 + 4]
    assert spikes.offsets.tolist() == [0, 0, 0, 0, 1, 2, 2, 4, 4, 4, 4, 4, 4, 4, 6, 6]
    assert spikes.bin_offset_ms is not None
    assert spikes.bin_offset_ms.tolist() == [0.75, 0, 0, 0, 0, 0.5]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    T=st.sampled_from([1, 3, 20, 256, 257, 40_000]),
    whole=st.booleans(),
    features=st.integers(1, 9),
)
def test_every_spike_on_the_grid_stands_in_its_bin(seed: int, T: int, whole: bool, features: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    times = torch.rand(4, features, generator=generator) * (T + 4) - 2
    if whole:
        times = times.round()
    spikes = bin_spikes(times, T)
    assert spikes.offsets.numel() == 4 * T + 1
    wanted: dict[int, list[int]] = {}
    for sample, row in enumerate(times.tolist()):
        for afferent, time in enumerate(row):
            if 0 <= time <= T - 1:
                wanted.setdefault(int(-(-time // 1)) * 4 + sample, []).append(afferent)
    filled = spikes.offsets.diff().nonzero().flatten().tolist()
    assert filled == sorted(wanted)
    afferents, rows = spikes.afferent.tolist(), spikes.rows.tolist()
    for number in filled:
        step, sample = divmod(number, 4)
        start, end = spikes.offsets[number : number + 2].tolist()
        assert afferents[start:end] == wanted[number]
        assert rows[start:end] == [sample * (T + 1) + step] * (end - start)
    assert spikes.offsets[0] == 0
    assert spikes.offsets[-1] == len(afferents)


def test_as_many_afferents_as_short_keys_hold_and_more() -> None:
    """Keys of every width against a plain product."""
    generator = torch.Generator().manual_seed(0)
    for features in (256, 257, 32_768, 32_769):
        times = torch.full((2, features), -1.0)
        chosen = torch.randint(0, features, (2, 50), generator=generator)
        chosen[:, 0] = features - 1
        times.scatter_(1, chosen, torch.randint(0, 30, (2, 50), generator=generator).float())
        weight = torch.randn(2, features, generator=generator, dtype=torch.float64).requires_grad_()
        kernel, t = Kernel(15.0, 3.75, 1.0), torch.arange(30, dtype=torch.float64)
        v = potential(weight, bin_spikes(times, 30), kernel)
        sample, afferent = (times >= 0).nonzero(as_tuple=True)
        effect = kernel(t - times[sample, afferent].unsqueeze(1))
        wanted = torch.stack([weight[:, afferent[sample == b]] @ effect[sample == b] for b in (0, 1)])
        torch.testing.assert_close(v, wanted, rtol=0, atol=1e-12)
        upstream = torch.randn(v.shape, generator=generator, dtype=torch.float64)
        got, slow = (torch.autograd.grad(answer, weight, upstream)[0] for answer in (v, wanted))
        torch.testing.assert_close(got, slow, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    T=st.sampled_from([199, 201, 300, 333, 1000]),
    tau=st.sampled_from([15.0, 3.7501, 1.0, 400.0]),
    whole=st.booleans(),
)
def test_a_long_window_is_the_end_of_none_and_the_sum_of_its_spikes(seed: int, T: int, tau: float, whole: bool) -> None:
    """Against K(t - t_i) summed spike by spike; blocks meet without a seam."""
    generator = torch.Generator().manual_seed(seed)
    times = torch.rand(2, 12, generator=generator, dtype=torch.float64) * (T + 4) - 2
    if whole:
        times = times.round()
    weight = torch.randn(3, 12, generator=generator, dtype=torch.float64)
    kernel = Kernel(tau, 3.75, 1.0)
    t = torch.arange(T, dtype=torch.float64)
    alive = (times >= 0).unsqueeze(-1) * weight.t().unsqueeze(0)
    wanted = torch.einsum("bno,bnt->bot", alive, kernel(t - times.unsqueeze(-1)))
    spikes = bin_spikes(times, T)
    v = potential(weight, spikes, kernel)
    torch.testing.assert_close(v, wanted, rtol=1e-9, atol=1e-9)
    assert torch.equal(peak(weight, spikes, kernel), v.amax(-1))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), T=st.sampled_from([1, 20, 250]), whole=st.booleans())
def test_the_peaks_gradient_is_the_potentials_at_t_max(seed: int, T: int, whole: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    times = torch.rand(4, 9, generator=generator, dtype=torch.float64) * (T + 4) - 2
    if whole:
        times = times.round()
    weight = torch.randn(3, 9, generator=generator, dtype=torch.float64).requires_grad_()
    upstream = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    spikes, kernel = bin_spikes(times, T), Kernel(15.0, 3.75, 1.0)
    (grad,) = torch.autograd.grad(peak(weight, spikes, kernel), weight, upstream)
    (wanted,) = torch.autograd.grad(potential(weight, spikes, kernel).max(dim=-1).values, weight, upstream)
    torch.testing.assert_close(grad, wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_times_of_every_floating_type(dtype: torch.dtype) -> None:
    times = torch.tensor([[2.0, 0.25, -1.0, 5.0], [7.0, 1.0, 4.0, 3.5]])
    weight = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    kernel = Kernel(15.0, 3.75, 1.0)
    wanted = potential(weight, bin_spikes(times.double(), 8), kernel)
    torch.testing.assert_close(potential(weight, bin_spikes(times.to(dtype), 8), kernel), wanted, rtol=0, atol=1e-6)
