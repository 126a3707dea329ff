"""Tables of a run: CSV files that grow by whole rows.

A process that is killed may leave the beginning of a line at the end: readers leave it out, and whoever goes on with
the run writes the table anew first.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from tempotron_core.runs.files import RunError, read_text, write_atomic
from tempotron_core.training.metrics import FORMER_COLUMNS, EpochMetrics, StepMetrics, StepMetricsHistory
from tempotron_core.validation import one_line_error

__all__ = ["Table", "read_epochs", "read_points"]

Row = TypeVar("Row", StepMetrics, EpochMetrics)


class Table(Generic[Row]):
    """A table with this process as its only writer."""

    def __init__(self, path: Path, kind: type[Row]) -> None:
        self._path = path
        self._kind: type[Row] = kind
        self._rows, self._bytes = 0, 0

    def update(self, rows: Sequence[Row]) -> None:
        """Write the file so that it holds these rows; the first of them are those of the previous call.

        The file is written whole the first time, and where it was truncated, deleted or replaced.

        Raises:
            OSError: where it cannot be written.
        """
        is_regular_file = self._path.is_file() and not self._path.is_symlink()
        size = self._path.stat().st_size if is_regular_file else 0
        if self._bytes == 0 or size < self._bytes:
            content = _csv_bytes(([field.name for field in fields(self._kind)],)) + self._encode_rows(rows)
            write_atomic(self._path, content)
            self._bytes = len(content)
        elif len(rows) > self._rows:
            content = self._encode_rows(rows[self._rows :])
            with self._path.open("r+b") as file:
                file.truncate(self._bytes)  # what an append that failed has left
                file.seek(self._bytes)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._bytes += len(content)
        self._rows = len(rows)

    def _encode_rows(self, rows: Iterable[Row]) -> bytes:
        names = [field.name for field in fields(self._kind)]
        values = ([getattr(row, name) for name in names] for row in rows)
        return _csv_bytes(
            [" ".join(map(str, cell)) if isinstance(cell, tuple) else cell for cell in row] for row in values
        )


def _csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def read_points(folder: Path) -> StepMetricsHistory:
    """Read points.csv; empty before the end of the first epoch.

    Raises:
        RunError: for a damaged table.
    """
    names, rows = _complete_rows(folder, "points.csv", StepMetrics)
    if not rows.strip():
        return StepMetricsHistory()
    try:
        numbers = np.loadtxt(io.StringIO(rows), delimiter=",", comments=None, ndmin=2)
        columns = dict(zip(names, numbers.T, strict=True))
        if (columns["step"] % 1 != 0).any():
            raise ValueError("a step that is no whole number")
        _check_fractions(np.array([column for name, column in columns.items() if name.endswith("accuracy")]))
        return StepMetricsHistory.from_columns(*(columns[field.name] for field in fields(StepMetrics)))
    except ValueError as error:
        raise _damaged_table(folder, "points.csv", StepMetrics, error) from error


def read_epochs(folder: Path) -> tuple[EpochMetrics, ...]:
    """Read epochs.csv; empty before the end of the first epoch.

    Raises:
        RunError: for a damaged table.
    """
    names, rows = _complete_rows(folder, "epochs.csv", EpochMetrics)
    convert = {field.name: _CONVERT[str(field.type)] for field in fields(EpochMetrics)}
    try:
        cells = [zip(names, row, strict=True) for row in csv.reader(io.StringIO(rows), strict=True)]
        metrics = tuple(EpochMetrics(**{name: convert[name](cell) for name, cell in row}) for row in cells)
        accuracy_columns = [name for name in names if name.endswith("accuracy")]
        _check_fractions(np.array([[getattr(result, name) for name in accuracy_columns] for result in metrics]))
        return metrics
    except (ValueError, csv.Error) as error:
        raise _damaged_table(folder, "epochs.csv", EpochMetrics, error) from error


def _complete_rows(folder: Path, name: str, kind: type[Row]) -> tuple[list[str], str]:
    """Return the column names and the rows of a table, without an incomplete last row."""
    known = {field.name: field.default is MISSING for field in fields(kind)}
    if not (folder / name).exists():
        return list(known), ""
    text = read_text(folder, name)
    header, _, rows = text[: text.rfind("\n") + 1].partition("\n")
    names = [FORMER_COLUMNS.get(column, column) for column in header.rstrip("\r").split(",")]
    if not {name for name, needed in known.items() if needed} <= set(names) <= set(known):
        raise _damaged_table(folder, name, kind, ValueError(header))
    return names, rows


def _check_fractions(values: np.ndarray) -> None:
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("an accuracy outside 0 to 1")


def _damaged_table(folder: Path, name: str, kind: type[Row], error: Exception) -> RunError:
    columns = ", ".join(field.name for field in fields(kind))
    return RunError(
        f"{name} of {folder.name!r}: expected columns {columns} of numbers, got {one_line_error(error)}; "
        "restore or delete it."
    )


_CONVERT: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "tuple[int, ...]": lambda text: tuple(int(part) for part in text.split()),
}
