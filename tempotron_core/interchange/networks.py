"""Networks trained elsewhere, read without executing anything.

.safetensors        a JSON header and plain numbers
.npz                arrays, without pickled objects
.pt .pth .ckpt      what torch.save writes for a state dict; the pickle in it is scanned first, and one that names
                    anything but tensors and containers is refused unopened
.nir                the graph Linear -> CubaLI of the package nir

A tempotron needs one matrix [outputs, afferents]. It is found by shape: the only floating-point matrix, else the only
one whose name ends in fc.weight, else the only one whose name ends in weight.

SpikingJelly 0.0.0.0.14 stores it as fc.weight, with the kernel that this project has. Version 2.0.0 stores it as
weight, for a kernel of peak 1 instead of v_threshold, spike times that are not rounded, the highest value over [0, T]
instead of the grid, and shunting: no input after the first spike has an effect.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from tempotron_core.data.archives import (
    MAX_BYTES,
    FormatError,
    Source,
    open_source,
    shape_text,
    source_name,
)
from tempotron_core.interchange.nir_files import open_nir
from tempotron_core.interchange.tensor_files import CONSTANTS, Content, open_npz, open_safetensors
from tempotron_core.interchange.torch_files import open_torch

__all__ = ["PEERS", "SUFFIXES", "AmbiguousKeyError", "Network", "read_network"]

SUFFIXES = (".safetensors", ".npz", ".pt", ".pth", ".ckpt", ".nir")
"""Endings of the files that are read."""

PEERS = ("tempotron", "spikingjelly-0.0.0.0.14", "spikingjelly-2")
"""Programs a network may come from; the first two scale the kernel to v_threshold."""


_MAX_WEIGHT = 1e15  # sums of more would not stay finite
_MAX_VALUES = MAX_BYTES // 4


class AmbiguousKeyError(FormatError):
    """Several matrices may be the weights; keys holds those, with their shapes."""

    def __init__(self, message: str, keys: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(message)
        self.keys = keys


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of a network file, with its constants and names of classes.

    Attributes:
        file: name of the file
        keys: every tensor in the file with its shape
        key: key of the weights
        weight: float32 [outputs, afferents], as stored
        constants: constants that the file states, of CONSTANTS
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

    def comes_from_spikingjelly_2(self, peer: str | None) -> bool:
        """Return whether the network is one of SpikingJelly 2.0.0, according to peer, or to the file if peer is None.

        Raises:
            FormatError: for another name than those of PEERS, and where the file contradicts it.
        """
        if peer is not None and peer not in PEERS:
            raise FormatError(f"peer: expected one of {', '.join(PEERS)}, got {peer!r}; choose one of these.")
        if peer == PEERS[1] and self.is_spikingjelly_2:
            raise FormatError(
                f"{self.file}: expected a network of {peer}, got the buffers mu and sigma2 of SpikingJelly 2.0.0; "
                f"choose {PEERS[2]}."
            )
        return peer == PEERS[2] or (peer is None and self.is_spikingjelly_2)

    def scaled_weight(self, v_threshold: float, peer: str | None = None) -> torch.Tensor:
        """Return the weights [outputs, afferents] for the kernel whose peak is v_threshold.

        Args:
            v_threshold: threshold the network was trained with
            peer: one of PEERS that trained the network, None for what the file suggests
        """
        return self.weight / v_threshold if self.comes_from_spikingjelly_2(peer) else self.weight


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
            open_safetensors(file, name) if suffix == ".safetensors"
            else open_npz(file, name) if suffix == ".npz"
            else open_nir(file, name) if suffix == ".nir" else open_torch(file, name)
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


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _find_key(content: Content, name: str) -> str:
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


def _check_bias(content: Content, name: str, key: str) -> None:
    """Refuse a layer with a bias: a tempotron has none, and the potentials would differ."""
    bias = f"{key.removesuffix('weight')}bias"
    if not key.endswith("weight") or content.shapes.get(bias) != content.shapes[key][:1]:
        return
    if bool((content.read(bias) != 0).any()):
        raise FormatError(
            f"{name}: expected a layer without bias, got {bias[:80]} {list(content.shapes[bias])}; a tempotron has "
            "none: train it with bias=False."
        )


def _read_constants(content: Content, name: str) -> tuple[dict[str, float], bool]:
    """Return the constants that the file states, and whether it has the buffers of SpikingJelly 2.0.0."""
    constants: dict[str, float] = {}
    for key, value in content.numbers.items():
        if _last(key) in CONSTANTS and math.isfinite(value):
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
