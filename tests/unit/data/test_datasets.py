"""The embedded digits, sets on disk whole and broken, and downloads from a server of our own."""

import gzip
import hashlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from helpers import idx_files
from helpers.dataset_server import serve_folder, use_mirrors
from hypothesis import given, settings
from hypothesis import strategies as st

from tempotron_core.data import datasets, make_subset, torchvision_sets

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = idx_files.FILES


def check_sentence(error: BaseException, *words: str) -> None:
    """One line that says what was expected, and holds the words."""
    text = str(error)
    assert len(text.splitlines()) == 1
    assert any(word in text for word in ("expected", "truncated", "too long")), text
    for word in words:
        assert word in text, text


def check_sentence_of_failure(error: BaseException) -> None:
    """One line that says what was tried and what to do."""
    text = str(error)
    assert len(text.splitlines()) == 1
    assert "tried 127.0.0.1" in text
    assert "by hand" in text


def test_embedded_digits_are_balanced_and_small() -> None:
    digits = datasets.load()
    for split, each in ((digits.train, 1000), (digits.test, 200)):
        assert split.images.shape == (10 * each, 28, 28)
        assert split.images.dtype == torch.uint8
        assert split.labels.shape == (10 * each,)
        assert split.labels.dtype == torch.int64
        assert split.labels.bincount().tolist() == [each] * 10
        assert len(split) == 10 * each
        assert split.images.amax() > 200
    assert digits.classes == tuple("0123456789")
    assert datasets._SUBSET.stat().st_size <= 2.5e6


def test_embedded_digits_load_hardly_longer_than_their_file() -> None:
    """Relative to what must be done anyway, as a number of seconds would depend on the machine."""

    def decode() -> None:
        with np.load(datasets._SUBSET, allow_pickle=False) as arrays:
            for name in arrays:
                assert len(arrays[name])

    def cold() -> None:
        datasets._load_embedded.cache_clear()
        datasets.load()

    def least_seconds(action: Callable[[], None]) -> float:
        found = []
        for _ in range(7):
            began = time.process_time()
            action()
            found.append(time.process_time() - began)
        return min(found)

    assert least_seconds(cold) < 4 * least_seconds(decode) + 0.02


def test_subset_is_balanced_real_and_always_the_same(tmp_path: Path) -> None:
    idx_files.write_set(tmp_path, train=60, test=40)
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    digest = make_subset.make_subset(str(tmp_path), first, 4, 3)
    assert make_subset.make_subset(str(tmp_path), second, 4, 3) == digest
    assert first.read_bytes() == second.read_bytes()
    full = datasets.load("MNIST", tmp_path)
    with np.load(first) as arrays:
        assert set(arrays) == {"train_images", "train_labels", "test_images", "test_labels"}
        for kind, split, each in (("train", full.train, 4), ("test", full.test, 3)):
            images, labels = arrays[f"{kind}_images"], arrays[f"{kind}_labels"]
            assert np.bincount(labels).tolist() == [each] * 10
            places = images[:, 0, 1].astype(int) * 256 + images[:, 0, 2]
            assert len(set(places.tolist())) == len(places)
            assert np.array_equal(images, split.images.numpy()[places])
            assert np.array_equal(labels, split.labels.numpy()[places])


def test_subset_needs_enough_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idx_files.write_set(tmp_path)
    with pytest.raises(datasets.DataError) as caught:
        make_subset.make_subset(str(tmp_path), tmp_path / "subset.npz", 4, 3)
    check_sentence(caught.value, "got 3")
    assert make_subset.main(["--dataset-dir", str(tmp_path), "--output", str(tmp_path / "subset.npz")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "subset.npz").exists()


@pytest.mark.parametrize("name", ["subset.npz", "subset", "subset.bin"])
def test_subset_command_writes_the_file_that_was_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    idx_files.write_set(tmp_path)
    monkeypatch.setattr(make_subset.make_subset, "__defaults__", (2, 1))
    assert make_subset.main(["--dataset-dir", str(tmp_path), "--output", str(tmp_path / name)]) == 0
    assert name in capsys.readouterr().out
    assert (tmp_path / name).is_file()


@pytest.mark.parametrize(("name", "first_class"), [("MNIST", "0"), ("FashionMNIST", "T-shirt/top"), ("KMNIST", "o")])
def test_sets_load_by_name(tmp_path: Path, name: str, first_class: str) -> None:
    assert datasets.installed_datasets(tmp_path) == ()
    idx_files.write_set(tmp_path, name)
    loaded = datasets.load(name, str(tmp_path))
    assert loaded.name == name
    assert (len(loaded.train), len(loaded.test), len(loaded.classes)) == (30, 20, 10)
    assert loaded.classes[0] == first_class
    assert loaded.train.images.dtype == torch.uint8
    assert loaded.train.images[:, 0, 0].tolist() == loaded.train.labels.tolist()
    assert loaded.test.labels.dtype == torch.int64
    assert datasets.installed_datasets(tmp_path) == (name,)
    assert "30" in loaded.source


def test_digits_have_their_numbers_as_names(tmp_path: Path) -> None:
    idx_files.write_set(tmp_path)
    assert datasets.load("MNIST", tmp_path).classes == tuple("0123456789")


def test_available_lists_whole_sets_only(tmp_path: Path) -> None:
    for name in datasets.DATASETS:
        idx_files.write_set(tmp_path, name)
    assert datasets.installed_datasets(tmp_path) == tuple(datasets.DATASETS)
    (datasets.raw_folder("FashionMNIST", tmp_path) / TEST_LABELS).unlink()
    assert datasets.installed_datasets(str(tmp_path)) == ("MNIST", "KMNIST")
    for nowhere in (None, "", tmp_path / "missing", "a\0b", tmp_path / "MNIST" / "raw" / TRAIN_IMAGES):
        assert datasets.installed_datasets(nowhere) == ()


@pytest.mark.parametrize(
    ("name", "directory"),
    [("nope", "/tmp"), ("mnist", "/tmp"), ("MNIST", None), ("MNIST", ""), ("MNIST", "  "), ("MNIST", "/nope"),
     ("MNIST", "a\0b"), ("MNIST", "~nobody-of-this-name/x")],
)  # fmt: skip
def test_bad_names_and_directories(name: str, directory: str | None) -> None:
    with pytest.raises(datasets.DataError) as caught:
        datasets.load(name, directory)
    check_sentence(caught.value, "expected")


Damage = Callable[[Path], object]


def cut(size: int) -> Damage:
    return lambda file: file.write_bytes(file.read_bytes()[:size])


def overwrite(start: int, new: bytes) -> Damage:
    return lambda file: file.write_bytes(
        (whole := file.read_bytes())[:start] + new + whole[start + len(new) :],
    )


def test_what_old_versions_left_beside_the_files_is_not_trusted(tmp_path: Path) -> None:
    raw = idx_files.write_set(tmp_path)
    (raw.parent / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(7, 3, 3), torch.full((5,), 3)), raw.parent / "processed" / name)
    loaded = datasets.load("MNIST", tmp_path)
    assert loaded.train.images.shape == (30, 28, 28)
    assert loaded.test.labels.tolist() == [*range(10), *range(10)]


def test_unreadable_file_gives_one_sentence(tmp_path: Path) -> None:
    file = idx_files.write_set(tmp_path) / TRAIN_LABELS
    file.chmod(0)
    try:
        file.read_bytes()
    except PermissionError:
        pass
    else:
        pytest.skip("this user reads every file")
    with pytest.raises(datasets.DataError) as caught:
        datasets.load("MNIST", tmp_path)
    check_sentence(caught.value, TRAIN_LABELS, "permission")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("scratch")
    idx_files.write_set(directory)
    return directory


@settings(max_examples=150, deadline=None)
@given(
    file=st.sampled_from(idx_files.FILES),
    start=st.integers(0, 20),
    new=st.binary(max_size=16),
    size=st.none() | st.integers(0, 60),
)
def test_any_header_gives_a_set_or_a_sentence(
    scratch: Path, file: str, start: int, new: bytes, size: int | None
) -> None:
    path = datasets.raw_folder("MNIST", scratch) / file
    whole = path.read_bytes()
    try:
        overwrite(start, new)(path)
        if size is not None:
            cut(size)(path)
        loaded = datasets.load("MNIST", scratch)
    except datasets.DataError as error:
        check_sentence(error, file)
    else:
        for split in (loaded.train, loaded.test):
            assert split.images.shape == (len(split.labels), 28, 28)
            assert split.images.dtype == torch.uint8
            assert set(split.labels.tolist()) <= set(range(10))
    finally:
        path.write_bytes(whole)


def test_random_index() -> None:
    split = datasets.load().test
    drawn = [datasets.random_index(split, seed) for seed in range(200)]
    assert drawn == [datasets.random_index(split, seed) for seed in range(200)]
    assert len(set(drawn)) > 150
    assert all(0 <= index < len(split) for index in drawn)
    for label in range(10):
        assert {int(split.labels[datasets.random_index(split, seed, label)]) for seed in range(20)} == {label}
    with pytest.raises(datasets.DataError) as caught:
        datasets.random_index(split, 0, 10)
    check_sentence(caught.value, "10")


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that lets its visitors wait for this block's end, and then turns them away."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        visitor, _ = server.accept()
        with visitor:
            visitor.recv(10_000)
            visitor.sendall(b"HTTP/1.0 504 Gateway Timeout\r\n\r\n")


def test_download_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    use_mirrors(monkeypatch, "http://127.0.0.1:9/")
    streams = sys.stdout, sys.stderr
    with pytest.raises(datasets.DataError) as caught:
        datasets.download("KMNIST", tmp_path)
    check_sentence_of_failure(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert (sys.stdout, sys.stderr) == streams


def test_download_brings_a_set(packed_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[float, str]] = []
    target = tmp_path / "new" / "sets"
    with serve_folder(packed_set) as address:
        use_mirrors(monkeypatch, address)
        datasets.download("KMNIST", target, lambda share, message: calls.append((share, message)))
    assert datasets.installed_datasets(target) == ("KMNIST",)
    loaded, original = datasets.load("KMNIST", target), datasets.load("KMNIST", tmp_path / "original")
    assert torch.equal(loaded.train.images, original.train.images)
    assert torch.equal(loaded.test.labels, original.test.labels)
    assert [folder.name for folder in target.iterdir()] == ["KMNIST"]
    shares = [share for share, _ in calls]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert shares[-1] == 1.0
    assert all(message for _, message in calls)


def test_download_replaces_a_broken_set(packed_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (idx_files.write_set(tmp_path, "KMNIST") / TRAIN_LABELS).write_bytes(b"broken")
    with serve_folder(packed_set) as address:
        use_mirrors(monkeypatch, "http://127.0.0.1:9/", address)
        datasets.download("KMNIST", tmp_path)
    assert len(datasets.load("KMNIST", tmp_path).train) == 30


def test_download_of_wrong_files_leaves_nothing(
    packed_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packed_set / f"{TEST_LABELS}.gz").write_bytes(b"something else")
    target = tmp_path / "target"
    with serve_folder(packed_set) as address:
        use_mirrors(monkeypatch, address)
        with pytest.raises(datasets.DataError) as caught:
            datasets.download("KMNIST", target)
    check_sentence_of_failure(caught.value)
    assert list(target.iterdir()) == []


def test_download_that_fails_its_checks_leaves_the_old_set(
    packed_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = gzip.compress(idx_files.to_idx_bytes(np.arange(21) % 10))
    (packed_set / f"{TEST_LABELS}.gz").write_bytes(content)
    resources = [*torchvision.datasets.KMNIST.resources[:3], (f"{TEST_LABELS}.gz", hashlib.md5(content).hexdigest())]
    monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", resources)
    target = tmp_path / "target"
    idx_files.write_set(target, "KMNIST", train=40)
    with serve_folder(packed_set) as address:
        use_mirrors(monkeypatch, address)
        with pytest.raises(datasets.DataError) as caught:
            datasets.download("KMNIST", target)
    check_sentence(caught.value, TEST_LABELS)
    assert len(datasets.load("KMNIST", target).train) == 40
    assert [folder.name for folder in target.iterdir()] == ["KMNIST"]


def test_stalled_download_gives_up(packed_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_sets, "_STALL_SECONDS", 0.5)
    target = tmp_path / "target"
    streams = sys.stdout, sys.stderr
    with silent_server() as address:
        use_mirrors(monkeypatch, address)
        with pytest.raises(datasets.DataError) as caught:  # without a limit it would never return
            datasets.download("KMNIST", target)
        check_sentence_of_failure(caught.value)
        assert "nothing arrived" in str(caught.value)
        assert list(target.iterdir()) == []
        after = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = streams
        assert after == streams, "what is printed after a stalled download must still be seen"


def test_stalled_download_does_not_go_on_in_the_background(
    packed_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision_sets, "_STALL_SECONDS", 0.5)
    target = tmp_path / "target"
    streams = sys.stdout, sys.stderr
    with serve_folder(packed_set) as address:
        before = set(threading.enumerate())
        with silent_server() as stalling:
            use_mirrors(monkeypatch, stalling, address)
            with pytest.raises(datasets.DataError):
                datasets.download("KMNIST", target)
            left = set(threading.enumerate()) - before
        for thread in left:
            thread.join(5)
        sys.stdout, sys.stderr = streams
        assert list(target.rglob("*")) == []


@pytest.mark.parametrize("directory", [None, "", "a\0b", "/proc/nope/x"])
def test_download_into_bad_directory(directory: str | None) -> None:
    with pytest.raises(datasets.DataError) as caught:
        datasets.download("KMNIST", directory)  # type: ignore[arg-type]
    check_sentence(caught.value, "expected")


def test_download_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(datasets.DataError) as caught:
        datasets.download("KMNIST", tmp_path / "file")
    check_sentence(caught.value, "expected")
