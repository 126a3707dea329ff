"""Metrics of a run as append-only rows: each snapshot sees a prefix of one shared list."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, ClassVar, Self, TypeVar, overload

import numpy as np

__all__ = ["FORMER_COLUMNS", "EpochMetrics", "History", "StepMetrics", "StepMetricsHistory"]

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """Metrics since the previous point.

    Attributes:
        step: steps done
        loss: mean loss
        accuracy: mean training accuracy in [0, 1]
        batch_accuracy: accuracy of the last batch
    """

    step: int
    loss: float
    accuracy: float
    batch_accuracy: float


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """Metrics of one epoch; accuracies in [0, 1], train_accuracy and loss are means over its steps.

    Attributes:
        seconds: time spent training
        dead_outputs: outputs whose potential is not above 0 for any test sample
        firing_error_rate: fraction of outputs on all test samples that fire and should not, or the reverse
        peaks_at_start: fraction with t_max = 0
        peaks_at_end: fraction with t_max = T - 1
        weight_norm: Euclidean norm of the weights
        gradient_norm: Euclidean norm of the gradient of the last step
    """

    epoch: int
    step: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float
    samples_per_second: float
    dead_outputs: tuple[int, ...] = ()
    firing_error_rate: float = 0.0
    peaks_at_start: float = 0.0
    peaks_at_end: float = 0.0
    weight_norm: float = 0.0
    gradient_norm: float = 0.0


FORMER_COLUMNS = {
    "dead": "dead_outputs",
    "wrong_state": "firing_error_rate",
    "pinned_first": "peaks_at_start",
    "pinned_last": "peaks_at_end",
}
"""Names that columns of epochs.csv had in version 0.1 before they were renamed -> present name."""


class History(Sequence[Row]):
    """Immutable rows up to one time; appending costs no more than the row. Equal to a sequence with the same rows."""

    __slots__ = ("_entries", "_length")
    _width: ClassVar[int] = 1  # entries of the shared list that make a row

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._entries = self._pack(rows)
        self._length = len(self._entries) // self._width

    def appended(self, row: Row) -> Self:
        """Return the history with one more row."""
        longer, end = type(self)(), self._length * self._width
        # Where others have gone on from here already, this is another branch.
        longer._entries = self._entries if len(self._entries) == end else self._entries[:end]
        longer._entries.extend(self._pack((row,)))
        longer._length = self._length + 1
        return longer

    def _pack(self, rows: Iterable[Row]) -> Any:
        return list(rows)

    def _row(self, entries: Any) -> Row:
        row: Row = entries[0]
        return row

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        positions = range(self._length)[index]
        if isinstance(positions, range):
            return tuple(self[i] for i in positions)
        return self._row(self._entries[positions * self._width : (positions + 1) * self._width])

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))


class StepMetricsHistory(History[StepMetrics]):
    """Rows of StepMetrics stored as numbers: a long run has a hundred thousand."""

    __slots__ = ()
    _width = len(fields(StepMetrics))

    @classmethod
    def from_columns(cls, *columns: np.ndarray) -> StepMetricsHistory:
        """Return the history with these columns [n], in the order of the fields."""
        points = cls()
        points._entries.frombytes(np.column_stack(columns).astype(np.float64).tobytes())
        points._length = len(columns[0])
        return points

    def column(self, name: str) -> np.ndarray:
        """Return one field of all rows, float64 [n]."""
        first = [field.name for field in fields(StepMetrics)].index(name)
        return np.array(self._entries[first : self._length * self._width : self._width])

    def _pack(self, rows: Iterable[StepMetrics]) -> array[float]:
        return array("d", chain.from_iterable((row.step, row.loss, row.accuracy, row.batch_accuracy) for row in rows))

    def _row(self, entries: array[float]) -> StepMetrics:
        step, *others = entries
        return StepMetrics(int(step), *others)
