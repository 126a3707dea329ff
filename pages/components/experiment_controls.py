"""Controls of the code and the neuron, in the body of one page and in the sidebar of all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages import streamlit_hooks
from pages.state import overrides
from pages.state.datasets import current_dataset
from pages.state.experiment import selected_model
from pages.state.settings import SETTINGS, number_widget, url_widget
from tempotron_core.model.codes import CODES, DEFAULT_CODE

LABELS = {
    "m": ("m, neurons per pixel", "The weights of a model belong to one m; a latency code has one neuron per pixel."),
    "beta": ("beta, inverse width", "The larger beta, the narrower the curves; latency codes have none."),
    "T": ("T, window in ms", "Spike times are distributed over this window."),
    "tau": ("tau, membrane, ms", "Time constant with which the postsynaptic potential decays."),
    "tau_s": ("tau_s, synapse, ms", "Time constant with which the postsynaptic potential rises."),
    "time": (
        "time, where V is evaluated",
        "grid: at whole milliseconds from 0 to T - 1. exact: peaks and threshold crossings at any time from 0 to T.",
    ),
    "after_spike": (
        "after_spike, what an output does",
        "continue: the potential does not depend on the output's own spike. shunt: spikes that arrive at or after the "
        "first threshold crossing have no effect.",
    ),
    "threshold": (
        "threshold",
        "Outputs whose potential reaches it fire. The potentials do not change: their kernel stays as it was trained. "
        "Of several tempotrons per class the pooled potential is compared.",
    ),
}
IN_BODY = {"encoder": overrides.CODE, "voltages": overrides.NEURON}
"""Constants whose sliders a page shows in its body, by URL path."""


def draw_code_select(container: Any) -> None:
    """Draw the choice of the code of the samples."""
    model = selected_model()
    trained = model[0].code.name if model else DEFAULT_CODE
    names = list(CODES) if trained in CODES else [trained]  # recorded spike times have no other code
    name = container.selectbox(
        "Code",
        names,
        names.index(trained),
        help="The weights of a model belong to one code; the Encoder shows any.",
        **url_widget("code"),
    )
    streamlit_hooks.bind_on_all_pages({"code": None if name == trained else name})


def draw_sliders(names: Sequence[str], containers: Sequence[Any]) -> None:
    """Draw the sliders of these constants, one in each container."""
    model = selected_model()
    trained = overrides.model_constants(model[0]) if model else {}
    code = overrides.code_in_use(model[0]) if model else DEFAULT_CODE
    values: dict[str, float | str | None] = {}
    feature = current_dataset()[0].feature
    has_code = not current_dataset()[0].has_spike_times
    for name, container in zip(names, containers, strict=True):
        if name in ("m", "beta") and not has_code:
            continue  # recorded spike times are not encoded
        setting, (label, explanation) = SETTINGS[name], LABELS[name]
        label, explanation = label.replace("pixel", feature), explanation.replace("pixel", feature)
        low, high = setting.low or 0, setting.high or 0
        value = trained.get(name, low)
        if name == "m" and code != DEFAULT_CODE:
            low, high = overrides.m_bounds(code)
            value = st.session_state.get("m", value)
        low, high = min(low, value), max(high, value)
        shown = container.slider(
            label,
            help=explanation,
            disabled=low == high,
            **number_widget(name, value=value, min_value=low, max_value=high + (low == high)),
        )
        values[name] = None if shown == trained.get(name, value) else shown
    streamlit_hooks.bind_on_all_pages(values)


def draw_choices(container: Any) -> None:
    """Draw the options of the neuron."""
    model = selected_model()
    trained = overrides.model_constants(model[0]) if model else {}
    values: dict[str, float | str | None] = {}
    for name, options in overrides.CHOICES.items():
        label, explanation = LABELS[name]
        index = options.index(trained.get(name, options[0]))
        shown = container.selectbox(label, options, index, help=explanation, **url_widget(name))
        values[name] = None if shown == options[index] else shown
    streamlit_hooks.bind_on_all_pages(values)


def draw_in_sidebar(url_path: str) -> None:
    """Draw the widgets that the page does not show in its body; call once per run, before the page."""
    if model := selected_model():
        overrides.follow_model(model[0])
    names = [name for name in overrides.CONSTANTS if name not in IN_BODY.get(url_path, ())]
    with st.sidebar, st.expander("Code and neuron"):
        if url_path != "encoder":
            draw_code_select(st)
        draw_sliders(names, [st] * len(names))
        draw_choices(st)
