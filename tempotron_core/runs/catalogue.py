"""Operations on saved runs: rename, compare, export, delete."""

from __future__ import annotations

import io
import re
import shutil
import time
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tempotron_core.runs.files import END_MARKER, decode_text, escape_surrogates, write_atomic
from tempotron_core.runs.lock import HOLDER_FILE, LOCK_FILE, RunLock, has_live_writer
from tempotron_core.runs.reader import RunError, RunRecord

__all__ = [
    "MAX_NAME_LENGTH",
    "TEST_SAMPLES",
    "EvaluationSet",
    "delete_run",
    "describe_evaluation_set",
    "differences",
    "disambiguate",
    "is_being_written",
    "rename",
    "run_title",
    "to_zip",
]

MAX_NAME_LENGTH = 80
"""Characters of a run's own name."""

TEST_SAMPLES = {
    "embedded": 2000, "iris": 30, "wine": 36, "MNIST": 10_000, "FashionMNIST": 10_000, "KMNIST": 10_000,
    "QMNIST": 60_000, "USPS": 2007, "EMNIST-letters": 20_800, "EMNIST-balanced": 18_800, "EMNIST-digits": 40_000,
}  # fmt: skip
"""Number of test samples by data set."""

_TITLE = "title.txt"
_ACTIVE_SECONDS = 60.0
_MAX_BYTES = 2**31  # of an export, which is made in memory


@dataclass(frozen=True)
class EvaluationSet:
    """Samples on which the accuracies of a run were measured.

    Attributes:
        name: data set, and the number of training samples held out of it if those take the place of its test set
        samples: number of samples, None if unknown
    """

    name: str
    samples: int | None


def describe_evaluation_set(record: RunRecord) -> EvaluationSet:
    """Return the samples on which the accuracies of a run were measured; runs with equal ones can be compared."""
    settings = record.settings
    if settings is None:
        return EvaluationSet("", None)
    if settings.validation:
        return EvaluationSet(
            f"{settings.dataset}, {settings.validation:,} held-out training samples", settings.validation
        )
    return EvaluationSet(settings.dataset, TEST_SAMPLES.get(settings.dataset))


def run_title(record: RunRecord) -> str:
    """Return the name given to a run, else a title from its settings and start time."""
    file, title = record.path / _TITLE, ""
    with suppress(OSError):
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as text:
                title = decode_text(text.read(4 * MAX_NAME_LENGTH), errors="replace")
    printable = "".join(letter if letter.isprintable() else " " for letter in title)
    return " ".join(printable.split())[:MAX_NAME_LENGTH] or _default_title(record)


def _default_title(record: RunRecord) -> str:
    """Return recipe, data set, m, seed and start time (with a suffix for runs of one second), else the folder name."""
    match = re.match(r"(\d{8}-\d{6})-", record.name)
    if record.settings is None or not match:
        return record.name
    s = record.settings
    try:
        when = time.strptime(match[1], "%Y%m%d-%H%M%S")
    except ValueError:
        return record.name
    number = re.search(r"-(?:seed\d+|imported)-(\d+)$", record.name)
    origin = f"{s.recipe} on {s.dataset}, m {s.m}, seed {s.seed}"
    if s.imported_from is not None:
        printable = "".join(letter if letter.isprintable() else "_" for letter in s.imported_from)
        origin = f"{printable[:40]}, imported"
    title = f"{origin} · {when.tm_mday} {time.strftime('%b %H:%M:%S', when)}"
    return f"{title} ({number[1]})" if number else title


def disambiguate(titles: dict[str, str]) -> dict[str, str]:
    """Return titles by folder, with the folder added to titles that occur more than once."""
    common = [title for title, times in Counter(titles.values()).items() if times > 1]
    return {name: f"{title} ({name})" if title in common else title for name, title in titles.items()}


def rename(record: RunRecord, title: str) -> None:
    """Store a name for the run.

    Raises:
        RunError: where it is too long or the folder cannot be written.
    """
    title = " ".join(title.split())
    if len(title) > MAX_NAME_LENGTH or not title.isprintable():
        raise RunError(
            f"name: expected at most {MAX_NAME_LENGTH} printable characters, got {len(title)}; choose another."
        )
    try:
        write_atomic(record.path / _TITLE, title.encode())
    except OSError as error:
        raise RunError(
            f"name: expected to write into {record.name!r}, got {error.strerror or error}; check the folder."
        ) from error


def differences(records: list[RunRecord]) -> dict[str, list[str]]:
    """Return the settings in which the runs differ: name -> one value per run."""
    settings_by_run = [asdict(record.settings) if record.settings else {} for record in records]
    names = dict.fromkeys(name for settings in settings_by_run for name in settings)
    rows = {name: [escape_surrogates(str(settings.get(name, "?"))) for settings in settings_by_run] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def to_zip(record: RunRecord) -> bytes:
    """Return the run folder as a zip, without links.

    Raises:
        RunError: where it cannot be read.
    """
    file, total = io.BytesIO(), 0
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted(record.path.rglob("*")):
                if path.is_symlink() or not path.is_file() or path.name.endswith(".part"):
                    continue
                if path.name in (LOCK_FILE, HOLDER_FILE):
                    continue
                if path.resolve().is_relative_to(record.path.resolve()):
                    total += path.stat().st_size
                    if total > _MAX_BYTES:
                        raise RunError(
                            f"export: expected at most {_MAX_BYTES:,} bytes in {record.name!r}, got more; copy the "
                            "folder by hand."
                        )
                    inside = escape_surrogates(str(path.relative_to(record.path)))
                    archive.write(path, Path(record.name) / inside)
    except OSError as error:
        raise RunError(
            f"export: expected to read {record.name!r}, got {error.strerror or error}; check the folder."
        ) from error
    return file.getvalue()


def delete_run(record: RunRecord) -> None:
    """Delete the run folder.

    Raises:
        RunError: where it is a link, is being written or cannot be deleted.
    """
    if record.path.is_symlink():
        raise RunError(f"delete: expected a folder of its own, got a link, {record.name!r}; delete it by hand.")
    try:
        RunLock(record.path).close()  # raises RunLockedError while a process writes the run
        shutil.rmtree(record.path)
    except OSError as error:
        raise RunError(
            f"delete: expected to delete {record.name!r}, got {error.strerror or error}; delete it by hand."
        ) from error


def is_being_written(record: RunRecord) -> bool:
    """Return whether the run has epochs left, and its folder changed recently or its writer is a running process."""
    if record.settings is None or record.epochs_done >= record.settings.epochs:
        return False
    if (record.path / END_MARKER).exists():
        return False
    try:
        latest = max(path.stat().st_mtime for path in record.path.iterdir())
    except (OSError, ValueError):
        return False
    return time.time() - latest < _ACTIVE_SECONDS or has_live_writer(record.path)
