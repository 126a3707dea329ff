"""Photographs, scans and screenshots of one digit give the digit, whatever light, paper, pen and file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers import photographs as ph
from PIL import Image

from tempotron_core.data import datasets
from tempotron_core.data.digit_normalisation import (
    DrawingError,
    NormalisedDigit,
    ReadingOptions,
    normalise,
    read_picture,
)
from tempotron_core.data.reading_illustration import illustrate, summarise

CASES = Path(__file__).parents[2] / "data" / "photographs"
DIGITS = datasets.load().test.images.numpy()
SHAPE = (480, 360)
SIDE = 170


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1])


@cache
def ink(index: int) -> np.ndarray:
    array = ph.place(ph.ink_of(DIGITS[index], SIDE), *SHAPE, 150, 90)
    array.setflags(write=False)
    return array


def read(picture: np.ndarray, seed: int = 0, options: ReadingOptions | None = None) -> NormalisedDigit:
    """The reading of a photograph with grain, saved as JPEG."""
    noisy = ph.add_noise(picture, 3, np.random.default_rng(seed))
    return normalise(read_picture(ph.to_file(ph.to_image(noisy))), options=options)


@cache
def clean(index: int) -> np.ndarray:
    """The digit read from a picture without any disturbance."""
    array = normalise(np.asarray(ph.to_image(ph.on_paper(ink(index)).render()))).image
    array.setflags(write=False)
    return array


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_a_case_from_use_gives_the_digit_of_the_control(name: str) -> None:
    control = normalise(read_picture((CASES / "photo_even_light.jpg").read_bytes()))
    found = normalise(read_picture((CASES / name).read_bytes()))
    assert found.inverted
    assert found.doubt == ""
    assert correlation(found.image, control.image) > 0.97


def light(direction: str, loss: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda picture: ph.shade(picture, ph.falling_light(SHAPE, loss, direction))


def shadow(loss: float, softness: float, angle: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda picture: ph.shade(picture, ph.soft_shadow(SHAPE, loss, angle, 0.1, softness))


LIGHTS = {
    **{f"from the {d}, {loss:.0%} less": light(d, loss) for d in ph.DIRECTIONS for loss in (0.3, 0.6)},
    **{f"shadow of {loss:.0%}, angle {a}": shadow(loss, 15, a) for loss in (0.15, 0.4) for a in (0.5, 2, 4)},
    "shadow with a sharp edge": shadow(0.4, 1, 0.5),
    "vignette of 40 %": lambda picture: ph.shade(picture, ph.vignette(SHAPE, 0.4)),
    "vignette of 70 %": lambda picture: ph.shade(picture, ph.vignette(SHAPE, 0.7)),
}
HARDER_THAN_PENCIL = ("shadow with a sharp edge", "shadow of 40%, angle 0.5")
PENS = {"ink": (225.0, 40.0), "pencil": (225.0, 150.0), "chalk": (50.0, 215.0)}


@pytest.mark.parametrize("pen", PENS)
@pytest.mark.parametrize("name", LIGHTS)
def test_uneven_light_changes_nothing(name: str, pen: str) -> None:
    if pen == "pencil" and name in HARDER_THAN_PENCIL:
        pytest.skip("the edge of the shadow is as sharp and as strong as the pencil")
    for index in (0, 3):
        found = read(LIGHTS[name](ph.on_paper(ink(index), *PENS[pen]).render()))
        assert found.inverted == (pen != "chalk")
        assert correlation(found.image, clean(index)) > 0.9


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("thickness", [1, 2])
@pytest.mark.parametrize("grey", [60.0, 110.0, 180.0])
@pytest.mark.parametrize("angle", [0.0, 1.5, -3.0])
def test_ruling_is_removed(squared: bool, thickness: int, grey: float, angle: float) -> None:
    found = read(ph.ruled(ph.on_paper(ink(3)), 41, grey, thickness, angle, squared).render())
    assert correlation(found.image, clean(3)) > 0.9


def test_strokes_that_lie_on_no_line_are_no_ruling() -> None:
    one = normalise(np.asarray(ph.to_image(ph.on_paper(np.pad(np.ones((300, 8)), ((90, 90), (170, 182)))).render())))
    assert one.steps.num_rules == 0
    assert one.image.any(axis=1).sum() == 20


@pytest.mark.parametrize(("row", "column"), [(15, 15), (15, 340), (465, 15), (465, 340), (240, 12)])
@pytest.mark.parametrize("radius", [2, 4, 8])
def test_a_speck_does_not_widen_the_box(row: int, column: int, radius: int) -> None:
    found = read(ph.with_speck(ph.on_paper(ink(3)), radius, row, column).render())
    assert correlation(found.image, clean(3)) > 0.95
    assert found.steps.num_specks == 1
    assert found.doubt == ""


def test_detached_strokes_are_no_specks() -> None:
    five = np.zeros(SHAPE)
    five[150:170, 150:240] = 1  # the bar lies apart
    five[185:330, 140:160] = 1
    found = read(ph.on_paper(five).render())
    assert found.steps.num_specks == 0
    assert found.steps.ink[155, 230]


@pytest.mark.parametrize("desk", [30.0, 90.0, 150.0])
@pytest.mark.parametrize("angle", [0.0, 2.0, -2.0])
def test_paper_on_a_desk_is_found(desk: float, angle: float) -> None:
    sheet = ph.on_desk(ph.on_paper(ink(3)).render(), desk, (100, 120, 90, 140), angle, np.random.default_rng(1))
    found = read(sheet)
    assert found.inverted
    top, left, bottom, right = found.steps.paper_box
    assert top > 80 and left > 110 and bottom < 100 + 480 + 20 and right < 140 + 360 + 20
    assert correlation(found.image, clean(3)) > 0.85  # turned as the sheet is


@pytest.mark.parametrize("margins", [(100, 100, 100, 0), (0, 100, 100, 0), (0, 100, 0, 0)])
def test_paper_that_reaches_out_of_the_picture_is_found(margins: tuple[int, int, int, int]) -> None:
    sheet = ph.on_desk(ph.on_paper(ink(3)).render(), 50, margins, 0, np.random.default_rng(1))
    assert correlation(read(sheet).image, clean(3)) > 0.95


def test_a_slate_on_a_light_desk_is_found() -> None:
    slate = ph.on_desk(ph.on_paper(ink(3), 50, 220).render(), 210, (90, 90, 90, 90), 0, np.random.default_rng(1))
    found = read(slate)
    assert not found.inverted
    assert correlation(found.image, clean(3)) > 0.95


@pytest.mark.parametrize("width", [1.5, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("ruled", [False, True])
def test_thin_pens_give_strokes_of_the_usual_width(width: float, ruled: bool) -> None:
    picture = ph.on_paper(ph.pen(ink(3), width))
    found = read((ph.ruled(picture, 45, 150, 1, 1) if ruled else picture).render())
    assert found.steps.stroke_width < 1.5
    assert correlation(found.image, DIGITS[3]) > 0.7


@pytest.mark.parametrize("colours", [(225.0, 40.0), (35.0, 230.0)])
@pytest.mark.parametrize("margin", [1, 3, 8])
@pytest.mark.parametrize("index", [0, 3, 4, 8])
def test_a_bold_digit_cropped_tightly_keeps_its_polarity(colours: tuple[float, float], margin: int, index: int) -> None:
    wide = ph.bold(ph.ink_of(np.pad(DIGITS[index], 4), 220), 5)
    rows, columns = np.flatnonzero((wide > 0.5).any(axis=1)), np.flatnonzero((wide > 0.5).any(axis=0))
    tight = np.pad(wide[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], margin)
    assert read(ph.on_paper(tight, *colours).render()).inverted == (colours[0] > colours[1])


@pytest.mark.parametrize("colours", [(255.0, 10.0), (20.0, 240.0)])
@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("size", [12, 60])
def test_transparent_corners_are_no_ink(colours: tuple[float, float], hidden: int, size: int) -> None:
    pixels = np.asarray(ph.to_image(ph.on_paper(ink(3), *colours).render()).convert("RGBA")).copy()
    for corner in (np.s_[:size, :size], np.s_[:size, -size:], np.s_[-size:, :size]):
        pixels[corner] = (hidden, hidden, hidden, 0)
    found = normalise(read_picture(ph.to_file(Image.fromarray(pixels), "PNG")))
    assert found.inverted == (colours[0] > colours[1])
    assert correlation(found.image, clean(3)) > 0.97


COLOURS = {
    "blue on white": ((240, 240, 240), (30, 50, 170)),
    "red on white": ((240, 240, 240), (200, 30, 40)),
    "yellow on white": ((240, 240, 240), (245, 225, 60)),
    "black on brown": ((170, 130, 90), (40, 40, 40)),
    "white on brown": ((120, 90, 60), (240, 240, 240)),
    "yellow on green": ((30, 70, 50), (235, 225, 120)),
}


@pytest.mark.parametrize("name", COLOURS)
def test_coloured_ink_is_read(name: str) -> None:
    paper, colour = (np.array(value, float) for value in COLOURS[name])
    picture = replace(ph.on_paper(ink(3)), paper=np.broadcast_to(paper, (*SHAPE, 3)), colour=colour)
    assert correlation(read(picture.render()).image, clean(3)) > 0.9


@pytest.mark.parametrize("name", ph.ROWS)
def test_every_disturbance_of_the_benchmark_keeps_the_digit(name: str) -> None:
    values = []
    for index in range(6):
        found = normalise(read_picture(ph.ROWS[name](DIGITS[index], np.random.default_rng([7, index]))))
        values.append(correlation(found.image, DIGITS[index]))
    assert np.median(values) > 0.7


def test_a_photograph_of_24_million_pixels_is_decoded_at_a_reduced_size() -> None:
    small = ph.to_image(ph.on_paper(ink(3)).render())
    found = read_picture(ph.to_file(small.resize((4000, 6000)), quality=80))
    assert max(found.shape) <= 1024
    assert correlation(normalise(found).image, clean(3)) > 0.9


def test_doubtful_pictures_are_marked() -> None:
    two = ph.place(ph.ink_of(DIGITS[3], 130), *SHAPE, 20, 30) + ph.place(ph.ink_of(DIGITS[0], 130), *SHAPE, 330, 200)
    assert "several separate shapes" in read(ph.on_paper(two).render()).doubt
    assert "hardly differs" in read(ph.on_paper(ink(3), 225, 192).render()).doubt
    cut = np.zeros(SHAPE)
    cut[200:, 150:210] = 1
    assert "cut off" in read(ph.on_paper(cut).render()).doubt
    assert read(ph.on_paper(ink(3)).render()).doubt == ""


def test_options_replace_the_automatic_choices() -> None:
    two = ph.place(ph.ink_of(DIGITS[3], 130), *SHAPE, 20, 30) + ph.place(ph.ink_of(DIGITS[0], 130), *SHAPE, 330, 200)
    picture = ph.on_paper(two).render()
    upper = read(picture, options=ReadingOptions(crop=(0, 0, 1, 0.5)))
    assert upper.doubt == ""
    assert upper.steps.paper_box == (0, 0, 240, 360)
    alone = read(picture[:240])
    assert correlation(upper.image, alone.image) > 0.99
    chalk = ph.on_paper(two, 50, 220).render()
    for content, inverted in ((picture, True), (chalk, False)):
        forced = read(content, options=ReadingOptions(inverted=inverted))
        assert forced.inverted == inverted == read(content).inverted
        assert (forced.image == read(content).image).all()
    few, many = (read(picture, options=ReadingOptions(threshold=value)).steps.ink.sum() for value in (0.9, 0.2))
    assert few < many


@pytest.mark.parametrize(
    "crop", [(0.5, 0, 0.5, 1), (0, 0.7, 1, 0.2), (-0.1, 0, 1, 1), (0, 0, 1.1, 1), (float("nan"), 0, 1, 1)]
)
def test_a_crop_without_pixels_is_refused(crop: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"^Crop: expected [^\n]*\.$"):
        ReadingOptions(crop=crop)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"^Threshold: expected [^\n]*\.$"):
        ReadingOptions(threshold=threshold)


@pytest.mark.parametrize("seed", range(5))
def test_paper_without_ink_is_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    empty = ph.shade(np.full((*SHAPE, 3), 225.0), ph.falling_light(SHAPE, 0.4, ph.DIRECTIONS[seed % 4]))
    with pytest.raises(DrawingError, match="stands out"):
        normalise(read_picture(ph.to_file(ph.to_image(ph.add_noise(empty, 4, rng)))))


def test_the_steps_can_be_shown() -> None:
    sheet = ph.on_desk(ph.on_paper(ink(3)).render(), 50, (90, 90, 90, 90), 0, np.random.default_rng(1))
    found = read(sheet)
    steps = illustrate(found)
    assert [name for name, _ in steps] == [
        "Picture, paper framed",
        "Paper, digit framed",
        "Ink",
        "Box of 20 x 20",
        "Centred by mass, 28 x 28",
    ]
    assert all(picture.dtype == np.uint8 and max(picture.shape) <= 240 for _, picture in steps)
    assert max(steps[3][1].shape) == 20
    assert steps[4][1].shape == (28, 28)
    top, left, bottom, right = found.steps.box
    assert found.steps.ink[top:bottom, left:right].sum() == found.steps.ink.sum()
    words = summarise(found.steps, found.inverted)
    assert words.startswith("Read as dark on light, from ")
    assert words.endswith("in a box of 20 x 20.")
