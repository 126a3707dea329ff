"""Gaussian tuning curves: the spikes they make of one pixel and of the whole image, and what that keeps and loses."""

import numpy as np
import streamlit as st
import torch

from pages.components import charts, pixel_picker
from pages.components.page import chart_heading, lazy_expander, page_header
from pages.state.experiment import View, resolve_view
from pages.state.settings import CODE_ANALYSIS, ONE_PIXEL, number_widget, url_widget
from pages.streamlit_hooks import flushing_fragment
from pages.views import encoder_code_analysis
from tempotron_core import figures
from tempotron_core.model.classifier import pixel_spike_times, pixel_tuning

GRID = torch.linspace(0, 1, 201).view(1, 1, -1)


@st.cache_data(max_entries=200, show_spinner=False)
def tuning_curves(m: int, beta: float) -> np.ndarray:
    return np.asarray(pixel_tuning(m, beta).response(GRID)[0, 0].numpy(), dtype=np.float32)


def sync_value_to_pixel(pixels: np.ndarray, pixel: int, source: tuple[str, int, int]) -> None:
    """Set the value to the chosen pixel's where another pixel or image was chosen; a link's own value stays."""
    if st.session_state.get("value_of") not in (None, source) or "x" not in st.session_state:
        st.session_state["x"] = round(float(pixels.reshape(-1)[pixel]) / 255, 3)
    st.session_state["value_of"] = source


def select_pixel(pixel: int) -> None:
    st.session_state["pixel"] = pixel


def one_pixel(view: View, m: int, beta: float, T: int) -> None:
    left, right = st.columns([1, 2])
    with left:
        st.markdown("**Click a pixel**")
        picker_area = st.container()
        pixel = int(st.number_input("Pixel, row by row from the top left", **number_widget("pixel")))
        with picker_area:
            pixel_picker.pixel_picker(view, pixel, select_pixel)
        sync_value_to_pixel(view.pixels, pixel, (view.dataset.name, view.index, pixel))
        value = st.slider("Value x, the pixel's own or any other", format="%.3f", **number_widget("x"))
    tuning, x = pixel_tuning(m, beta), torch.tensor([[[value]]])
    time = tuning.encode(x, T)[0, 0, 0].numpy()
    info = figures.TuningInfo(
        GRID.view(-1).numpy(), tuning_curves(m, beta), value, tuning.response(x)[0, 0, 0].numpy(), time, T
    )
    with right:
        chart_heading(info.takeaway)
        charts.plotly_chart(figures.tuning_figure(info), "tuning", info.takeaway)
        st.caption(info.silence_text)
    raster = figures.raster_info(
        pixel_spike_times(view.image[None], m, T, beta)[0].view(784, m).numpy(), view.pixels, T
    )
    neurons = figures.pixel_raster_html(time, T, info.takeaway)
    afferents, counts = figures.raster_html(raster), figures.histogram_html(raster)
    chart_heading(raster.takeaway)
    one, whole = st.columns([1, 2])
    with one:
        st.markdown("**This value's neurons**")
        charts.html_figure(neurons)
    with whole:
        st.markdown("**All afferents, pixel by pixel**")
        charts.html_figure(afferents)
    st.markdown("**Spikes at every millisecond**")
    charts.html_figure(counts)


@flushing_fragment
def render(view_name: str) -> None:
    view = resolve_view()
    controls = st.columns(3)
    m = controls[0].slider("m, neurons a pixel", **number_widget("m"))
    beta = controls[1].slider("beta, narrowness of the curves", **number_widget("beta"))
    T = controls[2].slider("T, window in ms", **number_widget("T"))
    # A place each: what stands in one must not be taken for what stood in the other, see optional_caption().
    first, second = st.container(), st.container()
    if view_name == CODE_ANALYSIS:
        with second:
            encoder_code_analysis.render(view, m, beta, T)
    else:
        with first:
            one_pixel(view, m, beta, T)


def equations() -> None:
    st.latex(
        r"\mu_j = x_{min} + \frac{2j-3}{2}\,\frac{x_{max}-x_{min}}{m-2},\qquad "
        r"\sigma=\frac{1}{\beta}\,\frac{x_{max}-x_{min}}{m-2}"
    )
    st.latex(
        r"g_j(x) = e^{-(x-\mu_j)^2/2\sigma^2},\qquad t_j = \mathrm{round}\left((1-g_j(x))\,T\right),"
        r"\quad t_j \geq T:\ \text{no spike}"
    )
    st.latex(
        r"s^*=\frac{\tau\,\tau_s}{\tau-\tau_s}\ln\frac{\tau}{\tau_s},\qquad t_i + s^* > T-1:\ \text{too late},\qquad "
        r"I(S;C)=H(S)+H(C)-H(S,C)"
    )
    st.caption(
        "Bohte, Kok, La Poutré: Error-backpropagation in temporally encoded networks of spiking neurons, 2002. Chance: "
        "the mean over all orders of the labels; Vinh, Epps, Bailey: Information theoretic measures for clusterings "
        "comparison, 2010."
    )


page_header("Encoder")
view_name = st.segmented_control(
    "View",
    (ONE_PIXEL, CODE_ANALYSIS),
    default=ONE_PIXEL,
    required=True,
    **url_widget("view"),
    label_visibility="collapsed",
)
render(view_name)
lazy_expander("The equations", equations)
