"""Why this class and not another: the peaks taken apart into what every spike adds to them."""

import numpy as np
import streamlit as st

from pages.components import charts
from pages.components.page import lazy_expander, optional_caption, page_header, prediction_headline
from pages.refresh import refresh_interval
from pages.state.experiment import resolve_view
from pages.state.settings import url_widget
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, is_live
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.analysis.attribution import Evidence, evidence

WINNER = "the winner"
RIVAL = "its strongest rival"


def rival_of(info: figures.VoltageInfo, output: int) -> int:
    """The true class where the output is another one; else the highest of the others."""
    if info.true not in (None, output):
        return int(info.true or 0)
    others = info.v_max.astype(float).copy()
    others[output] = -np.inf
    return int(others.argmax())


def told(name: str, found: Evidence, image: np.ndarray, rival: tuple[str, Evidence] | None) -> figures.EvidenceInfo:
    mine = (found.weight.numpy(), found.kernel.numpy(), found.times.numpy(), found.v_max, found.t_max, image)
    if rival is None:
        return figures.EvidenceInfo(name, *mine)
    other = rival[1]
    return figures.EvidenceInfo(
        name, *mine, rival[0], other.weight.numpy(), other.kernel.numpy(), other.v_max, other.t_max
    )


def mapped(info: figures.EvidenceInfo, key: str) -> None:
    charts.drawn(figures.evidence_plate(info), key, info.takeaway, lambda: figures.evidence_figure(info))


def why() -> None:
    view = resolve_view()
    classes, k = view.dataset.classes, view.model.k
    decision, voltages = view.voltages()
    place, controls = st.empty(), st.columns(3 if k > 1 else 2)
    chosen = controls[0].selectbox("Why", (WINNER, *classes), **url_widget("why"))
    against = controls[1].selectbox("and not", (RIVAL, *classes), **url_widget("why_not"))
    output = classes.index(chosen) if chosen in classes else voltages.predicted
    other = classes.index(against) if against in classes else rival_of(voltages, output)
    neuron = None
    if k > 1:
        strongest = "the strongest"
        options = (strongest, *(str(j) for j in range(1, k + 1)))
        picked = controls[2].selectbox(f"Tempotron of {classes[output]}", options, **url_widget("why_neuron"))
        neuron = None if picked in (None, strongest) else int(picked) - 1
    mine, theirs = evidence(view.model, decision, output, neuron), evidence(view.model, decision, other)
    alone = told(classes[output], mine, view.pixels, None)
    lead = told(classes[output], mine, view.pixels, (classes[other], theirs))
    place.markdown(prediction_headline(voltages))
    optional_caption(view.note)
    left, right = st.columns(2)
    with left:
        st.markdown(f"#### Why {alone.name}?")
        st.markdown(alone.takeaway)
        mapped(alone, "evidence")
        charts.sketch(figures.neurons_figure(alone), "evidence_neurons", alone.neurons_takeaway)
    with right:
        st.markdown(f"#### Why {lead.name} and not {lead.rival}?" if other != output else "#### Choose another class")
        st.markdown(lead.takeaway)
        mapped(lead, "lead")
        charts.sketch(figures.neurons_figure(lead), "lead_neurons", lead.neurons_takeaway)
    st.caption(f"{alone.exactness} {lead.exactness}")
    st.markdown(
        f":green[**Bright green**] speaks for {alone.name}, :violet[**dark purple**] against it, on the right for "
        f"{lead.rival}. Rest on a pixel to see its spikes, their weights w and what the kernel K leaves of them."
    )
    if k > 1:
        st.caption(
            f"Each class pools {k} tempotrons; the maps take apart the peaks of single ones, the strongest of "
            f"{lead.rival} and the chosen one of {lead.name}."
        )


def equations() -> None:
    st.latex(r"v_{max} = V(t_{max}) = \sum_i w_i\,K(t_{max}-t_i)")
    st.caption("One term a spike; summed over a pixel's tuning neurons for the maps, over the pixels for the bars.")


page_header("Evidence")
flushing_fragment(why, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live()))()
lazy_expander("The equation", equations)
