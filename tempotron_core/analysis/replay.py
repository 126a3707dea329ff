"""Replay of a run: predictions for one image before training and after each saved epoch.

The margin here is that of the true class, its v_max less the highest of the others: above 0 where the network is right,
0 in a tie.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import torch

from tempotron_core.analysis.attribution import evidence
from tempotron_core.model.classifier import PIXELS, Model, predict
from tempotron_core.model.codes import AS_RECORDED, DEFAULT_CODE, FittedCode
from tempotron_core.runs.reader import RunError, load_code, load_model, read_run
from tempotron_core.training.settings import Settings, initial_model

__all__ = ["MAX_BYTES", "CheckpointCache", "Replay", "replay_run", "saved_epochs"]

MAX_BYTES = 300 * 2**20
"""Of networks kept in memory: a run's checkpoints, which are limited to 256 MiB, fit."""

MAX_IDLE_SECONDS = 120.0
"""So long a network is kept after its last use, where others come."""


@dataclass(frozen=True, eq=False)
class Replay:
    """Predictions for one image by the networks of a run.

    Attributes:
        epochs: [n] ascending, 0 before training
        v: potentials [n, classes, T]
        v_max: [n, classes]
        t_max: [n, classes] in ms
        max_contribution: [n], largest absolute contribution of a pixel to the peak of the selected output
        problem: which epochs are missing and why, None where none is
    """

    epochs: tuple[int, ...]
    v: torch.Tensor
    v_max: torch.Tensor
    t_max: torch.Tensor
    v_threshold: float
    max_contribution: torch.Tensor
    label: int
    problem: str | None = None

    @property
    def predicted(self) -> torch.Tensor:
        """Return the output with the highest peak, [n]."""
        return self.v_max.argmax(dim=1)

    @property
    def margin(self) -> torch.Tensor:
        """Return the peak of the true class minus the highest other, [n]."""
        others = self.v_max.clone()
        others[:, self.label] = -torch.inf
        return self.v_max[:, self.label] - others.amax(dim=1)

    @property
    def correct(self) -> torch.Tensor:
        """Return whether the true class alone has the highest peak, [n]."""
        return self.margin > 0

    @property
    def first_correct(self) -> int | None:
        """Return the first correct epoch, None where there is none."""
        return next((epoch for epoch, right in zip(self.epochs, self.correct.tolist(), strict=True) if right), None)


def saved_epochs(path: str | os.PathLike[str]) -> dict[int, int]:
    """Return the epochs with saved weights, ascending, each with the modification time of its file in ns."""
    mtimes: dict[int, int] = {}
    with suppress(OSError, ValueError):
        for file in sorted(Path(path).glob("epochs/*.safetensors")):
            number = int(file.stem) if file.stem.isdecimal() else -1
            if number >= 0 and file.stem == f"{number:04}":
                mtimes[number] = _checkpoint_mtime(path, number)
    return dict(sorted(mtimes.items()))


def _checkpoint_mtime(path: str | os.PathLike[str], epoch: int) -> int:
    """Return the modification time of a checkpoint in ns, 0 where it no longer exists."""
    with suppress(OSError):
        return (Path(path) / "epochs" / f"{epoch:04}.safetensors").stat().st_mtime_ns
    return 0


class CheckpointCache:
    """Networks of runs after their epochs; recently used ones stay in memory. Thread-safe."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_idle_seconds: float = MAX_IDLE_SECONDS) -> None:
        self._max_bytes, self._max_idle_seconds, self._bytes = max_bytes, max_idle_seconds, 0
        self._models: OrderedDict[object, tuple[Model, float]] = OrderedDict()  # the longest unused first
        self._lock = threading.Lock()

    def model(
        self, path: str | os.PathLike[str], settings: Settings, classes: int, epoch: int, features: int = PIXELS
    ) -> Model:
        """Return the network of a run after an epoch, 0 before the first: as initialised, or as imported.

        features: values of a sample.

        Raises:
            RunError: for damaged weights.
        """
        is_initial = epoch == 0 and settings.imported_from is None  # the seed gives it
        of_run = "" if settings.code == DEFAULT_CODE else str(path)  # whose code was computed from its images
        key = (
            (of_run, settings, classes, features)
            if is_initial
            else (str(path), settings, classes, epoch, _checkpoint_mtime(path, epoch))
        )
        with self._lock:
            if key in self._models:
                model, _ = self._models.pop(key)
                self._models[key] = model, time.monotonic()
                return model
        if is_initial:
            model = initial_model(settings, classes, load_code(path, settings), features)
        else:
            model = load_model(path, f"epochs/{epoch:04}", settings)
        if len(model.weight) != classes * model.tempotrons_per_class:
            raise RunError(
                f"epoch {epoch} of {Path(path).name!r}: expected weights of {classes} classes, got "
                f"{len(model.weight) // model.tempotrons_per_class}; choose another run or data set."
            )
        if model.weight.shape[1] != features * model.m:
            raise RunError(
                f"epoch {epoch} of {Path(path).name!r}: expected weights for {features:,} features, got "
                f"{model.num_features:,}; choose another run or data set."
            )
        with self._lock:
            now = time.monotonic()
            if key not in self._models:
                self._models[key] = model, now
                self._bytes += model.weight.nbytes
            while len(self._models) > 1:
                oldest, (oldest_model, last_used) = next(iter(self._models.items()))
                if self._bytes <= self._max_bytes and now - last_used <= self._max_idle_seconds:
                    break
                del self._models[oldest]
                self._bytes -= oldest_model.weight.nbytes
        return model


def replay_run(
    path: str | os.PathLike[str],
    image: torch.Tensor,
    label: int,
    classes: int,
    checkpoints: CheckpointCache,
    output: int | None = None,
    constants: Mapping[str, float] | None = None,
) -> Replay:
    """Return the predictions for a sample of the untrained network and of each saved epoch.

    Damaged or missing epochs are left out, and so is the untrained network of a run that was imported: its weights
    are those of epoch 0, or unknown.

    Args:
        path: folder of the run
        image: sample uint8 of any shape, or spike times in ms, float32 [features, m]
        label: true class
        classes: number of classes
        checkpoints: cache of the networks
        output: class whose contributions are measured, None for the predicted class of each epoch
        constants: fields of the networks to change, such as tau; None for none

    Raises:
        RunError: where no epoch is left.
    """
    record, saved = read_run(path), tuple(saved_epochs(path))
    assert record.settings is not None
    if not saved:
        raise RunError(
            f"epochs of {record.name!r}: expected the weights after at least one epoch, found none; let a training go "
            "on to the end of its first epoch, or choose another run."
        )
    is_recorded = image.is_floating_point()  # recorded spike times need no code, so that any network takes them
    features = image.numel() // record.settings.m if is_recorded else image.numel()
    damaged: dict[int, str] = {}
    rows: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]] = {}
    # The untrained network last: only where weights have been read is its size known to be a sensible one.
    untrained = (0,) if record.settings.imported_from is None else ()
    for epoch in dict.fromkeys((*saved, *untrained)):
        if epoch == 0 and untrained and not rows:
            raise RunError(next(iter(damaged.values())))
        try:
            model = checkpoints.model(path, record.settings, classes, epoch, features)
        except RunError as error:
            damaged[epoch] = str(error)
            continue
        model = replace(model, **(constants or {}))  # type: ignore[arg-type]
        if is_recorded:
            model = replace(model, m=image.shape[1], code=FittedCode(AS_RECORDED))
        decision = predict(model, image)
        contributions = evidence(
            model, decision, int(decision.v_max.argmax()) if output is None else output
        ).contributions
        rows[epoch] = decision.v, decision.v_max, decision.t_max, float(contributions.sum(dim=1).abs().max())
    if not rows:
        raise RunError(next(iter(damaged.values())))
    epochs = tuple(sorted(rows))
    v, v_max, t_max = (torch.stack([rows[epoch][i] for epoch in epochs]) for i in range(3))  # type: ignore[misc]
    max_contribution = torch.tensor([rows[epoch][3] for epoch in epochs])
    problem = _missing_epochs_text(saved, record.epochs_done, damaged)
    threshold = (constants or {}).get("firing_threshold", record.settings.v_threshold)
    return Replay(epochs, v, v_max, t_max, threshold, max_contribution, label, problem)


def _missing_epochs_text(saved: tuple[int, ...], num_epochs: int, damaged: dict[int, str]) -> str | None:
    """Return which finished epochs are not saved and what is wrong with damaged ones."""
    gaps = [(a + 1, b - 1) for a, b in pairwise((0, *saved, max(num_epochs, saved[-1]) + 1)) if b - a > 1]
    spans = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in gaps)
    one = len(gaps) == 1 and gaps[0][0] == gaps[0][1]
    words = [f"The weights of epoch{'' if one else 's'} {spans} were not kept."] if gaps else []
    if damaged:
        epoch, reason = next(iter(damaged.items()))
        rest = ", ".join(map(str, list(damaged)[1:]))
        more = f" So {'is epoch' if len(damaged) == 2 else 'are epochs'} {rest}." if rest else ""
        words.append(f"Epoch {epoch} is left out: {reason}{more}")
    return " ".join(words) or None
