"""Tempotron networks on Gaussian population codes: encoding, neurons, training, figures.

    import tempotron_core as tc

The names below are imported from tempotron_core.api on first use, so that the import of the package takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tempotron_core.address_space import require_address_space

require_address_space()

if TYPE_CHECKING:
    from tempotron_core.api import (
        Dataset,
        GaussianTuning,
        LearningSession,
        Model,
        Perturbation,
        PopulationCode,
        Problem,
        Settings,
        StepSettings,
        Tempotron,
        apply_steps,
        contributions,
        count_spikes,
        count_values,
        curve_information,
        dataset_from_arrays,
        decode_drawing,
        decode_steps,
        encode,
        evaluate,
        evidence,
        explore,
        fit_code,
        group_curves,
        learning_step,
        load_dataset,
        load_model,
        load_study,
        match_recorded_times,
        network_file,
        perturb_image,
        perturb_spikes,
        pixel_tuning,
        potentials,
        predict,
        predict_from_spikes,
        published_record,
        ranked,
        read_run,
        record,
        replay,
        simulate,
        untrained_model,
    )

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


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module("tempotron_core.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return sorted({*globals(), *__all__})
