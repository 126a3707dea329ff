"""Command that trains without the dashboard: python -m tempotron_core.train."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn, TextIO

import torch
from tqdm import tqdm

from tempotron_core.command_line import CommandParser, Interrupt, fail, print_error, print_report
from tempotron_core.data import datasets
from tempotron_core.model.codes import CODES
from tempotron_core.runs.fine_tune import fine_tune_settings, require_same_shape
from tempotron_core.runs.reader import RunError, load_snapshot
from tempotron_core.runs.resume import CHANGEABLE, copy_run, resume_settings
from tempotron_core.runs.writer import open_run_log
from tempotron_core.snn.tempotron import AFTER_SPIKE, TIMES
from tempotron_core.training.distributed import DistributedError, exit_process, init_process_group
from tempotron_core.training.loop import train_model
from tempotron_core.training.recipes import LOSSES, OPTIMISERS, PRESETS, RECIPES, SCHEDULES
from tempotron_core.training.resources import available_cores, require_fits, set_threads
from tempotron_core.training.settings import (
    FORMER_NAMES,
    Settings,
    TrainingError,
    devices,
    fit_to_dataset,
    settings_with_preset,
)
from tempotron_core.training.snapshot import Snapshot

__all__ = ["main", "training_parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train with these command-line arguments and return the exit code; the last line printed is one JSON object."""
    with Interrupt() as interrupt:
        return _run(arguments, interrupt)


def _run(arguments: Sequence[str] | None, interrupt: Interrupt) -> int:
    options = training_parser().parse_args(arguments)
    download, resume_folder = options.download, options.resume
    given = vars(training_parser(with_defaults=False).parse_args(arguments))
    folder = Path(resume_folder).expanduser() if resume_folder is not None else None
    try:
        resume_from, initial = None, None
        if folder is None:
            values = {name: value for name, value in given.items() if name not in ("download", "resume")}
            if "start_from" in values:
                if "dataset" in values or "dataset_dir" in values:
                    located = datasets.locate(values.get("dataset"), values.get("dataset_dir"))
                    values["dataset"], values["dataset_dir"] = located
                settings, initial = fine_tune_settings(values["start_from"], {"log_dir": "runs", **values})
            else:
                located = datasets.locate(values.get("dataset"), values.get("dataset_dir"))
                values["dataset"], values["dataset_dir"] = located
                settings = settings_with_preset(values)
        else:
            resume_from = load_snapshot(folder)
            settings = resume_settings(folder, resume_from, _require_changeable(given, resume_from.settings))
        set_threads(settings)
        with init_process_group(settings.device) as (processes, device):
            if download and processes.is_main:
                _download(settings)
            processes.sum(torch.zeros(1, device=device))  # no process reads before the first has downloaded
            settings = replace(settings, device=device)
            dataset = _load_dataset(settings, folder)
            if processes.is_main:
                for note in dataset.notes:
                    print_error(f"{dataset.name}: {note}")
            settings = fit_to_dataset(settings, dataset)
            if initial is not None:
                require_same_shape(settings, initial, dataset)
            require_fits(settings, dataset)
            ahead = processes.size == 1 and available_cores() > 1
            snapshots = train_model(settings, dataset, resume_from, processes, prepare_ahead=ahead, initial=initial)
            if not processes.is_main:
                for _ in snapshots:
                    pass
                return 0
            if folder is not None:
                folder = copy_run(folder, settings.log_dir)
            return _write(settings, snapshots, folder, resume_from, interrupt)
    except (ValueError, TypeError, datasets.DataError, DistributedError, RunError, TrainingError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("Stopped before the training began.", code=interrupt.exit_code)


def _write(
    settings: Settings,
    snapshots: Iterator[Snapshot],
    folder: Path | None,
    resume_from: Snapshot | None,
    interrupt: Interrupt,
) -> int:
    last, interrupted = None, False
    with open_run_log(settings, folder, resume_from) as log:
        if log.note:
            print_error(log.note)
        try:
            with _ProgressBar(settings) as bar:
                for snapshot in snapshots:
                    with interrupt.deferred():  # what is written is written whole
                        last = snapshot
                        log.write(snapshot)
                    bar.show(snapshot)
                    interrupt.raise_if_requested()
        except KeyboardInterrupt:
            interrupted = True
            print_error("Stopped; what was learned so far follows.")
    print_report(json.dumps(_summary(settings, last, str(log.path), interrupted)))
    return interrupt.exit_code if interrupted else 0


def _require_changeable(given: Mapping[str, Any], recorded: Settings) -> dict[str, Any]:
    """Return the given options that a resumed run may change.

    Raises:
        ValueError: for an option that differs from the run and cannot change; the message names all of them.
    """
    values = {name: value for name, value in given.items() if name not in ("download", "resume")}
    fixed = {name: value for name, value in values.items() if name not in CHANGEABLE}
    different = [name for name, value in fixed.items() if value is not None and value != _recorded(recorded, name)]
    if different:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in different)
        changeable = ", ".join(f"--{name.replace('_', '-')}" for name in CHANGEABLE)
        raise ValueError(
            f"--resume: expected no other options than {changeable} and --download, got {names}; leave them out, or "
            "start a new run."
        )
    return {name: value for name, value in values.items() if name in CHANGEABLE}


def _recorded(settings: Settings, name: str) -> object:
    """Return a setting of a run; that of its recipe where the run does not change it."""
    value = getattr(settings, name)
    return getattr(settings.resolved_recipe, name) if value is None else value


def _load_dataset(settings: Settings, folder: Path | None) -> datasets.Dataset:
    try:
        return datasets.load(settings.dataset, settings.dataset_dir)
    except datasets.DataError as error:
        if folder is None:
            raise
        raise datasets.DataError(f"{error} If the data have moved, name their folder with --dataset-dir.") from error


def training_parser(
    with_defaults: bool = True, prog: str = "python -m tempotron_core.train"
) -> argparse.ArgumentParser:
    """Return the parser of the options; without defaults it returns only the options that were given."""
    default = {field.name: field.default for field in fields(Settings)}
    parser = CommandParser(
        prog=prog,
        description="Train tempotrons on images or tables encoded as spike times.",
        epilog="Recipes: " + " ".join(f"{recipe.name}: {recipe.summary}" for recipe in RECIPES.values()),
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    from_preset = {name for preset in PRESETS.values() for name in preset}

    def add(*names: str, dest: str, help: str, type: type = str, choices: Sequence[str] | None = None) -> None:
        metavar = None if choices else dest.rsplit("_", 1)[-1].upper()
        parser.add_argument(
            *names,
            dest=dest,
            type=type,
            choices=choices,
            default=default[dest] if with_defaults and dest not in from_preset else argparse.SUPPRESS,
            help=f"{help} (default: that of the recipe)" if dest in from_preset else help,
            metavar=metavar,
        )

    add("-d", "--device", dest="device", help=f"one of {', '.join(devices())}")
    add(
        "--dataset-dir",
        dest="dataset_dir",
        help="folder in torchvision's layout, or of a file; without it the embedded subset",
    )
    parser.add_argument(
        "--dataset",
        default=None if with_defaults else argparse.SUPPRESS,
        metavar="NAME",
        help=f"one of {', '.join(datasets.BUILT_IN)}, an .npz, .csv or IDX file, or a folder of pictures by class; "
        "MNIST where a folder is given, else embedded",
    )
    parser.add_argument("--download", action="store_true", help="fetch a missing data set into the folder first")
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="folder of a run to go on with; "
        "only --device, --dataset-dir, --epochs, --lr, --log-dir, --patience and --target-accuracy may differ",
    )
    add(
        "--start-from",
        dest="start_from",
        help="folder of a run with whose weights, and settings where none are given, a new run starts; "
        "after a colon: last, best or the number of an epoch",
    )
    add("--lr-changes", dest="lr_changes", help="other learning rates after some epochs, such as 3:1e-4,6:1e-5")
    add("--target-accuracy", dest="target_accuracy", type=float, help="end at this accuracy on held-out samples")
    add("--patience", dest="patience", type=int, help="end after so many epochs without a better held-out accuracy")
    add("-b", "--batch-size", dest="batch_size", type=int, help="samples a step, over all processes")
    add("-l", "--lr", "--learning-rate", dest="lr", type=float, help="learning rate")
    add("-T", "--T", "--time-steps", dest="T", type=int, help="time window, ms")
    add("-e", "--epochs", dest="epochs", type=int, help="passes over the training set")
    add("-m", "--m", "--neurons", dest="m", type=int, help="tuning neurons a feature")
    add("--log-dir", dest="log_dir", help="where runs and their TensorBoard logs go")
    add("-s", "--seed", dest="seed", type=int, help="seed of initial weights and order")
    add("-r", "--recipe", dest="recipe", choices=tuple(RECIPES), help="learning recipe")
    add("-c", "--code", dest="code", choices=tuple(CODES), help="code of the images")
    add("--validation", dest="validation", type=int, help="training samples to evaluate on instead of the test set")
    add("--beta", dest="beta", type=float, help="width of the tuning curves")
    add("--tau", dest="tau", type=float, help="membrane time constant, ms")
    add("--tau-s", dest="tau_s", type=float, help="synaptic time constant, ms")
    add("--v-threshold", dest="v_threshold", type=float, help="firing threshold")
    add("--time", dest="time", choices=TIMES, help="peaks at whole milliseconds (grid) or at any time from 0 to T")
    add("--after-spike", dest="after_spike", choices=AFTER_SPIKE, help="shunt: a fired output ignores later arrivals")
    recipe_group = parser.add_argument_group(
        "changes of the recipe", "Without one of these the recipe's own value holds."
    )
    for name, registry in (("loss", LOSSES), ("optimiser", OPTIMISERS), ("schedule", SCHEDULES)):
        recipe_group.add_argument(f"--{name}", choices=tuple(registry), default=argparse.SUPPRESS, help=f"{name}")
    former = {new.replace("_", "-"): old.replace("_", "-") for old, new in FORMER_NAMES.items()}

    def flags(name: str) -> list[str]:
        return [f"--{name}", *([f"--{former[name]}"] if name in former else [])]

    for name, kind, description in (
        ("temperature", float, "divisor of the peaks in a cross-entropy"),
        ("weight-decay", float, "weight decay of the optimiser"),
        ("smoothing", float, "rate at which weights diffuse to neighbouring pixels"),
        ("afferent-dropout", float, "fraction of the afferents left out at each step"),
        ("tempotrons-per-class", int, "tempotrons per class"),
        ("init-scale", float, "factor on the initial weights"),
    ):
        metavar = name.rsplit("-", 1)[-1].upper()
        recipe_group.add_argument(*flags(name), type=kind, default=argparse.SUPPRESS, help=description, metavar=metavar)
    for name, description in (
        ("zero-grad", "clear the gradients before each step"),
        ("reinit-dead-outputs", "give dead outputs new initial weights after an epoch"),
    ):
        recipe_group.add_argument(
            *flags(name), action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=description
        )
    return parser


def _download(settings: Settings) -> None:
    if settings.dataset in datasets.OTHER_SETS:
        raise datasets.DataError(
            f"--download: expected one of {', '.join(datasets.DATASETS)}, got {settings.dataset}; download it with "
            f"{datasets.OTHER_SETS[settings.dataset]}."
        )
    if settings.dataset not in datasets.DATASETS or settings.dataset_dir is None:
        raise datasets.DataError(
            "--download: expected a data set to fetch and a folder for it, got neither; "
            "add --dataset-dir DIR and, if it is not MNIST, --dataset NAME."
        )
    if settings.dataset in datasets.installed_datasets(settings.dataset_dir):
        return
    with tqdm(total=1.0, desc=f"downloading {settings.dataset}", bar_format="{desc} {percentage:3.0f}%|{bar}|") as bar:
        datasets.download(
            settings.dataset, settings.dataset_dir, lambda done, message: bar.update(max(0.0, done - bar.n))
        )


class _Stream:
    """A text stream whose reader may be gone: a closed pipe ends the output, not the training."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(BrokenPipeError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(BrokenPipeError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _ProgressBar:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stream = _Stream(sys.stderr)
        self._bar: tqdm[NoReturn] = tqdm(
            unit="sample", unit_scale=True, desc="preparing", dynamic_ncols=True, file=self._stream
        )
        self._epochs = 0

    def __enter__(self) -> _ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.phase == "preparing":
            self._bar.set_description(f"encoding {snapshot.encoded_fraction:4.0%}")
            return
        size = self._settings.batch_size
        if self._bar.total is None:
            self._bar.reset(total=snapshot.total_steps * size)
        self._bar.set_description(f"epoch {snapshot.epoch}/{self._settings.epochs}", refresh=False)
        if snapshot.points:
            point = snapshot.points[-1]
            self._bar.set_postfix(loss=f"{point.loss:.3f}", train=f"{point.accuracy:.1%}", refresh=False)
        self._bar.update(snapshot.step * size - self._bar.n)
        for result in snapshot.epochs[self._epochs :]:
            self._bar.write(
                f"epoch {result.epoch}: test accuracy {result.test_accuracy:.2%}, "
                f"training {result.train_accuracy:.2%}, loss {result.loss:.4f}, "
                f"{result.seconds:.2f} s ({result.samples_per_second:,.0f} samples/s)",
                file=self._stream,
            )
        self._epochs = len(snapshot.epochs)


def _summary(settings: Settings, last: Snapshot | None, log: str, interrupted: bool) -> dict[str, object]:
    epochs = last.epochs[:] if last else ()
    return {
        "settings": settings.to_record(),
        "preset": settings.preset,
        "interrupted": interrupted,
        "steps": last.step if last else 0,
        "evaluated_on": "held-out training samples" if settings.validation else "test set",
        "dead_outputs": list(epochs[-1].dead_outputs) if epochs else [],
        "test_accuracy": [result.test_accuracy for result in epochs],
        "train_accuracy": [result.train_accuracy for result in epochs],
        "loss": [result.loss for result in epochs],
        "seconds_per_epoch": [result.seconds for result in epochs],
        "samples_per_second": last.samples_per_second if last else 0.0,
        "preparation_seconds": last.encoding_seconds if last else 0.0,
        "log": log,
    }


if __name__ == "__main__":
    exit_process(main())
