"""Overrides: code and constants of code and neuron that differ from those of the model, shared by all pages.

Their widgets are drawn on every page, so each is one session key and one URL parameter. A value that equals that of the
model follows the model; any other value is an override and stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from pages.state.settings import SETTINGS
from tempotron_core.model.classifier import Model
from tempotron_core.model.codes import CODES
from tempotron_core.snn.tempotron import AFTER_SPIKE, TIMES
from tempotron_core.training.recipes import CODE_PRESETS
from tempotron_core.validation import check_time_constants

CODE, NEURON = ("m", "beta", "T"), ("tau", "tau_s", "threshold")
CONSTANTS = CODE + NEURON
CHOICES = {"time": TIMES, "after_spike": AFTER_SPIKE}
"""Options of the neuron by name: when its potential is evaluated, and what it does after it has fired."""
KEYS = ("code", *CONSTANTS, *CHOICES)
UNITS = {"T": " ms", "tau": " ms", "tau_s": " ms"}
_MODEL, _FOLLOWED, _USED = "_values_of_model", "_constants_of_model", "_constants_in_use"


@dataclass(frozen=True)
class Override:
    """A code or constant that differs from that of the model.

    Attributes:
        name: code, or the name of the constant
        value: value in use
        trained: value of the model
        is_applied: False if the weights of the model do not permit the value
    """

    name: str
    value: Any
    trained: Any
    is_applied: bool = True

    @property
    def change(self) -> dict[str, Any]:
        """Return the field of Model that changes and its value."""
        return {"firing_threshold" if self.name == "threshold" else self.name: self.value}

    @property
    def text(self) -> str:
        """Return the change as text."""
        if isinstance(self.value, str):
            return f"{self.name} {self.value} instead of {self.trained}"
        unit = UNITS.get(self.name, "")
        return f"{self.name} {self.value:g}{unit} instead of {self.trained:g}{unit}"


def model_constants(model: Model) -> dict[str, Any]:
    """Return the constants of a model by the names of their settings."""
    return {
        "m": model.m, "beta": model.beta, "T": model.T,
        "tau": model.tau, "tau_s": model.tau_s, "threshold": model.threshold,
        "time": model.time, "after_spike": model.after_spike,
    }  # fmt: skip


def m_bounds(code: str) -> tuple[int, int]:
    """Return the bounds of the slider of m for a code; they are equal for a code of one m."""
    setting = SETTINGS["m"]
    if code not in CODES:
        return int(setting.low or 0), int(setting.high or 0)
    return CODES[code].min_m, max(CODES[code].min_m, min(CODES[code].max_m, int(setting.high or 0)))


def code_in_use(model: Model) -> str:
    """Return the name of the code that the Encoder shows: that of the model unless overridden."""
    name = st.session_state.get("code")
    return name if name in CODES and model.code.name in CODES else model.code.name


def _values_followed(model: Model, code: str) -> dict[str, Any]:
    """Return the values of what is not overridden: those of the model, with an m that suits another code."""
    values = model_constants(model)
    if code != model.code.name:
        low, high = m_bounds(code)
        values["m"] = min(max(int(CODE_PRESETS.get(code, values)["m"]), low), high)
    return {"code": model.code.name, **values}


def follow_model(model: Model) -> None:
    """Set what is not overridden to the values of the model; call before the widgets are drawn."""
    state = st.session_state
    followed: dict[str, Any] = state.get(_FOLLOWED, {})
    used: dict[str, Any] = state.get(_USED, {})
    name = state["code"] if "code" in state else used.get("code", st.query_params.get("code"))
    if name not in CODES or model.code.name not in CODES or name == state.get(_MODEL, {}).get("code"):
        name = model.code.name
    if state.get("code") != name:
        state["code"] = name
    values = _values_followed(model, name)
    for key in (*CONSTANTS, *CHOICES):
        # Streamlit forgets the value of a slider that was in a fragment of the former page, hence the copy.
        value = state[key] if key in state else used.get(key)
        if value is None or value == followed.get(key):
            value = values[key]
        if key == "m" and name != model.code.name:
            low, high = m_bounds(name)
            value = min(max(value, low), high)
        if key not in state:
            state[key] = _requested(key, values[key], value, name)
        elif state[key] != value:  # an assignment without need would keep Streamlit from restoring the URL parameter
            state[key] = value
    state[_FOLLOWED], state[_MODEL] = values, {"code": model.code.name, **model_constants(model)}


def _requested(name: str, trained: Any, default: Any, code: str) -> Any:
    """Return the value that the URL requests, within the bounds of the slider or among the options, or the default."""
    if name in CHOICES:
        requested = st.query_params.get(name)
        return requested if requested in CHOICES[name] else default
    try:
        value = float(st.query_params[name])
    except (KeyError, ValueError):
        return default
    low, high = m_bounds(code) if name == "m" else (SETTINGS[name].low or 0, SETTINGS[name].high or 0)
    return type(trained)(min(max(value, min(low, trained)), max(high, trained)))


def is_followed(model: Model) -> bool:
    """Return whether the widgets were drawn for a model with these values and for the code in use."""
    values = _values_followed(model, code_in_use(model))
    return bool(st.session_state.get(_FOLLOWED, values) == values)


def reset() -> None:
    """Set code and constants to those of the model."""
    st.session_state.update(st.session_state.get(_MODEL, {}))


def constants_in_use(model: Model) -> dict[str, Any]:
    """Return the code and the constants that the widgets show, those of the model where none has been drawn."""
    code = code_in_use(model)
    used = {name: _value(name, value) for name, value in _values_followed(model, code).items()} | {"code": code}
    st.session_state[_USED] = used
    return used


def _value(name: str, trained: Any) -> Any:
    value = st.session_state.get(name)
    return trained if value is None or (name in CHOICES and value not in CHOICES[name]) else type(trained)(value)


def apply_overrides(model: Model) -> tuple[Model, tuple[Override, ...], str | None]:
    """Return the model with the constants in use, the overrides, and a sentence if some cannot be applied.

    The weights belong to one code and one m: others are shown on the page Encoder only.
    """
    used, trained = constants_in_use(model), {"code": model.code.name, **model_constants(model)}
    problem, refused = None, set()
    if used["code"] != trained["code"]:
        refused |= {"code", "m"}
        problem = (
            f"code {used['code']}: the model was trained with the code {trained['code']} and m {model.m}, so only the "
            "Encoder shows the other code; train with these settings to use it everywhere."
        )
    elif used["m"] != trained["m"]:
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
        Override(name, used[name], trained[name], name not in refused) for name in KEYS if used[name] != trained[name]
    )
    return replace(model, **changes(overrides)), overrides, problem


def changes(overrides: tuple[Override, ...]) -> dict[str, Any]:
    """Return the fields of Model that the applied overrides change."""
    return {name: value for override in overrides if override.is_applied for name, value in override.change.items()}
