"""Page "Evidence": contribution of each spike to the peak of a class, alone and compared with another class."""

import numpy as np
import streamlit as st

from pages.components import charts, experiment_bar, stage
from pages.components.page import draw_body, lazy_expander, page_header, prediction_headline
from pages.state.datasets import current_dataset
from pages.state.experiment import resolve_view
from pages.state.settings import is_presentation_mode, url_widget
from tempotron_core import figures
from tempotron_core.analysis.attribution import Evidence, evidence

PREDICTED = "predicted class"
RIVAL = "true class or runner-up"


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
) -> figures.EvidenceInfo:
    """Return the data of the figures.

    Args:
        name: class
        evidence_of_class: contributions to its peak
        image: the sample, uint8 [h, w], or [features] of a table
        rival: class to compare with and the contributions to its peak, None for no comparison
        features: names of the features of a table
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
        return figures.EvidenceInfo(name, *own, features=features)
    other = rival[1]
    return figures.EvidenceInfo(
        name, *own, rival[0], other.weight.numpy(), other.kernel.numpy(), other.v_max, other.t_max, features
    )


def evidence_map(info: figures.EvidenceInfo, key: str, height: int) -> None:
    """Draw the map of the contributions by pixel."""
    html = figures.evidence_html(info, height)
    charts.html_figure_of(html, key, info.takeaway, lambda: figures.evidence_figure(info))


def render() -> None:
    """Draw the page."""
    view = resolve_view()
    classes, k = view.dataset.classes, view.model.tempotrons_per_class
    decision, voltages = view.voltages()
    header, place, controls = st.empty(), stage.key_figure_stage(), st.columns(3 if k > 1 else 2)
    class_name = controls[0].selectbox("Class", (PREDICTED, *classes), **url_widget("why"))
    rival_name = controls[1].selectbox("Compared with", (RIVAL, *classes), **url_widget("why_not"))
    output = classes.index(class_name) if class_name in classes else voltages.predicted
    other = classes.index(rival_name) if rival_name in classes else default_rival(voltages, output)
    neuron = None
    if k > 1:
        strongest = "the strongest"
        options = (strongest, *(str(j) for j in range(1, k + 1)))
        neuron_name = controls[2].selectbox(f"Tempotron of {classes[output]}", options, **url_widget("why_neuron"))
        neuron = None if neuron_name in (None, strongest) else int(neuron_name) - 1
    evidence_of_class, evidence_of_rival = (
        evidence(view.model, decision, output, neuron),
        evidence(view.model, decision, other),
    )
    alone = evidence_info(classes[output], evidence_of_class, view.pixels, None, view.dataset.features)
    lead = evidence_info(
        classes[output], evidence_of_class, view.pixels, (classes[other], evidence_of_rival), view.dataset.features
    )
    header.markdown(prediction_headline(voltages))
    experiment_bar.render(view)
    with stage.on_stage(place):
        left, right = st.columns(2)
    height = stage.figure_height(350, voltages.prediction_text, taken=60)
    with left:
        st.markdown(f"#### Evidence for {alone.name}")
        if not is_presentation_mode():
            st.markdown(alone.takeaway)
        evidence_map(alone, "evidence", height)
        charts.lightweight_chart(figures.neurons_figure(alone), "evidence_neurons", alone.neurons_takeaway)
    with right:
        st.markdown(
            f"#### Evidence for {lead.name} compared with {lead.rival}"
            if other != output
            else "#### Choose another class"
        )
        if not is_presentation_mode():
            st.markdown(lead.takeaway)
        evidence_map(lead, "lead", height)
        charts.lightweight_chart(figures.neurons_figure(lead), "lead_neurons", lead.neurons_takeaway)
    st.caption(f"{alone.residual_text} {lead.residual_text}")
    pointing = " Point at a pixel to see its spikes, their weights w and the value of the kernel K at the peak."
    st.markdown(
        f":green[**Green**] {view.dataset.feature}s contribute positively to {alone.name}, :violet[**purple**] ones "
        f"negatively; in the comparison purple means evidence for {lead.rival}.{pointing if view.dataset.shape else ''}"
    )
    if k > 1:
        st.caption(
            f"Each class pools {k} tempotrons. The figures show the contributions to the peak of one tempotron each: "
            f"the strongest of {lead.rival} and the selected one of {lead.name}."
        )


def equations() -> None:
    """Show the equation."""
    st.latex(r"v_{max} = V(t_{max}) = \sum_i w_i\,K(t_{max}-t_i)")
    feature = current_dataset()[0].feature
    st.caption(
        f"One term per spike. The upper figures sum over the tuning neurons of a {feature}, the lower ones over the "
        f"{feature}s."
    )


page_header("Evidence")
draw_body(render)
lazy_expander("The equation", equations)
