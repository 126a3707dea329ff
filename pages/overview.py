"""The whole path of one digit on one screen: image, spikes, potentials, verdict."""

import streamlit as st

from pages import access, common, cursor, pace, pictures
from tempotron_core import figures


def path() -> None:
    view = common.view()
    decision, voltages = view.voltages()
    raster = figures.raster_info(decision.times.numpy(), view.pixels, view.model.T)
    alt = f"The digit {common.image_name(view)}"
    digit, spikes = (
        figures.digit_plate(view.pixels, alt, height=190),
        figures.raster_plate(raster, height=212, cursor=True),
    )
    traces, peaks = figures.traces_figure(voltages, height=280), figures.peaks_plate(voltages, height=280)
    st.markdown(common.verdict(voltages))
    common.note(view.note)
    cursor.time_cursor(view, decision, voltages)
    first, second = st.columns([1, 2.2])
    with first:
        common.link("pages/encoder.py", "**1 · Image** → encoder", ":material/image:")
        pictures.plate(digit, "digit", alt, lambda: pictures.pixel_numbers(view.pixels))
    with second:
        common.link("pages/encoder.py", f"**2 · Spikes** → {raster.spikes:,} of them", ":material/scatter_plot:")
        pictures.plate(spikes, "spikes", raster.takeaway, lambda: pictures.spike_numbers(decision.times.numpy()))
    third, fourth = st.columns([2.2, 1])
    with third:
        common.link("pages/voltages.py", "**3 · Potentials** → ten tempotrons", ":material/monitoring:")
        pictures.chart(traces, "traces", voltages.verdict)
    with fourth:
        common.link("pages/voltages.py", "**4 · Verdict** → the highest peak wins", ":material/gavel:")
        pictures.plate(peaks, "peaks", voltages.verdict, lambda: pictures.decision_numbers(voltages))


access.by_the_entrance()
pace.fragment(path, run_every=pace.tick(common.FOLLOW_SECONDS, common.follows_live_run()))()
