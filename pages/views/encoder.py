"""Page "Encoder": tuning curves, spike times of a pixel or feature and of the sample, information in the code."""

from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.components import charts, experiment_bar, experiment_controls, pixel_picker, stage
from pages.components.page import (
    chart_heading,
    lazy_expander,
    optional_caption,
    page_header,
    report_experiment_errors,
)
from pages.state.datasets import current_dataset
from pages.state.experiment import View, image_name, resolve_view
from pages.state.overrides import CODE, constants_in_use
from pages.state.settings import (
    CODE_ANALYSIS,
    ONE_PIXEL,
    get_setting,
    is_presentation_mode,
    number_widget,
    url_widget,
)
from pages.streamlit_hooks import flushing_fragment
from pages.views import encoder_code_analysis
from tempotron_core import figures
from tempotron_core.model.classifier import pixel_spike_times, pixel_tuning

GRID = torch.linspace(0, 1, 201).view(1, 1, -1)


@st.cache_data(max_entries=200, show_spinner=False)
def tuning_curves(m: int, beta: float) -> np.ndarray:
    """Return the tuning curves on the grid of grey values, float32 [201, m]."""
    return np.asarray(pixel_tuning(m, beta).response(GRID)[0, 0].numpy(), dtype=np.float32)


def sync_value_to_pixel(pixels: np.ndarray, pixel: int, source: tuple[str, int, int, bool]) -> None:
    """Set x to the grey value of the pixel when another pixel or image is selected; keep an x from the URL.

    Args:
        pixels: image
        pixel: index of the selected pixel
        source: data set, sample, pixel and whether it is a test sample, to detect a change
    """
    if st.session_state.get("value_of") not in (None, source) or "x" not in st.session_state:
        st.session_state["x"] = round(float(pixels.reshape(-1)[pixel]) / 255, 3)
    st.session_state["value_of"] = source


def select_pixel(pixel: int) -> None:
    """Select a pixel."""
    st.session_state["pixel"] = pixel


def one_pixel(view: View, m: int, beta: float, T: int, place: Any) -> None:
    """Show the code of one pixel or feature and the spikes of the sample.

    Args:
        view: experiment
        m: neurons per pixel or feature
        beta: inverse width of the curves
        T: window in ms
        place: stage of the key figure
    """
    dataset = view.dataset
    last = dataset.num_features - 1
    if int(get_setting("pixel")) > last:
        st.session_state["pixel"] = last if dataset.shape else 0
    left, right = st.columns([1, 2])
    with left:
        st.markdown("**Click a pixel**" if dataset.shape else "**Features of the sample**")
        picker_area = st.container()
        if dataset.shape:
            pixel = pixel_picker.pixel_number(view)
        else:
            bounds = number_widget("pixel", max_value=last, value=min(last, 431))
            pixel = int(st.number_input(f"Feature, 0 to {last:,}", **bounds))
        with picker_area:
            if dataset.shape:
                pixel_picker.pixel_picker(view, pixel, select_pixel)
            else:
                feature_bars(view, pixel)
        sync_value_to_pixel(view.pixels, pixel, (view.dataset.name, view.index, pixel, view.own_image is None))
        value = st.slider(
            "Value x, grey value (0 to 1)" if dataset.shape else "Value x, scaled (0 to 1)",
            format="%.3f",
            help=f"Follows the selected {dataset.feature}; any other value can be set.",
            **number_widget("x"),
        )
        optional_caption(scale_text(view, pixel, value))
    tuning, x = pixel_tuning(m, beta), torch.tensor([[[value]]])
    time = tuning.encode(x, T)[0, 0, 0].numpy()
    info = figures.TuningInfo(
        GRID.view(-1).numpy(), tuning_curves(m, beta), value, tuning.response(x)[0, 0, 0].numpy(), time, T
    )
    with place if is_presentation_mode() else right:
        chart_heading(info.takeaway)
        height = stage.figure_height(430, info.takeaway, taken=60)
        charts.plotly_chart(figures.tuning_figure(info, height), "tuning", info.takeaway)
    with right:
        st.caption(info.silence_text)
    raster = figures.raster_info(pixel_spike_times(view.image[None], m, T, beta)[0].view(-1, m).numpy(), view.pixels, T)
    neurons = figures.pixel_raster_html(time, T, info.takeaway)
    afferents, counts = figures.raster_html(raster), figures.histogram_html(raster)
    chart_heading(raster.takeaway)
    one, whole = st.columns([1, 2])
    with one:
        st.markdown("**Spike times of value x**")
        charts.html_figure(neurons)
    with whole:
        st.markdown("**Spike raster of all afferents**")
        charts.html_figure(afferents)
    st.markdown("**Spikes per millisecond**")
    charts.html_figure(counts)


def feature_bars(view: View, selected: int) -> None:
    """Draw the features of a sample of a table as bars."""
    dataset = view.dataset
    alt = f"The sample {image_name(view)}, {dataset.feature_name(selected)} selected"
    html = figures.features_html(view.pixels / 255, dataset.features, alt, 290, "value, 0 to 1", 1.0, selected)
    charts.html_figure(html, "sample", alt, lambda: charts.pixels_csv(view.pixels))


def scale_text(view: View, index: int, value: float) -> str | None:
    """Return what a scaled value of a feature means in its own units, None for images."""
    dataset = view.dataset
    if dataset.shape or index >= len(dataset.low):
        return None
    low, high = dataset.low[index], dataset.high[index]
    own = low + value * (high - low)
    return (
        f"{dataset.feature_name(index)}: x {value:.3f} stands for {own:.4g}; 0 to 1 is the range of the training part, "
        f"{low:g} to {high:g}."
    )


@flushing_fragment
@report_experiment_errors
def render(view_name: str) -> None:
    """Draw the selected view."""
    view = resolve_view(needs_model=False)
    place = stage.key_figure_stage()
    bar, controls = st.container(), st.columns(3)
    with bar:
        experiment_bar.render(view)
    experiment_controls.draw_sliders(CODE, controls)
    constants = constants_in_use(view.trained or view.model)
    m, beta, T = int(constants["m"]), constants["beta"], int(constants["T"])
    # One container each: Streamlit must not reuse elements of one view in the other, see optional_caption().
    first, second = st.container(), st.container()
    if view_name == CODE_ANALYSIS:
        with second:
            encoder_code_analysis.render(view, m, beta, T)
    else:
        with first:
            one_pixel(view, m, beta, T, place)


def equations() -> None:
    """Show the equations and their sources."""
    # One short equation per line: a wider one is a scrollable region that the keyboard cannot reach.
    for equation in (
        r"\mu_j = x_{min} + \frac{2j-3}{2}\,\frac{x_{max}-x_{min}}{m-2}",
        r"\sigma=\frac{1}{\beta}\,\frac{x_{max}-x_{min}}{m-2}",
        r"g_j(x) = e^{-(x-\mu_j)^2/2\sigma^2}",
        r"t_j = \mathrm{round}\left((1-g_j(x))\,T\right),\quad t_j \geq T:\ \text{no spike}",
        r"s^*=\frac{\tau\,\tau_s}{\tau-\tau_s}\ln\frac{\tau}{\tau_s},\quad t_i + s^* > T-1:\ \text{too late to peak}",
        r"I(S;C)=H(S)+H(C)-H(S,C)",
    ):
        st.latex(equation)
    st.caption(
        "Bohte, Kok, La Poutré: Error-backpropagation in temporally encoded networks of spiking neurons, 2002. The "
        "mutual information expected by chance is the mean over all permutations of the labels: Vinh, Epps, Bailey: "
        "Information theoretic measures for clusterings comparison, 2010."
    )


page_header("Encoder")
view_name = st.segmented_control(
    "View",
    (ONE_PIXEL, CODE_ANALYSIS),
    format_func=lambda name: name.replace("pixel", current_dataset()[0].feature),
    default=ONE_PIXEL,
    required=True,
    **url_widget("view"),
    label_visibility="collapsed",
)
render(view_name)
lazy_expander("The equations", equations)
