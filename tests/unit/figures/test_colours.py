"""Colours: legible on light and dark pages, and distinguishable with colour-vision deficiencies or by a second cue."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tempotron_core import figures
from tempotron_core.figures import theme
from tempotron_core.figures.charts.evaluation import EvaluationInfo, confusion_figure, histogram_figure
from tempotron_core.figures.charts.run_comparison import ComparisonInfo, comparison_figure
from tempotron_core.figures.charts.voltage_info import VoltageInfo
from tempotron_core.figures.charts.voltages import traces_figure

WHITE, DARK, SIDE_LIGHT, SIDE_DARK = "#ffffff", "#171614", "#f8f8f7", "#201f1b"
MEANINGS = {
    name: getattr(theme, name)
    for name in ("TRUE", "PREDICTED", "MUTED", "SPIKE", "SELECTED", "REFERENCE", "METRIC", "POSITIVE", "NEGATIVE")
}
# Machado, Oliveira, Fernandes: A physiologically-based model for simulation of color vision deficiency, 2009; at
# severity 1.
VISION = {
    "full": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
    "grey": np.tile([0.2126, 0.7152, 0.0722], (3, 1)),
}
MIN_COLOUR_DISTANCE = 10.0
"""CIE76 distance from which two colours in one figure are easily distinguished; 2.3 is just noticeable."""


def linear(colour: str) -> np.ndarray:
    part = np.array(list(bytes.fromhex(colour[1:]))) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, vision: str = "full") -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as it is seen."""
    seen = (VISION[vision] @ linear(colour)).clip(0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    f = np.cbrt(xyz / [0.95047, 1, 1.08883])
    f = np.where(f**3 > 0.008856, f, 7.787 * f**3 + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, other: str, vision: str) -> float:
    return float(np.linalg.norm(lab(one, vision) - lab(other, vision)))


def blend(colour: str, share: float, page: str) -> str:
    parts = zip(bytes.fromhex(colour[1:]), bytes.fromhex(page[1:]), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def test_the_measures_are_the_known_ones() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert lab("#ff0000") == pytest.approx([53.24, 80.09, 67.20], abs=0.1)
    assert distance("#ff0000", "#00aa00", "full") > 3 * distance("#d00000", "#6b6b00", "deutan")
    assert lab("#3a7bd5", "grey")[1:] == pytest.approx([0, 0], abs=0.1)


@pytest.mark.parametrize("name", MEANINGS)
def test_lines_and_marks_are_seen_on_either_page(name: str) -> None:
    assert contrast(MEANINGS[name], WHITE) >= 3
    assert contrast(MEANINGS[name], DARK) >= 3


@pytest.mark.parametrize("name", [name for name in MEANINGS if name != "MUTED"])
def test_words_are_read_on_either_page(name: str) -> None:
    assert contrast(MEANINGS[name], WHITE) >= 4.5
    assert contrast(theme.DARK_VARIANT[MEANINGS[name]], DARK) >= 4.5
    assert contrast(theme.DARK_VARIANT[MEANINGS[name]], SIDE_DARK) >= 4.5
    assert theme.css_text_colour(MEANINGS[name]) == f"light-dark({MEANINGS[name]},{theme.DARK_VARIANT[MEANINGS[name]]})"


def test_what_is_muted_is_written_in_the_colour_of_the_page() -> None:
    assert theme.css_text_colour(theme.MUTED) == "inherit"


def test_the_theme_s_colours_are_read() -> None:
    theme = tomllib.loads((Path(__file__).parents[3] / ".streamlit/config.toml").read_text())["theme"]
    for mode, pages in (("light", (WHITE, SIDE_LIGHT)), ("dark", (DARK, SIDE_DARK))):
        for page in pages:
            for name in ("blueTextColor", "orangeTextColor"):
                # Headlines: large words need 3:1; these have the 4.5:1 of small ones on the page itself.
                assert contrast(theme[mode][name], page) >= (4.5 if page in (WHITE, DARK) else 3), (mode, name)


# Pairs that occur in one figure and differ by colour alone.
@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(
    ("one", "other"),
    [("TRUE", "MUTED"), ("PREDICTED", "MUTED"), ("SPIKE", "MUTED"), ("METRIC", "MUTED"), ("SELECTED", "MUTED")],
)
def test_accents_stand_out_from_what_is_muted_for_everyone(one: str, other: str, vision: str) -> None:
    assert distance(MEANINGS[one], MEANINGS[other], vision) >= MIN_COLOUR_DISTANCE


@pytest.mark.parametrize("vision", [name for name in VISION if name != "grey"])
@pytest.mark.parametrize(("one", "other"), [("TRUE", "PREDICTED"), ("POSITIVE", "NEGATIVE"), ("SPIKE", "SELECTED")])
def test_pairs_of_accents_differ_in_every_colour_vision(one: str, other: str, vision: str) -> None:
    assert distance(MEANINGS[one], MEANINGS[other], vision) >= MIN_COLOUR_DISTANCE


def test_without_any_hue_a_second_cue_tells_the_wrong_class_from_the_true_one() -> None:
    info = VoltageInfo(
        np.array([[0.0, 2.0], [0.0, 1.5], [0.0, 0.1]]), np.array([2.0, 1.5, 0.1]), np.array([1, 1, 1]), 1.0,
        ("a", "b", "c"), 1,
    )  # fmt: skip
    drawn = traces_figure(info)
    dashes = {trace.name: trace.line.dash for trace in drawn.data if trace.mode == "lines"}
    assert dashes == {"a": "14px,3px", "b": "solid", "c": "solid"}
    assert {label.text.split("<")[1] for label in drawn.layout.annotations if "<b>" in label.text} == {"b>a", "b>b"}
    right, wrong = histogram_figure(np.arange(4.0), np.arange(4) > 1, "margin", ("right", "wrong")).data
    assert right.marker.pattern.shape is None
    assert wrong.marker.pattern.shape == "/" and wrong.marker.pattern.bgcolor == theme.PREDICTED


@pytest.mark.parametrize("vision", VISION)
def test_the_sign_of_a_map_is_seen_in_every_vision(vision: str) -> None:
    """Brighter all the way from against to for, both ends far from the middle and further from each other."""
    stops = [lab(colour, vision) for _, colour in theme.DIVERGING]
    steps = np.diff([stop[0] for stop in stops])
    assert (steps > 5).all()
    assert np.linalg.norm(stops[0] - stops[2]) > 2 * MIN_COLOUR_DISTANCE
    assert np.linalg.norm(stops[4] - stops[2]) > 1.5 * MIN_COLOUR_DISTANCE
    assert stops[4][0] - stops[0][0] > 50


@pytest.mark.parametrize("vision", VISION)
def test_runs_on_top_of_each_other_differ_in_colour_or_in_dash_and_symbol(vision: str) -> None:
    one = np.array([0.5, 0.6])
    names = tuple("abcdefgh")
    drawn = comparison_figure(ComparisonInfo(names, (one,) * 8, (one,) * 8))
    looks = [(t.line.color, t.line.dash, t.marker.symbol) for t in drawn.data if t.mode == "lines+markers"]
    assert len({(dash, symbol) for _, dash, symbol in looks}) == 8
    assert len({dash for _, dash, _ in looks[: len(figures.REGIMES)]}) == len(figures.REGIMES)
    for colour, _, _ in looks:
        assert contrast(colour, WHITE) >= 3 and contrast(colour, DARK) >= 3
    for (one_colour, one_dash, _), (other_colour, other_dash, _) in itertools.combinations(looks, 2):
        if one_dash == other_dash and vision != "grey":
            assert distance(one_colour, other_colour, vision) >= MIN_COLOUR_DISTANCE


def test_numbers_are_read_on_every_cell_of_the_confusion_matrix() -> None:
    confusion = np.array([[5, 90], [1, 7]])
    drawn = confusion_figure(EvaluationInfo(confusion, ("a", "b"), 0.1, (0.0, 0.2)))
    (cells,) = [trace for trace in drawn.data if trace.type == "heatmap"]
    assert cells.colorscale[-1][1] == "rgba(232,89,12,0.5)"
    for page, words in ((WHITE, "#31333f"), (DARK, "#f0efec")):
        assert contrast(blend("#e8590c", 0.5, page), words) >= 4.5
