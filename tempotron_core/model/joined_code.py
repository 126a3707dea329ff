"""Joined code: at each position the afferents of one code, then those of another.

The symbol of a position is the pair a * 256 + b of the symbols a and b of the parts. The table has a line for each
pair, so that a batch needs one store; pairs for which a part has no line are marked as undefined.
"""

from __future__ import annotations

import torch

from tempotron_core.model.fitted_code import MAX_SYMBOLS, UNDEFINED, Code, CodeError, Fitted, FittedCode
from tempotron_core.validation import positive_integer

__all__ = ["join_codes", "split_code"]

_PREFIXES = "first.", "second."


def join_codes(name: str, first: Code, second: Code, first_m: int) -> Code:
    """Return a code whose m afferents of a position are first_m of one code and m - first_m of another.

    What a part has computed from training images is stored as first.NAME or second.NAME.

    Raises:
        TypeError: for first_m of another type.
        ValueError: for first_m outside the bounds of the first code, and for a part that is a joined code.
    """
    parts = first, second
    for part in parts:
        if part.parts:
            raise ValueError(f"code {name}: expected two codes that are not joined, got {part.name}; join its parts.")
    positive_integer("first_m", first_m, minimum=first.min_m, maximum=first.max_m)

    def fitted_parts(fitted: Fitted) -> tuple[FittedCode, FittedCode]:
        own = [_fitted_part(fitted, prefix) for prefix in _PREFIXES]
        return FittedCode(first, own[0]), FittedCode(second, own[1])

    def symbols(images: torch.Tensor, fitted: Fitted, /) -> torch.Tensor:
        of_first, of_second = (part.symbols(images) for part in fitted_parts(fitted))
        if of_first.shape != of_second.shape:
            raise CodeError(
                f"code {name}: expected as many positions of {second.name} as of {first.name}, {of_first.shape[1]}, "
                f"got {of_second.shape[1]}; join codes of the same positions."
            )
        return of_first.int() * MAX_SYMBOLS + of_second

    def table(m: int, T: int, beta: float, fitted: Fitted, /) -> torch.Tensor:
        own_first, own_second = fitted_parts(fitted)
        left, right = own_first.spike_table(first_m, T, beta), own_second.spike_table(m - first_m, T, beta)
        pairs = torch.full((len(left), MAX_SYMBOLS, m), UNDEFINED)
        pairs[:, : len(right), :first_m] = left.unsqueeze(1)
        pairs[:, : len(right), first_m:] = right
        return pairs.view(-1, m)

    def fit(images: torch.Tensor, m: int, seed: int) -> dict[str, torch.Tensor]:
        return {
            prefix + key: value
            for prefix, part, own_m in zip(_PREFIXES, parts, (first_m, m - first_m), strict=True)
            for key, value in part.fit_to(images, own_m, seed).fitted.items()
        }

    def check(fitted: Fitted, m: int) -> None:
        for part, own_m in zip(fitted_parts(fitted), (first_m, m - first_m), strict=True):
            if part.code.check is not None:
                part.code.check(part.fitted, own_m)

    return Code(
        name,
        f"At each position the afferents of {first.name}, then those of {second.name}.",
        symbols,
        table,
        fit if any(part.fit for part in parts) else None,
        check if any(part.fit for part in parts) else None,
        min_m=first_m + second.min_m,
        max_m=min(first_m + second.max_m, 2**31 - 1),
        needs_images=any(part.needs_images for part in parts),
        parts=parts,
        first_m=first_m,
    )


def split_code(code: FittedCode, m: int) -> tuple[tuple[FittedCode, int], ...]:
    """Return the parts of a joined code of m afferents with their numbers of afferents, or the code itself with m."""
    if not code.code.parts:
        return ((code, m),)
    first_m = code.code.first_m
    return tuple(
        (FittedCode(part, _fitted_part(code.fitted, prefix)), own_m)
        for prefix, part, own_m in zip(_PREFIXES, code.code.parts, (first_m, m - first_m), strict=True)
    )


def _fitted_part(fitted: Fitted, prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in fitted.items() if key.startswith(prefix)}
