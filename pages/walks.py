"""A copy of the chosen model and the steps of learning it has taken: kept for a viewer, and in the link."""

from typing import Any

import streamlit as st
import torch

from pages import common
from tempotron_core.rule import Walk, lessons_of, walk, written

_LINK = "rule_steps"
_AHEAD = (
    "The chosen model has learned on since. This copy keeps the weights it began with; Start over takes the new ones."
)


def _choices(view: common.View) -> dict[str, Any]:
    """What a copy is taken from, by the names that the viewer knows."""
    model = view.model
    constants = (model.m, model.T, model.beta, model.tau, model.tau_s, model.v_threshold, model.k, model.weight.shape)
    return {
        "data set": (view.dataset.name, common.choice("dir")),
        "sample": view.index,
        "model": (common.choice("model"), common.choice("run"), constants),
    }


def present(view: common.View) -> tuple[Walk, str | None]:
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
    if taken.lessons:
        st.query_params[_LINK] = written(taken.lessons)
    elif _LINK in st.query_params:
        del st.query_params[_LINK]
    return taken, words or state.get("rule_words")


def take(taken: Walk) -> None:
    """Go on from there."""
    st.session_state.update(rule_walk=taken, rule_pressed=True, rule_words=None)
