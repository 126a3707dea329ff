"""The whole path of one digit on one screen: image, spikes, potentials, verdict."""

import streamlit as st

from pages import common
from tempotron_core import figures


def path() -> None:
    view = common.view()
    decision, voltages = view.voltages()
    raster = figures.raster_info(decision.times.numpy(), view.pixels, view.model.T)
    st.markdown(common.verdict(voltages))
    if view.note:
        st.caption(view.note)
    image, spikes = st.columns([1, 2.2])
    with image:
        common.link("pages/encoder.py", "**1 · Image** → encoder", ":material/image:")
        common.chart(figures.digit_figure(view.pixels, height=230), "image", f"The digit {common.image_name(view)}")
    with spikes:
        common.link("pages/encoder.py", f"**2 · Spikes** → {raster.spikes:,} of them", ":material/scatter_plot:")
        common.chart(figures.image_raster_figure(raster, height=230), "raster", raster.takeaway)
    potentials, peaks = st.columns([2.2, 1])
    with potentials:
        common.link("pages/voltages.py", "**3 · Potentials** → ten tempotrons", ":material/monitoring:")
        common.chart(figures.traces_figure(voltages, height=300), "traces", voltages.verdict)
    with peaks:
        common.link("pages/voltages.py", "**4 · Verdict** → the highest peak wins", ":material/gavel:")
        common.chart(figures.peaks_figure(voltages, height=300), "peaks", voltages.firing)


st.fragment(path, run_every=common.FOLLOW_SECONDS if common.follows_live_run() else None)()
