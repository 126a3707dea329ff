"""Any picture of a digit, made into what MNIST holds: white on black, in a box of 20 x 20, centred by its mass.

LeCun Y, Bottou L, Bengio Y, Haffner P. Gradient-based learning applied to document recognition. Proceedings of the
IEEE 86(11), 2278-2324, 1998 (size-normalised to fit a box of 20 x 20 with their aspect ratio kept, grey by the
anti-aliasing of that step, then placed in 28 x 28 by their centre of mass).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from tempotron_core.data import ink as ink_filters
from tempotron_core.data import paper
from tempotron_core.data.picture_files import (
    FORMATS,
    MAX_JPEG_PIXELS,
    MAX_PIXELS,
    MAX_SIDE,
    DrawingError,
    read_picture,
)

__all__ = [
    "FORMATS",
    "MAX_JPEG_PIXELS",
    "MAX_PIXELS",
    "MAX_SIDE",
    "DrawingError",
    "NormalisedDigit",
    "ReadingOptions",
    "ReadingSteps",
    "normalise",
    "read_picture",
]

_SIDE, _BOX = 28, 20
_INK_THRESHOLD = 0.05  # of the strongest ink; what is fainter does not widen the box
_MASK_THRESHOLD = 0.4  # of the strength of ink in a photograph, so that ruling and shadows stay under it
_MIN_CONTRAST = 24  # grey values between ink and background, below which a picture is called even
_STRONG_NOISE = 0.06  # of the range of grey values
_DARKEST_BOARD = 30.0  # grey value
_TINY_SIDE = 64  # pixels a side up to which a picture is taken to be drawn, not photographed
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class ReadingOptions:
    """Choices that replace the automatic ones.

    Attributes:
        inverted: whether the picture is dark on light; None decides by the border
        threshold: share of the ink's strength, 0.02 to 0.98, above which a pixel is ink; None decides by the picture
        crop: left, top, right, bottom as shares of the sides, of which the rest is cut off; None looks for a sheet
    """

    inverted: bool | None = None
    threshold: float | None = None
    crop: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0.02 <= self.threshold <= 0.98:
            raise ValueError(f"Threshold: expected 0.02 to 0.98, got {self.threshold}; change it.")
        if self.crop is not None:
            left, top, right, bottom = self.crop
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(
                    f"Crop: expected 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got {self.crop}; change it."
                )


@dataclass(frozen=True, eq=False)
class ReadingSteps:
    """What was found on the way from picture to digit.

    Attributes:
        picture: the whole picture on opaque paper, uint8 [H, W, 3]
        paper_box: top, left, bottom, right of the paper in the picture
        paper: brightness of the paper, uint8 [h, w]
        ink: mask of the digit on it, bool [h, w]
        box: top, left, bottom, right of the digit on the paper
        scaled: the digit that fits 20 x 20, uint8 [h', w'], white on black
        stroke_width: width of the strokes before they were changed, pixels of a box of 20 x 20
        num_rules: lines of ruling that were removed
        num_specks: shapes that were left out as specks
    """

    picture: np.ndarray
    paper_box: tuple[int, int, int, int]
    paper: np.ndarray
    ink: np.ndarray
    box: tuple[int, int, int, int]
    scaled: np.ndarray
    stroke_width: float
    num_rules: int
    num_specks: int


@dataclass(frozen=True, eq=False)
class NormalisedDigit:
    """Digit in MNIST's form.

    Attributes:
        image: uint8 [28, 28], white on black
        inverted: whether the picture was dark on light
        steps: what was found on the way
        doubt: why the result may be wrong, one sentence; empty if nothing speaks against it
    """

    image: np.ndarray
    inverted: bool
    steps: ReadingSteps
    doubt: str = ""


def normalise(
    picture: np.ndarray, inverted: bool | None = None, options: ReadingOptions | None = None
) -> NormalisedDigit:
    """Return the MNIST digit of a picture.

    Args:
        picture: uint8 [h, w], [h, w, 3] or [h, w, 4]
        inverted: whether it is dark on light; None decides by the border of the paper
        options: further choices that replace the automatic ones; its polarity is used where inverted is None

    Raises:
        DrawingError: where nothing contrasts with the background.
        ValueError: for another shape or type.
    """
    options = options or ReadingOptions()
    inverted = options.inverted if inverted is None else inverted
    colours = _to_opaque(picture)
    top, left, bottom, right = paper_box = _crop_box(colours.shape, options.crop)
    cropped = colours[top:bottom, left:right]
    grey = cropped @ _LUMINANCE
    inside = np.ones(grey.shape, bool)
    is_drawn = _is_drawn(grey)
    if options.crop is None and not is_drawn:
        sheet = paper.find_paper(grey)
        if sheet is not None:
            rows, columns = np.flatnonzero(sheet.any(axis=1)), np.flatnonzero(sheet.any(axis=0))
            part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            paper_box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
            cropped, grey, inside = cropped[part], grey[part], sheet[part]
    if is_drawn:
        strength, inverted, noise = _measure_drawn_ink(grey, inverted)
    else:
        strength, inverted, noise = _measure_photographed_ink(cropped, grey, inside, inverted)
    strength, num_rules = _remove_ruling(strength, noise, is_drawn)
    level = _ink_level(strength, noise, is_drawn)
    if level * 255 < _MIN_CONTRAST:
        raise DrawingError(
            "Picture: expected a digit that stands out from its background, got none; draw or choose one."
        )
    ink = np.clip(strength / level, 0, 1).astype(np.float32)
    floor = 0.0 if is_drawn else max(0.15, min(3 * noise / level, 0.4))
    if is_drawn:
        threshold = options.threshold or _INK_THRESHOLD
    else:
        threshold = options.threshold or max(_MASK_THRESHOLD, min(5 * noise / level, 0.8))
    mask, num_specks, num_large = ink_filters.select_components(ink > threshold, ink)
    if not mask.any():
        raise DrawingError(
            "Picture: expected ink above the threshold, got none; lower the threshold or choose another picture."
        )
    if options.threshold is not None:
        floor = max(0.0, options.threshold - 0.25)
    near = _grow(mask, max(1, round(max(mask.shape) / 200))) if max(mask.shape) > _TINY_SIDE else mask
    digit = np.where(near, np.clip((ink - floor) / (1 - floor), 0, 1), 0).astype(np.float32)
    box = _bounding_box(digit > _INK_THRESHOLD)
    digit = digit[box[0] : box[2], box[1] : box[3]]
    digit, width = ink_filters.normalise_stroke_width(digit)
    scaled = _fit_to_box(digit)
    steps = ReadingSteps(
        np.round(colours).astype(np.uint8), paper_box, np.clip(np.round(grey), 0, 255).astype(np.uint8), mask, box,
        np.round(scaled * 255).astype(np.uint8), width, num_rules, num_specks,
    )  # fmt: skip
    doubt = _find_doubt(mask, level, noise, num_large, width)
    return NormalisedDigit(_centre_by_mass(scaled), bool(inverted), steps, doubt)


def _find_doubt(mask: np.ndarray, level: float, noise: float, num_large: int, width: float) -> str:
    """Return the first reason for which the result may be wrong, one sentence, or an empty text."""
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if num_large:
        return "There are several separate shapes: crop the picture to one digit."
    if level * 255 < 1.6 * _MIN_CONTRAST or level < 6 * noise:
        return "The ink hardly differs from the paper: check the mask of the ink and change the threshold."
    if max(mask.shape) > _TINY_SIDE and float(border.mean()) > 0.02:
        return "Ink touches the edge of the paper: the digit may be cut off, or the polarity wrong."
    if float(mask.mean()) > 0.65:
        return "Most of the picture is ink: the polarity may be wrong."
    if width > 7:
        return "The strokes are unusually wide: the shape may not be a digit."
    return ""


def _crop_box(shape: tuple[int, ...], crop: tuple[float, float, float, float] | None) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right in pixels, at least one pixel in each direction."""
    height, width = shape[:2]
    if crop is None:
        return 0, 0, height, width
    top, left = min(int(crop[1] * height), height - 1), min(int(crop[0] * width), width - 1)
    return top, left, max(math.ceil(crop[3] * height), top + 1), max(math.ceil(crop[2] * width), left + 1)


def _to_opaque(picture: np.ndarray) -> np.ndarray:
    """Return the colours, float32 [h, w, 3]; transparent pixels show paper.

    Where the opaque pixels hold both ink and paper, the paper is their majority; else it is their opposite.
    """
    shape = picture.shape
    if (
        picture.dtype != np.uint8
        or len(shape) not in (2, 3)
        or 0 in shape
        or (len(shape) == 3 and shape[2] not in (3, 4))
    ):
        raise ValueError(
            f"Picture: expected uint8 [h, w], [h, w, 3] or [h, w, 4], got {picture.dtype} {list(shape)}; convert it."
        )
    if len(shape) == 2:
        return np.repeat(picture[..., None], 3, axis=2).astype(np.float32)
    colours = picture[..., :3].astype(np.float32)
    if shape[2] == 3 or bool((picture[..., 3] == 255).all()):
        return colours
    alpha = picture[..., 3:].astype(np.float32) / 255
    opaque = colours[picture[..., 3] > 127]
    if not len(opaque):
        opaque = colours[picture[..., 3] > 0]
    if not len(opaque):
        return np.full_like(colours, 255)
    grey = opaque @ _LUMINANCE
    low, high = np.percentile(grey, [0.5, 99.5])
    if len(opaque) > 0.5 * grey.size and len(opaque) > 0.5 * alpha.size and high - low >= _MIN_CONTRAST:
        paper = np.median(opaque, axis=0)
    else:
        paper = np.full(3, 0.0 if float(grey.mean()) > 127.5 else 255.0)
    return np.asarray(colours * alpha + paper.astype(np.float32) * (1 - alpha), dtype=np.float32)


def _is_drawn(grey: np.ndarray) -> bool:
    """Return whether a picture is tiny or has two brightnesses only, so that no light is to be corrected."""
    if max(grey.shape) <= _TINY_SIDE:
        return True
    low, high = float(grey.min()), float(grey.max())
    return float(((grey < low + 3) | (grey > high - 3)).mean()) > 0.8


def _measure_drawn_ink(grey: np.ndarray, inverted: bool | None) -> tuple[np.ndarray, bool, float]:
    """Return strength of the ink (1 is 255 grey values), polarity and noise of a picture with an even background."""
    low, high = float(grey.min()), float(grey.max())
    if inverted is None:
        border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
        background = float(np.median(border))
        inverted = background > (low + high) / 2
    else:
        background = high if inverted else low
    strength = (background - grey if inverted else grey - background) / 255
    return np.clip(strength, 0, None).astype(np.float32), inverted, 0.0


def _measure_photographed_ink(
    colours: np.ndarray, grey: np.ndarray, inside: np.ndarray, inverted: bool | None
) -> tuple[np.ndarray, bool, float]:
    """Return strength of the ink (1 is 255 grey values), polarity and noise, the light evened out.

    Ink reflects a share of the light on it: it is measured relative to the paper around it.
    """
    background, inverted = paper.estimate_background(grey, inside, inverted)
    if inverted:
        paper_level = float(np.median(background[inside]))
        strength = (background - grey) / np.maximum(background, 8) * paper_level / 255
    else:
        # A black board reflects too little to be divided by.
        board = np.maximum(background, _DARKEST_BOARD)
        strength = (grey - background) / board * float(np.median(board[inside])) / 255
    if _has_colour(colours, inside):
        strength = np.maximum(strength, _colour_strength(colours, inside, inverted))
    strength = np.where(inside, strength, 0).astype(np.float32)
    noise = _estimate_noise(strength, inside)
    if noise > _STRONG_NOISE:
        strength = cv2.medianBlur(strength, 5)
        noise = _estimate_noise(strength, inside)
    return strength, bool(inverted), noise


def _estimate_noise(strength: np.ndarray, inside: np.ndarray) -> float:
    """Return the standard deviation of the paper's grain, or of its uneven light if that is larger.

    Ink can cover most of a tightly cropped picture, so only the fainter class is measured; because that class may be
    half of pure grain, the differences between neighbours are measured as well.
    """
    values = strength[inside]
    faint = values[values <= ink_filters.otsu_threshold(values)]
    spread = 1.4826 * float(np.median(np.abs(faint - np.median(faint)))) if faint.size else 0.0
    grain = np.abs(strength - cv2.blur(strength, (3, 3)))[inside]
    return max(spread, 1.4826 * float(np.median(grain)) * math.sqrt(9 / 8))


def _has_colour(colours: np.ndarray, inside: np.ndarray) -> bool:
    red, green, blue = (colours[..., k] for k in range(3))  # a reduction over an axis of three is slow
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    spread = (high - low)[inside]
    return float(np.percentile(spread, 99.5)) > 40


def _colour_strength(colours: np.ndarray, inside: np.ndarray, inverted: bool) -> np.ndarray:
    """Return the strength in the channel in which the ink differs most from the paper."""
    best = np.zeros(inside.shape, np.float32)
    best_level = 0.0
    for channel in range(3):
        values = np.ascontiguousarray(colours[..., channel])
        background, _ = paper.estimate_background(values, inside, inverted)
        if inverted:
            scale = float(np.median(background[inside])) / 255
            strength = (background - values) / np.maximum(background, 8) * scale
        else:
            strength = (values - background) / 255
        level = float(np.percentile(strength[inside], 99.5))
        if level > best_level:
            best, best_level = strength, level
    return best


def _remove_ruling(strength: np.ndarray, noise: float, is_drawn: bool) -> tuple[np.ndarray, int]:
    if is_drawn and max(strength.shape) <= _TINY_SIDE:
        return strength, 0
    low = max(0.25 * _ink_level(strength, noise, is_drawn), 4 * noise, 0.03)
    candidates = dict.fromkeys((low, max(0.05, 4 * noise)))
    return max((ink_filters.remove_ruling(strength, value) for value in candidates), key=lambda result: result[1])


def _ink_level(strength: np.ndarray, noise: float, is_drawn: bool) -> float:
    """Return the strength that counts as full ink: the maximum of a drawing, the typical one in a photograph."""
    if is_drawn:
        return float(strength.max())
    low = max(3 * noise, 0.03)
    candidates = strength[strength > low]
    if candidates.size < 8:
        return 0.0
    upper = candidates[candidates > ink_filters.otsu_threshold(candidates)]
    level = float(np.median(upper)) if upper.size else 0.0
    return level if level > 5 * noise else 0.0


def _grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """Return a mask widened by some pixels: the soft edge of a stroke lies under the threshold."""
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def _bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _fit_to_box(ink: np.ndarray) -> np.ndarray:
    """Return the inked part of [h, w] scaled to fit 20 x 20, maximum 1."""
    top, left, bottom, right = _bounding_box(ink > _INK_THRESHOLD)
    cropped = ink[top:bottom, left:right]
    height, width = (max(1, round(side * _BOX / max(cropped.shape))) for side in cropped.shape)
    small = Image.fromarray(cropped.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    values = np.clip(np.asarray(small), 0, None)
    return np.asarray(values / values.max())


def _centre_by_mass(digit: np.ndarray) -> np.ndarray:
    """Return a digit of at most 20 x 20 in 28 x 28, uint8, centre of mass at (14, 14), nothing cut off."""
    image = np.zeros((_SIDE, _SIDE), np.uint8)
    offsets = []
    for axis, side in enumerate(digit.shape):
        share = digit.sum(axis=1 - axis) / digit.sum()
        middle = float(share @ np.arange(side))
        offsets.append(min(max(round(_SIDE / 2 - middle), 0), _SIDE - side))
    top, left = offsets
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = np.round(digit * 255)
    return image
