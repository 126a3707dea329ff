"""Drawings as text, as links and generated code contain them."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np
from PIL import Image

__all__ = ["decode_drawing", "encode_drawing", "scale_drawing"]

_MAX_TEXT_LENGTH = 2000
_SIDE = 28


def encode_drawing(image: np.ndarray) -> str:
    """Return an image uint8 [28, 28] as text for a URL."""
    return base64.urlsafe_b64encode(zlib.compress(image.tobytes(), 9)).decode().rstrip("=")


def decode_drawing(text: str, shape: tuple[int, int] = (_SIDE, _SIDE)) -> np.ndarray:
    """Return the image of a text that encode_drawing made, uint8 in this shape.

    Args:
        text: image of 28 x 28 pixels as text
        shape: height and width in pixels of the result

    Raises:
        ValueError: if the text is not an encoded image.
    """
    problem = ValueError(
        f"image: expected an image of {_SIDE} x {_SIDE} pixels in the link, got {len(text):,} other characters; copy "
        "the whole link, or select a test sample."
    )
    if len(text) > _MAX_TEXT_LENGTH:
        raise problem
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        decoder = zlib.decompressobj()
        content = decoder.decompress(packed, _SIDE * _SIDE + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise problem from None
    if len(content) != _SIDE * _SIDE:
        raise problem
    return scale_drawing(np.frombuffer(bytearray(content), np.uint8).reshape(_SIDE, _SIDE), shape)


def scale_drawing(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return an image uint8 [28, 28] in the size of the images of a data set."""
    if image.shape == shape:
        return image
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.BOX))
