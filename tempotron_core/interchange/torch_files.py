"""Files of torch.save: the pickle in one is scanned before it is read, and one that names other objects is refused."""

from __future__ import annotations

import math
import pickletools
import re
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import torch

from tempotron_core.data.archives import FormatError, check_zip
from tempotron_core.interchange.tensor_files import MAX_TENSORS, Content, Tensors
from tempotron_core.validation import one_line_error

__all__ = ["open_torch"]

_MAX_PICKLE = 2**23
_CONVERSION = 'torch.save(net.state_dict(), "net.pt")'
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


def open_torch(file: IO[bytes], name: str) -> Content:
    """Return what a file of torch.save holds.

    Raises:
        FormatError: for anything else than a state dict.
    """
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


def _walk(loaded: object, name: str) -> Content:
    """Return the tensors and numbers of nested dictionaries and lists, with the parts of their keys joined by dots."""
    content = Tensors()
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
            if entries > MAX_TENSORS or len(key) > 1000:
                raise FormatError(
                    f"{name}: expected at most {MAX_TENSORS:,} entries, got more; save the state dict only."
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
