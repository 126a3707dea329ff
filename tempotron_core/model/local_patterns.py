"""Local-pattern code: afferents tuned to the grey pattern around a position.

The pattern of a position is r, the nine grey values from 0 to 1 at the distances -2, 0 and 2 in x and y; outside the
image all is black. Patterns are quantised to a codebook of at most 256 codewords c_s, of which c_0 is black: the symbol
of a position is the nearest codeword. With m preferred patterns mu_j and d the median distance from one preferred
pattern to the nearest other,

    sigma  = 3 d / (4 beta),    half of d at the default beta of 1.5
    g_j(s) = exp(-|c_s - mu_j|^2 / (2 sigma^2))
    t_j    = round((1 - g_j) T),   no spike where g_j < 0.12 or t_j >= T

It is the population code of Bohte et al. (2002) for a vector of nine values. The codebook is found by k-means on
patterns of training images that are not black, the preferred patterns by k-means of the codewords, weighted by the
square root of their frequencies.

Lloyd S P. Least squares quantization in PCM. IEEE Transactions on Information Theory 28(2), 129-137, 1982 (k-means).
Arthur D, Vassilvitskii S. k-means++: the advantages of careful seeding. Proceedings of SODA, 1027-1035, 2007 (the
initial centres).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn.functional import pad

__all__ = [
    "DISTANCE",
    "MAX_CODEWORDS",
    "MIN_RESPONSE",
    "check",
    "encode_symbols",
    "extract_patterns",
    "fit",
    "nearest_preferred",
    "spike_table",
    "tuning_width",
]

DISTANCE = 2
"""Distance of the neighbours of a pattern in pixels."""

MAX_CODEWORDS = 256

MIN_RESPONSE = 0.12
"""Response g below which an afferent is silent: of late spikes there would be one for every afferent."""

_SIZE = 9
_FIT_IMAGES, _FIT_PATTERNS = 4_000, 60_000
_CODEBOOK_ITERATIONS, _PREFERRED_ITERATIONS = 20, 50
_ROWS = 2_048  # patterns compared with the codebook at a time: their products stay in a processor's cache


def extract_patterns(images: torch.Tensor) -> torch.Tensor:
    """Return the patterns of images uint8 [B, H, W]: uint8 [B*H*W, 9], row by row from the upper left."""
    height, width = images.shape[-2:]
    padded = pad(images, (DISTANCE,) * 4)
    shifts = range(0, 2 * DISTANCE + 1, DISTANCE)
    parts = [padded[:, y : y + height, x : x + width] for y in shifts for x in shifts]
    return torch.stack(parts, dim=-1).view(-1, _SIZE)


def _nearest(patterns: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Return the index of the nearest centre [n, 9] of each pattern, float32 [N, 9]; the first of several."""
    half_squares = centres.square().sum(dim=1).mul_(-0.5)
    transposed = centres.t().contiguous()
    nearest = np.empty(len(patterns), np.int64)
    scores = torch.empty(_ROWS, len(centres), dtype=torch.float32)
    for start in range(0, len(patterns), _ROWS):
        part = patterns[start : start + _ROWS]
        # |r - c|^2 / 2 less |r|^2 / 2, with the sign changed; numpy finds the largest several times as fast as torch
        torch.addmm(half_squares, part, transposed, out=scores[: len(part)])
        scores[: len(part)].numpy().argmax(axis=1, out=nearest[start : start + len(part)])
    return torch.from_numpy(nearest)


def encode_symbols(images: torch.Tensor, fitted: Mapping[str, torch.Tensor], /) -> torch.Tensor:
    """Return the nearest codeword of each position of images uint8 [B, H, W]: uint8 [B, H*W]."""
    patterns = extract_patterns(images)
    symbols = torch.zeros(len(patterns), dtype=torch.uint8)
    lit = patterns.amax(dim=1).nonzero().view(-1)  # a black pattern is codeword 0
    symbols[lit] = _nearest(patterns.index_select(0, lit).float().div_(255), fitted["codebook"]).byte()
    return symbols.view(len(images), -1)


def spike_table(m: int, T: int, beta: float, fitted: Mapping[str, torch.Tensor], /) -> torch.Tensor:
    """Return the spike times of each codeword in ms: float32 [codewords, m], -1 for no spike."""
    codebook, preferred = fitted["codebook"].double(), fitted["preferred"].double()
    sigma = tuning_width(beta, fitted)
    distance = (codebook.unsqueeze(1) - preferred).square().sum(dim=2)
    response = torch.exp(distance / (-2 * sigma**2))
    times = ((1 - response) * T).round()
    return torch.where((response >= MIN_RESPONSE) & (times < T), times, -1.0).float()


def tuning_width(beta: float, fitted: Mapping[str, torch.Tensor], /) -> float:
    """Return sigma of the tuning over the distance to a preferred pattern."""
    return 0.75 / beta * _spacing(fitted["preferred"].double())


def nearest_preferred(fitted: Mapping[str, torch.Tensor], /) -> torch.Tensor:
    """Return the index from 1 of the nearest preferred pattern of each codeword, 0 for black: int64 [codewords]."""
    nearest = torch.cdist(fitted["codebook"].double(), fitted["preferred"].double()).argmin(dim=1) + 1
    nearest[0] = 0
    return nearest


def _spacing(preferred: torch.Tensor) -> float:
    """Return the median distance from a preferred pattern to the nearest other."""
    distance = (preferred.unsqueeze(1) - preferred).square().sum(dim=2).sqrt_().fill_diagonal_(torch.inf)
    return float(distance.amin(dim=1).quantile(0.5))


def fit(images: torch.Tensor, m: int, seed: int) -> dict[str, torch.Tensor]:
    """Return codebook and preferred patterns of training images.

    Args:
        images: uint8 [n, H, W]
        m: number of preferred patterns
        seed: seed of the choice of patterns and of the initial centres

    Returns:
        codebook: float32 [codewords, 9], the black pattern first, then by brightness
        preferred: float32 [m, 9] by brightness

    Raises:
        ValueError: where the images have fewer than m different patterns.
    """
    random = torch.Generator().manual_seed(seed)
    selected = torch.randperm(len(images), generator=random)[:_FIT_IMAGES]
    images = images.cpu().index_select(0, selected)
    patterns = extract_patterns(images)
    lit = patterns[patterns.amax(dim=1) > 0]
    lit = lit[torch.randperm(len(lit), generator=random)[:_FIT_PATTERNS]].float().div_(255)
    codewords = _cluster(lit, torch.ones(len(lit)), MAX_CODEWORDS - 1, _CODEBOOK_ITERATIONS, random)
    codebook = torch.cat((torch.zeros(1, _SIZE, dtype=torch.float32), codewords))
    if len(codebook) < m:
        raise ValueError(
            f"m (preferred patterns): expected at most the {len(codebook)} different patterns of the training images, "
            f"got {m}; choose a smaller m or other images."
        )
    symbols = encode_symbols(images, {"codebook": codebook}).view(-1)
    weights = torch.bincount(symbols, minlength=len(codebook)).double().sqrt_()
    preferred = _cluster(codebook, weights.clamp_(min=1e-3), m, _PREFERRED_ITERATIONS, random)
    return {"codebook": codebook, "preferred": preferred}


def _cluster(
    points: torch.Tensor, weights: torch.Tensor, count: int, iterations: int, random: torch.Generator
) -> torch.Tensor:
    """Return at most count centres of weighted points [n, 9] by k-means, by brightness: float32 [centres, 9]."""
    centres = _initial_centres(points, weights.double(), count, random)
    for _ in range(iterations if len(centres) else 0):
        members = _nearest(points, centres)
        # bincount adds one after the other, so the sums do not depend on the number of threads
        mass = torch.bincount(members, weights.double(), minlength=len(centres))
        sums = torch.stack(
            [
                torch.bincount(members, weights.double() * column, minlength=len(centres))
                for column in points.double().t()
            ]
        )
        new = torch.where(mass > 0, sums / mass.clamp(min=1e-300), centres.double().t()).t().float().contiguous()
        if torch.equal(new, centres):
            break
        centres = new
    return centres.index_select(0, centres.double().sum(dim=1).argsort(stable=True))


def _initial_centres(points: torch.Tensor, weights: torch.Tensor, count: int, random: torch.Generator) -> torch.Tensor:
    """Return different points, each drawn with a probability proportional to its squared distance to those before."""
    chosen: list[torch.Tensor] = []
    distance = torch.ones(len(points), dtype=torch.float64)
    while len(chosen) < count:
        cumulative = (distance * weights).cumsum(0)
        if not len(points) or float(cumulative[-1]) <= 0:  # every point is a centre
            break
        target = torch.rand(1, generator=random, dtype=torch.float64) * cumulative[-1]
        index = min(int(torch.searchsorted(cumulative, target, right=True)), len(points) - 1)
        squared = (points - points[index]).square().sum(dim=1).double()
        distance = squared if not chosen else torch.minimum(distance, squared)
        chosen.append(points[index])
    return torch.stack(chosen) if chosen else torch.zeros(0, _SIZE, dtype=torch.float32)


def check(fitted: Mapping[str, torch.Tensor], m: int) -> None:
    """Check codebook and preferred patterns that were stored.

    Raises:
        ValueError: for missing or damaged ones, or for another m.
    """
    for name, least, most in (("codebook", 1, MAX_CODEWORDS), ("preferred", m, m)):
        value = fitted.get(name)
        if (
            value is None
            or value.dtype != torch.float32
            or value.dim() != 2
            or not least <= len(value) <= most
            or value.shape[1] != _SIZE
            or not bool(((value >= 0) & (value <= 1)).all())
        ):
            got = "none" if value is None else f"{value.dtype} {list(value.shape)}"
            rows = f"{m}" if least == most else f"{least} to {most}"
            raise ValueError(
                f"{name} of the code local-pattern: expected {rows} patterns of {_SIZE} grey values from 0 to 1 in "
                f"float32, got {got} or other values; restore the file from a copy or choose another run."
            )
    if bool(fitted["codebook"][0].any()) or _spacing(fitted["preferred"].double()) <= 0:
        raise ValueError(
            "codebook of the code local-pattern: expected a black first codeword and preferred patterns that differ, "
            "got others; restore the file from a copy or choose another run."
        )
