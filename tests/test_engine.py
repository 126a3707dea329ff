"""The spike store against binning the same samples afresh, and the order of bins."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tempotron_core.engine import Kernel, Spikes, SpikeStore, bin_spikes, potential

KERNEL = Kernel(15.0, 3.75, 1.0)


def spike_table(seed: int, symbols: int, m: int, T: int, silent: float) -> torch.Tensor:
    """Whole times [symbols, m] of few values, so that symbols share some; the given share silent, some too late."""
    generator = torch.Generator().manual_seed(seed)
    times = torch.randint(0, T + 2, (symbols, m), generator=generator).float()
    times[torch.rand(times.shape, generator=generator) < silent] = -1
    return times


def symbol_rows(seed: int, samples: int, fields: int, symbols: int, common: float) -> torch.Tensor:
    """Rows of symbols, the given share of them the first; every fourth row all of it."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, symbols, (samples, fields), generator=generator, dtype=torch.uint8)
    rows[torch.rand(rows.shape, generator=generator) < common] = 0
    rows[::4] = 0
    return rows


def stored(table: torch.Tensor, rows: torch.Tensor, T: int, chunk: int) -> SpikeStore:
    store = SpikeStore(table, rows.shape[1], T)
    for part in rows.split(chunk):
        store.add(part)
    return store


def check_same(got: Spikes, table: torch.Tensor, rows: torch.Tensor, T: int) -> None:
    """The stored spikes have the potentials and gradients of the rows' own spikes, in float64."""
    times = table[rows.int()].view(len(rows), -1)
    results = []
    for spikes in (got, bin_spikes(times, T)):
        assert (spikes.batch, spikes.T) == (len(rows), T)
        generator = torch.Generator().manual_seed(1)
        weight = torch.randn(3, times.shape[1], generator=generator, dtype=torch.float64).requires_grad_()
        v = potential(weight, spikes, KERNEL)
        assert v.shape == (len(rows), 3, T)
        upstream = torch.randn(v.shape, generator=generator, dtype=torch.float64)
        (grad,) = torch.autograd.grad(v, weight, upstream)
        results.append((v.detach(), grad))
    (v_got, grad_got), (v_wanted, grad_wanted) = results
    assert torch.allclose(v_got, v_wanted, rtol=0, atol=1e-11)
    assert torch.allclose(grad_got, grad_wanted, rtol=0, atol=1e-11)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    samples=st.integers(1, 12),
    fields=st.integers(1, 12),
    symbols=st.sampled_from([1, 2, 10, 256]),
    m=st.integers(1, 5),
    T=st.sampled_from([1, 2, 7, 50]),
    silent=st.sampled_from([0.0, 0.3, 1.0]),
    common=st.sampled_from([0.0, 0.8, 1.0]),
    chunk=st.integers(1, 12),
    choose=st.data(),
)
def test_store_gives_what_binning_gives(
    seed: int,
    samples: int,
    fields: int,
    symbols: int,
    m: int,
    T: int,
    silent: float,
    common: float,
    chunk: int,
    choose: st.DataObject,
) -> None:
    table, rows = spike_table(seed, symbols, m, T, silent), symbol_rows(seed, samples, fields, symbols, common)
    store = stored(table, rows, T, chunk)
    assert len(store) == samples
    ids = torch.tensor(choose.draw(st.lists(st.integers(0, samples - 1), min_size=1, max_size=15)))
    check_same(store.batch(ids), table, rows[ids], T)
    start = choose.draw(st.integers(0, samples - 1))
    end = choose.draw(st.integers(start + 1, samples))
    check_same(store.slice(start, end), table, rows[start:end], T)


def test_batches_and_slices_hold_the_same_spikes() -> None:
    store = stored(spike_table(0, 20, 4, 30, 0.2), symbol_rows(0, 9, 11, 20, 0.5), 30, 4)
    batch, part = store.batch(torch.arange(2, 8)), store.slice(2, 8)
    assert torch.equal(batch.afferent, part.afferent)
    assert torch.equal(batch.offsets, part.offsets)
    assert batch.lag is None
    assert part.lag is None


def test_store_takes_more_after_it_was_used() -> None:
    table, rows = spike_table(0, 20, 4, 30, 0.2), symbol_rows(0, 9, 11, 20, 0.5)
    store = stored(table, rows[:4], 30, 3)
    check_same(store.batch(torch.tensor([3, 1])), table, rows[[3, 1]], 30)
    store.add(rows[4:])
    assert len(store) == 9
    check_same(store.batch(torch.tensor([8, 1, 8])), table, rows[[8, 1, 8]], 30)
    check_same(store.slice(0, 9), table, rows, 30)


def test_the_first_symbol_costs_no_memory() -> None:
    table = spike_table(0, 20, 4, 30, 0.0)
    assert stored(table, torch.zeros(5, 11, dtype=torch.uint8), 30, 5).slice(0, 5).afferent.numel() == 0


def test_bins_are_in_order() -> None:
    times = torch.tensor([[2.0, 0.25, 2.0, -1.0, 5.0], [-0.5, 1.0, 4.0, 3.5, 4.5], [-1.0] * 5])
    spikes = bin_spikes(times, 5)
    assert spikes.afferent.tolist() == [1, 0, 2, 1, 2, 3]
    assert spikes.segments().tolist() == [1, 2, 2, 5 + 1, 5 + 4, 5 + 4]
    assert spikes.offsets.tolist() == [0, 0, 1, 3, 3, 3, 3, 4, 4, 4, 6, 6, 6, 6, 6, 6]
    assert spikes.lag is not None
    assert spikes.lag.tolist() == [0.75, 0, 0, 0, 0, 0.5]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), T=st.sampled_from([1, 3, 20]), whole=st.booleans())
def test_segments_name_the_bin_of_every_spike(seed: int, T: int, whole: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    times = torch.rand(4, 9, generator=generator) * (T + 4) - 2
    if whole:
        times = times.round()
    spikes = bin_spikes(times, T)
    segments = spikes.segments().tolist()
    assert segments == sorted(segments)
    found = sorted(zip(segments, spikes.afferent.tolist(), strict=True))
    wanted = sorted(
        (sample * T + int(-(-time // 1)), afferent)
        for sample, row in enumerate(times.tolist())
        for afferent, time in enumerate(row)
        if 0 <= time <= T - 1
    )
    assert found == wanted
    assert spikes.offsets.numel() == 4 * T + 1
    assert int(spikes.offsets[-1]) == len(wanted)
