"""Trials of a study as plain records, read again only where something has changed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tempotron_core.studies.space import Parameter
from tempotron_core.studies.storage import SQLITE, StudyPlace, load_plan, load_study
from tempotron_core.studies.worker import lineages

if TYPE_CHECKING:
    import optuna

__all__ = ["Group", "StudyReader", "TrialRecord", "group_curves", "ranked"]

T = TypeVar("T")

_MAX_DERIVED = 32
_REMOTE_SECONDS = 2.0
_QUANTILE_GROUPS = 4


@dataclass(frozen=True)
class TrialRecord:
    """The latest attempt of one trial.

    Attributes:
        number: number of its first attempt
        state: complete, pruned, failed, running or waiting
        accuracy: mean over its seeds on held-out samples in [0, 1], None unless complete
        values: values of the space by name
        curves: accuracy on held-out samples of each seed after each epoch
        seconds: training time of all seeds
        quantities: measured quantities by name, means over the seeds
        runs: names of its run folders
        problem: why it failed
        attempt: number of the latest attempt
    """

    number: int
    state: str
    accuracy: float | None
    values: dict[str, Any]
    curves: tuple[tuple[float, ...], ...] = ()
    seconds: float = 0.0
    quantities: dict[str, float] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    problem: str | None = None
    attempt: int = 0

    @property
    def is_complete(self) -> bool:
        """Return whether all its trainings have ended."""
        return self.state == "complete"


def _record(first: int, trial: optuna.trial.FrozenTrial) -> TrialRecord:
    attributes = trial.user_attrs
    result = attributes.get("result", {})
    state = {"FAIL": "failed" if "problem" in attributes else "waiting"}.get(trial.state.name, trial.state.name.lower())
    return TrialRecord(
        first,
        state,
        trial.value if state == "complete" else None,
        dict(trial.params),
        tuple(map(tuple, result.get("curves", ()))),
        float(result.get("seconds", 0.0)),
        dict(result.get("quantities", {})),
        tuple(attributes.get("runs", ())),
        attributes.get("problem"),
        trial.number,
    )


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the trials, best first; those without an accuracy last."""
    return sorted(records, key=lambda one: (one.accuracy is None, -(one.accuracy or 0.0), one.number))


class StudyReader:
    """A study that is only read, by any number of threads.

    Raises:
        StudyError: where it cannot be opened.
    """

    def __init__(self, place: StudyPlace) -> None:
        self.place = place
        self.study = load_study(place, write=False)
        self._lock = threading.Lock()
        self._signature: object = None
        self._records: list[TrialRecord] = []
        self._trials: list[Any] = []
        self._test: dict[str, list[float]] = {}
        self.plan = load_plan(self.study)
        self._derived: dict[object, Any] = {}

    def records(self) -> list[TrialRecord]:
        """Return the trials; they are read only if the files of the study have changed."""
        with self._lock:
            signature = self._files()
            if signature != self._signature:
                self._trials = self.study.get_trials(deepcopy=False)
                before, self._records = self._records, self._update(self._trials)
                if before != self._records:
                    self._derived = {}
                attributes = self.study.user_attrs
                self._test = dict(attributes.get("test", {}))
                self.plan = load_plan(self.study)
                self._signature = signature
            return self._records

    def derive(self, key: object, compute: Callable[[], T]) -> T:
        """Return what is computed from the records; the value is stored until they change."""
        derived = self._derived
        with suppress(KeyError):
            found: T = derived[key]
            return found
        value = compute()  # another thread may clear the dictionary meanwhile
        if len(derived) >= _MAX_DERIVED:
            derived.clear()
        derived[key] = value
        return value

    def test_accuracy(self, record: TrialRecord) -> list[float] | None:
        """Return the accuracies of a trial on the test set, one a seed; None where it was not selected."""
        return self._test.get(str(record.attempt))

    def complete_trials(self) -> list[Any]:
        """Return the complete trials as Optuna has them, in the order of the records."""
        with self._lock:
            by_number = {trial.number: trial for trial in self._trials}
            return [by_number[one.attempt] for one in self._records if one.is_complete]

    def _update(self, trials: list[Any]) -> list[TrialRecord]:
        """Return the records, taking those that cannot change from the former ones."""
        former = {(one.number, one.attempt): one for one in self._records if one.state in ("complete", "pruned")}
        return [
            former.get((first, one.number)) or _record(first, one) for first, one in sorted(lineages(trials).items())
        ]

    def _files(self) -> object:
        if self.place.url is not None and "://" in self.place.url:
            return time.monotonic() // _REMOTE_SECONDS
        file = self.place.journal or self.place.folder / SQLITE
        found = []
        for path in (file, file.with_name(f"{file.name}-wal")):
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size))
        return tuple(found)


@dataclass(frozen=True)
class Group:
    """Runs of complete trials that share a value, or a range of values, of one setting.

    Attributes:
        label: the value or range
        mean: mean accuracy on held-out samples after each epoch
        deviation: standard deviation over the runs after each epoch; 0 for one run
        runs: number of runs
    """

    label: str
    mean: np.ndarray
    deviation: np.ndarray
    runs: int


def group_curves(records: Sequence[TrialRecord], parameter: Parameter) -> list[Group]:
    """Return the curves of complete trials by a setting; a range with many values in four parts of equal size."""
    complete = [one for one in records if one.is_complete and one.curves and parameter.name in one.values]
    values = sorted({one.values[parameter.name] for one in complete}, key=lambda value: (str(type(value)), value))
    parts: list[tuple[str, list[TrialRecord]]]
    if parameter.choices or len(values) <= _QUANTILE_GROUPS:
        parts = [
            (f"{parameter.name} {_short(value)}", [one for one in complete if one.values[parameter.name] == value])
            for value in values
        ]
    else:
        complete.sort(key=lambda one: (one.values[parameter.name], one.number))
        size = math.ceil(len(complete) / _QUANTILE_GROUPS)
        chunks = [complete[start : start + size] for start in range(0, len(complete), size)]
        parts = [
            (
                f"{parameter.name} {_short(part[0].values[parameter.name])} to "
                f"{_short(part[-1].values[parameter.name])}",
                part,
            )
            for part in chunks
        ]
    groups = []
    for label, part in parts:
        curves = [curve for one in part for curve in one.curves]
        epochs = min(map(len, curves))
        table = np.array([curve[:epochs] for curve in curves])
        deviation = table.std(axis=0, ddof=1) if len(table) > 1 else np.zeros(epochs)
        groups.append(Group(label, table.mean(axis=0), deviation, len(table)))
    return groups


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
