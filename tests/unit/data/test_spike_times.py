"""Data sets of spike times: all formats give the same times; invalid files give an error of one sentence."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.invalid_input import Exploding, zip_bomb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pages.components import charts
from tempotron_core.data import datasets
from tempotron_core.data.datasets import DataError
from tempotron_core.data.spike_times import dataset_from_spike_times, fit_width
from tempotron_core.model.classifier import pixel_spike_times, predict
from tempotron_core.model.codes import AS_RECORDED, FittedCode
from tempotron_core.training.settings import Settings, initial_model

RNG = np.random.default_rng(0)
TIMES = np.where(RNG.random((30, 7)) < 0.7, RNG.uniform(0, 90, (30, 7)), np.nan)
LABELS = np.arange(30) % 3
ROWS = [f"{i},{j},{float(TIMES[i, j])!r},c{LABELS[i]}" for i in range(30) for j in range(7) if TIMES[i, j] >= 0]


def load(folder: Path, name: str, content: bytes | str) -> datasets.Dataset:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return datasets.load(name, folder)


def npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def all_samples(dataset: datasets.Dataset) -> dict[bytes, int]:
    """The samples of both parts with their labels."""
    both = [
        (x.numpy().tobytes(), int(y))
        for part in (dataset.train, dataset.test)
        for x, y in zip(part.images, part.labels, strict=True)
    ]
    return dict(both)


EXPECTED = np.where(np.isnan(TIMES), -1, TIMES).astype(np.float32)
SAMPLES = {x.tobytes(): int(y) for x, y in zip(EXPECTED, LABELS, strict=True)}


@pytest.mark.parametrize("unit", ["ms", "s", "steps"])
def test_arrays_and_lists_give_the_same_samples(unit: str, tmp_path: Path) -> None:
    factor = {"ms": 1.0, "s": 1e-3, "steps": 1.0}[unit]
    of_array = load(tmp_path, "a.npz", npz(times=TIMES * factor, labels=LABELS, unit=unit))
    rows = [f"{i},{j},{TIMES[i, j] * factor!r},c{LABELS[i]}" for i in range(30) for j in range(7) if TIMES[i, j] >= 0]
    rows = [row.replace("np.float64(", "").replace(")", "") for row in rows]
    of_list = load(tmp_path, "b.csv", "\n".join(["# source", f"sample,afferent,time_{unit},label", *rows]))
    for dataset in (of_array, of_list):
        assert dataset.has_spike_times and dataset.shape is None
        assert (dataset.num_features, dataset.m, dataset.feature, len(dataset.classes)) == (7, 1, "afferent", 3)
        assert dataset.train.images.dtype == torch.float32
        found = np.concatenate([dataset.train.images.numpy(), dataset.test.images.numpy()])[:, :, 0]
        labels = np.concatenate([dataset.train.labels, dataset.test.labels])
        order, expected_order = np.lexsort(found.T), np.lexsort(EXPECTED.T)
        np.testing.assert_allclose(found[order], EXPECTED[expected_order], rtol=1e-6)
        assert labels[order].tolist() == LABELS[expected_order].tolist()
        assert not [note for note in dataset.notes if "unit" in note]


def test_the_unit_is_that_of_the_column_which_is_read(tmp_path: Path) -> None:
    dataset = load(tmp_path, "two.csv", "afferent,time_s,time_ms\n0,0.004,4\n1,0.007,7")
    assert dataset.test.images.flatten().tolist() == [4, 7]


def test_one_sample_without_labels_is_both_parts(tmp_path: Path) -> None:
    rows = ["pixel,neuron,time_ms", "0,1,3.25", "2,4,17", "3,2,"]
    dataset = load(tmp_path, "one.csv", "\n".join(rows))
    assert dataset.classes == ()
    assert dataset.test.images.shape == (1, 4, 4)
    expected = np.full((4, 4), -1.0)
    expected[0, 0], expected[2, 3] = 3.25, 17
    assert dataset.test.images[0].tolist() == expected.tolist()
    wider = fit_width(dataset, 9, 6)
    assert wider.test.images.shape == (1, 9, 6)
    assert torch.equal(wider.test.images[:, :4, :4], dataset.test.images)
    assert int((wider.test.images >= 0).sum()) == 2
    assert fit_width(dataset, 3, 6) is dataset


def test_what_the_pages_write_is_read(tmp_path: Path) -> None:
    image = datasets.load().test.images[3]
    times = pixel_spike_times(image[None], 5, 60)[0].view(784, 5)
    of_image = load(tmp_path, "a.csv", charts.spikes_csv(times.numpy(), (28, 28)))
    assert torch.equal(fit_width(of_image, 784, 5).test.images[0], times)
    assert "28 x 28" in of_image.notes[0]
    of_features = load(tmp_path, "b.csv", charts.spikes_csv(times[:40].numpy(), (40,)))
    assert torch.equal(fit_width(of_features, 40, 5).test.images[0], times[:40])


def test_a_network_takes_the_times_as_they_are() -> None:
    dataset = dataset_from_spike_times("x", TIMES, LABELS)
    model = initial_model(Settings(m=1, code="as-recorded"), 3, FittedCode(AS_RECORDED), 7)
    prediction = predict(model, dataset.test.images[0])
    assert torch.equal(prediction.times, dataset.test.images[0])
    grid = np.arange(100)[:, None] - dataset.test.images[0, :, 0].numpy().astype(float)
    k = np.where(
        (grid >= 0) & (dataset.test.images[0, :, 0].numpy() >= 0), np.exp(-grid / 15) - np.exp(-grid / 3.75), 0
    )
    rise = 15 * 3.75 * np.log(4) / 11.25
    expected = model.weight.numpy() @ k.T / (np.exp(-rise / 15) - np.exp(-rise / 3.75))
    np.testing.assert_allclose(prediction.v.numpy(), expected, atol=1e-5)


def header_of(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, archive.open("times.npy", "w") as out:
        np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


def renamed(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"x")
    return file.getvalue()


HEAD = "sample,afferent,time_ms,label\n"
BAD: dict[str, tuple[str, bytes | str, str]] = {
    "several spikes of one afferent": (
        "a.csv",
        HEAD + "0,1,5,a\n0,1,9,a\n1,0,3,b",
        "2 of afferent 1 in sample 0; keep the first",
    ),
    "text for a time": ("a.csv", HEAD + "0,1,5,a\n0,2,x,a", "'0,2,x,a' in row 2"),
    "negative sample": ("a.csv", HEAD + "-1,1,5,a", "in row 1"),
    "fraction of a sample": ("a.csv", HEAD + "0.5,1,5,a", "in row 1"),
    "missing columns": ("a.csv", HEAD + "0,1", "in row 1"),
    "two labels of a sample": ("a.csv", HEAD + "0,1,5,a\n0,2,5,b", "one label for all rows"),
    "a sample without rows": ("a.csv", HEAD + "0,1,5,a\n2,2,5,b", "none for sample 1"),
    "no rows": ("a.csv", HEAD, "a row for each spike, got none"),
    "10^9 samples": ("a.csv", HEAD + "999999999,1,5,a", "expected at most 1,000,000 samples"),
    "10^9 afferents": ("a.csv", HEAD + "0,999999999,5,a", "65,536 afferents"),
    "seconds as ms": ("a.npz", npz(times=TIMES * 1e6, unit="ms"), "check the unit"),
    "another unit": ("a.npz", npz(times=TIMES, unit="fortnights"), "expected a unit of ms, s, steps"),
    "four dimensions": ("a.npz", npz(times=np.zeros((2, 2, 2, 2))), r"\[n, afferents\] or \[n, features, m\]"),
    "text": ("a.npz", npz(times=np.array(["a"])), "spike times as numbers"),
    "other labels": ("a.npz", npz(times=TIMES, labels=LABELS[:5]), "5 labels"),
    "one class": ("a.npz", npz(times=TIMES, labels=np.zeros(30, int)), "2 to 1,000 classes"),
    "objects": ("a.npz", npz(times=np.array([Exploding(), None], dtype=object)), "objects"),
    "pickle": ("a.npz", pickle.dumps(Exploding()), "begins with"),
    "zip bomb": ("a.npz", zip_bomb("times.npy", (1000, 70_000)), "compression below 200"),
    "too large": ("a.npz", header_of((100_000, 10_000)), "3.7 GiB"),
    "10^9 rows": ("a.npz", header_of((10**9, 100)), "372.5 GiB"),
    "fewer values": ("a.npz", header_of((100, 100)), "0 bytes for shape"),
    "path": ("a.npz", renamed("../times.npy"), "without paths"),
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_gives_one_sentence(case: str, tmp_path: Path) -> None:
    name, content, words = BAD[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    tracemalloc.start()
    with pytest.raises(DataError, match=words) as refused:
        datasets.load(name, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(refused.value).startswith(f"{name}: expected")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400
    assert peak < 2**26
    assert not Path("exploded").exists()


def is_sentence(start: str, error: DataError) -> None:
    assert str(error).startswith(start)
    assert "expected" in str(error)
    assert "\n" not in str(error)


GOOD_CSV = (HEAD + "\n".join(ROWS)).encode()
GOOD_NPZ = npz(times=TIMES, labels=LABELS)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    source=st.sampled_from(["a.csv", "a.npz"]),
    cut=st.integers(0, 4000),
    flips=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=4),
)
def test_damaged_files_give_samples_or_one_sentence(
    source: str, cut: int, flips: list[tuple[int, int]], tmp_path: Path
) -> None:
    content = bytearray(GOOD_CSV if source == "a.csv" else GOOD_NPZ)
    for at, value in flips:
        content[at % len(content)] = value
    (tmp_path / source).write_bytes(bytes(content[: max(4, len(content) - cut)]))
    try:
        dataset = datasets.load(source, tmp_path)
    except DataError as error:
        is_sentence("", error)
    else:
        assert len(dataset.train) and bool(dataset.train.images.isfinite().all())


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=st.text(alphabet='0123456789,.-+eE;\t\n#"nai\0é', max_size=200),
    head=st.sampled_from([HEAD, "pixel,neuron,time\n", "afferent;t\n"]),
)
def test_any_text_gives_samples_or_one_sentence(text: str, head: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes((head + text).encode())
    try:
        dataset = datasets.load("a.csv", tmp_path)
    except DataError as error:
        is_sentence("a.csv: expected", error)
    else:
        assert len(dataset.train)


def test_a_hostile_table_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.write(HEAD.encode())
        file.truncate(2**34)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="at most 64 MiB, got 16,384 MiB"):
            datasets.load("a.csv", tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
