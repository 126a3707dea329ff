"""One tempotron with random latency patterns: it should fire for the target patterns only.

Each of N afferents spikes once a pattern, at a time uniform in [0, T); P = alpha N patterns are targets or null
patterns by a fair coin. Patterns are shown one at a time, in a new random order every cycle. After an error, and only
then, the weights follow the tempotron rule with momentum,

    dw_i <- mu dw_i +- lambda K(t_max - t_i),    w_i <- w_i + dw_i

plus where a target was missed, minus where a null pattern fired. A problem is solved by the first cycle without an
error: weights do not change in it, so they hold for all patterns at once.

Gutig R, Sompolinsky H. The tempotron: a neuron that learns spike timing-based decisions. Nature Neuroscience 9(3),
420-428, 2006.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tempotron_core.snn import engine
from tempotron_core.validation import check_time_constants, positive_integer, positive_real

__all__ = [
    "CycleSnapshot",
    "LearningSession",
    "Patterns",
    "Problem",
    "Simulation",
    "draw_patterns",
    "learn",
    "psp_table",
    "simulate",
]

MAX_BYTES = 128 * 2**20
"""Limit of the memory for the responses of all afferents to all patterns, which a session holds while it learns."""
MAX_MOMENTUM = 0.9999
_INIT_STD = 0.01
_CHUNK = 32


@dataclass(frozen=True)
class Problem:
    """A learning problem; times in ms.

    Attributes:
        afferents: N
        load: alpha = P/N
        rate: learning rate lambda
        momentum: mu
        max_cycles: cycles after which the problem is given up

    Raises:
        TypeError: for values of another type.
        ValueError: for values out of range or too large for memory.
    """

    afferents: int = 100
    load: float = 2.0
    T: int = 500
    tau: float = 15.0
    tau_s: float = 15.0 / 4
    v_threshold: float = 1.0
    rate: float = 4.7e-4
    momentum: float = 0.99
    seed: int = 0
    max_cycles: int = 1000

    def __post_init__(self) -> None:
        positive_integer("afferents", self.afferents)
        positive_integer("T (steps of 1 ms)", self.T)
        positive_integer("cycles at most", self.max_cycles)
        positive_integer("seed", self.seed, minimum=0)
        check_time_constants(self.tau, self.tau_s)
        for name in ("load", "v_threshold", "rate"):
            positive_real(name, getattr(self, name))
        if not 0 <= self.momentum <= MAX_MOMENTUM:
            raise ValueError(
                f"momentum: expected 0 to {MAX_MOMENTUM}, got {self.momentum:g}; choose 0 for none, or the usual 0.99."
            )
        max_load = MAX_BYTES / (4 * self.afferents**2 * self.T)
        if self.load > max_load:
            needed_mib = self.load / max_load * MAX_BYTES / 2**20
            raise ValueError(
                f"alpha: expected a problem of {MAX_BYTES // 2**20} MiB at most, got {needed_mib:,.0f} MiB; with this "
                f"N and "
                f"this T choose an alpha up to {np.floor(100 * max_load) / 100:g}."
            )

    @property
    def num_patterns(self) -> int:
        """Return P, at least 1."""
        return max(1, round(self.load * self.afferents))

    @property
    def kernel(self) -> engine.Kernel:
        """Return the postsynaptic potential of the neuron."""
        return engine.Kernel(self.tau, self.tau_s, self.v_threshold)


@dataclass(frozen=True, eq=False)
class Patterns:
    """Random draw of a problem: times [P, N] in ms, target bool [P], initial weights [N] (standard deviation 0.01)."""

    times: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor


def draw_patterns(problem: Problem) -> Patterns:
    """Draw patterns, labels and initial weights with the seed of the problem."""
    generator = torch.Generator().manual_seed(problem.seed)
    weight = _INIT_STD * torch.randn(problem.afferents, generator=generator)
    target = torch.rand(problem.num_patterns, generator=generator) < 0.5
    times = problem.T * torch.rand(problem.num_patterns, problem.afferents, generator=generator)
    return Patterns(times, target, weight)


def psp_table(problem: Problem, times: torch.Tensor) -> torch.Tensor:
    """Return K(t - t_i) for times [P, N]: [P, N, T].

    The weights change after every error and the next pattern needs its potential before the following one: a product
    with this table takes a hundredth of the time of the engine.
    """
    unit_weights = torch.eye(problem.afferents)
    table = torch.empty(len(times), problem.afferents, problem.T)
    for chunk, rows in zip(times.split(_CHUNK), table.split(_CHUNK), strict=True):
        rows.copy_(engine.potential(unit_weights, engine.bin_spikes(chunk, problem.T), problem.kernel))
    return table


@dataclass(frozen=True, eq=False)
class CycleSnapshot:
    """State after a cycle: number from 1, errors, weights [N], last change dw [N]; never written to."""

    cycle: int
    errors: int
    weight: torch.Tensor
    momentum_term: torch.Tensor

    @property
    def solved(self) -> bool:
        """Return whether these weights are correct for every pattern."""
        return self.errors == 0


def learn(problem: Problem, resume_from: CycleSnapshot | None = None) -> Iterator[CycleSnapshot]:
    """Learn cycle by cycle until all patterns are correct or the cycles are used up."""
    patterns = draw_patterns(problem)
    cycle, weight, momentum_term = (0, patterns.weight, torch.zeros_like(patterns.weight))
    if resume_from is not None:
        if resume_from.solved:
            return
        cycle, weight, momentum_term = resume_from.cycle, resume_from.weight, resume_from.momentum_term
    table = list(psp_table(problem, patterns.times).numpy())
    w, dw = weight.numpy(), momentum_term.numpy()
    targets = patterns.target.tolist()
    momentum, steps = np.float32(problem.momentum), {True: np.float32(problem.rate), False: np.float32(-problem.rate)}
    while cycle < problem.max_cycles:
        cycle, errors = cycle + 1, 0
        for p in np.random.default_rng((problem.seed, cycle)).permutation(len(targets)).tolist():
            v = w @ table[p]
            t_max = v.argmax()
            if (v[t_max] >= problem.v_threshold) != targets[p]:
                dw = momentum * dw + steps[targets[p]] * table[p][:, t_max]
                w = w + dw
                errors += 1
        yield CycleSnapshot(cycle, errors, torch.from_numpy(w), torch.from_numpy(dw))
        if not errors:
            return


class LearningSession:
    """A problem learned in slices of time; its table exists only between start and stop."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.patterns = draw_patterns(problem)
        self.snapshot: CycleSnapshot | None = None
        self.errors: list[int] = []
        self._learning: Iterator[CycleSnapshot] | None = None

    @property
    def active(self) -> bool:
        """Return whether it is between start and stop."""
        return self._learning is not None

    @property
    def finished(self) -> bool:
        """Return whether the problem is solved or out of cycles."""
        last = self.snapshot
        return last is not None and (last.solved or last.cycle >= self.problem.max_cycles)

    @property
    def weight(self) -> torch.Tensor:
        """Return the present weights, [N]."""
        return self.patterns.weight if self.snapshot is None else self.snapshot.weight

    def start(self) -> None:
        """Start or continue."""
        if not self.active and not self.finished:
            self._learning = learn(self.problem, self.snapshot)

    def stop(self) -> None:
        """Keep the weights and release the table."""
        self._learning = None

    def run_for(self, seconds: float, cycles: int | None = None) -> None:
        """Learn for about this many seconds or at most this many cycles; at least one cycle while active."""
        started, done = time.monotonic(), 0
        while self._learning is not None:
            self.snapshot = next(self._learning)
            self.errors.append(self.snapshot.errors)
            done += 1
            if self.finished:
                self.stop()
            if time.monotonic() - started >= seconds or done == cycles:
                return


@dataclass(frozen=True, eq=False)
class Simulation:
    """Response of the neuron to one pattern.

    Attributes:
        spike_time: first step at which v reaches the threshold, None where it never does
        v_shunted: potential in which afferent spikes after spike_time have no effect; v without a spike
    """

    v: torch.Tensor
    v_shunted: torch.Tensor
    v_max: float
    t_max: int
    spike_time: int | None


def simulate(problem: Problem, weight: torch.Tensor, times: torch.Tensor) -> Simulation:
    """Return the response to one pattern, times [N] in ms, with weights [N]."""

    def potential(spikes: torch.Tensor) -> torch.Tensor:
        binned = engine.bin_spikes(spikes.unsqueeze(0), problem.T)
        return engine.potential(weight.unsqueeze(0), binned, problem.kernel)[0, 0]

    v = potential(times)
    v_max, t_max = v.max(dim=0)
    crossings = (v >= problem.v_threshold).nonzero()
    if not len(crossings):
        return Simulation(v, v, float(v_max), int(t_max), None)
    spike_time = int(crossings[0])
    return Simulation(v, potential(torch.where(times <= spike_time, times, -1.0)), float(v_max), int(t_max), spike_time)
