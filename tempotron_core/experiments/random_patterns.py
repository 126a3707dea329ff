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

import torch

from tempotron_core.experiments.pattern_learning import (
    MAX_MOMENTUM,
    CycleSnapshot,
    PatternLearner,
    Patterns,
    Problem,
    draw_patterns,
    published_rate,
)
from tempotron_core.snn import engine

__all__ = [
    "MAX_MOMENTUM",
    "CycleSnapshot",
    "LearningSession",
    "Patterns",
    "Problem",
    "Simulation",
    "draw_patterns",
    "learn",
    "published_rate",
    "simulate",
]


def learn(problem: Problem, resume_from: CycleSnapshot | None = None) -> Iterator[CycleSnapshot]:
    """Learn cycle by cycle until all patterns are correct or the cycles are used up."""
    learner = PatternLearner([problem], [resume_from])
    while len(learner.active):
        yield learner.run_cycle()


class LearningSession:
    """A problem learned in slices of time; its patterns are prepared only between start and stop."""

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
        """Keep the weights and release the patterns."""
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
