"""Settings of a run, available devices, initial network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch

from tempotron_core.data import datasets
from tempotron_core.model.classifier import Model, initial_weight
from tempotron_core.snn.tempotron import AFTER_SPIKE, TIMES
from tempotron_core.training.recipes import DEFAULT_RECIPE, LOSSES, OPTIMISERS, RECIPES, SCHEDULES, Recipe
from tempotron_core.validation import check_time_constants, one_of, positive_integer, positive_real

__all__ = [
    "FORMER_NAMES",
    "RECIPE_OVERRIDES",
    "RECORDED",
    "Settings",
    "TrainingError",
    "current_names",
    "devices",
    "initial_model",
    "model_from_weights",
    "require_startable",
    "settings_from_record",
]

_REGISTRIES: dict[str, Mapping[str, object]] = {"loss": LOSSES, "optimiser": OPTIMISERS, "schedule": SCHEDULES}

RECIPE_OVERRIDES = tuple(field.name for field in fields(Recipe) if field.name not in ("name", "summary"))
"""What a run may change of its recipe."""


RECORDED = "tempotron_core.record"
"""Value of imported_from of a run whose weights a training loop of the user gives."""

FORMER_NAMES = {
    "clears_gradients": "zero_grad",
    "revives": "reinit_dead_outputs",
    "width": "init_scale",
    "drop": "afferent_dropout",
    "k": "tempotrons_per_class",
}
"""Names that settings had in run folders of version 0.1 before they were renamed -> present name."""

_LATER_FIELDS = ("time", "after_spike", "imported_from")  # not in settings.json of version 0.1


def current_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings read from a file with former names replaced by present ones.

    Raises:
        TypeError: where the file holds no mapping of names.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"expected names and values, got {type(values).__name__}")
    return {FORMER_NAMES.get(name, name): value for name, value in values.items()}


_MAX_NAME_LENGTH = 80  # of a device, recipe or data set in a run folder


class TrainingError(Exception):
    """A run cannot start or continue; the message is one sentence.

    failed_step: step after which loss or weights were not finite, else None.
    """

    def __init__(self, message: str, failed_step: int | None = None) -> None:
        super().__init__(message)
        self.failed_step = failed_step


def devices() -> tuple[str, ...]:
    """Return the names of the available devices, best first."""
    return (*(f"cuda:{i}" for i in range(torch.cuda.device_count())), "cpu")


@dataclass(frozen=True)
class Settings:
    """Everything that determines a run; times in ms.

    time, after_spike: where the potential is evaluated and what an output does after it has fired, see Tempotron.
    validation: training samples held out and used instead of the test set throughout the run. From loss to init_scale:
    changes of the recipe, None for the recipe's own value. imported_from: name of the file that the weights before the
    first epoch come from, or RECORDED; None where the seed gives them.

    Raises:
        TypeError: for values of another type.
        ValueError: for values out of range.
    """

    device: str = "cpu"
    dataset_dir: str | None = None
    batch_size: int = 64
    lr: float = 1e-3
    T: int = 100
    epochs: int = 10
    m: int = 16
    log_dir: str = "runs"
    seed: int = 0
    dataset: str = datasets.EMBEDDED
    recipe: str = DEFAULT_RECIPE
    beta: float = 1.5
    tau: float = 15.0
    tau_s: float = 15.0 / 4
    v_threshold: float = 1.0
    validation: int = 0
    loss: str | None = None
    optimiser: str | None = None
    schedule: str | None = None
    temperature: float | None = None
    weight_decay: float | None = None
    smoothing: float | None = None
    zero_grad: bool | None = None
    afferent_dropout: float | None = None
    reinit_dead_outputs: bool | None = None
    tempotrons_per_class: int | None = None
    init_scale: float | None = None
    time: str = "grid"
    after_spike: str = "continue"
    imported_from: str | None = None

    def to_record(self) -> dict[str, Any]:
        """Return all values as they are written to a file.

        A default that earlier versions did not have is left out, so that they can read the file.
        """
        values = asdict(self)
        for field in fields(self):
            if field.name in _LATER_FIELDS and values[field.name] == field.default:
                del values[field.name]
        return values

    @property
    def resolved_recipe(self) -> Recipe:
        """Return the recipe with the changes of this run; unknown names of a run folder have no effect.

        The default recipe takes the place of an unknown one.
        """
        overrides = self._overrides()
        for name, registry in _REGISTRIES.items():
            if overrides.get(name) not in registry:
                overrides.pop(name, None)
        return replace(RECIPES.get(self.recipe, RECIPES[DEFAULT_RECIPE]), **overrides)

    def _overrides(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in RECIPE_OVERRIDES}
        return {name: value for name, value in values.items() if value is not None}

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive_integer("batch size", self.batch_size)
        positive_real("learning rate", self.lr, maximum=1e38)  # it must be one in float32
        positive_integer("T (ms)", self.T)
        positive_integer("epochs", self.epochs)
        positive_integer("m (neurons a pixel)", self.m, minimum=3)
        positive_integer("seed", self.seed, minimum=0)
        positive_integer("validation samples", self.validation, minimum=0)
        check_time_constants(self.tau, self.tau_s)
        positive_real("beta", self.beta, minimum=1e-3, maximum=1e3)
        positive_real("v_threshold", self.v_threshold, minimum=1e-6, maximum=1e6)
        one_of("time", self.time, TIMES)
        one_of("after_spike", self.after_spike, AFTER_SPIKE)
        for name, path in (("dataset directory", self.dataset_dir or "."), ("log directory", self.log_dir)):
            if not isinstance(path, str) or not path.strip():
                raise TypeError(f"{name}: expected the path of a folder, got {path!r}; pass a string.")
        if not isinstance(self.recipe, str) or self.recipe not in RECIPES:
            raise ValueError(f"recipe: expected one of {', '.join(RECIPES)}, got {self.recipe!r}; choose one of these.")
        replace(RECIPES[self.recipe], **self._overrides())
        if self.imported_from is not None and not (isinstance(self.imported_from, str) and self.imported_from):
            raise TypeError(f"imported_from: expected the name of a file, got {self.imported_from!r}; pass a string.")
        names = (datasets.EMBEDDED, *datasets.DATASETS)
        if self.dataset not in names:
            raise ValueError(f"dataset: expected one of {', '.join(names)}, got {self.dataset!r}; choose one of these.")
        if self.device not in devices():
            raise ValueError(
                f"device: expected one of {', '.join(devices())}, got {self.device!r}; choose one that is present."
            )


def require_startable(settings: Settings) -> None:
    """Check that this machine and this version can train with these settings, which may come from a run folder.

    Raises:
        ValueError: for a device that is not present, and for a recipe or a data set that is not known.
    """
    replace(settings)


def settings_from_record(values: Mapping[str, Any]) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings of a run made anywhere, and one sentence on each thing that is not known here.

    A device that is not present is no problem before a run is started and gives no sentence. A recipe, data set or
    part of a recipe that is not known, and unknown names, are reported.

    Raises:
        TypeError: for values of another type.
        ValueError: for values out of range.
    """
    given = current_names(values)
    known = {field.name: field.default for field in fields(Settings)}
    notes = [
        f"setting {_shorten(name)}: not known here, left out; it may come from a newer version."
        for name in given
        if name not in known
    ]
    given = {name: value for name, value in given.items() if name in known}
    elsewhere: dict[str, str] = {}
    for name, present in (
        ("device", devices()),
        ("recipe", tuple(RECIPES)),
        ("dataset", (datasets.EMBEDDED, *datasets.DATASETS)),
    ):
        value = given.get(name, known[name])
        if not isinstance(value, str) or not value.strip() or len(value) > _MAX_NAME_LENGTH or not value.isprintable():
            raise TypeError(f"{name}: expected a name of at most {_MAX_NAME_LENGTH} characters, got {_shorten(value)}")
        if value not in present:
            elsewhere[name] = value
            del given[name]
    for name, registry in _REGISTRIES.items():
        value = given.get(name)
        if isinstance(value, str) and value not in registry:
            notes.append(f"{name} {_shorten(value)}: not known here; it is needed only to resume the run.")
            elsewhere[name] = value
            del given[name]
    settings = Settings(**given)
    for name, value in elsewhere.items():
        if name == "recipe":
            notes.append(f"recipe {_shorten(value)}: not known here; it is needed only to resume the run.")
        elif name == "dataset":
            notes.append(f"data set {_shorten(value)}: not known here; it is needed only to resume the run.")
        # The checks of the constructor are those of a run that starts; this one has been trained elsewhere.
        object.__setattr__(settings, name, value)
    return settings, tuple(notes)


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def initial_model(settings: Settings, classes: int = 10) -> Model:
    """Return the network with the initial weights of a run."""
    recipe = settings.resolved_recipe
    return model_from_weights(
        settings, initial_weight(settings.m, classes * recipe.tempotrons_per_class, settings.seed, recipe.init_scale)
    )


def model_from_weights(settings: Settings, weight: torch.Tensor) -> Model:
    """Return weights with the constants of their run."""
    constants = settings.m, settings.T, settings.beta, settings.tau, settings.tau_s, settings.v_threshold
    k = settings.resolved_recipe.tempotrons_per_class
    return Model(weight, *constants, k, time=settings.time, after_spike=settings.after_spike)
