"""Networks in the Neuromorphic Intermediate Representation: Linear -> CubaLI, as network_files writes it, and no other.

The file is HDF5. It is read with h5py, part by part, so that its size is checked before its values are read.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import IO, Any

import numpy as np
import torch

from tempotron_core.data.archives import MAX_BYTES, FormatError
from tempotron_core.interchange.tensor_files import CONSTANTS, Tensors
from tempotron_core.snn.engine import Kernel
from tempotron_core.validation import one_line_error

__all__ = ["open_nir"]

_NODES = {"Input", "Linear", "CubaLI", "Output"}
_MAX_TEXT = 2**16
_MAX_NODES = 100
_MAX_ENTRIES = 1000  # also ends a group that contains itself
_MAX_TAU = 1e5  # ms


def open_nir(file: IO[bytes], name: str) -> Tensors:
    """Return the weights of a graph Input -> Linear -> CubaLI -> Output, for the kernel whose peak is v_threshold.

    Args:
        file: the file
        name: name of the file, for messages

    Raises:
        FormatError: for another graph, a damaged file, and where h5py is missing.
    """
    try:
        import h5py
    except ImportError as error:
        raise FormatError(
            f"{name}: expected the package h5py to read this form, found none; install it with pip install nir."
        ) from error
    try:
        with h5py.File(file, "r") as content:
            _refuse_links(content, h5py)
            return _read_graph(content, name)
    except FormatError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise FormatError(
            f"{name}: expected a graph of the package nir, got {one_line_error(error)}; write it with nir.write."
        ) from error


def _refuse_links(content: Any, h5py: Any) -> None:
    """Refuse links, and values in other files, which HDF5 would read from this machine."""
    waiting, seen = [content], 0
    while waiting:
        group = waiting.pop()
        for key in group:
            seen += 1
            if seen > _MAX_ENTRIES:
                raise ValueError(f"more than {_MAX_ENTRIES:,} entries")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise ValueError(f"a link in {key[:40]!r}")
            entry = group[key]
            if isinstance(entry, h5py.Group):
                waiting.append(entry)
            elif not isinstance(entry, h5py.Dataset) or entry.external or entry.is_virtual:
                raise ValueError(f"values of another file in {key[:40]!r}")


def _read_graph(content: Any, name: str) -> Tensors:
    graph = content["node"]
    if len(graph["nodes"]) > _MAX_NODES:
        raise FormatError(f"{name}: expected the nodes Linear -> CubaLI, got {len(graph['nodes']):,} nodes.")
    kinds = {key: _text(node["type"]) for key, node in graph["nodes"].items()}
    chain = sorted(kind for kind in kinds.values())
    if set(chain) != _NODES or len(chain) != len(_NODES):
        raise FormatError(
            f"{name}: expected the nodes Input -> Linear -> CubaLI -> Output, got {', '.join(chain)[:200]}; only this "
            "form is read."
        )
    nodes = {kind: graph["nodes"][key] for key, kind in kinds.items()}
    edges = {(kinds.get(a), kinds.get(b)) for a, b in _edges(graph["edges"])}
    if edges != {("Input", "Linear"), ("Linear", "CubaLI"), ("CubaLI", "Output")}:
        raise FormatError(f"{name}: expected the edges Input -> Linear -> CubaLI -> Output, got others.")
    weight = _values(nodes["Linear"]["weight"], name)
    if weight.ndim != 2:
        raise FormatError(f"{name}: expected weights [outputs, afferents], got {list(weight.shape)}.")
    outputs = len(weight)
    neuron = {
        key: np.broadcast_to(_values(nodes["CubaLI"][key], name).reshape(-1), outputs).astype(np.float64)
        for key in ("tau_syn", "tau_mem", "r", "v_leak", "w_in")
    }
    tau, tau_s = 1000 * neuron["tau_mem"], 1000 * neuron["tau_syn"]
    same = all(np.ptp(values) <= 1e-6 * abs(values[0]) for values in (tau, tau_s))
    plausible = all(np.isfinite(values).all() for values in neuron.values()) and 0 < tau_s[0] < tau[0] < _MAX_TAU
    if not same or not plausible or neuron["v_leak"].any():
        raise FormatError(
            f"{name}: expected one tau_mem above one tau_syn, in seconds, and v_leak 0, got others; a tempotron layer "
            "has one pair of time constants and rests at 0."
        )
    tensors = Tensors()
    metadata = _metadata(graph)
    numbers = {"tau": float(round(tau[0], 9)), "tau_s": float(round(tau_s[0], 9)), "v_threshold": 1.0}
    numbers |= {key: metadata[key] for key in CONSTANTS if isinstance(metadata.get(key), float)}
    numbers |= {"T": metadata["T_ms"]} if isinstance(metadata.get("T_ms"), float) else {}
    numbers = {key: value for key, value in numbers.items() if math.isfinite(value)}
    kernel = Kernel(numbers["tau"], numbers["tau_s"], numbers["v_threshold"])
    gain = neuron["r"] * neuron["w_in"] / ((neuron["tau_mem"] - neuron["tau_syn"]) * kernel.scale)
    scaled = weight.astype(np.float64) * gain[:, None]
    tensors.add("weight", scaled.shape, True)
    tensors.tensors["weight"] = torch.from_numpy(scaled.astype(np.float32))
    tensors.numbers = numbers
    with suppress(ValueError, TypeError, RecursionError):
        classes = json.loads(str(metadata.get("classes", "[]")))
        if isinstance(classes, list) and all(isinstance(one, str) for one in classes):
            tensors.classes = tuple(classes)
    return tensors


def _edges(dataset: Any) -> list[tuple[str, str]]:
    if dataset.size > 2 * _MAX_NODES:
        raise ValueError("too many edges")
    return [(bytes(a).decode(), bytes(b).decode()) for a, b in dataset[()]]


def _metadata(graph: Any) -> dict[str, Any]:
    """Return the numbers and short texts of the metadata."""
    found: dict[str, Any] = {}
    if "metadata" not in graph:
        return found
    for key in list(graph["metadata"])[:_MAX_NODES]:
        with suppress(KeyError, ValueError, TypeError, AttributeError, OSError):
            dataset = graph["metadata"][key]
            if dataset.shape != ():
                continue
            if dataset.dtype.kind in "fiu":
                found[key] = float(dataset[()])
            else:
                found[key] = _text(dataset)
    return found


def _text(dataset: Any) -> str:
    value = dataset[()]
    text = value.decode() if isinstance(value, bytes) else str(value)
    if len(text) > _MAX_TEXT:
        raise ValueError("a text that is too long")
    return text


def _values(dataset: Any, name: str) -> np.ndarray:
    if dataset.dtype.kind not in "fiu" or dataset.size * 8 > MAX_BYTES:
        raise FormatError(
            f"{name}: expected numbers of at most {MAX_BYTES // 2**30} GiB, got {dataset.dtype} {list(dataset.shape)}."
        )
    return np.asarray(dataset[()])
