"""Many problems of random patterns learned at once, in memory linear in the number of spikes.

A spike at t_i belongs to the first step b_i = ceil(t_i) at which it has an effect. With the kernel K(s) =
V_0 (exp(-s/tau) - exp(-s/tau_s)) the potential of a pattern is V(t) = A(t) - B(t), each a running sum:

    A(t) exp(t/tau) = V_0 sum over b_i <= t of w_i exp(t_i/tau),    B likewise with tau_s

so that a step takes one count of the weights by bin and two cumulative sums, without a table of [patterns, N, T]. The
window is cut into blocks in which exp(t/tau_s) stays finite. Weights depend on the pattern before, so patterns of one
problem cannot be evaluated at once; patterns of different problems can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tempotron_core.snn import engine
from tempotron_core.validation import check_time_constants, one_of, positive_integer, positive_real

__all__ = [
    "LAST_SPIKE",
    "MAX_BYTES",
    "MAX_MOMENTUM",
    "READ_OUTS",
    "REST",
    "CycleSnapshot",
    "PatternLearner",
    "Patterns",
    "Problem",
    "draw_patterns",
    "published_rate",
]

MAX_BYTES = 128 * 2**20
"""Limit of the memory for the spikes of all patterns, which a session holds while it learns."""
MAX_MOMENTUM = 0.9999
REST, LAST_SPIKE = READ_OUTS = "rest", "last-spike"
"""Where the peak lies if no potential exceeds rest: at the step where it is highest, or at the last spike plus s*."""
_BYTES_PER_SPIKE = 28


@dataclass(frozen=True)
class Problem:
    """A learning problem; times in ms.

    Attributes:
        afferents: N
        load: alpha = P/N
        rate: learning rate lambda
        momentum: mu
        max_cycles: cycles after which the problem is given up
        init_std: standard deviation of the initial weights; 1e-3 is reported for 2006
        read_out: one of READ_OUTS; last-spike is reported for 2006

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
    init_std: float = 0.01
    read_out: str = REST

    def __post_init__(self) -> None:
        positive_integer("afferents", self.afferents)
        positive_integer("T (steps of 1 ms)", self.T)
        positive_integer("cycles at most", self.max_cycles)
        positive_integer("seed", self.seed, minimum=0)
        check_time_constants(self.tau, self.tau_s)
        one_of("read_out", self.read_out, READ_OUTS)
        for name in ("load", "v_threshold", "rate", "init_std"):
            positive_real(name, getattr(self, name))
        if not 0 <= self.momentum <= MAX_MOMENTUM:
            raise ValueError(
                f"momentum: expected 0 to {MAX_MOMENTUM}, got {self.momentum:g}; choose 0 for none, or the usual 0.99."
            )
        needed = _BYTES_PER_SPIKE * self.load * self.afferents**2
        if needed > MAX_BYTES:
            max_load = np.floor(100 * self.load * MAX_BYTES / needed) / 100
            raise ValueError(
                f"alpha: expected a problem of {MAX_BYTES // 2**20} MiB at most, got {needed / 2**20:,.0f} MiB; with "
                f"this N choose an alpha up to {max_load:g}."
            )

    @property
    def num_patterns(self) -> int:
        """Return P, at least 1."""
        return max(1, round(self.load * self.afferents))

    @property
    def kernel(self) -> engine.Kernel:
        """Return the postsynaptic potential of the neuron."""
        return engine.Kernel(self.tau, self.tau_s, self.v_threshold)


def published_rate(afferents: int, T: int, tau: float, tau_s: float) -> float:
    """Return the learning rate 3e-3 T/(tau N V_0) that is reported for 2006; V_0 scales the kernel to a peak of 1.

    Raises:
        ValueError: for less than one afferent.
    """
    positive_integer("afferents", afferents)
    return 3e-3 * T / (tau * afferents * engine.Kernel(tau, tau_s, 1.0).scale)


@dataclass(frozen=True, eq=False)
class Patterns:
    """Random draw of a problem: times [P, N] in ms, target bool [P], initial weights [N]."""

    times: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor


def draw_patterns(problem: Problem) -> Patterns:
    """Draw patterns, labels and initial weights with the seed of the problem."""
    generator = torch.Generator().manual_seed(problem.seed)
    weight = problem.init_std * torch.randn(problem.afferents, generator=generator)
    target = torch.rand(problem.num_patterns, generator=generator) < 0.5
    times = problem.T * torch.rand(problem.num_patterns, problem.afferents, generator=generator)
    return Patterns(times, target, weight)


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


_MAX_EXPONENT = 600.0


@dataclass
class _State:
    """State of one problem: first row of its patterns, number, cycle, place in the cycle, order, errors."""

    problem: Problem
    first_row: int
    cycle: int
    order: np.ndarray
    position: int = 0
    errors: int = 0


class PatternLearner:
    """Problems that share neuron, window and number of afferents, each at its own pattern and cycle.

    Args:
        problems: problems to learn
        resume_from: snapshot to continue each from, None for its beginning

    Raises:
        ValueError: for problems that do not belong together.
    """

    def __init__(self, problems: Sequence[Problem], resume_from: Sequence[CycleSnapshot | None] | None = None) -> None:
        shared = {(p.afferents, p.T, p.tau, p.tau_s, p.v_threshold, p.read_out) for p in problems}
        if len(shared) != 1:
            raise ValueError(
                "problems: expected one N, T, tau, tau_s, threshold and read-out, got several; learn them apart."
            )
        self._first = first = problems[0]
        self._scale = float(first.kernel.scale)
        self._taus = first.kernel.slow, first.kernel.fast
        starts = list(resume_from or [None] * len(problems))
        self._block = max(1, int(_MAX_EXPONENT * first.kernel.fast))
        in_block = np.arange(first.T + 1) % self._block
        self._growth = [(np.exp(in_block / tau), np.exp(in_block / -tau)) for tau in self._taus]
        times, targets, weights, changes, self._states = [], [], [], [], []
        row = 0
        for problem, start in zip(problems, starts, strict=True):
            patterns = draw_patterns(problem)
            times.append(patterns.times.numpy())
            targets.append(patterns.target.numpy())
            cycle, weight, change = 0, patterns.weight, torch.zeros_like(patterns.weight)
            if start is not None:
                cycle, weight, change = start.cycle, start.weight, start.momentum_term
            weights.append(weight.numpy())
            changes.append(change.numpy())
            self._states.append(_State(problem, row, cycle + 1, self._order(problem, cycle + 1)))
            row += problem.num_patterns
        self._times, self._targets = np.concatenate(times), np.concatenate(targets)
        bins = np.ceil(self._times).astype(np.int32)
        # Bins and summands of A and of B side by side, so that a pattern alone takes one count for both.
        self._both_bins = np.concatenate((bins, bins + np.int32(first.T + 1)), axis=1)
        self._both_summands = np.empty((len(bins), 2 * first.afferents))
        self._bins = self._both_bins[:, : first.afferents]
        self._folded = self._both_summands[:, : first.afferents], self._both_summands[:, first.afferents :]
        for summands, tau, growth in zip(self._folded, self._taus, self._growth, strict=True):
            np.multiply(self._scale * np.exp((self._times - bins) / tau), growth[0][bins], out=summands)
        self._w, self._dw = np.stack(weights), np.stack(changes)
        done = [i for i, s in enumerate(self._states) if self._is_done(s, starts[i])]
        self.active = np.array([i for i in range(len(problems)) if i not in done], dtype=np.int64)
        self._rates = np.array([problem.rate for problem in problems])
        self._momenta = np.array([problem.momentum for problem in problems])

    @staticmethod
    def _order(problem: Problem, cycle: int) -> np.ndarray:
        return np.random.default_rng((problem.seed, cycle)).permutation(problem.num_patterns)

    @staticmethod
    def _is_done(state: _State, start: CycleSnapshot | None) -> bool:
        return (start is not None and start.solved) or state.cycle > state.problem.max_cycles

    def step(self) -> list[tuple[int, CycleSnapshot]]:
        """Show one pattern to each active problem; return the numbers of those that ended a cycle, and their state."""
        active, states = self.active, [self._states[i] for i in self.active]
        rows = np.array([state.first_row + state.order[state.position] for state in states])
        w = self._w[active]
        v = self._potential(rows, w)
        at = v.argmax(axis=1)
        v_max = v[np.arange(len(rows)), at]
        wrong = np.flatnonzero((v_max >= self._first.v_threshold) != self._targets[rows])
        if len(wrong):
            self._correct(active[wrong], rows[wrong], at[wrong], v_max[wrong])
            for number in wrong.tolist():
                states[number].errors += 1
        ended = []
        for number, state in zip(active.tolist(), states, strict=True):
            state.position += 1
            if state.position == len(state.order):
                ended.append((number, self._end_cycle(number, state)))
        if ended:
            over = [i for i, snapshot in ended if snapshot.solved or self._states[i].cycle > self._limit(i)]
            self.active = np.array([i for i in active.tolist() if i not in over], dtype=np.int64)
        return ended

    def run_cycle(self) -> CycleSnapshot:
        """Show all patterns of a cycle to the first problem, the only one that is active; same results as steps.

        The sums of one pattern are too small for the calls of a step, so that this takes a third of the time.
        """
        if self._block <= self._first.T:
            while not (ended := self.step()):
                pass
            return ended[0][1]
        state, width = self._states[0], self._first.T + 1
        bins, summands = self._both_bins, self._both_summands
        decay = np.stack([growth[1] for growth in self._growth])
        w, threshold = np.concatenate((self._w[0], self._w[0])), self._first.v_threshold
        for row in (state.first_row + state.order).tolist():
            trace = np.bincount(bins[row], w * summands[row], minlength=2 * width).reshape(2, width)
            summed = torch.from_numpy(trace)
            torch.cumsum(summed, dim=1, out=summed)
            trace *= decay
            v = (trace[0] - trace[1])[:-1]
            at = v.argmax()
            if (v[at] >= threshold) != self._targets[row]:
                rows = np.array([row])
                self._correct(np.zeros(1, np.int64), rows, np.array([at]), v[at : at + 1])
                state.errors += 1
                w = np.concatenate((self._w[0], self._w[0]))
        snapshot = self._end_cycle(0, state)
        if snapshot.solved or state.cycle > self._limit(0):
            self.active = self.active[:0]
        return snapshot

    def _correct(self, numbers: np.ndarray, rows: np.ndarray, at: np.ndarray, v_max: np.ndarray) -> None:
        """Change the weights of problems after errors: their numbers, rows, steps of the peaks and peaks, all [n]."""
        t_max = at.astype(np.float64)
        if self._first.read_out == LAST_SPIKE:
            last = self._times[rows].max(axis=1) + self._first.kernel.time_to_peak
            t_max = np.where(v_max <= 0, last, t_max)
        sign = np.where(self._targets[rows], 1.0, -1.0) * self._rates[numbers]
        kernel = self._kernel(t_max[:, None] - self._times[rows])
        self._dw[numbers] = self._momenta[numbers, None] * self._dw[numbers] + sign[:, None] * kernel
        self._w[numbers] += self._dw[numbers]

    def _limit(self, number: int) -> int:
        return self._states[number].problem.max_cycles

    def _end_cycle(self, number: int, state: _State) -> CycleSnapshot:
        weight, change = (torch.from_numpy(values[number].copy()) for values in (self._w, self._dw))
        snapshot = CycleSnapshot(state.cycle, state.errors, weight, change)
        state.cycle, state.position, state.errors = state.cycle + 1, 0, 0
        if not snapshot.solved and state.cycle <= state.problem.max_cycles:
            state.order = self._order(state.problem, state.cycle)
        return snapshot

    def _potential(self, rows: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Return the potentials of one pattern of each problem, rows [S], weights [S, N]: [S, T]."""
        S, width = len(rows), self._first.T + 1
        flat = (self._bins[rows] + (width * np.arange(S))[:, None]).reshape(-1)
        traces = []
        for folded in self._folded:
            trace: np.ndarray = np.bincount(flat, (w * folded[rows]).reshape(-1), minlength=S * width)
            traces.append(trace.reshape(S, width))
        return self._difference(*traces)

    def _difference(self, slow: np.ndarray, fast: np.ndarray) -> np.ndarray:
        """Return A - B [S, T] from the summands of A and B in each bin, [S, T + 1], which are overwritten."""
        for trace, growth, tau in zip((slow, fast), self._growth, self._taus, strict=True):
            for start in range(0, trace.shape[1], self._block):
                part = trace[:, start : start + self._block]
                if start:  # what is left of the block before
                    part[:, 0] += trace[:, start - 1] * np.exp(-1 / tau)
                summed = torch.from_numpy(part)
                torch.cumsum(summed, dim=1, out=summed)  # a tenth of the time of numpy's
                np.multiply(part, growth[1][start : start + self._block], out=part)
        slow -= fast
        return slow[:, :-1]

    def _kernel(self, s: np.ndarray) -> np.ndarray:
        late = np.maximum(s, 0.0)
        value = np.exp(-late / self._taus[0]) - np.exp(-late / self._taus[1])
        return np.where(s >= 0, self._scale * value, 0.0)
