"""Pinned experiment: a second experiment with which the current one is compared, as one parameter of the URL.

The parameter lists what the URL of that experiment would contain: data set, sample or drawing, model, and the constants
that differ from those of the model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

import streamlit as st

from pages.state import overrides, own_sample
from pages.state.datasets import dataset_named
from pages.state.experiment import ExperimentError, View, load_model, model_reference
from pages.state.overrides import CHOICES, CONSTANTS
from pages.state.settings import SETTINGS
from pages.streamlit_hooks import is_history_navigation
from tempotron_core.data.datasets import DataError
from tempotron_core.data.drawings import decode_drawing, encode_drawing
from tempotron_core.model.classifier import Model
from tempotron_core.validation import check_time_constants

_KEY = "pin"
_TEXTS = ("data", "model", "run", "checkpoint", "image", "label")
_MAX_LENGTH = 4000
_CONSTANTS = {**dict.fromkeys(CONSTANTS, float), **dict.fromkeys(CHOICES, str)}


def pin(view: View) -> None:
    """Pin an experiment."""
    parts: dict[str, Any] = {"data": view.dataset.name, **model_reference()}
    drawing = own_sample.own_image()
    if view.own_image is None or drawing is None:
        parts["sample"] = view.index
    else:
        parts["image"] = encode_drawing(drawing)
        if view.own_label is not None:
            parts["label"] = view.own_label
    parts |= {override.name: _text(override.value) for override in view.overrides if override.is_applied}
    st.session_state["_pin"] = ";".join(f"{name}:{quote(str(value), safe='')}" for name, value in parts.items())
    _write_url()


def unpin() -> None:
    """Remove the pinned experiment."""
    st.session_state["_pin"] = None
    _write_url()


def is_pinned() -> bool:
    """Return whether an experiment is pinned."""
    return bool(st.session_state.get("_pin"))


def follow_url() -> None:
    """Take the pinned experiment from the URL in a new session and after Back or Forward, else write it there."""
    state = st.session_state
    if state.setdefault("_pin_followed", False) and not is_history_navigation():
        _write_url()
        return
    state.update(_pin_followed=True, _pin=st.query_params.get(_KEY))


def resolve_pinned(view: View) -> View | None:
    """Return the pinned experiment, None if there is none.

    Args:
        view: current experiment

    Raises:
        ExperimentError: if the pinned experiment cannot be shown or compared.
    """
    text = st.session_state.get("_pin")
    if not text:
        return None
    parts = _parse(text)
    try:
        name = parts.get("data", view.dataset.name)
        dataset = view.dataset if name == view.dataset.name else dataset_named(name)
    except DataError as error:
        raise ExperimentError(f"pinned experiment: {error}") from None
    if dataset.classes != view.dataset.classes:
        raise ExperimentError(
            f"pinned experiment: expected the classes of {view.dataset.name}, got those of {dataset.name}; pin another "
            "experiment or remove the pin."
        )
    trained, settings = load_model(parts["model"], parts.get("run"), parts.get("checkpoint", "last"), dataset)
    if (trained.num_classes, trained.num_features) != (len(dataset.classes), dataset.num_features):
        raise ExperimentError(
            f"pinned experiment: expected a model for {dataset.name}, got one for other samples; pin another "
            "experiment or remove the pin."
        )
    image = label = None
    if "image" in parts and dataset.shape is not None:
        try:
            image = decode_drawing(parts["image"], dataset.shape)
        except ValueError as error:
            raise ExperimentError(f"pinned experiment: {error}") from None
        label = int(parts["label"]) if parts.get("label", "").isdecimal() else None
    index = min(int(parts.get("sample", 0)), len(dataset.test) - 1)
    model = _change(trained, {name: parts[name] for name in _CONSTANTS if name in parts})
    changed = tuple(
        overrides.Override(name, value, overrides.model_constants(trained)[name])
        for name, value in overrides.model_constants(model).items()
        if value != overrides.model_constants(trained)[name]
    )
    return View(
        dataset, index, model, None, settings, trained, changed, (), image,
        label if label is not None and label < len(dataset.classes) else None,
    )  # fmt: skip


def difference_text(pinned: View, view: View) -> str:
    """Return in what the pinned experiment differs from the current one, besides its sample."""
    parts, now = _parse(st.session_state["_pin"]), {key: str(value) for key, value in model_reference().items()}
    differing = []
    if pinned.dataset.name != view.dataset.name:
        differing.append(f"data set {pinned.dataset.name}")
    then = {key: parts[key] for key in ("model", "run", "checkpoint") if key in parts}
    if then != now:
        checkpoint = f", checkpoint {then['checkpoint']}" if "checkpoint" in then else ""
        differing.append(f"{then.get('run') or then.get('model', '')}{checkpoint}")
    before, after = overrides.model_constants(pinned.model), overrides.model_constants(view.model)
    for name, value in before.items():
        if value != after[name]:
            differing.append(f"{name} {_text(value)}{overrides.UNITS.get(name, '')}")
    return ", ".join(differing)


def _change(model: Model, values: dict[str, Any]) -> Model:
    values = {("firing_threshold" if name == "threshold" else name): value for name, value in values.items()}
    values = {name: int(value) if name == "T" else value for name, value in values.items() if name != "m"}
    try:
        check_time_constants(values.get("tau", model.tau), values.get("tau_s", model.tau_s))
    except ValueError as error:
        raise ExperimentError(f"pinned experiment: {error}") from None
    return replace(model, **values)


def _parse(text: str) -> dict[str, Any]:
    """Return the parts of a pinned experiment.

    Raises:
        ExperimentError: for a text that describes none.
    """
    problem = ExperimentError(
        f"pin: expected a pinned experiment in the link, got {len(text):,} other characters; copy the whole link, or "
        "remove the pin."
    )
    parts: dict[str, Any] = {}
    if len(text) > _MAX_LENGTH:
        raise problem
    for part in text.split(";"):
        name, colon, value = part.partition(":")
        value = unquote(value)
        if not colon:
            raise problem
        if (name in CHOICES and value in CHOICES[name]) or name in _TEXTS:
            parts[name] = value
        elif name == "sample" and value.isdecimal() and len(value) < 9:
            parts[name] = int(value)
        elif name in CONSTANTS:
            try:
                number = float(value)
            except ValueError:
                raise problem from None
            if not 0 < number <= max(1000.0, SETTINGS[name].high or 0):
                raise problem
            parts[name] = number
        else:
            raise problem
    return parts if "model" in parts else parts | model_reference()


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _write_url() -> None:
    text = st.session_state.get("_pin")
    if text is None:
        st.query_params.pop(_KEY, None)
    elif st.query_params.get(_KEY) != text:
        st.query_params[_KEY] = text
