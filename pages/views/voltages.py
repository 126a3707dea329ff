"""Page "Voltages": membrane potentials of the tempotrons, threshold and prediction."""

from dataclasses import replace

import streamlit as st

from pages.components import charts, time_cursor
from pages.components.page import lazy_expander, optional_caption, page_header, prediction_headline
from pages.refresh import refresh_interval
from pages.state.experiment import image_name, resolve_view
from pages.state.markdown import escape_markdown
from pages.state.settings import number_widget, url_widget
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, is_live
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures

ALL = "all"


def render() -> None:
    """Draw the page."""
    view = resolve_view()
    classes = view.dataset.classes
    headline, controls = st.empty(), st.columns(4)
    tau = controls[0].slider("tau, membrane, ms", **number_widget("tau", value=view.model.tau))
    tau_s = controls[1].slider("tau_s, synapse, ms", **number_widget("tau_s", value=view.model.tau_s))
    threshold = controls[2].slider(
        "threshold", **number_widget("threshold", value=view.model.v_threshold),
        help="The kernel is scaled with the threshold, so all potentials scale with it. With one tempotron per class "
        "the prediction does not change; with several it can, because of the pooling.",
    )  # fmt: skip
    shown_class = controls[3].selectbox("Show", (ALL, *classes), **url_widget("neuron"))
    try:
        model = replace(view.model, tau=tau, tau_s=tau_s, v_threshold=threshold)
        decision, info = view.voltages(model, None if shown_class == ALL else classes.index(shown_class))
    except ValueError as error:
        headline.warning(escape_markdown(error), icon=":material/error:")
        return
    traces, peaks = figures.traces_figure(info, height=480), figures.peaks_html(info, height=480)
    headline.markdown(prediction_headline(info))
    time_cursor.time_cursor(view, info)
    left, right = st.columns([2.3, 1])
    with left:
        charts.plotly_chart(traces, "traces", info.prediction_text)
    with right:
        charts.html_figure(peaks, "peaks", info.prediction_text, lambda: charts.predictions_csv(info))
    raster = figures.raster_info(decision.times.numpy(), view.pixels, model.T)
    third, fourth = st.columns([1, 2.3])
    with third:
        alt = f"The digit {image_name(view)}"
        digit = figures.digit_html(view.pixels, alt, height=260)
        charts.html_figure(digit, "digit", alt, lambda: charts.pixels_csv(view.pixels))
    with fourth:
        spikes = figures.raster_html(raster, height=260, cursor=True)
        charts.html_figure(spikes, "spikes", raster.takeaway, lambda: charts.spikes_csv(decision.times.numpy()))
    st.markdown(
        f"{info.firing_text} :blue[**True class {classes[view.label]}**]"
        + ("" if info.predicted == view.label else f", :orange[**predicted {classes[info.predicted]}**]")
        + ". A filled diamond marks a peak that reaches the threshold, a ring one that does not."
    )
    if view.model.tempotrons_per_class > 1:
        st.caption(
            f"Each class pools {view.model.tempotrons_per_class} tempotrons by the log-mean-exp of their potentials. "
            "Select a class under Show to see its tempotrons as thin lines."
        )
    optional_caption(view.note)


def equations() -> None:
    """Show the equations and their source."""
    st.latex(r"V(t) = \sum_i w_i\,K(t-t_i)")
    st.latex(r"K(s) = V_0\left(e^{-s/\tau}-e^{-s/\tau_s}\right)\ \text{for}\ s \geq 0")
    st.caption("Gütig, Sompolinsky: The tempotron: a neuron that learns spike timing-based decisions, 2006.")


page_header("Voltages")
flushing_fragment(render, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live()))()
lazy_expander("The equations", equations)
