"""Page "Overview": image, spikes, membrane potentials and prediction of one sample."""

import streamlit as st

from pages.components import charts, experiment_bar, show_code, stage, time_cursor
from pages.components.page import draw_body, page_link, prediction_headline
from pages.state.experiment import image_name, resolve_view
from pages.state.settings import is_presentation_mode
from tempotron_core import figures
from tempotron_core.interchange.code_generation import potentials_code


def render() -> None:
    """Draw the page."""
    view = resolve_view()
    decision, voltages = view.voltages()
    raster = figures.raster_info(decision.times.numpy(), view.pixels, view.model.T, feature=view.dataset.feature)
    alt = f"The {view.dataset.sample} {image_name(view)}"
    digit, spikes = (
        figures.digit_html(
            view.pixels, alt, height=190, features=view.dataset.features, quantity=view.dataset.quantity
        ),
        figures.raster_html(raster, height=212, cursor=True),
    )
    height = stage.figure_height(280, voltages.prediction_text)
    traces, peaks = figures.traces_figure(voltages, height=height), figures.peaks_html(voltages, height=height)
    st.markdown(prediction_headline(voltages))
    place = stage.key_figure_stage()
    experiment_bar.render(view)
    time_cursor.time_cursor(view, decision, voltages)
    first, second = st.columns([1, 2.2])
    with first:
        title = "Image" if view.dataset.shape else "Sample"
        page_link("views/encoder.py", f"**1 · {title}** → Encoder", ":material/image:")
        charts.html_figure(digit, "digit", alt, lambda: charts.pixels_csv(view.pixels))
    with second:
        page_link("views/encoder.py", f"**2 · {raster.spikes:,} spikes** → Encoder", ":material/scatter_plot:")
        charts.html_figure(
            spikes, "spikes", raster.takeaway, lambda: charts.spikes_csv(decision.times.numpy(), view.pixels.shape)
        )
    with stage.on_stage(place):
        third, fourth = st.columns([2.2, 1])
    with third:
        if not is_presentation_mode():
            page_link("views/voltages.py", "**3 · Membrane potentials** → Voltages", ":material/monitoring:")
        charts.lightweight_chart(traces, "traces", voltages.prediction_text)
    with fourth:
        if not is_presentation_mode():
            page_link("views/voltages.py", "**4 · Prediction** → Voltages", ":material/gavel:")
        charts.html_figure(peaks, "peaks", voltages.prediction_text, lambda: charts.predictions_csv(voltages))
    st.markdown(voltages.firing_text)
    show_code.render(lambda: potentials_code(show_code.code_input(view)))


draw_body(render, "Overview")
