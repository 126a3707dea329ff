"""Tensors in network files: what a file holds, and the forms that need no unpickling."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import torch

from tempotron_core.data.archives import FormatError, read_array, read_array_headers
from tempotron_core.validation import one_line_error

__all__ = ["CONSTANTS", "MAX_TENSORS", "Content", "Tensors", "open_npz", "open_safetensors"]

CONSTANTS = ("m", "T", "beta", "tau", "tau_s", "v_threshold")
"""Names of constants that are looked for beside the weights."""

MAX_TENSORS = 10_000
"""Tensors of a file."""

_MAX_HEADER = 2**22  # bytes of a safetensors header
_SAFETENSORS_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Content:
    """What a file holds: shapes of all tensors, those that may be weights, numbers, names of classes."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.matrices: dict[str, tuple[int, ...]] = {}
        self.numbers: dict[str, float] = {}
        self.classes: tuple[str, ...] = ()

    def add(self, key: str, shape: tuple[int, ...], is_float: bool) -> None:
        """Add a tensor of the file."""
        self.shapes[key] = shape
        if is_float and len(shape) == 2 and min(shape) > 0:
            self.matrices[key] = shape

    def read(self, key: str) -> torch.Tensor:
        """Return the values of a tensor."""
        raise NotImplementedError


class Tensors(Content):
    """Tensors in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: dict[str, torch.Tensor] = {}

    def read(self, key: str) -> torch.Tensor:
        """Return a tensor."""
        return self.tensors[key]


class _Arrays(Content):
    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__()
        self._file, self._name = file, name

    def read(self, key: str) -> torch.Tensor:
        array = read_array(self._file, self._name, key)
        return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))


class _Slices(Content):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.places: dict[str, tuple[torch.dtype, int, int]] = {}

    def read(self, key: str) -> torch.Tensor:
        dtype, start, end = self.places[key]
        self._file.seek(start)
        return torch.frombuffer(bytearray(self._file.read(end - start)), dtype=dtype).view(self.shapes[key])


def open_npz(file: IO[bytes], name: str) -> Content:
    """Return what an NPZ archive holds.

    Raises:
        FormatError: for anything else than an archive of plain arrays.
    """
    content = _Arrays(file, name)
    for key, header in read_array_headers(file, name).items():
        if header.shape == () and header.dtype.kind in "iuf":
            content.numbers[key] = float(read_array(file, name, key))
        elif key == "classes" and len(header.shape) == 1 and header.dtype.kind == "U" and header.shape[0] <= 10_000:
            content.classes = tuple(str(text)[:80] for text in read_array(file, name, key))
        else:
            content.add(key, header.shape, header.dtype.kind == "f" and header.dtype.itemsize <= 8)
    return content


def open_safetensors(file: IO[bytes], name: str) -> Content:
    """Return what a safetensors file holds.

    Raises:
        FormatError: for anything else than a safetensors file.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 10 or length > min(size - 8, _MAX_HEADER):
        raise FormatError(
            f"{name}: expected a safetensors header of at most {_MAX_HEADER:,} bytes inside the file, got {length:,} "
            f"of {size:,} bytes; save it with safetensors.torch.save_file."
        )
    content = _Slices(file)
    try:
        header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        if len(header) > MAX_TENSORS:
            raise ValueError(f"{len(header):,} tensors")
        for key, entry in header.items():
            shape, (start, end) = tuple(entry["shape"]), entry["data_offsets"]
            integers = [*shape, start, end]
            if any(type(number) is not int or not 0 <= number <= 2**48 for number in integers) or len(shape) > 64:
                raise ValueError(f"sizes {str(integers)[:60]} of {key[:60]}")
            dtype = _SAFETENSORS_DTYPES.get(entry["dtype"])
            expected = None if dtype is None else math.prod(shape) * dtype.itemsize
            if not start <= end <= size - 8 - length or expected not in (None, end - start):
                raise ValueError(f"{end - start:,} bytes for {key[:60]} {list(shape)}")
            if dtype is not None:
                content.places[key] = dtype, 8 + length + start, 8 + length + end
            content.add(key, shape, dtype is not None)
        if isinstance(metadata, dict):
            _read_metadata(content, metadata)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"{name}: expected a safetensors header, got {one_line_error(error)}; save it with "
            "safetensors.torch.save_file."
        ) from error
    return content


def _read_metadata(content: Content, metadata: Mapping[str, Any]) -> None:
    for key, text in metadata.items():
        if key == "classes":
            classes = json.loads(text)
            if isinstance(classes, list) and len(classes) <= 10_000:
                content.classes = tuple(str(each)[:80] for each in classes)
        elif key in CONSTANTS:
            content.numbers[key] = float(text)
