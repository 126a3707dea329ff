"""The accuracy of a whole test set against the strength of one perturbation."""

import time

import streamlit as st

from pages.components import charts
from pages.state.experiment import View, cache_key
from pages.state.settings import url_widget
from pages.state.training import is_live
from tempotron_core import figures
from tempotron_core.analysis.evaluation import wilson_interval
from tempotron_core.analysis.robustness import KINDS, TOGETHER, Perturbation, drawn, hits
from tempotron_core.data.datasets import Split
from tempotron_core.model.classifier import Model

PATIENCE = 0.3  # seconds until a bar is shown; what is kept is there before


@st.cache_data(max_entries=2000, show_spinner=False)
def right_under(key: str, now: Perturbation, _model: Model, _split: Split) -> int:
    return hits(_model, _split, now)


def curve(view: View, now: Perturbation) -> None:
    st.divider()
    line, first, second = st.empty(), *st.columns([1, 2], vertical_alignment="bottom")
    name = first.selectbox("Accuracy against", tuple(KINDS), **url_widget("curve"))
    wanted = second.toggle("Measure it on the whole test set", **url_widget("measure"))
    place = st.empty()
    kind = KINDS.get(name or "", KINDS["jitter"])
    if not wanted:
        line.markdown("#### How does the whole test set bear the same?")
        return
    if is_live():
        line.markdown("#### The weights still change: this is measured once the run has ended.")
        return
    if kind.name == TOGETHER and not now.told:
        line.markdown("#### Nothing is perturbed yet: move a slider.")
        return
    split, key = drawn(view.dataset.test), cache_key(view.model, view.dataset)
    line.markdown(f"#### Accuracy against {kind.axis}")
    found, began = [], time.monotonic()
    for done, strength in enumerate(kind.strengths):
        if time.monotonic() - began > 0.3:
            place.progress(
                done / len(kind.strengths), f"{len(split):,} test samples at {len(kind.strengths)} strengths"
            )
        found.append(right_under(key, kind.at(strength, now), view.model, split))
    intervals = tuple(wilson_interval(hit, len(split)) for hit in found)
    info = figures.RobustnessInfo(
        kind.name, kind.axis, kind.words, kind.strengths, tuple(found), intervals, len(split),
        1 / len(view.dataset.classes), kind.present(now),
    )  # fmt: skip
    line.markdown(f"#### {info.takeaway}")
    with place.container():
        charts.chart(figures.robustness_figure(info), "robustness", info.takeaway)
        whole = len(view.dataset.test)
        which = f"all {whole:,} test samples" if len(split) == whole else f"{len(split):,} of {whole:,} test samples, "
        which += "" if len(split) == whole else "drawn with a fixed seed"
        others = "" if kind.name == TOGETHER else " The other perturbations are at zero."
        st.caption(f"On {which}; the band is the 95 % interval, {info.clean_words}.{others}")
