"""Page "Evidence": contribution of each spike to the potential of a class, alone and compared with another class.

The potential is that of the peak, of the threshold crossing of the class, or of the time cursor.
"""

import numpy as np
import streamlit as st
import torch

from pages.components import charts, comparison, experiment_bar, pixel_picker, show_code, stage, time_cursor
from pages.components.mistakes import mistake_buttons
from pages.components.page import draw_body, lazy_expander, page_header, prediction_headline
from pages.state import pinned
from pages.state.datasets import current_dataset
from pages.state.experiment import View, resolve_view
from pages.state.markdown import escape_markdown
from pages.state.settings import is_presentation_mode, url_widget
from tempotron_core import figures
from tempotron_core.analysis.attribution import Evidence, crossing_time, evidence
from tempotron_core.interchange.code_generation import evidence_code
from tempotron_core.model.classifier import Prediction

PREDICTED = "predicted class"
RIVAL = "true class or runner-up"
PEAK, CROSSING, CURSOR = figures.MOMENTS


def default_rival(info: figures.VoltageInfo, output: int) -> int:
    """Return the true class if the output is another class, else the class with the next highest peak."""
    if info.true_class not in (None, output):
        return int(info.true_class or 0)
    others = info.v_max.astype(float).copy()
    others[output] = -np.inf
    return int(others.argmax())


def evidence_info(
    name: str,
    evidence_of_class: Evidence,
    image: np.ndarray,
    rival: tuple[str, Evidence] | None,
    features: tuple[str, ...] = (),
    moment: str = PEAK,
) -> figures.EvidenceInfo:
    """Return the data of the figures.

    Args:
        name: class
        evidence_of_class: contributions to its potential
        image: the sample, uint8 [h, w], or [features] of a table
        rival: class to compare with and the contributions to its potential, None for no comparison
        features: names of the features of a table
        moment: one of figures.MOMENTS
    """
    own = (
        evidence_of_class.weight.numpy(),
        evidence_of_class.kernel.numpy(),
        evidence_of_class.times.numpy(),
        evidence_of_class.v_max,
        evidence_of_class.t_max,
        image,
    )
    if rival is None:
        return figures.EvidenceInfo(name, *own, features=features, moment=moment)
    other = rival[1]
    times = evidence_of_class.times  # of a pinned experiment other afferents may spike
    own = (*own[:2], torch.where(times < 0, other.times, times).numpy(), *own[3:])
    return figures.EvidenceInfo(
        name, *own, rival[0], other.weight.numpy(), other.kernel.numpy(), other.v_max, other.t_max, features, moment
    )


def evidence_map(info: figures.EvidenceInfo, key: str, height: int) -> None:
    """Draw the map of the contributions by pixel."""
    html = figures.evidence_html(info, height)
    charts.html_figure_of(html, key, info.takeaway, lambda: figures.evidence_figure(info))


def time_of_moment(
    moment: str, view: View, decision: Prediction, voltages: figures.VoltageInfo, output: int, neuron: int | None
) -> tuple[float | None, str | None]:
    """Return the time in ms of a moment, None for the peaks; or why there is none."""
    name = view.dataset.classes[output]
    if moment == CROSSING:
        time = crossing_time(decision, output, neuron)
        peak = float(decision.peaks[output].max() if neuron is None else decision.peaks[output, neuron])
        problem = (
            f"{name} does not reach the threshold of {decision.v_threshold:.2f}: its peak is {peak:.2f}. Choose the "
            "peak or the time cursor."
        )
        return time, problem if time is None else None
    if moment == CURSOR:
        time = time_cursor.reported_time(voltages.last_time, voltages.is_exact)
        return time, "Move the time cursor or press play to choose a time." if time is None else None
    return None, None


def draw_column(info: figures.EvidenceInfo, heading: str, key: str, height: int) -> None:
    """Draw map, contributions of the tuning neurons and the strongest spikes."""
    st.markdown(f"#### {heading}")
    if not is_presentation_mode():
        st.markdown(info.takeaway)
    evidence_map(info, key, height)
    if info.times.shape[1] > 1:
        charts.lightweight_chart(figures.neurons_figure(info), f"{key}_neurons", info.neurons_takeaway)
    charts.html_figure(
        figures.strongest_spikes_html(info), f"{key}_spikes", "Strongest spikes", lambda: charts.contributions_csv(info)
    )


def render() -> None:
    """Draw the page."""
    view = resolve_view()
    classes, k = view.dataset.classes, view.model.tempotrons_per_class
    decision, voltages = view.voltages()
    header, place, bar = st.empty(), stage.key_figure_stage(), st.container()
    controls = st.columns(4 if k > 1 else 3)
    rivals = (RIVAL, *classes, *((comparison.PINNED,) if pinned.is_pinned() else ()))
    class_name = controls[0].selectbox("Class", (PREDICTED, *classes), **url_widget("why"))
    rival_name = controls[1].selectbox("Compared with", rivals, **url_widget("why_not"))
    moment = controls[2].selectbox("At", figures.MOMENTS, **url_widget("why_time")) or PEAK
    output = classes.index(class_name) if class_name in classes else voltages.predicted
    other = classes.index(rival_name) if rival_name in classes else default_rival(voltages, output)
    neuron = None
    if k > 1:
        strongest = "the strongest"
        options = (strongest, *(str(j) for j in range(1, k + 1)))
        neuron_name = controls[3].selectbox(f"Tempotron of {classes[output]}", options, **url_widget("why_neuron"))
        neuron = None if neuron_name in (None, strongest) else int(neuron_name) - 1
    header.markdown(prediction_headline(voltages))
    with bar:
        experiment_bar.render(view)
        mistakes, buttons = st.columns([1, 1])
        with mistakes:
            mistake_buttons(view)
        compared = comparison.render(view, voltages, buttons)
    with st.container():
        if moment == CURSOR:
            time_cursor.time_cursor(view, decision, voltages, reports=True)
    time, problem = time_of_moment(moment, view, decision, voltages, output, neuron)
    if problem:
        st.info(escape_markdown(problem), icon=":material/schedule:")
        return
    own, features = evidence(view.model, decision, output, neuron, time), view.dataset.features
    rival, label = evidence(view.model, decision, other, None, time), classes[other]
    is_pinned = rival_name == comparison.PINNED and compared is not None
    if is_pinned and compared is not None:
        found, reason = compared.evidence(view.model, output, time, moment == CROSSING)
        if found is None:
            st.info(escape_markdown(reason), icon=":material/keep:")
            return
        rival, label = found, f"{classes[output]} of the pinned experiment"
    alone = evidence_info(classes[output], own, view.pixels, None, features, moment)
    lead = evidence_info(classes[output], own, view.pixels, (label, rival), features, moment)
    with stage.on_stage(place):
        left, right = st.columns(2)
    height = stage.figure_height(350, voltages.prediction_text, taken=60)
    with left:
        draw_column(alone, f"Evidence for {alone.name}", "evidence", height)
    with right:
        title = (
            f"Evidence for {lead.name} compared with {lead.rival}"
            if is_pinned or other != output
            else "Choose another class"
        )
        draw_column(lead, title, "lead", height)
    pixel_picker.open_pixels_in_encoder(view, "evidence", "lead")
    show_code.render(lambda: evidence_code(show_code.code_input(view), output, other, neuron, time))
    st.caption(f"{alone.residual_text} {lead.residual_text}")
    pointing = (
        " Point at a pixel to see its spikes, their weights w and the value of the kernel K; click it to open it in "
        "the Encoder."
    )
    st.markdown(
        f":green[**Green**] {view.dataset.feature}s contribute positively to {alone.name}, :violet[**purple**] ones "
        f"negatively; in the comparison purple means evidence for {lead.rival}.{pointing if view.dataset.shape else ''}"
    )
    if is_pinned:
        st.caption(
            "Differences are computed for each afferent; the listed spike times are those of the current experiment, "
            "and of the pinned one where only that has a spike."
        )
    if moment == CROSSING and other != output and not is_pinned:
        st.caption(f"Both potentials are those at {figures.time_text(own.t_max)}, when {alone.name} fires.")
    if k > 1:
        st.caption(
            f"Each class pools {k} tempotrons. The figures show the contributions to one tempotron each: "
            f"the strongest of {lead.rival} and the selected one of {lead.name}."
        )


def equations() -> None:
    """Show the equation."""
    st.latex(r"V(t) = \sum_i w_i\,K(t-t_i),\quad v_{max} = V(t_{max})")
    feature = current_dataset()[0].feature
    st.caption(
        f"One term per spike. The upper figures sum over the tuning neurons of a {feature}, the lower ones over the "
        f"{feature}s."
    )


page_header("Evidence")
draw_body(render)
lazy_expander("The equation", equations)
