"""Networks and data sets of recorded spike times: which afferents they have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st
import torch

from tempotron_core.data.datasets import Dataset
from tempotron_core.data.spike_times import fit_width
from tempotron_core.model.classifier import Model
from tempotron_core.model.codes import AS_RECORDED, FittedCode

RECORDED = FittedCode(AS_RECORDED)


def match_dataset(dataset: Dataset, model: Model, key: str, classes: tuple[str, ...] = ()) -> Dataset:
    """Return the data set with silent afferents added and the classes of the network, where it has more.

    Args:
        dataset: data set of spike times
        model: network
        key: identifies the data set in caches
        classes: names of the classes of the network, where they are known
    """
    if dataset.is_sparse:
        afferents = model.weight.shape[1]
        features, m = (afferents, 1) if dataset.m == 1 else (afferents // model.m, model.m)
        dataset = _fit_cached(f"{key} {features} {m}", dataset, features, m)
    if dataset.classes:
        return dataset
    names = classes if len(classes) == model.num_classes else tuple(map(str, range(model.num_classes)))
    return replace(dataset, classes=names)


def match_model(model: Model, dataset: Dataset) -> Model:
    """Return the network with as many afferents of a feature as the recorded spike times have, where they fit.

    Recorded spike times need no code, so that any network takes them.
    """
    m = dataset.m
    if m is None or model.weight.shape[1] != dataset.num_features * m:
        return model
    return replace(model, m=m, code=RECORDED)


def earliness(times: torch.Tensor, T: int) -> np.ndarray:
    """Return how early the first spike of each feature is, uint8 [features]: 255 at 0 ms, 1 at T or later, 0 for none.

    times: [features, m] in ms, negative for none.
    """
    first = torch.where(times >= 0, times, torch.inf).amin(dim=1)
    early = (255 * (1 - first / T)).clamp(min=1).round()
    return torch.where(first.isfinite(), early, 0).byte().numpy()


@st.cache_resource(max_entries=2, show_spinner=False)
def _fit_cached(key: str, _dataset: Dataset, features: int, m: int) -> Dataset:
    return fit_width(_dataset, features, m)
