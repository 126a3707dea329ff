"""Sliders of the code and the neuron, in the body of one page and in the sidebar of all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages import streamlit_hooks
from pages.state import overrides
from pages.state.datasets import current_dataset
from pages.state.experiment import selected_model
from pages.state.settings import SETTINGS, number_widget

LABELS = {
    "m": ("m, neurons per pixel", "The weights of a model belong to one m."),
    "beta": ("beta, inverse width of the curves", "The larger beta, the narrower the curves."),
    "T": ("T, window in ms", "Spike times are distributed over this window."),
    "tau": ("tau, membrane, ms", "Time constant with which the postsynaptic potential decays."),
    "tau_s": ("tau_s, synapse, ms", "Time constant with which the postsynaptic potential rises."),
    "threshold": (
        "threshold",
        "Outputs whose potential reaches it fire. The potentials do not change: their kernel stays as it was trained.",
    ),
}
IN_BODY = {"encoder": overrides.CODE, "voltages": overrides.NEURON}
"""Constants whose sliders a page shows in its body, by URL path."""


def draw_sliders(names: Sequence[str], containers: Sequence[Any]) -> None:
    """Draw the sliders of these constants, one in each container."""
    model = selected_model()
    trained = overrides.model_constants(model[0]) if model else {}
    values: dict[str, float | None] = {}
    feature = current_dataset()[0].feature
    for name, container in zip(names, containers, strict=True):
        setting, (label, explanation) = SETTINGS[name], LABELS[name]
        label = label.replace("pixel", feature)
        low, high = setting.low or 0, setting.high or 0
        value = trained.get(name, low)
        low, high = min(low, value), max(high, value)
        shown = container.slider(
            label, help=explanation, **number_widget(name, value=value, min_value=low, max_value=high)
        )
        values[name] = None if shown == value else shown
    streamlit_hooks.bind_on_all_pages(values)


def draw_in_sidebar(url_path: str) -> None:
    """Draw the sliders that the page does not show in its body; call once per run, before the page."""
    if model := selected_model():
        overrides.follow_model(model[0])
    names = [name for name in overrides.CONSTANTS if name not in IN_BODY.get(url_path, ())]
    with st.sidebar, st.expander("Code and neuron"):
        draw_sliders(names, [st] * len(names))
