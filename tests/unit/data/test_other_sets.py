"""EMNIST, QMNIST and USPS as torchvision stores and reads them."""

from __future__ import annotations

import bz2
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

from tempotron_core.data import datasets
from tempotron_core.data.other_sets import OTHER_SETS
from tempotron_core.data.samples import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (52, 28, 28), dtype=np.uint8)


def write_idx(path: Path, values: np.ndarray, kind: int = 8, packed: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = {8: ">u1", 12: ">i4"}[kind]
    content = struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape) + values.astype(dtype).tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)


def write_emnist(folder: Path, split: str, labels: np.ndarray, packed: bool = False) -> None:
    end = ".gz" if packed else ""
    for part in ("train", "test"):
        stem = folder / "EMNIST" / "raw" / f"emnist-{split}-{part}"
        write_idx(Path(f"{stem}-images-idx3-ubyte{end}"), IMAGES, packed=packed)
        write_idx(Path(f"{stem}-labels-idx1-ubyte{end}"), labels, packed=packed)


@pytest.mark.parametrize("packed", [False, True])
def test_letters_stand_upright_and_have_their_names(tmp_path: Path, packed: bool) -> None:
    write_emnist(tmp_path, "letters", np.arange(52) % 26 + 1, packed)
    dataset = datasets.load("EMNIST-letters", tmp_path)
    assert dataset.classes == tuple("abcdefghijklmnopqrstuvwxyz")
    assert (dataset.train.images.numpy() == IMAGES.transpose(0, 2, 1)).all()
    assert dataset.test.labels.tolist() == (np.arange(52) % 26).tolist()
    assert datasets.is_installed("EMNIST-letters", tmp_path)
    assert not datasets.is_installed("EMNIST-digits", tmp_path)


def test_classes_of_emnist_are_those_of_torchvision(tmp_path: Path) -> None:
    write_emnist(tmp_path, "balanced", np.arange(52) % 47)
    expected = torchvision.datasets.EMNIST(tmp_path, "balanced")
    dataset = datasets.load("EMNIST-balanced", tmp_path)
    assert dataset.classes == tuple(expected.classes)
    assert dataset.train.labels.tolist() == expected.targets.tolist()


def test_qmnist_is_read_as_torchvision_reads_it(tmp_path: Path) -> None:
    labels = RNG.integers(0, 1000, (52, 8))
    labels[:, 0] = np.arange(52) % 10
    for part in ("train", "test"):
        write_idx(tmp_path / "QMNIST" / "raw" / f"qmnist-{part}-images-idx3-ubyte", IMAGES)
        write_idx(tmp_path / "QMNIST" / "raw" / f"qmnist-{part}-labels-idx2-int", labels, 12)
    expected = torchvision.datasets.QMNIST(tmp_path, train=False)
    dataset = datasets.load("QMNIST", tmp_path)
    assert (dataset.test.images == expected.data).all()
    assert dataset.test.labels.tolist() == expected.targets[:, 0].tolist()


def test_usps_is_read_as_torchvision_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG.uniform(-1, 1, (30, 256)).round(6)
    lines = [
        f"{i % 10 + 1} " + " ".join(f"{k + 1}:{value}" for k, value in enumerate(row)) for i, row in enumerate(values)
    ]
    for name in ("usps.bz2", "usps.t.bz2"):
        (tmp_path / name).write_bytes(bz2.compress("\n".join(lines).encode() + b"\n"))
    dataset = datasets.load("USPS", tmp_path)
    monkeypatch.setattr("torchvision.datasets.usps.check_integrity", lambda *_: True, raising=False)
    monkeypatch.setattr("torchvision.datasets.utils.check_integrity", lambda *_: True)
    expected = torchvision.datasets.USPS(tmp_path, train=True)
    assert dataset.shape == (16, 16)
    assert dataset.train.labels.tolist() == list(expected.targets)
    assert np.abs(dataset.train.images.numpy().astype(int) - expected.data).max() <= 1  # torchvision does not round
    assert datasets.known_features("USPS") == dataset.num_features


@pytest.mark.parametrize("name", OTHER_SETS)
def test_a_missing_set_says_how_it_is_downloaded(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected .*no such file; download the set with torchvision") as caught:
        datasets.load(name, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", bz2.compress(b"1 2 3\n"), bz2.compress(b"x" * 20_000), bz2.compress(("1 " + "1:nan " * 256).encode())],
)
def test_damaged_files_of_usps_get_one_sentence(content: bytes, tmp_path: Path) -> None:
    for name in ("usps.bz2", "usps.t.bz2"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="expected") as caught:
        datasets.load("USPS", tmp_path)
    assert "\n" not in str(caught.value)


def test_damaged_files_of_emnist_get_one_sentence(tmp_path: Path) -> None:
    write_emnist(tmp_path, "letters", np.zeros((0,)))
    with pytest.raises(DataError, match=r"labels-idx1-ubyte: expected 1 dimensions and at least one sample, got \[0\]"):
        datasets.load("EMNIST-letters", tmp_path)
