"""Short calls for scripts and notebooks: data set, model, spikes, potentials, contributions.

import tempotron_core as tc

dataset = tc.load_dataset()
model = tc.load_model("runs/20260101-120000-embedded-cross-entropy-seed0")
v = tc.potentials(model, dataset.test.images[7])
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import torch

from tempotron_core.analysis.attribution import evidence
from tempotron_core.analysis.code_statistics import PopulationCode, count_values, curve_information
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.analysis.learning_step import StepSettings, apply_steps, decode_steps, learning_step
from tempotron_core.analysis.replay import CheckpointCache, Replay, replay_run
from tempotron_core.analysis.robustness import Perturbation, perturb_image, perturb_spikes
from tempotron_core.analysis.spike_statistics import count_spikes
from tempotron_core.dashboard import explore
from tempotron_core.data import datasets
from tempotron_core.data.drawings import decode_drawing
from tempotron_core.data.samples import Dataset, dataset_from_arrays
from tempotron_core.data.spike_times import fit_width
from tempotron_core.experiments.published_curve import load_record as published_record
from tempotron_core.experiments.random_patterns import LearningSession, Problem, simulate
from tempotron_core.interchange.network_files import network_file
from tempotron_core.model import classifier
from tempotron_core.model.classifier import Model, Prediction, pixel_tuning, predict_from_spikes
from tempotron_core.model.codes import AS_RECORDED, GAUSSIAN, FittedCode, require_known_code
from tempotron_core.recording import record
from tempotron_core.runs import reader
from tempotron_core.runs.reader import read_run
from tempotron_core.snn.encoding import GaussianTuning
from tempotron_core.snn.tempotron import Tempotron
from tempotron_core.studies.storage import StudyPlace
from tempotron_core.studies.trials import StudyReader, group_curves, ranked
from tempotron_core.training.settings import Settings, initial_model

__all__ = [
    "Dataset",
    "GaussianTuning",
    "LearningSession",
    "Model",
    "Perturbation",
    "PopulationCode",
    "Problem",
    "Settings",
    "StepSettings",
    "Tempotron",
    "apply_steps",
    "contributions",
    "count_spikes",
    "count_values",
    "curve_information",
    "dataset_from_arrays",
    "decode_drawing",
    "decode_steps",
    "encode",
    "evaluate",
    "evidence",
    "explore",
    "fit_code",
    "group_curves",
    "learning_step",
    "load_dataset",
    "load_model",
    "load_study",
    "match_recorded_times",
    "network_file",
    "perturb_image",
    "perturb_spikes",
    "pixel_tuning",
    "potentials",
    "predict",
    "predict_from_spikes",
    "published_record",
    "ranked",
    "read_run",
    "record",
    "replay",
    "simulate",
    "untrained_model",
]

Sample = torch.Tensor | np.ndarray


def load_dataset(name: str = datasets.EMBEDDED, directory: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set: train and test with images [n, ...] uint8 and labels [n], and the names of the classes.

    Args:
        name: "embedded" (10,000 digits of MNIST), "iris", "wine", a set of torchvision such as "MNIST", or the name of
            a file or folder
        directory: folder of the files; None for a set that comes with the package

    Raises:
        DataError: for an unknown name, a missing directory or set, and invalid files.
    """
    return datasets.load(name, directory)


def load_model(run: str | os.PathLike[str], epoch: int | str = "last") -> Model:
    """Load the network of a run.

    Args:
        run: run folder
        epoch: "last", "best", or the number of an epoch, 0 for the network before training

    Raises:
        RunError: where the run or the weights of this epoch are missing or damaged.
        ValueError: for another epoch.
    """
    is_number = isinstance(epoch, int) and not isinstance(epoch, bool) and epoch >= 0
    if not is_number and epoch not in ("last", "best"):
        raise ValueError(f"epoch: expected 'last', 'best' or a number from 0, got {epoch!r}; choose one of these.")
    if epoch == 0:
        last = reader.load_model(run)
        settings = reader.read_run(run).settings
        if settings is not None and settings.imported_from is None:
            return initial_model(settings, last.num_classes, last.code, last.num_features)
    return reader.load_model(run, reader.checkpoint_path(str(epoch)))


def load_study(name: str, log_dir: str = "runs") -> StudyReader:
    """Open a study to read its trials.

    Args:
        name: name of the study
        log_dir: log directory

    Raises:
        StudyError: where it cannot be opened.
    """
    return StudyReader(StudyPlace(name, log_dir))


def untrained_model(dataset: Dataset | None = None, **settings: Any) -> Model:
    """Return a network with the initial weights of a training.

    Args:
        dataset: data set for whose samples and classes it is; None for the embedded digits
        **settings: fields of Settings that differ from the defaults, such as m, T, tau, seed

    Raises:
        TypeError: for unknown settings and values of another type.
        ValueError: for values out of range.
    """
    classes, features = (10, classifier.PIXELS) if dataset is None else (len(dataset.classes), dataset.num_features)
    return initial_model(Settings(**settings), classes, features=features)


def match_recorded_times(model: Model, dataset: Dataset) -> tuple[Model, Dataset]:
    """Return a network for recorded spike times, which need no code, and the data set with all its afferents.

    Afferents that are silent in all samples are added, and classes are named by their numbers where they have no names.

    Args:
        model: network
        dataset: data set of recorded spike times

    Raises:
        ValueError: for a data set of another kind, and for another number of afferents.
    """
    m, afferents = dataset.m, model.weight.shape[1]
    if m is None:
        raise ValueError(f"dataset: expected recorded spike times, got {dataset.name}; pass its samples to predict.")
    if dataset.is_sparse:
        dataset = fit_width(dataset, *((afferents, 1) if m == 1 else (afferents // model.m, model.m)))
        m = dataset.m or m
    if dataset.num_features * m != afferents:
        raise ValueError(
            f"dataset: expected {afferents:,} afferents, those of the network, got {dataset.num_features * m:,}; "
            "choose another data set or network."
        )
    if not dataset.classes:
        dataset = dataclasses.replace(dataset, classes=tuple(map(str, range(model.num_classes))))
    return dataclasses.replace(model, m=m, code=FittedCode(AS_RECORDED)), dataset


def encode(sample: Sample, m: int = 16, T: int = 100, beta: float = 1.5) -> torch.Tensor:
    """Return the spike times of a sample in the Gaussian population code: float32 [features, m] in ms, -1 for none.

    Args:
        sample: grey values or features, uint8 of any shape
        m: neurons per feature
        T: time window in ms
        beta: width parameter of the tuning curves

    Raises:
        TypeError: for a sample of another type.
        ValueError: for constants out of range.
    """
    return classifier.pixel_spike_times(_to_sample(sample)[None], m, T, beta)[0].view(-1, m)


def fit_code(name: str, dataset: Dataset, m: int = 16) -> FittedCode:
    """Return a code, with what it computes from the training samples of a data set.

    Its methods spike_times and spike_table give the spike times of samples and of single values.

    Args:
        name: name of the code, such as "gaussian", "latency" or "local-pattern"
        dataset: data set
        m: afferents per position

    Raises:
        CodeError: for an unknown code, and for samples or m that it cannot encode.
    """
    code = require_known_code(name)
    code.check_m(m)
    return code.fit_to(dataset.train.images, m, 0)


def predict(model: Model, sample: Sample) -> Prediction:
    """Return the response of a network to one sample.

    Args:
        model: network
        sample: grey values or features, uint8, as many as the network has inputs; or recorded spike times in ms

    Returns:
        times [features, m], v [classes, T], v_max [classes], t_max [classes] and more, see Prediction.

    Raises:
        TypeError: for a sample of another type.
        ValueError: for a sample of another size.
    """
    if model.code.code.is_recorded:
        return classifier.predict(model, torch.as_tensor(sample))
    values = _to_sample(sample)
    if values.numel() != model.num_features and model.code.name == GAUSSIAN.name:
        raise ValueError(
            f"sample: expected {model.num_features:,} values, {model.weight.shape[1]:,} afferents at m {model.m}, got "
            f"{list(values.shape)}; choose a sample of the data set of the network."
        )
    return classifier.predict(model, values)


def potentials(model: Model, sample: Sample) -> torch.Tensor:
    """Return the membrane potentials of a network for one sample, [classes, T] at 0, 1, ... T - 1 ms; see predict."""
    return predict(model, sample).v


def contributions(model: Model, sample: Sample, output: int | None = None) -> torch.Tensor:
    """Return the contribution w K(t_max - t) of each spike to the peak of an output, float64 [features, m].

    Their sum is the peak v_max. Where a class pools several tempotrons it is that of the strongest.

    Args:
        model: network
        sample: see predict
        output: class, from 0; None for the predicted class

    Raises:
        TypeError: for a sample of another type.
        ValueError: for a sample of another size, and where there is no such output.
    """
    decision = predict(model, sample)
    return evidence(model, decision, int(decision.v_max.argmax()) if output is None else output).contributions


def replay(run: str | os.PathLike[str], sample: Sample, label: int, classes: int = 10, **changes: Any) -> Replay:
    """Return the predictions for one sample of the networks of a run, before training and after each saved epoch.

    Args:
        run: run folder
        sample: see predict
        label: true class
        classes: number of classes
        **changes: fields of Model that differ from those of the run, such as tau

    Raises:
        RunError: where no epoch can be read.
    """
    values = torch.as_tensor(sample)
    return replay_run(
        run,
        values if values.is_floating_point() else _to_sample(sample),
        label,
        classes,
        CheckpointCache(),
        constants=changes,
    )


def _to_sample(sample: object) -> torch.Tensor:
    if isinstance(sample, np.ndarray):
        sample = torch.from_numpy(sample.copy())
    if not isinstance(sample, torch.Tensor) or sample.dtype != torch.uint8:
        got = str(sample.dtype).removeprefix("torch.") if isinstance(sample, torch.Tensor) else type(sample).__name__
        raise TypeError(
            f"sample: expected values 0 to 255 as uint8, got {got}; take one of load_dataset().test.images, or scale "
            "yours with dataset_from_arrays."
        )
    return sample
