"""Codes: images or rows of a table to symbols, one at each position, and symbols to the spike times of m afferents.

A code has two parts. The first maps an image to a symbol of at most 256 at each position; symbol 0 is that of a black
image and is called the resting one. The second is a table of whole spike times [symbols, m] in ms, -1 for no spike.
With x the grey value from 0 to 1:

    gaussian              m Gaussian tuning curves of the pixel, see GaussianTuning
    gaussian-unrounded    the same curves, whose spike times are real numbers instead of whole ms
    latency               one spike a pixel at t = round((1 - x) T)
    latency-logarithmic   one spike a pixel at t = round(T ln(1/x) / ln 255)
    local-pattern         m afferents tuned to the pattern of the pixels around a position, see local_patterns
    A-and-B               at each position the afferents of code A, then those of code B, see join_codes

Spike times that were recorded elsewhere need no code; the name of theirs is as-recorded.

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

import torch

from tempotron_core.model import local_patterns
from tempotron_core.model.fitted_code import DEFAULT_CODE, Code, CodeError, Fitted, FittedCode
from tempotron_core.model.joined_code import join_codes, split_code
from tempotron_core.snn.encoding import GaussianTuning

__all__ = [
    "AS_RECORDED",
    "CODES",
    "DEFAULT_CODE",
    "GAUSSIAN",
    "Code",
    "CodeError",
    "FittedCode",
    "join_codes",
    "register_code",
    "require_known_code",
    "restore_code",
    "split_code",
    "unfitted_code",
]


def _grey_values(images: torch.Tensor, fitted: Fitted, /) -> torch.Tensor:
    return images.reshape(len(images), -1)


def _gaussian_table(m: int, T: int, beta: float, fitted: Fitted, /) -> torch.Tensor:
    values = torch.arange(256, dtype=torch.float32).div_(255).view(1, 1, 256)
    return GaussianTuning(1, m, torch.zeros(1), torch.ones(1), beta).encode(values, T)[0, 0]


def _unrounded_table(m: int, T: int, beta: float, fitted: Fitted, /) -> torch.Tensor:
    values = torch.arange(256, dtype=torch.float32).div_(255).view(1, 1, 256)
    return GaussianTuning(1, m, torch.zeros(1), torch.ones(1), beta).encode(values, T, rounded=False)[0, 0]


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
            "gaussian-unrounded",
            "m Gaussian tuning curves for each pixel, spike times not rounded to whole milliseconds.",
            _grey_values,
            _unrounded_table,
            min_m=3,
            has_real_times=True,
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

for _joined in (
    join_codes("gaussian-and-local-pattern", CODES["gaussian"], CODES["local-pattern"], first_m=6),
    join_codes("latency-and-local-pattern", CODES["latency"], CODES["local-pattern"], first_m=1),
):
    CODES[_joined.name] = _joined

GAUSSIAN = FittedCode(CODES[DEFAULT_CODE])
"""The published code, which depends on no images."""


def _no_table(m: int, T: int, beta: float, fitted: Fitted, /) -> torch.Tensor:
    raise CodeError(f"code {AS_RECORDED.name}: expected samples of spike times, which have no table of symbols.")


AS_RECORDED = Code(
    "as-recorded",
    "Spike times that were recorded elsewhere, in ms.",
    lambda images, fitted: images.flatten(1),
    _no_table,
    has_real_times=True,
    is_recorded=True,
)
"""Code of data sets of spike times; not one of CODES, which encode images."""


def register_code(code: Code) -> Code:
    """Add a code to the registry and return it.

    Raises:
        ValueError: for a name that is taken, or is not of small letters, digits and hyphens.
    """
    if not isinstance(code.name, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", code.name):
        raise ValueError(
            f"code: expected a name of small letters, digits and hyphens, got {code.name!r}; choose another."
        )
    if code.name in CODES or code.name == AS_RECORDED.name:
        raise ValueError(f"code: expected a name that is not taken, got {code.name!r}; choose another.")
    CODES[code.name] = code
    return code


def require_known_code(name: object) -> Code:
    """Return the code of this name.

    Raises:
        ValueError: for a name that is not registered.
    """
    if name == AS_RECORDED.name:
        return AS_RECORDED
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
