"""A copy of the chosen model and the steps of learning it has taken: kept for a viewer, and in the link."""

from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.state.experiment import View
from pages.state.settings import get_setting
from tempotron_core import figures
from tempotron_core.analysis.attribution import kernel_at_peak
from tempotron_core.analysis.learning_step import Step, Walk, lessons_of, walk, written

_LINK = "rule_steps"
_AHEAD = (
    "The chosen model has learned on since. This copy keeps the weights it began with; Start over takes the new ones."
)


def _choices(view: View) -> dict[str, Any]:
    """What a copy is taken from, by the names that the viewer knows."""
    model = view.model
    constants = (model.m, model.T, model.beta, model.tau, model.tau_s, model.v_threshold, model.k, model.weight.shape)
    return {
        "data set": (view.dataset.name, get_setting("dir")),
        "sample": view.index,
        "model": (get_setting("model"), get_setting("run"), constants),
    }


def present(view: View) -> tuple[Walk, str | None]:
    """The steps so far, and a remark: begun anew for another digit or model, kept while the model itself learns on."""
    state, now = st.session_state, _choices(view)
    was, taken, words = state.get("rule_choices"), state.get("rule_walk"), None
    if was is None or taken is None:
        taken = walk(view.model, view.image, lessons_of(st.query_params.get(_LINK, ""), len(view.dataset.classes)))
    elif was != now:
        changed = next(name for name in now if was[name] != now[name])
        state["rule_words"] = None
        if taken.lessons:
            state["rule_words"] = f"Another {changed} was chosen: the steps begin anew, on a fresh copy."
        taken, state["rule_pressed"] = walk(view.model, view.image), False
    elif not torch.equal(taken.origin.weight, view.model.weight):
        if state.get("rule_pressed") and taken.lessons:
            words = _AHEAD
        else:
            taken = walk(view.model, view.image, taken.lessons)
    state["rule_choices"], state["rule_walk"] = now, taken
    text = written(taken.lessons)
    if text and st.query_params.get(_LINK) != text:
        st.query_params[_LINK] = text
    elif not text and _LINK in st.query_params:
        del st.query_params[_LINK]
    return taken, words or state.get("rule_words")


def take(taken: Walk) -> None:
    """Go on from there."""
    st.session_state.update(rule_walk=taken, rule_pressed=True, rule_words=None)


def told(view: View, taken: Walk, found: Step, chosen: int | None = None) -> figures.StepInfo:
    """What is drawn of a step; chosen: the output looked at more closely, or None."""
    before, after = found.before, found.after
    return figures.StepInfo(
        len(taken.lessons) + 1, found.lesson.target, view.dataset.classes, before.v.numpy(), after.v.numpy(),
        before.v_max.numpy(), before.t_max.numpy(), after.v_max.numpy(), after.t_max.numpy(),
        found.wrong.numpy(), found.dead.all(dim=1).numpy(), found.error.sum(dim=1).numpy(),
        found.lesson.rule == "cross-entropy", view.model.v_threshold,
        np.array([peaks.numpy() for peaks in taken.peaks]), chosen,
    )  # fmt: skip


def change(view: View, found: Step, output: int, j: int, neuron: int | None = None) -> figures.ChangeInfo:
    """What is drawn of the weights of tempotron j of an output; neuron: the tuning neuron of the map, None for all."""
    name, t_max = view.dataset.classes[output], int(found.t_max[output, j])
    name = name if view.model.k == 1 else f"tempotron {j + 1} of {name}"
    grid = torch.arange(0, view.model.T - 0.75, 0.25)
    peak, when = found.after.neurons[output, j].max(dim=0)
    return figures.ChangeInfo(
        name, found.dw[output, j].numpy(), found.before.times.numpy(), float(found.error[output, j]),
        found.lesson.rate, t_max, int(when), grid.numpy(), kernel_at_peak(view.model, grid, t_max).numpy(),
        float(found.predicted[output, j]), float(found.actual[output, j]),
        float(peak - found.before.neurons[output, j].max()), bool(found.dead[output, j]), view.pixels, neuron,
    )  # fmt: skip
