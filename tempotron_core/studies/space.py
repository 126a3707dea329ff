"""Search space of a study: which settings vary, and over what."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from tempotron_core.data.datasets import BUILT_IN
from tempotron_core.training.settings import Settings, settings_with_preset

if TYPE_CHECKING:
    import optuna

__all__ = [
    "FIXED",
    "MAX_GRID",
    "Parameter",
    "SpaceError",
    "format_value",
    "parse_space",
    "searchable",
    "without_own_dataset",
]

MAX_GRID = 10_000
"""Combinations of a grid, at most."""

FIXED = {
    "device": "--device", "dataset": "--dataset", "dataset_dir": "--dataset-dir",
    "log_dir": "--log-dir", "epochs": "--epochs", "seed": "--seed and --seeds", "validation": "--validation",
    "imported_from": "", "start_from": "", "from_preset": "", "lr_changes": "--lr-changes", "patience": "--patience",
    "target_accuracy": "--target-accuracy",
}  # fmt: skip
"""Settings that do not vary within a study -> the option that sets them."""

_MAX_CORNERS = 512


class SpaceError(ValueError):
    """A search space cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Parameter:
    """One setting that varies: over choices, or from low to high with both ends.

    Attributes:
        choices: values to choose from; empty for a range
        logarithmic: whether equal ratios of the range are equally likely
        whole: whether only whole numbers of the range are used
    """

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    logarithmic: bool = False
    whole: bool = False

    @property
    def ends(self) -> tuple[Any, ...]:
        """Return the choices, or both ends of the range."""
        return self.choices or (self._number(self.low), self._number(self.high))

    def grid_values(self) -> tuple[Any, ...]:
        """Return all values.

        Raises:
            SpaceError: for a range of real numbers, and for one of too many whole numbers.
        """
        if self.choices:
            return self.choices
        if not self.whole or self.high - self.low >= MAX_GRID:
            raise SpaceError(
                f"{self.name}: expected values or a short range of whole numbers for a grid, got {self}; list the "
                "values, or choose the sampler random or tpe."
            )
        return tuple(range(int(self.low), int(self.high) + 1))

    def suggest(self, trial: optuna.Trial) -> Any:
        """Return the value that the sampler of the study suggests."""
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        if self.whole:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.logarithmic)
        return trial.suggest_float(self.name, self.low, self.high, log=self.logarithmic)

    def __str__(self) -> str:
        """Return the parameter as parse_space reads it."""
        if self.choices:
            return f"{self.name}={','.join(map(format_value, self.choices))}"
        ends = f"{format_value(self.ends[0])}..{format_value(self.ends[1])}"
        return f"{self.name}={'log:' if self.logarithmic else ''}{ends}"

    def _number(self, value: float) -> float | int:
        return int(value) if self.whole else value


def searchable() -> tuple[str, ...]:
    """Return the names of the settings that a space may hold."""
    return tuple(setting.name for setting in fields(Settings) if setting.name not in FIXED)


def parse_space(text: str, given: Mapping[str, Any] | None = None) -> tuple[Parameter, ...]:
    """Return the parameters of a text such as "beta=1..4 m=4,6,8,16 tau=log:5..100".

    Args:
        text: parameters, separated by spaces
        given: other settings of the study, with which the values are checked

    Raises:
        SpaceError: where it cannot be read, and for values with which no training can start.
    """
    parameters = tuple(_parse_parameter(part) for part in text.split())
    if not parameters:
        raise SpaceError("space: expected parameters such as 'beta=1..4 m=4,6,8,16', got none; name at least one.")
    names = [parameter.name for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise SpaceError(f"{name}: expected once in the space, got {names.count(name)} times; join its values.")
        if name in (given or {}):
            raise SpaceError(
                f"{name}: expected in the space or as an option, got both; leave the option out to vary {name}."
            )
    _require_possible(parameters, without_own_dataset(given or {}))
    return parameters


def without_own_dataset(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without the name of a file or folder of samples, which is known only with its directory."""
    return {name: value for name, value in given.items() if name != "dataset" or value in BUILT_IN}


def format_value(value: object) -> str:
    """Return a value of a setting as text, from which the same value is read."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.6g}"
    return short if float(short) == value else repr(value)


def _parse_parameter(text: str) -> Parameter:
    name, separator, values = text.partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    if not separator or not values:
        raise SpaceError(
            f"space: expected NAME=LOW..HIGH, NAME=log:LOW..HIGH or NAME=VALUE,VALUE, got {text[:60]!r}; correct it."
        )
    if name in FIXED:
        option = f"set it with {FIXED[name]}" if FIXED[name] else "leave it out"
        raise SpaceError(f"{name}: expected a setting that varies between trials, got one that does not; {option}.")
    if name not in searchable():
        raise SpaceError(f"space: expected one of {', '.join(searchable())}, got {name[:60]!r}; correct the name.")
    kind = {setting.name: setting.type for setting in fields(Settings)}[name]
    logarithmic = values.startswith("log:")
    low, dots, high = values.removeprefix("log:").partition("..")
    if dots:
        return _parse_range(name, str(kind), low, high, logarithmic)
    if logarithmic:
        raise SpaceError(f"{name}: expected log:LOW..HIGH, got {values[:60]!r}; name both ends.")
    choices = tuple(_parse_value(name, str(kind), value) for value in values.split(","))
    if len(set(choices)) < len(choices):
        raise SpaceError(f"{name}: expected different values, got {values[:60]}; name each once.")
    return Parameter(name, choices)


def _parse_range(name: str, kind: str, low_text: str, high_text: str, logarithmic: bool) -> Parameter:
    if not kind.startswith(("int", "float")):
        raise SpaceError(f"{name}: expected values separated by commas, got a range; list the values.")
    low, high = _parse_value(name, kind, low_text), _parse_value(name, kind, high_text)
    if not low < high:
        raise SpaceError(f"{name}: expected a range from low to high, got {low_text}..{high_text}; exchange the ends.")
    if logarithmic and low <= 0:
        raise SpaceError(f"{name}: expected a logarithmic range above 0, got {low_text}..{high_text}; raise its start.")
    return Parameter(name, (), float(low), float(high), logarithmic, kind.startswith("int"))


def _parse_value(name: str, kind: str, text: str) -> Any:
    text = text.strip()
    if kind.startswith("bool"):
        if text.lower() not in ("true", "false"):
            raise SpaceError(f"{name}: expected true or false, got {text[:60]!r}; correct the value.")
        return text.lower() == "true"
    if not kind.startswith(("int", "float")):
        if not text:
            raise SpaceError(f"{name}: expected a value between commas, got none; remove the comma.")
        return text
    try:
        number = int(text) if kind.startswith("int") else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        what = "a whole number" if kind.startswith("int") else "a number"
        raise SpaceError(f"{name}: expected {what}, got {text[:60]!r}; correct the value.")
    return number


def _require_possible(parameters: tuple[Parameter, ...], given: Mapping[str, Any]) -> None:
    """Check each choice and each end of a range: a training must be able to start with it and some other values.

    Raises:
        SpaceError: with the sentence of the settings where it cannot.
    """
    possible: set[tuple[str, Any]] = set()
    problems: dict[tuple[str, Any], str] = {}
    corners = itertools.product(*(parameter.ends for parameter in parameters))
    singles = (
        [value if other is parameter else other.ends[0] for other in parameters]
        for parameter in parameters
        for value in parameter.ends
    )
    names = [parameter.name for parameter in parameters]
    for values in itertools.chain(singles, itertools.islice(corners, _MAX_CORNERS)):
        pairs = list(zip(names, values, strict=True))
        try:
            settings_with_preset({**given, **dict(pairs)})
        except (ValueError, TypeError) as error:
            for pair in pairs:
                problems.setdefault(pair, str(error))
        else:
            possible.update(pairs)
    for parameter in parameters:
        for value in parameter.ends:
            if (parameter.name, value) not in possible:
                raise SpaceError(f"space, {parameter}: {problems[parameter.name, value]}")
