"""Page "Voltages": membrane potentials of the tempotrons, threshold and prediction."""

import streamlit as st

from pages.components import charts, experiment_bar, experiment_controls, show_code, stage, time_cursor
from pages.components.mistakes import mistake_buttons
from pages.components.page import draw_body, lazy_expander, page_header, prediction_headline
from pages.state.experiment import image_name, resolve_view
from pages.state.overrides import NEURON
from pages.state.settings import url_widget
from tempotron_core import figures
from tempotron_core.interchange.code_generation import potentials_code

ALL = "all"


def render() -> None:
    """Draw the page."""
    view = resolve_view()
    classes = view.dataset.classes
    headline, place, bar, controls = st.empty(), stage.key_figure_stage(), st.container(), st.columns(4)
    shown_class = controls[3].selectbox("Show", (ALL, *classes), **url_widget("neuron"))
    output = classes.index(shown_class) if shown_class in classes else None
    decision, info = view.voltages(output=output)
    height = stage.figure_height(480, info.prediction_text)
    traces, peaks = figures.traces_figure(info, height=height), figures.peaks_html(info, height=height)
    headline.markdown(prediction_headline(info))
    with bar:
        experiment_bar.render(view)
        mistake_buttons(view)
    experiment_controls.draw_sliders(NEURON, controls[:3])
    time_cursor.time_cursor(view, info)
    with stage.on_stage(place):
        left, right = st.columns([2.3, 1])
    with left:
        charts.plotly_chart(traces, "traces", info.prediction_text)
    with right:
        charts.html_figure(peaks, "peaks", info.prediction_text, lambda: charts.predictions_csv(info))
    raster = figures.raster_info(decision.times.numpy(), view.pixels, view.model.T, feature=view.dataset.feature)
    third, fourth = st.columns([1, 2.3])
    with third:
        alt = f"The {view.dataset.sample} {image_name(view)}"
        digit = figures.digit_html(
            view.pixels, alt, height=260, features=view.dataset.features, quantity=view.dataset.quantity
        )
        charts.html_figure(digit, "digit", alt, lambda: charts.pixels_csv(view.pixels))
    with fourth:
        spikes = figures.raster_html(raster, height=260, cursor=True)
        charts.html_figure(
            spikes, "spikes", raster.takeaway, lambda: charts.spikes_csv(decision.times.numpy(), view.pixels.shape)
        )
    st.markdown(
        f"{info.firing_text} "
        + ("True class unknown" if view.label is None else f":blue[**True class {classes[view.label]}**]")
        + ("" if info.predicted == view.label else f", :orange[**predicted {classes[info.predicted]}**]")
        + ". A filled diamond marks a peak that reaches the threshold, a ring one that does not."
    )
    if view.model.tempotrons_per_class > 1:
        st.caption(
            f"Each class pools {view.model.tempotrons_per_class} tempotrons by the log-mean-exp of their potentials. "
            "Select a class under Show to see its tempotrons as thin lines."
        )
    show_code.render(lambda: potentials_code(show_code.code_input(view), output))


def equations() -> None:
    """Show the equations and their source."""
    st.latex(r"V(t) = \sum_i w_i\,K(t-t_i)")
    st.latex(r"K(s) = V_0\left(e^{-s/\tau}-e^{-s/\tau_s}\right)\ \text{for}\ s \geq 0")
    st.caption("Gütig, Sompolinsky: The tempotron: a neuron that learns spike timing-based decisions, 2006.")


page_header("Voltages")
draw_body(render)
lazy_expander("The equations", equations)
