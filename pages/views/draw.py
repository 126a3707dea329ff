"""A digit of one's own, or one harmed on its way to the network; and how a whole test set bears the same."""

import streamlit as st
import torch

from pages.components import charts
from pages.components.page import optional_caption, page_header
from pages.refresh import refresh_interval
from pages.state.experiment import View, image_name, resolve_view
from pages.state.settings import DEFAULTS, number_widget
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, is_live
from pages.streamlit_hooks import flushing_fragment
from pages.views import draw_digit_source, draw_robustness
from tempotron_core import figures
from tempotron_core.analysis.robustness import Perturbation, perturb_image, perturb_spikes
from tempotron_core.model.classifier import Prediction, pixel_spike_times, predict, predict_from_spikes

SLIDERS = {
    "jitter": ("Jitter, ms", "Every spike moves by a random time of this standard deviation."),
    "drop": ("Spikes lost, %", "Each spike is lost with this probability."),
    "delay": ("Delay, ms", "All spikes come this much later; the window stays."),
    "noise": ("Pixel noise", "Every pixel, 0 to 255, gets a random value of this standard deviation."),
    "right": ("Shift right, px", "Negative: to the left."),
    "down": ("Shift down, px", "Negative: up."),
}


def reset_perturbation() -> None:
    """Take all perturbations away."""
    for key in SLIDERS:
        st.session_state[key] = DEFAULTS[key]


def perturbation_controls() -> Perturbation:
    values = {}
    columns = st.columns(4, vertical_alignment="bottom")
    for index, (key, (label, help_text)) in enumerate(SLIDERS.items()):
        values[key] = columns[index % 3].slider(label, format="%g", help=help_text, **number_widget(key))
    seed = columns[3].number_input("Seed", help="Of all chance.", **number_widget("perturb_seed"))
    columns[3].button("All to zero", on_click=reset_perturbation, width="stretch")
    return Perturbation(
        values["jitter"], values["drop"] / 100, values["delay"], values["noise"],
        int(values["right"]), int(values["down"]), int(seed or 0),
    )  # fmt: skip


def voltage_info(decision: Prediction, view: View, true: int | None) -> figures.VoltageInfo:
    return figures.VoltageInfo(
        decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy(), decision.v_threshold,
        view.dataset.classes, true,
    )  # fmt: skip


def render() -> None:
    view = resolve_view()
    model, classes = view.model, view.dataset.classes
    if model.weight.shape[0] != len(classes) * model.tempotrons_per_class:
        st.warning(
            f"Expected a model of {len(classes)} classes, got one of {model.weight.shape[0] // model.tempotrons_per_class}; "
            "choose another model or data set."
        )
        return
    headline = st.empty()
    optional_caption(view.note)
    left, right = st.columns([1, 2])
    with left:
        pixels, true, prompt = draw_digit_source.select_digit(view)
        image_area = st.container()
    with right:
        perturbation = perturbation_controls()
        traces = st.container()
    lower_left, lower_right = st.columns([1, 2])
    if pixels is None:
        headline.markdown(f"## {prompt}")
        with traces:
            charts.plotly_chart(figures.placeholder_figure(prompt, 360), "perturbed", prompt)
    else:
        image = torch.from_numpy(pixels.copy())
        clean = predict(model, image)
        perturbed = perturb_image(image.unsqueeze(0), perturbation)
        decision = predict_from_spikes(
            model, perturb_spikes(pixel_spike_times(perturbed, model.m, model.T, model.beta), perturbation)
        )
        info = figures.PerturbedInfo(
            voltage_info(clean, view, true), voltage_info(decision, view, true), perturbation.description
        )
        headline.markdown(f"## :{info.colour}[{info.headline}]" if info.colour else f"## {info.headline}")
        with image_area:
            pixels_shown, title = perturbed[0].numpy(), "The digit as the network sees it"
            alt = f"{title}: {'drawn or uploaded' if prompt else image_name(view)}, {perturbation.description or 'not perturbed'}."
            st.markdown(f"**{title}**")
            digit = figures.digit_html(pixels_shown, alt, 200 if prompt else 260)
            charts.html_figure(digit, "digit", alt, lambda: charts.pixels_csv(pixels_shown))
        with traces:
            charts.plotly_chart(figures.perturbed_figure(info, 360), "perturbed", info.headline)
            st.markdown(info.legend)
        with lower_left:
            peaks = figures.peaks_html(info.perturbed, 370)
            charts.html_figure(
                peaks, "peaks", info.perturbed.prediction_text, lambda: charts.predictions_csv(info.perturbed)
            )
        with lower_right:
            spike_changes = figures.spike_changes_info(clean.times.numpy(), decision.times.numpy(), model.T)
            st.markdown(f"**{spike_changes.takeaway}**")
            spikes = figures.spike_changes_html(spike_changes, 320)
            charts.html_figure(
                spikes, "spikes", spike_changes.takeaway, lambda: charts.spikes_csv(decision.times.numpy())
            )
    draw_robustness.robustness_panel(view, perturbation)


page_header("Draw and perturb")
flushing_fragment(render, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live()))()
