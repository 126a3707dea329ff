"""The accuracy of a whole test set against the strength of one perturbation."""

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

PROGRESS_DELAY_SECONDS = 0.3  # seconds until a bar is shown; what is kept is there before


@st.cache_data(max_entries=2000, show_spinner=False)
def num_correct_cached(key: str, perturbation: Perturbation, _model: Model, _split: Split) -> int:
    return num_correct(_model, _split, perturbation)


def robustness_panel(view: View, perturbation: Perturbation) -> None:
    st.divider()
    heading, first, second = st.empty(), *st.columns([1, 2], vertical_alignment="bottom")
    name = first.selectbox("Accuracy against", tuple(SWEEPS), **url_widget("curve"))
    enabled = second.toggle("Measure it on the whole test set", **url_widget("measure"))
    chart_area = st.empty()
    sweep = SWEEPS.get(name or "", SWEEPS["jitter"])
    if not enabled:
        heading.markdown("#### How does the whole test set bear the same?")
        return
    if is_live():
        heading.markdown("#### The weights still change: this is measured once the run has ended.")
        return
    if sweep.name == COMBINED and not perturbation.description:
        heading.markdown("#### Nothing is perturbed yet: move a slider.")
        return
    split, key = subsample(view.dataset.test), cache_key(view.model, view.dataset)
    heading.markdown(f"#### Accuracy against {sweep.axis}")
    correct_counts, began = [], time.monotonic()
    for index, strength in enumerate(sweep.strengths):
        if time.monotonic() - began > 0.3:
            chart_area.progress(
                index / len(sweep.strengths), f"{len(split):,} test samples at {len(sweep.strengths)} strengths"
            )
        correct_counts.append(num_correct_cached(key, sweep.perturbation(strength, perturbation), view.model, split))
    intervals = tuple(wilson_interval(correct, len(split)) for correct in correct_counts)
    info = figures.RobustnessInfo(
        sweep.name, sweep.axis, sweep.template, sweep.strengths, tuple(correct_counts), intervals, len(split),
        1 / len(view.dataset.classes), sweep.current_strength(perturbation),
    )  # fmt: skip
    heading.markdown(f"#### {info.takeaway}")
    with chart_area.container():
        charts.plotly_chart(figures.robustness_figure(info), "robustness", info.takeaway)
        whole = len(view.dataset.test)
        sample_text = (
            f"all {whole:,} test samples" if len(split) == whole else f"{len(split):,} of {whole:,} test samples, "
        )
        sample_text += "" if len(split) == whole else "drawn with a fixed seed"
        remark = "" if sweep.name == COMBINED else " The other perturbations are at zero."
        st.caption(f"On {sample_text}; the band is the 95 % interval, {info.clean_interval_text}.{remark}")
