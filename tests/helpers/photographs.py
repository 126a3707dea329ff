"""Pictures of digits as a camera or a scanner delivers them: ink on paper with one disturbance each."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

PAPER, INK = 225.0, 40.0


@dataclass(frozen=True)
class Scene:
    """Layers of a photograph before the camera.

    Attributes:
        ink: coverage of the paper by ink, 0..1, [h, w]
        paper: colour of the paper, [h, w, 3]
        colour: colour of the ink, [3]
    """

    ink: np.ndarray
    paper: np.ndarray
    colour: np.ndarray

    def render(self) -> np.ndarray:
        """Return the colours, float [h, w, 3]."""
        return np.asarray(self.paper * (1 - self.ink[..., None]) + self.colour * self.ink[..., None])


def ink_of(digit: np.ndarray, side: int) -> np.ndarray:
    """Return the coverage by ink of a digit, uint8 [28, 28], enlarged to side x side with sharp edges."""
    large = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC), dtype=float)
    return np.clip((large - 80) / 70, 0, 1)


def place(ink: np.ndarray, height: int, width: int, top: int, left: int) -> np.ndarray:
    """Return ink on an empty sheet."""
    sheet = np.zeros((height, width))
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet


def scene(digit: np.ndarray, rng: np.random.Generator) -> Scene:
    """Return a digit somewhere on a sheet of 480 x 360."""
    side = int(rng.integers(120, 220))
    ink = place(ink_of(digit, side), 480, 360, int(rng.integers(60, 420 - side)), int(rng.integers(30, 330 - side)))
    return on_paper(ink)


def on_paper(ink: np.ndarray, paper: float = PAPER, colour: float = INK) -> Scene:
    return Scene(ink, np.full((*ink.shape, 3), paper), np.full(3, colour))


def shade(picture: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return a picture in another light; factor is [h, w]."""
    return np.asarray(picture * factor[..., None])


def falling_light(shape: tuple[int, int], loss: float, direction: str, start: float = 0.0) -> np.ndarray:
    """Return light that falls by a share from start of the way to the edge in the direction."""
    height, width = shape
    length = width if direction in ("left", "right") else height
    ramp = 1 - loss * np.clip((np.arange(length) / (length - 1) - start) / (1 - start), 0, 1)
    if direction in ("left", "up"):
        ramp = ramp[::-1]
    return np.broadcast_to(ramp[None] if direction in ("left", "right") else ramp[:, None], shape).copy()


def soft_shadow(shape: tuple[int, int], loss: float, angle: float, offset: float, softness: float) -> np.ndarray:
    """Return the light beside the shadow of a hand: its edge has an angle, an offset in sides, a softness in pixels."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    along = np.cos(angle) * (columns - shape[1] / 2) + np.sin(angle) * (rows - shape[0] / 2) - offset * max(shape)
    return np.asarray(1 - loss / (1 + np.exp(-along / softness)))


def vignette(shape: tuple[int, int], loss: float) -> np.ndarray:
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.asarray(1 - loss * (rows**2 + columns**2) / 2)


def ruled(
    picture: Scene, spacing: float, grey: float, thickness: int, angle: float = 0.0, squared: bool = False
) -> Scene:
    """Return a scene on ruled or squared paper; lines under the ink, the angle in degrees."""
    height, width = picture.ink.shape
    paper = picture.paper.copy()
    slope, reach = np.tan(np.radians(angle)), max(height, width)
    for at in np.arange(-reach * abs(slope), height + reach * abs(slope), spacing):
        ends = (0, round(at)), (width, round(at + slope * width))
        cv2.line(paper, *ends, (grey,) * 3, thickness, cv2.LINE_AA if paper.dtype == np.uint8 else cv2.LINE_8)
    if squared:
        for at in np.arange(spacing / 2 - reach * abs(slope), width + reach * abs(slope), spacing):
            cv2.line(paper, (round(at), 0), (round(at - slope * height), height), (grey,) * 3, thickness)
    return replace(picture, paper=paper)


def with_speck(picture: Scene, radius: int, row: int, column: int) -> Scene:
    ink = picture.ink.copy()
    cv2.circle(ink, (column, row), radius, 1.0, cv2.FILLED)
    return replace(picture, ink=ink)


def on_desk(
    picture: np.ndarray, desk: float, margins: tuple[int, int, int, int], angle: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a sheet that lies on a desk, turned by some degrees; margins are top, right, bottom, left."""
    top, right, bottom, left = margins
    grain = desk + 6 * cv2.GaussianBlur(rng.normal(0, 3, (picture.shape[0] + top + bottom,
                                                         picture.shape[1] + left + right)), (31, 3), 8)  # fmt: skip
    height, width = grain.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    sheet = np.zeros((height, width, 3))
    sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    cover = np.zeros((height, width))
    cover[top : top + picture.shape[0], left : left + picture.shape[1]] = 1
    turned, covered = (
        np.asarray(cv2.warpAffine(part, turn, (width, height), flags=cv2.INTER_LINEAR)) for part in (sheet, cover)
    )
    return np.asarray(turned + (1 - covered[..., None]) * grain[..., None])


def thin(mask: np.ndarray) -> np.ndarray:
    """Return the skeleton of a mask, bool [h, w].

    Zhang TY, Suen CY. A fast parallel algorithm for thinning digital patterns. Communications of the ACM 27(3),
    236-239, 1984.
    """
    image = np.pad(mask, 1).astype(bool)
    changed = True
    while changed:
        changed = False
        for step in (0, 1):
            shifts = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
            p = [np.roll(image, (-row, -column), (0, 1)) for row, column in shifts]
            around = np.sum(p, axis=0)
            turns = sum((~p[k] & p[(k + 1) % 8]).astype(int) for k in range(8))
            first = (p[0] & p[2] & p[4]) if step == 0 else (p[0] & p[2] & p[6])
            second = (p[2] & p[4] & p[6]) if step == 0 else (p[0] & p[4] & p[6])
            gone = image & (around >= 2) & (around <= 6) & (turns == 1) & ~first & ~second
            if gone.any():
                image &= ~gone
                changed = True
    return image[1:-1, 1:-1]


def pen(ink: np.ndarray, width: float) -> np.ndarray:
    """Return the ink of the same strokes written with a pen of a width in pixels."""
    distance = cv2.distanceTransform((~thin(ink > 0.5)).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.clip(width / 2 + 0.5 - distance, 0, 1))


def bold(ink: np.ndarray, pixels: float) -> np.ndarray:
    """Return the ink with strokes wider by some pixels on either side."""
    distance = cv2.distanceTransform((ink < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(np.clip(pixels + 0.5 - distance, 0, 1))


def add_noise(picture: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    return picture + rng.normal(0, deviation, picture.shape[:2])[..., None]


def to_image(picture: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(np.round(picture), 0, 255).astype(np.uint8))


def to_file(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    if kind == "JPEG" and "quality" not in options:
        options["quality"] = 90
    image.save(file, kind, **options)
    return file.getvalue()


Row = Callable[[np.ndarray, np.random.Generator], bytes]


def _photograph(picture: np.ndarray, rng: np.random.Generator, deviation: float = 3.0, quality: int = 90) -> bytes:
    return to_file(to_image(add_noise(picture, deviation, rng)), quality=quality)


def even_light(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    return _photograph(scene(digit, rng).render(), rng)


def strong_noise(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    return _photograph(scene(digit, rng).render(), rng, rng.uniform(8, 20))


def jpeg_quality(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    return _photograph(scene(digit, rng).render(), rng, quality=20)


def blur(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    return _photograph(cv2.GaussianBlur(scene(digit, rng).render(), (0, 0), rng.uniform(2, 5)), rng)


def coloured_ink(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    colours = ((30, 50, 170), (190, 30, 40), (20, 130, 60), (130, 40, 150), (240, 140, 20))
    picture = replace(scene(digit, rng), colour=np.array(colours[rng.integers(len(colours))], float))
    return _photograph(picture.render(), rng)


def chalk(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    board = np.array(((35, 60, 45), (30, 30, 32), (50, 50, 55))[rng.integers(3)], float)
    ink = scene(digit, rng).ink
    picture = Scene(ink, np.broadcast_to(board, (*ink.shape, 3)).copy(), np.full(3, rng.uniform(180, 235)))
    light = falling_light(ink.shape, rng.uniform(0, 0.3), str(rng.choice(DIRECTIONS)))
    return _photograph(shade(picture.render(), light), rng, rng.uniform(3, 8))


DIRECTIONS = ("left", "right", "up", "down")


def exif_turned(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    orientation = int(rng.choice(list(turns)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return to_file(to_image(add_noise(scene(digit, rng).render(), 3, rng)).transpose(turns[orientation]), exif=exif)


def sixteen_bits(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    grey = add_noise(scene(digit, rng).render(), 3, rng)[..., 0]
    return to_file(Image.fromarray(np.clip(grey * 200 + 3000, 0, 65535).astype(np.uint16)), "PNG")


def side_light(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    picture = scene(digit, rng).render()
    direction = str(rng.choice(DIRECTIONS))
    light = falling_light(picture.shape[:2], rng.uniform(0.3, 0.7), direction, rng.uniform(0, 0.5))
    return _photograph(shade(picture, light), rng)


def shadow(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    picture = scene(digit, rng).render()
    light = soft_shadow(picture.shape[:2], rng.uniform(0.15, 0.5), rng.uniform(0, 2 * np.pi), rng.uniform(-0.25, 0.25),
                        rng.uniform(5, 30))  # fmt: skip
    return _photograph(shade(picture, light), rng)


def dark_corners(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    picture = scene(digit, rng).render()
    return _photograph(shade(picture, vignette(picture.shape[:2], rng.uniform(0.3, 0.6))), rng)


def lined_paper(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    picture = ruled(scene(digit, rng), rng.uniform(30, 70), rng.uniform(90, 185), int(rng.integers(1, 4)),
                    rng.uniform(-3, 3))  # fmt: skip
    return _photograph(picture.render(), rng)


def squared_paper(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    picture = ruled(scene(digit, rng), rng.uniform(22, 50), rng.uniform(110, 190), int(rng.integers(1, 3)),
                    rng.uniform(-3, 3), squared=True)  # fmt: skip
    return _photograph(picture.render(), rng)


def speck(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    picture = scene(digit, rng)
    for _ in range(int(rng.integers(1, 4))):
        row, column = (12, 468)[rng.integers(2)], int(rng.integers(12, 348))
        picture = with_speck(picture, int(rng.integers(2, 6)), row, column)
    return _photograph(picture.render(), rng)


def desk(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    margins = tuple(int(v) for v in rng.integers(40, 150, 4))
    picture = on_desk(scene(digit, rng).render(), rng.uniform(30, 150), margins, rng.uniform(-8, 8), rng)  # type: ignore[arg-type]
    return _photograph(picture, rng)


def thin_pen(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    side = int(rng.integers(140, 220))
    ink = pen(ink_of(digit, side), rng.uniform(2, 4))
    ink = place(ink, 480, 360, int(rng.integers(60, 420 - side)), int(rng.integers(30, 330 - side)))
    return _photograph(on_paper(ink, colour=rng.uniform(40, 80)).render(), rng)


def transparent_corners(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    picture = scene(digit, rng)
    if rng.random() < 0.5:
        picture = on_paper(picture.ink, 35, 230)
    image = to_image(picture.render()).convert("RGBA")
    alpha = np.full(picture.ink.shape, 255, np.uint8)
    size = int(rng.integers(8, 40))
    for rows in (slice(size), slice(-size, None)):
        for columns in (slice(size), slice(-size, None)):
            if rng.random() < 0.7:
                alpha[rows, columns] = 0
    image.putalpha(Image.fromarray(alpha))
    return to_file(image, "PNG")


def tight_bold(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    side = int(rng.integers(150, 300))
    ink = bold(ink_of(np.pad(digit, 4), side), side / 36 * rng.uniform(0.3, 0.9))
    rows, columns = np.flatnonzero((ink > 0.5).any(axis=1)), np.flatnonzero((ink > 0.5).any(axis=0))
    margin = int(rng.integers(1, 8))
    ink = np.pad(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], margin)
    picture = on_paper(ink) if rng.random() < 0.7 else on_paper(ink, 35, 230)
    return _photograph(picture.render(), rng)


def everything(digit: np.ndarray, rng: np.random.Generator) -> bytes:
    picture = ruled(scene(digit, rng), rng.uniform(35, 60), rng.uniform(150, 190), 1, rng.uniform(-2, 2))
    picture = with_speck(picture, 4, 15, int(rng.integers(15, 345)))
    light = falling_light(picture.ink.shape, rng.uniform(0.2, 0.4), str(rng.choice(DIRECTIONS)))
    margins = tuple(int(v) for v in rng.integers(40, 120, 4))
    sheet = on_desk(shade(picture.render(), light), rng.uniform(30, 80), margins, rng.uniform(-5, 5), rng)  # type: ignore[arg-type]
    return _photograph(sheet, rng)


ROWS: dict[str, Row] = {
    "even light": even_light,
    "noise": strong_noise,
    "JPEG quality 20": jpeg_quality,
    "blur": blur,
    "coloured ink": coloured_ink,
    "chalk on a blackboard": chalk,
    "EXIF orientation": exif_turned,
    "16 bit": sixteen_bits,
    "light falling by 30 to 70 %": side_light,
    "soft shadow, 15 to 50 %": shadow,
    "vignette, 30 to 60 %": dark_corners,
    "lined paper": lined_paper,
    "squared paper": squared_paper,
    "specks of dust": speck,
    "paper on a desk": desk,
    "thin pen": thin_pen,
    "transparent corners": transparent_corners,
    "bold, cropped tightly": tight_bold,
    "lined paper, speck, side light, desk": everything,
}
"""Name of a disturbance -> function that photographs a digit, uint8 [28, 28], with random parameters."""
