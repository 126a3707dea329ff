"""Capacity at several numbers of afferents, with the settings reported for 2006, and its reference values.

The learning rate is 3e-3 T/(tau N V_0), the momentum 0.99, the standard deviation of the initial weights 1e-3; where no
potential exceeds rest, the peak is taken at the last spike plus s*. Each problem is independent of the others, so that
processes need no communication: a pool of the standard library runs them, and a record that was begun is continued with
what is missing.

Cover T M. Geometrical and statistical properties of systems of linear inequalities with applications in pattern
recognition. IEEE Transactions on Electronic Computers EC-14(3), 326-334, 1965 (2 patterns per weight of a perceptron).
Rubin R, Monasson R, Sompolinsky H. Theory of spike timing-based neural classifiers. Physical Review Letters 105(21),
218102, 2010 (growth with ln ln K, K = T/sqrt(tau tau_s); only the slope 1/(2 ln 2) is a prediction).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from tempotron_core.experiments.pattern_learning import LAST_SPIKE, PatternLearner, Problem, published_rate
from tempotron_core.experiments.records import read_record
from tempotron_core.runs.files import write_atomic

__all__ = ["SIZES_RECORD", "SizeSeries", "load_sizes", "record_sizes", "reference_loads", "solve_together"]

SIZES_RECORD = Path(__file__).with_name("capacity_by_size.json")

LOADS = (1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25)
INIT_STD = 1e-3
_TOGETHER = 15  # problems of one task


@dataclass(frozen=True)
class SizeSeries:
    """Problems of one number of afferents: cycles each took by load, None where not solved within max_cycles."""

    afferents: int
    max_cycles: int
    cycles: dict[float, tuple[int | None, ...]]


def reference_loads(T: int, tau: float, tau_s: float) -> tuple[tuple[str, float], ...]:
    """Return reported loads with their sources."""
    K = T / math.sqrt(tau * tau_s)
    loads = [("perceptron", 2.0), ("reported in 2006", 3.0)]
    excess = K / 8
    if excess > math.e:  # below, ln ln(K/8) is negative
        loads.append(("after Rubin et al.", 2.58 + 0.72 * math.log(math.log(excess))))
    return tuple(loads)


def problem_of(afferents: int, load: float, seed: int, max_cycles: int) -> Problem:
    """Return a problem with the settings reported for 2006."""
    default = Problem()
    rate = published_rate(afferents, default.T, default.tau, default.tau_s)
    return Problem(afferents, load, rate=rate, seed=seed, max_cycles=max_cycles, init_std=INIT_STD, read_out=LAST_SPIKE)


def solve_together(problems: Sequence[Problem]) -> list[int | None]:
    """Return the cycles that each problem takes, None where it is not solved."""
    torch.set_num_threads(1)
    learner = PatternLearner(problems)
    cycles: list[int | None] = [None] * len(problems)
    while len(learner.active):
        for number, snapshot in learner.step():
            if snapshot.solved:
                cycles[number] = snapshot.cycle
    return cycles


@lru_cache(maxsize=1)
def load_sizes() -> tuple[SizeSeries, ...]:
    """Return the record of the project, the smallest number of afferents first."""
    return tuple(_series(read_record(SIZES_RECORD)))


def _series(record: dict[str, Any]) -> Iterator[SizeSeries]:
    sizes = sorted({(entry["afferents"], entry["max_cycles"]) for entry in record["problems"]})
    for afferents, max_cycles in sizes:
        cycles: dict[float, list[int | None]] = {}
        for entry in record["problems"]:
            if (entry["afferents"], entry["max_cycles"]) == (afferents, max_cycles):
                cycles.setdefault(entry["alpha"], []).append(entry["cycles"])
        yield SizeSeries(afferents, max_cycles, {alpha: tuple(cycles[alpha]) for alpha in sorted(cycles)})


def record_sizes(
    sizes: Sequence[int],
    problems: int,
    max_cycles: int,
    output: Path,
    processes: int = 1,
    first_seed: int = 0,
    loads: Sequence[float] = LOADS,
) -> None:
    """Solve what is missing in the record and write it after every task.

    Args:
        sizes: numbers of afferents
        problems: problems of each load
        max_cycles: cycles after which a problem is given up
        output: record, continued if it exists
        processes: processes at a time
        first_seed: seed of the first problem; several machines take different ones
        loads: loads alpha

    Raises:
        ValueError: for an output that is another file, and for settings out of range.
    """
    record: dict[str, Any] = read_record(output) if output.exists() else {"problems": []}
    try:
        done = {(e["afferents"], e["alpha"], e["seed"], e["max_cycles"]) for e in record["problems"]}
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{output.name}: expected a record by number of afferents, got another file; name another output."
        ) from error
    tasks = []
    for afferents in sizes:
        for load in loads:
            seeds = [
                s for s in range(first_seed, first_seed + problems) if (afferents, load, s, max_cycles) not in done
            ]
            for start in range(0, len(seeds), _TOGETHER):
                part = seeds[start : start + _TOGETHER]
                tasks.append([problem_of(afferents, load, seed, max_cycles) for seed in part])
    for task, found in _solve(tasks, processes):
        for problem, cycles in zip(task, found, strict=True):
            record["problems"].append(
                {
                    "afferents": problem.afferents, "alpha": problem.load, "seed": problem.seed,
                    "max_cycles": problem.max_cycles, "cycles": cycles,
                }
            )  # fmt: skip
        _write(output, record)
        print(
            f"N {task[0].afferents}, alpha {task[0].load:g}: {sum(c is not None for c in found)} of {len(task)} solved",
            file=sys.stderr,
        )


def _solve(tasks: Sequence[list[Problem]], processes: int) -> Iterator[tuple[list[Problem], list[int | None]]]:
    """Yield each task and the cycles of its problems as soon as it is done."""
    if processes == 1:
        yield from ((task, solve_together(task)) for task in tasks)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        futures = {pool.submit(solve_together, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _write(output: Path, record: dict[str, Any]) -> None:
    default = Problem()
    record["problems"].sort(key=lambda entry: (entry["afferents"], entry["alpha"], entry["seed"]))
    settings = {
        "T": default.T, "tau": default.tau, "tau_s": default.tau_s, "momentum": default.momentum,
        "init_std": INIT_STD, "read_out": LAST_SPIKE,
    }  # fmt: skip
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in record["problems"])
    head = {
        "command": "python -m tempotron_core.capacity --sizes ...",
        "torch": torch.__version__,
        "settings": settings,
    }
    text = json.dumps(head, indent=1)[:-2] + f',\n "problems": [\n{lines}\n ]\n}}\n'
    write_atomic(output, text.encode())
