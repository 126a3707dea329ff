"""Settings of a run, available devices, initial network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch

from tempotron_core.data import datasets
from tempotron_core.model.classifier import PIXELS, Model, initial_weight
from tempotron_core.model.codes import AS_RECORDED, CODES, DEFAULT_CODE, FittedCode, require_known_code, unfitted_code
from tempotron_core.snn.tempotron import AFTER_SPIKE, TIMES
from tempotron_core.training.rate_changes import parse_rate_changes, rate_after
from tempotron_core.training.recipes import (
    CODE_PRESETS,
    DEFAULT_RECIPE,
    LOSSES,
    OPTIMISERS,
    PRESETS,
    RECIPES,
    SCHEDULES,
    Recipe,
)
from tempotron_core.validation import check_time_constants, one_of, positive_integer, positive_real

__all__ = [
    "FORMER_NAMES",
    "RECIPE_OVERRIDES",
    "Settings",
    "TrainingError",
    "current_names",
    "devices",
    "fit_to_dataset",
    "initial_model",
    "model_from_weights",
    "require_startable",
    "settings_from_record",
    "settings_with_preset",
]

_REGISTRIES: dict[str, Mapping[str, object]] = {"loss": LOSSES, "optimiser": OPTIMISERS, "schedule": SCHEDULES}

RECIPE_OVERRIDES = tuple(field.name for field in fields(Recipe) if field.name not in ("name", "summary"))
"""What a run may change of its recipe."""


FORMER_NAMES = {
    "clears_gradients": "zero_grad",
    "revives": "reinit_dead_outputs",
    "width": "init_scale",
    "drop": "afferent_dropout",
    "k": "tempotrons_per_class",
}
"""Names that settings had in run folders of version 0.1 before they were renamed -> present name."""

_LATER_FIELDS = (
    "time",
    "after_spike",
    "imported_from",
    "code",
    "start_from",
    "lr_changes",
    "target_accuracy",
    "patience",
)  # not in settings.json of version 0.1


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
    first epoch come from, or of a recorded training loop; None where the seed gives them. start_from: run and
    checkpoint with whose weights it starts. lr_changes: see rate_changes. target_accuracy, patience: the run ends once
    the held-out samples reach this accuracy, or after so many epochs without a higher one. code: one of CODES.
    from_preset: names of the settings whose values the recipe's preset gave, see settings_with_preset.

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
    code: str = DEFAULT_CODE
    start_from: str | None = None
    lr_changes: str | None = None
    target_accuracy: float | None = None
    patience: int | None = None
    from_preset: tuple[str, ...] = field(default=(), compare=False)

    def to_record(self) -> dict[str, Any]:
        """Return all values as they are written to a file.

        A default that earlier versions did not have is left out, so that they can read the file.
        """
        values = asdict(self)
        for setting in fields(self):
            if setting.name in _LATER_FIELDS and values[setting.name] == setting.default:
                del values[setting.name]
        del values["from_preset"]
        return values

    @property
    def preset(self) -> dict[str, Any]:
        """Return the settings that the preset gave, by name."""
        return {name: getattr(self, name) for name in self.from_preset}

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

    def rate_after(self, epochs_done: int) -> float:
        """Return the learning rate of the epoch that follows, before the factor of the schedule."""
        return rate_after(self.lr, self.lr_changes, epochs_done)

    def ends_after(self, accuracies: Sequence[float]) -> bool:
        """Return whether a run ends before its last epoch: at the target, or after patience epochs without progress.

        accuracies: those on the held-out samples after each epoch
        """
        if not accuracies:
            return False
        reached = self.target_accuracy is not None and accuracies[-1] >= self.target_accuracy
        best = max(range(len(accuracies)), key=accuracies.__getitem__)  # the first of equal ones
        return reached or (self.patience is not None and len(accuracies) - 1 - best >= self.patience)

    def _check_stopping(self) -> None:
        if self.patience is not None:
            positive_integer("patience", self.patience)
        if self.target_accuracy is not None:
            positive_real("target accuracy (0 to 1)", self.target_accuracy, maximum=1.0)
        if not self.validation and (self.patience is not None or self.target_accuracy is not None):
            raise ValueError(
                "validation samples: expected some, on which the end of the run is decided, got none; the test set "
                "must not decide it; hold out training samples, or leave patience and target accuracy out."
            )

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive_integer("batch size", self.batch_size)
        positive_real("learning rate", self.lr, maximum=1e38)  # it must be one in float32
        positive_integer("T (ms)", self.T)
        positive_integer("epochs", self.epochs)
        require_known_code(self.code).check_m(self.m)
        object.__setattr__(self, "from_preset", _names(self.from_preset))
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
        for name, value in (("imported_from", self.imported_from), ("start_from", self.start_from)):
            if value is not None and not (isinstance(value, str) and value):
                raise TypeError(f"{name}: expected a name, got {value!r}; pass a string.")
        parse_rate_changes(self.lr_changes)
        self._check_stopping()
        datasets.require_known(self.dataset, self.dataset_dir)
        if self.device not in devices():
            raise ValueError(
                f"device: expected one of {', '.join(devices())}, got {self.device!r}; choose one that is present."
            )


def settings_with_preset(given: Mapping[str, Any]) -> Settings:
    """Return settings of which some are given by name.

    The others come from the preset of the recipe, or, where another code than the recipe's is given, from that of the
    code; then from the defaults. A preset brings tau and tau_s together or not at all.

    Raises:
        TypeError: for values of another type.
        ValueError: for values out of range.
    """
    recipe = given.get("recipe", DEFAULT_RECIPE)
    preset = dict(PRESETS.get(recipe, {})) if isinstance(recipe, str) else {}
    name = given.get("code", preset.get("code", DEFAULT_CODE))
    if name != preset.get("code", DEFAULT_CODE):
        code = require_known_code(name)
        preset |= CODE_PRESETS.get(name, {})
        if code.min_m == code.max_m:
            preset["m"] = code.min_m
    if "tau" in given or "tau_s" in given:  # one of them suits the other
        preset = {name: value for name, value in preset.items() if name not in ("tau", "tau_s")}
    added = {name: value for name, value in preset.items() if name not in given}
    return Settings(**added, **given, from_preset=tuple(added))


def fit_to_dataset(settings: Settings, dataset: datasets.Dataset) -> Settings:
    """Return the settings with code and m of a data set of recorded spike times; those of others as they are."""
    if dataset.m is None:
        return settings
    others = tuple(name for name in settings.from_preset if name not in ("m", "code"))
    return replace(settings, code=AS_RECORDED.name, m=dataset.m, from_preset=others)


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
    known = {setting.name: setting.default for setting in fields(Settings) if setting.name != "from_preset"}
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
        ("dataset", datasets.BUILT_IN),
        ("code", tuple(CODES)),
    ):
        value = given.get(name, known[name])
        if not isinstance(value, str) or not value.strip() or len(value) > _MAX_NAME_LENGTH or not value.isprintable():
            raise TypeError(f"{name}: expected a name of at most {_MAX_NAME_LENGTH} characters, got {_shorten(value)}")
        if value not in present and not (name == "dataset" and _is_file(value, given.get("dataset_dir"))):
            elsewhere[name] = value
            del given[name]
    for name, registry in _REGISTRIES.items():
        value = given.get(name)
        if isinstance(value, str) and value not in registry:
            notes.append(f"{name} {_shorten(value)}: not known here; it is needed only to resume the run.")
            elsewhere[name] = value
            del given[name]
    m = given.get("m", known["m"])
    if "code" in elsewhere:  # its bounds of m are not known here
        given["m"] = max(m, CODES[DEFAULT_CODE].min_m) if positive_integer("m (neurons a pixel)", m) else m
    settings = Settings(**given)
    if "code" in elsewhere:
        object.__setattr__(settings, "m", m)
    for name, value in elsewhere.items():
        if name == "recipe":
            notes.append(f"recipe {_shorten(value)}: not known here; it is needed only to resume the run.")
        elif name == "dataset":
            notes.append(f"data set {_shorten(value)}: not known here; it is needed only to resume the run.")
        elif name == "code":
            notes.append(f"code {_shorten(value)}: not known here; it is needed to encode samples for the network.")
        # The checks of the constructor are those of a run that starts; this one has been trained elsewhere.
        object.__setattr__(settings, name, value)
    return settings, tuple(notes)


def _names(value: object) -> tuple[str, ...]:
    """Return the names of settings in value; TypeError for anything else."""
    known = {setting.name for setting in fields(Settings)}
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name in known for name in value):
        raise TypeError(f"from_preset: expected names of settings, got {_shorten(value)}; leave it out.")
    return tuple(value)


def _is_file(name: str, directory: object) -> bool:
    return isinstance(directory, str) and datasets.is_known(name, directory)


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def initial_model(
    settings: Settings, classes: int = 10, code: FittedCode | None = None, features: int = PIXELS
) -> Model:
    """Return the network with the initial weights of a run.

    Args:
        settings: the run
        classes: number of classes
        code: see model_from_weights
        features: values of a sample
    """
    recipe = settings.resolved_recipe
    # Positional: the number of features is passed on only where it is not the default.
    sizes = () if features == PIXELS else (features,)
    outputs = classes * recipe.tempotrons_per_class
    weight = initial_weight(settings.m, outputs, settings.seed, recipe.init_scale, *sizes)
    return model_from_weights(settings, weight, code)


def model_from_weights(settings: Settings, weight: torch.Tensor, code: FittedCode | None = None) -> Model:
    """Return weights with the constants of their run.

    code: code with what was computed from the run's training images. Without it the network has its weights and
    constants, and encodes samples only if its code needs no training images.

    Raises:
        ValueError: for a code that is not known.
    """
    code = unfitted_code(settings.code) if code is None else code
    constants = settings.m, settings.T, settings.beta, settings.tau, settings.tau_s, settings.v_threshold
    k = settings.resolved_recipe.tempotrons_per_class
    return Model(weight, *constants, k, time=settings.time, after_spike=settings.after_spike, code=code)
