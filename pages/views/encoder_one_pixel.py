"""First view of the page "Encoder": tuning and spikes of one pixel, feature or pattern, and spikes of the sample."""

from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.components import charts, pixel_picker, stage
from pages.components.page import chart_heading, optional_caption
from pages.state.experiment import View, image_name
from pages.state.settings import get_setting, is_presentation_mode, number_widget, url_widget
from tempotron_core import figures
from tempotron_core.model.classifier import pixel_tuning
from tempotron_core.model.codes import DEFAULT_CODE, FittedCode, split_code
from tempotron_core.model.local_patterns import MIN_RESPONSE, extract_patterns, tuning_width

GRID = torch.linspace(0, 1, 201).view(1, 1, -1)
VALUES = torch.arange(256, dtype=torch.uint8)


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


def select_position(view: View) -> int:
    """Show the sample with its selected pixel or feature and return the index of it."""
    dataset = view.dataset
    last = dataset.num_features - 1
    if int(get_setting("pixel")) > last:
        st.session_state["pixel"] = last if dataset.shape else 0
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
    return pixel


def select_value(view: View, pixel: int) -> float:
    """Show the slider of the value x and return it."""
    dataset = view.dataset
    value = st.slider(
        "Value x, grey value (0 to 1)" if dataset.shape else "Value x, scaled (0 to 1)",
        format="%.3f",
        help=f"Follows the selected {dataset.feature}; any other value can be set.",
        **number_widget("x"),
    )
    optional_caption(scale_text(view, pixel, value))
    return float(value)


def tuning_info(view: View, code: FittedCode, m: int, beta: float, T: int, value: float) -> figures.TuningInfo:
    """Return the tuning of the neurons of one pixel over its value.

    A code that is not Gaussian is shown by what it makes of samples of which all values are equal.
    """
    if code.name == DEFAULT_CODE:
        tuning, x = pixel_tuning(m, beta), torch.tensor([[[value]]])
        return figures.TuningInfo(
            GRID.view(-1).numpy(), tuning_curves(m, beta), value, tuning.response(x)[0, 0, 0].numpy(),
            tuning.encode(x, T)[0, 0, 0].numpy(), T,
        )  # fmt: skip
    symbols = code.symbols(VALUES.view(-1, *[1] * view.image.dim()).expand(-1, *view.image.shape).contiguous())
    times = code.spike_table(m, T, beta)[symbols[:, symbols.shape[1] // 2].long()].numpy()
    g = np.where(times >= 0, 1 - times / T, 0.0).astype(np.float32)
    number = round(255 * value)
    return figures.TuningInfo(np.linspace(0, 1, 256), g, value, g[number], times[number], T, is_gaussian=False)


def pattern_info(view: View, code: FittedCode, m: int, beta: float, T: int, position: int) -> figures.PatternTuningInfo:
    """Return the tuning of the afferents of one position over the distance to their preferred patterns."""
    symbol = int(code.symbols(view.image[None])[0, position])
    return figures.PatternTuningInfo(
        extract_patterns(view.image[None])[position].numpy() / 255, code.fitted["codebook"][symbol].numpy(),
        code.fitted["preferred"].numpy(), code.spike_table(m, T, beta)[symbol].numpy(),
        tuning_width(beta, code.fitted), MIN_RESPONSE, T,
    )  # fmt: skip


def show_tuning(info: figures.TuningInfo, place: Any, right: Any) -> None:
    """Draw the tuning curves over the value."""
    with place if is_presentation_mode() else right:
        chart_heading(info.takeaway)
        height = stage.figure_height(430, info.takeaway, taken=60)
        charts.plotly_chart(figures.tuning_figure(info, height), "tuning", info.takeaway)
    with right:
        st.caption(info.silence_text)


def show_patterns(info: figures.PatternTuningInfo, place: Any, left: Any, right: Any) -> None:
    """Draw the tuning over the distance, and the preferred patterns as small images."""
    with left:
        charts.html_figure(
            figures.patterns_html(
                np.stack([info.pattern, info.codeword]), "The pattern around the pixel and its codeword",
                ("pattern", "codeword"), size=72,
            )
        )  # fmt: skip
    with place if is_presentation_mode() else right:
        chart_heading(info.takeaway)
        height = stage.figure_height(340, info.takeaway, taken=60)
        charts.plotly_chart(figures.pattern_tuning_figure(info, height), "tuning", info.takeaway)
    with right:
        st.markdown("**Preferred patterns**, with the spike times of this position")
        labels = [f"{time:.0f} ms" if time >= 0 else "–" for time in info.time.tolist()]
        spiking = (info.time >= 0).tolist()
        charts.html_figure(
            figures.patterns_html(info.preferred, "Preferred patterns of the afferents", labels, spiking),
            "preferred_patterns", "Preferred patterns of the afferents, from dark to bright",
            lambda: figures.columns_to_csv(
                {f"grey_value_{i + 1}": info.preferred[:, i] for i in range(9)} | {"time_ms": info.time}
            ),
        )  # fmt: skip
        st.caption(
            "A pattern is the nine grey values at the distances −2, 0 and 2 in x and y; outside the image all is "
            f"black. Afferents farther away than {info.max_distance:.2f} are silent."
        )


def render(view: View, code: FittedCode, m: int, beta: float, T: int, place: Any) -> None:
    """Show the tuning of one pixel, feature or pattern and the spikes of the sample.

    Args:
        view: experiment
        code: code
        m: afferents per position
        beta: inverse width of the curves
        T: window in ms
        place: stage of the key figure
    """
    parts = {part.name: (part, part_m) for part, part_m in split_code(code, m)}
    part, part_m = next(iter(parts.values()))
    if len(parts) > 1:
        name = st.segmented_control(
            "Part of the joined code", tuple(parts), default=part.name, required=True, **url_widget("part")
        )
        part, part_m = parts.get(str(name), (part, part_m))
    left, right = st.columns([1, 2])
    with left:
        pixel = select_position(view)
    if "preferred" in part.fitted:
        info = pattern_info(view, part, part_m, beta, T, pixel)
        show_patterns(info, place, left, right)
        time, title, alt = info.time, "Spike times of this pattern", info.takeaway
    else:
        with left:
            value = select_value(view, pixel)
        tuning = tuning_info(view, part, part_m, beta, T, value)
        show_tuning(tuning, place, right)
        time, title, alt = tuning.time, "Spike times of value x", tuning.takeaway
    raster = sample_raster(view, code, m, beta, T)
    chart_heading(raster.takeaway)
    one, whole = st.columns([1, 2])
    with one:
        st.markdown(f"**{title}**")
        charts.html_figure(figures.pixel_raster_html(time, T, alt))
    with whole:
        st.markdown("**Spike raster of all afferents**")
        charts.html_figure(figures.raster_html(raster))
    st.markdown("**Spikes per millisecond**")
    charts.html_figure(figures.histogram_html(raster))


def sample_raster(view: View, code: FittedCode, m: int, beta: float, T: int) -> figures.RasterInfo:
    """Return the spikes of the sample, those of positions with the resting symbol apart."""
    times = code.spike_times(view.image[None], m, T, beta)[0].view(-1, m).numpy()
    rest = (code.symbols(view.image[None])[0] > 0).byte().numpy()
    rest = rest.reshape(view.pixels.shape) if rest.size == view.pixels.size else rest
    is_pattern = any("preferred" in part.fitted for part, _ in split_code(code, m))
    return figures.raster_info(times, rest, T, rest="black patterns" if is_pattern else "black pixels")


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
