"""State of a run at one time."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from tempotron_core.model.classifier import Model
from tempotron_core.model.codes import FittedCode
from tempotron_core.training.metrics import EpochMetrics, History, StepMetricsHistory
from tempotron_core.training.settings import Settings, model_from_weights

__all__ = ["Snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """State of a run at one time.

    Attributes:
        classes: names of the outputs
        code: code of the samples, None before it has been computed
        shape: that of a sample, (height, width) or (features,)
        weight: copy of the weights, None while data are prepared
        state: copies of all that is needed to continue at the end of an epoch, else None
    """

    settings: Settings
    phase: str
    total_steps: int
    step: int = 0
    encoded_fraction: float = 0.0
    encoding_seconds: float = 0.0
    training_seconds: float = 0.0
    samples_per_second: float = 0.0
    points: StepMetricsHistory = field(default_factory=StepMetricsHistory)
    epochs: History[EpochMetrics] = field(default_factory=History)
    classes: tuple[str, ...] = ()
    code: FittedCode | None = field(default=None, repr=False, compare=False)
    shape: tuple[int, ...] = (28, 28)
    weight: torch.Tensor | None = field(default=None, repr=False, compare=False)
    state: dict[str, torch.Tensor] | None = field(default=None, repr=False, compare=False)

    @property
    def model(self) -> Model | None:
        """Return the network at this time."""
        return None if self.weight is None else model_from_weights(self.settings, self.weight, self.code)

    @property
    def epochs_done(self) -> int:
        """Return the number of the last epoch that is complete; rows of epochs before it may be missing."""
        return self.epochs[-1].epoch if self.epochs else 0

    @property
    def epoch(self) -> int:
        """Return the epoch in progress, counted from 1."""
        return min(self.epochs_done + 1, self.settings.epochs)

    @property
    def progress(self) -> float:
        """Return the fraction of steps done, in [0, 1]."""
        return self.step / self.total_steps if self.total_steps else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return the estimated remaining time, None before the first steps."""
        return self.training_seconds / self.step * (self.total_steps - self.step) if self.step else None
