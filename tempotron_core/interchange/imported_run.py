"""An imported network as a run: constants completed, tested, written as a folder like any other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from tempotron_core.data.archives import FormatError
from tempotron_core.data.datasets import EMBEDDED, Dataset, Split
from tempotron_core.interchange.networks import Network
from tempotron_core.model.codes import AS_RECORDED
from tempotron_core.model.sample_store import store_samples
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.metrics import EpochMetrics, History
from tempotron_core.training.settings import Settings, fit_to_dataset, model_from_weights
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.training.trainer import Assessment, evaluate_health

__all__ = ["ImportedRun", "complete_settings", "import_run"]

_MAX_T, _MAX_M = 10_000, 1_000  # of a network that the pages show
_TRAIN_SAMPLES = 5_000  # on which the training accuracy is measured: the others would take longer and change it little
_TRAIN_SAMPLES_IN_ORDER = 500  # where exact peaks take a hundred times as long


@dataclass(frozen=True, eq=False)
class ImportedRun:
    """A network that was imported.

    Attributes:
        network: what was read
        settings: constants it is used with
        test_accuracy: fraction of the test samples whose highest peak is that of their label, NaN if not tested
        path: folder of the run
        notes: sentences on what was converted, or may be wrong
    """

    network: Network
    settings: Settings
    test_accuracy: float
    path: Path
    notes: tuple[str, ...]


def complete_settings(
    network: Network, given: Mapping[str, Any], peer: str | None = None, without_shunting: bool = False
) -> Settings:
    """Return the settings of an imported network: the given values, else those of the file, else the defaults.

    A network of SpikingJelly 2.0.0 gets exact peaks, shunting and spike times that are not rounded.

    Args:
        network: network as read
        given: values by name of a setting; None where it is unknown
        peer: program that trained it, see Network.scaled_weight
        without_shunting: see Network.scaled_weight

    Raises:
        FormatError: where a given constant contradicts the file.
        TypeError, ValueError: for values out of range.
    """
    values = {name: value for name, value in given.items() if value is not None}
    whole = {field.name for field in fields(Settings) if field.type == "int"}
    for name, stated in network.constants.items():
        number = int(stated) if name in whole and stated == int(stated) else stated
        if name in values and not math.isclose(values[name], stated, rel_tol=1e-3):
            raise FormatError(
                f"{network.file}: expected {name} {stated:g}, as the file states, got {values[name]:g}; leave {name} "
                "out or correct it."
            )
        values.setdefault(name, number)
    if network.comes_from_spikingjelly_2(peer) and not without_shunting:
        values |= {"time": "exact", "after_spike": "shunt", "code": "gaussian-unrounded"}
    return Settings(**values, imported_from=network.file)


def import_run(
    network: Network,
    settings: Settings,
    dataset: Dataset | None,
    peer: str | None = None,
) -> ImportedRun:
    """Test a network on a data set and write it as a run.

    The run has one row of metrics, epoch 0, with the loss unknown, and can be continued like any other. Without a data
    set of labelled samples it has none: the network is not tested, and takes recorded spike times of its afferents.

    Args:
        network: network as read
        settings: constants of the network and of a training that continues it, from complete_settings
        dataset: data set the network was trained for, None if there is none here
        peer: program that trained it, see Network.scaled_weight

    Raises:
        FormatError: where the weights do not fit the constants or the data set.
        TrainingError: where the run cannot be written.
    """
    weight = network.scaled_weight(settings.v_threshold, peer)
    if dataset is None or not dataset.classes:
        return _import_untested(network, settings, weight)
    settings = fit_to_dataset(settings, dataset)
    _check_shape(network, settings, dataset)
    most = _TRAIN_SAMPLES if settings.time == "grid" else _TRAIN_SAMPLES_IN_ORDER
    train = Split(dataset.train.images[:most], dataset.train.labels[:most])
    training, test = (_assess(weight, settings, split) for split in (train, dataset.test))
    row = EpochMetrics(
        0, 0, math.nan, training.accuracy, test.accuracy, 0.0, 0.0, test.dead_outputs, test.firing_error_rate,
        test.peaks_at_start, test.peaks_at_end, float(weight.norm()), 0.0,
    )  # fmt: skip
    state = {
        "rows": weight.t().contiguous(),
        "noise": torch.Generator().manual_seed(settings.seed).get_state(),
        "shuffle": torch.Generator().manual_seed(settings.seed).get_state(),
    }
    classes = dataset.classes
    snapshot = Snapshot(
        settings, "finished", 0, epochs=History([row]), classes=classes, weight=weight, state=state,
        shape=dataset.sample_shape,
    )  # fmt: skip
    with open_run_log(settings) as log:
        log.write(snapshot)
    notes = [note for note in network.notes if peer is None or "--peer" not in note]
    if network.classes and network.classes != classes:
        named = ", ".join(network.classes[:10])
        notes.append(f"The file names the classes {named}; those of {dataset.name} are used.")
    if test.dead_outputs:
        notes.append(
            f"No potential above 0 in outputs {', '.join(map(str, test.dead_outputs[:10]))}: check the constants."
        )
    return ImportedRun(network, settings, test.accuracy, log.path, tuple(notes))


def _import_untested(network: Network, settings: Settings, weight: torch.Tensor) -> ImportedRun:
    if settings.T > _MAX_T or network.outputs % settings.resolved_recipe.tempotrons_per_class:
        raise FormatError(
            f"{network.file}: expected T of at most {_MAX_T:,} ms and outputs in groups of the tempotrons per class, "
            f"got T {settings.T:,} and {network.outputs:,} outputs; correct the constants."
        )
    settings = replace(settings, m=1, code=AS_RECORDED.name, dataset=EMBEDDED, dataset_dir=None)
    count = network.outputs // settings.resolved_recipe.tempotrons_per_class
    classes = network.classes if len(network.classes) == count else tuple(map(str, range(count)))
    snapshot = Snapshot(settings, "finished", 0, classes=classes, weight=weight, shape=(network.afferents,))
    with open_run_log(settings) as log:
        log.write(snapshot)
    notes = (*network.notes, "Not tested: choose recorded spike times of its afferents as data set.")
    return ImportedRun(network, settings, math.nan, log.path, notes)


def _assess(weight: torch.Tensor, settings: Settings, split: Split) -> Assessment:
    model = model_from_weights(settings, weight)
    store = store_samples(model, split.images)
    return evaluate_health(model.to_layer(), store, split.labels, model.tempotrons_per_class)


def _check_shape(network: Network, settings: Settings, dataset: Dataset) -> None:
    features, classes = dataset.num_features, len(dataset.classes)
    outputs = classes * settings.resolved_recipe.tempotrons_per_class
    if settings.T > _MAX_T or settings.m > _MAX_M:
        raise FormatError(
            f"T, m: expected at most {_MAX_T:,} ms and {_MAX_M:,} neurons, got {settings.T:,} and {settings.m:,}; "
            "choose smaller ones."
        )
    shape = f"{network.key[:80]} [{network.outputs:,}, {network.afferents:,}]"
    if network.afferents != features * settings.m:
        fits = network.afferents % features == 0 and network.afferents // features > 2
        remedy = f"choose m {network.afferents // features}" if fits else "choose the data set it was trained on"
        if network.outputs == features * settings.m:
            remedy = "transpose the matrix"
        raise FormatError(
            f"{network.file}: expected {features * settings.m:,} afferents, {features:,} features of {dataset.name} by "
            f"m {settings.m}, got {shape}; {remedy}."
        )
    if network.outputs != outputs:
        raise FormatError(
            f"{network.file}: expected {outputs:,} outputs, one for each tempotron of the {classes} classes of "
            f"{dataset.name}, got {shape}; choose the data set it was trained on, or the number of tempotrons per "
            "class."
        )
