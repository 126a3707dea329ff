"""Codes: images or rows of a table to symbols, one at each position, and symbols to the spike times of m afferents.

A code has two parts. The first maps an image to a symbol of at most 256 at each position; symbol 0 is that of a black
image and is called the resting one. The second is a table of whole spike times [symbols, m] in ms, -1 for no spike.
With x the grey value from 0 to 1:

    gaussian              m Gaussian tuning curves of the pixel, see GaussianTuning
    latency               one spike a pixel at t = round((1 - x) T)
    latency-logarithmic   one spike a pixel at t = round(T ln(1/x) / ln 255)
    local-pattern         m afferents tuned to the pattern of the pixels around a position, see local_patterns

A spike at T or later is left out, so a black pixel has none in the latency codes. A code of your own takes five lines:

    register_code(Code(
        "on-off", "One of two afferents spikes at once: that of a dark or that of a bright pixel.",
        symbols=lambda images, fitted: (images > 127).flatten(1).byte(),
        table=lambda m, T, beta, fitted: torch.tensor([[0.0, -1.0], [-1.0, 0.0]]), min_m=2, max_m=2,
    ))

Bohte S M, Kok J N, La Poutre J A. Error-backpropagation in temporally encoded networks of spiking neurons.
Neurocomputing 48(1), 17-37, 2002 (tuning curves). Gautrais J, Thorpe S. Rate coding versus temporal order coding: a
theoretical approach. BioSystems 48(1-3), 57-65, 1998 (latency). Hopfield J J. Pattern recognition computation using
action potential timing for stimulus representation. Nature 376, 33-36, 1995 (logarithmic latency).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from tempotron_core.model import local_patterns
from tempotron_core.snn.encoding import GaussianTuning
from tempotron_core.validation import positive_integer

__all__ = [
    "CODES",
    "DEFAULT_CODE",
    "GAUSSIAN",
    "Code",
    "CodeError",
    "FittedCode",
    "register_code",
    "require_known_code",
    "restore_code",
    "unfitted_code",
]

DEFAULT_CODE = "gaussian"

Fitted = Mapping[str, torch.Tensor]
"""What a code has computed from training images, by name; empty for a code that computes nothing."""

_MAX_SYMBOLS = 256
_INT32_MAX = 2**31 - 1
_CHUNK = 1000  # images encoded at a time


class CodeError(ValueError):
    """A code cannot encode these images; the message is one sentence."""


class _Symbols(Protocol):
    def __call__(self, images: torch.Tensor, fitted: Fitted, /) -> torch.Tensor: ...


class _Table(Protocol):
    def __call__(self, m: int, T: int, beta: float, fitted: Fitted, /) -> torch.Tensor: ...


@dataclass(frozen=True, eq=False)
class Code:
    """A way to encode images, by name.

    Attributes:
        summary: one sentence
        symbols: (images uint8 [B, H, W] or table [B, features], fitted) -> symbols uint8 [B, P], 0 for a black image
        table: (m, T in ms, beta, fitted) -> whole spike times in ms, float32 [symbols, m], negative for none
        fit: (training images uint8 [n, H, W], m, seed) -> fitted tensors; None where nothing depends on the images
        check: raises a ValueError for fitted tensors that are damaged or belong to another m
        min_m, max_m: bounds of the number m of afferents of a position
        needs_images: whether it encodes images only, no rows of a table
    """

    name: str
    summary: str
    symbols: _Symbols
    table: _Table
    fit: Callable[[torch.Tensor, int, int], dict[str, torch.Tensor]] | None = None
    check: Callable[[Fitted, int], None] | None = None
    min_m: int = 1
    max_m: int = _INT32_MAX
    needs_images: bool = False

    def check_m(self, m: object) -> int:
        """Return m if the code can have this many afferents of a position.

        Raises:
            TypeError: for anything but an integer.
            ValueError: outside the bounds of the code.
        """
        name = "m (neurons a pixel)" if self.name == DEFAULT_CODE else f"m (afferents a position, code {self.name})"
        return positive_integer(name, m, minimum=self.min_m, maximum=self.max_m)

    def fit_to(self, images: torch.Tensor, m: int, seed: int) -> FittedCode:
        """Return the code computed from training images, uint8 [n, H, W].

        Raises:
            CodeError: where the images do not suffice.
        """
        self.check_samples(images)
        return FittedCode(self, {} if self.fit is None else self.fit(images, m, seed))

    def check_samples(self, images: torch.Tensor) -> None:
        """Raise CodeError for rows of a table, uint8 [n, features], where the code needs images."""
        if self.needs_images and images.dim() == 2:
            raise CodeError(
                f"code {self.name}: expected images, got a table of {images.shape[1]:,} features; choose the code "
                f"{DEFAULT_CODE}."
            )


@dataclass(frozen=True, eq=False)
class FittedCode:
    """A code with what it has computed from training images; encodes on the CPU, so that devices agree."""

    code: Code
    fitted: Fitted = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Return the name of the code."""
        return self.code.name

    def symbols(self, images: torch.Tensor) -> torch.Tensor:
        """Return the symbols of images uint8 [B, H, W]: uint8 [B, P] on their device.

        Raises:
            CodeError: where the code has not been fitted or returns anything else.
        """
        self._require_fitted()
        self.code.check_samples(images)
        symbols = self.code.symbols(images if self.name == DEFAULT_CODE else images.cpu(), self.fitted)
        if symbols.dtype != torch.uint8 or symbols.dim() != 2 or len(symbols) != len(images):
            raise CodeError(
                f"code {self.name}: expected symbols uint8 [{len(images)}, positions], got {symbols.dtype} "
                f"{list(symbols.shape)}; correct its function symbols."
            )
        return symbols.to(images.device)

    def symbols_in_chunks(self, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the symbols of 1,000 images at a time, see symbols."""
        if self.name == DEFAULT_CODE:
            yield self.symbols(images)
            return
        for part in images.split(_CHUNK):
            yield self.symbols(part)

    def spike_table(self, m: int, T: int, beta: float = 1.5) -> torch.Tensor:
        """Return the spike times of each symbol in ms: float32 [symbols, m], -1 for no spike.

        Raises:
            CodeError: where the code has not been fitted or returns anything else.
        """
        self._require_fitted()
        table = self.code.table(m, T, beta, self.fitted).float()
        if table.dim() != 2 or not 1 <= len(table) <= _MAX_SYMBOLS or table.shape[1] != m:
            raise CodeError(
                f"code {self.name}: expected a table of spike times of at most {_MAX_SYMBOLS} symbols and {m} "
                f"afferents, got {list(table.shape)}; choose the m of the code or correct its function table."
            )
        if not bool(((table == table.round()) & (table < T)).all()):
            raise CodeError(
                f"code {self.name}: expected whole spike times below T = {T} ms, got others; correct its function "
                "table."
            )
        return torch.where(table < 0, torch.full_like(table, -1.0), table)

    def spike_times(self, images: torch.Tensor, m: int, T: int, beta: float = 1.5) -> torch.Tensor:
        """Return the spike times of images uint8 [B, H, W]: float32 [B, P*m] in ms, by position, -1 for no spike.

        Raises:
            CodeError: see symbols and spike_table.
        """
        table, symbols = self.spike_table(m, T, beta).to(images.device), self.symbols(images)
        self.require_in_table(symbols, table)
        return table.index_select(0, symbols.reshape(-1).int()).view(len(images), -1)

    def require_in_table(self, symbols: torch.Tensor, table: torch.Tensor) -> None:
        """Raise CodeError unless the table has a line for each of the symbols."""
        if len(table) < _MAX_SYMBOLS and symbols.numel() and int(symbols.max()) >= len(table):
            raise CodeError(
                f"code {self.name}: expected symbols from 0 to {len(table) - 1}, got {int(symbols.max())}; give its "
                "table a line for each symbol."
            )

    def _require_fitted(self) -> None:
        if self.code.fit is not None and not self.fitted:
            raise CodeError(
                f"code {self.name}: expected what was computed from the training images, got none; load the run with "
                "its code.safetensors or train a new one."
            )


def _grey_values(images: torch.Tensor, fitted: Fitted, /) -> torch.Tensor:
    return images.reshape(len(images), -1)


def _gaussian_table(m: int, T: int, beta: float, fitted: Fitted, /) -> torch.Tensor:
    values = torch.arange(256, dtype=torch.float32).div_(255).view(1, 1, 256)
    return GaussianTuning(1, m, torch.zeros(1), torch.ones(1), beta).encode(values, T)[0, 0]


def _latency_table(m: int, T: int, beta: float, fitted: Fitted, /) -> torch.Tensor:
    x = torch.arange(256, dtype=torch.float64) / 255
    return _without_late_spikes(((1 - x) * T).round(), T)


def _logarithmic_latency_table(m: int, T: int, beta: float, fitted: Fitted, /) -> torch.Tensor:
    values = torch.arange(256, dtype=torch.float64)
    return _without_late_spikes((torch.log(255 / values) * (T / math.log(255))).round(), T)


def _without_late_spikes(times: torch.Tensor, T: int) -> torch.Tensor:
    return torch.where(times < T, times, torch.full_like(times, -1.0)).float().view(256, 1)


CODES: dict[str, Code] = {
    code.name: code
    for code in (
        Code(
            "gaussian",
            "The published population code: m Gaussian tuning curves for each pixel.",
            _grey_values,
            _gaussian_table,
            min_m=3,
        ),
        Code(
            "latency",
            "One spike a pixel, the earlier the brighter; black pixels are silent.",
            _grey_values,
            _latency_table,
            max_m=1,
        ),
        Code(
            "latency-logarithmic",
            "One spike a pixel, earlier by the logarithm of its brightness; black pixels are silent.",
            _grey_values,
            _logarithmic_latency_table,
            max_m=1,
        ),
        Code(
            "local-pattern",
            "m afferents at each position, tuned to preferred patterns of the nine grey values around it.",
            local_patterns.encode_symbols,
            local_patterns.spike_table,
            local_patterns.fit,
            local_patterns.check,
            min_m=3,
            max_m=local_patterns.MAX_CODEWORDS,
            needs_images=True,
        ),
    )
}
"""Name -> code; add one by register_code."""

GAUSSIAN = FittedCode(CODES[DEFAULT_CODE])
"""The published code, which depends on no images."""


def register_code(code: Code) -> Code:
    """Add a code to the registry and return it.

    Raises:
        ValueError: for a name that is taken, or is not of small letters, digits and hyphens.
    """
    if not isinstance(code.name, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", code.name):
        raise ValueError(
            f"code: expected a name of small letters, digits and hyphens, got {code.name!r}; choose another."
        )
    if code.name in CODES:
        raise ValueError(f"code: expected a name that is not taken, got {code.name!r}; choose another.")
    CODES[code.name] = code
    return code


def require_known_code(name: object) -> Code:
    """Return the code of this name.

    Raises:
        ValueError: for a name that is not registered.
    """
    if not isinstance(name, str) or name not in CODES:
        raise ValueError(f"code: expected one of {', '.join(CODES)}, got {name!r}; choose one or register it.")
    return CODES[name]


def unfitted_code(name: str) -> FittedCode:
    """Return a code of which only name and table's shape matter: it encodes only if it needs no training images.

    Raises:
        ValueError: for a name that is not registered.
    """
    return GAUSSIAN if name == DEFAULT_CODE else FittedCode(require_known_code(name))


def restore_code(name: str, fitted: Fitted, m: int) -> FittedCode:
    """Return a code with tensors that were stored.

    Raises:
        ValueError: for a name that is not registered, and for tensors that are damaged or belong to another m.
    """
    code = require_known_code(name)
    if code.check is not None:
        code.check(fitted, m)
    return FittedCode(code, fitted) if code.fit is not None else unfitted_code(name)
