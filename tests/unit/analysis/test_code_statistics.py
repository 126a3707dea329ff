"""What the code keeps and loses, against slow loops; that advice is true and that following it helps."""

from __future__ import annotations

import itertools
import math
import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from helpers import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from tempotron_core import figures
from tempotron_core.analysis.code_advice import (
    Advice,
    Candidate,
    advise,
    best_improvement,
    describe_changes,
    evaluate_candidate,
    neighbours,
    redundant_curves,
    smallest_equivalent,
)
from tempotron_core.analysis.code_statistics import (
    LEVELS,
    MAX_IMAGES,
    PopulationCode,
    ValueCounts,
    count_values,
    curve_information,
    mutual_information,
    pixel_information,
)
from tempotron_core.data import datasets

DIGITS = datasets.load().train
RISE = reference.peak_delay(15.0, 3.75)
FEW = count_values(DIGITS, 10, 300)
MANY = count_values(DIGITS, 10, 2000)
EXTREMES = [(3, 10, 0.5), (3, 600, 4.0), (3, 50, 4.0), (16, 100, 1.5), (64, 10, 4.0), (64, 600, 0.5), (20, 70, 2.3)]


def code_of(m: int, T: int, beta: float, rise: float = RISE, histogram: np.ndarray | None = None) -> PopulationCode:
    return PopulationCode(m, T, beta, rise, MANY.histogram if histogram is None else histogram)


def split_of(images: np.ndarray, labels: list[int]) -> datasets.Split:
    return datasets.Split(torch.from_numpy(images.astype(np.uint8)), torch.tensor(labels))


def noise(count: int, classes: int, seed: int, step: int = 40) -> datasets.Split:
    """Images of few values, so that symbols repeat; the first class is darker."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    images = rng.integers(0, 256 // step, (count, 28, 28)) * step // (1 + (labels == 0))[:, None, None]
    images[:, 0] = 7
    return split_of(images, labels.tolist())


@pytest.mark.parametrize(("m", "T", "beta"), EXTREMES)
@pytest.mark.parametrize("tau", [(15.0, 3.75), (60.0, 15.0), (2.0, 5.0)])
def test_what_is_lost_is_the_equations(m: int, T: int, beta: float, tau: tuple[float, float]) -> None:
    rise = reference.peak_delay(*tau)
    code = code_of(m, T, beta, rise)
    values = (np.arange(256, dtype=np.float32) / 255).astype(np.float32)
    unrounded = reference.unrounded_times(values.reshape(1, 1, -1), m, [0.0], [1.0], beta, T)[0, 0]
    rows = [[reference.spike_time(t, T) for t in row] for row in unrounded]
    seen: dict[tuple[int, ...], int] = {}
    total = late = black = shared = 0
    late_of, spikes_of = [0] * m, [0] * m
    for value, row in enumerate(rows):
        count = int(MANY.histogram[value])
        number = seen.setdefault(tuple(row), len(seen))
        assert code.groups[value] == number
        assert code.spikes[value] == sum(t >= 0 for t in row)
        if any(other == row and MANY.histogram[v] for v, other in enumerate(rows) if v != value):
            shared += count
        for j, t in enumerate(row):
            if t >= 0:
                total += count
                spikes_of[j] += count
                black += count * (value == 0)
                if t + rise > T - 1:
                    late += count
                    late_of[j] += count
    assert code.num_codes == len(seen)
    assert code.largest == max(rows.count(row) for row in rows)
    assert code.late_spike_fraction == pytest.approx(late / total, abs=1e-12)
    assert code.background_fraction == pytest.approx(black / total, abs=1e-12)
    assert code.collision_rate == pytest.approx(shared / MANY.histogram.sum(), abs=1e-12)
    assert code.spikes_per_image == pytest.approx(total / 2000)
    assert np.allclose(
        code.late_fraction_by_curve, [a / b if b else 0 for a, b in zip(late_of, spikes_of, strict=True)]
    )
    at_black, at_others = code.spike_histogram()
    assert at_black.sum() == pytest.approx(black / 2000)
    assert (at_black + at_others)[np.arange(T) > code.latest_effective_time].sum() == pytest.approx(late / 2000)
    assert (at_black + at_others).sum() == pytest.approx(total / 2000)


def entropy(counts: list[int]) -> float:
    return -sum(n / sum(counts) * math.log2(n / sum(counts)) for n in counts if n)


def reference_mutual_information(symbols: list[int], labels: list[int]) -> float:
    """I = sum p(s, c) log2 p(s, c)/(p(s) p(c))."""
    n, total = len(labels), 0.0
    for s in set(symbols):
        for c in set(labels):
            both = sum(x == s and y == c for x, y in zip(symbols, labels, strict=True))
            if both:
                total += both / n * math.log2(both * n / symbols.count(s) / labels.count(c))
    return total


def test_the_entropy_left_is_that_of_the_codes() -> None:
    code = code_of(4, 20, 1.0)
    codes = [0] * code.num_codes
    for value in range(256):
        codes[code.groups[value]] += int(MANY.histogram[value])
    assert code.entropy_ratio == pytest.approx(entropy(codes) / entropy(MANY.histogram.tolist()))


def test_information_is_that_of_every_pixels_symbols() -> None:
    split = noise(60, 3, 1)
    counted = count_values(split, 3)
    pixels = split.images.view(60, 784).numpy()
    for symbols in (np.arange(256), np.arange(256) // 80, code_of(4, 30, 1.0).table[:, 1], np.arange(256) % 3):
        bits, chance = mutual_information(symbols, counted)
        for pixel in (0, 27, 28, 400, 783):
            mine = [int(s) for s in symbols[pixels[:, pixel]]]
            assert bits[pixel] == pytest.approx(reference_mutual_information(mine, split.labels.tolist()), abs=1e-12)
        assert not bits[:28].any() and not chance[:28].any()  # a pixel that never varies


def test_chance_is_the_mean_over_all_orders_of_the_labels() -> None:
    values, labels = [0, 0, 90, 90, 200, 200], [0, 0, 1, 1, 1, 2]
    images = np.repeat(np.array(values), 784).reshape(6, 28, 28)
    _, chance = mutual_information(np.arange(256), count_values(split_of(images, labels), 3))
    orders = [reference_mutual_information(values, list(order)) for order in itertools.permutations(labels)]
    assert chance[0] == pytest.approx(sum(orders) / len(orders), abs=1e-12)


def test_shuffled_labels_tell_what_chance_says() -> None:
    images, labels = (
        DIGITS.images[:1500],
        DIGITS.labels[torch.randperm(1500, generator=torch.Generator().manual_seed(3))],
    )
    counted = count_values(datasets.Split(images, labels), 10)
    for symbols in (np.arange(256), np.arange(256) // 16):
        bits, chance = mutual_information(symbols, counted)
        assert bits.mean() == pytest.approx(chance.mean(), rel=0.02)
    curves, _ = curve_information(code_of(8, 60, 1.5).table, counted)
    assert curves.max() < 0.003


@given(st.lists(st.integers(0, 255), min_size=1, max_size=12, unique=True))
@settings(max_examples=40, deadline=None)
def test_a_coarser_symbol_never_tells_more(edges: list[int]) -> None:
    fine, coarse = np.arange(256), np.searchsorted(sorted(edges), np.arange(256))
    assert (mutual_information(coarse, FEW)[0] <= mutual_information(fine, FEW)[0] + 1e-12).all()


@pytest.mark.parametrize(("m", "T", "beta"), EXTREMES)
def test_no_code_and_no_curve_tells_more_than_the_value(m: int, T: int, beta: float) -> None:
    code = code_of(m, T, beta)
    whole, value = mutual_information(code.groups, FEW)[0], mutual_information(np.arange(256), FEW)[0]
    assert (whole <= value + 1e-12).all()
    for times in code.table.T:
        assert (mutual_information(times, FEW)[0] <= whole + 1e-12).all()
    kept, bound = pixel_information(code.groups, MANY)
    assert (kept <= bound).all() and kept.min() >= 0
    if code.num_codes == 256:
        assert np.array_equal(kept, MANY.value_information)


def test_curves_tell_the_mean_over_the_pixels_above_chance() -> None:
    table = code_of(5, 40, 1.2).table
    bits, chance = curve_information(table, MANY)
    for j in range(5):
        counted, shuffled = mutual_information(table[:, j], MANY)
        assert bits[j] == pytest.approx(max(counted.mean() - shuffled.mean(), 0))
        assert chance[j] == pytest.approx(shuffled.mean())


def test_codes_that_few_levels_can_hold_are_told_apart_by_themselves() -> None:
    groups = np.arange(256) // 100
    bits, chance = mutual_information(groups, MANY)
    assert np.allclose(pixel_information(groups, MANY)[0], np.maximum(bits - chance, 0))
    assert len(np.unique(groups)) <= LEVELS


def test_a_census_counts_every_image_or_a_seeded_draw() -> None:
    split = noise(50, 4, 2)
    whole = count_values(split, 4)
    assert whole.images == 50 and whole.labels.sum() == 50
    assert whole.histogram.sum() == 50 * 784 == np.bincount(split.images.view(-1).numpy()).sum()
    cells = np.diff(whole.counts_below, axis=0)
    assert cells[120, list(whole.varying_pixels).index(500), 2] == int(
        ((split.images.view(50, 784)[:, 500] == 120) & (split.labels == 2)).sum()
    )
    some, again, other = count_values(split, 4, 20), count_values(split, 4, 20), count_values(split, 4, 20, seed=1)
    assert some.images == 20 and np.array_equal(some.counts_below, again.counts_below)
    assert not np.array_equal(some.histogram, other.histogram)
    assert count_values(DIGITS, 10).images == MAX_IMAGES
    with pytest.raises(ValueError, match="expected at least one image"):
        count_values(datasets.Split(split.images[:0], split.labels[:0]), 4)


@pytest.mark.parametrize("labels", [[0], [0, 1], [2, 2, 2]])
def test_black_images_and_single_images_leave_nothing_to_tell(labels: list[int]) -> None:
    counted = count_values(split_of(np.zeros((len(labels), 28, 28)), labels), 3)
    info = info_of(counted, 6, 50, 1.5)
    assert not info.value_information.any() and info.information_ratio == 1 and not info.curve_information.any()
    assert "No curve has mutual" in info.curves_takeaway and "No pixel has mutual" in info.pixel_takeaway
    code = code_of(6, 50, 1.5, histogram=counted.histogram)
    assert (code.entropy_ratio, code.background_fraction) == (1.0, 1.0)
    for figure in all_figures(info):
        assert figure.data


def test_spare_curves_could_all_go_and_no_other_could() -> None:
    for setting in EXTREMES:
        code = code_of(*setting)
        bits, _ = curve_information(code.table, FEW)
        gone = redundant_curves(code.table, bits)
        rest = np.delete(code.table, gone, axis=1)
        assert len(np.unique(rest, axis=0)) == code.num_codes
        for j in range(rest.shape[1]):
            fewer = np.delete(rest, j, axis=1)
            assert fewer.shape[1] == 0 or len(np.unique(fewer, axis=0)) < code.num_codes


GRID = [
    (m, T, beta) for m in (3, 4, 9, 16, 33, 64) for T in (10, 60, 100, 330, 600) for beta in (0.5, 1.0, 1.5, 2.7, 4.0)
]
NUMBER = r"(\d{1,3}(?:,\d{3})*)"


def percent(words: str) -> float:
    return 0.0 if words == "none" else float(words.rstrip("%"))


@pytest.mark.parametrize("rise", [RISE, 4 * RISE])
@pytest.mark.parametrize("histogram", [MANY.histogram, np.full(256, 784)], ids=["digits", "every value as often"])
@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 2.7, 4.0])
def test_words_are_true_and_following_them_helps(beta: float, histogram: np.ndarray, rise: float) -> None:
    for m, T, _ in [setting for setting in GRID if setting[2] == beta]:
        advice = advise(m, T, beta, rise, histogram)
        now = code_of(m, T, beta, rise, histogram)
        if now.num_codes < 256:
            assert f"make only {now.num_codes} different codes" in advice.assessment
        else:
            assert "All 256 values keep their own codes" in advice.assessment
        assert (
            f"{now.late_spike_fraction:.1%} of the spikes" if now.late_spike_fraction else "no spike comes too late"
        ) in advice.assessment
        if advice.better is None:
            assert "Try" not in advice.remedy
        else:
            then = code_of(advice.better.m, advice.better.T, advice.better.beta, rise, histogram)
            assert 3 <= then.m <= 64 and 10 <= then.T <= 600 and then.T % 10 == 0 and 0.5 <= then.beta <= 4
            assert (
                then.num_codes >= now.num_codes
                and then.late_spike_fraction <= now.late_spike_fraction
                and then.entropy_ratio >= now.entropy_ratio - 1e-12
            )
            assert then.num_codes > now.num_codes or now.late_spike_fraction - then.late_spike_fraction >= 0.01
            promised = re.search(rf"makes {NUMBER} different codes instead of {NUMBER}", advice.remedy)
            if promised:
                assert (int(promised[1]), int(promised[2])) == (then.num_codes, now.num_codes)
                assert then.num_codes > now.num_codes
            late = re.search(r"leaves (none|[\d.]+%) instead of ([\d.]+%) of the spikes too late", advice.remedy)
            if late:
                assert percent(late[1]) == pytest.approx(100 * then.late_spike_fraction, abs=0.051)
                assert percent(late[2]) == pytest.approx(100 * now.late_spike_fraction, abs=0.051)
                assert percent(late[1]) < percent(late[2])
            assert promised or late
            price = re.search(rf"with {NUMBER} instead of {NUMBER} spikes a sample", advice.remedy)
            assert (price is not None) == (abs(then.spikes_per_image / now.spikes_per_image - 1) >= 0.01)
            if price:
                assert [int(n.replace(",", "")) for n in price.groups()] == [
                    round(then.spikes_per_image), round(now.spikes_per_image)
                ]  # fmt: skip
        if advice.smallest_equivalent is not None:
            fewer = code_of(advice.smallest_equivalent.m, T, beta, rise, histogram)
            assert (
                fewer.m < m
                and fewer.num_codes >= now.num_codes
                and fewer.late_spike_fraction <= now.late_spike_fraction
            )
        if "weights" in advice.remedy:
            assert advice.smallest_equivalent is not None
            assert f"**m {advice.smallest_equivalent.m}** would" in advice.remedy
            assert f"{100 * (m - advice.smallest_equivalent.m) / m:.0f}% fewer weights" in advice.remedy


def candidate(**changed: Any) -> Candidate:
    return Candidate(
        **(
            {
                "m": 16,
                "T": 100,
                "beta": 1.5,
                "num_codes": 200,
                "entropy_ratio": 0.9,
                "late_spike_fraction": 0.2,
                "spikes": 2000,
            }
            | changed
        )
    )


def test_better_is_no_worse_in_anything_and_visibly_ahead() -> None:
    now = candidate()
    assert (
        best_improvement(
            now,
            [
                candidate(num_codes=250, late_spike_fraction=0.21),
                candidate(entropy_ratio=0.89, late_spike_fraction=0.1),
                candidate(late_spike_fraction=0.195),
            ],
        )
        is None
    )
    one, two = candidate(T=150, num_codes=240), candidate(T=200, num_codes=250, late_spike_fraction=0.1)
    assert best_improvement(now, [now, one, two]) == two
    assert best_improvement(
        now, [candidate(T=200, late_spike_fraction=0.1), candidate(T=150, late_spike_fraction=0.1)]
    ) == candidate(T=150, late_spike_fraction=0.1)
    assert smallest_equivalent(
        now, [candidate(m=8, num_codes=199), candidate(m=10), candidate(m=12), candidate(m=20)]
    ) == candidate(m=10)
    assert smallest_equivalent(now, [candidate(m=20), candidate(m=12, late_spike_fraction=0.3)]) is None
    assert describe_changes(now, candidate(m=8, T=110, beta=2.0)) == "m 8 and beta 2 and T 110"


def test_words_of_nothing_to_do() -> None:
    perfect = candidate(num_codes=256, entropy_ratio=1.0, late_spike_fraction=0.0)
    assert Advice(perfect, None, None).text == (
        "All 256 values keep their own codes, and no spike comes too late. There is nothing to repair."
    )
    assert "No m, beta or T nearby does clearly better" in Advice(candidate(), None, None).text
    assert "less than 0.1%" in Advice(candidate(late_spike_fraction=0.0004), None, None).assessment


def test_what_is_nearby_stays_within_the_ranges() -> None:
    for m, T, beta in GRID:
        around = neighbours(m, T, beta)
        assert (m, T, beta) not in around and len(around) == len(set(around)) >= 8
        assert all(3 <= a <= 64 and 10 <= b <= 600 and b % 10 == 0 and 0.5 <= c <= 4 for a, b, c in around)
        assert all(a == m or (b, c) == (T, beta) for a, b, c in around)
    tried = evaluate_candidate(16, 100, 1.5, RISE, MANY.histogram)
    assert (tried.num_codes, tried.late_spike_fraction) == (
        code_of(16, 100, 1.5).num_codes,
        code_of(16, 100, 1.5).late_spike_fraction,
    )


def test_the_default_on_digits_is_what_is_known_of_it() -> None:
    code = code_of(16, 100, 1.5)
    assert code.table[0][code.table[0] >= 0].tolist() == [25, 25, 92]
    assert code.background_fraction == pytest.approx(0.77, abs=0.01)
    assert code.latest_effective_time == pytest.approx(99 - 15 * 3.75 * math.log(4) / 11.25)


def info_of(counted: ValueCounts, m: int, T: int, beta: float) -> figures.CodeStatisticsInfo:
    code = code_of(m, T, beta, histogram=counted.histogram)
    bits, chance = curve_information(code.table, counted)
    return figures.CodeStatisticsInfo(
        code.spikes, code.groups, code.collision_rate, *code.spike_histogram(), code.latest_effective_time,
        code.time_to_peak, code.late_spike_fraction,
        code.late_fraction_by_curve, bits, chance, redundant_curves(code.table, bits),
        *pixel_information(code.groups, counted),
    )  # fmt: skip


def all_figures(info: figures.CodeStatisticsInfo) -> list[Any]:
    makers = (figures.values_figure, figures.times_figure, figures.curves_figure, figures.pixel_information_figure)
    return [make(info) for make in makers]


@pytest.mark.parametrize(("m", "T", "beta"), EXTREMES)
def test_figures_hold_what_was_found(m: int, T: int, beta: float) -> None:
    info, code = info_of(MANY, m, T, beta), code_of(m, T, beta)
    values, times, curves, kept = all_figures(info)
    assert np.array_equal(values.data[1].y, code.spikes)
    bands = np.array(values.data[0].z[0])
    assert np.array_equal(bands == 0, info.sizes == 1)
    for value in range(256):
        same = np.flatnonzero(code.groups == code.groups[value])
        assert info.sizes[value] == len(same)
        assert (bands[value] == 3) == (len(same) > 1 and same[-1] - same[0] + 1 > len(same))
    total = np.zeros(T)
    for trace in times.data:
        np.add.at(total, np.array(trace.x, dtype=int), np.array(trace.y))
    assert np.allclose(total, info.background + info.foreground, atol=2e-3)
    assert {trace.name for trace in times.data} == {"black pixels", "in time", "too late"}
    late = next(trace for trace in times.data if trace.name == "too late")
    assert all(late.x > code.latest_effective_time)
    assert sum(late.y) / (info.background + info.foreground).sum() == pytest.approx(code.late_spike_fraction, abs=1e-4)
    lines = [shape for shape in times.layout.shapes if shape.line.dash == "dash"]
    assert [line.x0 for line in lines] == ([code.latest_effective_time] if code.latest_effective_time >= 0 else [])
    assert np.allclose(curves.data[0].y, info.curve_information, atol=1e-5) and np.allclose(
        curves.data[1].y, info.chance_information, atol=1e-5
    )
    assert np.allclose(kept.data[0].z, info.code_information.reshape(28, 28), atol=1e-4)
    assert sum(len(figure.to_json()) for figure in (values, times, curves, kept)) < 300_000


@pytest.mark.parametrize(("m", "T", "beta"), EXTREMES)
def test_takeaways_are_true(m: int, T: int, beta: float) -> None:
    info, code = info_of(MANY, m, T, beta), code_of(m, T, beta)
    assert str(code.spikes.max()) in info.values_takeaway
    assert (info.bands_caption is None) == (code.num_codes == 256)
    assert ("Orange" in (info.bands_caption or "")) == bool(info.non_contiguous.any())
    if code.num_codes == 256:
        assert "all 256 grey values have different codes" in info.values_takeaway
    else:
        assert f"up to {code.largest} values share one code" in info.values_takeaway
    apart = re.search(r"such as ([\d.]+) and ([\d.]+)\.$", info.values_takeaway)
    assert (apart is not None) == bool(info.non_contiguous.any())
    if apart:
        one, two = (round(255 * float(x)) for x in apart.groups())
        near = [code.groups[max(0, v - 1) : v + 2].tolist() for v in (one, two)]
        assert set(near[0]) & set(near[1]) and abs(one - two) > 1
    assert ("all peak within the window" in info.times_takeaway) == (code.late_spike_fraction == 0)
    if code.late_spike_fraction and code.latest_effective_time >= 0:
        worst = int(code.late_fraction_by_curve.argmax())
        assert f"{code.late_spike_fraction:.1%} of the spikes" in info.times_takeaway
        assert f"curve {worst + 1} has the most, {code.late_fraction_by_curve[worst]:.0%}" in info.times_takeaway
    assert f"Curve {info.curve_information.argmax() + 1} has the highest mutual information" in info.curves_takeaway
    assert f"preserve {info.information_ratio:.1%}" in info.pixel_takeaway


def test_a_kernel_slower_than_the_window_leaves_every_spike_late() -> None:
    counted, code = MANY, code_of(8, 10, 1.5, 40.0)
    assert code.late_spike_fraction == 1.0
    bits, chance = curve_information(code.table, counted)
    info = figures.CodeStatisticsInfo(
        code.spikes, code.groups, code.collision_rate, *code.spike_histogram(), code.latest_effective_time,
        code.time_to_peak, code.late_spike_fraction,
        code.late_fraction_by_curve, bits, chance, (), *pixel_information(code.groups, counted),
    )  # fmt: skip
    assert "no spike is in time" in info.times_takeaway
    assert not figures.times_figure(info).layout.shapes


def test_remembered_trials_share_what_they_were_tried_on() -> None:
    evaluate_candidate(3, 10, 1.25, RISE, MANY.histogram)
    tracemalloc.start()
    for i in range(1, 40):
        evaluate_candidate(3, 10 + i, 1.25, RISE, MANY.histogram.copy())
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 39 * MANY.histogram.nbytes / 2
