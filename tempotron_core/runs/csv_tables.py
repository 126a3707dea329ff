"""Tables of a run: CSV files that grow by whole rows.

A process that is killed may leave the beginning of a line at the end: readers leave it out, and
a process that continues the run rewrites the table first. Rows that are damaged otherwise are left out and counted.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from tempotron_core.runs.files import RunError, read_text, write_atomic
from tempotron_core.training.metrics import FORMER_COLUMNS, EpochMetrics, StepMetrics, StepMetricsHistory
from tempotron_core.validation import one_line_error

__all__ = ["Table", "read_epoch_rows", "read_point_rows"]

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


def read_point_rows(folder: Path) -> tuple[StepMetricsHistory, tuple[str, ...]]:
    """Read points.csv; return its intact rows and a sentence on each thing that was left out.

    Raises:
        RunError: for a table without its columns.
    """
    names, rows, notes = _complete_rows(folder, "points.csv", StepMetrics)
    if not rows.strip():
        return StepMetricsHistory(), notes
    with suppress(ValueError):  # the quick way, for a table without a damaged row
        numbers = np.loadtxt(io.StringIO(rows), delimiter=",", comments=None, ndmin=2)
        columns = dict(zip(names, numbers.T, strict=True))
        if (columns["step"] % 1 != 0).any() or (np.diff(columns["step"]) <= 0).any():
            raise ValueError("a step that is no whole number or not above the one before")
        _check_fractions(np.array([column for name, column in columns.items() if name.endswith("accuracy")]))
        return StepMetricsHistory.from_columns(*(columns[field.name] for field in fields(StepMetrics))), notes
    points, skipped = _intact_rows(names, rows, StepMetrics, lambda point: point.step)
    return StepMetricsHistory(points), (*notes, *_describe_skipped("points.csv", len(points), skipped))


def read_epoch_rows(folder: Path) -> tuple[tuple[EpochMetrics, ...], tuple[str, ...]]:
    """Read epochs.csv; return its intact rows and a sentence on each thing that was left out.

    Raises:
        RunError: for a table without its columns.
    """
    names, rows, notes = _complete_rows(folder, "epochs.csv", EpochMetrics)
    epochs, skipped = _intact_rows(names, rows, EpochMetrics, lambda result: result.epoch)
    return tuple(epochs), (*notes, *_describe_skipped("epochs.csv", len(epochs), skipped))


def _intact_rows(names: list[str], rows: str, kind: type[Row], position: Callable[[Row], int]) -> tuple[list[Row], int]:
    """Return the rows that can be read, in ascending order of position, and the number of those left out.

    A row that repeats an earlier position was written by a second process.
    """
    convert = {field.name: _CONVERT[str(field.type)] for field in fields(kind)}
    intact: list[Row] = []
    skipped = 0
    for line in rows.split("\n"):
        if not line.strip():
            continue
        try:
            (cells,) = csv.reader((line,), strict=True)
            values = {name: cell for name, cell in zip(names, cells, strict=True) if name in convert}
            row = kind(**{name: convert[name](cell) for name, cell in values.items()})
            _check_fractions(np.array([getattr(row, name) for name in values if name.endswith("accuracy")]))
            if position(row) <= (position(intact[-1]) if intact else -1):  # 0: an imported network
                raise ValueError("a row that is not after the one before")
        except (ValueError, OverflowError, csv.Error):
            skipped += 1
        else:
            intact.append(row)
    return intact, skipped


def _describe_skipped(name: str, intact: int, skipped: int) -> tuple[str, ...]:
    if not skipped:
        return ()
    return (f"{name}: {skipped:,} of {intact + skipped:,} rows could not be read and were left out.",)


def _complete_rows(folder: Path, name: str, kind: type[Row]) -> tuple[list[str], str, tuple[str, ...]]:
    """Return the column names, the rows without an incomplete last one, and a sentence on unknown columns."""
    known = {field.name: field.default is MISSING for field in fields(kind)}
    if not (folder / name).exists():
        return list(known), "", ()
    text = read_text(folder, name)
    header, _, rows = text[: text.rfind("\n") + 1].lstrip("\n").partition("\n")
    names = [FORMER_COLUMNS.get(column, column) for column in header.split(",")]
    if not {name for name, needed in known.items() if needed} <= set(names) or len(set(names)) < len(names):
        raise _damaged_table(folder, name, kind, ValueError(header))
    unknown = [repr(column) for column in names if column not in known]
    if not unknown:
        return names, rows, ()
    shown = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
    return names, rows, (f"{name}: {len(unknown)} unknown columns were left out ({shown[:120]}).",)


def _check_fractions(values: np.ndarray) -> None:
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("an accuracy outside 0 to 1")


def _damaged_table(folder: Path, name: str, kind: type[Row], error: Exception) -> RunError:
    columns = ", ".join(field.name for field in fields(kind))
    return RunError(
        f"{name} of {folder.name!r}: expected columns {columns} of numbers, got {one_line_error(error)}; "
        "restore it from a copy or choose another run."
    )


_CONVERT: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "tuple[int, ...]": lambda text: tuple(int(part) for part in text.split()),
}
