"""Plan of a study: settings that are the same in all its processes."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tempotron_core.data.datasets import Dataset
from tempotron_core.studies.space import MAX_GRID, Parameter, SpaceError, parse_space, without_own_dataset
from tempotron_core.training.settings import Settings, settings_with_preset
from tempotron_core.validation import one_of, positive_integer

if TYPE_CHECKING:
    import optuna

__all__ = ["PRUNERS", "SAMPLERS", "StudyError", "StudyPlan", "check_study_name"]

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("median", "halving", "hyperband", "none")

_MAX_VALIDATION = 5000
_VALIDATION_FRACTION = 5
_PLACE = ("dataset_dir", "device", "log_dir")  # these may differ from machine to machine


class StudyError(Exception):
    """A study cannot be opened or continued; the message is one sentence."""


def check_study_name(name: str) -> str:
    """Return the name of a study.

    Raises:
        StudyError: where it cannot be that of a folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,79}", name, re.ASCII):
        raise StudyError(
            f"study: expected a name of at most 80 letters, digits, hyphens, dots and underscores, got {name[:90]!r}; "
            "choose another."
        )
    return name


@dataclass(frozen=True)
class StudyPlan:
    """What a study trains; every trial is one combination of values, trained once with each seed.

    Attributes:
        space: settings that vary, as parse_space reads them
        given: other settings by name; presets and defaults complete them as in a single training
        trials: number of combinations
        seeds: trainings of a combination, with seeds that follow each other
        sampler: one of SAMPLERS
        pruner: one of PRUNERS
        parameters: the space as read

    Raises:
        SpaceError: for a space that cannot be used.
        TypeError, ValueError: for other values out of range.
    """

    space: str
    given: Mapping[str, Any] = field(default_factory=dict)
    trials: int = 40
    seeds: int = 1
    sampler: str = "tpe"
    pruner: str = "median"
    parameters: tuple[Parameter, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check the values."""
        positive_integer("trials", self.trials, maximum=1_000_000)
        positive_integer("seeds", self.seeds, maximum=1000)
        one_of("sampler", self.sampler, SAMPLERS)
        one_of("pruner", self.pruner, PRUNERS)
        object.__setattr__(self, "given", {name: value for name, value in self.given.items() if name not in _PLACE})
        object.__setattr__(self, "parameters", parse_space(self.space, self.given))
        if self.sampler == "grid":
            size = math.prod(len(parameter.grid_values()) for parameter in self.parameters)
            if size > MAX_GRID:
                raise SpaceError(
                    f"grid: expected at most {MAX_GRID:,} combinations, got {size:,}; list fewer values, or choose "
                    "the sampler random or tpe."
                )
            object.__setattr__(self, "trials", min(self.trials, size))

    @property
    def epochs(self) -> int:
        """Return the epochs of a training."""
        values = {parameter.name: parameter.ends[0] for parameter in self.parameters}
        return settings_with_preset({**without_own_dataset(self.given), **values}).epochs

    @property
    def first_seed(self) -> int:
        """Return the seed of the first training of a trial."""
        return int(self.given.get("seed", 0))

    def with_validation(self, dataset: Dataset) -> StudyPlan:
        """Return the plan with held-out samples: by default a fifth of the training samples, at most 5,000."""
        if self.given.get("validation"):
            return self
        held_out = min(_MAX_VALIDATION, len(dataset.train) // _VALIDATION_FRACTION)
        return replace(self, given={**self.given, "validation": max(1, held_out)})

    def settings(self, values: Mapping[str, Any], seed: int = 0, place: Mapping[str, Any] | None = None) -> Settings:
        """Return the settings of one training, the same as those of a single training with these options.

        Args:
            values: values of the space by name
            seed: number of the training within its trial, from 0
            place: device, dataset_dir and log_dir of this machine

        Raises:
            TypeError, ValueError: where the values do not belong together.
        """
        return settings_with_preset({**self.given, **(place or {}), **values, "seed": self.first_seed + seed})

    def grid(self) -> list[dict[str, Any]]:
        """Return all combinations of a grid in order."""
        names = [parameter.name for parameter in self.parameters]
        combinations = itertools.product(*(parameter.grid_values() for parameter in self.parameters))
        return [dict(zip(names, values, strict=True)) for values in combinations]

    def create_sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Return the sampler of the trial with this number; a trial on its own always draws the same values."""
        import optuna

        seed = self.first_seed + number
        if self.sampler == "tpe":
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        sampler = optuna.samplers.RandomSampler(seed=seed)
        if self.sampler == "random":
            return sampler
        return optuna.samplers.PartialFixedSampler(self.grid()[number], sampler)

    def create_pruner(self) -> optuna.pruners.BasePruner:
        """Return the pruner, which compares trials at the same epoch of the same seed."""
        import optuna

        if self.pruner == "median":
            return optuna.pruners.MedianPruner(n_warmup_steps=self.epochs // 3)
        if self.pruner == "halving":
            return optuna.pruners.SuccessiveHalvingPruner()
        if self.pruner == "hyperband":
            return optuna.pruners.HyperbandPruner(max_resource=self.epochs * self.seeds)
        return optuna.pruners.NopPruner()

    def to_record(self) -> dict[str, Any]:
        """Return the plan as it is stored with the study."""
        return {
            "space": " ".join(map(str, self.parameters)),
            "given": dict(self.given),
            "trials": self.trials,
            "seeds": self.seeds,
            "sampler": self.sampler,
            "pruner": self.pruner,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> StudyPlan:
        """Return the plan of such a record.

        Raises:
            StudyError: where this version cannot read it.
        """
        try:
            names = ("space", "given", "trials", "seeds", "sampler", "pruner")
            return cls(**{name: record[name] for name in names})
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError(
                f"study: expected a plan that this version can read, got {str(error)[:200]}; choose another study."
            ) from error
