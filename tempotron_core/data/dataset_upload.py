"""Store a data set file that a viewer sends: judged before it is unpacked, read once, then placed beside the others."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tempotron_core.data.dataset_files import PICTURE_SUFFIXES, read_dataset_file
from tempotron_core.data.datasets import is_file_name
from tempotron_core.data.samples import MAX_BYTES, DataError, Dataset
from tempotron_core.data.spike_times import write_spike_times
from tempotron_core.data.zip_directory import directory_bytes
from tempotron_core.validation import one_line_error

__all__ = ["UPLOAD_SUFFIXES", "store_dataset_file"]

UPLOAD_SUFFIXES = (".npz", ".csv", ".tsv", ".zip")
"""Endings of files that can be stored; a zip archive holds a folder of pictures by class."""

_MAX_DIRECTORY = 2**22  # bytes: 50,000 pictures, listed in half a second
_MAX_DEPTH = 4
_MAX_RATIO, _SMALL_BYTES = 200, 2**26  # pictures are packed already; what is small may have any ratio
_IGNORED = re.compile(r"(^|/)(__MACOSX/|\.[^/.]|Thumbs\.db$|desktop\.ini$)")


def store_dataset_file(
    content: bytes, name: str, folder: str | os.PathLike[str], unit: str | None = None, step_ms: float = 1.0
) -> Dataset:
    """Read a data set file and store it in a folder; nothing is stored unless it can be read, and nothing is replaced.

    Args:
        content: content of the file
        name: its name; the folder of a zip archive has the name without the ending
        folder: where it goes; made where it is missing
        unit: unit of spike times where the file names none; such a file is stored as NPZ with its times in ms
        step_ms: duration of a step in ms, where that is the unit

    Returns:
        The data set; its name is that of the file or folder that was stored.

    Raises:
        DataError: for a file that is no data set or hostile, for a name that is taken, and where it cannot be written.
    """
    stem, suffix = os.path.splitext(name)
    stored_name = stem if suffix.lower() == ".zip" else name
    if suffix.lower() not in UPLOAD_SUFFIXES or not is_file_name(stored_name):
        raise DataError(
            f"data set file: expected a name of letters and digits that ends in {', '.join(UPLOAD_SUFFIXES)}, got "
            f"{name[-80:]!r}; rename it."
        )
    target = Path(os.path.expanduser(folder)) / stored_name
    if target.exists():
        raise DataError(f"{target.name}: expected a name that is not taken, got one of a file there; rename it.")
    work = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".upload-", dir=target.parent))
        file = work / target.name
        if suffix.lower() == ".zip":
            _unpack(content, name, file)
        else:
            file.write_bytes(content)
        dataset = read_dataset_file(file, unit, step_ms)
        if dataset.has_spike_times and (unit or "ms") != "ms":
            target = target.with_suffix(".npz")
            if target.exists():
                raise DataError(
                    f"{target.name}: expected a name that is not taken, got one of a file there; rename it."
                )
            file = work / "in_ms.npz"
            write_spike_times(dataset, file)
            dataset = read_dataset_file(file)
        _place(file, target)
        dataset = replace(dataset, name=target.name)
    except OSError as error:
        raise DataError(
            f"{target.name}: expected a folder that can be written, got {one_line_error(error)} in "
            f"{str(target.parent)[-120:]!r}; choose another."
        ) from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
    return dataset


def _place(file: Path, target: Path) -> None:
    """Rename a file or folder; an error where another has just stored this name."""
    if file.is_dir():
        file.rename(target)
        return
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError, NotImplementedError):
        os.link(file, target)  # unlike a renaming it replaces nothing, but some file systems have no links
        return
    file.rename(target)


def _unpack(content: bytes, name: str, folder: Path) -> None:
    """Unpack the pictures and tables of an archive; a folder around all of them is left out."""
    file = io.BytesIO(content)
    if directory_bytes(file) > _MAX_DIRECTORY:
        raise DataError(f"{name}: expected at most 50,000 pictures, got more; send fewer.")
    try:
        with zipfile.ZipFile(file) as archive:
            members = [item for item in archive.infolist() if not item.is_dir() and not _IGNORED.search(item.filename)]
            paths = _member_paths(name, members)
            for item, parts in zip(members, paths, strict=True):
                path = folder.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(item))
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib and struct have errors of their own
        raise DataError(
            f"{name}: expected a zip archive, got a damaged one ({one_line_error(error)[:80]}); pack it again."
        ) from error


def _member_paths(name: str, members: list[zipfile.ZipInfo]) -> list[tuple[str, ...]]:
    """Return the path of each member below the folder of the data set, checked before anything is unpacked."""
    paths = []
    for item in members:
        parts = tuple(item.filename.split("/"))
        if any(part in ("", ".", "..") or "\\" in part or ":" in part or not part.isprintable() for part in parts):
            raise DataError(f"{name}: expected plain names in the archive, got {item.filename[:80]!r}; pack it again.")
        if len(parts) > _MAX_DEPTH or not parts[-1].lower().endswith((*PICTURE_SUFFIXES, ".csv")):
            raise DataError(
                f"{name}: expected pictures in one folder for each class, got {item.filename[:80]!r}; pack the folder "
                "of pictures alone."
            )
        if item.flag_bits & 1 or item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{name}: expected files stored or deflated, got {item.filename[:80]!r}; pack it again.")
        paths.append(parts)
    size, packed = sum(item.file_size for item in members), sum(item.compress_size for item in members)
    if size > MAX_BYTES or size > max(_SMALL_BYTES, _MAX_RATIO * packed):
        raise DataError(
            f"{name}: expected at most 1 GiB, packed at most {_MAX_RATIO} : 1, got {size:,} bytes from {packed:,}; "
            "send fewer pictures."
        )
    if len({path[0] for path in paths}) == 1 and min(map(len, paths)) > 1:
        paths = [path[1:] for path in paths]
    if len(set(paths)) < len(paths):
        raise DataError(f"{name}: expected different names in the archive, got one twice; pack it again.")
    return paths
