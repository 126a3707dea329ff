"""What the encoding keeps and loses, the second view of the Encoder page."""

import numpy as np
import streamlit as st

from pages.components import charts
from pages.components.page import chart_heading, optional_caption
from pages.state.experiment import View
from pages.state.settings import get_setting
from tempotron_core import figures
from tempotron_core.analysis.code_advice import Advice, Trial, advise, changes, spare
from tempotron_core.analysis.code_statistics import (
    IMAGES,
    LEVELS,
    Census,
    Code,
    census,
    curve_information,
    pixel_information,
)
from tempotron_core.data.datasets import Dataset
from tempotron_core.model.classifier import Model

CHARTS = (
    ("values", "What a value becomes", "values_takeaway", figures.values_figure),
    ("spike_times", "When the spikes come", "times_takeaway", figures.times_figure),
    ("curve_information", "What each curve tells of the class", "curves_takeaway", figures.curves_figure),
    ("pixel_information", "Where it is told", "kept_takeaway", figures.kept_figure),
)


@st.cache_resource(max_entries=4, show_spinner="Counting the values of the training images")
def counted(key: str, _dataset: Dataset) -> Census:
    return census(_dataset.train, len(_dataset.classes))


@st.cache_resource(max_entries=100, show_spinner=False)
def told(key: str, m: int, beta: float, T: int, _code: Code, _census: Census) -> tuple[np.ndarray, ...]:
    """What the curves tell of the class, what chance would, and which curves are not needed."""
    bits, chance = curve_information(_code.table, _census)
    return bits, chance, np.array(spare(_code.table, bits), dtype=int)


def inspected(key: str, counts: Census, code: Code) -> figures.InspectionInfo:
    bits, chance, unneeded = told(key, code.m, code.beta, code.T, code, counts)
    return figures.InspectionInfo(
        code.spikes, code.groups, code.shared, *code.at_every_time(), code.deadline, code.rise, code.late,
        code.late_by_curve, bits, chance, tuple(unneeded.tolist()), *pixel_information(code.groups, counts),
    )  # fmt: skip


def follow(then: Trial) -> None:
    """Set the controls to the code that was recommended."""
    st.session_state.update(m=then.m, beta=then.beta, T=then.T)


def recommendation(advice: Advice) -> None:
    chart_heading(advice.state)
    st.markdown(advice.remedy)
    place = st.container(horizontal=True)
    for kind, then in (("better", advice.better), ("leaner", advice.leaner)):
        if then is not None and not (kind == "leaner" and then == advice.better):
            label = f"Set {changes(advice.now, then)}"
            place.button(label, key=f"follow_{kind}", icon=":material/tune:", on_click=follow, args=(then,))


def inspect(view: View, m: int, beta: float, T: int) -> None:
    """Metrics, the recommendation, and the four figures behind them."""
    model: Model = view.model
    key = f"{view.dataset.name} {len(view.dataset.train)} {get_setting('dir')}"
    counts = counted(key, view.dataset)
    code = Code(m, T, beta, model.network().kernel.rise, counts.histogram)
    info = inspected(key, counts, code)
    row = st.container(horizontal=True, horizontal_alignment="distribute")
    row.metric("Different codes of 256 values", code.distinct, width="content")
    row.metric("Spikes too late to peak", f"{code.late:.1%}", width="content")
    row.metric("Spikes of black pixels", f"{code.background:.1%}", width="content")
    row.metric("Class information kept", f"{info.class_kept:.1%}", width="content")
    recommendation(advise(m, T, beta, code.rise, counts.histogram))
    for pair in (CHARTS[:2], CHARTS[2:]):
        for column, (name, title, words, figure) in zip(st.columns(2), pair, strict=True):
            with column:
                takeaway = getattr(info, words)
                st.markdown(f"**{title}.** {takeaway}")
                charts.chart(figure(info), name, takeaway)
                if figure is figures.values_figure:
                    optional_caption(info.bands)
    st.caption(
        f"From {counts.images:,} of the {len(view.dataset.train):,} training images"
        f"{', drawn at random' if counts.images == IMAGES else ''}, and the chosen model's tau {model.tau:g} ms and "
        f"tau_s {model.tau_s:g} ms. {code.kept:.1%} of the entropy of a pixel's value is left in its code; for what it "
        f"tells of the class, {LEVELS} steps of brightness are compared. How well a network learns from a code, only a "
        "training tells."
    )
