"""Data sets in torchvision's layout on disk, and their download.

Digits: LeCun Y, Bottou L, Bengio Y, Haffner P. Gradient-based learning applied to document recognition. Proceedings of
the IEEE 86(11), 2278-2324, 1998.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tempotron_core.data.samples import MAX_SAMPLES, DataError, Dataset, Split

__all__ = [
    "DATASETS",
    "FILES",
    "SIDE",
    "download",
    "installed_datasets",
    "raw_folder",
    "read_torchvision_set",
    "require_directory",
    "torchvision_fingerprint",
]

DATASETS: dict[str, str] = {"MNIST": "MNIST", "FashionMNIST": "FashionMNIST", "KMNIST": "KMNIST"}
"""Name of a set on disk -> name of its class in torchvision.datasets."""

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""Names of the files of a set."""

SIDE = 28
"""Pixels along one side of an image."""

_IMAGES_MAGIC, _LABELS_MAGIC = 2051, 2049
_DOWNLOAD_BYTES = 70_000 * (SIDE * SIDE + 1) * 1.3  # what arrives packed and is then unpacked beside it, about
_STALL_SECONDS = 60.0


def read_torchvision_set(name: str, directory: str | os.PathLike[str] | None) -> Dataset:
    """Read a set of 28 x 28 images.

    Args:
        name: one of DATASETS
        directory: folder that holds the set

    Raises:
        DataError: for a missing directory or set, and invalid files.
    """
    raw = raw_folder(name, directory)
    root = raw.parent.parent
    try:
        exists = root.is_dir()
    except OSError:  # a name that is too long
        exists = False
    if not exists:
        raise DataError(
            f"dataset directory: expected an existing folder, got {str(root)[-200:]!r}; correct the path or create it."
        )
    missing = [file for file in FILES if not (raw / file).is_file()]
    if missing:
        raise DataError(
            f"{name}: expected {missing[0]} in {str(raw)!r}, found no such file; download the set with the page's "
            f"button or with python -m tempotron_core.train --download --dataset {name} --dataset-dir DIR."
        )
    before = torchvision_fingerprint(name, directory)
    train, test = (_load_validated(name, raw, kind) for kind in ("train", "t10k"))
    if torchvision_fingerprint(name, directory) != before:
        raise DataError(
            f"{name}: expected files that stay as they are while they are read, got changing ones in {str(raw)!r}; "
            "wait until they are complete and try again."
        )
    sample = "digit" if name == "MNIST" else "sample"
    return Dataset(name, train, test, _class_names(name), f"{len(train):,} training images of {name}", sample=sample)


def installed_datasets(directory: str | os.PathLike[str] | None) -> tuple[str, ...]:
    """Return the names of the DATASETS whose files are under directory; empty where there is no such folder."""
    if not directory:
        return ()
    with contextlib.suppress(OSError, ValueError, DataError):
        return tuple(name for name in DATASETS if all((raw_folder(name, directory) / file).is_file() for file in FILES))
    return ()


def raw_folder(name: str, directory: str | os.PathLike[str] | None) -> Path:
    """Return the folder in which torchvision stores the files of a set.

    Raises:
        DataError: for a bad name or directory.
    """
    if name not in DATASETS:
        raise DataError(f"dataset: expected one of {', '.join(DATASETS)}, got {name!r}; choose one.")
    return require_directory(name, directory) / name / "raw"


def require_directory(name: str, directory: str | os.PathLike[str] | None) -> Path:
    """Return the folder that holds data sets.

    Raises:
        DataError: where none is named.
    """
    if not isinstance(directory, str | os.PathLike) or not str(directory).strip() or "\0" in str(directory):
        raise DataError(
            f"dataset directory: expected a folder that holds {name}, got {directory!r}; name one, or use the "
            "embedded digits."
        )
    return Path(os.path.expanduser(directory))


def torchvision_fingerprint(name: str, directory: str | os.PathLike[str] | None) -> tuple[tuple[int, int], ...]:
    """Return size and modification time of each file of a set; empty where one is missing."""
    with contextlib.suppress(OSError, ValueError, DataError):
        files = [(raw_folder(name, directory) / file).stat() for file in FILES]
        return tuple((file.st_size, file.st_mtime_ns) for file in files)
    return ()


def download(
    name: str, directory: str | os.PathLike[str], progress: Callable[[float, str], None] | None = None
) -> None:
    """Download a set through torchvision into directory; files are placed there only when complete and valid.

    Args:
        name: one of DATASETS
        directory: folder in torchvision's layout
        progress: called from this thread with the fraction done in [0, 1] and a short text

    Raises:
        DataError: where the download fails.
    """
    raw, report = raw_folder(name, directory), progress or (lambda share, message: None)
    source = _torchvision_class(name)
    errors: list[BaseException] = []
    cancelled = threading.Event()

    def mirrors(_: object) -> Iterator[str]:
        for mirror in source.mirrors:
            if cancelled.is_set():
                raise TimeoutError("given up")
            yield mirror

    CancellableDataset = type(name, (source,), {"mirrors": property(mirrors)})
    try:
        raw.parent.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=raw.parent.parent))
    except OSError as error:
        raise DataError(
            f"dataset directory: expected a folder that can be written, got {str(directory)!r} "
            f"({error.strerror or error}); choose another one."
        ) from error

    def fetch() -> None:
        try:
            CancellableDataset(str(work), train=True, download=True)
        except BaseException as error:
            errors.append(error)

    try:
        worker = threading.Thread(target=fetch, name="download", daemon=True)
        worker.start()
        last_size, last_progress = 0, time.monotonic()
        while worker.is_alive():
            worker.join(0.2)
            done = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
            report(min(done / _DOWNLOAD_BYTES, 0.99), f"Downloading {name}: {done / 1e6:.0f} MB")
            if done != last_size:
                last_size, last_progress = done, time.monotonic()
            elif time.monotonic() - last_progress > _STALL_SECONDS:
                errors.append(TimeoutError(f"nothing arrived for {_STALL_SECONDS:.0f} s"))
                break
        if errors:
            raise DataError(_download_error(name, source, raw, errors[0])) from errors[0]
        for kind in ("train", "t10k"):
            _load_validated(name, work / name / "raw", kind)
        raw.mkdir(parents=True, exist_ok=True)
        for file in (work / name / "raw").iterdir():
            file.replace(raw / file.name)  # whatever else lies there is the user's
        report(1.0, f"{name} is complete")
    except OSError as error:
        raise DataError(
            f"{name}: expected to place the downloaded files in {str(raw)!r}, got {error.strerror or error}; "
            "free or choose another folder."
        ) from error
    finally:
        cancelled.set()
        shutil.rmtree(work, ignore_errors=True)


def _load_validated(name: str, raw: Path, prefix: str) -> Split:
    """Check one split's files from their headers and sizes, then read them through torchvision."""
    images, labels = raw / f"{prefix}-images-idx3-ubyte", raw / f"{prefix}-labels-idx1-ubyte"
    remedy = f"delete it and download {name} again"
    count = _validate_idx_header(images, _IMAGES_MAGIC, 3, remedy)
    label_count = _validate_idx_header(labels, _LABELS_MAGIC, 1, remedy)
    if count != label_count:
        raise DataError(
            f"{labels.name}: expected one label for each of {count:,} images, got {label_count:,}; "
            f"the files do not belong together, {remedy.replace('it', 'both')}."
        )
    try:
        from torchvision.datasets.mnist import read_image_file, read_label_file

        pixels, classes = read_image_file(str(images)), read_label_file(str(labels))
    except Exception as error:
        raise DataError(f"{images.name}: expected {name} images, could not read them ({error}); {remedy}.") from error
    if (len(pixels), len(classes)) != (count, count):
        raise DataError(
            f"{images.name}: expected {count:,} samples, as a moment ago, got {len(pixels):,} images and "
            f"{len(classes):,} labels; wait until the files are complete and try again."
        )
    if int(classes.max()) > 9:
        raise DataError(f"{labels.name}: expected labels 0 to 9, got {int(classes.max())}; {remedy}.")
    return Split(pixels, classes)


def _validate_idx_header(file: Path, magic: int, dimensions: int, remedy: str) -> int:
    length = 4 + 4 * dimensions
    try:
        with file.open("rb") as stream:
            header = stream.read(length)
        size = file.stat().st_size
    except OSError as error:
        raise DataError(
            f"{file.name}: expected a readable file, got {error.strerror or error}; check its permissions."
        ) from error
    if len(header) < length:
        raise DataError(f"{file.name}: expected a header of {length} bytes, got {size} bytes in all; {remedy}.")
    got, count, *shape = struct.unpack(f">{1 + dimensions}I", header)
    if got != magic:
        raise DataError(f"{file.name}: expected the magic number {magic}, got {got}; {remedy}.")
    if shape and shape != [SIDE, SIDE]:
        raise DataError(f"{file.name}: expected images of 28 x 28, got {shape[0]} x {shape[1]}; {remedy}.")
    if count == 0:
        raise DataError(f"{file.name}: expected at least one sample, got none; {remedy}.")
    expected = length + count * (SIDE * SIDE if shape else 1)
    if size != expected:
        fault = "truncated" if size < expected else "too long"
        raise DataError(
            f"{file.name} is {fault}: expected {expected:,} bytes for {count:,} samples, got {size:,}; {remedy}."
        )
    if count > MAX_SAMPLES:
        raise DataError(f"{file.name}: expected at most {MAX_SAMPLES:,} samples, got {count:,}; {remedy}.")
    return int(count)


def _torchvision_class(name: str) -> Any:
    # Imported here: it takes a second or more, and the embedded digits do not need it.
    import torchvision.datasets

    return getattr(torchvision.datasets, DATASETS[name])


def _class_names(name: str) -> tuple[str, ...]:
    return tuple(text.split(" - ")[0] if " - " in text else text for text in _torchvision_class(name).classes)


def _download_error(name: str, source: Any, raw: Path, error: BaseException) -> str:
    hosts = " and ".join(urlsplit(mirror).hostname or mirror for mirror in source.mirrors)
    lines = [line for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].strip(" <>") if lines else type(error).__name__
    return (
        f"{name} could not be downloaded: tried {hosts}, got {reason[:120]!r}; check the network, or put "
        f"{FILES[0]} and its three companions into {str(raw)!r} by hand. The embedded digits work without it."
    )
