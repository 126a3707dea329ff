"""The whole path of one digit on one screen: image, spikes, potentials, verdict."""

import streamlit as st

from pages.components import charts, time_cursor
from pages.components.page import optional_caption, page_link, prediction_headline
from pages.refresh import refresh_interval
from pages.state.experiment import image_name, resolve_view
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, is_live
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures


def path() -> None:
    view = resolve_view()
    decision, voltages = view.voltages()
    raster = figures.raster_info(decision.times.numpy(), view.pixels, view.model.T)
    alt = f"The digit {image_name(view)}"
    digit, spikes = (
        figures.digit_html(view.pixels, alt, height=190),
        figures.raster_html(raster, height=212, cursor=True),
    )
    traces, peaks = figures.traces_figure(voltages, height=280), figures.peaks_html(voltages, height=280)
    st.markdown(prediction_headline(voltages))
    optional_caption(view.note)
    time_cursor.time_cursor(view, decision, voltages)
    first, second = st.columns([1, 2.2])
    with first:
        page_link("views/encoder.py", "**1 · Image** → encoder", ":material/image:")
        charts.html_figure(digit, "digit", alt, lambda: charts.pixels_csv(view.pixels))
    with second:
        page_link("views/encoder.py", f"**2 · Spikes** → {raster.spikes:,} of them", ":material/scatter_plot:")
        charts.html_figure(spikes, "spikes", raster.takeaway, lambda: charts.spikes_csv(decision.times.numpy()))
    third, fourth = st.columns([2.2, 1])
    with third:
        page_link("views/voltages.py", "**3 · Potentials** → ten tempotrons", ":material/monitoring:")
        charts.plotly_chart(traces, "traces", voltages.prediction_text)
    with fourth:
        page_link("views/voltages.py", "**4 · Verdict** → the highest peak wins", ":material/gavel:")
        charts.html_figure(peaks, "peaks", voltages.prediction_text, lambda: charts.predictions_csv(voltages))


flushing_fragment(path, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live()))()
