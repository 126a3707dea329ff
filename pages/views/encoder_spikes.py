"""The page "Encoder" for recorded spike times, which no code of this program has made: statistics of the spikes."""

from __future__ import annotations

import streamlit as st

from pages.components import charts
from pages.components.page import chart_heading
from pages.state.datasets import dataset_key
from pages.state.experiment import View
from tempotron_core import figures
from tempotron_core.analysis.spike_statistics import INTERVALS, SpikeStatistics, count_spikes
from tempotron_core.data.datasets import Dataset


@st.cache_resource(max_entries=8, show_spinner="Counting the spikes of the training samples")
def spike_statistics(key: str, T: int, time_to_peak: float, labelled: bool, _dataset: Dataset) -> SpikeStatistics:
    """Return the statistics of the training samples in a window of T ms."""
    return count_spikes(_dataset.train, len(_dataset.classes) if labelled else 0, T, time_to_peak)


def render(view: View, T: int) -> None:
    """Show the spikes of the sample and the statistics of the training samples in a window of T ms."""
    dataset, rise = view.dataset, view.model.kernel.time_to_peak
    shape = tuple(dataset.train.images.shape[1:])
    counts = spike_statistics(f"{dataset_key(dataset)} {shape}", T, rise, view.labelled, dataset)
    raster = figures.raster_info(view.image.numpy(), view.pixels, T, feature=dataset.feature)
    chart_heading(raster.takeaway)
    left, right = st.columns([2, 1])
    with left:
        st.markdown("**Spikes of the sample**")
        charts.html_figure(
            figures.raster_html(raster, 300), "spikes", raster.takeaway,
            lambda: charts.spikes_csv(view.image.numpy(), view.pixels.shape),
        )  # fmt: skip
    with right:
        st.markdown("**Spikes per millisecond of the sample**")
        charts.html_figure(figures.histogram_html(raster, 300))
    row = st.container(horizontal=True, horizontal_alignment="distribute")
    row.metric("Spikes a sample", f"{counts.spikes_per_sample:,.1f}", width="content")
    row.metric("Silent afferents", f"{counts.silent_afferents:,} of {counts.afferents:,}", width="content")
    row.metric("Spikes too late to peak", f"{counts.late_spikes:.1%}", width="content")
    row.metric("Spikes after the window", f"{counts.outside_spikes:.1%}", width="content")
    row.metric("Repeated samples", f"{counts.duplicate_samples:,} of {counts.samples:,}", width="content")
    row.metric("Repeated afferents", f"{counts.duplicate_afferents:,}", width="content")
    info = figures.SpikeStatisticsInfo(
        counts.histogram, T - 1 - rise, counts.late_spikes, counts.information, counts.class_entropy
    )
    first, second = st.columns(2)
    with first:
        st.markdown(f"**Spikes per millisecond.** {info.rate_takeaway}")
        charts.plotly_chart(figures.spike_rate_figure(info), "spike_rate", info.rate_takeaway)
    with second:
        if info.information is None:
            reason = "there are too many afferents and classes to count" if view.labelled else "there are no labels"
            st.markdown(f"**Mutual information with the class** is not known: {reason}.")
        else:
            st.markdown(f"**Mutual information with the class.** {info.information_takeaway}")
            charts.plotly_chart(
                figures.afferent_information_figure(info), "afferent_information", info.information_takeaway
            )
    st.caption(
        f"From {counts.samples:,} of the {len(dataset.train):,} "
        f"{'training samples' if view.labelled else 'samples'}, {counts.silent_samples:,} of them without a spike in "
        f"the window. A spike is too late to peak after {max(0.0, T - 1 - rise):.1f} ms. The mutual information is "
        f"that of each afferent alone, with its spike time in {INTERVALS} intervals, less the value expected by "
        "chance. It does not predict the test accuracy of a trained network."
    )
