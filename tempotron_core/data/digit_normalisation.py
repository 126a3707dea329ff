"""Any picture of a digit, made into what MNIST holds: white on black, in a box of 20 x 20, centred by its mass.

LeCun Y, Bottou L, Bengio Y, Haffner P. Gradient-based learning applied to document recognition. Proceedings of the
IEEE 86(11), 2278-2324, 1998 (size-normalised to fit a box of 20 x 20 with their aspect ratio kept, grey by the
anti-aliasing of that step, then placed in 28 x 28 by their centre of mass).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

__all__ = ["FORMATS", "MAX_PIXELS", "MAX_SIDE", "DrawingError", "NormalisedDigit", "normalise", "read_picture"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""What is tried: some of Pillow's other readers run programs or are seldom looked after."""
MAX_PIXELS = 20_000_000
MAX_SIDE = 10_000

_SIDE, _BOX = 28, 20
_THUMBNAIL_SIDE = 1024  # pixels a side that are kept: far more than 20 x 20 can show
_INK_THRESHOLD = 0.05  # of the strongest ink; what is fainter does not widen the box
_MIN_CONTRAST = 24  # grey values between ink and background, below which a picture is called even


class DrawingError(ValueError):
    """No digit can be made of a picture; the message is one sentence."""


@dataclass(frozen=True, eq=False)
class NormalisedDigit:
    """Digit in MNIST's form.

    Attributes:
        image: uint8 [28, 28], white on black
        inverted: whether the picture was dark on light
    """

    image: np.ndarray
    inverted: bool


def read_picture(content: bytes) -> np.ndarray:
    """Return the first frame of an image file: uint8 [h, w], or [h, w, 4] if it has colour or transparency.

    The result has at most 1,024 pixels per side. The size is read from the header, before decoding.

    Raises:
        DrawingError: for a file that is no picture, damaged, or too large.
    """
    expectation = f"expected one in {', '.join(FORMATS)}"
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise _too_large("far more") from None
    except Exception as error:
        raise DrawingError(
            f"Picture: {expectation}, got {len(content):,} bytes of something else; choose another."
        ) from error
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_large(f"{width:,} x {height:,}")
    try:
        return _decode(picture)
    except Exception as error:
        raise DrawingError(
            f"Picture: expected a whole {picture.format} file, got a damaged one; save it again or choose another."
        ) from error


def _too_large(size: str) -> DrawingError:
    return DrawingError(
        f"Picture: expected at most {MAX_SIDE:,} pixels a side and {MAX_PIXELS / 1e6:.0f} million in all, got {size}; "
        "make it smaller first."
    )


def _decode(picture: Image.Image) -> np.ndarray:
    """Return the pixels of an opened file, upright, reduced in size where it is large."""
    picture.draft("L", (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        # More than 8 bits a pixel: Pillow would cut them off instead of scaling them.
        high_depth = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
        span = float(high_depth.max() - high_depth.min()) or 1.0
        picture = Image.fromarray(((high_depth - high_depth.min()) / span * 255).astype(np.uint8))
    colours = "L" if picture.mode in ("1", "L") and "transparency" not in picture.info else "RGBA"
    picture = picture.convert(colours)
    picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    return np.asarray(picture)


def normalise(picture: np.ndarray, inverted: bool | None = None) -> NormalisedDigit:
    """Return the MNIST digit of a picture.

    Args:
        picture: uint8 [h, w], [h, w, 3] or [h, w, 4]
        inverted: whether it is dark on light; None takes the majority of the pixels as background

    Raises:
        DrawingError: where nothing contrasts with the background.
        ValueError: for another shape or type.
    """
    grey = _to_greyscale(picture)
    if inverted is None:
        background = float(np.median(grey))
        inverted = background > (float(grey.min()) + float(grey.max())) / 2
        unevenness = 1.4826 * float(np.median(np.abs(grey - background)))
    else:
        background, unevenness = float(grey.max() if inverted else grey.min()), 0.0
    ink = (background - grey if inverted else grey - background) - 6 * unevenness
    if ink.max() < _MIN_CONTRAST:
        raise DrawingError(
            "Picture: expected a digit that stands out from its background, got none; draw or choose one."
        )
    ink = np.clip(ink / ink.max(), 0, 1)
    return NormalisedDigit(_centre_by_mass(_fit_to_box(ink)), inverted)


def _to_greyscale(picture: np.ndarray) -> np.ndarray:
    """Return the brightness, float32 [h, w]; transparent pixels become the opposite of the opaque ones."""
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
        return picture.astype(np.float32)
    grey = picture[..., :3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    if shape[2] == 3 or bool((picture[..., 3] == 255).all()):
        return np.asarray(grey, dtype=np.float32)
    alpha = picture[..., 3].astype(np.float32) / 255
    light = float((grey * alpha).sum()) > 127.5 * float(alpha.sum())
    return np.asarray(grey * alpha + (0 if light else 255) * (1 - alpha), dtype=np.float32)


def _fit_to_box(ink: np.ndarray) -> np.ndarray:
    """Return the inked part of [h, w] scaled to fit 20 x 20, maximum 1."""
    has_ink = ink > _INK_THRESHOLD
    rows, columns = np.flatnonzero(has_ink.any(axis=1)), np.flatnonzero(has_ink.any(axis=0))
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
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
