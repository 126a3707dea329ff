"""Data sets: the embedded digits, iris and wine, torchvision's sets from a directory, and files of the user.

Digits: LeCun Y, Bottou L, Bengio Y, Haffner P. Gradient-based learning applied to document recognition. Proceedings of
the IEEE 86(11), 2278-2324, 1998.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from tempotron_core.data.dataset_files import file_fingerprint, find_dataset_files, read_dataset_file
from tempotron_core.data.other_sets import OTHER_SETS, other_set_files, read_other_set
from tempotron_core.data.samples import DataError, Dataset, Split
from tempotron_core.data.torchvision_sets import (
    DATASETS,
    SIDE,
    download,
    installed_datasets,
    raw_folder,
    read_torchvision_set,
    require_directory,
    torchvision_fingerprint,
)

__all__ = [
    "BUILT_IN",
    "DATASETS",
    "EMBEDDED",
    "OTHER_SETS",
    "TABLES",
    "DataError",
    "Dataset",
    "Split",
    "download",
    "find_dataset_files",
    "fingerprint",
    "hold_out_validation",
    "installed_datasets",
    "is_file_name",
    "is_installed",
    "is_known",
    "known_features",
    "load",
    "locate",
    "random_index",
    "raw_folder",
    "require_known",
]

EMBEDDED = "embedded"

TABLES = ("iris", "wine")
"""Tables that come with the package: Fisher's irises, and wines of three cultivars."""

BUILT_IN = (EMBEDDED, *TABLES, *DATASETS, *OTHER_SETS)
"""Names of all sets but the files of the user."""

_SUBSET = Path(__file__).with_name("mnist_subset.npz")
_MAX_NAME_LENGTH = 80
_MARKUP = "[]<>`*$|\\"  # the pages show names of data sets in formatted text


def load(name: str = EMBEDDED, directory: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set: embedded, one of TABLES, one of DATASETS under directory in torchvision's layout, or a file.

    Args:
        name: name of the set, or of a file or folder in directory, see dataset_files
        directory: folder of the files

    Raises:
        DataError: for an unknown name, a missing directory or set, and invalid files.
    """
    if name == EMBEDDED:
        return _load_embedded()
    if name in TABLES:
        return _load_table(name)
    if name not in DATASETS and is_file_name(name) and directory:
        return read_dataset_file(_data_file(name, directory))
    if name in OTHER_SETS:
        return read_other_set(name, require_directory(name, directory))
    if name not in DATASETS:
        raise DataError(f"dataset: expected one of {', '.join(BUILT_IN)}, or a file, got {name!r}; choose one.")
    return read_torchvision_set(name, directory)


def is_file_name(name: str) -> bool:
    """Return whether a name may be that of a data set file or folder: one part of a path, printable, no markup."""
    is_plain = name == Path(name).name and name not in (".", "..") and not set(name) & set(_MARKUP)
    return name not in BUILT_IN and is_plain and name.isprintable() and 0 < len(name) <= _MAX_NAME_LENGTH


def is_known(name: str, directory: str | os.PathLike[str] | None = None) -> bool:
    """Return whether a data set can be loaded here as far as its name tells: a known one, or an existing file."""
    if name in BUILT_IN:
        return True
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        return bool(directory) and is_file_name(name) and _data_file(name, directory).exists()
    return False


def is_installed(name: str, directory: str | os.PathLike[str] | None = None) -> bool:
    """Return whether the files of a data set are there."""
    if name in OTHER_SETS:
        return bool(fingerprint(name, directory))
    return name in installed_datasets(directory) if name in DATASETS else is_known(name, directory)


def locate(name: str | None, directory: str | None) -> tuple[str, str | None]:
    """Return name and folder of the data set that a command names: of a path, those of its file.

    Without a name it is MNIST where a folder is given, else the embedded digits.
    """
    if name is None:
        return ("MNIST" if directory else EMBEDDED), directory
    if name in BUILT_IN:
        return name, directory
    path = Path(os.path.expanduser(name)) if directory is None else Path(directory) / name
    path = path if path.name else path.absolute()
    return path.name, str(path.parent)


def require_known(name: object, directory: str | os.PathLike[str] | None = None) -> None:
    """Check a name as is_known does.

    Raises:
        ValueError: for an unknown name.
    """
    if not isinstance(name, str) or not is_known(name, directory):
        place = f" in {str(directory)[-120:]!r}" if directory else ""
        raise ValueError(
            f"dataset: expected one of {', '.join(BUILT_IN)}, or a file or folder{place}, got {name!r}; choose one of "
            "these."
        )


def known_features(name: str) -> int | None:
    """Return the values of a sample of a set that is not a file of the user, else None."""
    if name == EMBEDDED or name in DATASETS:
        return SIDE * SIDE
    if name in OTHER_SETS:
        return 256 if name == "USPS" else SIDE * SIDE
    return _load_table(name).num_features if name in TABLES else None


def _data_file(name: str, directory: str | os.PathLike[str] | None) -> Path:
    return Path(os.path.expanduser(directory or ".")) / name


def fingerprint(name: str, directory: str | os.PathLike[str] | None) -> tuple[tuple[int, int], ...]:
    """Return size and modification time of each file of a set; empty for an embedded set or a missing file."""
    if name not in BUILT_IN:
        return file_fingerprint(_data_file(name, directory)) if directory and is_file_name(name) else ()
    with contextlib.suppress(OSError, ValueError, DataError):
        if name in OTHER_SETS:
            others = [file.stat() for file in other_set_files(name, require_directory(name, directory))]
            return tuple((file.st_size, file.st_mtime_ns) for file in others)
        return torchvision_fingerprint(name, directory)
    return ()


def random_index(split: Split, seed: int, label: int | None = None) -> int:
    """Return the index of a sample drawn with this seed, of this class where one is given.

    Raises:
        DataError: where the class has no samples.
    """
    pool = torch.arange(len(split)) if label is None else (split.labels == label).nonzero().view(-1)
    if len(pool) == 0:
        raise DataError(f"class: expected one with samples in this split, got {label}; choose another class.")
    return int(pool[torch.randint(len(pool), (), generator=torch.Generator().manual_seed(seed))])


def hold_out_validation(dataset: Dataset, count: int) -> Dataset:
    """Return the data set with count of its training samples, always the same ones, in place of the test set.

    Raises:
        DataError: where no training sample would be left.
    """
    if not 0 < count < len(dataset.train):
        raise DataError(
            f"validation samples: expected 1 to {len(dataset.train) - 1:,} of {dataset.name}, got {count:,}; "
            "hold out fewer."
        )
    order = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(2006))
    test, train = (
        Split(dataset.train.images[part], dataset.train.labels[part]) for part in (order[:count], order[count:])
    )
    return replace(dataset, train=train, test=test, source=f"{dataset.source}, {count:,} of them held out")


@lru_cache(maxsize=1)
def _load_embedded() -> Dataset:
    with np.load(_SUBSET, allow_pickle=False) as arrays:
        train, test = (
            Split(torch.from_numpy(arrays[f"{kind}_images"]), torch.from_numpy(arrays[f"{kind}_labels"]).long())
            for kind in ("train", "test")
        )
    source = f"{len(train):,} training digits of MNIST, embedded"
    return Dataset(EMBEDDED, train, test, tuple("0123456789"), source, sample="digit")


@lru_cache(maxsize=len(TABLES))
def _load_table(name: str) -> Dataset:
    dataset = read_dataset_file(Path(__file__).with_name(f"{name}.csv"))
    return replace(dataset, name=name, source=f"{len(dataset.train):,} training samples of {name}, embedded")
