"""The view of a page: one sample of a data set and the model that classifies it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import streamlit as st
import torch

from pages.state import overrides, own_sample
from pages.state.datasets import current_dataset, dataset_directory, dataset_key
from pages.state.overrides import Override
from pages.state.paths import PathNotAllowedError
from pages.state.recorded_times import RECORDED, earliness, match_dataset, match_model
from pages.state.runs import load_run_model, run_classes, run_names, runs_directory
from pages.state.settings import MODELS, SAVED_RUN, SETTINGS, get_setting
from pages.state.training import training_registry
from tempotron_core.analysis.response import response_between
from tempotron_core.data import datasets
from tempotron_core.figures import Curves, VoltageInfo
from tempotron_core.model.classifier import PIXELS, Model, Prediction, predict
from tempotron_core.runs.reader import RunError, find_run
from tempotron_core.training.settings import Settings, initial_model

_MAX_WINDOW = int(SETTINGS["T"].high or 600)


class ExperimentError(Exception):
    """The selected data set, run or sample cannot be shown; the message is one sentence."""


@dataclass(frozen=True)
class View:
    """One sample and the model that classifies it.

    Attributes:
        dataset: data set of the sample
        index: number of the sample in the test set
        model: model that classifies it, with the overrides applied
        note: explanation if this is not the selected model, else None
        settings: settings with which the model was trained
        trained: the model without overrides, None if there are none
        overrides: constants that differ from those of the model
        warnings: sentences about parts of the experiment that do not belong together
        own_image: drawing or upload that takes the place of the test sample, uint8 [h, w]
        own_label: its true class, None if unknown
        labelled: whether the classes of the samples are known
    """

    dataset: datasets.Dataset
    index: int
    model: Model
    note: str | None
    settings: Settings
    trained: Model | None = None
    overrides: tuple[Override, ...] = ()
    warnings: tuple[str, ...] = ()
    own_image: np.ndarray | None = None
    own_label: int | None = None
    labelled: bool = True

    @property
    def image(self) -> torch.Tensor:
        """The sample: a drawing or upload, or the test sample.

        uint8 [h, w], or [features] of a table; or spike times in ms, float32 [features, m].
        """
        if self.own_image is not None:
            return torch.from_numpy(self.own_image.copy())
        return self.dataset.test.images[self.index]

    @property
    def pixels(self) -> np.ndarray:
        """The sample as values to draw, uint8 [h, w] or [features]; of spike times their earliness."""
        return self.picture(self.image)

    @property
    def label(self) -> int | None:
        """The true class, None for a drawing or upload without one."""
        if self.own_image is not None:
            return self.own_label
        if not self.labelled:
            return None
        return int(self.dataset.test.labels[self.index])

    def picture(self, sample: torch.Tensor) -> np.ndarray:
        """Return any sample of the data set as pixels does."""
        return earliness(sample, self.model.T) if self.dataset.has_spike_times else sample.numpy()

    def voltages(
        self, model: Model | None = None, shown: tuple[int, ...] | None = None
    ) -> tuple[Prediction, VoltageInfo]:
        """Return the prediction for the image and the data of its figures.

        Args:
            model: model to use instead of that of the view
            shown: classes that the figures show, None for all; of a single one its tempotrons are shown one by one
        """
        model = model or self.model
        decision = predict(model, self.image)
        return decision, voltage_info(model, decision, self.dataset.classes, self.label, shown)


def voltage_info(
    model: Model,
    decision: Prediction,
    classes: tuple[str, ...],
    label: int | None,
    shown: tuple[int, ...] | None = None,
) -> VoltageInfo:
    """Return the data of the figures of a prediction.

    Args:
        model: network of the prediction
        decision: prediction for one sample
        classes: names of the classes
        label: true class, None if unknown
        shown: see View.voltages
    """
    selected = shown[0] if shown is not None and len(shown) == 1 and decision.neurons.shape[1] > 1 else None
    curves = None
    if (model.time, model.after_spike) != ("grid", "continue"):
        response = response_between(model, decision)
        curves = Curves(
            response.t.numpy(), response.v.numpy(),
            None if response.unshunted is None else response.unshunted.numpy(),
            None if selected is None else response.neurons[selected].numpy(),
        )  # fmt: skip
    return VoltageInfo(
        decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy(), decision.v_threshold, classes, label,
        shown, None if selected is None else decision.neurons[selected].numpy(), decision.t_spike.numpy(), curves,
        model.time == "exact",
    )  # fmt: skip


def resolve_view(needs_model: bool = True) -> View:
    """Return the view that the current settings select.

    Args:
        needs_model: False for a page that shows only the code, which may be that of a model that does not fit

    Raises:
        ExperimentError: if the selected data set or run is missing or they do not belong together.
    """
    dataset, missing = current_dataset()
    if missing:
        raise ExperimentError(missing)
    try:
        trained, settings, note = _resolve_model(get_setting("model"))
    except ExperimentError as error:
        if needs_model:
            raise
        trained, settings, note = *_untrained(dataset), str(error)
    labelled = bool(dataset.classes)
    if dataset.has_spike_times:
        dataset = match_dataset(dataset, trained, dataset_key(dataset), () if labelled else _class_names())
        trained = match_model(trained, dataset)
    if trained.code.code.is_recorded and not dataset.has_spike_times and needs_model:
        raise ExperimentError(
            f"model: expected one for the {dataset.feature}s of {dataset.name}, got one that was trained on recorded "
            "spike times; choose a data set of spike times or another model."
        )
    outputs = trained.num_classes
    if outputs != len(dataset.classes) and needs_model:
        raise ExperimentError(
            f"model: expected {len(dataset.classes)} outputs, one for each class of {dataset.name}, got {outputs}; "
            f"choose another model or data set{_training_hint(dataset)}."
        )
    if dataset.has_spike_times and not trained.code.code.is_recorded and needs_model:
        kind = "" if dataset.m == 1 else f", {dataset.m} for each of {dataset.num_features:,} features"
        raise ExperimentError(
            f"model: expected {dataset.num_features * (dataset.m or 1):,} afferents, as {dataset.name} has{kind}, got "
            f"{trained.weight.shape[1]:,}; choose another model or data set{_training_hint(dataset)}."
        )
    if trained.weight.shape[1] != dataset.num_features * trained.m and needs_model:
        raise ExperimentError(
            f"model: expected {dataset.num_features * trained.m:,} afferents, {trained.m} for each {dataset.feature} "
            f"of {dataset.name}, got {trained.weight.shape[1]:,}; choose another model or data "
            f"set{_training_hint(dataset)}."
        )
    if not overrides.is_followed(trained):
        st.rerun()  # the sliders still show the constants of the former model
    model, changed, problem = overrides.apply_overrides(trained)
    model = match_model(model, dataset)
    warnings = [problem] if problem else []
    is_foreign = {settings.dataset, dataset.name} - {datasets.EMBEDDED, "MNIST"} and settings.dataset != dataset.name
    is_untested = settings.imported_from is not None and settings.code == RECORDED.name
    if is_foreign and not is_untested and labelled:
        warnings.append(
            f"The model was trained on {settings.dataset}, the samples are from {dataset.name}: expect low accuracy."
        )
    index = min(int(get_setting("sample")), len(dataset.test) - 1)
    if problem := own_sample.link_problem():
        raise ExperimentError(problem)
    image, label = None, own_sample.own_label()
    if dataset.shape is not None:  # a sample of a table is not drawn
        image = own_sample.scale_image(own_sample.own_image(), dataset.shape)
    return set_current_view(
        View(
            dataset, index, model, note, settings, trained, changed, tuple(warnings), image,
            label if label is not None and label < len(dataset.classes) else None, labelled,
        )
    )  # fmt: skip


def selected_model() -> tuple[Model, Settings] | None:
    """Return the selected model as trained and its settings, None if it cannot be loaded."""
    try:
        model, settings, _ = _resolve_model(get_setting("model"))
    except ExperimentError:
        return None
    dataset = current_dataset()[0]
    if dataset.has_spike_times:
        model = match_model(model, match_dataset(dataset, model, dataset_key(dataset)))
    return model, settings


def set_current_view(view: View) -> View:
    """Make this the view of all figures that are exported from now on, and return it."""
    st.session_state["_view"] = view
    return view


def current_view() -> View | None:
    """Return the view that was resolved last, None if none can be resolved."""
    latest: View | None = st.session_state.get("_view")
    with contextlib.suppress(ExperimentError):
        return latest or resolve_view()
    return None


def cache_key(model: Model, dataset: datasets.Dataset) -> str:
    """Return a key that identifies a model and a data set in caches."""
    constants = (
        f"{model.m} {model.T} {model.beta} {model.tau} {model.tau_s} {model.v_threshold} {model.tempotrons_per_class} "
        f"{model.threshold} {model.time} {model.after_spike}"
    )
    content = hashlib.sha1(model.weight.contiguous().numpy().tobytes()).hexdigest()
    return f"{content} {constants} {dataset_key(dataset)}"


def image_name(view: View) -> str:
    """Return the class and the number of the sample as text."""
    name = "of unknown class" if view.label is None else view.dataset.classes[view.label]
    return f"{name} ({'drawn or uploaded' if view.own_image is not None else f'test sample {view.index:,}'})"


def _training_hint(dataset: datasets.Dataset) -> str:
    return "" if dataset.name in (datasets.EMBEDDED, *datasets.DATASETS) else ", or train one on the page Training"


def _untrained(dataset: datasets.Dataset) -> tuple[Model, Settings]:
    """Return a network with initial weights for the samples and classes of a data set, and its settings."""
    settings = Settings()
    if dataset.m is not None:
        settings = Settings(m=dataset.m, code=RECORDED.name, T=_window(dataset))
        model = initial_model(settings, len(dataset.classes) or 2, RECORDED, dataset.num_features)
        with contextlib.suppress(ValueError, PathNotAllowedError):
            settings = replace(settings, dataset=dataset.name, dataset_dir=dataset_directory())
        return model, settings
    model = _initial_model(len(dataset.classes), dataset.num_features)
    if (len(dataset.classes), dataset.num_features) == (10, PIXELS):
        return model, settings
    with contextlib.suppress(ValueError, PathNotAllowedError):  # of a data set that is not selected
        settings = Settings(dataset=dataset.name, dataset_dir=dataset_directory())
    return model, settings


def _class_names() -> tuple[str, ...]:
    """Return the names of the classes of the selected network, empty where they are not known."""
    name, registry = get_setting("model"), training_registry()
    if name == SAVED_RUN:
        with contextlib.suppress(RunError, OSError):
            return run_classes(find_run(runs_directory(), str(get_setting("run") or run_names()[0])))
    status = {"live run": registry.status, "last finished run": registry.finished or registry.status}.get(name)
    return status.snapshot.classes if status is not None and status.snapshot is not None else ()


def _window(dataset: datasets.Dataset) -> int:
    """Return a window in ms in which the test samples' last spikes still have an effect."""
    latest = float(dataset.test.images.max()) + 4 * Settings().tau_s
    return int(min(max(10 * math.ceil(latest / 10), 20), _MAX_WINDOW))


@functools.lru_cache(maxsize=4)
def _initial_model(classes: int, features: int) -> Model:
    """Return the network with initial weights, which several parts of a page ask for."""
    return initial_model(Settings(), classes, features=features)


def _resolve_model(name: str) -> tuple[Model, Settings, str | None]:
    """Return the selected model, its settings and None; or a substitute, its settings and the reason."""
    registry = training_registry()
    latest, finished = registry.status, registry.finished
    if name == SAVED_RUN:
        return *_saved_model(get_setting("run"), str(get_setting("checkpoint"))), None
    if name not in ("live run", "last finished run"):
        return *_untrained(current_dataset()[0]), None
    finished_only = name == "last finished run"
    status = (finished or latest) if finished_only else latest
    model = status.snapshot.model if status is not None and status.snapshot is not None else None
    if status is None or model is None:
        note = f"No run has {'finished' if finished_only else 'any weights'} yet: this is the untrained network."
        return *_untrained(current_dataset()[0]), note
    is_substitute = finished_only and finished is None
    note = "No run has finished yet: these are the current weights of the run in progress."
    return model, status.settings, note if is_substitute else None


def model_reference() -> dict[str, str]:
    """Return what selects the current model in a pinned experiment: model, and run and checkpoint of a saved one."""
    name = str(get_setting("model"))
    run = get_setting("run") if name == SAVED_RUN else st.query_params.get("run")
    if name not in (SAVED_RUN, MODELS[0]) or not run:
        return {"model": name}
    checkpoint = str(get_setting("checkpoint")) if name == SAVED_RUN else "last"
    return {"model": SAVED_RUN, "run": run} | ({"checkpoint": checkpoint} if checkpoint != "last" else {})


def load_model(name: str, run: str | None, checkpoint: str, dataset: datasets.Dataset) -> tuple[Model, Settings]:
    """Return a model and its settings by the parts of model_reference.

    Args:
        name: one of MODELS
        run: folder name of a saved run
        checkpoint: "last", "best" or the number of an epoch
        dataset: data set of an untrained model

    Raises:
        ExperimentError: if there is no such model.
    """
    finished = training_registry().finished
    if name == SAVED_RUN and checkpoint == "last" and finished is not None and finished.log:
        # The run may lie in another folder than the selected one.
        snapshot = finished.snapshot
        if Path(finished.log).name == run and snapshot is not None and snapshot.model is not None:
            return snapshot.model, finished.settings
    if name == SAVED_RUN:
        return _saved_model(run, checkpoint)
    if name in MODELS and name != "untrained":
        return _resolve_model(name)[:2]
    return _untrained(dataset)


def _saved_model(name: str | None, checkpoint: str) -> tuple[Model, Settings]:
    names = run_names()
    if name is None and not names:
        raise ExperimentError(
            f"model: expected a saved run in {runs_directory()!r}, found none; train a model or choose another one."
        )
    name = names[0] if name is None else name
    if name not in names:
        raise ExperimentError(
            f"run: expected a run with weights in {runs_directory()!r}, found none named {name!r}; choose another run "
            "or set the log directory on the page Training."
        )
    try:
        return load_run_model(find_run(runs_directory(), name), checkpoint)
    except (RunError, OSError) as error:
        raise ExperimentError(str(error)) from None
