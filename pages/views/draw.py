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
from tempotron_core.analysis.robustness import Perturbation, image_under, times_under
from tempotron_core.model.classifier import Decision, decide, decide_times, pixel_times

SLIDERS = {
    "jitter": ("Jitter, ms", "Every spike moves by a random time of this standard deviation."),
    "drop": ("Spikes lost, %", "Each spike is lost with this probability."),
    "delay": ("Delay, ms", "All spikes come this much later; the window stays."),
    "noise": ("Pixel noise", "Every pixel, 0 to 255, gets a random value of this standard deviation."),
    "right": ("Shift right, px", "Negative: to the left."),
    "down": ("Shift down, px", "Negative: up."),
}


def reset() -> None:
    """Take all perturbations away."""
    for key in SLIDERS:
        st.session_state[key] = DEFAULTS[key]


def perturbation() -> Perturbation:
    values = {}
    columns = st.columns(4, vertical_alignment="bottom")
    for place, (key, (label, words)) in enumerate(SLIDERS.items()):
        values[key] = columns[place % 3].slider(label, format="%g", help=words, **number_widget(key))
    seed = columns[3].number_input("Seed", help="Of all chance.", **number_widget("perturb_seed"))
    columns[3].button("All to zero", on_click=reset, width="stretch")
    return Perturbation(
        values["jitter"], values["drop"] / 100, values["delay"], values["noise"],
        int(values["right"]), int(values["down"]), int(seed or 0),
    )  # fmt: skip


def told(decision: Decision, view: View, true: int | None) -> figures.VoltageInfo:
    return figures.VoltageInfo(
        decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy(), decision.v_threshold,
        view.dataset.classes, true,
    )  # fmt: skip


def page() -> None:
    view = resolve_view()
    model, classes = view.model, view.dataset.classes
    if model.weight.shape[0] != len(classes) * model.k:
        st.warning(
            f"Expected a model of {len(classes)} classes, got one of {model.weight.shape[0] // model.k}; "
            "choose another model or data set."
        )
        return
    headline = st.empty()
    optional_caption(view.note)
    left, right = st.columns([1, 2])
    with left:
        pixels, true, words = draw_digit_source.chosen(view)
        seen = st.container()
    with right:
        now = perturbation()
        traces = st.container()
    lower_left, lower_right = st.columns([1, 2])
    if pixels is None:
        headline.markdown(f"## {words}")
        with traces:
            charts.chart(figures.waiting_figure(words, 360), "perturbed", words)
    else:
        image = torch.from_numpy(pixels.copy())
        clean = decide(model, image)
        harmed = image_under(image.unsqueeze(0), now)
        decision = decide_times(model, times_under(pixel_times(harmed, model.m, model.T, model.beta), now))
        info = figures.PerturbedInfo(told(clean, view, true), told(decision, view, true), now.told)
        headline.markdown(f"## :{info.colour}[{info.headline}]" if info.colour else f"## {info.headline}")
        with seen:
            shown, title = harmed[0].numpy(), "The digit as the network sees it"
            alt = f"{title}: {'drawn or uploaded' if words else image_name(view)}, {now.told or 'not perturbed'}."
            st.markdown(f"**{title}**")
            digit = figures.digit_plate(shown, alt, 200 if words else 260)
            charts.plate(digit, "digit", alt, lambda: charts.pixel_numbers(shown))
        with traces:
            charts.chart(figures.perturbed_figure(info, 360), "perturbed", info.headline)
            st.markdown(info.legend)
        with lower_left:
            peaks = figures.peaks_plate(info.now, 370)
            charts.plate(peaks, "peaks", info.now.verdict, lambda: charts.decision_numbers(info.now))
        with lower_right:
            moved = figures.moved_info(clean.times.numpy(), decision.times.numpy(), model.T)
            st.markdown(f"**{moved.takeaway}**")
            spikes = figures.moved_plate(moved, 320)
            charts.plate(spikes, "spikes", moved.takeaway, lambda: charts.spike_numbers(decision.times.numpy()))
    draw_robustness.curve(view, now)


page_header("Draw and perturb")
flushing_fragment(page, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live()))()
