"""Parts of generated code: loading of data set, sample and model; literals.

Every value enters the code through literal, so that names of runs and data sets cannot add statements to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CodeInput", "arguments", "literal", "script", "with_run"]

_LOAD_MODEL = re.compile(r"(?:# .*\n)?model = tc\.load_model\((?:[^()'\"]|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")*\)")


@dataclass(frozen=True)
class CodeInput:
    """Values that determine a view.

    Attributes:
        dataset: name of the data set
        directory: its folder, None for a set that comes with the package
        index: number of the test sample
        drawing: drawing or upload that takes the place of the sample, as text, see encode_drawing
        shape: height and width of that drawing in pixels
        run: folder of the run of the model, None for an untrained one
        epoch: epoch of the model, see load_model
        settings: settings of an untrained model that differ from the defaults
        changes: fields of Model that differ from those of the run
        note: sentence on what the code does not reproduce, None without one
        is_recorded: whether the samples are recorded spike times
    """

    dataset: str
    directory: str | None = None
    index: int = 0
    drawing: str | None = None
    shape: tuple[int, int] = (28, 28)
    run: str | None = None
    epoch: int | str = "last"
    settings: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None
    is_recorded: bool = False

    @property
    def dataset_lines(self) -> list[str]:
        """Return the line that loads the data set."""
        place = "" if self.directory is None else f", {literal(self.directory)}"
        return [f"dataset = tc.load_dataset({literal(self.dataset)}{place})"]

    @property
    def sample_lines(self) -> list[str]:
        """Return the lines that load data set and sample."""
        if self.is_recorded:  # the sample follows the model, whose number of afferents it needs
            return self.dataset_lines
        if self.drawing is None:
            return [*self.dataset_lines, f"sample = dataset.test.images[{self.index}]"]
        size = "" if self.shape == (28, 28) else f", {literal(self.shape)}"
        return [*self.dataset_lines, f"sample = tc.decode_drawing({literal(self.drawing)}{size})"]

    @property
    def model_lines(self) -> list[str]:
        """Return the lines that load the model and change its constants."""
        if self.run is None:
            settings = "".join(f", {name}={literal(value)}" for name, value in self.settings.items())
            lines = [f"model = tc.untrained_model(dataset{settings})"]
        else:
            epoch = "" if self.epoch == "last" else f", {literal(self.epoch)}"
            lines = [f"model = tc.load_model({literal(self.run)}{epoch})"]
        if self.note:
            lines.insert(0, f"# {' '.join(self.note.split())}")
        if self.is_recorded:
            lines.append("model, dataset = tc.match_recorded_times(model, dataset)")
            lines.append(f"sample = dataset.test.images[{self.index}]  # spike times [features, m] in ms")
        if self.changes:
            lines.append(f"model = replace(model, {arguments(self.changes)})")
        return lines

    @property
    def imports(self) -> tuple[str, ...]:
        """Return the import that the lines of the model need."""
        return ("from dataclasses import replace",) if self.changes else ()


def with_run(code: str, run: str) -> str:
    """Return the code with the model taken from another run folder, as in an exported zip."""
    return _LOAD_MODEL.sub(lambda _: f"model = tc.load_model({literal(run)})", code)


def literal(value: object) -> str:
    """Return a value as Python, plain text in double quotes."""
    is_plain = isinstance(value, str) and value.isascii() and value.isprintable() and not set(value) & set('"\\')
    return f'"{value}"' if is_plain else repr(value)


def arguments(values: Mapping[str, Any]) -> str:
    """Return values by name as the arguments of a call."""
    return ", ".join(f"{name}={literal(value)}" for name, value in values.items())


def script(title: str, imports: Sequence[str], setup: Sequence[str], lines: Sequence[str]) -> str:
    """Return a script of paragraphs.

    Args:
        title: its docstring
        imports: imports besides that of tempotron_core
        setup: lines that load data set, sample and model
        lines: lines that compute the numbers
    """
    standard = [line for line in imports if line.startswith("from dataclasses")]
    other = [line for line in imports if not line.startswith("from dataclasses")]
    parts = [f'"""{title}"""', *(["\n".join(standard)] if standard else [])]
    parts.append("\n".join([*other, "import tempotron_core as tc"]))
    parts += ["\n".join(part) for part in (setup, lines) if part]
    return "\n\n".join(parts) + "\n"
