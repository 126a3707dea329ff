"""Data sets in files of the user: NPZ, CSV, IDX, folders of pictures by class. Nothing that is read is executed.

Every file is judged by its size and its header before its values are read.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tempotron_core.data.samples import (
    MAX_BYTES,
    MAX_FEATURES,
    MAX_SAMPLES,
    DataError,
    Dataset,
    dataset_from_arrays,
)
from tempotron_core.data.zip_directory import directory_bytes
from tempotron_core.validation import one_line_error

__all__ = [
    "PICTURE_SUFFIXES",
    "SUFFIXES",
    "file_fingerprint",
    "find_dataset_files",
    "read_dataset_file",
    "read_idx_array",
]

SUFFIXES = (".npz", ".csv", ".tsv", ".idx", ".idx.gz")
"""Endings of data set files; IDX files are also recognised by -idx2-ubyte and -idx3-ubyte in their names."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".webp", ".tif", ".tiff")
"""Endings of pictures in the folders of classes."""

_TEXT_SUFFIXES = (".csv", ".tsv")
_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B")
_PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
_LABEL_COLUMNS = ("label", "class", "target", "y")
_ROW_NUMBER_COLUMNS = ("id", "index", "unnamed: 0")
_SAMPLE_KEYS, _LABEL_KEYS = ("x", "images", "data"), ("y", "labels", "label", "target", "targets")
_MAX_TEXT_BYTES = 2**27
_MAX_PICTURES = 100_000
_MAX_ENTRIES = 1000  # of a folder that is looked through for data sets
_MAX_SHOWN = 200
_MAX_RATIO = 200  # deflate reaches a thousand with zeros
_SMALL_BYTES = 2**26  # what may have any ratio: it is unpacked within a fraction of a second
_MAX_GZIP_RATIO = 1040
_MAX_ARRAYS, _MAX_DIRECTORY = 1000, 2**20
_MAX_ARRAY_HEADER = 4096
_GZIP, _GZIP_WINDOW = b"\x1f\x8b", 31
_CHUNK = 2**20
_ROWS = 10_000
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4"}  # those of images and labels
_IDX_IN_NAME = re.compile(r"idx[23]-ubyte(\.gz)?$|\.idx(\.gz)?$", re.IGNORECASE)
_FORMS = "an .npz, .csv or IDX file, or a folder of pictures with one folder for each class"


def read_dataset_file(path: Path) -> Dataset:
    """Read a data set from a file or folder; its name is that of the file.

    Raises:
        DataError: for a missing, damaged or hostile file, or one of another kind.
    """
    name = path.name
    try:
        if path.is_dir():
            return _read_folder(path)
        if not path.is_file():
            raise DataError(f"{name}: expected {_FORMS}, found no such file in {str(path.parent)!r}; correct the name.")
        with path.open("rb") as stream:
            start = stream.read(4)
        if start[:2] == b"PK":
            return _read_npz(path)
        if start[:2] == b"\x1f\x8b" or (start[:2] == b"\0\0" and len(start) == 4):
            return _read_idx(path)
        if path.suffix.lower() in _TEXT_SUFFIXES:
            return _read_csv(path)
    except OSError as error:
        raise DataError(f"{name}: expected a readable file, got {error.strerror or error}; check it.") from error
    raise DataError(f"{name}: expected {_FORMS}, got a file that begins with {start!r}; convert it to one of these.")


def find_dataset_files(directory: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the files and folders in a directory that look like data sets, sorted."""
    found = []
    with suppress(OSError, ValueError), os.scandir(directory) as entries:
        for entry in itertools.islice(entries, _MAX_ENTRIES):
            with suppress(OSError):
                if entry.name.startswith(".") or not entry.name.isprintable() or len(entry.name) > 80:
                    continue
                is_data = _looks_like_folder(Path(entry)) if entry.is_dir() else _looks_like_file(entry.name)
                if is_data:
                    found.append(entry.name)
    return tuple(sorted(found)[:_MAX_SHOWN])


def file_fingerprint(path: Path) -> tuple[tuple[int, int], ...]:
    """Return size and modification time of a file, or of a folder and what lies in it; empty where there is none.

    Of a folder of pictures these are the folders of the classes: they change when a picture is added or removed.
    """
    with suppress(OSError, ValueError):
        status = path.stat()
        parts = [(status.st_size, status.st_mtime_ns)]
        if path.is_dir():
            for folder in (path, path / "train", path / "test"):
                with suppress(OSError), os.scandir(folder) as entries:
                    few = itertools.islice(entries, _MAX_ENTRIES)
                    parts += [(entry.stat().st_size, entry.stat().st_mtime_ns) for entry in few]
        return tuple(sorted(parts))
    return ()


def _looks_like_file(name: str) -> bool:
    is_part = "label" in name.lower() or re.search(r"t10k|test", name.lower())
    return name.lower().endswith((".npz", *_TEXT_SUFFIXES)) or bool(_IDX_IN_NAME.search(name) and not is_part)


def _looks_like_folder(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        few = list(itertools.islice(entries, _MAX_ENTRIES))
    if any(_IDX_IN_NAME.search(entry.name) and entry.is_file() for entry in few):
        return True
    folders = [entry for entry in few if entry.is_dir() and not entry.name.startswith(".")]
    by_name = {entry.name.lower(): entry for entry in folders}
    if "train" in by_name:
        return _looks_like_folder(Path(by_name["train"]))
    if len(folders) < 2:
        return False
    with os.scandir(folders[0]) as entries:
        return any(entry.name.lower().endswith(PICTURE_SUFFIXES) for entry in itertools.islice(entries, 50))


# NPZ


def _read_npz(path: Path) -> Dataset:
    try:
        with path.open("rb") as file:
            listed = directory_bytes(file)
        if listed > _MAX_DIRECTORY:
            raise DataError(
                f"{path.name}: expected at most {_MAX_ARRAYS:,} arrays, got a directory of {listed:,} bytes; save the "
                "samples and labels alone."
            )
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > _MAX_ARRAYS:
                raise DataError(
                    f"{path.name}: expected at most {_MAX_ARRAYS:,} arrays, got {len(archive.infolist()):,}; save the "
                    "samples and labels alone."
                )
            members = {
                item.filename.removesuffix(".npy"): item
                for item in archive.infolist()
                if item.filename.endswith(".npy")
            }
            headers = {key: _array_header(path, archive, item) for key, item in members.items()}
            contains = (
                ", ".join(f"{key[:40]!r} {list(shape)}" for key, (shape, _) in itertools.islice(headers.items(), 8))
                or "no arrays"
            )

            def read(key: str | None) -> np.ndarray | None:
                return None if key is None else _read_array(path, archive, members[key], headers[key], contains)

            lower = {key.lower(): key for key in members} | {key: key for key in members if key == key.lower()}
            train, test = _find_pair(lower, "train"), _find_pair(lower, "test")
            train = train or _find_pair(lower, "")
            if train is None:
                raise DataError(
                    f"{path.name}: expected arrays x and y (or x_train, y_train, x_test, y_test), got {contains}; "
                    "save them with numpy.savez(file, x=x, y=y)."
                )
            x, y = read(train[0]), read(train[1])
            assert x is not None and y is not None
            x_test, y_test = (read(key) for key in test or (None, None))
            classes, features = (
                _names(read(lower.get(key)))
                for key in ("classes", "features" if "features" in lower else "feature_names")
            )
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib, struct, tokenize, ast: every parser below has errors of its own
        raise DataError(
            f"{path.name}: expected an NPZ file, got a damaged one ({one_line_error(error)[:80]}); save it again."
        ) from error
    return dataset_from_arrays(path.name, x, y, x_test, y_test, classes=classes, features=features)


def _find_pair(lower: dict[str, str], part: str) -> tuple[str, str] | None:
    """Return the keys of samples and labels of a part."""
    for x, y in itertools.product(_SAMPLE_KEYS, _LABEL_KEYS):
        for form in ("{0}_{1}", "{1}_{0}", "{0}{1}") if part else ("{0}",):
            keys = form.format(x, part), form.format(y, part)
            if all(key in lower for key in keys):
                return lower[keys[0]], lower[keys[1]]
    return None


def _array_header(path: Path, archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(item) as stream:
        version = np.lib.format.read_magic(stream)
        length_bytes = 2 if version == (1, 0) else 4
        start = stream.read(length_bytes)
        if (length := int.from_bytes(start, "little")) > _MAX_ARRAY_HEADER:
            raise ValueError(f"a header of {length:,} bytes")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(io.BytesIO(start + stream.read(length)), max_header_size=_MAX_ARRAY_HEADER)
    return shape, dtype


def _read_array(
    path: Path,
    archive: zipfile.ZipFile,
    item: zipfile.ZipInfo,
    header: tuple[tuple[int, ...], np.dtype[Any]],
    contains: str,
) -> np.ndarray:
    shape, dtype = header
    key, size = item.filename.removesuffix(".npy"), math.prod(shape) * dtype.itemsize
    if dtype.hasobject or dtype.fields is not None:
        raise DataError(
            f"{path.name}: expected plain numbers or text in {key!r}, got {dtype} (arrays: {contains}); save it "
            "with another dtype, Python objects are not read."
        )
    if size > MAX_BYTES:
        raise DataError(
            f"{path.name}: expected at most {MAX_BYTES / 2**30:.0f} GiB in {key!r}, got {size / 2**30:,.1f} GiB "
            f"(arrays: {contains}); store fewer samples, or uint8."
        )
    if not 0 <= item.file_size - size <= 8192:
        raise DataError(
            f"{path.name}: expected {size:,} bytes in {key!r}, as its header says, got {item.file_size:,}; "
            "save it again."
        )
    if item.file_size > max(_SMALL_BYTES, _MAX_RATIO * max(item.compress_size, 1)):
        raise DataError(
            f"{path.name}: expected {key!r} to be packed at most {_MAX_RATIO} : 1, got {item.file_size:,} bytes from "
            f"{item.compress_size:,}; save it with numpy.savez."
        )
    with archive.open(item) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_MAX_ARRAY_HEADER)


def _names(values: np.ndarray | None) -> tuple[str, ...]:
    return () if values is None or values.ndim != 1 else tuple(str(value) for value in values[:MAX_FEATURES].tolist())


# CSV


class _Table(NamedTuple):
    """Feature names, values [n, features], labels [n] and notes of a table."""

    names: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]


def _read_csv(path: Path) -> Dataset:
    table = _read_table(path)
    dataset = dataset_from_arrays(path.name, table.x, table.y, features=table.names)
    return replace(dataset, notes=(*table.notes, *dataset.notes))


def _read_table(path: Path) -> _Table:
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


def _parse_table(name: str, lines: Iterator[str]) -> _Table:
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
    return _Table(names, x, y, tuple(notes))


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


# IDX


def _read_start(path: Path, count: int) -> bytearray:
    """Return the first bytes of a file, unpacked where it is packed; at most count of them.

    Only one member of a gzip file is read: a file of a million empty ones would take minutes.
    """
    with path.open("rb") as stream:
        content = bytearray(stream.read(min(count, _CHUNK)))
        if content[:2] != _GZIP:
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
        is_packed = stream.read(2) == _GZIP
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


def _read_idx(path: Path) -> Dataset:
    """Read the IDX file of images, and its labels and test part from the same folder."""
    shapes = _idx_files(path.parent)
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


def _idx_files(folder: Path) -> dict[str, tuple[int, ...]]:
    found = {}
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, _MAX_ENTRIES):
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


# Folders


def _read_folder(folder: Path) -> Dataset:
    parts = {entry.name.lower(): entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()}
    tables = {kind: folder / f"{kind}.csv" for kind in ("train", "test")}
    if all(table.is_file() for table in tables.values()):
        train, test = (_read_table(tables[kind]) for kind in ("train", "test"))
        if train.names != test.names:
            raise DataError(
                f"{folder.name}: expected the same columns in train.csv and test.csv, got {len(train.names)} and "
                f"{len(test.names)} features of other names; correct them."
            )
        dataset = dataset_from_arrays(folder.name, train.x, train.y, test.x, test.y, features=train.names)
        return replace(dataset, notes=(*train.notes, *dataset.notes))
    train_name = next((name for name in ("train", "training") if name in parts), None)
    test_name = next((name for name in ("test", "testing", "val") if name in parts), None)
    if train_name is not None and test_name is not None:
        pictures, others = (_read_pictures(parts[part]) for part in (train_name, test_name))
        dataset = dataset_from_arrays(folder.name, pictures.x, pictures.y, others.x, others.y)
        return replace(dataset, notes=tuple(dict.fromkeys((*pictures.notes, *others.notes, *dataset.notes))))
    images = [name for name, shape in _idx_files(folder).items() if len(shape) > 1]
    if images:
        first = next((name for name in images if "train" in name), images[0])
        dataset = _read_idx(folder / first)
        return replace(dataset, name=folder.name)
    pictures = _read_pictures(folder if train_name is None else parts[train_name])
    dataset = dataset_from_arrays(folder.name, pictures.x, pictures.y)
    return replace(dataset, notes=(*pictures.notes, *dataset.notes))


class _Pictures(NamedTuple):
    """Pictures [n, h, w] or [n, h, w, 3], the names of their folders [n], and notes."""

    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]


def _read_pictures(folder: Path) -> _Pictures:
    files: list[tuple[str, Path]] = []
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())
    for entry in (entry for entry in classes if not entry.name.startswith(".")):
        pictures = sorted(file for file in entry.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
        files += [(entry.name, file) for file in pictures if file.is_file() and not file.is_symlink()]
        if len(files) > _MAX_PICTURES:
            raise DataError(f"{folder.name}: expected at most {_MAX_PICTURES:,} pictures, got more; choose fewer.")
    if not files:
        contains = ", ".join(sorted(entry.name[:40] for entry in itertools.islice(folder.iterdir(), 6))) or "nothing"
        raise DataError(
            f"{folder.name}: expected a folder of pictures for each class, found no pictures (folder holds "
            f"{contains}); sort {', '.join(PICTURE_SUFFIXES)} into folders named by class, or choose a file."
        )
    values: np.ndarray | None = None
    has_colour = has_transparency = is_deep = False
    for i, (_, file) in enumerate(files):
        try:
            with Image.open(file, formats=_PICTURE_FORMATS) as picture:
                width, height = picture.size
                if values is None:
                    _check_picture_size(file, width, height, len(files))
                    values = np.empty((len(files), height, width, 3), np.uint8)
                if (height, width) != values.shape[1:3]:
                    raise DataError(
                        f"{file.parent.name}/{file.name}: expected pictures of one size, {values.shape[2]} x "
                        f"{values.shape[1]} as in the first, got {width} x {height}; scale them to one size."
                    )
                has_colour = has_colour or picture.mode not in ("1", "L", "LA", *_DEEP_MODES)
                is_deep = is_deep or picture.mode in _DEEP_MODES
                has_transparency = has_transparency or _is_transparent(picture)
                values[i] = _to_rgb(picture)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(
                f"{file.parent.name}/{file.name}: expected a picture ({', '.join(_PICTURE_FORMATS)}), got a file that "
                f"cannot be read as one ({type(error).__name__}); remove or replace it."
            ) from error
    assert values is not None
    is_grey = not has_colour or all((values[..., 0] == values[..., c]).all() for c in (1, 2))
    notes = ["Transparent pixels were made white."] if has_transparency else []
    notes += ["Of grey values of 16 bits the upper 8 are kept."] if is_deep else []
    return _Pictures(values[..., 0] if is_grey else values, np.array([name for name, _ in files]), tuple(notes))


def _is_transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info


def _to_rgb(picture: Image.Image) -> np.ndarray:
    """Return the pixels, uint8 [h, w, 3]; of 16 bits the upper 8, as Pillow would cut off all values above 255."""
    if picture.mode in _DEEP_MODES:
        deep = np.asarray(picture)
        if picture.mode == "F" or deep.min() < 0 or deep.max() >= 2**16:
            raise ValueError("values beyond 16 bits")
        return np.repeat((deep.astype(np.int64) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if not _is_transparent(picture):
        return np.asarray(picture.convert("RGB"))
    rgba = picture.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return np.asarray(white.convert("RGB"))


def _check_picture_size(file: Path, width: int, height: int, count: int) -> None:
    if width * height > MAX_FEATURES or 3 * width * height * count > MAX_BYTES:
        raise DataError(
            f"{file.parent.name}/{file.name}: expected pictures of at most {MAX_FEATURES:,} pixels, and 1 GiB in all, "
            f"got {count:,} of {width:,} x {height:,}; scale them down."
        )
