"""Page "Voltages": membrane potentials of the tempotrons, threshold and prediction."""

import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from pages.components import charts, comparison, experiment_bar, experiment_controls, show_code, stage, time_cursor
from pages.components.mistakes import mistake_buttons
from pages.components.page import draw_body, lazy_expander, page_header, prediction_headline
from pages.state.experiment import View, image_name, resolve_view
from pages.state.overrides import NEURON
from pages.state.settings import PRESENTATION_SCALE, is_presentation_mode, url_widget
from tempotron_core import figures
from tempotron_core.interchange.code_generation import potentials_code
from tempotron_core.model.classifier import Model, Prediction

# Heights in px of the raster, outside and in presentation mode.
_RASTER_HEIGHT, _LARGE_RASTER_HEIGHT = 150, 90
_HEIGHT_WITH_RASTER = 400  # of the stage in px: a lower one shows the potentials alone, with the raster below it


def shown_classes(classes: tuple[str, ...], container: DeltaGenerator) -> tuple[int, ...] | None:
    """Draw the selection of outputs and return the selected ones, None for all."""
    names = container.multiselect("Show", classes, placeholder="all outputs", **url_widget("neuron"))
    return tuple(i for i, name in enumerate(classes) if name in names) or None


def draw_kernel(model: Model, container: DeltaGenerator) -> None:
    """Draw the postsynaptic potential K of the time constants in use."""
    kernel = model.kernel
    s = torch.linspace(0, max(4 * kernel.time_to_peak, 3 * kernel.slow), 80)
    container.html(figures.kernel_html(s.numpy(), kernel(s).numpy(), kernel.time_to_peak))


def draw_raster(view: View, decision: Prediction, info: figures.VoltageInfo, height: int) -> None:
    """Draw the spikes on the time axis of the potentials below."""
    raster = figures.raster_info(decision.times.numpy(), view.pixels, view.model.T, feature=view.dataset.feature)
    scale = PRESENTATION_SCALE if is_presentation_mode() else 1
    left, right = (round(side * scale) for side in figures.MARGINS[:2])
    columns = raster.foreground.shape[1]
    axis = figures.SharedAxis(figures.time_range(info, padded=True), (-0.5, columns * raster.step - 0.5), (left, right))
    html = figures.raster_legend_html(raster) + figures.raster_html(
        raster, height, cursor=True, axis=axis, tooltips=True
    )
    charts.html_figure(
        html, "spikes", raster.takeaway, lambda: charts.spikes_csv(decision.times.numpy(), view.pixels.shape)
    )


def render() -> None:
    """Draw the page."""
    view = resolve_view()
    classes = view.dataset.classes
    headline, place, bar = st.empty(), stage.key_figure_stage(), st.container()
    controls = st.columns([1, 1, 1, 1.15, 1.35])
    shown = shown_classes(classes, controls[4])
    decision, info = view.voltages(shown=shown)
    raster_height = _LARGE_RASTER_HEIGHT if is_presentation_mode() else _RASTER_HEIGHT
    has_room = not is_presentation_mode() or stage.figure_height(430, info.prediction_text) >= _HEIGHT_WITH_RASTER
    height = stage.figure_height(430, info.prediction_text, taken=raster_height + 45 if has_room else 0)
    peaks = figures.peaks_html(info, height=height)
    headline.markdown(prediction_headline(info))
    with bar:
        experiment_bar.render(view)
        mistakes, buttons = st.columns([1, 1])
        with mistakes:
            mistake_buttons(view)
        compared = comparison.render(view, info, buttons)
    ghost = compared.info if compared else None
    span = figures.trace_range(info, ghost)
    traces = figures.traces_figure(info, height, span, zoom=True, ghost=ghost)
    experiment_controls.draw_sliders(NEURON, controls[:3])
    draw_kernel(view.model, controls[3])
    time_cursor.time_cursor(view, decision, info, span=span)
    with stage.on_stage(place):
        left, right = st.columns([2.3, 1])
    above = (left, right) if has_room else st.columns([2.3, 1])
    with above[0]:
        draw_raster(view, decision, info, raster_height)
    with above[1]:
        alt = f"The {view.dataset.sample} {image_name(view)}"
        features, quantity = view.dataset.features, view.dataset.quantity
        digit = figures.digit_html(view.pixels, alt, height=raster_height + 20, features=features, quantity=quantity)
        charts.html_figure(digit, "digit", alt, lambda: charts.pixels_csv(view.pixels))
    with left:
        charts.plotly_chart(traces, "traces", info.prediction_text, zoom=True)
    with right:
        charts.html_figure(peaks, "peaks", info.prediction_text, lambda: charts.predictions_csv(info))
    st.markdown(
        f"{info.firing_text} "
        + ("True class unknown" if view.label is None else f":blue[**True class {classes[view.label]}**]")
        + ("" if info.predicted == view.label else f", :orange[**predicted {classes[info.predicted]}**]")
        + ". A filled diamond marks a peak that reaches the threshold, a ring one that does not, a triangle the first "
        "crossing of the threshold."
        + (" Dotted: the potential without shunting." if view.model.after_spike == "shunt" else "")
        + (" Dash-dotted: the pinned experiment." if ghost else "")
        + " Drag over the potentials or turn the wheel to zoom in time; a double-click shows the whole window."
    )
    if view.model.tempotrons_per_class > 1:
        st.caption(
            f"Each class pools {view.model.tempotrons_per_class} tempotrons by the log-mean-exp of their potentials. "
            "Select one class under Show to see its tempotrons as thin lines."
        )
    output = shown[0] if shown is not None and len(shown) == 1 else None
    show_code.render(lambda: potentials_code(show_code.code_input(view), output))


def equations() -> None:
    """Show the equations and their source."""
    st.latex(r"V(t) = \sum_i w_i\,K(t-t_i)")
    st.latex(r"K(s) = V_0\left(e^{-s/\tau}-e^{-s/\tau_s}\right)\ \text{for}\ s \geq 0")
    st.caption("Gütig, Sompolinsky: The tempotron: a neuron that learns spike timing-based decisions, 2006.")


page_header("Voltages")
draw_body(render)
lazy_expander("The equations", equations)
