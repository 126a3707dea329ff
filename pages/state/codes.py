"""Codes of the Encoder, computed from the training images of the data set where they depend on them."""

from __future__ import annotations

from typing import Any

import streamlit as st
import torch

from pages.state.datasets import dataset_key
from pages.state.experiment import ExperimentError, View
from pages.state.settings import get_setting
from tempotron_core.model.codes import FittedCode, require_known_code
from tempotron_core.training.recipes import CODE_PRESETS, DEFAULT_RECIPE, PRESETS


@st.cache_resource(max_entries=12, show_spinner="Computing the code from the training images")
def _fit(key: str, name: str, m: int, _images: torch.Tensor) -> FittedCode:
    return require_known_code(name).fit_to(_images, m, 0)


def code_of_view(view: View, name: str, m: int) -> FittedCode:
    """Return a code of m afferents per position: that of the model, or one computed from the training images.

    Raises:
        ExperimentError: where the code cannot encode these samples or has no such m.
    """
    model = view.trained or view.model
    own = model.code
    try:
        require_known_code(name).check_m(m)
        if (own.name, model.m) == (name, m) and (own.fitted or own.code.fit is None):
            own.code.check_samples(view.dataset.train.images)
            return own
        return _fit(dataset_key(view.dataset), name, m, view.dataset.train.images)
    except ValueError as error:
        raise ExperimentError(str(error)) from error


def preset_m(view: View, name: str) -> int:
    """Return the m of a code: that of the model if it has this code, else that of the preset of the code."""
    model = view.trained or view.model
    code = require_known_code(name)
    m = model.m if model.code.name == name else int(CODE_PRESETS.get(name, {}).get("m", code.min_m))
    return min(max(m, code.min_m), code.max_m)


def fill_training_form(constants: dict[str, Any]) -> None:
    """Fill the Training form with a code and its constants; a code with a recipe of its own selects that recipe.

    A code other than that of the model brings the time constants of its preset unless they are overridden.
    """
    name = constants["code"]
    recipe = name if name in PRESETS else get_setting("train_recipe") if "train_recipe" in st.session_state else None
    st.session_state["train_recipe"] = recipe or DEFAULT_RECIPE
    for key, value in constants.items():
        st.session_state[f"train_{key}"] = value
    epochs = PRESETS.get(name, {}).get("epochs")
    if epochs is not None:
        st.session_state["train_epochs"] = epochs
