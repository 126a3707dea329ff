"""Spikes at real times in order of their arrival, and the state of each output after every arrival.

A grid has no place for a crossing between two arrivals of one millisecond. Here each sample is the list of its arrivals
in order, and the state is the pair (V, Y), Y(t) = sum w_i exp(-(t - t_i)/tau_fast). Over a gap g it decays to

    V <- exp(-g/tau_slow) V + K(g) Y,    Y <- exp(-g/tau_fast) Y,

and an arrival adds its weight to Y. No exponential has a positive argument, so no window is too long. The first entry
of each sample is the start of the window, without weight; entries after the last arrival lie at T, without weight, and
there is at least one of them.

Shapes: B samples, N afferents, O outputs, J entries, T ms. All values are float64.
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
        time: ms, float64 [B, J], ascending
        afferent: int64 [B, J], N for an entry without weight
        T: end of the window in ms
        features: number of afferents, N
    """

    time: torch.Tensor
    afferent: torch.Tensor
    T: int
    features: int

    @property
    def gap(self) -> torch.Tensor:
        """Return the time from each entry to the next one, 0 for the last, [B, J]."""
        return pad(self.time.diff(dim=1), (0, 1))

    def split(self, outputs: int) -> Iterator[SortedSpikes]:
        """Yield consecutive samples with so few entries that the states of all outputs need little memory."""
        samples = max(1, _CHUNK // max(1, self.time.shape[1] * outputs))
        for time, afferent in zip(self.time.split(samples), self.afferent.split(samples), strict=True):
            yield SortedSpikes(time, afferent, self.T, self.features)

    def states(self, weight: torch.Tensor, kernel: Kernel) -> tuple[torch.Tensor, torch.Tensor]:
        """Return V and Y after each entry for weights [O, N]: [B, O, J] each."""
        rows = torch.cat((weight.detach().t().double(), weight.new_zeros(1, len(weight), dtype=torch.float64)))
        y = rows[self.afferent.t()]
        v = torch.zeros_like(y)
        gap = self.gap.t().unsqueeze(-1)
        slow, rise, fast = ((-gap / kernel.slow).exp(), kernel(gap), (-gap / kernel.fast).exp())
        entries = zip(v.unbind(), y.unbind(), slow.unbind(), rise.unbind(), fast.unbind(), strict=True)
        v_before, y_before, slow_before, rise_before, fast_before = next(entries)
        for v_entry, y_entry, slow_gap, rise_gap, fast_gap in entries:
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
        entries = torch.arange(self.time.shape[1], device=self.time.device)
        effect = torch.where(entries <= last.unsqueeze(-1), effect, 0).transpose(1, 2)
        sums = effect.new_zeros(self.features + 1, effect.shape[2])
        return sums.index_add_(0, self.afferent.reshape(-1), effect.reshape(-1, effect.shape[2]))[:-1].t()


def sort_spikes(times: torch.Tensor, T: int) -> SortedSpikes:
    """Sort the spikes of real times [B, N] (ms, negative: no spike) in [0, T); an arrival at T has no effect before it.

    The number of entries depends on the number of spikes: on an accelerator the host waits for it here.
    """
    has_spike = (times >= 0) & (times < T)
    ordered, order = torch.where(has_spike, times.double(), T).sort(dim=1, stable=True)
    count = has_spike.sum(dim=1, keepdim=True)
    most, features = int(count.max()) if len(times) else 0, times.shape[1]
    silent = torch.arange(most, device=times.device) >= count
    time = pad(pad(ordered[:, :most], (1, 0)), (0, 1), value=T)
    return SortedSpikes(time, pad(order[:, :most].masked_fill(silent, features), (1, 1), value=features), T, features)
