"""Learning steps on a copy of the selected model, stored in the session and in the URL."""

import math
from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.state.experiment import View
from pages.state.settings import get_setting
from tempotron_core import figures
from tempotron_core.analysis.attribution import kernel_at_peak
from tempotron_core.analysis.learning_step import LearningStep, StepSequence, apply_steps, decode_steps, encode_steps

_QUERY_KEY = "rule_steps"
_MODEL_CHANGED = (
    "The selected model has been trained further. The copy still has the former weights; press Start over to use the "
    "new ones."
)


def _origin_settings(view: View) -> dict[str, Any]:
    """Return what determines the copy: data set, sample, model."""
    model = view.model
    constants = (
        model.m,
        model.T,
        model.beta,
        model.tau,
        model.tau_s,
        model.v_threshold,
        model.firing_threshold,
        model.tempotrons_per_class,
        model.weight.shape,
    )
    return {
        "data set": (view.dataset.name, get_setting("dir")),
        "sample": (view.index, None if view.own_image is None else view.own_image.tobytes()),
        "model": (get_setting("model"), get_setting("run"), get_setting("checkpoint"), constants),
    }


def current_steps(view: View) -> tuple[StepSequence, str | None]:
    """Return the steps so far and a notice, or None.

    Another data set, sample or model discards the steps. If only the weights of the selected model change (training in
    progress), the copy stays as it is after a step by button, and steps from the URL are applied again.
    """
    state, origin = st.session_state, _origin_settings(view)
    previous_origin, sequence, notice = state.get("rule_choices"), state.get("rule_walk"), None
    if previous_origin is None or sequence is None:
        sequence = apply_steps(
            view.model, view.image, decode_steps(st.query_params.get(_QUERY_KEY, ""), len(view.dataset.classes))
        )
    elif previous_origin != origin:
        changed = next(name for name in origin if previous_origin[name] != origin[name])
        state["rule_words"] = None
        if sequence.steps:
            state["rule_words"] = f"Another {changed} was selected: the steps were reset."
        sequence, state["rule_pressed"] = apply_steps(view.model, view.image), False
    elif not torch.equal(sequence.origin.weight, view.model.weight):
        if state.get("rule_pressed") and sequence.steps:
            notice = _MODEL_CHANGED
        else:
            sequence = apply_steps(view.model, view.image, sequence.steps)
    state["rule_choices"], state["rule_walk"] = origin, sequence
    text = encode_steps(sequence.steps)
    if text and st.query_params.get(_QUERY_KEY) != text:
        st.query_params[_QUERY_KEY] = text
    elif not text and _QUERY_KEY in st.query_params:
        del st.query_params[_QUERY_KEY]
    return sequence, notice or state.get("rule_words")


def set_steps(sequence: StepSequence) -> None:
    """Replace the steps."""
    st.session_state.update(rule_walk=sequence, rule_pressed=True, rule_words=None)


def step_info(view: View, sequence: StepSequence, step: LearningStep, output: int | None = None) -> figures.StepInfo:
    """Return the data of the figures of a step.

    Args:
        view: sample and model
        sequence: steps before it
        step: the step
        output: class to show in detail, None for the one with the largest error
    """
    before, after = step.before, step.after
    return figures.StepInfo(
        len(sequence.steps) + 1, step.settings.target, view.dataset.classes, before.v.numpy(), after.v.numpy(),
        before.v_max.numpy(), before.t_max.numpy(), after.v_max.numpy(), after.t_max.numpy(),
        step.wrong.numpy(), step.dead_outputs.all(dim=1).numpy(), step.error.sum(dim=1).numpy(),
        step.settings.rule == "cross-entropy", view.model.threshold,
        np.array([peaks.numpy() for peaks in sequence.peaks]), output,
    )  # fmt: skip


def weight_change_info(
    view: View, step: LearningStep, output: int, tempotron: int, neuron: int | None = None
) -> figures.WeightChangeInfo:
    """Return the data of the figures of the weight change of one tempotron.

    Args:
        view: sample and model
        step: the step
        output: class
        tempotron: index of the tempotron within the class
        neuron: index of the tuning neuron in the map, None for the sum of all
    """
    name, t_max = view.dataset.classes[output], step.t_max[output, tempotron].item()
    name = name if view.model.tempotrons_per_class == 1 else f"tempotron {tempotron + 1} of {name}"
    last = view.model.T if view.model.time == "exact" else view.model.T - 1
    grid = torch.arange(0, last + 0.25, 0.25)
    t_spike = float(step.before.t_spike[output, tempotron]) if view.model.after_spike == "shunt" else -1.0
    return figures.WeightChangeInfo(
        name, step.dw[output, tempotron].numpy(), step.before.times.numpy(), float(step.error[output, tempotron]),
        step.settings.rate, t_max, step.after.peak_times[output, tempotron].item(), grid.numpy(),
        kernel_at_peak(view.model, grid, t_max, t_spike).numpy(),
        float(step.predicted[output, tempotron]), float(step.actual[output, tempotron]),
        float(step.after.peaks[output, tempotron] - step.before.peaks[output, tempotron]),
        bool(step.dead_outputs[output, tempotron]),
        view.pixels, neuron, view.dataset.features, t_spike if t_spike >= 0 else math.inf,
    )  # fmt: skip
