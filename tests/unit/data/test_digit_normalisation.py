"""Pictures of every kind become digits as MNIST holds them, or are refused in one sentence."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import datasets
from tempotron_core.data.digit_normalisation import MAX_PIXELS, MAX_SIDE, DrawingError, normalise, read_picture
from tempotron_core.model.classifier import Model
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings

TEST = datasets.Split(*(values[::4] for values in (datasets.load().test.images, datasets.load().test.labels)))
DIGITS = TEST.images.numpy()


def paste_digit(digit: np.ndarray, how: Image.Resampling, place: tuple[int, int] = (60, 20)) -> np.ndarray:
    """A digit ten times as large, made smooth or not, anywhere on a canvas of 280 x 280."""
    canvas = Image.new("L", (320, 320))
    canvas.paste(Image.fromarray(digit).resize((280, 280), how), place)
    return np.asarray(canvas)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def centre(image: np.ndarray) -> tuple[float, float]:
    mass = image.astype(float) / image.sum()
    return float(mass.sum(axis=1) @ np.arange(28)), float(mass.sum(axis=0) @ np.arange(28))


def box(image: np.ndarray) -> tuple[int, int]:
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.fixture(scope="module")
def model() -> Model:
    """A network that reads nine digits of ten."""
    for snapshot in train_model(Settings(epochs=2, lr=3e-3, m=6), datasets.load()):
        latest = snapshot.model
    assert latest is not None
    return latest


@pytest.mark.parametrize(
    ("how", "least", "points"), [(Image.Resampling.NEAREST, 0.99, 0.02), (Image.Resampling.BICUBIC, 0.95, 0.08)]
)
def test_digits_of_mnist_come_back_and_are_read_as_before(
    how: Image.Resampling, least: float, points: float, model: Model
) -> None:
    again = np.stack([normalise(paste_digit(digit, how)).image for digit in DIGITS])
    assert np.median([correlation(*pair) for pair in zip(again, DIGITS, strict=True)]) > least
    before = evaluate(model, TEST).accuracy
    assert before > 0.88
    assert evaluate(model, datasets.Split(torch.from_numpy(again), TEST.labels)).accuracy > before - points
    assert max(abs(at - 14) for image in again for at in centre(image)) <= 0.51
    assert all(max(box(image)) == 20 for image in again)


def test_a_digit_of_mnist_as_it_is_stays_as_it_is() -> None:
    same = sum(correlation(normalise(digit).image, digit) > 0.999 for digit in DIGITS[:200])
    assert same > 150  # of the others, the faintest edge is no part of the box, or the centre lies between two pixels


@given(
    st.lists(st.tuples(st.integers(0, 299), st.integers(0, 199)), min_size=2, max_size=6),
    st.integers(4, 40),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_stroke_fills_the_box_around_its_centre_of_mass(
    points: list[tuple[int, int]], width: int, inverted: bool
) -> None:
    canvas = Image.new("L", (300, 200), 255 if inverted else 0)
    ImageDraw.Draw(canvas).line(points, fill=0 if inverted else 255, width=width)
    ImageDraw.Draw(canvas).circle(points[0], width / 2, fill=0 if inverted else 255)
    image = normalise(np.asarray(canvas), inverted=inverted).image
    assert image.dtype == np.uint8
    assert image.shape == (28, 28)
    assert image.max() == 255
    assert max(box(image)) <= 20
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    for at, where in zip(centre(image), (rows, columns), strict=True):
        assert abs(at - 14) <= 0.51 or where[0] == 0 or where[-1] == 27  # else something would be cut off


def test_the_aspect_ratio_is_kept() -> None:
    canvas = np.zeros((300, 400), np.uint8)
    canvas[100:140, 50:250] = 255
    assert box(normalise(canvas).image) == (4, 20)
    assert box(normalise(canvas.T.copy()).image) == (20, 4)
    canvas[:] = 0
    canvas[3, 5] = 255
    assert box(normalise(canvas).image) == (20, 20)


def to_file_bytes(picture: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue()


GREY = Image.fromarray(paste_digit(DIGITS[11], Image.Resampling.BICUBIC))
DARK = Image.fromarray(255 - np.asarray(GREY))


def transparent(colour: int, mode: str) -> Image.Image:
    picture = Image.new("L", GREY.size, colour).convert(mode)
    picture.putalpha(GREY)
    return picture


def deep(kind: str) -> Image.Image:
    values = np.asarray(GREY).astype(np.float32)
    return Image.fromarray(values * 200 + 900 if kind == "F" else (values * 200).astype(np.uint16))


KINDS: dict[str, tuple[Callable[[], bytes], bool]] = {
    "grey png": (lambda: to_file_bytes(GREY), False),
    "colour png": (lambda: to_file_bytes(GREY.convert("RGB")), False),
    "palette png": (lambda: to_file_bytes(GREY.convert("P")), False),
    "bilevel png": (lambda: to_file_bytes(GREY.point(lambda v: 255 * (v > 127)).convert("1")), False),
    "dark on light png": (lambda: to_file_bytes(DARK), True),
    "dark on light jpeg": (lambda: to_file_bytes(DARK.convert("RGB"), "JPEG", quality=70), True),
    "cmyk jpeg": (lambda: to_file_bytes(DARK.convert("CMYK"), "JPEG"), True),
    "cmyk tiff": (lambda: to_file_bytes(GREY.convert("CMYK"), "TIFF"), False),
    "black on transparent": (lambda: to_file_bytes(transparent(0, "RGB")), True),
    "white on transparent": (lambda: to_file_bytes(transparent(255, "RGB")), False),
    "grey with alpha": (lambda: to_file_bytes(transparent(0, "L")), True),
    "webp": (lambda: to_file_bytes(DARK.convert("RGB"), "WEBP"), True),
    "bmp": (lambda: to_file_bytes(GREY, "BMP"), False),
    "gif": (lambda: to_file_bytes(GREY, "GIF"), False),
    "animated gif": (
        lambda: to_file_bytes(GREY, "GIF", save_all=True, append_images=[Image.new("L", GREY.size, 90)] * 3),
        False,
    ),
    "animated webp": (lambda: to_file_bytes(GREY, "WEBP", save_all=True, append_images=[DARK, DARK]), False),
    "16 bits": (lambda: to_file_bytes(deep("I;16")), False),
    "floats": (lambda: to_file_bytes(deep("F"), "TIFF"), False),
    "faint pencil": (lambda: to_file_bytes(DARK.point(lambda v: 150 + v // 3)), True),
    "large": (lambda: to_file_bytes(DARK.resize((3200, 3200)), "JPEG"), True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_gives_the_same_digit(kind: str) -> None:
    make, inverted = KINDS[kind]
    found = normalise(read_picture(make()))
    assert found.inverted == inverted
    assert correlation(found.image, normalise(np.asarray(GREY)).image) > (0.85 if kind == "bilevel png" else 0.96)


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise is needed
    turned = DARK.transpose(Image.Transpose.ROTATE_90).convert("RGB")
    assert (
        correlation(
            normalise(read_picture(to_file_bytes(turned, "JPEG", exif=exif))).image, normalise(np.asarray(GREY)).image
        )
        > 0.98
    )


def test_grain_and_uneven_light_are_no_ink() -> None:
    light = np.linspace(0, 20, 320)[:, None] + np.random.default_rng(3).normal(0, 4, (320, 320))
    photograph = np.clip(0.75 * np.asarray(DARK).astype(float) + 15 + light, 0, 255).astype(np.uint8)
    found = normalise(photograph)
    assert found.inverted
    assert correlation(found.image, normalise(np.asarray(GREY)).image) > 0.9


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    body = b"IDAT" + zlib.compress(b"\0" * 1000)
    pieces = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, body))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "something else"),
    "text": (lambda: b"seven" * 100, "something else"),
    "zip": (lambda: b"PK\x03\x04" + bytes(500), "something else"),
    "svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "something else"),
    "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "format PostScript"),
    "only a signature": (lambda: b"\x89PNG\r\n\x1a\n", "something else"),
    "cut png": (lambda: to_file_bytes(GREY)[:900], "damaged"),
    "cut jpeg": (lambda: to_file_bytes(GREY, "JPEG")[:900], "damaged"),
    "cut gif": (lambda: to_file_bytes(GREY, "GIF")[:900], "damaged"),
    "no pixels": (lambda: png_of_size(3000, 3000), "damaged"),
    "too wide": (lambda: to_file_bytes(Image.new("L", (30_000, 10))), "30,000 x 10"),
    "too many pixels": (lambda: png_of_size(9000, 9000), "9,000 x 9,000"),
    "a bomb": (lambda: png_of_size(60_000, 60_000), "far more"),
    "one pixel": (lambda: to_file_bytes(Image.new("L", (1, 1), 7)), "stands out"),
    "all black": (lambda: to_file_bytes(Image.new("L", (100, 100))), "stands out"),
    "all white": (lambda: to_file_bytes(Image.new("RGB", (100, 100), "white")), "stands out"),
    "all transparent": (lambda: to_file_bytes(Image.new("RGBA", (100, 100))), "stands out"),
    "next to even": (lambda: to_file_bytes(Image.fromarray(np.eye(50, dtype=np.uint8) * 9 + 100)), "stands out"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_pictures_are_refused_in_one_sentence(kind: str) -> None:
    make, words = BAD[kind]
    content = make()
    with pytest.raises(DrawingError, match=words) as error:
        normalise(read_picture(content))
    assert str(error.value).startswith("Picture: expected")
    assert "\n" not in str(error.value)


def test_the_size_is_bounded_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    for size in ((MAX_SIDE + 1, 1), (5001, MAX_PIXELS // 5000)):
        with pytest.raises(DrawingError, match="at most"):
            read_picture(png_of_size(*size))


def test_what_is_read_is_small() -> None:
    assert max(read_picture(to_file_bytes(DARK.resize((4000, 1000)))).shape) == 1024


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(st.binary(max_size=300), st.integers(0, 10_000), st.sampled_from(["PNG", "GIF", "BMP", "TIFF", "JPEG", "WEBP"]))
@settings(max_examples=200, deadline=None)
def test_damage_of_any_kind_is_read_or_refused(noise: bytes, place: int, kind: str) -> None:
    whole = to_file_bytes(GREY.resize((64, 64)), kind)
    at = place % len(whole)
    for content in (noise, whole[:at] + noise + whole[at + len(noise) :], whole[:at]):
        found = None
        with contextlib.suppress(DrawingError):
            found = normalise(read_picture(content)).image
        assert found is None or found.shape == (28, 28)


@pytest.mark.parametrize(
    "picture", [np.zeros((5, 5)), np.zeros((5, 5, 2), np.uint8), np.zeros((0, 5), np.uint8), np.zeros(5, np.uint8)]
)
def test_what_is_no_picture_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        normalise(picture)
