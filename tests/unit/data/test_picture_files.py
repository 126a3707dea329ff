"""Files of pictures: limits, depths, frames, and formats that are named but not read."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tempotron_core.data.digit_normalisation import normalise
from tempotron_core.data.picture_files import (
    FORMATS,
    MAX_JPEG_PIXELS,
    MAX_PIXELS,
    DrawingError,
    read_picture,
)


def cross() -> Image.Image:
    values = np.full((120, 120), 240, np.uint8)
    values[20:100, 55:65] = 20
    values[40:50, 30:90] = 20
    return Image.fromarray(values)


def to_bytes(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, raw: bytes, colour: int = 0) -> bytes:
    """A PNG whose header gives a size that its data need not have."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(raw, 9), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def jpeg_header(width: int, height: int, progressive: bool = False) -> bytes:
    """A JPEG of 8 x 8 whose header gives another size."""
    content = bytearray(to_bytes(Image.new("L", (8, 8)), "JPEG", progressive=progressive))
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def palette_with_transparency() -> bytes:
    picture = cross().point(lambda v: 1 if v < 128 else 0).convert("P")
    picture.putpalette([0, 0, 0, 10, 10, 10])
    return to_bytes(picture, "PNG", transparency=0)


GOOD: dict[str, Callable[[], bytes]] = {
    "palette with a transparent colour": palette_with_transparency,
    "palette": lambda: to_bytes(cross().convert("P")),
    "1 bit": lambda: to_bytes(cross().convert("1")),
    "1 bit TIFF": lambda: to_bytes(cross().convert("1"), "TIFF"),
    "CMYK JPEG": lambda: to_bytes(cross().convert("CMYK"), "JPEG"),
    "grey with alpha": lambda: to_bytes(cross().convert("LA")),
    "16 bit": lambda: to_bytes(Image.fromarray(np.asarray(cross()).astype(np.uint16) * 257)),
    "progressive JPEG": lambda: to_bytes(cross(), "JPEG", progressive=True),
    "animated GIF": lambda: to_bytes(cross(), "GIF", save_all=True, append_images=[Image.new("L", (120, 120), 9)]),
    **({"AVIF": lambda: to_bytes(cross().convert("RGB"), "AVIF")} if "AVIF" in FORMATS else {}),
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_of_file_is_read(kind: str) -> None:
    found = normalise(read_picture(GOOD[kind]()))
    assert found.inverted
    reference = normalise(np.asarray(cross())).image
    assert np.corrcoef(found.image.ravel(), reference.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    picture = cross().resize((2400, 2000))
    stored = picture.transpose(undo[orientation]) if orientation in undo else picture
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_picture(to_bytes(stored, "JPEG", exif=exif))
    upright = np.asarray(picture.resize((found.shape[1], found.shape[0])))
    assert np.corrcoef(found.ravel(), upright.ravel())[0, 1] > 0.98


def blank_first(kind: str, pages: int = 2) -> bytes:
    white = Image.new("L", (120, 120), 255)
    return to_bytes(white, kind, save_all=True, append_images=[white] * (pages - 2) + [cross()])


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "huge PNG header": (lambda: png(9000, 9000, b""), "at most 10,000 pixels a side and 25 million in all"),
    "huger PNG header": (lambda: png(2**31 - 1, 2**31 - 1, b""), "far more"),
    "huge JPEG header": (lambda: jpeg_header(9999, 9999), "65 million in all, got 9,999 x 9,999"),
    "huge progressive JPEG header": (lambda: jpeg_header(8000, 6000, True), "25 million in all, got 8,000 x 6,000"),
    "no pixels": (lambda: png(3000, 3000, b""), "damaged"),
    "cut PNG": (lambda: to_bytes(cross())[:120], "damaged"),
    "cut JPEG": (lambda: to_bytes(cross(), "JPEG")[:700], "damaged"),
    "HEIC": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "format HEIC; export it as JPEG or PNG"),
    "HEIF": (lambda: b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(200), "format HEIF; export it as JPEG or PNG"),
    "JPEG XL": (lambda: b"\xff\x0a" + bytes(200), "format JPEG XL"),
    "PDF": (lambda: b"%PDF-1.7\n" + bytes(200), "format PDF"),
    "blank first frame of a GIF": (lambda: blank_first("GIF"), "blank one and content in frame 2"),
    "two blank pages of a TIFF": (lambda: blank_first("TIFF", 3), "blank one and content in frame 3"),
    "blank": (lambda: to_bytes(Image.new("L", (50, 50), 255), "GIF"), "stands out"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_gets_one_sentence(kind: str) -> None:
    make, words = REFUSED[kind]
    with pytest.raises(DrawingError, match=words) as error:
        normalise(read_picture(make()))
    assert str(error.value).startswith("Picture: expected")
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


def test_a_file_that_unpacks_to_far_more_than_its_size_says_is_refused_with_little_memory() -> None:
    bomb = png(100, 100, bytes(200_000_000))
    assert len(bomb) < 300_000
    tracemalloc.start()
    try:
        assert read_picture(bomb).shape == (100, 100)  # what lies behind the stated size is never unpacked
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_baseline_jpeg_may_be_larger_than_other_files() -> None:
    assert MAX_JPEG_PIXELS > MAX_PIXELS >= 24_000_000
    content = to_bytes(cross().resize((8000, 6000)), "JPEG", quality=60)
    assert max(read_picture(content).shape) <= 1024
