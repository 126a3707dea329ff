"""The spike store against binning the same samples afresh."""

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tempotron_core.snn.engine import Kernel, SpikeEvents, bin_spikes, peak, potential
from tempotron_core.snn.spike_store import SpikeStore

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


def filled_store(table: torch.Tensor, rows: torch.Tensor, T: int, budget: int = 2**30) -> SpikeStore:
    store = SpikeStore(table, rows, T, budget)
    assert list(store.fill())[-1] == len(rows) == len(store)
    return store


def check_same(
    got: SpikeEvents, table: torch.Tensor, rows: torch.Tensor, T: int, dtype: torch.dtype, atol: float
) -> None:
    """A batch has the potentials, peaks and gradients of the rows' own spikes."""
    times = table[rows.int()].view(len(rows), -1)
    assert (got.batch, got.T) == (len(rows), T)
    for respond in (potential, peak):
        results = []
        for spikes in (got, bin_spikes(times, T)):
            generator = torch.Generator().manual_seed(1)
            weight = torch.randn(3, times.shape[1], generator=generator, dtype=dtype).requires_grad_()
            answer = respond(weight, spikes, KERNEL)
            upstream = torch.randn(answer.shape, generator=generator, dtype=dtype)
            (grad,) = torch.autograd.grad(answer, weight, upstream)
            results.append((answer.detach(), grad))
        (answer_got, grad_got), (answer_wanted, grad_wanted) = results
        torch.testing.assert_close(answer_got, answer_wanted, rtol=0, atol=atol)
        torch.testing.assert_close(grad_got, grad_wanted, rtol=0, atol=atol)


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
    streams=st.booleans(),
    choose=st.data(),
)
def test_a_batch_is_what_binning_gives(
    seed: int,
    samples: int,
    fields: int,
    symbols: int,
    m: int,
    T: int,
    silent: float,
    common: float,
    streams: bool,
    choose: st.DataObject,
) -> None:
    table, rows = spike_table(seed, symbols, m, T, silent), symbol_rows(seed, samples, fields, symbols, common)
    store = filled_store(table, rows, T, budget=-1 if streams else 2**30)
    assert store.encodes_on_the_fly == streams
    ids = torch.tensor(choose.draw(st.lists(st.integers(0, samples - 1), min_size=1, max_size=15)))
    batch = store.batch(ids)
    assert torch.equal(batch.samples.cpu(), ids)
    check_same(batch, table, rows[ids], T, torch.float64, atol=1e-11)


@pytest.mark.parametrize("streams", [False, True])
def test_more_samples_than_are_encoded_at_a_time(streams: bool) -> None:
    table, rows = spike_table(0, 20, 4, 30, 0.2), symbol_rows(0, 2300, 11, 20, 0.5)
    store = SpikeStore(table, rows, 30, budget=0 if streams else 2**30)
    assert list(store.fill()) == ([2300] if streams else [1000, 2000, 2300])
    ids = torch.tensor([2299, 0, 999, 1000, 1001, 7, 7])
    check_same(store.batch(ids), table, rows[ids], 30, torch.float64, atol=1e-11)


def test_kept_and_streamed_batches_agree_to_the_bit() -> None:
    table, rows = spike_table(0, 20, 4, 30, 0.2), symbol_rows(0, 40, 11, 20, 0.5)
    weight = torch.randn(3, 44, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([3, 39, 3, 17])
    kept, streamed = (filled_store(table, rows, 30, budget).batch(ids) for budget in (2**30, 0))
    assert torch.equal(potential(weight, kept, KERNEL), potential(weight, streamed, KERNEL))


@pytest.mark.parametrize("ahead", [False, True])
def test_batches_come_in_the_order_of_their_groups(ahead: bool) -> None:
    store = filled_store(spike_table(0, 20, 4, 30, 0.2), symbol_rows(0, 40, 11, 20, 0.5), 30)
    groups = torch.arange(40).split(3)
    batches = list(store.prepared_batches(groups, ahead))
    assert [batch.samples.tolist() for batch in batches] == [group.tolist() for group in groups]
    by_bin = torch.randn(3 * 31, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(batches[1].sum_by_afferent(by_bin, None), store.batch(groups[1]).sum_by_afferent(by_bin, None))


def test_batches_ahead_end_with_the_caller() -> None:
    store = filled_store(spike_table(0, 20, 4, 30, 0.2), symbol_rows(0, 40, 11, 20, 0.5), 30)
    others = set(threading.enumerate())
    batches = store.prepared_batches(torch.arange(40).split(3), ahead=True)
    next(batches)
    (worker,) = set(threading.enumerate()) - others
    batches.close()
    assert not worker.is_alive()
    with pytest.raises(IndexError):
        list(store.prepared_batches([torch.tensor([40])], ahead=True))


def test_an_empty_batch() -> None:
    table, rows = spike_table(0, 20, 4, 30, 0.2), symbol_rows(0, 9, 11, 20, 0.5)
    batch = filled_store(table, rows, 30).batch(torch.zeros(0, dtype=torch.int64))
    weight = torch.randn(3, 44).requires_grad_()
    v = potential(weight, batch, KERNEL)
    assert v.shape == (0, 3, 30)
    (grad,) = torch.autograd.grad(v.sum(), weight)
    assert not grad.any()


def test_the_first_symbol_costs_no_memory() -> None:
    table = spike_table(0, 20, 4, 30, 0.0)
    blank = torch.zeros(5, 11, dtype=torch.uint8)
    assert not SpikeStore(table, blank, 30, budget=0).encodes_on_the_fly
    assert SpikeStore(table, blank + 1, 30, budget=0).encodes_on_the_fly


@pytest.mark.parametrize("T", [100, 1000])
def test_the_order_of_the_sums_costs_float32_little(T: int) -> None:
    """Sums of n terms in another order differ by at most n * 2^-24 of the sum of their sizes; far less in practice."""
    table, rows = spike_table(0, 256, 16, T, 0.7), symbol_rows(0, 8, 784, 256, 0.8)
    store = filled_store(table, rows, T)
    times = table[rows.int()].view(8, -1)
    weight = torch.randn(3, times.shape[1], generator=torch.Generator().manual_seed(0))
    v = potential(weight, store.batch(torch.arange(8)), KERNEL)
    exact = potential(weight.double(), bin_spikes(times.double(), T), KERNEL)
    sizes = potential(weight.double().abs(), bin_spikes(times.double(), T), KERNEL)
    differences = (v - exact).abs()
    terms = int((times >= 0).sum(1).max())
    # Taking the background's spikes away again adds terms of the background: its sum of sizes bounds theirs too.
    background = potential(weight.double().abs(), bin_spikes(table[0].double().repeat(784)[None], T), KERNEL)
    assert bool((differences <= 2 * (terms + T) * 2.0**-24 * (sizes + 2 * background) + 1e-7).all())
    assert float(differences.max()) < 1e-4


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    samples=st.integers(1, 12),
    fields=st.integers(1, 9),
    m=st.integers(1, 40),
    T=st.integers(1, 15),
    common=st.floats(0, 1),
    silent=st.floats(0, 1),
)
def test_sorted_spikes_and_lines_give_the_same_bits(
    seed: int, samples: int, fields: int, m: int, T: int, common: float, silent: float
) -> None:
    table, rows = spike_table(seed, 6, m, T, silent), symbol_rows(seed, samples, fields, 6, common)
    batch = filled_store(table, rows, T).batch(torch.arange(samples))
    by_bin = torch.randn(samples, T + 1, 10, generator=torch.Generator().manual_seed(seed))
    by_bin[:, T] = 0  # of spikes that come too late
    by_bin = by_bin.view(-1, 10)
    assert torch.equal(batch._sum_sorted(by_bin), batch._sum_line_by_line(by_bin))


@pytest.mark.parametrize(("m", "chosen"), [(2**16, "_sum_sorted"), (2**16 + 1, "_sum_line_by_line")])
def test_more_afferents_than_are_sorted(m: int, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """2^16 afferents have numbers of 16 bits; one more has not."""
    table = torch.full((2, m), -1.0)
    table[0, -1], table[1, 0], table[1, -1] = 2, 1, 3
    batch = filled_store(table, torch.tensor([[1], [0]], dtype=torch.uint8), 5).batch(torch.arange(2))
    by_bin = torch.arange(12.0).view(12, 1)
    by_bin[[5, 11]] = 0
    sums = batch.sum_by_afferent(by_bin, None)
    assert (float(sums[0]), float(sums[-1]), float(sums.sum())) == (1, 3 + 8, 12)
    monkeypatch.setattr(batch, chosen, lambda rows: None)
    assert batch.sum_by_afferent(by_bin, None) is None
