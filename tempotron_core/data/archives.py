"""Checks of files from other sources before their content is decoded.

A zip archive is judged by its directory, an array by its header: what would be unpacked is known before it is. Nothing
that is read is executed. Data sets and networks use the same checks.
"""

from __future__ import annotations

import io
import math
import os
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from tempotron_core.data.zip_directory import directory_bytes
from tempotron_core.validation import one_line_error

__all__ = [
    "MAX_BYTES",
    "ArrayHeader",
    "FormatError",
    "Source",
    "check_zip",
    "open_source",
    "peek_array_headers",
    "printable_name",
    "read_array",
    "read_array_headers",
    "shape_text",
    "source_name",
]

MAX_BYTES = 2**30
"""Bytes of a file, and of what it unpacks to."""

_MAX_MEMBERS = 10_000
_MAX_DIRECTORY = 2**21  # bytes; a hundred thousand members would take a second to list
_MAX_RATIO = 200  # deflate reaches a thousand with zeros; trained weights and spike times stay below ten
_SMALL_BYTES = 2**26  # what may have any ratio: it is unpacked within a fraction of a second
_MAX_ARRAY_HEADER = 4096

Source = str | os.PathLike[str] | bytes
"""Path of a file, or its content."""


class FormatError(ValueError):
    """A file is not of the expected form; the message is one sentence."""


@dataclass(frozen=True)
class ArrayHeader:
    """Header of an array of an NPZ archive, and the bytes that follow it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    size: int

    def check(self, name: str, key: str) -> None:
        """Check that the array holds plain values, as many as its header says.

        Raises:
            FormatError: for Python objects, records, negative sizes and other sizes than the file has.
        """
        if self.dtype.hasobject or self.dtype.names is not None:
            raise FormatError(_bad_array(name, key, "Python objects or records"))
        if any(extent < 0 for extent in self.shape):
            raise FormatError(_bad_array(name, key, "a negative size"))
        if math.prod(self.shape) * self.dtype.itemsize != self.size:
            raise FormatError(
                _bad_array(name, key, f"{self.size:,} bytes for shape {list(self.shape)} of {self.dtype}")
            )


def source_name(source: Source, name: str | None = None) -> str:
    """Return the printable last part of a file's name, at most 120 characters."""
    return printable_name(name or ("upload" if isinstance(source, bytes) else str(os.fspath(source))))


def printable_name(name: str) -> str:
    """Return the last part of a path without characters that cannot be printed, at most 120 characters."""
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    return "".join(letter if letter.isprintable() else "_" for letter in last)[-120:] or "file"


@contextmanager
def open_source(source: Source, name: str) -> Iterator[IO[bytes]]:
    """Open a file, or its content, for reading.

    Raises:
        FormatError: where it cannot be read, is empty or is too large.
    """
    try:
        if not isinstance(source, bytes) and not Path(source).is_file():
            raise FormatError(f"{name}: expected a file, found none; correct the path.")
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            size = file.seek(0, io.SEEK_END)
            if not 0 < size <= MAX_BYTES:
                raise FormatError(f"{name}: expected 1 byte to 1 GiB, got {size:,} bytes; choose another file.")
            file.seek(0)
            yield file
    except (OSError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{name}: expected a readable file, got {one_line_error(error)}; check it.") from error


def check_zip(file: IO[bytes], name: str, max_bytes: int = MAX_BYTES) -> dict[str, zipfile.ZipInfo]:
    """Return the members of a zip archive by name; nothing is unpacked.

    Args:
        file: the archive
        name: its name in messages
        max_bytes: what all members may unpack to

    Raises:
        FormatError: for a damaged or encrypted archive, for names with paths, and for one that unpacks to too much.
    """
    try:
        if directory_bytes(file) > _MAX_DIRECTORY:
            raise FormatError(f"{name}: expected at most {_MAX_MEMBERS:,} members, got more; save fewer.")
        file.seek(0)
        members = zipfile.ZipFile(file).infolist()
    except FormatError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, EOFError) as error:
        raise FormatError(
            f"{name}: expected a zip archive, got a damaged one ({one_line_error(error)[:80]}); save the file again."
        ) from error
    if len(members) > _MAX_MEMBERS:
        raise FormatError(f"{name}: expected at most {_MAX_MEMBERS:,} members, got {len(members):,}; save fewer.")
    total = 0
    for member in members:
        parts = re.split(r"[/\\]", member.filename)
        if member.filename.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or not parts[-1]:
            raise FormatError(
                f"{name}: expected members without paths, got {member.filename[:80]!r}; save the file again."
            )
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(
                f"{name}: expected members stored or deflated, got another method for {member.filename[:80]!r}; save "
                "the file without encryption."
            )
        total += member.file_size
        is_dense = member.file_size > _SMALL_BYTES and member.file_size > _MAX_RATIO * member.compress_size
        if total > max_bytes or is_dense:
            raise FormatError(
                f"{name}: expected at most {max_bytes / 2**30:.0f} GiB unpacked and a compression below {_MAX_RATIO}, "
                f"got {member.file_size:,} bytes from {member.compress_size:,} in {member.filename[:80]!r}; save less."
            )
    if len({member.filename for member in members}) < len(members):
        raise FormatError(f"{name}: expected members of different names, got one twice; save the file again.")
    return {member.filename: member for member in members}


def read_array_headers(file: IO[bytes], name: str) -> dict[str, ArrayHeader]:
    """Return the headers of all arrays of an NPZ archive; no array is read.

    Raises:
        FormatError: for anything but an archive of plain arrays.
    """
    members = check_zip(file, name)
    for key in members:
        if not key.endswith(".npy"):
            raise FormatError(f"{name}: expected arrays (.npy), got {key[:80]!r}; save it with numpy.savez.")
    headers = peek_array_headers(file, name, members)
    for key, header in headers.items():
        header.check(name, key)
    return headers


def peek_array_headers(file: IO[bytes], name: str, members: Mapping[str, zipfile.ZipInfo]) -> dict[str, ArrayHeader]:
    """Return the headers of those members of an archive that are arrays, without judging what they hold.

    Raises:
        FormatError: for a damaged header.
    """
    headers = {}
    with zipfile.ZipFile(file) as archive:
        for key, member in members.items():
            if not key.endswith(".npy"):
                continue
            try:
                with archive.open(member) as stream:
                    headers[key.removesuffix(".npy")] = _array_header(stream, member.file_size)
            except Exception as error:  # zlib, struct, tokenize, ast: every parser below has errors of its own
                raise FormatError(_bad_array(name, key, f"a damaged one ({one_line_error(error)[:80]})")) from error
    return headers


def _bad_array(name: str, key: str, found: str) -> str:
    return (
        f"{name}: expected an array in {key.removesuffix('.npy')[:80]!r}, got {found}; save it with numpy.savez, "
        "without objects."
    )


def _array_header(stream: IO[bytes], size: int) -> ArrayHeader:
    version = np.lib.format.read_magic(stream)
    length_bytes = 2 if version == (1, 0) else 4
    length = int.from_bytes(stream.read(length_bytes), "little")
    if length > _MAX_ARRAY_HEADER:
        raise ValueError(f"a header of {length:,} bytes")
    start = io.BytesIO(length.to_bytes(length_bytes, "little") + stream.read(length))
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version[0]}.{version[1]}")
    shape, _, dtype = readers[version](start, max_header_size=_MAX_ARRAY_HEADER)
    return ArrayHeader(dtype, tuple(int(extent) for extent in shape), size - 6 - 2 - length_bytes - length)


def read_array(file: IO[bytes], name: str, key: str) -> np.ndarray:
    """Return one array of an archive whose headers have been checked.

    Raises:
        FormatError: where it is damaged.
    """
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive, archive.open(f"{key}.npy") as stream:
            return np.asarray(np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_MAX_ARRAY_HEADER))
    except Exception as error:
        raise FormatError(
            f"{name}: expected the array {key[:80]!r}, got a damaged one ({one_line_error(error)[:80]}); save the file "
            "again."
        ) from error


def shape_text(shapes: Mapping[str, tuple[int, ...]], limit: int = 8) -> str:
    """Return keys with their shapes as text, at most this many."""
    texts = [f"{key[:60]} {list(shape)}" for key, shape in list(shapes.items())[:limit]]
    more = f" and {len(shapes) - limit} more" if len(shapes) > limit else ""
    return ", ".join(texts) + more if texts else "no tensors"
