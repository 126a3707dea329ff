"""EMNIST, QMNIST and USPS in the layout in which torchvision stores them; nothing is downloaded.

Cohen G, Afshar S, Tapson J, van Schaik A. EMNIST: extending MNIST to handwritten letters. IJCNN, 2921-2926, 2017.
Yadav C, Bottou L. Cold case: the lost MNIST digits. NeurIPS 32, 13443-13452, 2019.
Hull J J. A database for handwritten text recognition research. IEEE Transactions on Pattern Analysis and Machine
Intelligence 16(5), 550-554, 1994.
"""

from __future__ import annotations

import bz2
import itertools
import string
from pathlib import Path

import numpy as np

from tempotron_core.data.idx_files import read_idx_array
from tempotron_core.data.samples import DataError, Dataset, dataset_from_arrays

__all__ = ["OTHER_SETS", "other_set_files", "read_other_set"]

_MERGED = set("cijklmopsuvwxyz")
_LETTERS = sorted(string.digits + string.ascii_letters)
_EMNIST = {
    "letters": tuple(string.ascii_lowercase),
    "balanced": tuple(letter for letter in _LETTERS if letter not in _MERGED),
    "digits": tuple(string.digits),
}
"""Split of EMNIST -> names of its classes."""

OTHER_SETS = {
    **{f"EMNIST-{split}": f"torchvision.datasets.EMNIST(DIR, {split!r}, download=True)" for split in _EMNIST},
    "QMNIST": "torchvision.datasets.QMNIST(DIR, train=True, download=True) and with train=False",
    "USPS": "torchvision.datasets.USPS(DIR, train=True, download=True) and with train=False",
}
"""Name of a set -> call that downloads it."""

_USPS_SIDE, _MAX_USPS_LINES, _MAX_LINE = 16, 20_000, 10_000


def other_set_files(name: str, directory: Path) -> tuple[Path, ...]:
    """Return the files of a set under directory: images and labels for training, then for the test."""
    if name == "USPS":
        return directory / "usps.bz2", directory / "usps.t.bz2"
    if name == "QMNIST":
        names = [
            f"qmnist-{part}-{kind}" for part in ("train", "test") for kind in ("images-idx3-ubyte", "labels-idx2-int")
        ]
        return tuple(_packed(directory / "QMNIST" / "raw" / file) for file in names)
    split = name.removeprefix("EMNIST-")
    kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
    names = [f"emnist-{split}-{part}-{kind}" for part in ("train", "test") for kind in kinds]
    return tuple(_packed(directory / "EMNIST" / "raw" / file) for file in names)


def read_other_set(name: str, directory: Path) -> Dataset:
    """Read one of OTHER_SETS.

    Raises:
        DataError: for missing and invalid files.
    """
    files = other_set_files(name, directory)
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise DataError(
            f"{name}: expected {missing[0].name} in {str(missing[0].parent)[-150:]!r}, found no such file; "
            f"download the set with {OTHER_SETS[name]}."
        )
    if name == "USPS":
        (x, y), (x_test, y_test) = (_read_usps(file) for file in files)
        return dataset_from_arrays(name, x, y, x_test, y_test, classes=tuple(string.digits))
    x, y, x_test, y_test = (read_idx_array(file) for file in files)
    for file, values, dimensions in zip(
        files, (x, y, x_test, y_test), (3, 2 if name == "QMNIST" else 1) * 2, strict=True
    ):
        if values.ndim != dimensions or not values.size:
            raise DataError(
                f"{file.name}: expected {dimensions} dimensions and at least one sample, got {list(values.shape)}; get "
                "the file again."
            )
    if name == "QMNIST":  # the first of eight numbers is the class
        return dataset_from_arrays(name, x, y[:, 0], x_test, y_test[:, 0], classes=tuple(string.digits))
    split = name.removeprefix("EMNIST-")
    first = 1 if split == "letters" else 0  # letters are numbered from 1
    x, x_test = (np.ascontiguousarray(part.swapaxes(1, 2)) for part in (x, x_test))  # stored column by column
    labels = [part.astype(np.int64) - first for part in (y, y_test)]
    return dataset_from_arrays(name, x, labels[0], x_test, labels[1], classes=_EMNIST[split])


def _packed(file: Path) -> Path:
    """Return the file, or its packed form where only that exists, also in the folder gzip of the archive."""
    packed = file.with_name(f"{file.name}.gz")
    candidates = (file, packed, file.parent / "gzip" / packed.name)
    return next((candidate for candidate in candidates if candidate.is_file()), file)


def _read_usps(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read lines of a label 1 to 10 and 256 values in [-1, 1] with their numbers."""
    pixels = _USPS_SIDE * _USPS_SIDE
    rows: list[list[float]] = []
    labels: list[int] = []
    try:
        with bz2.open(file, "rt", encoding="ascii") as stream:
            for number in itertools.count(1):
                line = stream.readline(_MAX_LINE)
                if not line:
                    break
                label, *values = line.split()
                if len(values) != pixels or len(rows) == _MAX_USPS_LINES:
                    raise ValueError(f"{len(values)} values in line {number:,}")
                rows.append([float(value.split(":")[-1]) for value in values])
                labels.append(int(label) - 1)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{file.name}: expected lines of a label and {pixels} values, got {str(error)[:80]}; get the file again."
        ) from error
    x = np.array(rows, np.float32).reshape(-1, _USPS_SIDE, _USPS_SIDE)
    if not np.isfinite(x).all():
        raise DataError(f"{file.name}: expected finite values, got NaN or infinity; get the file again.")
    return np.rint((np.clip(x, -1, 1) + 1) / 2 * 255).astype(np.uint8), np.array(labels)
