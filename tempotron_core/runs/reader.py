"""Reading of run folders.

settings.json       what was asked for
environment.json    versions, device, git revision
epochs.csv, points.csv          metrics, a row an epoch and a row a record
last.safetensors, best.safetensors          the latest and the best weights, as fc.weight; classes' names
epochs/0001.safetensors ...     the weights after every epoch, up to a budget of bytes in all
state.safetensors   all that the run needs to go on
code.safetensors    what the code has computed from the training images, where it computes anything
events.*            TensorBoard
ended               present once no process writes any more
"""

from __future__ import annotations

import copy
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch

from tempotron_core.data import datasets
from tempotron_core.data.samples import MAX_CLASSES, plain_name
from tempotron_core.model.classifier import Model
from tempotron_core.model.codes import AS_RECORDED, FittedCode, require_known_code, restore_code
from tempotron_core.runs.csv_tables import read_epoch_rows, read_point_rows
from tempotron_core.runs.files import CODE_FILE, STUDIES_FOLDER, RunError, escape_surrogates, read_tensors, read_text
from tempotron_core.training.metrics import EpochMetrics, History, StepMetricsHistory
from tempotron_core.training.recipes import RECIPES
from tempotron_core.training.settings import Settings, model_from_weights, settings_from_record
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.validation import one_line_error

__all__ = [
    "RunError",
    "RunRecord",
    "checkpoint_path",
    "find_run",
    "list_checkpoints",
    "list_runs",
    "load_classes",
    "load_code",
    "load_model",
    "load_snapshot",
    "read_classes",
    "read_run",
]

_MAX_T, _MAX_M = 10_000, 1_000  # T and m of a network that is drawn
_MAX_CODE_BYTES = 2**24
_MAX_WEIGHT = 1e15  # sums of more would not stay finite


@dataclass(frozen=True)
class RunRecord:
    """A run folder: what could be read.

    Attributes:
        problem: one sentence on why the folder cannot be read, else None
        notes: one sentence on each thing that was left out, such as damaged rows and settings of a newer version
    """

    path: Path
    settings: Settings | None = None
    points: StepMetricsHistory = field(default_factory=StepMetricsHistory)
    epochs: tuple[EpochMetrics, ...] = ()
    problem: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        r"""Return the name of the folder; bytes that are no UTF-8 as \xNN."""
        return escape_surrogates(self.path.name)

    @property
    def epochs_done(self) -> int:
        """Return the number of the last epoch that was read, 0 without one."""
        return self.epochs[-1].epoch if self.epochs else 0


def find_run(directory: str | os.PathLike[str], name: str) -> Path:
    """Return the folder of a run from its name as RunRecord has it; the folder need not exist."""
    parent = Path(directory).expanduser()
    if "\\" in name and not (parent / name).exists():
        with suppress(OSError, ValueError):
            for entry in parent.iterdir():
                if escape_surrogates(entry.name) == name:
                    return entry
    return parent / name


def list_runs(directory: str | os.PathLike[str]) -> tuple[RunRecord, ...]:
    """Return the runs in a log directory, latest first; empty where there is no such folder."""
    with suppress(OSError, ValueError):
        entries = [entry for entry in Path(directory).expanduser().iterdir() if entry.name != STUDIES_FOLDER]
        folders = [entry for entry in entries if entry.is_symlink() or entry.is_dir()]
        return tuple(_read_or_explain(folder) for folder in sorted(folders, key=lambda entry: entry.name, reverse=True))
    return ()


def list_checkpoints(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the saved weights of a run: "last", "best", then the numbers of the epochs with weights, latest first."""
    found: list[str] = []
    with suppress(OSError, ValueError):
        found = [name for name in ("last", "best") if (Path(path) / f"{name}.safetensors").is_file()]
        stems = [name.removesuffix(".safetensors") for name in os.listdir(Path(path) / "epochs")]
        epochs = {int(stem) for stem in stems if re.fullmatch(r"[0-9]{4,9}", stem) and stem == f"{int(stem):04}"}
        found += map(str, sorted(epochs, reverse=True))
    return tuple(found)


def checkpoint_path(name: str) -> str:
    """Return the name of the weights as load_model takes it, from "last", "best" or the number of an epoch.

    Raises:
        RunError: for any other name.
    """
    if name in ("last", "best"):
        return name
    if not re.fullmatch(r"[0-9]{1,9}", name):
        raise RunError(f"checkpoint: expected last, best or the number of an epoch, got {name[:40]!r}; choose one.")
    return f"epochs/{int(name):04}"


def read_run(path: str | os.PathLike[str]) -> RunRecord:
    """Read settings and metrics of a run.

    Raises:
        RunError: where they cannot be read.
    """
    folder = Path(path)
    try:
        settings, notes = settings_from_record(json.loads(read_text(folder, "settings.json")))
    except (ValueError, TypeError, RecursionError) as error:
        raise RunError(
            f"settings.json of {folder.name!r}: expected a run's settings, got {one_line_error(error)}; restore it "
            f"from a copy or choose another run."
        ) from error
    points, point_notes = read_point_rows(folder)
    epochs, epoch_notes = read_epoch_rows(folder)
    return RunRecord(folder, settings, points, epochs, notes=(*notes, *point_notes, *epoch_notes))


def load_model(path: str | os.PathLike[str], checkpoint: str = "last", settings: Settings | None = None) -> Model:
    """Load the network of a run.

    Args:
        path: run folder
        checkpoint: "last", "best" or an epoch such as "epochs/0003"
        settings: settings of the run, where they have been read already

    Raises:
        RunError: for damaged or missing weights.
    """
    folder = Path(path)
    settings = settings or read_run(folder).settings
    assert settings is not None
    name = f"{checkpoint}.safetensors"
    code = load_code(folder, settings)
    tensors, metadata = read_tensors(folder, name)
    weight = tensors.get("fc.weight")
    model = None if weight is None else model_from_weights(settings, weight, code)
    if model is not None and settings.recipe not in RECIPES and settings.tempotrons_per_class is None:
        # An unknown recipe does not tell the tempotrons per class; weights and names of classes do.
        classes = _count_classes(metadata)
        if classes and len(model.weight) % classes == 0:
            model = replace(model, tempotrons_per_class=len(model.weight) // classes)
    fits = weight is not None and weight.dim() == 2 and weight.dtype == torch.float32 and model is not None
    if (
        not fits
        or weight is None
        or model is None
        or not _fits_width(weight.shape[1], settings)
        or len(weight) % model.tempotrons_per_class
    ):
        features = datasets.known_features(settings.dataset)
        width = f"features * {settings.m}" if features is None else features * settings.m
        got = "none" if weight is None else f"{weight.dtype} {list(weight.shape)}"
        raise RunError(
            f"{name} of {folder.name!r}: expected weights fc.weight [outputs, {width}] in float32, got "
            f"{got}; choose another run."
        )
    if settings.T > _MAX_T or settings.m > _MAX_M:
        raise RunError(
            f"settings.json of {folder.name!r}: expected T of at most {_MAX_T:,} ms and m of at most "
            f"{_MAX_M:,} in a network to be shown, got {settings.T:,} and {settings.m:,}; choose another run."
        )
    if len(weight) == 0 or not bool(weight.isfinite().all()):
        raise RunError(f"{name} of {folder.name!r}: expected finite weights, got NaN or infinity; choose another run.")
    largest = float(weight.abs().max())
    if largest > _MAX_WEIGHT:
        raise RunError(
            f"{name} of {folder.name!r}: expected weights of at most {_MAX_WEIGHT:g}, got {largest:g}; "
            "choose another run."
        )
    return model


def load_classes(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the classes that the last weights of a run are stored with; empty where they name none.

    Raises:
        RunError: for damaged or missing weights.
    """
    try:
        classes = json.loads(read_tensors(Path(path), "last.safetensors")[1].get("classes", "[]"))
    except (ValueError, RecursionError):
        return ()
    is_list = isinstance(classes, list) and len(classes) <= MAX_CLASSES
    return tuple(plain_name(str(name)) for name in classes) if is_list else ()


def load_code(path: str | os.PathLike[str], settings: Settings) -> FittedCode:
    """Load the code of a run with these settings.

    Raises:
        RunError: for a code that is not known, and where what it has computed is missing or damaged.
    """
    folder = Path(path)
    try:
        code = require_known_code(settings.code)
        fitted = {} if code.fit is None else read_tensors(folder, CODE_FILE, _MAX_CODE_BYTES)[0]
        return restore_code(code.name, fitted, settings.m)
    except ValueError as error:
        raise RunError(f"code of {folder.name!r}: {error}") from error


def load_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """Load the snapshot from which a run is resumed.

    Raises:
        RunError: where the folder has none.
    """
    record, folder = read_run(path), Path(path)
    assert record.settings is not None
    state, metadata = read_tensors(folder, "state.safetensors")
    try:
        done, total = int(metadata["epochs"]), int(metadata["total_steps"])
        epochs = tuple(result for result in record.epochs if result.epoch <= done)
        step = epochs[-1].step
    except (KeyError, ValueError, IndexError) as error:
        raise RunError(
            f"state.safetensors of {folder.name!r}: expected the end of an epoch in epochs.csv, got none; "
            "start a new run."
        ) from error
    if epochs[-1].epoch != done:
        raise RunError(
            f"epochs.csv of {folder.name!r}: expected the row of epoch {done:,}, from which the run goes on, got none "
            "or a damaged one; restore the table or start a new run."
        )
    is_complete = {"rows", "noise", "shuffle"} <= set(state) and state["rows"].dim() == 2
    if not is_complete or not all(0 <= number < state["rows"].shape[1] for number in epochs[-1].dead_outputs):
        raise RunError(f"state.safetensors of {folder.name!r}: expected a whole state, got a part; start a new run.")
    points = StepMetricsHistory(point for point in record.points if point.step <= step)
    names = {setting.name for setting in fields(Settings)}
    preset = {name: value for name, value in _read_preset(folder).items() if name in names}
    same = tuple(name for name, value in preset.items() if getattr(record.settings, name) == value)
    settings = copy.copy(record.settings)  # not by replace, which refuses what is not known here
    object.__setattr__(settings, "from_preset", same)
    return Snapshot(
        settings,
        "training",
        total,
        step,
        points=points,
        epochs=History(epochs),
        code=load_code(folder, settings),
        state=state,
    )


def read_classes(path: str | os.PathLike[str], count: int) -> tuple[str, ...]:
    """Return the names of the classes in the file of the last weights, or the numbers 0 to count - 1."""
    with suppress(RunError):
        names = load_classes(path)
        if len(names) == count:
            return names
    return tuple(map(str, range(count)))


def _read_preset(folder: Path) -> dict[str, object]:
    """Return the settings that a preset gave when the run began, by name; none where the folder does not tell."""
    with suppress(RunError, ValueError, RecursionError):
        environment = json.loads(read_text(folder, "environment.json"))
        preset = environment.get("preset") if isinstance(environment, dict) else None
        return preset if isinstance(preset, dict) else {}
    return {}


def _fits_width(width: int, settings: Settings) -> bool:
    """Return whether this is the number of afferents of a network of the run's data set, as far as that is known."""
    if settings.code == AS_RECORDED.name:
        return width > 0 and width % settings.m == 0
    features = datasets.known_features(settings.dataset)
    return width > 0 and width % settings.m == 0 if features is None else width == features * settings.m


def _count_classes(metadata: dict[str, str]) -> int:
    """Return the number of classes that a file of weights names, 0 where it names none."""
    try:
        classes = json.loads(metadata.get("classes", "[]"))
    except (ValueError, RecursionError):
        return 0
    return len(classes) if isinstance(classes, list) else 0


def _read_or_explain(folder: Path) -> RunRecord:
    if folder.is_symlink():
        problem = f"{folder.name!r}: expected a folder of its own, got a link; put the run itself here."
        return RunRecord(folder, problem=problem)
    try:
        return read_run(folder)
    except RunError as error:
        return RunRecord(folder, problem=str(error))
