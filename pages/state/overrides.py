"""Overrides: constants of the code and the neuron that differ from those of the model, shared by all pages.

The sliders of the constants are drawn on every page, so each constant is one session key and one URL parameter. A
constant that equals that of the model follows the model; any other value is an override and stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from pages.state.settings import SETTINGS
from tempotron_core.model.classifier import Model
from tempotron_core.validation import check_time_constants

CODE, NEURON = ("m", "beta", "T"), ("tau", "tau_s", "threshold")
CONSTANTS = CODE + NEURON
UNITS = {"T": " ms", "tau": " ms", "tau_s": " ms"}
_FOLLOWED, _USED = "_constants_of_model", "_constants_in_use"


@dataclass(frozen=True)
class Override:
    """A constant that differs from that of the model.

    Attributes:
        name: name of the constant
        value: value in use
        trained: value of the model
        is_applied: False if the weights of the model do not permit the value
    """

    name: str
    value: float
    trained: float
    is_applied: bool = True

    @property
    def change(self) -> dict[str, float]:
        """Return the field of Model that changes and its value."""
        return {"firing_threshold" if self.name == "threshold" else self.name: self.value}

    @property
    def text(self) -> str:
        """Return the change as text."""
        unit = UNITS.get(self.name, "")
        return f"{self.name} {self.value:g}{unit} instead of {self.trained:g}{unit}"


def model_constants(model: Model) -> dict[str, float]:
    """Return the constants of a model by the names of their settings."""
    return {
        "m": model.m, "beta": model.beta, "T": model.T,
        "tau": model.tau, "tau_s": model.tau_s, "threshold": model.threshold,
    }  # fmt: skip


def follow_model(model: Model) -> None:
    """Set the constants that are no overrides to those of the model; call before the sliders are drawn."""
    constants, state = model_constants(model), st.session_state
    followed: dict[str, float] = state.get(_FOLLOWED, {})
    used: dict[str, float] = state.get(_USED, {})
    for name, trained in constants.items():
        # Streamlit forgets the value of a slider that was in a fragment of the former page, hence the copy.
        value = state[name] if name in state else used.get(name)
        if value is None or value == followed.get(name):
            value = trained
        if name not in state:
            state[name] = _requested(name, trained, value)
        elif state[name] != value:  # an assignment without need would keep Streamlit from restoring the URL parameter
            state[name] = value
    state[_FOLLOWED] = constants


def _requested(name: str, trained: float, default: float) -> float:
    """Return the value that the URL requests, within the bounds of the slider, or the default."""
    try:
        value = float(st.query_params[name])
    except (KeyError, ValueError):
        return default
    setting = SETTINGS[name]
    return type(trained)(min(max(value, min(setting.low or 0, trained)), max(setting.high or 0, trained)))


def is_followed(model: Model) -> bool:
    """Return whether the sliders were drawn for a model with these constants."""
    return bool(st.session_state.get(_FOLLOWED, model_constants(model)) == model_constants(model))


def reset() -> None:
    """Set all constants to those of the model."""
    st.session_state.update(st.session_state.get(_FOLLOWED, {}))


def constants_in_use(model: Model) -> dict[str, float]:
    """Return the constants that the sliders show, those of the model where no slider has been drawn; keep a copy."""
    used = {name: _value(name, trained) for name, trained in model_constants(model).items()}
    st.session_state[_USED] = used
    return used


def _value(name: str, trained: float) -> Any:
    value = st.session_state.get(name)
    return trained if value is None else type(trained)(value)


def apply_overrides(model: Model) -> tuple[Model, tuple[Override, ...], str | None]:
    """Return the model with the constants in use, the overrides, and a sentence if some cannot be applied.

    The number of neurons per pixel is part of the shape of the weights: another one is shown on the page Encoder only.
    """
    used, trained = constants_in_use(model), model_constants(model)
    problem, refused = None, set()
    if used["m"] != trained["m"]:
        refused.add("m")
        problem = (
            f"m {used['m']:g}: the model has weights for m {model.m}, so only the Encoder uses the new value; train "
            "with these settings to use it everywhere."
        )
    try:
        check_time_constants(used["tau"], used["tau_s"])
    except ValueError as error:
        refused |= {"tau", "tau_s"}
        problem = f"{str(error).rstrip('.')}. Until then the time constants of the model are used."
    overrides = tuple(
        Override(name, used[name], trained[name], name not in refused)
        for name in CONSTANTS
        if used[name] != trained[name]
    )
    return replace(model, **changes(overrides)), overrides, problem  # type: ignore[arg-type]


def changes(overrides: tuple[Override, ...]) -> dict[str, float]:
    """Return the fields of Model that the applied overrides change."""
    return {name: value for override in overrides if override.is_applied for name, value in override.change.items()}
