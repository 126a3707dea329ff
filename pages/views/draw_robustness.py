"""Robustness panel: test accuracy against the strength of a perturbation."""

import time

import streamlit as st

from pages.components import charts
from pages.state.experiment import View, cache_key
from pages.state.settings import url_widget
from pages.state.training import is_live
from tempotron_core import figures
from tempotron_core.analysis.evaluation import wilson_interval
from tempotron_core.analysis.robustness import COMBINED, SWEEPS, Perturbation, num_correct, subsample
from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import Model

PROGRESS_DELAY_SECONDS = 0.3  # show no progress bar if all counts are in the cache


@st.cache_data(max_entries=2000, show_spinner=False)
def num_correct_cached(key: str, perturbation: Perturbation, _model: Model, _split: Split) -> int:
    """Return the number of correctly classified samples under the perturbation."""
    return num_correct(_model, _split, perturbation)


def robustness_panel(view: View, perturbation: Perturbation) -> None:
    """Show the controls and the accuracy curve.

    Args:
        view: model and data set
        perturbation: perturbation of the single sample, marked on the curve
    """
    st.divider()
    heading, first, second = st.empty(), *st.columns([1, 2], vertical_alignment="bottom")
    absent = () if view.dataset.shape else ("shift", "noise") if view.dataset.has_spike_times else ("shift",)
    names = tuple(name for name in SWEEPS if not name.startswith(absent))
    name = first.selectbox("Accuracy against", names, **url_widget("curve"))
    enabled = second.toggle("Measure on the test set", **url_widget("measure"))
    chart_area = st.empty()
    sweep = SWEEPS.get(name or "", SWEEPS["jitter"])
    if not view.labelled:
        heading.markdown("#### Robustness needs samples with labels, which this data set does not have.")
        return
    if not enabled:
        heading.markdown("#### Robustness on the whole test set")
        return
    if is_live():
        heading.markdown("#### The weights are still changing: available when the run has finished.")
        return
    if sweep.name == COMBINED and not perturbation.description:
        heading.markdown("#### No perturbation is set: move a slider.")
        return
    split, key = subsample(view.dataset.test), cache_key(view.model, view.dataset)
    axis = sweep.axis.replace("pixel noise", f"{view.dataset.feature} noise")
    heading.markdown(f"#### Accuracy against {axis}")
    correct_counts, start_time = [], time.monotonic()
    for index, strength in enumerate(sweep.strengths):
        if time.monotonic() - start_time > PROGRESS_DELAY_SECONDS:
            chart_area.progress(
                index / len(sweep.strengths), f"{len(split):,} test samples at {len(sweep.strengths)} strengths"
            )
        correct_counts.append(num_correct_cached(key, sweep.perturbation(strength, perturbation), view.model, split))
    intervals = tuple(wilson_interval(correct, len(split)) for correct in correct_counts)
    info = figures.RobustnessInfo(
        sweep.name, axis, sweep.template, sweep.strengths, tuple(correct_counts), intervals, len(split),
        1 / len(view.dataset.classes), sweep.current_strength(perturbation),
    )  # fmt: skip
    heading.markdown(f"#### {info.takeaway}")
    with chart_area.container():
        charts.plotly_chart(figures.robustness_figure(info), "robustness", info.takeaway)
        whole = len(view.dataset.test)
        sample_text = (
            f"all {whole:,} test samples" if len(split) == whole else f"{len(split):,} of {whole:,} test samples, "
        )
        sample_text += "" if len(split) == whole else "selected with a fixed seed"
        remark = "" if sweep.name == COMBINED else " All other perturbations are zero."
        st.caption(f"On {sample_text}; the band is the 95 % confidence interval, {info.clean_interval_text}.{remark}")
