"""Data sets in NPZ archives."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from tempotron_core.data.archives import ArrayHeader, FormatError, check_zip, peek_array_headers, read_array, shape_text
from tempotron_core.data.samples import MAX_BYTES, MAX_FEATURES, DataError, Dataset, dataset_from_arrays
from tempotron_core.data.spike_times import read_spike_arrays

__all__ = ["read_npz"]

_SAMPLE_KEYS, _LABEL_KEYS = ("x", "images", "data"), ("y", "labels", "label", "target", "targets")


def read_npz(path: Path, unit: str | None = None, step_ms: float = 1.0) -> Dataset:
    """Read a data set from arrays x and y, or x_train, y_train, x_test and y_test; or from spike times.

    unit, step_ms: see read_spike_arrays.

    Raises:
        DataError: for a damaged or hostile archive, or one without such arrays.
    """
    try:
        with path.open("rb") as file:
            members = check_zip(file, path.name, max_bytes=4 * MAX_BYTES)
            headers = peek_array_headers(file, path.name, members)
            if "times" in headers:
                return read_spike_arrays(file, path.name, headers, unit, step_ms)
            return _read_arrays(file, path.name, headers)
    except FormatError as error:
        raise DataError(str(error)) from error


def _read_arrays(file: IO[bytes], name: str, headers: Mapping[str, ArrayHeader]) -> Dataset:
    def read(key: str | None) -> np.ndarray | None:
        if key is None:
            return None
        _check_size(name, key, headers)
        if headers[key].dtype.hasobject:
            raise DataError(
                f"{name}: expected plain numbers or text in {key!r}, got Python objects, which are not read (arrays: "
                f"{_contents(headers)}); save it with another dtype."
            )
        headers[key].check(name, key)
        return read_array(file, name, key)

    lower = {key.lower(): key for key in headers} | {key: key for key in headers if key == key.lower()}
    train, test = _find_pair(lower, "train") or _find_pair(lower, ""), _find_pair(lower, "test")
    if train is None:
        raise DataError(
            f"{name}: expected arrays x and y (or x_train, y_train, x_test, y_test), or times, got "
            f"{_contents(headers)}; save them with numpy.savez(file, x=x, y=y)."
        )
    x, y = read(train[0]), read(train[1])
    assert x is not None and y is not None
    x_test, y_test = (read(key) for key in test or (None, None))
    classes, features = (
        _names(read(lower.get(key))) for key in ("classes", "features" if "features" in lower else "feature_names")
    )
    return dataset_from_arrays(name, x, y, x_test, y_test, classes=classes, features=features)


def _contents(headers: Mapping[str, ArrayHeader]) -> str:
    return shape_text({repr(key[:40]): header.shape for key, header in headers.items()}) if headers else "no arrays"


def _check_size(name: str, key: str, headers: Mapping[str, ArrayHeader]) -> None:
    size = math.prod(headers[key].shape) * headers[key].dtype.itemsize
    if size > MAX_BYTES:
        raise DataError(
            f"{name}: expected at most {MAX_BYTES / 2**30:.0f} GiB in {key!r}, got {size / 2**30:,.1f} GiB "
            f"(arrays: {_contents(headers)}); store fewer samples, or uint8."
        )


def _find_pair(lower: dict[str, str], part: str) -> tuple[str, str] | None:
    """Return the keys of samples and labels of a part."""
    for x, y in itertools.product(_SAMPLE_KEYS, _LABEL_KEYS):
        for form in ("{0}_{1}", "{1}_{0}", "{0}{1}") if part else ("{0}",):
            keys = form.format(x, part), form.format(y, part)
            if all(key in lower for key in keys):
                return lower[keys[0]], lower[keys[1]]
    return None


def _names(values: np.ndarray | None) -> tuple[str, ...]:
    return () if values is None or values.ndim != 1 else tuple(str(value) for value in values[:MAX_FEATURES].tolist())
