"""Data sets of spike times that were recorded or encoded elsewhere: CSV, NPZ, arrays.

    CSV    one row for each spike, see spike_lists
    NPZ    times [n, afferents] or [n, features, m], or [afferents] of one sample; optional labels [n], classes, unit;
           times_test and labels_test for a test part of its own

A negative time, NaN or infinity is silence. Times are kept as real numbers of milliseconds, float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
import torch

from tempotron_core.data.archives import ArrayHeader, read_array
from tempotron_core.data.samples import (
    MAX_BYTES,
    MAX_FEATURES,
    MAX_SAMPLES,
    DataError,
    Dataset,
    Split,
    index_classes,
    shape_text,
    split_samples,
)

__all__ = [
    "MAX_CELLS",
    "NO_UNIT",
    "UNITS",
    "dataset_from_spike_times",
    "fit_width",
    "read_spike_arrays",
    "write_spike_times",
]

UNITS = ("ms", "s", "steps")
"""Units of spike times; a step has a duration in ms."""

MAX_CELLS = MAX_BYTES // 4
"""Times of a data set, silent ones included."""

_MAX_TIME = 1e6  # ms
_NO_TEST_PART = "No test part: a fifth of the samples of each class is the test set, chosen with a fixed seed."

NO_UNIT = "The file does not name the unit of its times: they are taken as ms."
"""Note on a file whose times have no unit."""


def dataset_from_spike_times(
    name: str,
    times: np.ndarray,
    labels: np.ndarray | None = None,
    times_test: np.ndarray | None = None,
    labels_test: np.ndarray | None = None,
    *,
    classes: tuple[str, ...] = (),
    unit: str = "ms",
    step_ms: float = 1.0,
    notes: tuple[str, ...] = (),
    is_sparse: bool = False,
) -> Dataset:
    """Return a data set of spike times, at most one spike for each afferent of a sample.

    Without a test part a fifth of the samples of each class is the test set. Without labels all samples are both parts.

    Args:
        name: name of the data set
        times: spike times [n, afferents] or [n, features, m], or [afferents] of one sample; negative or NaN for none
        labels: labels [n], whole numbers or text
        times_test: samples of the test part
        labels_test: labels of the test part
        classes: names of the classes 0, 1, ...; the sorted labels if empty
        unit: one of UNITS
        step_ms: duration of a step
        notes: sentences on what was converted
        is_sparse: whether there may be more afferents, which are silent in all samples

    Raises:
        DataError: for arrays of another shape or type, and for times beyond 1,000 s.
    """
    times = _to_ms(name, times, unit, step_ms)
    if labels is None:
        part = Split(torch.from_numpy(times), torch.zeros(len(times), dtype=torch.int64))
        return _make(name, part, part, (), notes, is_sparse)
    parts, given = [times], [np.asarray(labels).reshape(-1)]
    if times_test is not None and labels_test is not None:
        parts.append(_to_ms(name, times_test, unit, step_ms))
        given.append(np.asarray(labels_test).reshape(-1))
    for values, of_values in zip(parts, given, strict=True):
        if len(values) != len(of_values) or values.shape[1:] != times.shape[1:]:
            raise DataError(
                f"{name}: expected one label for each sample of one shape, got times {shape_text(values.shape)} and "
                f"{len(of_values):,} labels; store both with one length."
            )
    indices, names = index_classes(name, given, classes)
    if len(parts) == 1:
        train, test = split_samples(indices[0])
        parts, indices = [times[train], times[test]], [indices[0][train], indices[0][test]]
        notes = (*notes, _NO_TEST_PART)
    train_part, test_part = (
        Split(torch.from_numpy(np.ascontiguousarray(values)), torch.from_numpy(of_values))
        for values, of_values in zip(parts, indices, strict=True)
    )
    return _make(name, train_part, test_part, names, notes, is_sparse)


def fit_width(dataset: Dataset, features: int, m: int) -> Dataset:
    """Return a sparse data set with silent afferents added up to these features of m neurons, where it has fewer."""
    own_features, own_m = dataset.train.images.shape[1:]
    if not dataset.is_sparse or own_m > m or own_features > features or (own_m, own_features) == (m, features):
        return dataset
    if own_m == 1 and m > 1:
        return dataset  # afferents of a list are not grouped

    def padded(split: Split) -> Split:
        times = torch.full((len(split), features, m), -1.0)
        times[:, :own_features, :own_m] = split.images
        return Split(times, split.labels)

    return _make(dataset.name, padded(dataset.train), padded(dataset.test), dataset.classes, dataset.notes, True)


def write_spike_times(dataset: Dataset, file: Path) -> None:
    """Write a data set of spike times as NPZ, in ms."""
    arrays = {"times": dataset.train.images.numpy(), "unit": np.array("ms")}
    if dataset.classes:
        arrays |= {
            "labels": dataset.train.labels.numpy(),
            "times_test": dataset.test.images.numpy(),
            "labels_test": dataset.test.labels.numpy(),
            "classes": np.array(dataset.classes),
        }
    np.savez(file, **arrays)  # type: ignore[arg-type]


def _make(
    name: str, train: Split, test: Split, classes: tuple[str, ...], notes: tuple[str, ...], is_sparse: bool
) -> Dataset:
    features, m = train.images.shape[1:]
    kind = f"{features:,} afferents" if m == 1 else f"{features:,} features of {m:,} afferents"
    return Dataset(
        name,
        train,
        test,
        classes,
        f"{len(train):,} {'training ' if classes else ''}samples of spike times of {kind}",
        tuple(f"afferent {i}" if m == 1 else f"feature {i + 1}" for i in range(features)),
        notes=notes,
        is_sparse=is_sparse,
    )


def _to_ms(name: str, times: np.ndarray, unit: str, step_ms: float) -> np.ndarray:
    """Return times [n, features, m] in ms, float32, -1 for none."""
    if unit not in UNITS:
        raise DataError(f"{name}: expected a unit of {', '.join(UNITS)}, got {unit[:20]!r}; choose one.")
    if not (math.isfinite(step_ms) and 0 < step_ms <= 1000):
        raise DataError(f"{name}: expected a step above 0 and of at most 1,000 ms, got {step_ms:g}; correct it.")
    if times.dtype.kind not in "iuf":
        raise DataError(f"{name}: expected spike times as numbers, got {times.dtype}; store them as float32.")
    if times.ndim == 1:
        times = times[None]
    if times.ndim == 2:
        times = times[:, :, None]
    if times.ndim != 3:
        raise DataError(
            f"{name}: expected spike times [n, afferents] or [n, features, m], got {shape_text(times.shape)}; change "
            "the shape."
        )
    afferents = math.prod(times.shape[1:])
    if not len(times) or not 1 <= afferents <= MAX_FEATURES or len(times) > MAX_SAMPLES or times.size > MAX_CELLS:
        raise DataError(
            f"{name}: expected 1 to {MAX_SAMPLES:,} samples of 1 to {MAX_FEATURES:,} afferents and at most 1 GiB as "
            f"float32, got {shape_text(times.shape)}, {times.size * 4 / 2**30:,.1f} GiB; choose fewer."
        )
    factor = {"ms": 1.0, "s": 1000.0, "steps": step_ms}[unit]
    out = np.empty(times.shape, np.float32)
    for start in range(0, len(times), 1000):
        rows = slice(start, start + 1000)
        part = times[rows].astype(np.float64) * factor
        is_silent = ~np.isfinite(part) | (part < 0)
        part[is_silent] = -1
        if part.max(initial=-1) > _MAX_TIME:
            raise DataError(
                f"{name}: expected spike times of at most {_MAX_TIME:,.0f} ms, got {part.max():,.0f} ms; check the "
                "unit."
            )
        out[rows] = part
    return out


def read_spike_arrays(
    file: IO[bytes],
    name: str,
    headers: Mapping[str, ArrayHeader],
    unit: str | None = None,
    step_ms: float = 1.0,
) -> Dataset:
    """Read a data set from the array times of an archive whose headers are known.

    Args:
        file: the archive
        name: its name in messages
        headers: headers of its arrays
        unit: unit of the times where the file names none
        step_ms: duration of a step

    Raises:
        DataError, FormatError: for arrays of another kind, or too large ones.
    """
    shape = headers["times"].shape
    if math.prod(shape) > MAX_CELLS:
        raise DataError(
            f"{name}: expected at most 1 GiB of spike times as float32, got {shape_text(shape)}, "
            f"{math.prod(shape) * 4 / 2**30:,.1f} GiB; store fewer samples, or parts of the set."
        )

    def read(key: str) -> np.ndarray | None:
        if key not in headers:
            return None
        headers[key].check(name, key)
        return read_array(file, name, key)

    times, classes, stated = read("times"), read("classes"), read("unit")
    assert times is not None
    named = None if stated is None else str(stated.reshape(-1)[0]) if stated.size else ""
    return dataset_from_spike_times(
        name, times, read("labels"), read("times_test"), read("labels_test"),
        classes=() if classes is None or classes.ndim != 1 else tuple(map(str, classes[:1000].tolist())),
        unit=named or unit or "ms", step_ms=step_ms, notes=() if named or unit else (NO_UNIT,),
    )  # fmt: skip
