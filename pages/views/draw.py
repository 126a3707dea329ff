"""Page "Draw and perturb": classify a drawn, uploaded or perturbed sample; robustness on the test set."""

from dataclasses import asdict, replace

import streamlit as st
import torch

from pages.components import charts, experiment_bar, show_code, stage
from pages.components.page import draw_body, page_header
from pages.state.experiment import image_name, resolve_view, voltage_info
from pages.state.settings import DEFAULTS, is_presentation_mode, number_widget
from pages.views import draw_digit_source, draw_robustness
from tempotron_core import figures
from tempotron_core.analysis.robustness import Perturbation, perturb_image, perturb_spikes
from tempotron_core.data.datasets import Dataset
from tempotron_core.interchange.code_generation import perturbation_code
from tempotron_core.model.classifier import predict, predict_from_spikes

SLIDERS = {
    "jitter": ("Jitter, ms", "Each spike time changes by a random value with this standard deviation."),
    "drop": ("Deleted spikes, %", "Each spike is deleted with this probability."),
    "delay": ("Delay, ms", "All spikes occur later by this time; the time window T does not change."),
    "noise": ("Pixel noise", "A random value with this standard deviation is added to each pixel (0 to 255)."),
    "right": ("Shift right, px", "Negative values shift to the left."),
    "down": ("Shift down, px", "Negative values shift up."),
}


def reset_perturbation() -> None:
    """Set all perturbations to zero."""
    for key in SLIDERS:
        st.session_state[key] = DEFAULTS[key]


def perturbation_controls(dataset: Dataset) -> Perturbation:
    """Show the sliders and return the perturbation they describe; only images can be shifted."""
    values = dict.fromkeys(SLIDERS, 0)
    absent = () if dataset.shape else ("right", "down", "noise") if dataset.has_spike_times else ("right", "down")
    names = [key for key in SLIDERS if key not in absent]
    columns = st.columns(4, vertical_alignment="bottom")
    for index, key in enumerate(names):
        label, help_text = SLIDERS[key]
        label, help_text = (
            label.replace("Pixel", dataset.feature.capitalize()),
            help_text.replace("pixel", dataset.feature),
        )
        values[key] = columns[index % 3].slider(label, format="%g", help=help_text, **number_widget(key))
    seed = columns[3].number_input("Seed", help="Seed of the random perturbations.", **number_widget("perturb_seed"))
    columns[3].button("All to zero", on_click=reset_perturbation, width="stretch")
    return Perturbation(
        values["jitter"], values["drop"] / 100, values["delay"], values["noise"],
        int(values["right"]), int(values["down"]), int(seed or 0),
    )  # fmt: skip


def render() -> None:
    """Draw the page."""
    view = resolve_view()
    model = view.model
    headline, place = st.empty(), stage.key_figure_stage()
    experiment_bar.render(view)
    with stage.on_stage(place):
        left, right = st.columns([1, 2])
    with left:
        pixels, true_class, prompt = draw_digit_source.select_digit(view)
        image_area = st.container()
    with st.container() if is_presentation_mode() else right:
        perturbation = perturbation_controls(view.dataset)
    with right:
        traces = st.container()
    lower_left, lower_right = st.columns([1, 2])
    if pixels is None:
        headline.markdown(f"## {prompt}")
        with traces:
            height = stage.figure_height(360, prompt)
            charts.plotly_chart(figures.placeholder_figure(prompt, height), "perturbed", prompt)
    else:
        image = view.image if view.dataset.has_spike_times else torch.from_numpy(pixels.copy())
        clean = predict(model, image)
        perturbed = perturb_image(image.unsqueeze(0), perturbation)
        prediction = predict_from_spikes(model, perturb_spikes(model.spike_times(perturbed), perturbation))
        info = figures.PerturbedInfo(
            voltage_info(model, clean, view.dataset.classes, true_class),
            voltage_info(model, prediction, view.dataset.classes, true_class),
            perturbation.description,
        )
        headline.markdown(f"## :{info.colour}[{info.headline}]" if info.colour else f"## {info.headline}")
        with image_area:
            pixels_shown, title = view.picture(perturbed[0]), "Input of the network"
            name = "drawn or uploaded" if prompt else image_name(replace(view, own_image=None))
            alt = f"{title}: {name}, {perturbation.description or 'not perturbed'}."
            st.markdown(f"**{title}**")
            height = 200 if prompt else min(260, stage.figure_height(260, taken=110))
            digit = figures.digit_html(pixels_shown, alt, height, view.dataset.features, view.dataset.quantity)
            charts.html_figure(digit, "digit", alt, lambda: charts.pixels_csv(pixels_shown))
        with traces:
            height = stage.figure_height(360, info.headline)
            charts.plotly_chart(figures.perturbed_figure(info, height), "perturbed", info.headline)
            st.markdown(info.legend)
        with lower_left:
            peaks = figures.peaks_html(info.perturbed, 370)
            charts.html_figure(
                peaks, "peaks", info.perturbed.prediction_text, lambda: charts.predictions_csv(info.perturbed)
            )
        with lower_right:
            spike_changes = figures.spike_changes_info(
                clean.times.numpy(), prediction.times.numpy(), model.T, shape=pixels.shape
            )
            st.markdown(f"**{spike_changes.takeaway}**")
            spikes = figures.spike_changes_html(spike_changes, 320, view.dataset.feature)
            charts.html_figure(
                spikes,
                "spikes",
                spike_changes.takeaway,
                lambda: charts.spikes_csv(prediction.times.numpy(), view.pixels.shape),
            )
    draw_robustness.robustness_panel(view, perturbation)
    fields = {name: value for name, value in asdict(perturbation).items() if value}
    show_code.render(lambda: perturbation_code(show_code.code_input(view, pixels), fields))


page_header("Draw and perturb")
draw_body(render)
