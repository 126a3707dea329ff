"""Data sets of spike times as lists of spikes in CSV.

One row for each spike: afferent, or pixel (or feature) and neuron; time_ms, time_s, time_steps or time; and, of several
samples, sample and label. Samples, afferents and pixels count from 0, features and neurons from 1, or from 0 where a 0
occurs. In place of pixel there may be row and column, from 1, of an image of 28 x 28 pixels, or of a larger square.
Lines that begin with # are skipped.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from tempotron_core.data.samples import MAX_FEATURES, MAX_SAMPLES, DataError, Dataset, shape_text
from tempotron_core.data.spike_times import MAX_CELLS, NO_UNIT, dataset_from_spike_times

__all__ = ["has_spike_columns", "read_spike_csv"]

_TIME_COLUMNS = {"time_ms": "ms", "time_s": "s", "time_steps": "steps", "time": None, "t": None}
_LABEL_COLUMNS = ("label", "class")
_FEATURE_COLUMNS = ("pixel", "feature", "row")
_ROWS = 100_000  # at a time
_SIDE = 28  # of the images that files of this program have without saying so
_MAX_TEXT_BYTES = 2**26


def has_spike_columns(path: Path) -> bool:
    """Return whether a text file begins with a header of spike times."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            columns = _columns(next(_lines(stream), "")[:4096])
    except (UnicodeDecodeError, OSError):
        return False
    has_place = "afferent" in columns or (any(column in columns for column in _FEATURE_COLUMNS) and "neuron" in columns)
    has_place = has_place and ("row" not in columns or "column" in columns)
    return has_place and any(column in columns for column in _TIME_COLUMNS)


def read_spike_csv(path: Path, unit: str | None = None, step_ms: float = 1.0) -> Dataset:
    """Read a data set from a table with one row for each spike.

    Args:
        path: the file
        unit: one of UNITS, that of the times where the header names none
        step_ms: duration of a step in ms

    Raises:
        DataError: for other rows, and for several spikes of one afferent.
    """
    size = path.stat().st_size
    if size > _MAX_TEXT_BYTES:
        raise DataError(
            f"{path.name}: expected a table of at most {_MAX_TEXT_BYTES / 2**20:.0f} MiB, got {size / 2**20:,.0f} MiB; "
            "save the times as NPZ."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = _lines(stream)
            head = next(lines)
            columns = _columns(head)
            values, labels = _read_rows(path.name, lines, columns, max("\t;,", key=head.count))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path.name}: expected a table as text in UTF-8, got {str(error)[:80]}; save it as CSV again."
        ) from error
    time_column = next(column for column in _TIME_COLUMNS if column in values)
    time, named = values[time_column], _TIME_COLUMNS[time_column]
    place = {column: numbers.astype(np.int64) for column, numbers in values.items() if column not in _TIME_COLUMNS}
    zero = np.zeros(len(next(iter(place.values()))), np.int64)
    sample = place.get("sample", zero)
    feature = place["afferent"] if "afferent" in place else next(place[c] for c in _FEATURE_COLUMNS if c in place)
    side = 0
    if "row" in place and not {"afferent", "pixel", "feature"} & set(place):
        side = max(_SIDE, int(place["row"].max()), int(place["column"].max()))
        if min(place["row"].min(), place["column"].min()) < 1:
            raise DataError(f"{path.name}: expected rows and columns from 1 on, got 0; add 1 to each.")
        feature = (place["row"] - 1) * side + place["column"] - 1
    if "feature" in place and "afferent" not in place and "pixel" not in place:
        feature = feature - min(1, int(feature.min()))
    neuron = zero if "afferent" in place else place["neuron"] - min(1, int(place["neuron"].min()))
    shape = tuple(int(index.max(initial=0)) + 1 for index in (sample, feature, neuron))
    if shape[0] > MAX_SAMPLES or shape[1] * shape[2] > MAX_FEATURES or math.prod(shape) > MAX_CELLS:
        raise DataError(
            f"{path.name}: expected at most {MAX_SAMPLES:,} samples, {MAX_FEATURES:,} afferents and 1 GiB as float32, "
            f"got {shape_text(shape)}, {math.prod(shape) * 4 / 2**30:,.1f} GiB; choose fewer."
        )
    has_spike = np.isfinite(time) & (time >= 0)
    flat = np.ravel_multi_index((sample, feature, neuron), shape)[has_spike]
    where, count = np.unique(flat, return_counts=True)
    if len(where) < len(flat):
        at = np.unravel_index(where[count.argmax()], shape)
        raise DataError(
            f"{path.name}: expected at most one spike of each afferent in a sample, got {int(count.max()):,} of "
            f"afferent {int(at[1] * shape[2] + at[2]):,} in sample {int(at[0]):,}; keep the first spike, or "
            "make an afferent of each."
        )
    times = np.full(math.prod(shape), np.nan)
    times[flat] = time[has_spike]
    notes: tuple[str, ...] = () if named or unit else (NO_UNIT,)
    notes += (f"Rows and columns are read as those of an image of {side} x {side} pixels.",) if side else ()
    return dataset_from_spike_times(
        path.name, times.reshape(shape), _labels_of_samples(path.name, sample, labels, shape[0]),
        unit=named or unit or "ms", step_ms=step_ms, notes=notes, is_sparse=True,
    )  # fmt: skip


def _lines(stream: IO[str]) -> Iterator[str]:
    return (line for line in stream if line.strip() and not line.startswith("#"))


def _columns(head: str) -> list[str]:
    return [cell.strip().strip('"').lower() for cell in head.replace(";", ",").replace("\t", ",").split(",")]


def _read_rows(
    name: str, lines: Iterator[str], columns: list[str], delimiter: str
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """Return the numbers by column, and the labels where there is a column of them."""
    label = next((columns.index(column) for column in _LABEL_COLUMNS if column in columns), None)
    known = ("sample", "afferent", *_FEATURE_COLUMNS, "column", "neuron", *_TIME_COLUMNS)
    wanted = [i for i, column in enumerate(columns) if column in known]
    blocks, labels, number = [], [], 1
    is_place = [columns[i] not in _TIME_COLUMNS for i in wanted]
    while block := list(itertools.islice(lines, _ROWS)):
        try:
            part, of_rows = _parse_rows(block, wanted, label, delimiter)
        except (ValueError, IndexError):
            part, of_rows = np.full((1, len(wanted)), np.inf), None
        places = part[:, is_place]
        if not (np.isfinite(places) & (places >= 0) & (places == np.rint(places)) & (places < 2**31)).all():
            rows = list(csv.reader(block, delimiter=delimiter, skipinitialspace=True))
            at = next((r for r, row in enumerate(rows) if not _is_row(row, wanted, label, columns)), 0)
            raise DataError(
                f"{name}: expected whole numbers from 0 on and a time for {', '.join(columns[i] for i in wanted)}, got "
                f"{delimiter.join(rows[at])[:60]!r} in row {number + at:,}; correct it."
            )
        blocks.append(part)
        labels += [] if of_rows is None else [of_rows]
        number += len(block)
    if not blocks:
        raise DataError(f"{name}: expected a row for each spike, got none; add spikes.")
    values = np.concatenate(blocks)
    return {columns[i]: values[:, j] for j, i in enumerate(wanted)}, np.concatenate(labels) if labels else None


def _parse_rows(
    block: list[str], wanted: list[int], label: int | None, delimiter: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the numbers of lines and their labels; numpy's reader takes a tenth of the time, but no empty cells."""
    try:
        part = np.loadtxt(block, np.float64, None, delimiter, usecols=wanted, ndmin=2, quotechar='"')
        if label is None:
            return part, None
        of_rows = np.char.strip(np.loadtxt(block, "U80", None, delimiter, usecols=label, ndmin=1, quotechar='"'))
    except ValueError:
        rows = list(csv.reader(block, delimiter=delimiter, skipinitialspace=True))
        part = np.array([[row[i].strip() or "nan" for i in wanted] for row in rows], np.float64)
        of_rows = np.array([] if label is None else [row[label].strip()[:80] for row in rows], dtype=str)
    if label is None:
        return part, None
    return part, of_rows.astype(f"U{max(1, int(np.char.str_len(of_rows).max()))}")


def _is_row(row: list[str], wanted: list[int], label: int | None, columns: list[str]) -> bool:
    try:
        numbers = {columns[i]: float(row[i].strip() or "nan") for i in wanted}
        row[label or 0]
    except (ValueError, IndexError):
        return False
    places = [number for column, number in numbers.items() if column not in _TIME_COLUMNS]
    return all(0 <= number < 2**31 and number == int(number) for number in places)


def _labels_of_samples(name: str, sample: np.ndarray, of_rows: np.ndarray | None, count: int) -> np.ndarray | None:
    """Return the label of each sample, None without labels."""
    if of_rows is None:
        return None
    first = np.full(count, -1)
    first[sample[::-1]] = np.arange(len(sample))[::-1]
    if (first < 0).any():
        raise DataError(
            f"{name}: expected a row with a label for each of the samples 0 to {count - 1:,}, got none for sample "
            f"{int((first < 0).argmax()):,}; add a row with an empty time, or number the samples without gaps."
        )
    if (of_rows == "").any() or (of_rows != of_rows[first[sample]]).any():
        raise DataError(f"{name}: expected one label for all rows of a sample, got several or none; correct them.")
    of_samples: np.ndarray = of_rows[first]
    are_numbers = all(text.isascii() and text.isdecimal() and len(text) < 16 for text in of_samples.tolist())
    return of_samples.astype(np.int64) if are_numbers else of_samples
