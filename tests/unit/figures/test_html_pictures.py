"""Pictures as markup: their pixels are the numbers given, and nothing in a name becomes markup."""

import base64
import io
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tempotron_core.figures import (
    SharedAxis,
    VoltageInfo,
    digit_html,
    histogram_html,
    kernel_html,
    peaks_html,
    pixel_raster_html,
    raster_html,
    raster_info,
    theme,
    weights_html,
)
from tempotron_core.model.classifier import pixel_spike_times

Bytes = NDArray[np.uint8]


class Markup(HTMLParser):
    """All tags with their attributes, and all words, of well-formed markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def pixels_of(markup: str) -> Bytes:
    """The image in it, [rows, columns] or [rows, columns, 4]."""
    (source,) = [attributes["src"] for tag, attributes in Markup(markup).tags if tag == "img"]
    assert source is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,")))))


def is_colour(pixels: Bytes, colour: str) -> NDArray[np.bool_]:
    wanted = (*bytes.fromhex(colour[1:]), 255)
    return np.asarray((pixels == wanted).all(axis=-1))


def image(seed: int = 0) -> Bytes:
    """A random digit-like image: a share of its pixels above 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((28, 28)) < 0.3, rng.integers(1, 256, (28, 28)), 0).astype(np.uint8)


def times_of(pixels: Bytes, m: int, T: int) -> NDArray[np.float32]:
    return np.asarray(pixel_spike_times(torch.from_numpy(pixels)[None], m, T)[0].view(784, m).numpy())


def voltages(
    peaks: list[float], true: int | None = 0, threshold: float = 1.0, names: str = "0123456789"
) -> VoltageInfo:
    v_max = np.array(peaks, np.float32)
    return VoltageInfo(v_max[:, None], v_max, np.zeros(len(peaks)), threshold, tuple(names[: len(peaks)]), true)


def test_a_digit_is_its_pixels() -> None:
    pixels = image(2)
    assert np.array_equal(pixels_of(digit_html(pixels, "The digit 2")), pixels)


@pytest.mark.parametrize(("m", "height"), [(4, 400), (4, 1960), (64, 230), (64, 100)])
def test_the_raster_shows_every_cell_with_a_spike(m: int, height: int) -> None:
    digit = image(3)
    info = raster_info(times_of(digit, m, 100), digit, 100)
    drawn = pixels_of(raster_html(info, height))
    assert drawn.shape == (784, 100, 4)
    together = max(1, round(2.5 * 784 / height))
    for start in range(0, 784, together):
        rows = slice(start, start + together)
        ink, black = (grid[rows].astype(int).sum(axis=0) > 0 for grid in (info.foreground, info.background))
        assert np.array_equal(is_colour(drawn[rows], theme.SPIKE), np.broadcast_to(ink, drawn[rows].shape[:2]))
        assert np.array_equal(is_colour(drawn[rows], theme.MUTED), np.broadcast_to(black & ~ink, drawn[rows].shape[:2]))
    assert set(np.unique(drawn[..., 3])) <= {0, 255}


def test_full_groups_of_rows_do_not_wrap_around() -> None:
    # 8 rows of 64 spikes in one column are 512, which is 0 in 8 bits.
    info = raster_info(np.zeros((784, 64)), np.full((28, 28), 9, np.uint8), 10)
    drawn = is_colour(pixels_of(raster_html(info, 245)), theme.SPIKE)
    assert drawn[:, 0].all() and not drawn[:, 1:].any()


def test_a_raster_without_spikes_is_empty() -> None:
    info = raster_info(np.full((784, 4), -1.0), image(), 100)
    assert not pixels_of(raster_html(info))[..., 3].any()
    assert not pixels_of(histogram_html(info))[..., 3].any()


def test_histogram_columns_are_the_counts() -> None:
    digit, height = image(), 200
    info = raster_info(times_of(digit, 4, 100), digit, 100)
    markup = histogram_html(info, height)
    drawn = pixels_of(markup)
    words = [word.replace(",", "") for word in Markup(markup).words]
    top = max(int(word) for word in words if word.isdigit() and int(word) > 100)
    for colour, counts in ((theme.MUTED, info.background_histogram), (theme.SPIKE, info.foreground_histogram)):
        assert np.all(np.abs(is_colour(drawn, colour).sum(axis=0) - counts / top * height) <= 1)
    assert top >= int((info.background_histogram + info.foreground_histogram).max())


@pytest.mark.parametrize("T", [1, 100, 600])
def test_a_pixels_raster_holds_each_neuron_once(T: int) -> None:
    time = np.array([-1, 0.4 * T // 1, 0, -1, T - 1], np.float32)
    drawn = is_colour(pixels_of(pixel_raster_html(time, T, "five neurons")), theme.SPIKE)
    rows: NDArray[np.bool_] = np.logical_or.reduce(drawn.reshape(5, -1, drawn.shape[1]), axis=1)
    assert rows.any(axis=1).tolist() == [False, True, True, False, True]
    for j in (1, 2, 4):
        middle = (np.flatnonzero(rows[j]).mean() + 0.5) / drawn.shape[1] * T
        assert middle == pytest.approx(time[j] + 0.5, abs=T / 45)


def test_ticks_stand_in_the_middle_of_their_millisecond() -> None:
    markup = raster_html(raster_info(np.full((784, 4), -1.0), image(), 50))
    ticks = dict(re.findall(r"left:([\d.]+)%;transform:translateX\(-50%\)\">(\d+)<", markup))
    assert {words: float(at) for at, words in ticks.items()} == {str(t): 2 * t + 1 for t in range(0, 50, 10)}


def test_bars_are_the_peaks_in_their_colours() -> None:
    info = voltages([0.2, 1.5, -0.5], true=0)
    markup = peaks_html(info)
    bars = re.findall(r"left:([-\d.]+)%;width:([\d.]+)%;background:(#\w+)", markup)
    span = 1.5 + 0.5
    for (left, width, colour), peak, wanted in zip(
        bars, (0.2, 1.5, -0.5), (theme.TRUE, theme.PREDICTED, theme.MUTED), strict=True
    ):
        assert float(width) == pytest.approx(100 * abs(peak) / span, abs=0.01)
        assert float(left) == pytest.approx(100 * (min(peak, 0) + 0.5) / span, abs=0.01)
        assert colour == wanted
    dashes = {float(at) for at in re.findall(r"left:([\d.]+)%;top:0;bottom:0;border-left:2.5px dashed", markup)}
    assert dashes == {round(100 * 1.5 / span, 2)}
    words = Markup(markup).words
    assert [word for word in words if "." in word] == ["0.20", "1.50", "-0.50"]
    assert "threshold" in words and "peak potential" in words


def test_the_right_class_is_never_in_the_colour_of_the_wrong_one() -> None:
    assert theme.PREDICTED not in peaks_html(voltages([0.2, 1.5, 1.1], true=1))


@pytest.mark.parametrize("peaks", [[0.0, 0.0], [-0.2, -0.1], [5.0], [1e-9, -1e9]])
def test_bars_of_any_peaks_lie_inside(peaks: list[float]) -> None:
    markup = peaks_html(voltages(peaks, true=None))
    for left, width in re.findall(r"left:([-\d.]+)%;width:([\d.]+)%", markup):
        assert float(left) >= -0.01 and float(left) + float(width) <= 100.02


def test_names_from_data_stay_text() -> None:
    bad = '"><script>alert(1)</script>'
    info = VoltageInfo(np.ones((2, 1)), np.array([1.5, 0.2]), np.zeros(2), 1.0, (bad, "b"), 0)
    for markup in (peaks_html(info), digit_html(image(), bad), pixel_raster_html(np.zeros(3), 9, bad)):
        parsed = Markup(markup)
        assert {tag for tag, _ in parsed.tags} <= {"div", "span", "img"}
        assert any(bad in str(value) for _, attributes in parsed.tags for value in attributes.values())


def test_every_plate_says_what_it_shows() -> None:
    digit = image()
    info = raster_info(times_of(digit, 4, 100), digit, 100)
    for markup, wanted in (
        (digit_html(digit, "The digit 3"), "The digit 3"),
        (raster_html(info), info.takeaway),
        (histogram_html(info), info.takeaway),
        (pixel_raster_html(np.zeros(3), 9, "three neurons"), "three neurons"),
        (peaks_html(voltages([0.2, 1.5])), voltages([0.2, 1.5]).prediction_text),
    ):
        said = [attributes.get("aria-label") or attributes.get("alt") for _, attributes in Markup(markup).tags]
        assert any(wanted in (words or "") for words in said)
        assert len(markup) < 60_000


def maps_in(markup: str) -> list[Bytes]:
    sources = [attributes["src"] or "" for tag, attributes in Markup(markup).tags if tag == "img"]
    files = [io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,"))) for source in sources]
    return [np.asarray(Image.open(file).convert("RGB")).astype(np.uint8) for file in files]


@pytest.mark.parametrize("sign", [1, -1])
def test_weights_are_drawn_on_one_symmetric_scale(sign: int) -> None:
    maps = np.random.default_rng(5).normal(size=(3, 28, 28))
    maps[2, 4, 5] = sign * 12.5
    markup = weights_html(maps, ("<shirt>", "b", "c"), "three maps")
    drawn = maps_in(markup)
    assert tuple(drawn[2][4, 5]) == tuple(bytes.fromhex(theme.DIVERGING[-1 if sign > 0 else 0][1][1:]))
    for cells, shades in zip(maps, drawn, strict=True):
        red, green = shades[..., 0].astype(int), shades[..., 1].astype(int)
        assert (green >= red)[cells > 0.2].all() and (red >= green)[cells < -0.2].all()
    words = Markup(markup).words
    assert words[:3] == ["<shirt>", "b", "c"]
    assert words[3:6] == ["-12", "0", "+12"]
    assert len(weights_html(np.random.default_rng(5).normal(size=(10, 28, 28)), ("x",) * 10, "")) < 30_000


def test_weights_that_are_all_zero_are_neither_bright_nor_dark() -> None:
    (drawn,) = maps_in(weights_html(np.zeros((1, 28, 28)), ("0",), "one map"))
    assert (drawn == bytes.fromhex(theme.DIVERGING[2][1][1:])[0]).all()


def test_a_raster_tells_the_spikes_of_each_cell() -> None:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[3, 4] = 200
    times = np.full((784, 2), -1.0)
    times[:, 0] = 25
    times[3 * 28 + 4] = (7, 9)
    axis = SharedAxis((-0.5, 99.5), (-0.5, 99.5), (74, 12))
    markup = raster_html(raster_info(times, pixels, 100), 150, axis=axis, tooltips=True)
    (found,) = re.findall(r"data-tooltip='([^']*)'", markup)
    data = json.loads(unescape(found))
    above, black = (np.frombuffer(base64.b64decode(part), "<u2").reshape(-1, 100) for part in data["raster"])
    line = (3 * 28 + 4) // data["perLine"]
    assert above.sum() == 2 and above[line, 7] == above[line, 9] == 1
    assert black.sum() == 783 and black[:, 25].sum() == 783 and black[line, 25] == data["perLine"] - 1
    assert data["rows"] * data["perLine"] == data["pixels"] == 784
    assert (data["feature"], data["start"]) == ("image row", 1)
    assert "left:0.0000%;width:100.0000%" in markup
    zoomed = SharedAxis((24.5, 49.5), (-0.5, 99.5), (74, 12))
    assert (zoomed.fraction(24.5), zoomed.fraction(49.5), zoomed.width) == (0, 1, 4)


def test_the_kernel_is_drawn_as_computed() -> None:
    s = np.linspace(0, 40, 81)
    kernel = np.exp(-s / 15) - np.exp(-s / 4)
    (source,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', kernel_html(s, kernel, 7.2, height=50))
    (points,) = re.findall(r'<polyline points="([^"]*)"', base64.b64decode(source).decode())
    x, y = np.array([[float(part) for part in point.split(",")] for point in points.split()]).T
    assert np.allclose(x, s / 40 * 200, atol=0.06)
    assert np.allclose((50 - 1 - y) / (50 - 1 - y).max(), kernel / kernel.max(), atol=0.01)
