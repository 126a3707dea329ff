"""Data sets in tables: CSV, TSV, and columns separated by semicolons."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tempotron_core.data.samples import MAX_FEATURES, MAX_SAMPLES, DataError, Dataset, dataset_from_arrays

__all__ = ["TEXT_SUFFIXES", "Table", "read_csv", "read_table"]

TEXT_SUFFIXES = (".csv", ".tsv")
"""Endings of tables."""

_LABEL_COLUMNS = ("label", "class", "target", "y")
_ROW_NUMBER_COLUMNS = ("id", "index", "unnamed: 0")
_MAX_TEXT_BYTES = 2**27
_CHUNK = 2**20
_ROWS = 10_000


class Table(NamedTuple):
    """Feature names, values [n, features], labels [n] and notes of a table."""

    names: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]


def read_csv(path: Path) -> Dataset:
    """Read a data set from one table; a part of it becomes the test set.

    Raises:
        DataError: for another file.
    """
    table = read_table(path)
    dataset = dataset_from_arrays(path.name, table.x, table.y, features=table.names)
    return replace(dataset, notes=(*table.notes, *dataset.notes))


def read_table(path: Path) -> Table:
    """Read a table of numbers with one column of labels.

    Raises:
        DataError: for another file.
    """
    size = path.stat().st_size
    if size > _MAX_TEXT_BYTES:
        raise DataError(
            f"{path.name}: expected a table of at most {_MAX_TEXT_BYTES / 2**20:.0f} MiB, got {size / 2**20:,.0f} MiB; "
            "save it as NPZ."
        )
    if (lines := _count_lines(path)) > MAX_SAMPLES + _ROWS:
        raise DataError(f"{path.name}: expected at most {MAX_SAMPLES:,} rows, got {lines:,} lines; choose fewer.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _parse_table(path.name, (line for line in stream if line.strip() and not line.startswith("#")))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path.name}: expected a table as text in UTF-8, got {str(error)[:80]}; save it as CSV again."
        ) from error


def _count_lines(path: Path) -> int:
    count = {b"\n": 0, b"\r": 0}
    with path.open("rb") as stream:
        while content := stream.read(_CHUNK):
            for end in count:
                count[end] += content.count(end)
    return max(count.values())


def _parse_table(name: str, lines: Iterator[str]) -> Table:
    first = next(lines, "")
    delimiter = max("\t;,", key=first.count)
    rows = csv.reader(itertools.chain([first], lines), delimiter=delimiter, skipinitialspace=True)
    head = next(rows, [])
    width = len(head)
    if not 2 <= width <= MAX_FEATURES + 1:
        raise DataError(
            f"{name}: expected 2 to {MAX_FEATURES + 1:,} columns, features and a label, got {width:,}; "
            "separate columns by commas, semicolons or tabs."
        )
    # Where semicolons separate the columns, a comma may be the decimal sign.
    clean = (lambda cell: cell.replace(",", ".")) if delimiter == ";" else str
    lower = [cell.strip().lower() for cell in head]
    # Names of features may be numbers, as those of pandas are.
    has_header = not any(_is_number(clean(cell)) for cell in head) or not lower[0] or bool({*lower} & {*_LABEL_COLUMNS})
    label = next((lower.index(column) for column in _LABEL_COLUMNS if has_header and column in lower), width - 1)
    skipped = {label}
    if has_header and not head[0].strip() and label != 0 and width > 2:
        skipped.add(0)  # an unnamed first column is the row number that pandas writes
    columns = [i for i in range(width) if i not in skipped]
    names = tuple(head[i] if has_header else f"feature {i + 1}" for i in columns)
    blocks, labels = [], []
    number = 1 if has_header else 0
    remaining: Iterator[list[str]] = rows if has_header else itertools.chain([head], rows)
    while block := list(itertools.islice(remaining, _ROWS)):
        for i, row in enumerate(block):
            if len(row) != width:
                raise DataError(
                    f"{name}: expected {width:,} columns in every row, got {len(row):,} in row {number + i + 1:,}; "
                    "correct it."
                )
        try:
            values = np.array([[clean(row[i]) for i in columns] for row in block], dtype=np.float64)
        except ValueError:
            values = np.full((1, 1), np.nan)
        if not np.isfinite(values).all():
            at, column = next(
                (number + r + 1, i) for r, row in enumerate(block) for i in columns if not _is_finite(clean(row[i]))
            )
            cell = block[at - number - 1][column]
            raise DataError(
                f"{name}: expected a number in row {at:,}, column {column + 1:,} ({head[column][:40]!r}), got "
                f"{cell[:40]!r}; correct it, or name the column of the classes 'label'."
            )
        number += len(block)
        blocks.append(values.astype(np.float32) if width > 100 else values)
        labels += [row[label].strip() for row in block]
        if len(labels) > MAX_SAMPLES:
            raise DataError(f"{name}: expected at most {MAX_SAMPLES:,} rows, got more; choose fewer.")
    if not blocks:
        raise DataError(f"{name}: expected rows of numbers and a label, got none; add samples.")
    if any(not text for text in labels):
        raise DataError(f"{name}: expected a label in every row, got none in one; complete or remove such rows.")
    x, notes = np.concatenate(blocks), []
    if not has_header and _is_numbered(head[:-1]) and not _is_number(labels[0]) and labels.count(labels[0]) == 1:
        names, x, labels = tuple(head[:-1]), x[1:], labels[1:]  # a header of numbers and the name of the labels
    elif has_header and len(names) > 1 and names[0].strip().lower() in _ROW_NUMBER_COLUMNS and _is_unique(x[:, 0]):
        notes.append(f"The column {names[0].strip()!r} numbers the rows and is left out.")
        names, x = names[1:], x[:, 1:]
    if has_header and label != width - 1:
        notes.append(f"The column {head[label].strip()!r} holds the classes.")
    if not labels:
        raise DataError(f"{name}: expected rows of numbers and a label, got none; add samples.")
    y = np.array(labels)
    if all(_is_number(text) for text in set(labels)):
        numbers = y.astype(np.float64)
        is_whole = np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all() and np.abs(numbers).max() < 2**53
        y = numbers.astype(np.int64) if is_whole else numbers
    return Table(names, x, y, tuple(notes))


def _is_numbered(cells: list[str]) -> bool:
    """Return whether these are the numbers from 0 or 1 on."""
    return any(cells == [str(start + i) for i in range(len(cells))] for start in (0, 1))


def _is_unique(values: np.ndarray) -> bool:
    """Return whether these are different whole numbers."""
    return bool((values == np.rint(values)).all()) and len(np.unique(values)) == len(values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_finite(text: str) -> bool:
    return _is_number(text) and math.isfinite(float(text))
