"""Files of a run folder: written atomically, read with checks.

Nothing that is read here is executed: JSON, CSV and safetensors hold only values.
"""

from __future__ import annotations

import codecs
import json
import os
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors_torch
from safetensors.torch import save

from tempotron_core.validation import one_line_error

__all__ = [
    "CODE_FILE",
    "END_MARKER",
    "STUDIES_FOLDER",
    "RunError",
    "decode_text",
    "escape_surrogates",
    "read_tensors",
    "read_text",
    "serialise_weights",
    "write_atomic",
]

CODE_FILE = "code.safetensors"
"""What the code of a run has computed from its training images."""

END_MARKER = "ended"
"""A file that a run leaves where it ends, however that is, unless it is killed."""

STUDIES_FOLDER = "studies"
"""Folder of a log directory of the studies, each with its runs in a folder of its own."""

_MAX_BYTES = 2**30  # of one file, which may come from another source
_MAX_TEXT_BYTES = 2**24


class RunError(Exception):
    """A folder is no run or is damaged; the message is one sentence."""


def escape_surrogates(text: str) -> str:
    r"""Return the text with the bytes of a name that is no UTF-8 as \xNN, and other surrogates as \uNNNN.

    Python reads such bytes of a file name as surrogates, which neither a browser nor a table can take.
    """
    escaped = (f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)
    return "".join(escaped).encode(errors="backslashreplace").decode()


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file completely, or leave the previous one."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def serialise_weights(weight: torch.Tensor, classes: tuple[str, ...]) -> bytes:
    """Return weights [outputs, afferents] as a safetensors file."""
    return save({"fc.weight": weight.contiguous()}, {"classes": json.dumps(classes)})


def read_text(folder: Path, name: str) -> str:
    """Return a text file of the folder, without a byte-order mark and with newlines as line ends.

    Raises:
        RunError: where it cannot be read or is too long.
    """
    try:
        with _resolve_inside(folder, name).open("rb") as file:
            text = file.read(_MAX_TEXT_BYTES + 1)
        if len(text) > _MAX_TEXT_BYTES:
            raise RunError(
                f"{name} of {folder.name!r}: expected at most {_MAX_TEXT_BYTES:,} bytes, got more; restore it."
            )
        return decode_text(text)
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{name} of {folder.name!r}: expected a readable file, got {one_line_error(error)}.") from error


def decode_text(content: bytes, errors: str = "strict") -> str:
    """Return text in UTF-8, or in UTF-16 with a byte-order mark, without the mark and with newlines as line ends.

    Raises:
        UnicodeDecodeError: for another encoding, if errors is "strict".
    """
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return content.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def read_tensors(
    folder: Path, name: str, max_bytes: int = _MAX_BYTES
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors of a file of the folder and its metadata.

    Raises:
        RunError: where they cannot be read or are too large.
    """
    file = _resolve_inside(folder, name)
    try:
        if file.stat().st_size > max_bytes:
            limit = f"{max_bytes >> 30} GiB" if max_bytes >= 2**30 else f"{max_bytes >> 20} MiB"
            raise RunError(f"{name} of {folder.name!r}: expected at most {limit}, got {file.stat().st_size:,} bytes.")
        if escape_surrogates(str(file)) != str(file):  # safe_open takes only paths in UTF-8
            content = file.read_bytes()
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            return safetensors_torch.load(content), header.get("__metadata__", {})
        with safe_open(str(file), "pt") as source:
            return {key: source.get_tensor(key).clone() for key in source.keys()}, source.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(
            f"{name} of {folder.name!r}: expected a safetensors file, got {one_line_error(error)}; restore it from a "
            f"copy or choose another run."
        ) from error


def _resolve_inside(folder: Path, name: str) -> Path:
    """Return the path of a plain file in the folder; RunError where it is missing or a link to elsewhere."""
    file = folder / name
    try:
        inside = file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a link in a circle
        inside = False
    if not inside:
        raise RunError(
            f"{name} of {folder.name!r}: expected a file of the run, got a link out of it; put the file itself there."
        )
    if not file.is_file():
        raise RunError(f"{name} of {folder.name!r}: expected a file, found none; the folder is no complete run.")
    return file
