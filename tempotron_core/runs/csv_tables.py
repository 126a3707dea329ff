"""The tables of a run, CSV that grows by whole lines.

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

from tempotron_core.runs.files import RunError, read_text, replace_file
from tempotron_core.training.metrics import EpochResult, Point, Points
from tempotron_core.validation import in_short

__all__ = ["Table", "read_epochs", "read_points"]

Row = TypeVar("Row", Point, EpochResult)


class Table(Generic[Row]):
    """A table of which this process is the only writer."""

    def __init__(self, path: Path, kind: type[Row]) -> None:
        self._path = path
        self._kind: type[Row] = kind
        self._rows, self._bytes = 0, 0

    def update(self, rows: Sequence[Row]) -> None:
        """Bring the file up to these rows, the first of which are those it was given before. Raises OSError.

        The first time, and where somebody has cut, deleted or replaced it, it is written whole.
        """
        plain = self._path.is_file() and not self._path.is_symlink()
        size = self._path.stat().st_size if plain else 0
        if self._bytes == 0 or size < self._bytes:
            content = _lines(([field.name for field in fields(self._kind)],)) + self._written(rows)
            replace_file(self._path, content)
            self._bytes = len(content)
        elif len(rows) > self._rows:
            content = self._written(rows[self._rows :])
            with self._path.open("r+b") as file:
                file.truncate(self._bytes)  # what an append that failed has left
                file.seek(self._bytes)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._bytes += len(content)
        self._rows = len(rows)

    def _written(self, rows: Iterable[Row]) -> bytes:
        names = [field.name for field in fields(self._kind)]
        values = ([getattr(row, name) for name in names] for row in rows)
        return _lines([" ".join(map(str, cell)) if isinstance(cell, tuple) else cell for cell in row] for row in values)


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def read_points(folder: Path) -> Points:
    """What points.csv holds, nothing where the first epoch is not over; RunError where it is damaged."""
    names, rows = _whole_lines(folder, "points.csv", Point)
    if not rows.strip():
        return Points()
    try:
        numbers = np.loadtxt(io.StringIO(rows), delimiter=",", comments=None, ndmin=2)
        columns = dict(zip(names, numbers.T, strict=True))
        if (columns["step"] % 1 != 0).any():
            raise ValueError("a step that is no whole number")
        _check_shares(np.array([column for name, column in columns.items() if name.endswith("accuracy")]))
        return Points.of(*(columns[field.name] for field in fields(Point)))
    except ValueError as error:
        raise _damaged(folder, "points.csv", Point, error) from error


def read_epochs(folder: Path) -> tuple[EpochResult, ...]:
    """What epochs.csv holds, nothing where the first epoch is not over; RunError where it is damaged."""
    names, rows = _whole_lines(folder, "epochs.csv", EpochResult)
    convert = {field.name: _CONVERT[str(field.type)] for field in fields(EpochResult)}
    try:
        cells = [zip(names, row, strict=True) for row in csv.reader(io.StringIO(rows), strict=True)]
        found = tuple(EpochResult(**{name: convert[name](cell) for name, cell in row}) for row in cells)
        shares = [name for name in names if name.endswith("accuracy")]
        _check_shares(np.array([[getattr(result, name) for name in shares] for result in found]))
        return found
    except (ValueError, csv.Error) as error:
        raise _damaged(folder, "epochs.csv", EpochResult, error) from error


def _whole_lines(folder: Path, name: str, kind: type[Row]) -> tuple[list[str], str]:
    """The names of a table's columns, and its lines without one that was torn."""
    known = {field.name: field.default is MISSING for field in fields(kind)}
    if not (folder / name).exists():
        return list(known), ""
    text = read_text(folder, name)
    header, _, rows = text[: text.rfind("\n") + 1].partition("\n")
    names = header.rstrip("\r").split(",")
    if not {name for name, needed in known.items() if needed} <= set(names) <= set(known):
        raise _damaged(folder, name, kind, ValueError(header))
    return names, rows


def _check_shares(values: np.ndarray) -> None:
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("an accuracy outside 0 to 1")


def _damaged(folder: Path, name: str, kind: type[Row], error: Exception) -> RunError:
    columns = ", ".join(field.name for field in fields(kind))
    return RunError(
        f"{name} of {folder.name!r}: expected columns {columns} of numbers, got {in_short(error)}; "
        "restore or delete it."
    )


_CONVERT: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "tuple[int, ...]": lambda text: tuple(int(part) for part in text.split()),
}
