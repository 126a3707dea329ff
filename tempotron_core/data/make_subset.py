"""Make the embedded digits from a full MNIST directory: python -m tempotron_core.make_subset --dataset-dir DIR."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tempotron_core.data import datasets

__all__ = ["main", "make_subset"]

_SEED = 0


def make_subset(directory: str, target: Path, train_a_class: int = 1000, test_a_class: int = 200) -> str:
    """Write a class-balanced, shuffled choice of digits to target and return the SHA-256 of its contents.

    The same directory gives the same choice.

    Raises:
        DataError: where the directory holds no MNIST or too few digits.
    """
    full = datasets.load("MNIST", directory)
    rng = np.random.default_rng(_SEED)
    arrays: dict[str, np.ndarray] = {}
    for kind, split, count_by_kind in (("train", full.train, train_a_class), ("test", full.test, test_a_class)):
        labels = split.labels.numpy()
        pools = [np.flatnonzero(labels == digit) for digit in range(10)]
        smallest_class = min(len(pool) for pool in pools)
        if smallest_class < count_by_kind:
            raise datasets.DataError(
                f"{kind} set: expected at least {count_by_kind} digits a class, got {smallest_class}; use the full "
                f"MNIST."
            )
        selected = rng.permutation(np.concatenate([rng.choice(pool, count_by_kind, replace=False) for pool in pools]))
        arrays[f"{kind}_images"] = split.images.numpy()[selected]
        arrays[f"{kind}_labels"] = labels[selected].astype(np.uint8)
    with target.open("wb") as stream:  # given a name, numpy would add .npz to it
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(arrays[key].tobytes())
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the embedded subset, or another file; print its size and hash."""
    parser = argparse.ArgumentParser(description="Choose 10,000 training and 2,000 test digits of MNIST.")
    parser.add_argument("--dataset-dir", required=True, help="folder that holds MNIST in torchvision's layout")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("mnist_subset.npz"))
    options = parser.parse_args(arguments)
    try:
        digest = make_subset(options.dataset_dir, options.output)
    except (datasets.DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.output.name}: {options.output.stat().st_size:,} bytes, contents {digest}")
    return 0
