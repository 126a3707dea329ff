"""Evaluation of the model on the test set, and the list of mistakes that the pages step through."""

from __future__ import annotations

import streamlit as st

from pages.state import own_sample
from pages.state.experiment import ExperimentError, View, cache_key
from pages.state.settings import get_setting
from tempotron_core.analysis.evaluation import Evaluation, evaluate
from tempotron_core.data.datasets import Dataset
from tempotron_core.model.classifier import Model

ANY = "any"


@st.cache_resource(max_entries=8, show_spinner="Classifying the test set")
def _cached_evaluation(key: str, _model: Model, _dataset: Dataset) -> Evaluation:
    return evaluate(_model, _dataset.test)


def evaluate_view(view: View) -> Evaluation:
    """Return the evaluation of the model of a view on the test set of its data set; computed once."""
    if not view.labelled:
        raise ExperimentError(
            f"{view.dataset.name}: expected samples with labels to compare predictions with, got none; add labels to "
            "the file or choose another data set."
        )
    return _cached_evaluation(cache_key(view.model, view.dataset), view.model, view.dataset)


def selected_cell(classes: tuple[str, ...]) -> tuple[int | None, int | None]:
    """Return the true and the predicted class that the page Results shows, None for any."""
    true, predicted = (
        None if get_setting(key) not in classes else classes.index(get_setting(key)) for key in ("true", "taken")
    )
    return true, predicted


def remember_walk(view: View, evaluation: Evaluation) -> tuple[int, ...]:
    """Return the samples that the buttons for the previous and the next mistake step through, and remember them.

    They are the mistakes of the cell of the confusion matrix that is selected on the page Results, the most confident
    ones first, or all samples of a cell without mistakes.
    """
    order = evaluation.by_confidence_of_error(*selected_cell(view.dataset.classes))
    mistakes = order[~evaluation.correct[order]]
    samples = tuple((mistakes if len(mistakes) else order).tolist())
    st.session_state["_walk"] = (
        cache_key(view.model, view.dataset), selected_cell(view.dataset.classes), samples, len(mistakes) > 0,
        {index: int(evaluation.predicted[index]) for index in samples},
    )  # fmt: skip
    return samples


def step_to_mistake(view: View, by: int) -> None:
    """Select the next mistake (1) or the previous one (-1); classifies the test set unless that was done before."""
    samples = remember_walk(view, evaluate_view(view))
    if not samples:
        return
    own_sample.select_test_sample()
    if view.index in samples:
        position = (samples.index(view.index) + by) % len(samples)
    else:
        position = 0 if by > 0 else len(samples) - 1
    st.session_state["sample"] = samples[position]


def walk_text(view: View) -> str | None:
    """Return the position of the sample among those that the buttons step through, None if it is unknown."""
    walk = st.session_state.get("_walk")
    classes = view.dataset.classes
    if walk is None or view.own_image is not None:
        return None
    key, cell, samples, are_mistakes, predicted = walk
    is_same = cell == selected_cell(classes) and key == cache_key(view.model, view.dataset)
    if not is_same or view.index not in samples or view.label is None:
        return None
    return (
        f"{'Mistake' if are_mistakes else 'Sample'} {samples.index(view.index) + 1:,} of {len(samples):,}: true "
        f"{classes[view.label]}, predicted {classes[predicted[view.index]]}"
    )
