"""Second view of the page "Encoder": information that the code preserves, and recommended parameters."""

import numpy as np
import streamlit as st

from pages.components import charts
from pages.components.page import chart_heading, optional_caption
from pages.state.datasets import dataset_key
from pages.state.experiment import ExperimentError, View
from tempotron_core import figures
from tempotron_core.analysis.code_advice import Advice, Candidate, advise, describe_changes, redundant_curves
from tempotron_core.analysis.code_statistics import (
    LEVELS,
    MAX_IMAGES,
    PopulationCode,
    ValueCounts,
    count_values,
    curve_information,
    pixel_information,
)
from tempotron_core.data.datasets import Dataset
from tempotron_core.model.classifier import Model

CHARTS = (
    ("values", "Spike code by value", "values_takeaway", figures.values_figure),
    ("spike_times", "Spike times", "times_takeaway", figures.times_figure),
    ("curve_information", "Mutual information per curve", "curves_takeaway", figures.curves_figure),
    ("pixel_information", "Mutual information per {feature}", "pixel_takeaway", figures.pixel_information_figure),
)


@st.cache_resource(max_entries=4, show_spinner="Counting the values of the training samples")
def value_counts(key: str, _dataset: Dataset) -> ValueCounts:
    """Return the counts of the values of the training samples per pixel or feature and class."""
    return count_values(_dataset.train, len(_dataset.classes))


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
    key: str,
    counts: ValueCounts,
    code: PopulationCode,
    shape: tuple[int, ...] = (28, 28),
    features: tuple[str, ...] = (),
) -> figures.CodeStatisticsInfo:
    """Return the data of the figures."""
    bits, chance, redundant = curve_statistics(key, code.m, code.beta, code.T, code, counts)
    return figures.CodeStatisticsInfo(
        code.spikes, code.groups, code.collision_rate, *code.spike_histogram(), code.latest_effective_time,
        code.time_to_peak, code.late_spike_fraction, code.late_fraction_by_curve, bits, chance,
        tuple(redundant.tolist()), *pixel_information(code.groups, counts), shape, features,
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


def render(view: View, m: int, beta: float, T: int) -> None:
    """Show metrics, recommendation and the four figures.

    Args:
        view: data set and model
        m: neurons per pixel
        beta: width parameter of the curves
        T: time window in ms
    """
    model: Model = view.model
    key = dataset_key(view.dataset)
    dataset = view.dataset
    try:
        counts = value_counts(key, dataset)
    except ValueError as error:  # more values than can be counted
        raise ExperimentError(str(error)) from error
    code = PopulationCode(m, T, beta, model.kernel.time_to_peak, counts.histogram, dataset.num_features)
    info = inspection_info(key, counts, code, view.pixels.shape, dataset.features)
    row = st.container(horizontal=True, horizontal_alignment="distribute")
    row.metric("Different codes for 256 values", code.num_codes, width="content")
    row.metric("Spikes too late to peak", f"{code.late_spike_fraction:.1%}", width="content")
    row.metric(
        "Spikes from black pixels" if dataset.shape else "Spikes from lowest values",
        f"{code.background_fraction:.1%}",
        width="content",
    )
    row.metric("Class information preserved", f"{info.information_ratio:.1%}", width="content")
    render_recommendation(advise(m, T, beta, code.time_to_peak, counts.histogram, dataset.num_features))
    for pair in (CHARTS[:2], CHARTS[2:]):
        for column, (name, title, attribute, make_figure) in zip(st.columns(2), pair, strict=True):
            with column:
                takeaway = getattr(info, attribute)
                st.markdown(f"**{title.format(feature=dataset.feature)}.** {takeaway}")
                charts.plotly_chart(make_figure(info), name, takeaway)
                if make_figure is figures.values_figure:
                    optional_caption(info.bands_caption)
    images = "images" if dataset.shape else "samples"
    st.caption(
        f"From {counts.images:,} of the {len(view.dataset.train):,} training "
        f"{images}{' (random sample)' if counts.images == MAX_IMAGES else ''}, with tau {model.tau:g} ms and tau_s "
        f"{model.tau_s:g} ms of the selected model. The code preserves {code.entropy_ratio:.1%} of the entropy of the "
        f"{dataset.feature} values. Mutual information with the class is computed for {LEVELS} levels of the value. "
        "It does not predict the test accuracy of a trained network."
    )
