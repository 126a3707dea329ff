"""Figures: the numbers drawn are the numbers given, in the colours that mean the same everywhere."""

import base64
import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from numpy.typing import NDArray

from tempotron_core.figures import (
    Curves,
    CurvesInfo,
    RasterInfo,
    TuningInfo,
    VoltageInfo,
    accuracy_figure,
    digit_figure,
    loss_figure,
    pixel_of_click,
    raster_info,
    theme,
    traces_figure,
    tuning_figure,
    weight_maps,
)
from tempotron_core.figures.charts.training import downsample_minmax
from tempotron_core.model.classifier import pixel_spike_times, pixel_tuning

Array = NDArray[Any]
DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def equal_arrays(drawn: Any, wanted: Any) -> bool:
    """Whether a trace's numbers are those, exactly."""
    return np.array_equal(np.asarray(drawn), np.asarray(wanted))


def image(seed: int = 0, grey: float = 0.3) -> Array:
    """A random digit-like image: a share of its pixels above 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((28, 28)) < grey, rng.integers(1, 256, (28, 28)), 0).astype(np.uint8)


def times_of(pixels: Array, m: int, T: int) -> Array:
    return np.asarray(pixel_spike_times(torch.from_numpy(pixels)[None], m, T)[0].view(784, m).numpy())


def voltages(
    peaks: list[float],
    true: int | None = 0,
    chosen: int | None = None,
    T: int = 50,
    classes: tuple[str, ...] = DIGITS,
    threshold: float = 1.0,
) -> VoltageInfo:
    """Traces whose output i peaks at the given height at 3 + 2 i ms."""
    rng = np.random.default_rng(1)
    v = rng.uniform(-0.9, -0.5, (len(peaks), T)).astype(np.float32)
    t_max = np.array([(3 + 2 * i) % T for i in range(len(peaks))])
    v[np.arange(len(peaks)), t_max] = peaks
    return VoltageInfo(
        v,
        v.max(axis=1),
        v.argmax(axis=1),
        threshold,
        classes[: len(peaks)],
        true,
        None if chosen is None else (chosen,),
    )


def tuning(value: float = 0.4, m: int = 8, T: int = 100, beta: float = 1.5, points: int = 101) -> TuningInfo:
    code = pixel_tuning(m, beta)
    x, one = torch.linspace(0, 1, points).view(1, 1, -1), torch.tensor([[[value]]])
    return TuningInfo(
        x.view(-1).numpy(), code.response(x)[0, 0].numpy().astype(np.float32), value,
        code.response(one)[0, 0, 0].numpy(), code.encode(one, T)[0, 0, 0].numpy(), T,
    )  # fmt: skip


def tuning_with_times(time: list[float], T: int = 100) -> TuningInfo:
    """A tuning whose neurons spike at those times."""
    response = np.array([1 - t / T if t >= 0 else 0.0 for t in time])
    return TuningInfo(np.linspace(0, 1, 5), np.tile(response, (5, 1)), 0.25, response, np.array(time, np.float32), T)


def curves_info(points: int = 50, test: tuple[float, ...] = (0.5, 0.7, 0.8), total: int = 3) -> CurvesInfo:
    rng = np.random.default_rng(2)
    epochs = np.linspace(0, total, points + 1)[1:]
    return CurvesInfo(
        epochs, rng.uniform(0.1, 2, points), rng.uniform(0, 1, points),
        np.arange(1, len(test) + 1), np.array(test), total,
    )  # fmt: skip


def lines(figure: go.Figure) -> dict[str, Any]:
    """Line traces by name."""
    return {trace.name: trace for trace in figure.data if trace.type == "scatter" and trace.mode == "lines"}


def markers(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "markers"]


def words(figure: go.Figure) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


# Voltages


@pytest.mark.parametrize("classes", [DIGITS, CLOTHES])
def test_traces_are_the_potentials(classes: tuple[str, ...]) -> None:
    info = voltages([0.2, 1.5, 0.4, 0.9, 1.2], true=3, classes=classes)
    drawn = lines(traces_figure(info))
    assert set(drawn) == set(classes[:5])
    for i, name in enumerate(classes[:5]):
        assert equal_arrays(drawn[name].y, info.v[i]) and equal_arrays(drawn[name].x, np.arange(50))
        assert name in drawn[name].hovertemplate


def test_each_peak_is_marked_where_it_is() -> None:
    info = voltages([0.2, 1.5, 0.4, 0.9, 1.2], true=3)
    fired, silent = markers(traces_figure(info))
    assert fired.marker.symbol == "diamond" and silent.marker.symbol == "circle-open"
    assert equal_arrays(fired.x, info.t_max[[1, 4]]) and equal_arrays(fired.y, info.v_max[[1, 4]])
    assert equal_arrays(silent.x, info.t_max[[0, 2, 3]]) and equal_arrays(silent.y, info.v_max[[0, 2, 3]])
    assert all(float(info.v[i, info.t_max[i]]) == float(info.v_max[i]) for i in range(5))


def test_the_leading_peaks_are_named() -> None:
    figure = traces_figure(voltages([0.2, 1.5, 0.4, 0.9], true=3, classes=CLOTHES))
    assert "<b>Trouser</b> · 5 ms" in words(figure) and "<b>Dress</b> · 9 ms" in words(figure)
    assert not any("T-shirt/top" in text or "Pullover" in text for text in words(figure))


@pytest.mark.parametrize("threshold", [0.1, 1.0, 2.75])
def test_the_threshold_is_a_dashed_line_with_its_name(threshold: float) -> None:
    info = voltages([0.2, 1.5], threshold=threshold)
    (line,) = traces_figure(info).layout.shapes
    assert (line.y0, line.y1, line.line.dash) == (threshold, threshold, "dash")
    (label,) = [a for a in traces_figure(info).layout.annotations if a.text == "threshold"]
    assert label.y == threshold


def test_everything_drawn_lies_within_the_axes() -> None:
    for info in (voltages([0.2, 1.5]), voltages([-0.4, -0.3]), voltages([9.0, -3.0]), voltages([0.1], T=1)):
        low, high = traces_figure(info).layout.yaxis.range
        assert low < min(float(info.v.min()), 0) and high > max(float(info.v.max()), info.v_threshold)


@pytest.mark.parametrize("true", [None, 0, 1, 2])
@pytest.mark.parametrize("chosen", [None, 0, 1, 2])
def test_a_colour_means_the_same_on_traces_and_peaks(true: int | None, chosen: int | None) -> None:
    info = voltages([0.2, 1.5, 1.1, 0.4], true=true, chosen=chosen)
    read = theme.SELECTED if true is None else theme.PREDICTED
    wanted = [theme.TRUE if i == true else read if i == 1 else theme.MUTED for i in range(4)]
    figure = traces_figure(info)
    assert {name: trace.line.color for name, trace in lines(figure).items()} == {
        DIGITS[i]: wanted[i] for i in info.visible
    }
    for trace in markers(figure):
        assert list(trace.marker.color) == [wanted[(int(t) - 3) // 2] for t in trace.x]


def test_the_right_class_is_never_in_the_colour_of_the_wrong_one() -> None:
    figure = traces_figure(voltages([0.2, 1.5, 1.1], true=1))
    assert theme.PREDICTED not in figure.to_json()
    assert (
        len({theme.TRUE, theme.PREDICTED, theme.MUTED, theme.SPIKE, theme.SELECTED, theme.REFERENCE, theme.METRIC}) == 7
    )


def test_only_selected_outputs_are_drawn() -> None:
    info = voltages([0.2, 1.5, 0.4], true=1, chosen=2)
    figure = traces_figure(info)
    assert set(lines(figure)) == {"2"}
    assert set(lines(traces_figure(replace(info, shown=(0, 2))))) == {"0", "2"}
    assert [len(trace.x) for trace in markers(figure)] == [0, 1]
    low, high = figure.layout.yaxis.range
    assert low < float(info.v[2].min()) and 1.0 < high < 1.5


def test_the_true_class_is_drawn_over_the_others() -> None:
    figure = traces_figure(voltages([0.2, 1.5, 0.4, 0.3], true=2))
    assert [trace.name for trace in figure.data[2:4]] == ["1", "2"]
    assert figure.data[3].line.width > figure.data[0].line.width


@pytest.mark.parametrize(
    ("peaks", "true", "wanted"),
    [
        ([0.2, 1.5, 0.4], 1, "Correct: 1 peaks at 5 ms, lead 1.10."),
        ([0.2, 0.5, 0.4], 1, "Correct: 1 peaks below the threshold, lead 0.10."),
        ([0.2, 1.5, 0.4], 0, "Incorrect: 1 peaks at 5 ms; the true class 0 peaks 1.30 lower."),
        ([0.2, 0.5, 0.4], 2, "Incorrect: 1 peaks below the threshold; the true class 2 peaks 0.10 lower."),
        ([0.2, 1.5, 0.4], None, "Prediction: 1 peaks at 5 ms, lead 1.10."),
        ([1.5, 1.5, 0.4], 0, "Tie: 2 outputs share the highest peak, so no class is predicted."),
        ([0.0, 0.0, 0.0], 1, "Tie: 3 outputs share the highest peak, so no class is predicted."),
        ([1.0, 0.25], 0, "Correct: 0 peaks at 3 ms, lead 0.75."),
    ],
)
def test_prediction_text(peaks: list[float], true: int | None, wanted: str) -> None:
    info = voltages(peaks, true)
    assert info.prediction_text == wanted
    assert info.is_tie == wanted.startswith("Tie")


def test_prediction_text_with_class_names() -> None:
    assert voltages([1.5, 0.5], 1, classes=CLOTHES).prediction_text == (
        "Incorrect: T-shirt/top peaks at 3 ms; the true class Trouser peaks 1.00 lower."
    )


@pytest.mark.parametrize(
    ("peaks", "wanted"),
    [
        ([0.1, 0.2, 0.3], "No output reaches the threshold; the prediction depends only on the highest peak."),
        ([0.1, 1.0, 0.3], "Only Trouser reaches the threshold."),
        ([1.1, 0.2, 1.3], "2 of 3 outputs reach the threshold: T-shirt/top, Pullover."),
        ([1.1, 2.2, 1.3], "3 of 3 outputs reach the threshold: T-shirt/top, Trouser, Pullover."),
    ],
)
def test_who_fires(peaks: list[float], wanted: str) -> None:
    info = voltages(peaks, classes=CLOTHES)
    assert info.firing_text == wanted
    assert info.has_fired.tolist() == [peak >= 1 for peak in peaks]


def test_lead_of_one_output() -> None:
    assert voltages([0.5]).lead == 0.5
    assert voltages([0.5]).prediction_text == "Correct: 0 peaks below the threshold, lead 0.50."


# Tuning


def test_curves_are_the_responses() -> None:
    """Spiking and silent curves are a line each, with gaps between curves, drawn where they differ visibly from 0."""
    info = tuning()
    for name, colour, spiking in (("spiking curves", theme.SPIKE, True), ("silent curves", theme.MUTED, False)):
        drawn = lines(tuning_figure(info))[name]
        assert drawn.line.color == colour
        x, g, number = (np.asarray(values) for values in (drawn.x, drawn.y, drawn.customdata))
        assert np.array_equal(np.isnan(x), np.isnan(g))
        kept = ~np.isnan(g)
        assert set(number[kept]) == {j + 1 for j in range(8) if (info.time[j] >= 0) == spiking}
        at = np.searchsorted(info.x, x[kept] - 1e-6)
        assert equal_arrays(info.x[at].astype(np.float32), x[kept])
        assert equal_arrays(info.g[at, number[kept] - 1].astype(np.float32), g[kept])
        for j in set(number[kept]):
            assert (number[kept] == j).sum() >= (info.g[:, j - 1] > 1e-3).sum()
        assert all(np.isnan(g[np.flatnonzero(np.diff(number))]))


def test_spike_times_are_marked_at_the_value_on_their_own_axis() -> None:
    info = tuning()
    figure = tuning_figure(info)
    (spikes,) = markers(figure)
    assert spikes.yaxis == "y2"
    assert equal_arrays(spikes.y, info.time[info.time >= 0]) and np.all(np.asarray(spikes.x) == info.value)
    top, bottom = figure.layout.yaxis2.range, figure.layout.yaxis.range
    for j in (
        info.spiking_neurons
    ):  # both axes place a curve's crossing at the height of its spike time, but for the rounding
        on_left = (info.response[j] - bottom[0]) / (bottom[1] - bottom[0])
        on_right = (info.time[j] - top[0]) / (top[1] - top[0])
        assert on_left == pytest.approx(on_right, abs=0.51 / info.T)


def test_the_value_and_its_crossings_are_lines() -> None:
    info = tuning()
    value, *crossings = tuning_figure(info).layout.shapes
    assert (value.x0, value.x1, value.line.color) == (info.value, info.value, theme.SELECTED)
    assert [line.y0 for line in crossings] == [float(info.response[j]) for j in info.spiking_neurons]
    assert all(line.y0 == line.y1 and (line.x0, line.x1) == (info.value, 1) for line in crossings)


def test_labels_of_times_do_not_overlap_and_the_strongest_has_one() -> None:
    info = tuning(m=64, value=0.5)
    labels = tuning_figure(info).layout.annotations
    heights = sorted(label.y for label in labels)
    assert all(b - a >= 0.06 for a, b in pairwise(heights))
    assert f"<b>{int(info.time[info.spiking_neurons].min())} ms</b>" in words(tuning_figure(info))


@pytest.mark.parametrize(
    ("time", "takeaway", "silence"),
    [
        (
            [-1, -1, -1],
            "At x = 0.25 no neuron spikes: every response is too small for a spike before 100 ms.",
            "1–3",
        ),
        ([-1, 40, -1, 7, -1, -1], "At x = 0.25, 2 of 6 neurons spike, the first at 7 ms; silent: 4.", "1, 3, 5–6"),
        ([0, 99, -1], "At x = 0.25, 2 of 3 neurons spike, the first at 0 ms", "3"),
        ([5, 6, 7], "At x = 0.25, 3 of 3 neurons spike, the first at 5 ms", None),
    ],
)
def test_tuning_in_words(time: list[float], takeaway: str, silence: str | None) -> None:
    info = tuning_with_times(time)
    assert info.takeaway.startswith(takeaway)
    if silence is None:
        assert info.silence_text == "No neuron is silent at this value."
    else:
        assert info.silence_text.startswith(f"Silent neurons: {silence}. Their response is at most 0.005,")
        assert "rounds to 100 ms" in info.silence_text


def test_one_curve_that_fires_is_told_in_grammar() -> None:
    assert tuning_with_times([-1, 40, -1]).takeaway.startswith(
        "At x = 0.25, 1 of 3 neurons spikes, the first at 40 ms;"
    )


@pytest.mark.parametrize("T", [10, 100, 600])
def test_silent_curves_respond_no_more_than_is_said(T: int) -> None:
    for value in np.linspace(0, 1, 21):
        info = tuning(float(value), 16, T)
        assert info.spiking_neurons == [j for j in range(16) if info.response[j] > 0.5 / T]


# Rasters


def reference_raster_info(times: Array, pixels: Array, T: int, columns: int) -> RasterInfo:
    """raster_info, spike by spike."""
    step = 1
    while math.ceil(T / step) > columns:
        step += 1
    width = math.ceil(T / step)
    ink, black = np.zeros((784, width), int), np.zeros((784, width), int)
    ink_t, black_t = np.zeros(T, int), np.zeros(T, int)
    for i, value in enumerate(pixels.reshape(-1)):
        for t in times[i]:
            if t >= 0:
                grid, histogram = (ink, ink_t) if value else (black, black_t)
                grid[i, int(t) // step] += 1
                histogram[int(t)] += 1
    return RasterInfo(ink, black, ink_t, black_t, times.size, T, step)


@pytest.mark.parametrize(
    ("m", "T", "columns"), [(4, 100, 200), (3, 1, 200), (5, 600, 200), (4, 201, 200), (4, 7, 3), (64, 20, 4)]
)
def test_raster_counts_as_a_loop_does(m: int, T: int, columns: int) -> None:
    pixels = image()
    times = times_of(pixels, m, T)
    info, slow = raster_info(times, pixels, T, columns), reference_raster_info(times, pixels, T, columns)
    for name in ("foreground", "background", "foreground_histogram", "background_histogram"):
        assert equal_arrays(getattr(info, name), getattr(slow, name)), name
    assert (info.step, info.T, info.afferents) == (slow.step, T, 784 * m)
    assert info.foreground.shape[1] <= columns
    assert info.spikes == int((times >= 0).sum()) == int(info.foreground.sum()) + int(info.background.sum())


def test_raster_without_spikes() -> None:
    info = raster_info(np.full((784, 4), -1.0), image(), 100)
    assert info.spikes == 0 and info.takeaway == "None of the 3,136 afferents spike."
    assert not info.foreground.any() and not info.background.any()


def test_raster_in_words() -> None:
    times = np.full((784, 2), -1.0)
    times[:6, 0] = 3
    pixels = np.zeros((28, 28), np.uint8)
    pixels[0, :3] = 200
    assert raster_info(times, pixels, 10).takeaway == (
        "6 of 1,568 afferents spike (0%); 50% of the spikes come from black pixels."
    )


# Learning


def test_learning_curves_are_the_points() -> None:
    info = curves_info()
    train, test = accuracy_figure(info).data
    assert equal_arrays(train.x, info.epochs) and equal_arrays(train.y, 100 * info.train)
    assert equal_arrays(test.x, info.test_epochs) and equal_arrays(test.y, 100 * info.test)
    (loss,) = loss_figure(info).data
    assert equal_arrays(loss.x, info.epochs) and equal_arrays(loss.y, info.loss)
    assert tuple(loss_figure(info).layout.xaxis.range) == (0, 3)
    assert train.line.color == theme.MUTED and test.line.color == loss.line.color == theme.METRIC


def test_no_points_make_an_empty_figure_that_says_so() -> None:
    nothing = np.array([])
    info = CurvesInfo(nothing, nothing, nothing, nothing, nothing, 3)
    assert info.takeaway == "No training steps yet."
    for figure, text in ((accuracy_figure(info), "Accuracy"), (loss_figure(info), "loss")):
        assert len(figure.data) == 0 and not figure.layout.xaxis.visible
        assert text in words(figure)[0] and words(figure)[0].endswith("will appear here")


@pytest.mark.parametrize("count", [1, 2, 399, 400, 401, 599, 12_345])
def test_long_curves_are_thinned_to_400_points_their_extremes_among_them(count: int) -> None:
    info = curves_info(count, tuple(np.random.default_rng(count).uniform(size=count)))
    whole = {0: (info.epochs, info.train), 1: (info.test_epochs, info.test), 2: (info.epochs, info.loss)}
    traces = (*accuracy_figure(info).data, *loss_figure(info).data)
    for place, (epochs, values) in whole.items():
        kept, drawn = downsample_minmax(values), traces[place]
        assert min(count, 200) <= len(kept) <= min(count, 400) and kept[0] == 0 and kept[-1] == count - 1
        assert np.all(np.diff(kept) > 0)
        assert equal_arrays(drawn.x, epochs[kept]) and equal_arrays(drawn.y, values[kept] * (1 if place == 2 else 100))
        stretch = -(-count // 199) if count > 400 else 1
        for start in range(0, count, stretch):
            part = values[start : start + stretch]
            assert {float(part.min()), float(part.max())} <= set(values[kept].tolist())
    assert len(downsample_minmax(np.zeros(0))) == 0


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        ((), "No test accuracy yet: the first epoch is not complete."),
        ((0.5,), "Test accuracy 50.0% after 1 epoch."),
        ((0.5, 0.625), "Test accuracy 62.5% after 2 epochs, +12.5 points since the first."),
        ((0.5, 0.9, 0.75), "Test accuracy 75.0% after 3 epochs, best 90.0% after epoch 2."),
        ((0.5, 0.5), "Test accuracy 50.0% after 2 epochs, best 50.0% after epoch 1."),
    ],
)
def test_learning_in_words(test: tuple[float, ...], wanted: str) -> None:
    assert curves_info(test=test).takeaway == wanted


def test_weight_maps_as_a_loop_makes_them() -> None:
    m, weight = 3, np.random.default_rng(4).normal(size=(4, 784 * 3)).astype(np.float32)
    summed, second = weight_maps(weight, m), weight_maps(weight, m, 1)
    assert summed.shape == second.shape == (4, 28, 28)
    for c in range(4):
        for row in range(28):
            for column in range(28):
                first = (row * 28 + column) * m
                assert summed[c, row, column] == pytest.approx(weight[c, first : first + m].sum(), abs=1e-5)
                assert second[c, row, column] == weight[c, first + 1]


# The digit


def test_the_digit_is_the_image_and_its_pixel_is_framed() -> None:
    pixels = image()
    figure = digit_figure(pixels, 5 * 28 + 20)
    assert equal_arrays(figure.data[0].z, pixels) and (figure.data[0].zmin, figure.data[0].zmax) == (0, 255)
    (frame,) = figure.layout.shapes
    assert ((frame.x0 + frame.x1) / 2, (frame.y0 + frame.y1) / 2) == pytest.approx((21, 6))  # counted from 1
    assert (figure.data[0].x[0], figure.data[0].x[-1], figure.data[0].y[0]) == (1, 28, 1)
    assert frame.line.color == theme.SELECTED
    assert len(digit_figure(pixels).layout.shapes) == 0 and len(digit_figure(pixels).data) == 1


def test_every_pixel_can_be_clicked() -> None:
    assert [pixel_of_click(pixel) for pixel in range(784)] == list(range(784))
    assert pixel_of_click(431.0) == 431


@pytest.mark.parametrize("pixel", [None, -1, 784, 1.5, math.nan, math.inf, -math.inf, 1e300, "4", [1], {}])
def test_a_click_off_the_image_is_none(pixel: object) -> None:
    assert pixel_of_click(pixel) is None


# What is sent to the browser

M, T = 64, 600


LARGEST: dict[str, Callable[[], go.Figure]] = {
    "digit": lambda: digit_figure(image(), 431),
    "tuning": lambda: tuning_figure(tuning(0.5, M, T, 0.5, points=201)),
    "traces": lambda: traces_figure(voltages([0.1 * i for i in range(10)], T=T, classes=CLOTHES)),
    "accuracy": lambda: accuracy_figure(curves_info(20_000, tuple(np.linspace(0, 1, 100)), 100)),
    "loss": lambda: loss_figure(curves_info(20_000, total=100)),
}


def numbers_in(node: Any) -> list[float]:
    """All numbers of a decoded figure, those of packed arrays among them, but for the gaps in these."""
    if isinstance(node, dict):
        if {"dtype", "bdata"} <= set(node):
            values = np.frombuffer(base64.b64decode(node["bdata"]), np.dtype(node["dtype"])).astype(float)
            return list(values[~np.isnan(values)])
        return [number for value in node.values() for number in numbers_in(value)]
    if isinstance(node, list):
        return [number for value in node for number in numbers_in(value)]
    assert node is not None, "a number was lost"
    return [float(node)] if isinstance(node, int | float) else []


def check_finite_json(figure: go.Figure) -> None:
    """The figure becomes JSON that every browser can read, with finite numbers only."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    sent = json.loads(figure.to_json(), parse_constant=refuse)
    assert np.isfinite(numbers_in(sent["data"])).all()
    assert np.isfinite(numbers_in({k: v for k, v in sent["layout"].items() if k != "template"})).all()


@pytest.mark.parametrize("name", LARGEST)
def test_the_largest_figures_are_small_and_finite(name: str) -> None:
    figure = LARGEST[name]()
    assert len(figure.to_json()) < 300_000
    check_finite_json(figure)
    assert figure.layout.uirevision == "fixed"


def test_what_a_live_training_page_sends_is_light() -> None:
    # Plotly's own template counts not: a page sends its theme's instead.
    figures = [LARGEST[name]().update_layout(template="none") for name in ("accuracy", "loss")]
    assert sum(len(figure.to_json()) for figure in figures) < 30_000


def test_small_figures_are_finite() -> None:
    nothing = np.array([])
    empty = CurvesInfo(nothing, nothing, nothing, nothing, nothing, 1)
    for figure in (
        accuracy_figure(empty), loss_figure(empty), accuracy_figure(curves_info(1, ())),
        loss_figure(curves_info(1, ())),
        tuning_figure(tuning_with_times([-1, -1, -1])), tuning_figure(tuning_with_times([0, 0, 0], T=1)),
        traces_figure(voltages([0.0, 0.0], T=1)),
        traces_figure(voltages([-0.2, -0.1], true=None)),
    ):  # fmt: skip
        check_finite_json(figure)


def test_crossings_are_marked_and_shunting_is_dotted() -> None:
    info = voltages([0.2, 1.5, 1.2], true=2)
    t = np.linspace(0, 50, 201)
    exact = np.stack([np.interp(t, np.arange(50), row) for row in info.v])
    free = exact.copy()
    free[1] += t > 10
    crossings = np.array([[-1.0], [4.25], [6.5]])
    info = replace(info, t_spike=crossings, curves=Curves(t, exact, free), is_exact=True)
    figure = traces_figure(info, zoom=True)
    (marks,) = [trace for trace in markers(figure) if trace.marker.symbol == "triangle-up"]
    assert list(marks.x) == [4.25, 6.5] and set(marks.y) == {1.0}
    drawn = lines(figure)
    assert drawn["1"].line.dash == "14px,3px" and drawn["1, without shunting"].line.dash == "dot"
    assert "0, without shunting" not in drawn and equal_arrays(drawn["1, without shunting"].y, free[1])
    assert equal_arrays(drawn["2"].y, exact[2]) and equal_arrays(drawn["2"].x, t)
    assert tuple(figure.layout.xaxis.range) == (-0.5, 50.5) and figure.layout.yaxis.fixedrange
    assert info.firing_text == "2 of 3 outputs cross the threshold: 1 at 4.25 ms, 2 at 6.50 ms."


def test_a_pinned_experiment_is_drawn_for_the_highlighted_classes_of_both() -> None:
    info, pinned = voltages([0.2, 1.5, 0.4], true=2), voltages([1.8, 0.1, 0.3], true=2)
    drawn = lines(traces_figure(info, ghost=pinned))
    assert {name for name in drawn if name.endswith(", pinned")} == {"0, pinned", "1, pinned", "2, pinned"}
    assert equal_arrays(drawn["0, pinned"].y, pinned.v[0])
    assert traces_figure(info, ghost=pinned).layout.yaxis.range[1] > 1.8
