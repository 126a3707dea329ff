"""A code and its value fitted to training images, see codes for those that exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from tempotron_core.validation import positive_integer

__all__ = ["DEFAULT_CODE", "MAX_SYMBOLS", "UNDEFINED", "Code", "CodeError", "Fitted", "FittedCode"]

DEFAULT_CODE = "gaussian"

Fitted = Mapping[str, torch.Tensor]
"""What a code has computed from training images, by name; empty for a code that computes nothing."""

MAX_SYMBOLS = 256
"""Symbols of a code at most; a joined code has at most the square of this number of pairs."""

UNDEFINED = -2.0
"""Spike time of all afferents in a line of a joined table that belongs to no pair of symbols."""

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
        has_real_times: whether the times of its table are real instead of whole
        is_recorded: whether samples are spike times float32 [B, features, m] already, so that there is no table
        parts: the two codes of a joined code, whose symbols are int32, see join_codes; first_m: afferents of the first
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
    has_real_times: bool = False
    is_recorded: bool = False
    parts: tuple[Code, ...] = ()
    first_m: int = 0

    @property
    def max_symbols(self) -> int:
        """Return the number of symbols that the code has at most."""
        return MAX_SYMBOLS**2 if self.parts else MAX_SYMBOLS

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
        """Raise CodeError for rows of a table where the code needs images, and for spike times in place of either."""
        if self.is_recorded != images.is_floating_point():
            expected, got = ("spike times", "images or a table") if self.is_recorded else ("images", "spike times")
            raise CodeError(f"code {self.name}: expected {expected}, got {got}; choose another data set or network.")
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
        """Return the symbols of images uint8 [B, H, W]: uint8 [B, P] on their device, int32 of a joined code.

        Raises:
            CodeError: where the code has not been fitted or returns anything else.
        """
        self._require_fitted()
        self.code.check_samples(images)
        symbols = self.code.symbols(images if self.name == DEFAULT_CODE else images.cpu(), self.fitted)
        expected = torch.int32 if self.code.parts else torch.uint8
        if symbols.dtype != expected or symbols.dim() != 2 or len(symbols) != len(images):
            raise CodeError(
                f"code {self.name}: expected symbols {str(expected)[6:]} [{len(images)}, positions], got "
                f"{symbols.dtype} {list(symbols.shape)}; correct its function symbols."
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
        if table.dim() != 2 or not 1 <= len(table) <= self.code.max_symbols or table.shape[1] != m:
            raise CodeError(
                f"code {self.name}: expected a table of spike times of at most {self.code.max_symbols} symbols and {m} "
                f"afferents, got {list(table.shape)}; choose the m of the code or correct its function table."
            )
        is_whole = table.isfinite() if self.code.has_real_times else table == table.round()
        if not bool((is_whole & (table < T)).all()):
            raise CodeError(
                f"code {self.name}: expected {'finite' if self.code.has_real_times else 'whole'} spike times below "
                f"T = {T} ms, got others; correct its function table."
            )
        if self.code.parts:
            return table  # of the checked tables of its parts
        return torch.where(table < 0, torch.full_like(table, -1.0), table)

    def spike_times(self, images: torch.Tensor, m: int, T: int, beta: float = 1.5) -> torch.Tensor:
        """Return the spike times of images uint8 [B, H, W]: float32 [B, P*m] in ms, by position, -1 for no spike.

        Raises:
            CodeError: see symbols and spike_table.
        """
        if self.code.is_recorded:
            self.code.check_samples(images)
            return images.flatten(1)
        table, symbols = self.spike_table(m, T, beta).to(images.device), self.symbols(images)
        self.require_in_table(symbols, table)
        return table.index_select(0, symbols.reshape(-1).int()).view(len(images), -1)

    def require_in_table(self, symbols: torch.Tensor, table: torch.Tensor) -> None:
        """Raise CodeError unless the table has a line for each of the symbols."""
        if self.code.parts:
            used = torch.bincount(symbols.reshape(-1), minlength=len(table))
            if len(used) > len(table) or bool(used[table[:, 0] == UNDEFINED].any()):
                raise CodeError(
                    f"code {self.name}: expected symbols of {' and '.join(part.name for part in self.code.parts)} that "
                    "have a line in their tables, got others; give the tables a line for each symbol."
                )
            return
        if len(table) < MAX_SYMBOLS and symbols.numel() and int(symbols.max()) >= len(table):
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
