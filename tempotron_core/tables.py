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

from tempotron_core.checks import in_short
from tempotron_core.folders import RunError, read_text, replace_file
from tempotron_core.history import EpochResult, Point, Points

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

        The first time, and where somebody has cut or deleted it, it is written whole.
        """
        size = self._path.stat().st_size if self._path.is_file() else 0
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
    columns = _read(folder, "points.csv", Point)
    return Points.of(*(columns[field.name] for field in fields(Point))) if columns else Points()


def read_epochs(folder: Path) -> tuple[EpochResult, ...]:
    """What epochs.csv holds, nothing where the first epoch is not over; RunError where it is damaged."""
    columns = _read(folder, "epochs.csv", EpochResult)
    rows = zip(*columns.values(), strict=True)
    return tuple(EpochResult(**dict(zip(columns, row, strict=True))) for row in rows)


def _read(folder: Path, name: str, kind: type[Row]) -> dict[str, list[Any]]:
    """The columns of a table by name; none where it has no row."""
    if not (folder / name).exists():
        return {}
    text = read_text(folder, name)
    known = {field.name: field for field in fields(kind)}
    needed = {name for name, field in known.items() if field.default is MISSING}
    try:
        names, *rows = csv.reader(io.StringIO(text[: text.rfind("\n") + 1]), strict=True)
        if not needed <= set(names) <= set(known):
            raise ValueError(f"columns {', '.join(names)}")
        cells = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
        columns = {name: list(map(_CONVERT[str(known[name].type)], column)) for name, column in cells.items()}
        shares = [share for name, column in columns.items() if name.endswith("accuracy") for share in column]
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("an accuracy outside 0 to 1")
        return columns
    except (ValueError, csv.Error) as error:
        raise RunError(
            f"{name} of {folder.name!r}: expected columns {', '.join(known)} of numbers, got {in_short(error)}; "
            "restore or delete it."
        ) from error


_CONVERT: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "tuple[int, ...]": lambda text: tuple(int(part) for part in text.split()),
}
