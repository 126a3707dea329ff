"""Ways to do the three costly parts of a step, side by side on real digits; the first of each part is the shipped one.

Prints a table of medians in ms. All ways of a part are checked to give the same result before they are timed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from tempotron_core.data import datasets
from tempotron_core.model.classifier import PIXELS, pixel_spike_table
from tempotron_core.snn.engine import bin_spikes, segment_sum
from tempotron_core.snn.spike_store import SpikeStore

Formulation = Callable[[], torch.Tensor]
BATCH, M, T, OUTPUTS = 64, 16, 100, 10


def sums_by_time(times: torch.Tensor, rows: torch.Tensor) -> dict[str, Formulation]:
    """[B, N] times, rows [N, O] -> sums over the spikes of every (bin, sample), [T*B, O]."""
    spikes = bin_spikes(times, T)
    spike_count = len(spikes.afferent)
    bags = torch.arange(T * BATCH).repeat_interleave(spikes.offsets.diff().long())
    ones = torch.ones(spike_count)
    csr = torch.sparse_csr_tensor(spikes.offsets, spikes.afferent, ones, (T * BATCH, len(rows)))
    wide = spikes.afferent.long()

    def index_add() -> torch.Tensor:
        return torch.zeros(T * BATCH, OUTPUTS).index_add_(0, bags, rows.index_select(0, wide))

    return {
        "embedding_bag": lambda: segment_sum(rows, spikes.afferent, spikes.offsets),
        "sparse CSR product": lambda: csr @ rows,
        "index_select, segment_reduce": lambda: torch.segment_reduce(
            rows.index_select(0, spikes.afferent), "sum", offsets=spikes.offsets.long(), initial=0
        ),
        "index_select, index_add_": index_add,
    }


def sums_by_afferent(times: torch.Tensor, store: SpikeStore, samples: torch.Tensor) -> dict[str, Formulation]:
    """Rows of bins -> sums over the spikes of every afferent [N, O], the orders included."""
    rows = torch.randn(BATCH, T + 1, OUTPUTS).index_fill_(1, torch.tensor([T]), 0).view(-1, OUTPUTS)
    spikes = bin_spikes(times, T)
    wide, features = spikes.afferent.long(), times.shape[1]

    def from_symbols() -> torch.Tensor:
        return store.batch(samples).sum_by_afferent(rows, None)

    def radix() -> torch.Tensor:
        return bin_spikes(times, T).sum_by_afferent(rows, None)

    def radix_alone() -> torch.Tensor:
        order = torch.from_numpy(np.argsort(spikes.afferent.numpy().astype(np.uint16), kind="stable"))
        counts = torch.bincount(spikes.afferent, minlength=features)
        offsets = torch.cat((counts.new_zeros(1), counts.cumsum(0))).int()
        return segment_sum(rows, spikes.rows.index_select(0, order), offsets)

    def torch_sort() -> torch.Tensor:
        afferent, order = torch.sort(spikes.afferent, stable=True)
        offsets = torch.searchsorted(afferent, torch.arange(features + 1, dtype=torch.int32), out_int32=True)
        return segment_sum(rows, spikes.rows.index_select(0, order), offsets)

    def index_add() -> torch.Tensor:
        return torch.zeros(features, OUTPUTS).index_add_(0, wide, rows.index_select(0, spikes.rows))

    def transposed() -> torch.Tensor:
        shape = (BATCH * (T + 1), features)
        ordered, order = torch.sort(spikes.rows, stable=True)
        starts = torch.searchsorted(ordered, torch.arange(shape[0] + 1, dtype=torch.int32), out_int32=True)
        matrix = torch.sparse_csr_tensor(starts, spikes.afferent[order], torch.ones(len(order)), shape)
        return matrix.t() @ rows

    def bag_backward() -> torch.Tensor:
        weight = torch.zeros(features, OUTPUTS, requires_grad=True)
        sums = embedding_bag(spikes.afferent, weight, spikes.offsets, mode="sum", include_last_offset=True)
        upstream = rows.view(BATCH, T + 1, OUTPUTS)[:, :T].transpose(0, 1).reshape(-1, OUTPUTS)
        return torch.autograd.grad(sums, weight, upstream)[0]

    return {
        "store: transposed symbols, no sort": from_symbols,
        "numpy radix sort, embedding_bag": radix_alone,
        "the same, binning included": radix,
        "torch.sort, searchsorted, embedding_bag": torch_sort,
        "embedding_bag's own backward": bag_backward,
        "index_select, index_add_": index_add,
        "transposed sparse CSR product": transposed,
    }


def find_spikes(times: torch.Tensor) -> dict[str, Formulation]:
    """Where [B, N] times hold a spike."""
    spiking = times >= 0
    return {
        "numpy flatnonzero": lambda: torch.from_numpy(np.flatnonzero(spiking.numpy())),
        "torch nonzero": lambda: spiking.view(-1).nonzero().view(-1),
        "torch nonzero_static": lambda: torch.nonzero_static(spiking.view(-1), size=int(spiking.sum())).view(-1),
    }


def time_in_turns(ways: dict[str, Formulation], repeats: int) -> dict[str, float]:
    """Medians in ms, the ways taking turns."""
    wanted = next(iter(ways.values()))()
    for name, way in ways.items():
        if not torch.allclose(way(), wanted, rtol=1e-4, atol=1e-4):
            raise AssertionError(f"{name}: expected the result of the first way, got another.")
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) * 1e3 for name, seconds in taken.items()}


def measure(quick: bool = False) -> dict[str, dict[str, float]]:
    """Part of a step -> way -> ms."""
    images = datasets.load(datasets.EMBEDDED, None).train.images.flatten(1)[:2000]
    assert images.shape[1] == PIXELS
    table = pixel_spike_table(M, T)
    store = SpikeStore(table, images, T)
    for _ in store.fill():
        pass
    samples = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:BATCH]
    times = table[images[samples].int()].view(BATCH, -1)
    rows = torch.randn(PIXELS * M, OUTPUTS)
    repeats = 5 if quick else 40
    return {
        "spikes summed by time": time_in_turns(sums_by_time(times, rows), repeats),
        "gradients summed by afferent": time_in_turns(sums_by_afferent(times, store, samples), repeats),
        "spikes found": time_in_turns(find_spikes(times), repeats),
    }


def format_report(report: dict[str, dict[str, float]]) -> str:
    """The report as a table."""
    lines = ["| part of a step | way | ms |", "|---|---|---|"]
    for part, ways in report.items():
        lines += [f"| {part} | {way} | {ms:.2f} |" for way, ms in ways.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(format_report(measure()))
