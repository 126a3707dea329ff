"""Data sets in files: NPZ, CSV, IDX and folders of pictures; invalid and hostile ones get one sentence."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tempotron_core.data import datasets
from tempotron_core.data.dataset_files import find_dataset_files, read_dataset_file
from tempotron_core.data.samples import DataError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (20, 5, 7, 3), dtype=np.uint8)
LABELS = np.arange(20) % 4


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def packed_npz(path: Path) -> Path:
    np.savez_compressed(path, x=GREY // 64, y=LABELS)  # of few values, so that it is packed
    return path


def idx(path: Path, values: np.ndarray) -> Path:
    content = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def pictures(folder: Path, images: np.ndarray, labels: np.ndarray, suffix: str = "png") -> Path:
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / f"class {label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"class {label}" / f"{i:03}.{suffix}")
    return folder


def text(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_images_with_their_own_test_part(tmp_path: Path) -> None:
    for form in ("x_{}", "{}_x"):
        y = form.replace("x", "y")
        arrays = {form.format("train"): GREY, y.format("train"): LABELS}
        arrays |= {form.format("test"): GREY[:6], y.format("test"): LABELS[:6]}
        dataset = read_dataset_file(npz(tmp_path / "set.npz", **arrays))
        assert (dataset.name, dataset.shape, dataset.num_features) == ("set.npz", (5, 7), 35)
        assert (dataset.train.images.numpy() == GREY).all()
        assert (dataset.test.images.numpy() == GREY[:6]).all()
        assert dataset.test.labels.tolist() == LABELS[:6].tolist()
        assert (dataset.classes, dataset.notes) == (("0", "1", "2", "3"), ())


def test_a_split_is_stratified_and_always_the_same(tmp_path: Path) -> None:
    x, y = np.arange(200, dtype=np.uint8).repeat(4).reshape(200, 2, 2), np.arange(200) % 10 // 8
    file = npz(tmp_path / "set.npz", x=x, y=y)
    first, again = read_dataset_file(file), read_dataset_file(file)
    assert first.train.labels.bincount().tolist() == [128, 32]
    assert first.test.labels.bincount().tolist() == [32, 8]
    assert (first.test.images == again.test.images).all()
    seen = np.concatenate([first.train.images[:, 0, 0].numpy(), first.test.images[:, 0, 0].numpy()])
    assert sorted(seen.tolist()) == list(range(200))
    assert "a fifth" in first.notes[0]


@pytest.mark.parametrize(
    ("x", "factor"),
    [
        (np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 2, 2), 255),
        (np.linspace(0, 16, 16).reshape(4, 2, 2), 255 / 16),
        (np.arange(16, dtype=np.uint8).reshape(4, 2, 2), 255 / 15),
        (np.arange(240, 256, dtype=np.uint8).reshape(4, 2, 2), 1),
        ((np.arange(16) % 3 > 0).reshape(4, 2, 2), 255),
    ],
)
def test_grey_values_are_scaled_to_those_of_images(tmp_path: Path, x: np.ndarray, factor: float) -> None:
    y = np.arange(4) % 2
    dataset = read_dataset_file(npz(tmp_path / "set.npz", x_train=x, y_train=y, x_test=x, y_test=y))
    wanted = np.rint(x.astype(np.float64) * factor)
    assert (dataset.train.images.numpy() == wanted).all()
    assert (dataset.test.images.numpy() == wanted).all()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 3, 1, 2)])
def test_colour_becomes_grey_with_a_note(tmp_path: Path, order: tuple[int, ...]) -> None:
    file = npz(tmp_path / "set.npz", x=COLOUR.transpose(order), y=LABELS, x_test=COLOUR[:4], y_test=LABELS[:4])
    dataset = read_dataset_file(
        npz(file, x_train=COLOUR.transpose(order), y_train=LABELS, x_test=COLOUR, y_test=LABELS)
    )
    grey = np.rint(COLOUR.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))
    assert (dataset.train.images.numpy() == grey).all()
    assert dataset.notes == ("Colour images were converted to grey.",)


def test_a_table_is_scaled_by_the_ranges_of_its_training_part(tmp_path: Path) -> None:
    x = np.array([[0.0, 10.0], [5.0, 20.0], [10.0, 30.0]])
    x_test = np.array([[-5.0, 15.0], [20.0, 30.0], [2.5, 10.0]])
    y = np.array(["a", "b", "a"])
    names = np.array(["width (cm)", "age"])
    dataset = read_dataset_file(
        npz(tmp_path / "set.npz", x_train=x, y_train=y, x_test=x_test, y_test=y, feature_names=names)
    )
    assert dataset.shape is None
    assert dataset.feature == "feature"
    assert dataset.features == ("width (cm)", "age")
    assert dataset.train.images.tolist() == [[0, 0], [128, 128], [255, 255]]
    assert dataset.test.images.tolist() == [[0, 64], [255, 255], [64, 0]]
    assert (dataset.low, dataset.high) == ((0.0, 10.0), (10.0, 30.0))
    assert (dataset.classes, dataset.train.labels.tolist()) == (("a", "b"), [0, 1, 0])


@pytest.mark.parametrize(
    ("content", "features", "classes"),
    [
        ("a,b,class\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n", ("a", "b"), ("x", "y")),
        ("label;a;b\n3;1;2\n10;3;4\n3;1;2\n10;5;5\n", ("a", "b"), ("3", "10")),
        ("1\t2\tx\n3\t4\ty\n5\t6\tx\n7\t8\ty\n", ("feature 1", "feature 2"), ("x", "y")),
        ("# a comment\n,a,target\n0,1,0\n1,2,1\n2,3,0\n3,4,1\n", ("a",), ("0", "1")),
        ("a,b,species\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n", ("a", "b"), ("x", "y")),
        ("1,2,1.0\n3,4,2.0\n1,2,1.0\n3,4,2.0\n", ("feature 1", "feature 2"), ("1", "2")),
        ("0,1,label\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n", ("0", "1"), ("x", "y")),
        ("label,0,1\nx,1,2\ny,3,4\nx,5,6\ny,7,8\n", ("0", "1"), ("x", "y")),
        (",0,1,species\n0,1,2,x\n1,3,4,y\n2,5,6,x\n3,7,8,y\n", ("0", "1"), ("x", "y")),
        ("1,2,species\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n", ("1", "2"), ("x", "y")),
        ("1,2,x\n3,4,y\n5,6,x\n7,8,y\n", ("feature 1", "feature 2"), ("x", "y")),
        ("a;b;class\n1,5;2;x\n3,5;4;y\n5;6;x\n7;8;y\n", ("a", "b"), ("x", "y")),
        ("Id,a,class\n1,2,x\n2,4,y\n3,6,x\n4,8,y\n", ("a",), ("x", "y")),
        ("id,a,class\n1,2,x\n1,4,y\n3,6,x\n4,8,y\n", ("id", "a"), ("x", "y")),
    ],
)
def test_tables_as_text(tmp_path: Path, content: str, features: tuple[str, ...], classes: tuple[str, ...]) -> None:
    dataset = read_dataset_file(text(tmp_path / "table.csv", content))
    assert (dataset.features, dataset.classes, len(dataset.train), len(dataset.test)) == (features, classes, 2, 2)


def test_a_table_states_which_columns_are_no_features(tmp_path: Path) -> None:
    rows = "".join(f"{i + 1},{i % 2},{i * i}\n" for i in range(10))
    dataset = read_dataset_file(text(tmp_path / "table.csv", f"Id,y,a\n{rows}"))
    assert dataset.features == ("a",)
    assert dataset.notes[:2] == (
        "The column 'Id' numbers the rows and is left out.",
        "The column 'y' holds the classes.",
    )


def test_keys_in_small_letters_are_preferred(tmp_path: Path) -> None:
    other = np.zeros((20, 3))
    dataset = read_dataset_file(npz(tmp_path / "s.npz", X=other, x=GREY, Y=LABELS * 0, y=LABELS))
    assert dataset.shape == (5, 7)
    assert read_dataset_file(npz(tmp_path / "s.npz", X=GREY, Y=LABELS)).shape == (5, 7)


def test_classes_without_training_samples_are_named(tmp_path: Path) -> None:
    arrays = {"x_train": GREY, "y_train": LABELS, "x_test": GREY[:2], "y_test": np.array([0, 9])}
    dataset = read_dataset_file(npz(tmp_path / "s.npz", **arrays))
    assert dataset.classes == ("0", "1", "2", "3", "9")
    assert dataset.notes == ("The training part has no samples of 9.",)


def test_what_lies_beside_the_arrays_of_a_set_is_not_read(tmp_path: Path) -> None:
    file = npz(tmp_path / "set.npz", x=GREY, y=LABELS, remarks=np.array([{}], dtype=object))
    with zipfile.ZipFile(file, "a") as beside:
        beside.writestr("readme.txt", "text")
    assert len(read_dataset_file(file).train) + len(read_dataset_file(file).test) == len(GREY)


@pytest.mark.parametrize(
    ("deep", "expected"),
    [
        (np.array([[0, 256], [65535, 25700]], np.uint16), [[0, 1], [255, 100]]),
        (np.array([[0, 256], [65535, 25700]], np.int32), [[0, 1], [255, 100]]),
    ],
)
def test_pictures_of_16_bits_are_not_cut_off(tmp_path: Path, deep: np.ndarray, expected: list[list[int]]) -> None:
    images = np.stack([deep, deep[::-1]] * 4)
    dataset = read_dataset_file(pictures(tmp_path / "s", images, np.arange(8) // 2 % 2, "tiff"))
    assert expected in dataset.train.images.tolist()
    assert dataset.notes[0] == "Of grey values of 16 bits the upper 8 are kept."


def test_transparent_pictures_are_laid_on_white(tmp_path: Path) -> None:
    images = np.zeros((8, 2, 2, 4), np.uint8)
    images[..., 3] = [[0, 255], [255, 0]]
    images[::2, 0, 0, 3] = 255
    dataset = read_dataset_file(pictures(tmp_path / "s", images, np.arange(8) // 2 % 2))
    assert dataset.notes[0] == "Transparent pixels were made white."
    assert {tuple(image.view(-1).tolist()) for image in dataset.train.images} == {(255, 0, 0, 255), (0, 0, 0, 255)}


def test_idx_files_of_any_name_packed_or_not(tmp_path: Path) -> None:
    for names in (
        ("my-train-images-idx3-ubyte", "my-train-labels-idx1-ubyte", "my-test-images-idx3-ubyte"),
        ("my-train-images-idx3-ubyte.gz", "my-train-labels-idx1-ubyte.gz", "my-test-images-idx3-ubyte.gz"),
        ("train.images.idx", "train.labels.idx", "test.images.idx"),
    ):
        folder = tmp_path / names[0]
        folder.mkdir()
        idx(folder / names[0], GREY)
        idx(folder / names[1], LABELS)
        idx(folder / names[2], GREY[:8])
        idx(folder / names[2].replace("images", "labels").replace("idx3", "idx1"), LABELS[:8])
        for dataset in (read_dataset_file(folder / names[0]), read_dataset_file(folder)):
            assert (dataset.train.images.numpy() == GREY).all()
            assert (dataset.test.labels.numpy() == LABELS[:8]).all()
    idx(tmp_path / "a", GREY)
    idx(tmp_path / "b", LABELS)
    assert len(read_dataset_file(tmp_path / "a").train) == 16


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_folders_of_pictures(tmp_path: Path, suffix: str) -> None:
    one = read_dataset_file(pictures(tmp_path / "one", GREY, LABELS, suffix))
    assert (one.shape, one.classes, len(one.train), len(one.test)) == (
        (5, 7),
        tuple(f"class {i}" for i in range(4)),
        16,
        4,
    )
    pictures(tmp_path / "two" / "train", COLOUR, LABELS, suffix)
    pictures(tmp_path / "two" / "test", COLOUR[:8], LABELS[:8], suffix)
    two = read_dataset_file(tmp_path / "two")
    assert (len(two.train), len(two.test), two.notes) == (20, 8, ("Colour images were converted to grey.",))
    (tmp_path / "three" / "x").mkdir(parents=True)
    text(tmp_path / "three" / "train.csv", "a,label\n1,x\n2,y\n")
    text(tmp_path / "three" / "test.csv", "a,label\n1,x\n")
    assert len(read_dataset_file(tmp_path / "three").test) == 1


def test_sets_are_found_in_a_folder(tmp_path: Path) -> None:
    for name in ("a.npz", "b.csv", "notes.txt", "x-images-idx3-ubyte.gz", "x-labels-idx1-ubyte.gz", ".hidden.npz"):
        (tmp_path / name).touch()
    pictures(tmp_path / "shapes", GREY, LABELS)
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    assert find_dataset_files(tmp_path) == ("a.npz", "b.csv", "shapes", "x-images-idx3-ubyte.gz")
    assert find_dataset_files(tmp_path / "missing") == ()


def test_iris_and_wine_are_embedded() -> None:
    iris, wine = datasets.load("iris"), datasets.load("wine")
    assert (iris.classes, len(iris.train), len(iris.test)) == (("setosa", "versicolor", "virginica"), 120, 30)
    assert iris.features[0] == "sepal length (cm)"
    assert iris.test.labels.bincount().tolist() == [10, 10, 10]
    assert (wine.num_features, len(wine.train) + len(wine.test)) == (13, 178)
    assert (wine.train.labels.bincount() + wine.test.labels.bincount()).tolist() == [59, 71, 48]


@pytest.mark.parametrize("name", ["../secret.npz", "a/b.npz", "..", "", ".", "a\\b.npz", "\0.npz", "x" * 100, "a\nb"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    npz(tmp_path / "secret.npz", x=GREY, y=LABELS)
    assert not datasets.is_known(name, tmp_path / "in")
    with pytest.raises(DataError, match="expected"):
        datasets.load(name, tmp_path / "in")


def header_of(shape: tuple[int, ...], dtype: str = "|u1", data: bytes = b"") -> bytes:
    text_of = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    padded = text_of + b" " * (64 - (len(text_of) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + data


def archive(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def npy(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("x.npy", "w", force_zip64=True) as stream:
            stream.write(header_of((1000, 1000, 200)))
            for _ in range(200):
                stream.write(bytes(1_000_000))
        file.writestr("y.npy", npy(np.arange(1000) % 2))
    return path


def damaged_deflate(path: Path) -> Path:
    content = bytearray(packed_npz(path).read_bytes())
    content[150:400] = bytes(250)
    path.write_bytes(content)
    return path


def damaged_gzip(folder: Path) -> Path:
    images = idx(folder / "s-images.idx.gz", GREY)
    idx(folder / "s-labels.idx.gz", LABELS)
    content = bytearray(images.read_bytes())
    content[200:300] = bytes(100)
    images.write_bytes(content)
    return images


def many_members(path: Path) -> Path:
    """Write an archive whose directory names the same array 30,000 times."""
    archive(path, {"x.npy": npy(LABELS)})
    content = path.read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    directory = content[start:end] * 30_000
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 30_000, 30_000, len(directory), start, 0)
    path.write_bytes(content[:start] + directory + last)
    return path


BIG = struct.pack(">HBB3I", 0, 8, 3, 10**9, 28, 28)
INVALID: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "objects in an array": (
        lambda p: npz(p / "s.npz", x=GREY, y=np.array([{}] * 20, dtype=object)),
        ("objects", "'x' [20, 5, 7]"),
    ),
    "objects for samples": (lambda p: npz(p / "s.npz", x=np.array([{}] * 20, dtype=object), y=LABELS), ("objects",)),
    "other keys": (lambda p: npz(p / "s.npz", a=GREY, b=LABELS), ("'a' [20, 5, 7]", "'b' [20]", "x and y")),
    "no arrays": (lambda p: archive(p / "s.npz", {"a.txt": b"a"}), ("no arrays",)),
    "too few test samples": (
        lambda p: npz(p / "s.npz", x_train=GREY, y_train=LABELS, y_test=LABELS, x_test=GREY[:3]),
        ("3 labels",),
    ),
    "a damaged packed array": (lambda p: damaged_deflate(p / "s.npz"), ("damaged",)),
    "a header of nested brackets": (
        lambda p: archive(p / "s.npz", {"x.npy": b"\x93NUMPY\x01\x00\xa0\x0f" + b"(" * 4000, "y.npy": npy(LABELS)}),
        ("damaged",),
    ),
    "a header of 2 GiB": (
        lambda p: archive(p / "s.npz", {"x.npy": b"\x93NUMPY\x02\x00\0\0\0\x80" + b"(" * 99, "y.npy": npy(LABELS)}),
        ("2,147,483,648 bytes",),
    ),
    "thirty thousand arrays": (lambda p: many_members(p / "s.npz"), ("10,000 members",)),
    "equal samples": (lambda p: npz(p / "s.npz", x=GREY * 0, y=LABELS), ("differ", "16 equal ones")),
    "one class in the training part": (
        lambda p: npz(p / "s.npz", x_train=GREY, y_train=LABELS * 0, x_test=GREY, y_test=LABELS),
        ("2 classes or more", "20 of '0'"),
    ),
    "an empty test part": (
        lambda p: npz(p / "s.npz", x_train=GREY, y_train=LABELS, x_test=GREY[:0], y_test=LABELS[:0]),
        ("[0, 5, 7]",),
    ),
    "2 million rows": (
        lambda p: text(p / "s.csv", "a,class\n" + "1,0\n2,1\n" * 10**6),
        ("1,000,000 rows", "2,000,001 lines"),
    ),
    "labels beyond the whole numbers": (lambda p: text(p / "s.csv", "1,1e30\n2,2e30\n" * 4), ("2e+30",)),
    "a million empty gzip members": (
        lambda p: (p / "s.idx.gz").write_bytes(gzip.compress(b"") * 10**6) and p / "s.idx.gz",
        ("another file",),
    ),
    "a gzip file damaged inside": (lambda p: damaged_gzip(p), ("whole gzip file",)),
    "pictures of real numbers": (
        lambda p: pictures(p / "s", RNG.random((4, 3, 3), np.float32), np.arange(4) % 2, "tiff"),
        ("class 0/000.tiff",),
    ),
    "a zip bomb": (lambda p: bomb(p / "s.npz"), ("below 200", "200,000,128 bytes")),
    "10^9 rows in an NPZ header": (
        lambda p: archive(p / "s.npz", {"x.npy": header_of((10**9, 28, 28)), "y.npy": npy(LABELS)}),
        ("GiB",),
    ),
    "an array shorter than its header says": (
        lambda p: archive(p / "s.npz", {"x.npy": header_of((10**6, 28)), "y.npy": npy(LABELS)}),
        ("0 bytes", "[1000000, 28]"),
    ),
    "a header that is no literal": (
        lambda p: archive(p / "s.npz", {"x.npy": header_of((1,)).replace(b"(1,)", b"exit"), "y.npy": npy(LABELS)}),
        ("damaged",),
    ),
    "half an NPZ": (
        lambda p: (p / "s.npz").write_bytes(npz(p / "t.npz", x=GREY).read_bytes()[:300]) and p / "s.npz",
        ("damaged",),
    ),
    "a pickle": (lambda p: (p / "s.npz").write_bytes(b"\x80\x04K\x01.") and p / "s.npz", ("\\x80",)),
    "labels that are no integers": (lambda p: npz(p / "s.npz", x=GREY, y=LABELS + 0.5), ("0.5", "label 0")),
    "labels that are NaN": (lambda p: npz(p / "s.npz", x=GREY, y=np.full(20, np.nan)), ("nan",)),
    "one class": (lambda p: npz(p / "s.npz", x=GREY, y=LABELS * 0), ("2 to 1,000 classes", "got 1")),
    "as many classes as samples": (
        lambda p: npz(p / "s.npz", x=np.zeros((2000, 2)), y=np.arange(2000)),
        ("2,000", "2 to 1,000 classes"),
    ),
    "one-hot labels": (lambda p: npz(p / "s.npz", x=GREY, y=np.eye(4)[LABELS]), ("[20, 4]", "one-hot")),
    "too few labels": (lambda p: npz(p / "s.npz", x=GREY, y=LABELS[:19]), ("20 labels", "[19]")),
    "NaN in the samples": (
        lambda p: npz(p / "s.npz", x=np.where(np.arange(60).reshape(20, 3) == 31, np.nan, 1.0), y=LABELS),
        ("nan in sample 10 of 20",),
    ),
    "infinite samples": (lambda p: npz(p / "s.npz", x=np.full((20, 3), np.inf), y=LABELS), ("inf",)),
    "huge samples": (lambda p: npz(p / "s.npz", x=np.array([[-1.7e308], [1.7e308]] * 10), y=LABELS), ("scale",)),
    "complex samples": (lambda p: npz(p / "s.npz", x=np.ones((20, 3), complex), y=LABELS), ("complex128",)),
    "no samples": (lambda p: npz(p / "s.npz", x=GREY[:0], y=LABELS[:0]), ("[0, 5, 7]",)),
    "samples of one number": (lambda p: npz(p / "s.npz", x=np.arange(20), y=LABELS), ("[20]",)),
    "too many features": (lambda p: npz(p / "s.npz", x=np.zeros((2, 70_000)), y=LABELS[:2]), ("70,000",)),
    "another shape in the test part": (
        lambda p: npz(p / "s.npz", x_train=GREY, y_train=LABELS, x_test=GREY[:, :4], y_test=LABELS),
        ("[5, 7]", "[4, 7]"),
    ),
    "a table with text": (lambda p: text(p / "s.csv", "a,b,class\n1,2,x\n1,red,y\n"), ("row 3", "'red'", "'b'")),
    "a table with NaN": (lambda p: text(p / "s.csv", "a,b,class\n1,2,x\n1,nan,y\n"), ("row 3", "'nan'")),
    "a table with a gap": (lambda p: text(p / "s.csv", "a,b,class\n1,2,x\n1,,y\n"), ("row 3", "''")),
    "a table without a label": (lambda p: text(p / "s.csv", "a,class\n1,x\n2,\n"), ("label",)),
    "rows of other lengths": (lambda p: text(p / "s.csv", "a,b,class\n1,2,x\n1,2,3,y\n"), ("3 columns", "4", "row 3")),
    "one column": (lambda p: text(p / "s.csv", "a\n1\n2\n"), ("2 to", "got 1")),
    "an empty table": (lambda p: text(p / "s.csv", ""), ("columns",)),
    "a table with a header only": (lambda p: text(p / "s.csv", "a,class\n"), ("rows",)),
    "a table with targets that are no classes": (lambda p: text(p / "s.csv", "1,2.5\n2,3.5\n"), ("2.5",)),
    "bytes as a table": (lambda p: (p / "s.csv").write_bytes(bytes(range(128, 256))) and p / "s.csv", ("UTF-8",)),
    "a cell without end": (lambda p: text(p / "s.csv", 'a,class\n"' + "x" * 200_000), ("table",)),
    "10^9 rows in an IDX header": (lambda p: (p / "s.idx").write_bytes(BIG) and p / "s.idx", ("labels",)),
    "10^9 rows in a packed IDX header": (
        lambda p: (p / "s.idx.gz").write_bytes(gzip.compress(BIG)) and p / "s.idx.gz",
        ("labels",),
    ),
    "10^9 rows in two IDX headers": (
        lambda p: [(p / "s-images.idx").write_bytes(BIG), (p / "s-labels.idx").write_bytes(
            struct.pack(">HBBI", 0, 8, 1, 10**9))] and p / "s-images.idx",
        ("784,000,000,016 bytes",),
    ),
    "IDX labels without images": (lambda p: idx(p / "s.idx", LABELS), ("images", "[20]")),
    "IDX images without labels": (lambda p: idx(p / "s-images.idx", GREY), ("'s-labels.idx'", "[20, 5, 7]")),
    "a damaged gzip file": (lambda p: (p / "s.idx.gz").write_bytes(gzip.compress(BIG)[:12]) and p / "s.idx.gz", ()),
    "a missing file": (lambda p: p / "s.npz", ("no such file",)),
    "an empty file": (lambda p: text(p / "s.npz", ""), ("b''",)),
    "an empty folder": (lambda p: p, ("nothing",)),
    "pictures of two sizes": (
        lambda p: pictures(pictures(p / "s", GREY, LABELS), GREY[:1, :4], np.array([9])),
        ("7 x 5", "7 x 4"),
    ),
    "a broken picture": (
        lambda p: ((pictures(p / "s", GREY, LABELS) / "class 0" / "000.png").write_bytes(b"no picture"), p / "s")[1],
        ("class 0/000.png", "PNG"),
    ),
    "a picture that is too large": (
        lambda p: pictures(p / "s", np.zeros((2, 300, 300), np.uint8), np.arange(2)),
        ("300 x 300",),
    ),
    "text under the name of an NPZ": (lambda p: text(p / "s.npz", "hello"), ("b'hell'",)),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_invalid_files_get_one_sentence(case: str, tmp_path: Path) -> None:
    make, words = INVALID[case]
    path = make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read_dataset_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.count("\n") == 0
    assert "expected" in message
    assert ";" in message and message.endswith(".")
    assert len(message) < 500
    for word in words:
        assert word in message, message
    assert peak < 30e6


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_never_raise_anything_else(tmp_path: Path, data: st.DataObject) -> None:
    sources = {
        "s.npz": lambda p: npz(p, x=GREY, y=LABELS),
        "packed.npz": packed_npz,
        "s.csv": lambda p: text(p, "a,b,class\n" + "".join(f"{i},{i * i},{i % 3}\n" for i in range(20))),
        "s-images.idx": lambda p: idx(p, GREY),
        "s-images.idx.gz": lambda p: idx(p, GREY),
        "s/class 0/000.png": lambda p: pictures(p.parents[1], GREY[:8], LABELS[:8]) / "class 0" / "000.png",
        "s/class 0/000.tiff": lambda p: pictures(p.parents[1], GREY[:8], LABELS[:8], "tiff") / "class 0" / "000.tiff",
    }
    name = data.draw(st.sampled_from(sorted(sources)))
    folder = tmp_path / name.replace("/", "_")
    folder.mkdir(exist_ok=True)
    idx(folder / "s-labels.idx", LABELS)
    path = sources[name](folder / name)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(DataError):
        assert len(read_dataset_file(folder / name.split("/")[0]).classes) > 1
