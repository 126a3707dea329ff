"""Read a picture file into an array: limits before decoding, orientation, bit depth, frames."""

from __future__ import annotations

import io
import warnings

import cv2
import numpy as np
from PIL import Image, ImageOps, features

__all__ = ["FORMATS", "MAX_JPEG_PIXELS", "MAX_PIXELS", "MAX_SIDE", "DrawingError", "read_picture"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))
"""What is tried: some of Pillow's other readers run programs or are seldom looked after."""
MAX_PIXELS = 25_000_000
MAX_JPEG_PIXELS = 65_000_000
"""A baseline JPEG is decoded at a reduced size, block by block; a progressive one needs memory for all of it."""
MAX_SIDE = 10_000

_THUMBNAIL_SIDE = 1024  # pixels a side that are kept: far more than 20 x 20 can show
_BLANK_RANGE = 8  # grey values that a blank frame may span
_MAX_FRAMES_TRIED = 10

_HEIF_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"heim": "HEIC", b"heis": "HEIC", b"mif1": "HEIF"}
_AVIF_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"}
_SIGNATURES = {
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"8BPS": "Photoshop",
    b"\x00\x00\x01\x00": "ICO",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
}


class DrawingError(ValueError):
    """No digit can be made of a picture; the message is one sentence."""


def read_picture(content: bytes) -> np.ndarray:
    """Return the first frame of an image file: uint8 [h, w], [h, w, 3] in colour, [h, w, 4] with transparency.

    The result has at most 1,024 pixels per side and is upright. The size is read from the header, before decoding.

    Raises:
        DrawingError: for a file that is no picture, damaged, or too large, and for a blank first frame before others.
    """
    expectation = f"expected one in {', '.join(FORMATS)}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limits below are lower
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise _too_large("far more", MAX_PIXELS) from None
    except Exception as error:
        name = _foreign_format(content)
        if name:
            raise DrawingError(
                f"Picture: {expectation}, got a file in the format {name}; export it as JPEG or PNG first."
            ) from error
        raise DrawingError(
            f"Picture: {expectation}, got {len(content):,} bytes of something else; choose another."
        ) from error
    width, height = picture.size
    is_reducible = picture.format == "JPEG" and not picture.info.get("progressive")
    limit = MAX_JPEG_PIXELS if is_reducible else MAX_PIXELS
    if width * height > limit or max(width, height) > MAX_SIDE:
        raise _too_large(f"{width:,} x {height:,}", limit)
    try:
        pixels = _decode(picture)
        later = _first_frame_with_content(picture) if _is_blank(pixels) else None
    except Exception as error:
        raise DrawingError(
            f"Picture: expected a whole {picture.format} file, got a damaged one; save it again or choose another."
        ) from error
    if later is not None:
        raise DrawingError(
            f"Picture: expected a digit in the first frame, got a blank one and content in frame {later}; "
            "save that frame as a picture of its own."
        )
    return pixels


def _foreign_format(content: bytes) -> str:
    """Return the name of a known format that is not read, else an empty text."""
    if content[4:8] == b"ftyp":
        return (_HEIF_BRANDS | ({} if "AVIF" in FORMATS else _AVIF_BRANDS)).get(content[8:12], "")
    return next((name for start, name in _SIGNATURES.items() if content.startswith(start)), "")


def _too_large(size: str, limit: int) -> DrawingError:
    return DrawingError(
        f"Picture: expected at most {MAX_SIDE:,} pixels a side and {limit / 1e6:.0f} million in all, got {size}; "
        "make it smaller first."
    )


def _decode(picture: Image.Image) -> np.ndarray:
    """Return the pixels of an opened file, upright, reduced in size where it is large."""
    mode = "L" if picture.mode == "L" else "RGB"
    picture.draft(mode, (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    picture.load()
    return _to_array(picture)


def _to_array(picture: Image.Image) -> np.ndarray:
    """Return the pixels of a decoded picture; large ones are reduced before any other copy is made."""
    orientation = picture.getexif().get(0x0112, 1)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _scale_high_depth(picture)
    is_transparent = "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "La", "RGBa")
    if picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if is_transparent else "RGB")
    factor = max(picture.size) // _THUMBNAIL_SIDE
    if factor >= 2:
        info = dict(picture.info)
        picture = picture.reduce(factor)
        picture.info = info
    colours = "RGBA" if is_transparent else "L" if picture.mode == "L" else "RGB"
    picture = picture.convert(colours)
    picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    picture.getexif()[0x0112] = orientation
    return np.array(ImageOps.exif_transpose(picture))


def _scale_high_depth(picture: Image.Image) -> Image.Image:
    """Return 8 bits a pixel of more: Pillow would cut them off instead of scaling them."""
    values: np.ndarray = np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0, neginf=0)
    factor = max(values.shape) / _THUMBNAIL_SIDE
    if factor > 1:
        height, width = (max(1, round(side / factor)) for side in values.shape)
        values = np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
    low = float(values.min())
    span = float(values.max()) - low or 1.0
    return Image.fromarray(((values - low) / span * 255).astype(np.uint8))


def _is_blank(pixels: np.ndarray) -> bool:
    """Return whether all visible pixels are nearly equal; a constant colour with a varying opacity is a drawing."""
    channels = [pixels] if pixels.ndim == 2 else [pixels[..., k] for k in range(pixels.shape[2])]
    if len(channels) == 4:
        visible = channels[3] > 0
        channels = [channel * visible for channel in channels]
    return all(int(channel.max()) - int(channel.min()) <= _BLANK_RANGE for channel in channels)


def _first_frame_with_content(picture: Image.Image) -> int | None:
    """Return the number, from 1, of the first later frame that is not blank; None without one."""
    for index in range(1, min(getattr(picture, "n_frames", 1), _MAX_FRAMES_TRIED)):
        picture.seek(index)
        width, height = picture.size
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            return None  # a frame of a TIFF has a size of its own
        picture.load()
        if not _is_blank(_to_array(picture.copy())):
            return index + 1
    return None
