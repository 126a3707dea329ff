"""Networks trained elsewhere, read without executing anything.

.safetensors        a JSON header and plain numbers
.npz                arrays, without pickled objects
.pt .pth .ckpt      what torch.save writes for a state dict; the pickle in it is scanned first, and one that names
                    anything but tensors and containers is refused unopened

A tempotron needs one matrix [outputs, afferents]. It is found by shape: the only floating-point matrix, else the only
one whose name ends in fc.weight, else the only one whose name ends in weight.

SpikingJelly 0.0.0.0.14 stores it as fc.weight, with the kernel that this project has. Version 2.0.0 stores it as
weight, for a kernel of peak 1 instead of v_threshold, spike times that are not rounded, the highest value over [0, T]
instead of the grid, and shunting: no input after the first spike has an effect.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickletools
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import torch

from tempotron_core.interchange.archives import (
    MAX_BYTES,
    FormatError,
    Source,
    check_zip,
    open_source,
    read_array,
    read_array_headers,
    shape_text,
    source_name,
)
from tempotron_core.validation import one_line_error

__all__ = ["PEERS", "SUFFIXES", "AmbiguousKeyError", "Network", "read_network"]

SUFFIXES = (".safetensors", ".npz", ".pt", ".pth", ".ckpt")
"""Endings of the files that are read."""

PEERS = ("tempotron", "spikingjelly-0.0.0.0.14", "spikingjelly-2")
"""Programs a network may come from; the first two scale the kernel to v_threshold."""

_CONSTANTS = ("m", "T", "beta", "tau", "tau_s", "v_threshold")
"""Names of constants that are looked for beside the weights."""

_MAX_TENSORS = 10_000
_MAX_HEADER = 2**22  # bytes of a safetensors header
_MAX_PICKLE = 2**23
_MAX_WEIGHT = 1e15  # sums of more would not stay finite
_MAX_VALUES = MAX_BYTES // 4
_CONVERSION = 'torch.save(net.state_dict(), "net.pt")'
_SAFETENSORS_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_CONTAINERS = {
    "collections OrderedDict",
    "collections defaultdict",
    "builtins set",
    "torch Size",
    "torch device",
}
_TENSORS = re.compile(
    r"torch\._utils _rebuild_(tensor|tensor_v2|parameter|parameter_with_state)$|torch \w+Storage$|"
    r"torch\.storage (TypedStorage|UntypedStorage|_TypedStorage)$|torch\._tensor _rebuild_from_type_v2$|"
    r"torch\.nn\.parameter Parameter$|torch (float16|float32|float64|bfloat16|int\d+|uint8|bool)$|"
    r"numpy(\._core|\.core)?\.multiarray (scalar|_reconstruct)$|numpy (dtype|ndarray)$|_codecs encode$"
)


class AmbiguousKeyError(FormatError):
    """Several matrices may be the weights; keys holds those, with their shapes."""

    def __init__(self, message: str, keys: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(message)
        self.keys = keys


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of a network file, with what else the file says.

    Attributes:
        file: name of the file
        keys: every tensor in the file with its shape
        key: key of the weights
        weight: float32 [outputs, afferents], as stored
        constants: constants that the file states, of _CONSTANTS
        classes: names of the outputs, empty where the file has none
        is_spikingjelly_2: whether the buffers beside the weights are those of SpikingJelly 2.0.0
        notes: sentences on what was converted, or may be wrong
    """

    file: str
    keys: Mapping[str, tuple[int, ...]]
    key: str
    weight: torch.Tensor
    constants: Mapping[str, float] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    is_spikingjelly_2: bool = False
    notes: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Return the number of output neurons."""
        return len(self.weight)

    @property
    def afferents(self) -> int:
        """Return the number of afferents."""
        return self.weight.shape[1]

    def scaled_weight(
        self, v_threshold: float, peer: str | None = None, without_shunting: bool = False
    ) -> torch.Tensor:
        """Return the weights [outputs, afferents] for the kernel whose peak is v_threshold.

        Args:
            v_threshold: threshold the network was trained with
            peer: one of PEERS that trained the network, None for what the file suggests
            without_shunting: whether a network of SpikingJelly 2.0.0 is read although its shunting is left out

        Raises:
            FormatError: for a network of SpikingJelly 2.0.0, unless shunting may be left out.
        """
        if peer is not None and peer not in PEERS:
            raise FormatError(f"peer: expected one of {', '.join(PEERS)}, got {peer!r}; choose one of these.")
        if peer == PEERS[1] and self.is_spikingjelly_2:
            raise FormatError(
                f"{self.file}: expected a network of {peer}, got the buffers mu and sigma2 of SpikingJelly 2.0.0; "
                f"choose {PEERS[2]}."
            )
        if peer != PEERS[2] and not (peer is None and self.is_spikingjelly_2):
            return self.weight
        if not without_shunting:
            raise FormatError(
                f"{self.file}: expected a tempotron evaluated on the grid without shunting, got one of SpikingJelly "
                "2.0.0, which ignores all input after the first spike and takes the exact peak over [0, T]: the same "
                "weights would decide differently; state --without-shunting to import it all the same, or train with "
                "SpikingJelly 0.0.0.0.14."
            )
        return self.weight / v_threshold


def read_network(source: Source, name: str | None = None, key: str | None = None) -> Network:
    """Read the weights of a network file.

    Args:
        source: path of the file, or its content
        name: name of the file, for its ending and for messages; that of the path by default
        key: key of the weights, None to find it

    Raises:
        AmbiguousKeyError: where several matrices may be the weights.
        FormatError: for another file, and for weights that are no finite matrix.
    """
    name = source_name(source, name)
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in SUFFIXES:
        raise FormatError(f"{name}: expected a file that ends in {', '.join(SUFFIXES)}, got {suffix or 'no ending'!r}.")
    with open_source(source, name) as file:
        content = (
            _open_safetensors(file, name) if suffix == ".safetensors"
            else _open_npz(file, name) if suffix == ".npz" else _open_torch(file, name)
        )  # fmt: skip
        key = _find_key(content, name) if key is None else key
        if key not in content.shapes:
            raise FormatError(
                f"{name}: expected a key of the file, got {key[:80]!r}; it has {shape_text(content.shapes)}."
            )
        if key not in content.matrices:
            raise FormatError(
                f"{name}: expected a floating-point matrix [outputs, afferents] in {key[:80]!r}, got "
                f"{list(content.shapes[key])}; choose another key of {shape_text(content.matrices)}."
            )
        weight = content.read(key).detach()
    notes = [f"{key} was converted from {str(weight.dtype).removeprefix('torch.')} to float32."]
    notes = [] if weight.dtype == torch.float32 else notes
    weight = weight.to(torch.float32, memory_format=torch.contiguous_format).contiguous()
    _check_values(weight, name, key)
    _check_bias(content, name, key)
    constants, is_spikingjelly_2 = _read_constants(content, name)
    others = [other for other in content.matrices if other != key and _last(other) not in ("mu", "sigma2")]
    if others:
        notes.append(f"Not used: {shape_text({other: content.shapes[other] for other in others}, 4)}.")
    if _last(key) == "weight" and not key.endswith("fc.weight") and not is_spikingjelly_2:
        notes.append(
            f"The key {key} is that of SpikingJelly 2.0.0 too; if the network was trained with it, state --peer "
            "spikingjelly-2."
        )
    return Network(
        name, content.shapes, key, weight, constants, content.classes, is_spikingjelly_2, tuple(notes)
    )  # fmt: skip


class _Content:
    """What a file holds: shapes of all tensors, those that may be weights, numbers, names of classes."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.matrices: dict[str, tuple[int, ...]] = {}
        self.numbers: dict[str, float] = {}
        self.classes: tuple[str, ...] = ()

    def add(self, key: str, shape: tuple[int, ...], is_float: bool) -> None:
        self.shapes[key] = shape
        if is_float and len(shape) == 2 and min(shape) > 0:
            self.matrices[key] = shape

    def read(self, key: str) -> torch.Tensor:
        raise NotImplementedError


class _Tensors(_Content):
    def __init__(self) -> None:
        super().__init__()
        self.tensors: dict[str, torch.Tensor] = {}

    def read(self, key: str) -> torch.Tensor:
        return self.tensors[key]


class _Arrays(_Content):
    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__()
        self._file, self._name = file, name

    def read(self, key: str) -> torch.Tensor:
        array = read_array(self._file, self._name, key)
        return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))


class _Slices(_Content):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.places: dict[str, tuple[torch.dtype, int, int]] = {}

    def read(self, key: str) -> torch.Tensor:
        dtype, start, end = self.places[key]
        self._file.seek(start)
        return torch.frombuffer(bytearray(self._file.read(end - start)), dtype=dtype).view(self.shapes[key])


def _open_npz(file: IO[bytes], name: str) -> _Content:
    content = _Arrays(file, name)
    for key, header in read_array_headers(file, name).items():
        if header.shape == () and header.dtype.kind in "iuf":
            content.numbers[key] = float(read_array(file, name, key))
        elif key == "classes" and len(header.shape) == 1 and header.dtype.kind == "U" and header.shape[0] <= 10_000:
            content.classes = tuple(str(text)[:80] for text in read_array(file, name, key))
        else:
            content.add(key, header.shape, header.dtype.kind == "f" and header.dtype.itemsize <= 8)
    return content


def _open_safetensors(file: IO[bytes], name: str) -> _Content:
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
        if len(header) > _MAX_TENSORS:
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


def _read_metadata(content: _Content, metadata: Mapping[str, Any]) -> None:
    for key, text in metadata.items():
        if key == "classes":
            classes = json.loads(text)
            if isinstance(classes, list) and len(classes) <= 10_000:
                content.classes = tuple(str(each)[:80] for each in classes)
        elif key in _CONSTANTS:
            content.numbers[key] = float(text)


def _open_torch(file: IO[bytes], name: str) -> _Content:
    start = file.read(4)
    if start != b"PK\x03\x04":
        kind = "a pickle" if start[:1] == b"\x80" else "another file"
        raise FormatError(
            f"{name}: expected a state dict of torch.save, got {kind}, which is not opened; save it with {_CONVERSION} "
            "in PyTorch 1.6 or later."
        )
    members = check_zip(file, name)
    pickles = [key for key in members if re.fullmatch(r"[^/\\]+/data\.pkl", key)]
    if len(pickles) != 1 or len([key for key in members if key.endswith(".pkl")]) != 1:
        raise FormatError(
            f"{name}: expected one data.pkl, got members {', '.join(key[:40] for key in list(members)[:4])}; save it "
            f"with {_CONVERSION}."
        )
    if members[pickles[0]].file_size > _MAX_PICKLE or any(member.compress_type for member in members.values()):
        raise FormatError(
            f"{name}: expected an uncompressed state dict, got another archive; save it with {_CONVERSION}."
        )
    root = pickles[0].split("/")[0]
    try:
        with zipfile.ZipFile(file) as archive:
            _scan_pickle(archive.read(pickles[0]), name, root, members)
        file.seek(0)
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except FormatError:
        raise
    except Exception as error:  # torch raises errors of many types for damaged files
        raise FormatError(
            f"{name}: expected a state dict, got {one_line_error(error)}; save it with {_CONVERSION}."
        ) from error
    return _walk(loaded, name)


def _scan_pickle(content: bytes, name: str, root: str, members: Mapping[str, zipfile.ZipInfo]) -> None:
    """Refuse a pickle that names other objects than tensors and containers, or storages of other sizes than stored."""
    strings: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "PROTO" and argument != 2:
            raise FormatError(
                f"{name}: expected torch.save's own pickle protocol, 2, got {argument}; save it with {_CONVERSION}, "
                "without pickle_protocol."
            )
        if opcode.name in ("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4") or (
            opcode.name == "GLOBAL" and argument not in _CONTAINERS and not _TENSORS.match(str(argument))
        ):
            found = str(argument).replace(" ", ".")[:80] if opcode.name == "GLOBAL" else opcode.name
            raise FormatError(
                f"{name}: expected a state dict, got a pickled object ({found}), which is not opened; convert it with "
                f"{_CONVERSION} where the network was trained."
            )
        if opcode.name in ("BINPUT", "LONG_BINPUT") and strings:
            memo[int(argument or 0)] = strings[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            strings.append(memo.get(int(argument or 0)))
        elif opcode.name == "MARK":
            strings.append(None)
        elif argument is not None:
            strings.append(argument)
        elif opcode.name == "BINPERSID":
            _check_storage(strings[-6:], name, root, members)
        del strings[:-16]


_ITEM_BYTES = {
    "Double": 8,
    "Float": 4,
    "Half": 2,
    "BFloat16": 2,
    "Long": 8,
    "Int": 4,
    "Short": 2,
    "Char": 1,
    "Byte": 1,
    "Bool": 1,
    "ComplexFloat": 8,
    "ComplexDouble": 16,
}


def _check_storage(parts: list[Any], name: str, root: str, members: Mapping[str, zipfile.ZipInfo]) -> None:
    """Check that a storage (…, 'storage', type, key, device, number of values) is as large as its member."""
    kind = re.fullmatch(r"torch (\w+)Storage", str(parts[-4])) if len(parts) >= 4 else None
    member = members.get(f"{root}/data/{parts[-3]}") if kind else None
    if kind is None or member is None or not isinstance(parts[-1], int):
        raise FormatError(f"{name}: expected tensors with their values, got others; save it with {_CONVERSION}.")
    if parts[-1] * _ITEM_BYTES.get(kind[1], 1) > member.file_size:
        raise FormatError(
            f"{name}: expected {parts[-1]:,} values in {member.filename[:60]!r}, got {member.file_size:,} bytes; "
            f"save it with {_CONVERSION}."
        )


def _walk(loaded: object, name: str) -> _Content:
    """Return the tensors and numbers of nested dictionaries and lists, with the parts of their keys joined by dots."""
    content = _Tensors()
    if isinstance(loaded, torch.Tensor):
        loaded = {"weight": loaded}
    if not isinstance(loaded, Mapping):
        raise FormatError(f"{name}: expected a state dict, got {type(loaded).__name__}; save it with {_CONVERSION}.")
    stack: list[tuple[str, Any]] = [("", loaded)]
    seen, entries = {id(loaded)}, 0
    while stack:
        prefix, container = stack.pop(0)
        items = container.items() if isinstance(container, Mapping) else enumerate(container)
        for part, value in items:
            key = f"{prefix}{str(part)[:200]}"
            entries += 1
            if entries > _MAX_TENSORS or len(key) > 1000:
                raise FormatError(
                    f"{name}: expected at most {_MAX_TENSORS:,} entries, got more; save the state dict only."
                )
            if isinstance(value, torch.Tensor):
                if value.layout != torch.strided or value.numel() > value.untyped_storage().nbytes() // value.itemsize:
                    raise FormatError(
                        f"{name}: expected plain tensors, got {key[:60]} {list(value.shape)}, which is sparse or "
                        "repeats its values; save it with .contiguous()."
                    )
                content.tensors[key] = value
                content.add(key, tuple(value.shape), value.is_floating_point())
            elif isinstance(value, int | float) and not isinstance(value, bool):
                content.numbers[key] = float(value) if abs(value) < 1e300 else math.inf
            elif isinstance(value, Mapping | list | tuple) and id(value) not in seen:
                seen.add(id(value))
                if key.endswith("classes") and not isinstance(value, Mapping) and len(value) <= 10_000:
                    content.classes = tuple(str(each)[:80] for each in value)
                else:
                    stack.append((f"{key}.", value))
    return content


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _find_key(content: _Content, name: str) -> str:
    candidates = [key for key in content.matrices if _last(key) not in ("mu", "sigma2")]
    by_layer = [key for key in candidates if key == "fc.weight" or key.endswith(".fc.weight")]
    by_name = [key for key in candidates if _last(key) == "weight"]
    for group in (candidates, by_layer, by_name):
        if len(group) == 1:
            return group[0]
    if not candidates:
        raise FormatError(
            f"{name}: expected a floating-point matrix [outputs, afferents], got {shape_text(content.shapes)}; save "
            "the weights of the tempotron."
        )
    shapes = {key: content.shapes[key] for key in by_layer or by_name or candidates}
    raise AmbiguousKeyError(
        f"{name}: expected one matrix of weights, got {shape_text(shapes)}; choose one with --key.", shapes
    )


def _check_values(weight: torch.Tensor, name: str, key: str) -> None:
    if weight.numel() > _MAX_VALUES:
        raise FormatError(f"{name}: expected at most {_MAX_VALUES:,} weights, got {weight.numel():,}; choose fewer.")
    largest = float(weight.abs().max())
    if not math.isfinite(largest):
        bad = int((~weight.isfinite()).sum())
        raise FormatError(
            f"{name}: expected finite weights in {key[:80]!r}, got NaN or infinity in {bad:,} of {weight.numel():,}; "
            "choose another checkpoint."
        )
    if largest > _MAX_WEIGHT:
        raise FormatError(f"{name}: expected weights of at most {_MAX_WEIGHT:g}, got {largest:g}; choose another one.")


def _check_bias(content: _Content, name: str, key: str) -> None:
    """Refuse a layer with a bias: a tempotron has none, and the potentials would differ."""
    bias = f"{key.removesuffix('weight')}bias"
    if not key.endswith("weight") or content.shapes.get(bias) != content.shapes[key][:1]:
        return
    if bool((content.read(bias) != 0).any()):
        raise FormatError(
            f"{name}: expected a layer without bias, got {bias[:80]} {list(content.shapes[bias])}; a tempotron has "
            "none: train it with bias=False."
        )


def _read_constants(content: _Content, name: str) -> tuple[dict[str, float], bool]:
    """Return the constants that the file states, and whether it has the buffers of SpikingJelly 2.0.0."""
    constants: dict[str, float] = {}
    for key, value in content.numbers.items():
        if _last(key) in _CONSTANTS and math.isfinite(value):
            constants.setdefault(_last(key), value)
    buffers = {_last(key): key for key in content.matrices if _last(key) in ("mu", "sigma2")}
    if set(buffers) != {"mu", "sigma2"}:
        return constants, False
    mu, sigma2 = (content.read(buffers[part]).double() for part in ("mu", "sigma2"))
    m = mu.shape[1]
    if mu.shape == sigma2.shape and m > 2 and bool((sigma2 > 0).all() and (mu[:, 1] > mu[:, 0]).all()):
        constants["m"] = m
        # sigma is 1/beta of the spacing of the centres
        constants["beta"] = round(float(((mu[:, 1] - mu[:, 0]) / sigma2[:, 0].sqrt()).median()), 4)
    return constants, True
