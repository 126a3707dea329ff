"""How much one tempotron can learn: the share of random problems solved against alpha, patterns an afferent.

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
from tempotron_core.experiments.random_patterns import Course, Problem, learn

__all__ = ["RECORD", "Capacity", "Point", "Series", "Tally", "Trials", "cycles_to_solve", "main", "recorded", "tally"]

RECORD = Path(__file__).with_name("capacity.json")

_SEEDS = 10
_MOST_CYCLES = 4000
_RATE, _MOMENTUM = 4.7e-4, 0.99
# Without momentum a single step is a hundredth of what it adds up to with it: the higher rate makes up for that.
_SERIES = (
    (_RATE, _MOMENTUM, (0.5, 1.0, 1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5)),
    (_RATE, 0.0, (0.5, 1.0, 1.5, 2.0)),
    (_RATE / (1 - _MOMENTUM), 0.0, (1.0, 1.5, 2.0, 2.5)),
)


@dataclass(frozen=True)
class Point:
    """Problems of one alpha: the cycles that each took, by seed from 0, None where it was not solved."""

    alpha: float
    cycles: tuple[int | None, ...]


@dataclass(frozen=True)
class Series:
    """Points that share a rate and a momentum."""

    rate: float
    momentum: float
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Capacity:
    """A record: what all its problems share, and its series. The first one is that of the rule as published."""

    problem: Problem
    seeds: int
    torch: str
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Tally:
    """How many of the problems of one alpha were solved, and where the share lies with 95 % confidence."""

    alpha: float
    solved: int
    problems: int
    low: float
    high: float


def tally(point: Point, most_cycles: int) -> Tally:
    """Count a point's problems that were solved within so many cycles."""
    solved = sum(cycles is not None and cycles <= most_cycles for cycles in point.cycles)
    return Tally(point.alpha, solved, len(point.cycles), *wilson_interval(solved, len(point.cycles)))


def cycles_to_solve(problem: Problem) -> int | None:
    """Learn a problem to its end: the cycles it took, None where it was not solved."""
    *_, last = learn(problem)
    return last.cycle if last.solved else None


class Trials:
    """Problems beyond those of a record, tried one after the other, a slice of time after the other."""

    def __init__(self, record: Capacity) -> None:
        self._record = record
        self._waiting: list[Problem] = []
        self._tried: list[tuple[Problem, int | None]] = []
        self._course: Course | None = None

    @property
    def active(self) -> bool:
        """Whether any are left."""
        return self._course is not None or bool(self._waiting)

    @property
    def stands(self) -> str:
        """What is being tried, in a few words; empty where nothing is."""
        if self._course is None or self._course.snapshot is None:
            return "Drawing patterns" if self.active else ""
        last, problem = self._course.snapshot, self._course.problem
        return (
            f"Trying alpha {problem.alpha:g}: {last.errors} of {problem.patterns} patterns wrong in cycle "
            f"{last.cycle:,}; {len(self._waiting)} more to come"
        )

    def add(self, alpha: float, most_cycles: int, number: int) -> None:
        """Have so many more tried of an alpha, with seeds that neither the record nor a trial has used."""
        known = [*self._waiting, *(problem for problem, _ in self._tried)]
        if self._course is not None:
            known.append(self._course.problem)
        fresh = max([problem.seed + 1 for problem in known if problem.alpha == alpha], default=self._record.seeds)
        first = self._record.series[0]
        self._waiting += [
            replace(
                self._record.problem, alpha=alpha, rate=first.rate, momentum=first.momentum, seed=seed,
                most_cycles=most_cycles,
            )
            for seed in range(fresh, fresh + number)
        ]  # fmt: skip

    def stop(self) -> None:
        """Leave out what is not over yet."""
        self._waiting, self._course = [], None

    def advance(self, seconds: float) -> None:
        """Go on for about that long."""
        if self._course is None and self._waiting:
            self._course = Course(self._waiting.pop(0))
            self._course.start()
        if self._course is None:
            return
        self._course.advance(seconds)
        last = self._course.snapshot
        if self._course.over and last is not None:
            self._tried.append((self._course.problem, last.cycle if last.solved else None))
            self._course = None

    def points(self, most_cycles: int) -> tuple[Point, ...]:
        """What was tried, by alpha; without those given up before so many cycles."""
        found: dict[float, list[int | None]] = {}
        for problem, cycles in self._tried:
            if cycles is not None or problem.most_cycles >= most_cycles:
                found.setdefault(problem.alpha, []).append(cycles)
        return tuple(Point(alpha, tuple(found[alpha])) for alpha in sorted(found))


@lru_cache(maxsize=1)
def recorded() -> Capacity:
    """The record that comes with the project."""
    found = json.loads(RECORD.read_text())
    series = tuple(
        Series(
            each["rate"],
            each["momentum"],
            tuple(Point(point["alpha"], tuple(point["cycles"])) for point in each["points"]),
        )
        for each in found["series"]
    )
    return Capacity(Problem(**found["settings"]), found["seeds"], found["torch"], series)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every problem, seed after seed, and write the record after each."""
    parser = argparse.ArgumentParser(prog="python -m tempotron_core.capacity", description=__doc__)
    parser.add_argument("--seeds", type=int, default=_SEEDS, help="problems of each alpha")
    parser.add_argument("--most-cycles", type=int, default=_MOST_CYCLES, help="when to give a problem up")
    parser.add_argument("--afferents", type=int, default=Problem.afferents)
    parser.add_argument("-T", "--T", type=int, default=Problem.T, help="time window, ms")
    parser.add_argument("--output", type=Path, default=RECORD)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    shared = {"afferents": options.afferents, "T": options.T, "most_cycles": options.most_cycles}
    try:
        tried = [
            [[Problem(alpha=alpha, rate=rate, momentum=momentum, seed=seed, **shared) for seed in range(options.seeds)]
            for alpha in alphas]
            for rate, momentum, alphas in _SERIES
        ]  # fmt: skip
    except (ValueError, TypeError) as error:
        print(error, file=sys.stderr)
        return 2
    cycles: list[list[list[int | None]]] = [[[] for _ in points] for points in tried]
    for seed in range(options.seeds):
        for points, found in zip(tried, cycles, strict=True):
            for problems, of_alpha in zip(points, found, strict=True):
                problem = problems[seed]
                of_alpha.append(cycles_to_solve(problem))
                print(
                    f"seed {seed}, rate {problem.rate:g}, momentum {problem.momentum:g}, alpha {problem.alpha:g}: "
                    f"{of_alpha[-1] or 'not solved'}",
                    file=sys.stderr,
                )
        _write(options.output, Problem(**shared), seed + 1, cycles)
    return 0


def _write(output: Path, problem: Problem, seeds: int, cycles: list[list[list[int | None]]]) -> None:
    varied = ("alpha", "rate", "momentum", "seed")
    record = {
        "command": "python -m tempotron_core.capacity",
        "torch": torch.__version__,
        "settings": {name: value for name, value in asdict(problem).items() if name not in varied},
        "seeds": seeds,
        "series": [
            {
                "rate": rate,
                "momentum": momentum,
                "points": [
                    {
                        "alpha": alpha,
                        "solved": sum(c is not None for c in tried),
                        "problems": len(tried),
                        "cycles": tried,
                    }
                    for alpha, tried in zip(alphas, found, strict=True)
                ],
            }
            for (rate, momentum, alphas), found in zip(_SERIES, cycles, strict=True)
        ],
    }
    output.write_text(json.dumps(record, indent=1) + "\n")
