"""Runs on disk, each a folder.

    settings.json       what was asked for
    environment.json    versions, device, git revision
    epochs.csv, points.csv          metrics, a row an epoch and a row a record
    last.safetensors, best.safetensors          the latest and the best weights, as fc.weight; classes' names
    epochs/0001.safetensors ...     the weights after every epoch, up to CHECKPOINT_BUDGET bytes in all
    state.safetensors   all that the run needs to go on
    events.*            TensorBoard
    ended               there once nobody writes any more

Every file but the last is written whole beside its place and then moved there, the state after all others: a process
killed at any instant leaves a folder that opens and has lost at most the epoch in progress. Nothing read here is
executed: JSON, CSV and safetensors hold only values.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from tempotron_core.events import Events
from tempotron_core.model import Model
from tempotron_core.training import EpochResult, Point, Settings, Snapshot, TrainingError, model_of

__all__ = [
    "BATCH_ACCURACY_EVERY",
    "CHECKPOINT_BUDGET",
    "ENDED",
    "RunError",
    "RunLog",
    "RunRecord",
    "load_model",
    "load_snapshot",
    "logged",
    "read_run",
    "replace_file",
    "runs_in",
]

BATCH_ACCURACY_EVERY = 256
"""Steps between two values of the training accuracy of a batch."""

CHECKPOINT_BUDGET = 256 * 2**20

ENDED = "ended"
"""A file that a run leaves where it ends, however that is, unless it is killed."""

Row = TypeVar("Row", Point, EpochResult)

_MOST_BYTES = 2**30  # of one file that somebody else may have written
_TEXT_BYTES = 2**24
_LONGEST_SHOWN, _MOST_SHOWN = 10_000, 1_000  # T and m of a network that is drawn
_LARGEST_WEIGHT = 1e15  # sums of more would not stay finite


class RunError(Exception):
    """A folder that is no run, or a damaged one, in one sentence."""


class RunLog:
    """Writes a run's folder as its snapshots come. Raises TrainingError where it cannot.

    path: a folder to go on with, from the snapshot that was read from it; a new one in the log directory otherwise.
    note: what went wrong and was mended, as one sentence.
    """

    def __init__(self, settings: Settings, path: Path | None = None, origin: Snapshot | None = None) -> None:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{settings.dataset}-{settings.recipe}-seed{settings.seed}"
        self._settings = settings
        self.note: str | None = None
        try:
            self.path = path or _new_folder(Path(settings.log_dir).expanduser(), name)
            if path is None:
                self._describe()
            self._events = Events(self.path)
        except (OSError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"log directory: expected a folder that can be written, got {settings.log_dir!r} "
                f"({getattr(error, 'strerror', None) or error}); choose another one."
            ) from error
        with suppress(OSError):
            (self.path / ENDED).unlink(missing_ok=True)
        self._latest: Snapshot | None = None
        self._points = len(origin.points) if origin else 0
        self._epochs = len(origin.epochs) if origin else 0
        self._kept_bytes = sum(file.stat().st_size for file in self.path.glob("epochs/*.safetensors"))

    def write(self, snapshot: Snapshot) -> None:
        """Append what this snapshot adds to the ones before."""
        new = snapshot.epochs[self._epochs :]
        try:
            for point in snapshot.points[self._points :]:
                self._events.scalar("train_loss", point.loss, point.step)
                if point.step % BATCH_ACCURACY_EVERY == 0:
                    self._events.scalar("train_accuracy", point.batch_accuracy, point.step)
            for result in new:
                self._events.scalar("test_accuracy", result.test_accuracy, result.epoch)
            self._latest = snapshot
            self._points, self._epochs = len(snapshot.points), len(snapshot.epochs)
            if new:
                self._restore()
                self._checkpoint(snapshot)
        except OSError as error:
            raise TrainingError(
                f"run folder: expected to write into {str(self.path)!r}, got {error.strerror or error}; all epochs "
                "before are kept; free the disk or choose another log directory, then resume the run."
            ) from error

    def close(self) -> None:
        """Flush everything to disk, the latest weights included, and note that nobody writes here any more."""
        latest = self._latest
        with suppress(OSError):
            if latest is not None and latest.weight is not None:
                anew = self._restore()
                if latest.state is None:  # within an epoch
                    replace_file(self.path / "last.safetensors", _weights(latest))
                    replace_file(self.path / "points.csv", _table(Point, latest.points))
                    replace_file(self.path / "epochs.csv", _table(EpochResult, latest.epochs))
                elif anew:
                    self._checkpoint(latest)
        self._events.close()
        with suppress(OSError):
            if self.path.is_dir():
                replace_file(self.path / ENDED, b"")

    def _describe(self) -> None:
        replace_file(self.path / "settings.json", _json(asdict(self._settings)))
        replace_file(self.path / "environment.json", _json(_environment(self._settings)))

    def _restore(self) -> bool:
        """Whether somebody has deleted the folder; it then stands again, to be filled."""
        if (self.path / "settings.json").is_file():
            return False
        self.path.mkdir(parents=True, exist_ok=True)
        self._describe()
        self._events.close()
        self._events = Events(self.path)
        self._kept_bytes = 0
        self.note = (
            f"The run's folder {self.path.name!r} was deleted while it trained and has been written anew; the weights "
            "of earlier epochs and TensorBoard's values up to then are gone."
        )
        return True

    def _checkpoint(self, snapshot: Snapshot) -> None:
        if snapshot.weight is None:
            return
        weights = _weights(snapshot)
        if self._kept_bytes + len(weights) <= CHECKPOINT_BUDGET:
            replace_file(self.path / "epochs" / f"{len(snapshot.epochs):04}.safetensors", weights)
            self._kept_bytes += len(weights)
        best = max(result.test_accuracy for result in snapshot.epochs)
        if snapshot.epochs[-1].test_accuracy >= best:
            replace_file(self.path / "best.safetensors", weights)
        replace_file(self.path / "last.safetensors", weights)
        replace_file(self.path / "points.csv", _table(Point, snapshot.points))
        replace_file(self.path / "epochs.csv", _table(EpochResult, snapshot.epochs))
        if snapshot.state is not None:
            done = {"epochs": str(len(snapshot.epochs)), "total_steps": str(snapshot.total_steps)}
            replace_file(self.path / "state.safetensors", save(snapshot.state, done))


def _weights(snapshot: Snapshot) -> bytes:
    assert snapshot.weight is not None
    return save({"fc.weight": snapshot.weight.contiguous()}, {"classes": json.dumps(snapshot.classes)})


@contextmanager
def logged(settings: Settings, path: Path | None = None, origin: Snapshot | None = None) -> Iterator[RunLog]:
    """A run's log, closed at the end whatever happens."""
    log = RunLog(settings, path, origin)
    try:
        yield log
    finally:
        log.close()


@dataclass(frozen=True)
class RunRecord:
    """A run's folder as it is: what can be read of it, and what is wrong with it in one sentence, if anything."""

    path: Path
    settings: Settings | None = None
    points: tuple[Point, ...] = ()
    epochs: tuple[EpochResult, ...] = ()
    problem: str | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name


def runs_in(directory: str | os.PathLike[str]) -> tuple[RunRecord, ...]:
    """The runs in a log directory, the latest first; empty where there is no such folder."""
    with suppress(OSError, ValueError):
        folders = [entry for entry in Path(directory).expanduser().iterdir() if entry.is_symlink() or entry.is_dir()]
        return tuple(_described(folder) for folder in sorted(folders, key=lambda entry: entry.name, reverse=True))
    return ()


def read_run(path: str | os.PathLike[str]) -> RunRecord:
    """Settings and metrics of a run's folder; RunError where they cannot be read."""
    folder = Path(path)
    try:
        settings = Settings(**json.loads(_text(folder, "settings.json")))
    except (ValueError, TypeError, RecursionError) as error:
        raise RunError(
            f"settings.json of {folder.name!r}: expected a run's settings, got {_short(error)}; restore or delete it."
        ) from error
    epochs, points = _rows(folder, "epochs.csv", EpochResult), _rows(folder, "points.csv", Point)
    return RunRecord(folder, settings, points, epochs)


def load_model(path: str | os.PathLike[str], which: str = "last", settings: Settings | None = None) -> Model:
    """The network of a run: its last or best weights, or those after an epoch ("epochs/0003"); RunError if damaged.

    settings: those of the run, where they have been read already.
    """
    folder = Path(path)
    settings = settings or read_run(folder).settings
    assert settings is not None
    name = f"{which}.safetensors"
    tensors, _ = _tensors(folder, name)
    weight = tensors.get("fc.weight")
    model = None if weight is None else model_of(settings, weight)
    fits = weight is not None and weight.dim() == 2 and weight.dtype == torch.float32 and model is not None
    if not fits or weight is None or model is None or weight.shape[1] != 784 * settings.m or len(weight) % model.k:
        got = "none" if weight is None else f"{weight.dtype} {list(weight.shape)}"
        raise RunError(
            f"{name} of {folder.name!r}: expected weights fc.weight [outputs, {784 * settings.m}] in float32, got "
            f"{got}; choose another run."
        )
    if settings.T > _LONGEST_SHOWN or settings.m > _MOST_SHOWN:
        raise RunError(
            f"settings.json of {folder.name!r}: expected T of at most {_LONGEST_SHOWN:,} ms and m of at most "
            f"{_MOST_SHOWN:,} in a network to be shown, got {settings.T:,} and {settings.m:,}; choose another run."
        )
    if len(weight) == 0 or not bool(weight.isfinite().all()):
        raise RunError(f"{name} of {folder.name!r}: expected finite weights, got NaN or infinity; choose another run.")
    largest = float(weight.abs().max())
    if largest > _LARGEST_WEIGHT:
        raise RunError(
            f"{name} of {folder.name!r}: expected weights of at most {_LARGEST_WEIGHT:g}, got {largest:g}; "
            "choose another run."
        )
    return model


def load_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """The snapshot from which a run goes on; RunError where its folder has none."""
    record, folder = read_run(path), Path(path)
    assert record.settings is not None
    state, told = _tensors(folder, "state.safetensors")
    try:
        done, total = int(told["epochs"]), int(told["total_steps"])
        epochs = record.epochs[:done]
        step = epochs[-1].step
    except (KeyError, ValueError, IndexError) as error:
        raise RunError(
            f"state.safetensors of {folder.name!r}: expected the end of an epoch in epochs.csv, got none; "
            "start the run anew."
        ) from error
    whole = len(epochs) == done and {"rows", "noise", "shuffle"} <= set(state) and state["rows"].dim() == 2
    if not whole or not all(0 <= number < state["rows"].shape[1] for number in epochs[-1].dead):
        raise RunError(f"state.safetensors of {folder.name!r}: expected a whole state, got a part; start the run anew.")
    points = tuple(point for point in record.points if point.step <= step)
    return Snapshot(record.settings, "training", total, step, points=points, epochs=epochs, state=state)


def _described(folder: Path) -> RunRecord:
    if folder.is_symlink():
        problem = f"{folder.name!r}: expected a folder of its own, got a link; put the run itself here."
        return RunRecord(folder, problem=problem)
    try:
        return read_run(folder)
    except RunError as error:
        return RunRecord(folder, problem=str(error))


def _text(folder: Path, name: str) -> str:
    try:
        with _opened(folder, name).open("rb") as file:
            text = file.read(_TEXT_BYTES + 1)
        if len(text) > _TEXT_BYTES:
            raise RunError(f"{name} of {folder.name!r}: expected at most {_TEXT_BYTES:,} bytes, got more; delete it.")
        return text.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{name} of {folder.name!r}: expected a readable file, got {_short(error)}.") from error


def _opened(folder: Path, name: str) -> Path:
    """A plain file in the folder; RunError where it is missing, or a link that leads elsewhere."""
    file = folder / name
    try:
        inside = file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a link in a circle
        inside = False
    if not inside:
        raise RunError(f"{name} of {folder.name!r}: expected a file of the run, got a link out of it; delete it.")
    if not file.is_file():
        raise RunError(f"{name} of {folder.name!r}: expected a file, found none; the folder is no complete run.")
    return file


def _rows(folder: Path, name: str, kind: type[Row]) -> tuple[Row, ...]:
    """A table's rows; none where the first epoch is not over."""
    if not (folder / name).exists():
        return ()
    shares = [field.name for field in fields(kind) if field.name.endswith("accuracy")]
    convert = {field.name: _CONVERT[str(field.type)] for field in fields(kind)}
    try:
        rows = tuple(
            kind(**{column: convert[column](value) for column, value in row.items()})
            for row in csv.DictReader(io.StringIO(_text(folder, name)), strict=True)
        )
        if not all(0 <= getattr(row, share) <= 1 for row in rows for share in shares):
            raise ValueError("an accuracy outside 0 to 1")
        return rows
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise RunError(
            f"{name} of {folder.name!r}: expected columns {', '.join(convert)} of numbers, got {_short(error)}; "
            "restore or delete it."
        ) from error


_CONVERT: dict[str, Any] = {
    "int": int,
    "float": float,
    "tuple[int, ...]": lambda text: tuple(int(part) for part in text.split()),
}


def _tensors(folder: Path, name: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    file = _opened(folder, name)
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise RunError(f"{name} of {folder.name!r}: expected at most 1 GiB, got {file.stat().st_size:,} bytes.")
        with safe_open(str(file), "pt") as source:
            return {key: source.get_tensor(key).clone() for key in source.keys()}, source.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(
            f"{name} of {folder.name!r}: expected a safetensors file, got {_short(error)}; restore or delete it."
        ) from error


def _table(kind: type[Point] | type[EpochResult], rows: tuple[Any, ...]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(kind)]
    writer.writerow(names)
    for row in rows:
        values = (getattr(row, name) for name in names)
        writer.writerow([" ".join(map(str, value)) if isinstance(value, tuple) else value for value in values])
    return text.getvalue().encode()


def _environment(settings: Settings) -> dict[str, object]:
    revision = ""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        revision = told.stdout.strip() if told.returncode == 0 else ""
    device = torch.cuda.get_device_name(settings.device) if settings.device.startswith("cuda") else platform.machine()
    return {
        "began": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
        "device": device,
        "threads": torch.get_num_threads(),
        "seed": settings.seed,
        "git_revision": revision or None,
    }


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole, or leave what was there."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _short(error: BaseException) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())[:120]


def _new_folder(parent: Path, name: str) -> Path:
    for suffix in ("", *(f"-{i}" for i in range(2, 1000))):
        try:
            (parent / (name + suffix)).mkdir(parents=True)
        except FileExistsError:
            if parent.exists() and not parent.is_dir():
                raise
            continue
        return parent / (name + suffix)
    raise OSError("a thousand runs began in the same second")
