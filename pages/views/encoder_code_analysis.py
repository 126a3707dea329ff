"""Second view of the page "Encoder": information that a code preserves, and recommended parameters."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from pages.components import charts
from pages.components.page import chart_heading, optional_caption
from pages.state.datasets import dataset_key
from pages.state.experiment import ExperimentError, View
from pages.state.settings import url_widget
from tempotron_core import figures
from tempotron_core.analysis.code_advice import (
    Advice,
    Candidate,
    CodeTables,
    advise,
    describe_changes,
    redundant_curves,
)
from tempotron_core.analysis.code_statistics import (
    LEVELS,
    MAX_IMAGES,
    PopulationCode,
    ValueCounts,
    count_values,
    curve_information,
    pixel_information,
)
from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.model.classifier import Model
from tempotron_core.model.codes import DEFAULT_CODE, FittedCode, split_code
from tempotron_core.model.local_patterns import nearest_preferred

CHARTS = (
    ("values", "Spike code by {value}", "values_takeaway", figures.values_figure),
    ("spike_times", "Spike times", "times_takeaway", figures.times_figure),
    ("curve_information", "Mutual information per {curve}", "curves_takeaway", figures.curves_figure),
    ("pixel_information", "Mutual information per {feature}", "pixel_takeaway", figures.pixel_information_figure),
)
WITHOUT_WIDTH = ("latency", "latency-logarithmic")
"""Codes on which beta has no effect."""


@dataclass(frozen=True, eq=False)
class SymbolCounts:
    """Counts of the symbols of a code in the training samples, and its spike tables; None for the Gaussian code.

    positions: height and width, or the number of positions
    """

    counts: ValueCounts
    tables: CodeTables | None
    positions: tuple[int, ...]
    is_pattern: bool


@st.cache_resource(max_entries=4, show_spinner="Counting the values of the training samples")
def value_counts(key: str, _dataset: Dataset) -> ValueCounts:
    """Return the counts of the values of the training samples per pixel or feature and class."""
    return count_values(_dataset.train, len(_dataset.classes))


@st.cache_resource(max_entries=8, show_spinner="Counting the symbols of the training samples")
def symbol_counts(key: str, m: int, _code: FittedCode, _dataset: Dataset) -> SymbolCounts:
    """Return the counts of the symbols of a code.

    Args:
        key: key of data set and code in the cache
        m: neurons per position
        _code: the code
        _dataset: the data set
    """
    selected = torch.from_numpy(np.random.default_rng(0).permutation(len(_dataset.train))[:MAX_IMAGES]).sort().values
    images, labels = _dataset.train.images[selected], _dataset.train.labels[selected]
    symbols = torch.cat(list(_code.symbols_in_chunks(images)))
    same = _dataset.shape is not None and symbols.shape[1] == images[0].numel()
    positions = tuple(images.shape[1:]) if same else (symbols.shape[1],)
    counts = count_values(Split(symbols.view(len(symbols), *positions), labels), len(_dataset.classes))
    is_pattern = "preferred" in _code.fitted
    if is_pattern:
        nearest = nearest_preferred(_code.fitted).numpy()
        counts = counts.with_levels(np.pad(nearest, (0, 256 - len(nearest))))
    value = "codeword" if is_pattern else "value"
    tables = CodeTables(_table_function(_code), value, _code.name not in WITHOUT_WIDTH)
    return SymbolCounts(counts, tables, positions, is_pattern)


def _table_function(code: FittedCode) -> Callable[[int, int, float], np.ndarray]:
    return lambda m, T, beta: code.spike_table(m, T, beta).numpy()


def counts_of(view: View, code: FittedCode, m: int) -> SymbolCounts:
    """Return the counts of the values or symbols of a code that is not joined.

    Raises:
        ExperimentError: where there are more values than can be counted.
    """
    key, dataset = dataset_key(view.dataset), view.dataset
    try:
        if code.name == DEFAULT_CODE:
            return SymbolCounts(value_counts(key, dataset), None, view.pixels.shape, False)
        fitted = [float(value.double().sum()) for value in code.fitted.values()]
        return symbol_counts(f"{key} {code.name} {fitted}", m, code, dataset)
    except ValueError as error:
        raise ExperimentError(str(error)) from error


def statistics_of(code: FittedCode, counted: SymbolCounts, m: int, beta: float, T: int, rise: float) -> PopulationCode:
    """Return the statistics of a code that is not joined; rise: time to the peak of the kernel in ms."""
    table = counted.tables.table(m, T, beta) if counted.tables else None
    return PopulationCode(m, T, beta, rise, counted.counts.histogram, counted.counts.features, table)


@st.cache_resource(max_entries=100, show_spinner=False)
def curve_statistics(
    key: str, m: int, beta: float, T: int, _code: PopulationCode, _counts: ValueCounts
) -> tuple[np.ndarray, ...]:
    """Return mutual information with the class per curve, its value by chance, and the redundant curves.

    Args:
        key: key of the data set in the cache
        m: neurons per pixel
        beta: width parameter of the curves
        T: time window in ms
        _code: the code
        _counts: counts of the grey values
    """
    bits, chance = curve_information(_code.table, _counts)
    return bits, chance, np.array(redundant_curves(_code.table, bits), dtype=int)


def inspection_info(
    key: str, counted: SymbolCounts, code: PopulationCode, features: tuple[str, ...] = ()
) -> figures.CodeStatisticsInfo:
    """Return the data of the figures."""
    counts, n = counted.counts, code.num_values
    bits, chance, redundant = curve_statistics(key, code.m, code.beta, code.T, code, counts)
    return figures.CodeStatisticsInfo(
        code.spikes[:n], code.groups[:n], code.collision_rate, *code.spike_histogram(), code.latest_effective_time,
        code.time_to_peak, code.late_spike_fraction, code.late_fraction_by_curve, bits, chance,
        tuple(redundant.tolist()), *pixel_information(code.groups, counts), counted.positions, features,
        counted.is_pattern,
    )  # fmt: skip


def apply_recommendation(candidate: Candidate) -> None:
    """Set the sliders to the recommended code."""
    st.session_state.update(m=candidate.m, beta=candidate.beta, T=candidate.T)


def render_recommendation(advice: Advice) -> None:
    """Show the assessment of the code, and a button per recommended code."""
    chart_heading(advice.assessment)
    st.markdown(advice.remedy)
    place = st.container(horizontal=True)
    for kind, candidate in (("better", advice.better), ("leaner", advice.smallest_equivalent)):
        if candidate is not None and not (kind == "leaner" and candidate == advice.better):
            label = f"Set {describe_changes(advice.current, candidate)}"
            place.button(
                label, key=f"follow_{kind}", icon=":material/tune:", on_click=apply_recommendation, args=(candidate,)
            )


def render(view: View, code: FittedCode, m: int, beta: float, T: int) -> None:
    """Show metrics, recommendation and the four figures.

    Args:
        view: data set and model
        code: code; a part of it if it is a joined one
        m: neurons per position
        beta: width parameter of the curves
        T: time window in ms
    """
    parts = {part.name: (part, part_m) for part, part_m in split_code(code, m)}
    if len(parts) > 1:
        name = st.segmented_control(
            "Part of the joined code", tuple(parts), default=next(iter(parts)), required=True, **url_widget("part")
        )
        code, m = parts.get(str(name), next(iter(parts.values())))
    model: Model = view.model
    dataset = view.dataset
    counted = counts_of(view, code, m)
    counts = counted.counts
    statistics = statistics_of(code, counted, m, beta, T, model.kernel.time_to_peak)
    key = f"{dataset_key(dataset)} {code.name} {[float(value.double().sum()) for value in code.fitted.values()]}"
    info = inspection_info(key, counted, statistics, dataset.features)
    row = st.container(horizontal=True, horizontal_alignment="distribute")
    values = f"{statistics.num_values} {'codewords' if counted.is_pattern else 'values'}"
    row.metric(f"Different codes for {values}", statistics.num_codes, width="content")
    row.metric("Spikes too late to peak", f"{statistics.late_spike_fraction:.1%}", width="content")
    rest = f"black {'patterns' if counted.is_pattern else 'pixels'}" if dataset.shape else "lowest values"
    row.metric(f"Spikes from {rest}", f"{statistics.background_fraction:.1%}", width="content")
    row.metric("Class information preserved", f"{info.information_ratio:.1%}", width="content")
    render_recommendation(
        advise(m, T, beta, statistics.time_to_peak, counts.histogram, counts.features, counted.tables)
    )
    names = {"feature": info.feature, "value": "value" if not counted.is_pattern else "codeword", "curve": "curve"}
    if counted.is_pattern:
        names["curve"] = "afferent"
    for pair in (CHARTS[:2], CHARTS[2:]):
        for column, (name, title, attribute, make_figure) in zip(st.columns(2), pair, strict=True):
            with column:
                takeaway = getattr(info, attribute)
                st.markdown(f"**{title.format(**names)}.** {takeaway}")
                charts.plotly_chart(make_figure(info), name, takeaway)
                if make_figure is figures.values_figure:
                    optional_caption(info.bands_caption)
    images = "images" if dataset.shape else "samples"
    levels = f"{LEVELS} levels of the value"
    if counted.is_pattern:
        levels = f"the nearest of the {m} preferred patterns, or black"
    st.caption(
        f"From {counts.images:,} of the {len(view.dataset.train):,} training "
        f"{images}{' (random sample)' if counts.images == MAX_IMAGES else ''}, with tau {model.tau:g} ms and tau_s "
        f"{model.tau_s:g} ms of the selected model. The code preserves {statistics.entropy_ratio:.1%} of the entropy "
        f"of the {info.feature} values. Mutual information with the class is computed for {levels}. It does not "
        "predict the test accuracy of a trained network."
    )
