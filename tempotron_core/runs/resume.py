"""Resuming of a run: the settings that may change, its data, its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tempotron_core.data import datasets
from tempotron_core.runs.files import RunError
from tempotron_core.runs.lock import HOLDER_FILE, LOCK_FILE, RunLock
from tempotron_core.training.rate_changes import add_rate_change
from tempotron_core.training.settings import Settings, devices
from tempotron_core.training.snapshot import Snapshot

__all__ = ["CHANGEABLE", "copy_run", "resume_settings"]

CHANGEABLE = ("dataset_dir", "device", "epochs", "log_dir", "lr", "patience", "target_accuracy")
"""Settings of which a resumed run may have other values; all others determine what has been learned.

Another learning rate holds from the next epoch on and is recorded as a change."""


def resume_settings(folder: Path, resume_from: Snapshot, changes: Mapping[str, Any]) -> Settings:
    """Return the settings with which a run goes on.

    A relative data set directory is looked for in the working directory, then in the folders that enclose the run.

    Args:
        folder: folder of the run
        resume_from: its snapshot
        changes: values of CHANGEABLE by name

    Raises:
        RunError: where the device of the run is not present and no other is given, and for fewer epochs than are done.
        ValueError: for other values out of range, and where the recipe or the data set is not known.
    """
    recorded = resume_from.settings
    if "device" not in changes and recorded.device not in devices():
        raise RunError(
            f"device of {folder.name!r}: expected one of {', '.join(devices())}, got {recorded.device!r}, on which the "
            "run began; choose one of these, --device cpu for example, to resume it there."
        )
    if changes.get("epochs", recorded.epochs) < resume_from.epochs_done:
        raise RunError(
            f"epochs: expected at least the {resume_from.epochs_done:,} that {folder.name!r} has done, got "
            f"{changes['epochs']:,}; choose more."
        )
    changes, done = dict(changes), resume_from.epochs_done
    rate = changes.pop("lr", None)
    if rate is not None and rate != recorded.rate_after(done):
        changes["lr_changes"] = add_rate_change(recorded.lr_changes, done, rate)
    directory = recorded.dataset_dir
    if directory and recorded.dataset not in (datasets.EMBEDDED, *datasets.TABLES):
        directory = _find_data(folder, recorded.dataset, directory)
    values = {"log_dir": _present_log_dir(folder, recorded.log_dir), "dataset_dir": directory} | dict(changes)
    values["from_preset"] = tuple(
        name for name in recorded.from_preset if name not in changes or changes[name] == getattr(recorded, name)
    )
    return replace(recorded, **values)  # checks all values again


def copy_run(folder: Path, log_dir: str) -> Path:
    """Copy a run folder into a log directory and return the copy; the folder itself where it lies there already.

    Raises:
        RunLockedError: while another process writes the run.
        RunError: where the copy exists already or cannot be written.
    """
    target = Path(log_dir).expanduser() / folder.resolve().name
    if target.resolve() == folder.resolve():
        return folder
    lock: RunLock | None = None
    with suppress(OSError):  # the folder may be read-only
        lock = RunLock(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, target, symlinks=True, ignore=shutil.ignore_patterns(LOCK_FILE, HOLDER_FILE, ".*.part"))
    except (OSError, shutil.Error) as error:
        reason = "one that exists already" if isinstance(error, FileExistsError) else str(error)[:120]
        raise RunError(
            f"log directory: expected a folder without {folder.name!r} that can be written, got {log_dir!r} "
            f"({reason}); choose another one."
        ) from error
    finally:
        if lock is not None:
            lock.close()
    return target


def _present_log_dir(folder: Path, recorded: str) -> str:
    """Return the recorded log directory where the run still lies in it, else the folder that holds the run."""
    with suppress(OSError, RuntimeError, ValueError):
        if Path(recorded).expanduser().resolve() == folder.resolve().parent:
            return recorded
    return str(folder.absolute().parent)


def _find_data(folder: Path, dataset: str, directory: str) -> str:
    """Return the directory in which the data set of a run is found, as recorded where it is nowhere."""
    if os.path.isabs(directory) or datasets.is_installed(dataset, directory):
        return directory
    for parent in folder.absolute().parents:
        if datasets.is_installed(dataset, str(parent / directory)):
            return str(parent / directory)
    return directory
