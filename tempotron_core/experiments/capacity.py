"""Capacity: fraction of random problems solved against the load alpha = P/N.

python -m tempotron_core.capacity tries them and writes the record that the dashboard shows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from tempotron_core.analysis.evaluation import wilson_interval
from tempotron_core.experiments.capacity_by_size import LOADS, SIZES_RECORD, record_sizes
from tempotron_core.experiments.pattern_learning import Problem
from tempotron_core.experiments.random_patterns import LearningSession, learn
from tempotron_core.experiments.records import read_record

__all__ = [
    "RECORD",
    "Capacity",
    "CapacityPoint",
    "ExtraTrials",
    "Series",
    "SuccessRate",
    "cycles_to_solve",
    "load_record",
    "main",
    "success_rate",
]

RECORD = Path(__file__).with_name("capacity.json")

_SEEDS = 10
_MAX_CYCLES = 4000
_RATE, _MOMENTUM = 4.7e-4, 0.99
# Without momentum a single step is a hundredth of what it adds up to with it: the higher rate makes up for that.
_SERIES = (
    (_RATE, _MOMENTUM, (0.5, 1.0, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5)),
    (_RATE, 0.0, (0.5, 1.0, 1.5, 2.0)),
    (_RATE / (1 - _MOMENTUM), 0.0, (1.0, 1.5, 2.0, 2.5)),
)


@dataclass(frozen=True)
class CapacityPoint:
    """Problems of one load: cycles each took, by seed from 0, None where not solved."""

    load: float
    cycles: tuple[int | None, ...]


@dataclass(frozen=True)
class Series:
    """Points with the same rate and momentum."""

    rate: float
    momentum: float
    points: tuple[CapacityPoint, ...]


@dataclass(frozen=True)
class Capacity:
    """A record: settings of all problems, and series; the first is the published rule."""

    problem: Problem
    seeds: int
    torch: str
    series: tuple[Series, ...]


@dataclass(frozen=True)
class SuccessRate:
    """Number of solved problems of one load, with 95 % confidence interval."""

    load: float
    solved: int
    problems: int
    low: float
    high: float


def success_rate(point: CapacityPoint, max_cycles: int) -> SuccessRate:
    """Count the problems of a point that were solved within this many cycles."""
    solved = sum(cycles is not None and cycles <= max_cycles for cycles in point.cycles)
    return SuccessRate(point.load, solved, len(point.cycles), *wilson_interval(solved, len(point.cycles)))


def cycles_to_solve(problem: Problem) -> int | None:
    """Return the cycles a problem takes, None where it is not solved."""
    *_, last = learn(problem)
    return last.cycle if last.solved else None


class ExtraTrials:
    """Problems beyond those of the record, solved one after the other in slices of time."""

    def __init__(self, record: Capacity) -> None:
        self._record = record
        self._queue: list[Problem] = []
        self._finished: list[tuple[Problem, int | None]] = []
        self._session: LearningSession | None = None

    @property
    def active(self) -> bool:
        """Return whether any are left."""
        return self._session is not None or bool(self._queue)

    @property
    def status_text(self) -> str:
        """Return what is being solved, empty where nothing is."""
        if self._session is None or self._session.snapshot is None:
            return "Drawing patterns" if self.active else ""
        last, problem = self._session.snapshot, self._session.problem
        return (
            f"Trying alpha {problem.load:g}: {last.errors} of {problem.num_patterns} patterns wrong in cycle "
            f"{last.cycle:,}; {len(self._queue)} more to come"
        )

    def add(self, load: float, max_cycles: int, number: int) -> None:
        """Queue this many more problems of a load, with seeds not used before."""
        queued_and_finished = [*self._queue, *(problem for problem, _ in self._finished)]
        if self._session is not None:
            queued_and_finished.append(self._session.problem)
        first_seed = max(
            [problem.seed + 1 for problem in queued_and_finished if problem.load == load], default=self._record.seeds
        )
        first = self._record.series[0]
        self._queue += [
            replace(
                self._record.problem, load=load, rate=first.rate, momentum=first.momentum, seed=seed,
                max_cycles=max_cycles,
            )
            for seed in range(first_seed, first_seed + number)
        ]  # fmt: skip

    def stop(self) -> None:
        """Discard unfinished problems."""
        self._queue, self._session = [], None

    def run_for(self, seconds: float) -> None:
        """Continue for about this many seconds."""
        if self._session is None and self._queue:
            self._session = LearningSession(self._queue.pop(0))
            self._session.start()
        if self._session is None:
            return
        self._session.run_for(seconds)
        last = self._session.snapshot
        if self._session.finished and last is not None:
            self._finished.append((self._session.problem, last.cycle if last.solved else None))
            self._session = None

    def points(self, max_cycles: int) -> tuple[CapacityPoint, ...]:
        """Return the results by load, without problems given up before this many cycles."""
        cycles_by_load: dict[float, list[int | None]] = {}
        for problem, cycles in self._finished:
            if cycles is not None or problem.max_cycles >= max_cycles:
                cycles_by_load.setdefault(problem.load, []).append(cycles)
        return tuple(CapacityPoint(alpha, tuple(cycles_by_load[alpha])) for alpha in sorted(cycles_by_load))


@lru_cache(maxsize=1)
def load_record() -> Capacity:
    """Return the record of the project."""
    record = read_record(RECORD)
    settings = {"max_cycles" if name == "most_cycles" else name: value for name, value in record["settings"].items()}
    series = tuple(
        Series(
            entry["rate"],
            entry["momentum"],
            tuple(CapacityPoint(point["alpha"], tuple(point["cycles"])) for point in entry["points"]),
        )
        for entry in record["series"]
    )
    return Capacity(Problem(**settings), record["seeds"], record["torch"], series)


def main(arguments: Sequence[str] | None = None) -> int:
    """Solve every problem, seed by seed, and write the record after each seed."""
    parser = argparse.ArgumentParser(prog="python -m tempotron_core.capacity", description=__doc__)
    parser.add_argument("--seeds", type=int, default=_SEEDS, help="problems of each alpha")
    parser.add_argument(
        "--max-cycles", "--most-cycles", type=int, default=_MAX_CYCLES, help="when to give a problem up"
    )
    parser.add_argument("--afferents", type=int, default=Problem.afferents)
    parser.add_argument("-T", "--T", type=int, default=Problem.T, help="time window, ms")
    parser.add_argument("--output", type=Path)
    sizes = parser.add_argument_group("by number of afferents, continued where it ended")
    sizes.add_argument("--sizes", type=int, nargs="+", metavar="N", help="numbers of afferents")
    sizes.add_argument("--loads", type=float, nargs="+", default=LOADS, help="loads alpha")
    sizes.add_argument("--processes", type=int, default=1)
    sizes.add_argument("--first-seed", type=int, default=0, help="another one on each machine")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.sizes:
        try:
            record_sizes(
                options.sizes, options.seeds, options.max_cycles, options.output or SIZES_RECORD, options.processes,
                options.first_seed, options.loads,
            )  # fmt: skip
        except (ValueError, TypeError, OSError) as error:
            print(error, file=sys.stderr)
            return 2
        return 0
    shared = {"afferents": options.afferents, "T": options.T, "max_cycles": options.max_cycles}
    try:
        problems_by_series = [
            [[Problem(load=alpha, rate=rate, momentum=momentum, seed=seed, **shared) for seed in range(options.seeds)]
            for alpha in alphas]
            for rate, momentum, alphas in _SERIES
        ]  # fmt: skip
    except (ValueError, TypeError) as error:
        print(error, file=sys.stderr)
        return 2
    cycles: list[list[list[int | None]]] = [[[] for _ in points] for points in problems_by_series]
    for seed in range(options.seeds):
        for points, cycles_of_series in zip(problems_by_series, cycles, strict=True):
            for problems, of_alpha in zip(points, cycles_of_series, strict=True):
                problem = problems[seed]
                of_alpha.append(cycles_to_solve(problem))
                print(
                    f"seed {seed}, rate {problem.rate:g}, momentum {problem.momentum:g}, alpha {problem.load:g}: "
                    f"{of_alpha[-1] or 'not solved'}",
                    file=sys.stderr,
                )
        _write(options.output or RECORD, Problem(**shared), seed + 1, cycles)
    return 0


def _write(output: Path, problem: Problem, seeds: int, cycles: list[list[list[int | None]]]) -> None:
    varied_fields, added_fields = ("load", "rate", "momentum", "seed"), ("init_std", "read_out")
    record = {
        "command": "python -m tempotron_core.capacity",
        "torch": torch.__version__,
        "settings": {
            "most_cycles" if name == "max_cycles" else name: value
            for name, value in asdict(problem).items()
            if name not in varied_fields and not (name in added_fields and value == getattr(Problem, name))
        },
        "seeds": seeds,
        "series": [
            {
                "rate": rate,
                "momentum": momentum,
                "points": [
                    {
                        "alpha": alpha,
                        "solved": sum(c is not None for c in point_cycles),
                        "problems": len(point_cycles),
                        "cycles": point_cycles,
                    }
                    for alpha, point_cycles in zip(alphas, found, strict=True)
                ],
            }
            for (rate, momentum, alphas), found in zip(_SERIES, cycles, strict=True)
        ],
    }
    output.write_text(json.dumps(record, indent=1) + "\n")
