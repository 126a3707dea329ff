"""The view of a page: one sample of a data set and the model that classifies it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
import torch

from pages.state.datasets import current_dataset
from pages.state.runs import load_run_model, run_names, runs_directory
from pages.state.settings import SAVED_RUN, get_setting
from pages.state.training import training_registry
from tempotron_core.data import datasets
from tempotron_core.figures import VoltageInfo
from tempotron_core.model.classifier import Model, Prediction, predict
from tempotron_core.runs.reader import RunError
from tempotron_core.training.settings import Settings, initial_model


@dataclass(frozen=True)
class View:
    """One sample and the model that classifies it.

    Attributes:
        dataset: data set of the sample
        index: number of the sample in the test set
        model: model that classifies it
        note: explanation if this is not the selected model, else None
        settings: settings with which the model was trained
    """

    dataset: datasets.Dataset
    index: int
    model: Model
    note: str | None
    settings: Settings

    @property
    def image(self) -> torch.Tensor:
        """The image, uint8 [28, 28]."""
        return self.dataset.test.images[self.index]

    @property
    def pixels(self) -> np.ndarray:
        """The image as an array, uint8 [28, 28]."""
        return self.image.numpy()

    @property
    def label(self) -> int:
        """The true class."""
        return int(self.dataset.test.labels[self.index])

    def voltages(self, model: Model | None = None, output: int | None = None) -> tuple[Prediction, VoltageInfo]:
        """Return the prediction for the image and the data of its figures.

        Args:
            model: model to use instead of that of the view
            output: class whose tempotrons the figures show one by one
        """
        decision = predict(model or self.model, self.image)
        info = VoltageInfo(
            decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy(), decision.v_threshold,
            self.dataset.classes, self.label, output,
            None if output is None or decision.neurons.shape[1] == 1 else decision.neurons[output].numpy(),
        )  # fmt: skip
        return decision, info


def resolve_view() -> View:
    """Return the view that the current settings select."""
    dataset, _ = current_dataset()
    model, settings, note = _resolve_model(get_setting("model"))
    return set_current_view(
        View(dataset, min(int(get_setting("sample")), len(dataset.test) - 1), model, note, settings)
    )


def set_current_view(view: View) -> View:
    """Make this the view of all figures that are exported from now on, and return it."""
    st.session_state["_view"] = view
    return view


def current_view() -> View:
    """Return the view that was resolved last."""
    latest: View | None = st.session_state.get("_view")
    return latest or resolve_view()


def cache_key(model: Model, dataset: datasets.Dataset) -> str:
    """Return a key that identifies a model and a data set in caches."""
    constants = (
        f"{model.m} {model.T} {model.beta} {model.tau} {model.tau_s} {model.v_threshold} {model.tempotrons_per_class}"
    )
    content = hashlib.sha1(model.weight.contiguous().numpy().tobytes()).hexdigest()
    return f"{content} {constants} {dataset.name} {len(dataset.test)} {get_setting('dir')}"


def image_name(view: View) -> str:
    """Return the class and the number of the sample as text."""
    return f"{view.dataset.classes[view.label]} (test sample {view.index:,})"


def _resolve_model(name: str) -> tuple[Model, Settings, str | None]:
    """Return the selected model, its settings and None; or a substitute, its settings and the reason."""
    registry = training_registry()
    latest, finished = registry.status, registry.finished
    if name == SAVED_RUN:
        return _saved_model()
    if name not in ("live run", "last finished run"):
        return initial_model(Settings()), Settings(), None
    finished_only = name == "last finished run"
    status = (finished or latest) if finished_only else latest
    model = status.snapshot.model if status is not None and status.snapshot is not None else None
    if status is None or model is None:
        note = f"No run has {'finished' if finished_only else 'any weights'} yet: this is the untrained network."
        return initial_model(Settings()), Settings(), note
    is_substitute = finished_only and finished is None
    note = "No run has finished yet: these are the current weights of the run in progress."
    return model, status.settings, note if is_substitute else None


def _saved_model() -> tuple[Model, Settings, str | None]:
    names, name, default_settings = run_names(), get_setting("run"), Settings()
    if not names:
        note = f"No run in {runs_directory()!r} has any weights yet: this is an untrained network."
        return initial_model(default_settings), default_settings, note
    name = name if name in names else names[0]
    folder = Path(runs_directory()).expanduser() / name
    try:
        model, settings = load_run_model(folder)
        classes = len(current_dataset()[0].classes)
        if len(model.weight) == classes * model.tempotrons_per_class:
            return model, settings, None
        outputs = len(model.weight) // model.tempotrons_per_class
        note = (
            f"{name!r}: expected a network of {classes} classes, got {outputs}; choose another. Showing the untrained "
            "network instead."
        )
        return initial_model(default_settings), default_settings, note
    except (RunError, OSError) as error:
        return initial_model(default_settings), default_settings, f"{error} Showing the untrained network instead."
