"""Uploaded data set files: stored completely or not at all, and never in place of another."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tempotron_core.data import datasets
from tempotron_core.data.dataset_upload import store_dataset_file
from tempotron_core.data.samples import DataError

TABLE = b"a,b,class\n" + b"".join(b"%d,%d,%d\n" % (i, i * i, i % 2) for i in range(20))


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.arange(320, dtype=np.uint8).reshape(20, 4, 4), y=np.arange(20) % 2)
    return file.getvalue()


def picture(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((3, 5), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


PICTURES = {f"{'ab'[i % 2]}/{i}.png": picture(10 * i) for i in range(10)}


@pytest.mark.parametrize(
    ("name", "stored", "content", "shape"),
    [
        ("letters.npz", "letters.npz", npz(), (4, 4)),
        ("Table 1.csv", "Table 1.csv", TABLE, None),
        ("pictures.zip", "pictures", packed(PICTURES), (3, 5)),
        ("inner.zip", "inner", packed({f"outer/{name}": content for name, content in PICTURES.items()}), (3, 5)),
        ("mac.zip", "mac", packed(PICTURES | {"__MACOSX/a/._1.png": b"x", "a/.DS_Store": b"x"}), (3, 5)),
        (
            "parts.zip",
            "parts",
            packed({f"{part}/{name}": content for part in ("train", "test") for name, content in PICTURES.items()}),
            (3, 5),
        ),
    ],
)
def test_a_file_is_stored_and_read(
    tmp_path: Path, name: str, stored: str, content: bytes, shape: tuple[int, int] | None
) -> None:
    folder = tmp_path / "new" / "data"
    dataset = store_dataset_file(content, name, folder)
    assert (dataset.name, dataset.shape, len(dataset.classes)) == (stored, shape, 2)
    assert [path.name for path in folder.iterdir()] == [stored]
    assert datasets.find_dataset_files(folder) == (stored,)
    again = datasets.load(stored, folder)
    assert (again.train.images == dataset.train.images).all()


def test_nothing_is_replaced(tmp_path: Path) -> None:
    for name, content in (("a.csv", TABLE), ("a.zip", packed(PICTURES))):
        store_dataset_file(content, name, tmp_path)
        with pytest.raises(DataError, match="a name that is not taken"):
            store_dataset_file(content, name, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == TABLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.csv"]


INVALID: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "another ending": ("a.txt", lambda: TABLE, r"ends in \.npz"),
    "a path": ("../a.csv", lambda: TABLE, "a name of letters"),
    "an absolute path": ("/nowhere/a.csv", lambda: TABLE, "a name of letters"),
    "a name of a set": ("iris.zip", lambda: packed(PICTURES), "a name of letters"),
    "no name": (".csv", lambda: TABLE, "a name of letters"),
    "no table": ("a.csv", lambda: b"\xff\xfe", "UTF-8"),
    "no archive": ("a.zip", lambda: b"text", "zip archive"),
    "half an archive": ("a.zip", lambda: packed(PICTURES)[:300], "zip archive"),
    "a damaged picture": ("a.zip", lambda: packed(PICTURES | {"a/0.png": b"no picture"}), "expected a picture"),
    "arrays in an archive": ("a.zip", lambda: packed({"x.npy": b"x"}), "expected pictures in one folder"),
    "a program": ("a.zip", lambda: packed(PICTURES | {"a/run.py": b"x"}), "expected pictures in one folder"),
    "a path upwards": ("a.zip", lambda: packed({"a/../../../0.png": b"x"}), "plain names"),
    "a path from the root": ("a.zip", lambda: packed({"/a/0.png": b"x"}), "plain names"),
    "a path of another system": ("a.zip", lambda: packed({"a\\..\\..\\0.png": b"x"}), "plain names"),
    "a deep path": ("a.zip", lambda: packed({"a/b/c/d/e.png": b"x"}), "one folder for each class"),
    "one class": ("a.zip", lambda: packed({name: c for name, c in PICTURES.items() if name[0] == "a"}), "no pictures"),
    "no pictures": ("a.zip", lambda: packed({}), "expected"),
    "a bomb": (
        "a.zip",
        lambda: packed({f"{i % 2}/{i}.png": bytes(2**24) for i in range(6)}, zipfile.ZIP_DEFLATED),
        "200 : 1",
    ),
    "another method": ("a.zip", lambda: packed(PICTURES, zipfile.ZIP_LZMA), "stored or deflated"),
    "names without end": (
        "a.zip",
        lambda: packed({f"{i % 2}/{'n' * 150}{i}.png": b"" for i in range(30_000)}),
        "50,000 pictures",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_anything_else_is_refused_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    name, make, words = INVALID[case]
    with pytest.raises(DataError, match=words) as refused:
        store_dataset_file(make(), name, tmp_path / "data")
    assert "\n" not in str(refused.value) and "expected" in str(refused.value)
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").iterdir())
    assert [path.name for path in tmp_path.iterdir()] in ([], ["data"])


def test_a_folder_that_cannot_be_written_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="expected a folder that can be written, got"):
        store_dataset_file(TABLE, "a.csv", tmp_path / "file")
