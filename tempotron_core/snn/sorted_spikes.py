"""Spikes at real times in order of their arrival, and the state of each output after every arrival.

A grid has no place for a crossing between two arrivals of one millisecond. Here each sample is the list of its arrivals
in order, and the state is the pair (V, Y), Y(t) = sum w_i exp(-(t - t_i)/tau_fast). Over a gap g it decays to

    V <- exp(-g/tau_slow) V + K(g) Y,    Y <- exp(-g/tau_fast) Y,

and an arrival adds its weight to Y. No exponential has a positive argument, so no window is too long. An entry is one
distinct time, with all arrivals at it. The first entry of each sample is the start of the window; entries after the
last arrival lie at T, without weight, and there is at least one of them.

Shapes: B samples, N afferents, O outputs, E arrivals of a sample, J entries, T ms. All values are float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from tempotron_core.snn.engine import Kernel

__all__ = ["SortedSpikes", "sort_spikes"]

_CHUNK = 2**20  # states at a time: 8 MB an array


@dataclass(frozen=True, eq=False)
class SortedSpikes:
    """Arrivals of B samples in order of time.

    Attributes:
        time: ms of each entry, float64 [B, J], ascending
        afferent: int64 [B, E], N for none
        entry: int64 [B, E], the entry of each arrival
        T: end of the window in ms
        features: number of afferents, N
    """

    time: torch.Tensor
    afferent: torch.Tensor
    entry: torch.Tensor
    T: int
    features: int

    @property
    def gap(self) -> torch.Tensor:
        """Return the time from each entry to the next one, 0 for the last, [B, J]."""
        return pad(self.time.diff(dim=1), (0, 1))

    def split(self, outputs: int) -> Iterator[SortedSpikes]:
        """Yield consecutive samples with so few entries that the states of all outputs need little memory."""
        samples = max(1, _CHUNK // max(1, self.time.shape[1] * outputs))
        parts = (values.split(samples) for values in (self.time, self.afferent, self.entry))
        for time, afferent, entry in zip(*parts, strict=True):
            yield SortedSpikes(time, afferent, entry, self.T, self.features)

    def states(self, weight: torch.Tensor, kernel: Kernel) -> tuple[torch.Tensor, torch.Tensor]:
        """Return V and Y after each entry for weights [O, N]: [B, O, J] each."""
        rows = torch.cat((weight.detach().t().double(), weight.new_zeros(1, len(weight), dtype=torch.float64)))
        batch, entries = self.time.shape
        place = self.entry * batch + torch.arange(batch, device=self.entry.device).unsqueeze(1)
        y = rows.new_zeros(entries * batch, len(weight))
        y.index_add_(0, place.view(-1), rows.index_select(0, self.afferent.reshape(-1)))
        y = y.view(entries, batch, len(weight))
        v = torch.zeros_like(y)
        gap = self.gap.t().unsqueeze(-1)
        slow, rise, fast = ((-gap / kernel.slow).exp(), kernel(gap), (-gap / kernel.fast).exp())
        steps = zip(v.unbind(), y.unbind(), slow.unbind(), rise.unbind(), fast.unbind(), strict=True)
        v_before, y_before, slow_before, rise_before, fast_before = next(steps)
        for v_entry, y_entry, slow_gap, rise_gap, fast_gap in steps:
            torch.mul(v_before, slow_before, out=v_entry).addcmul_(y_before, rise_before)
            y_entry.addcmul_(y_before, fast_before)
            v_before, y_before = v_entry, y_entry
            slow_before, rise_before, fast_before = slow_gap, rise_gap, fast_gap
        return v.permute(1, 2, 0), y.permute(1, 2, 0)

    def entry_before(self) -> torch.Tensor:
        """Return the last entry before each grid time 0 ... T - 1, the first entry for 0: int64 [B, T]."""
        grid = torch.arange(self.T, dtype=torch.float64, device=self.time.device).expand(len(self.time), -1)
        return torch.searchsorted(self.time, grid.contiguous()).sub_(1).clamp_(min=0)

    def gradient_at(
        self, kernel: Kernel, factor: torch.Tensor, entry: torch.Tensor, delay: torch.Tensor
    ) -> torch.Tensor:
        """Return the gradient [O, N] of the potentials at time[entry] + delay, without arrivals after the entry.

        Args:
            kernel: postsynaptic potential
            factor: gradient of a loss with respect to each potential, [B, O]
            entry: int64 [B, O]
            delay: ms from 0 on, [B, O]
        """
        at = self.time.gather(1, entry) + delay
        effect = kernel(at.unsqueeze(-1) - self.time.unsqueeze(1)) * factor.double().unsqueeze(-1)
        return self.sum_by_afferent(effect, entry)

    def sum_by_afferent(self, effect: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        """Return the sums [O, N] over each afferent's arrivals of effect [B, O, J], up to the entry last [B, O]."""
        batch, entries = self.time.shape
        number = torch.arange(entries, device=self.time.device)
        effect = torch.where(number <= last.unsqueeze(-1), effect, 0).transpose(1, 2).reshape(batch * entries, -1)
        place = self.entry + torch.arange(batch, device=self.entry.device).unsqueeze(1) * entries
        sums = effect.new_zeros(self.features + 1, effect.shape[1])
        sums.index_add_(0, self.afferent.reshape(-1), effect.index_select(0, place.view(-1)))
        return sums[:-1].t()


def sort_spikes(times: torch.Tensor, T: int) -> SortedSpikes:
    """Sort the spikes of real times [B, N] (ms, negative: no spike) in [0, T); an arrival at T has no effect before it.

    The sizes depend on the number of spikes and of distinct times: on an accelerator the host waits for it here.
    """
    has_spike = (times >= 0) & (times < T)
    ordered, order = torch.where(has_spike, times.double(), T).sort(dim=1, stable=True)
    count = has_spike.sum(dim=1, keepdim=True)
    most, features = int(count.max()) if len(times) else 0, times.shape[1]
    ordered = ordered[:, :most]
    afferent = order[:, :most].masked_fill(torch.arange(most, device=times.device) >= count, features)
    entry = (pad(ordered, (1, 0)).diff(dim=1) > 0).cumsum(dim=1)
    entries = int(entry.max()) + 2 if entry.numel() else 2
    time = ordered.new_full((len(times), entries), T).scatter_(1, entry, ordered)
    time[:, 0] = 0
    return SortedSpikes(time, afferent, entry, T, features)
