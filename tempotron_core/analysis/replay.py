"""A run seen again: what its network made of one image before training and after every epoch that was kept.

The margin here is that of the true class, its v_max less the highest of the others: above 0 where the network is right,
0 in a tie.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch

from tempotron_core.analysis.attribution import evidence
from tempotron_core.model.classifier import Model, decide
from tempotron_core.runs.reader import RunError, load_model, read_run
from tempotron_core.training.settings import Settings, untrained

__all__ = ["MOST_BYTES", "Checkpoints", "Replay", "replay", "saved_epochs"]

MOST_BYTES = 300 * 2**20
"""Of networks kept in memory: a run's checkpoints, which are limited to 256 MiB, fit."""

IDLE_SECONDS = 120.0
"""So long a network is kept after its last use, where others come."""


@dataclass(frozen=True, eq=False)
class Replay:
    """One image through a run's networks.

    epochs: [n] ascending, 0 being before training; v: [n, classes, T]; v_max, t_max (ms): [n, classes]; extents: [n],
    the largest amount by which a pixel lifts or lowers the peak of the output asked for; problem: which epochs are
    left out and why, None where none is.
    """

    epochs: tuple[int, ...]
    v: torch.Tensor
    v_max: torch.Tensor
    t_max: torch.Tensor
    v_threshold: float
    extents: torch.Tensor
    label: int
    problem: str | None = None

    @property
    def predicted(self) -> torch.Tensor:
        """The output with the highest peak, [n]."""
        return self.v_max.argmax(dim=1)

    @property
    def margin(self) -> torch.Tensor:
        """The true class's peak less the highest of the others, [n]."""
        others = self.v_max.clone()
        others[:, self.label] = -torch.inf
        return self.v_max[:, self.label] - others.amax(dim=1)

    @property
    def right(self) -> torch.Tensor:
        """Whether the true class alone had the highest peak, [n]."""
        return self.margin > 0

    @property
    def first_right(self) -> int | None:
        """The first epoch at which it was right; None where it never was."""
        return next((epoch for epoch, right in zip(self.epochs, self.right.tolist(), strict=True) if right), None)

    @property
    def right_since(self) -> int | None:
        """The epoch from which on it was right until the last one; None where it is wrong at the last."""
        since = None
        for epoch, right in zip(self.epochs[::-1], self.right.tolist()[::-1], strict=True):
            if not right:
                break
            since = epoch
        return since


def saved_epochs(path: str | os.PathLike[str]) -> dict[int, int]:
    """The epochs whose weights a run's folder holds, ascending, each with the time of its file's writing in ns."""
    found: dict[int, int] = {}
    with suppress(OSError, ValueError):
        for file in sorted(Path(path).glob("epochs/*.safetensors")):
            number = int(file.stem) if file.stem.isdecimal() else 0
            if number and file.stem == f"{number:04}":
                found[number] = _written(path, number)
    return dict(sorted(found.items()))


def _written(path: str | os.PathLike[str], epoch: int) -> int:
    """When a checkpoint was written, ns; 0 where it was deleted a moment ago."""
    with suppress(OSError):
        return (Path(path) / "epochs" / f"{epoch:04}.safetensors").stat().st_mtime_ns
    return 0


class Checkpoints:
    """Networks of runs after their epochs, the lately used ones kept in memory. May be shared by threads."""

    def __init__(self, most_bytes: int = MOST_BYTES, idle_seconds: float = IDLE_SECONDS) -> None:
        self._most, self._idle, self._bytes = most_bytes, idle_seconds, 0
        self._kept: OrderedDict[object, tuple[Model, float]] = OrderedDict()  # the longest unused first
        self._lock = threading.Lock()

    def model(self, path: str | os.PathLike[str], settings: Settings, classes: int, epoch: int) -> Model:
        """The network of a run with these settings after an epoch, 0 being before the first; RunError if damaged."""
        key = (settings, classes) if epoch == 0 else (str(path), settings, classes, epoch, _written(path, epoch))
        with self._lock:
            if key in self._kept:
                model, _ = self._kept.pop(key)
                self._kept[key] = model, time.monotonic()
                return model
        model = untrained(settings, classes) if epoch == 0 else load_model(path, f"epochs/{epoch:04}", settings)
        if len(model.weight) != classes * model.k:
            raise RunError(
                f"epoch {epoch} of {Path(path).name!r}: expected weights of {classes} classes, got "
                f"{len(model.weight) // model.k}; choose another run or data set."
            )
        with self._lock:
            now = time.monotonic()
            if key not in self._kept:
                self._kept[key] = model, now
                self._bytes += model.weight.nbytes
            while len(self._kept) > 1:
                oldest, (unused, since) = next(iter(self._kept.items()))
                if self._bytes <= self._most and now - since <= self._idle:
                    break
                del self._kept[oldest]
                self._bytes -= unused.weight.nbytes
        return model


def replay(
    path: str | os.PathLike[str],
    image: torch.Tensor,
    label: int,
    classes: int,
    checkpoints: Checkpoints,
    output: int | None = None,
) -> Replay:
    """The decisions on an image, uint8 [28, 28], of all epochs that a run's folder holds, and of its untrained network.

    output: the one whose evidence is measured, each epoch's winner where None. Epochs that are damaged or missing are
    left out; RunError where that leaves none.
    """
    record, saved = read_run(path), tuple(saved_epochs(path))
    assert record.settings is not None
    if not saved:
        raise RunError(
            f"epochs of {record.name!r}: expected the weights after at least one epoch, found none; let a training go "
            "on to the end of its first epoch, or choose another run."
        )
    damaged: dict[int, str] = {}
    rows: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]] = {}
    # The untrained network last: only where weights have been read is its size known to be a sensible one.
    for epoch in (*saved, 0):
        if epoch == 0 and not rows:
            raise RunError(next(iter(damaged.values())))
        try:
            model = checkpoints.model(path, record.settings, classes, epoch)
        except RunError as error:
            damaged[epoch] = str(error)
            continue
        decision = decide(model, image)
        parts = evidence(model, decision, int(decision.v_max.argmax()) if output is None else output).parts
        rows[epoch] = decision.v, decision.v_max, decision.t_max, float(parts.sum(dim=1).abs().max())
    epochs = tuple(sorted(rows))
    v, v_max, t_max = (torch.stack([rows[epoch][i] for epoch in epochs]) for i in range(3))  # type: ignore[misc]
    extents = torch.tensor([rows[epoch][3] for epoch in epochs])
    problem = _left_out(saved, len(record.epochs), damaged)
    return Replay(epochs, v, v_max, t_max, record.settings.v_threshold, extents, label, problem)


def _left_out(saved: tuple[int, ...], done: int, damaged: dict[int, str]) -> str | None:
    """In words, which of the epochs done are not among those saved, and what is wrong with those damaged."""
    gaps = [(a + 1, b - 1) for a, b in pairwise((0, *saved, max(done, saved[-1]) + 1)) if b - a > 1]
    spans = ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in gaps)
    one = len(gaps) == 1 and gaps[0][0] == gaps[0][1]
    words = [f"The weights of epoch{'' if one else 's'} {spans} were not kept."] if gaps else []
    if damaged:
        epoch, why = next(iter(damaged.items()))
        rest = ", ".join(map(str, list(damaged)[1:]))
        more = f" So {'is epoch' if len(damaged) == 2 else 'are epochs'} {rest}." if rest else ""
        words.append(f"Epoch {epoch} is left out: {why}{more}")
    return " ".join(words) or None
