"""Writing data sets in torchvision's layout: IDX files under NAME/raw."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tempotron_core.data.datasets import Dataset, Split, load

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def to_idx_bytes(array: NDArray[Any]) -> bytes:
    """An array of bytes in the IDX format."""
    magic = 0x0800 + array.ndim
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


def images(labels: NDArray[Any], seed: int = 0) -> NDArray[Any]:
    """Random images [n, 28, 28], the label in the first pixel and the position in the next two."""
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 28, 28))
    pixels[:, 0, 0] = labels
    pixels[:, 0, 1], pixels[:, 0, 2] = np.divmod(np.arange(len(labels)), 256)
    return pixels


def write_set(directory: Path, name: str = "MNIST", train: int = 30, test: int = 20) -> Path:
    """Write a small balanced set and return the folder of its files."""
    raw = directory / name / "raw"
    raw.mkdir(parents=True)
    for kind, count, seed in (("train", train, 1), ("t10k", test, 2)):
        labels = np.arange(count) % 10
        (raw / f"{kind}-images-idx3-ubyte").write_bytes(to_idx_bytes(images(labels, seed)))
        (raw / f"{kind}-labels-idx1-ubyte").write_bytes(to_idx_bytes(labels))
    return raw


def few_digits(train: int, test: int) -> Dataset:
    """The first of the embedded digits."""
    full = load()
    return Dataset(
        "few",
        Split(full.train.images[:train], full.train.labels[:train]),
        Split(full.test.images[:test], full.test.labels[:test]),
        full.classes,
        "a few digits",
    )
