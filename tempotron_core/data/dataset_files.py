"""Data sets in files of the user: NPZ, CSV, IDX, folders of pictures by class. Nothing that is read is executed.

Every file is judged by its size and its header before its values are read.
"""

from __future__ import annotations

import itertools
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tempotron_core.data.idx_files import GZIP, MAX_ENTRIES, list_idx_files, read_idx
from tempotron_core.data.npz_files import read_npz
from tempotron_core.data.picture_folders import PICTURE_SUFFIXES, read_picture_folders
from tempotron_core.data.samples import DataError, Dataset, dataset_from_arrays
from tempotron_core.data.spike_lists import has_spike_columns, read_spike_csv
from tempotron_core.data.table_files import TEXT_SUFFIXES, read_csv, read_table

__all__ = ["PICTURE_SUFFIXES", "SUFFIXES", "file_fingerprint", "find_dataset_files", "read_dataset_file"]

SUFFIXES = (".npz", ".csv", ".tsv", ".idx", ".idx.gz")
"""Endings of data set files; IDX files are also recognised by -idx2-ubyte and -idx3-ubyte in their names."""

_MAX_SHOWN = 200
_IDX_IN_NAME = re.compile(r"idx[23]-ubyte(\.gz)?$|\.idx(\.gz)?$", re.IGNORECASE)
_FORMS = "an .npz, .csv or IDX file, or a folder of pictures with one folder for each class"


def read_dataset_file(path: Path, unit: str | None = None, step_ms: float = 1.0) -> Dataset:
    """Read a data set from a file or folder; its name is that of the file.

    Args:
        path: file or folder
        unit: unit of spike times where the file names none
        step_ms: duration of a step in ms, where that is the unit

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
            return read_npz(path, unit, step_ms)
        if start[:2] == GZIP or (start[:2] == b"\0\0" and len(start) == 4):
            return read_idx(path)
        if path.suffix.lower() in TEXT_SUFFIXES:
            return read_spike_csv(path, unit, step_ms) if has_spike_columns(path) else read_csv(path)
    except OSError as error:
        raise DataError(f"{name}: expected a readable file, got {error.strerror or error}; check it.") from error
    raise DataError(f"{name}: expected {_FORMS}, got a file that begins with {start!r}; convert it to one of these.")


def find_dataset_files(directory: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the files and folders in a directory that look like data sets, sorted."""
    found = []
    with suppress(OSError, ValueError), os.scandir(directory) as entries:
        for entry in itertools.islice(entries, MAX_ENTRIES):
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
                    few = itertools.islice(entries, MAX_ENTRIES)
                    parts += [(entry.stat().st_size, entry.stat().st_mtime_ns) for entry in few]
        return tuple(sorted(parts))
    return ()


def _looks_like_file(name: str) -> bool:
    is_part = "label" in name.lower() or re.search(r"t10k|test", name.lower())
    return name.lower().endswith((".npz", *TEXT_SUFFIXES)) or bool(_IDX_IN_NAME.search(name) and not is_part)


def _looks_like_folder(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        few = list(itertools.islice(entries, MAX_ENTRIES))
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


def _read_folder(folder: Path) -> Dataset:
    parts = {entry.name.lower(): entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()}
    tables = {kind: folder / f"{kind}.csv" for kind in ("train", "test")}
    if all(table.is_file() for table in tables.values()):
        train, test = (read_table(tables[kind]) for kind in ("train", "test"))
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
        pictures, others = (read_picture_folders(parts[part]) for part in (train_name, test_name))
        dataset = dataset_from_arrays(folder.name, pictures.x, pictures.y, others.x, others.y)
        return replace(dataset, notes=tuple(dict.fromkeys((*pictures.notes, *others.notes, *dataset.notes))))
    images = [name for name, shape in list_idx_files(folder).items() if len(shape) > 1]
    if images:
        first = next((name for name in images if "train" in name), images[0])
        dataset = read_idx(folder / first)
        return replace(dataset, name=folder.name)
    pictures = read_picture_folders(folder if train_name is None else parts[train_name])
    dataset = dataset_from_arrays(folder.name, pictures.x, pictures.y)
    return replace(dataset, notes=(*pictures.notes, *dataset.notes))
