"""Data sets in IDX files, packed by gzip or not."""

from __future__ import annotations

import itertools
import math
import os
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from tempotron_core.data.samples import MAX_BYTES, DataError, Dataset, dataset_from_arrays
from tempotron_core.validation import one_line_error

__all__ = ["GZIP", "MAX_ENTRIES", "list_idx_files", "read_idx", "read_idx_array"]

GZIP = b"\x1f\x8b"
"""Start of a file packed by gzip."""

MAX_ENTRIES = 1000
"""Entries of a folder that are looked through."""

_MAX_GZIP_RATIO = 1040
_GZIP_WINDOW = 31
_CHUNK = 2**20
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4"}  # those of images and labels


def _read_start(path: Path, count: int) -> bytearray:
    """Return the first bytes of a file, unpacked where it is packed; at most count of them.

    Only one member of a gzip file is read: a file of a million empty ones would take minutes.
    """
    with path.open("rb") as stream:
        content = bytearray(stream.read(min(count, _CHUNK)))
        if content[:2] != GZIP:
            return content + stream.read(count - len(content))
        unpack, content = zlib.decompressobj(_GZIP_WINDOW), bytearray()
        stream.seek(0)
        while len(content) < count and not unpack.eof:
            packed = unpack.unconsumed_tail or stream.read(2**16)
            if not packed:
                break
            content += unpack.decompress(packed, count - len(content))
    return content


def _idx_shape(path: Path) -> tuple[int, ...] | None:
    """Return the shape of an IDX file of bytes or of whole numbers, None for another file."""
    header = _idx_header(path)
    return None if header is None else header[1]


def _idx_header(path: Path) -> tuple[np.dtype[Any], tuple[int, ...]] | None:
    with suppress(OSError, struct.error, zlib.error):
        start = _read_start(path, 20)
        zero, kind, dimensions = struct.unpack_from(">HBB", start)
        if zero == 0 and kind in _IDX_TYPES and 1 <= dimensions <= 4:
            return np.dtype(_IDX_TYPES[kind]), struct.unpack_from(f">{dimensions}I", start, 4)
    return None


def read_idx_array(path: Path) -> np.ndarray:
    """Read an IDX file, packed by gzip or not.

    Raises:
        DataError: for another file, and where its size is not that of its header.
    """
    found = _idx_header(path)
    if found is None:
        raise DataError(
            f"{path.name}: expected an IDX file of whole numbers, got another one; choose one, or convert it to NPZ."
        )
    dtype, shape = found
    size, length = math.prod(shape) * dtype.itemsize, path.stat().st_size
    with path.open("rb") as stream:
        is_packed = stream.read(2) == GZIP
    header = 4 + 4 * len(shape)
    fits = length * _MAX_GZIP_RATIO >= size + header if is_packed else length == size + header
    if size > MAX_BYTES or not fits:
        raise DataError(
            f"{path.name}: expected {header + size:,} bytes, at most {MAX_BYTES:,}, for the shape {list(shape)} of its "
            f"header, got {length:,}{' packed' if is_packed else ''}; get the file again."
        )
    try:
        content = _read_start(path, header + size + 1)
    except zlib.error as error:
        raise DataError(
            f"{path.name}: expected a whole gzip file, got {one_line_error(error)}; get the file again."
        ) from error
    if len(content) != header + size:
        raise DataError(
            f"{path.name}: expected {header + size:,} bytes for the shape {list(shape)}, got "
            f"{'more' if len(content) > header + size else f'{len(content):,}'}; get the file again."
        )
    return np.frombuffer(content, dtype, offset=header).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def read_idx(path: Path) -> Dataset:
    """Read the IDX file of images, and its labels and test part from the same folder.

    Raises:
        DataError: for another file, and without labels.
    """
    shapes = list_idx_files(path.parent)
    shape = shapes.get(path.name) or _idx_shape(path)
    if shape is None or len(shape) < 2:
        got = "another file" if shape is None else f"the shape {list(shape)}"
        raise DataError(f"{path.name}: expected an IDX file of images, got {got}; name the file of the images.")
    train = path.name, _label_file(path, path.name, shapes)
    test_name = next(
        (
            name
            for word in ("test", "t10k")
            if "train" in path.name and (name := path.name.replace("train", word)) in shapes
        ),
        None,
    )
    test = None if test_name is None else (test_name, _label_file(path, test_name, shapes))
    x, y = (read_idx_array(path.parent / name) for name in train)
    x_test, y_test = (None, None) if test is None else (read_idx_array(path.parent / name) for name in test)
    return dataset_from_arrays(path.name, x, y, x_test, y_test)


def list_idx_files(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the IDX files of a folder with their shapes, by name."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, MAX_ENTRIES):
            if entry.is_file() and (shape := _idx_shape(Path(entry))):
                found[entry.name] = shape
    return dict(sorted(found.items()))


def _label_file(path: Path, images: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """Return the IDX file with a label for each of these images."""
    named = re.sub(r"idx[23]", "idx1", images.replace("images", "labels").replace("image", "label"))
    if named != images and len(shapes.get(named, ())) == 1:
        return named
    count = shapes[images][0]
    candidates = [name for name, shape in shapes.items() if shape == (count,)]
    if len(candidates) == 1:
        return candidates[0]
    contains = ", ".join(f"{name} {list(shape)}" for name, shape in itertools.islice(shapes.items(), 6))
    raise DataError(
        f"{images}: expected one IDX file of {count:,} labels beside it, found {len(candidates)} (IDX files: "
        f"{contains}); name it {named!r}."
    )
