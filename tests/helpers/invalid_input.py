"""Tables of invalid input: parameters, data sets on disk, run folders."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from helpers import idx_files
from tempotron_core import GaussianTuning, Tempotron

NAN, INF = math.nan, math.inf
HUGE = 10**400
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = idx_files.FILES
Damage = Callable[[Path], object]


class Exploding:
    """What must never be unpickled."""

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (Path("exploded"),)


def zip_bomb(member: str, shape: tuple[int, ...]) -> bytes:
    """Return an NPZ archive with 280 MB of zeros as an array float32 of this shape."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(member, "w", force_zip64=True) as out,
    ):
        np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for _ in range(280):
            out.write(bytes(10**6))
    return content.getvalue()


# --- parameters -----------------------------------------------------------------------------------------------------

REAL = ("lr", "beta", "tau", "tau_s", "v_threshold", "temperature", "width")
WHOLE = ("batch_size", "T", "epochs", "m", "seed", "validation", "k")
CHOICE = ("device", "dataset", "recipe", "loss", "optimiser", "schedule")
OPTIONAL = ("temperature", "width", "k", "loss", "optimiser", "schedule")  # None: the recipe's own
SETTINGS: list[tuple[str, object]] = [
    *((name, value) for name in REAL for value in (0, -1, 0.0, 1e300, HUGE, NAN, INF, -INF, "1", "", True, [1.0])),
    *((name, value) for name in WHOLE for value in (-1, 2**31, HUGE, NAN, 1.5, 8.0, INF, "8", "", True, (1,))),
    *((name, 0) for name in WHOLE if name not in ("seed", "validation")),
    *((name, value) for name in CHOICE for value in (0, -1, NAN, "", "nope", "CPU", True, {"a": 1})),
    *((name, None) for name in (*REAL, *WHOLE, *CHOICE) if name not in OPTIONAL),
    *(
        (name, value)
        for name in ("drop", "weight_decay", "smoothing")
        for value in (-1, 1e300, HUGE, NAN, INF, "1", True)
    ),
    *((name, value) for name in ("clears_gradients", "revives") for value in (0, 1, "yes", NAN)),
    *((name, value) for name in ("log_dir", "dataset_dir") for value in (7, True, b"runs", "  ")),
    ("log_dir", ""),
    ("log_dir", None),
    ("m", 1),
    ("m", 2),
    ("drop", 1.0),
    ("tau_s", 15.0),
    ("device", "cuda:9"),
    ("device", "cuda"),
    ("dataset", "mnist"),
]

OPTIONS = ("--lr", "--beta", "--tau", "--tau-s", "--v-threshold", "-b", "-T", "-e", "-m", "--seed", "--validation")
MAY_BE_ZERO = ("--seed", "--validation")
COMMANDS: list[list[str]] = [
    *([option, value] for option in OPTIONS for value in ("-1", "1" + "0" * 40, "nan", "inf", "x", "", "0x10", "1,5")),
    *([option, "0"] for option in OPTIONS if option not in MAY_BE_ZERO),
    *([option] for option in OPTIONS),
    *([option, "1.5"] for option in OPTIONS[5:]),
    *(["--device", value] for value in ("abacus", "cuda:9", "", "-1")),
    *(["--recipe", value] for value in ("nope", "", "0")),
    *(["--dataset", value] for value in ("nope", "mnist", "")),
    *(["--dataset-dir", value] for value in ("/nope", "a\0b", "~nobody-of-this-name/x", "x" * 5000)),
    *(["--resume", value] for value in ("/nope", "a\0b", ".", "x" * 5000)),
    *(
        [option, value]
        for option in ("--temperature", "--weight-decay", "--smoothing", "--drop", "--k", "--width")
        for value in ("-1", "1" + "0" * 40, "nan", "inf", "x", "")
    ),
    *([option, "nope"] for option in ("--loss", "--optimiser", "--schedule", "--revives", "--clears-gradients")),
    ["-m", "2"],
    ["--tau", "3", "--tau-s", "3"],
    ["--dataset", "MNIST"],
    ["--download"],
    ["--nope"],
    ["-T", "100000", "-b", "4096", "-m", "2000"],
    ["-m", "2000000"],
    ["-e", "2147483647"],
]

CODE: dict[str, Any] = {"n": 2, "m": 6, "x_min": torch.zeros(2), "x_max": torch.ones(2), "beta": 1.5}
NETWORK: dict[str, Any] = {"in_features": 4, "out_features": 3, "T": 20, "tau": 15.0, "tau_s": 3.75, "v_threshold": 1.0}
PARTS: list[tuple[Any, dict[str, Any], str, object]] = [
    *((GaussianTuning, CODE, "m", bad) for bad in (2, -3, 2**31, HUGE, 6.0, NAN, "6", True, None)),
    *((GaussianTuning, CODE, "n", bad) for bad in (0, -1, 2**31, 2.0, "2", True, None)),
    *((GaussianTuning, CODE, "beta", bad) for bad in (0, -1.5, 1e300, 1e-300, NAN, INF, "1.5", True, None)),
    *((GaussianTuning, CODE, "x_min", bad) for bad in (torch.ones(2), torch.full((2,), NAN), torch.zeros(3), None)),
    *((GaussianTuning, CODE, "x_max", bad) for bad in (torch.zeros(2), torch.full((2,), INF), torch.ones(2, 1), "1")),
    *((Tempotron, NETWORK, name, bad) for name in ("in_features", "out_features", "T")
      for bad in (0, -1, 2**31, HUGE, 1.5, NAN, "4", True, None)),
    *((Tempotron, NETWORK, name, bad) for name in ("tau", "tau_s", "v_threshold")
      for bad in (0, -1.0, 1e300, HUGE, NAN, INF, "15", True, None)),
    (Tempotron, NETWORK, "tau_s", 15.0),
]  # fmt: skip

# --- data sets ------------------------------------------------------------------------------------------------------


def cut(size: int) -> Damage:
    return lambda file: file.write_bytes(file.read_bytes()[:size])


def overwrite(start: int, new: bytes) -> Damage:
    return lambda file: file.write_bytes((whole := file.read_bytes())[:start] + new + whole[start + len(new) :])


def longer(more: bytes) -> Damage:
    return lambda file: file.write_bytes(file.read_bytes() + more)


def shape(*sizes: int) -> Damage:
    return lambda file: file.write_bytes(idx_files.to_idx_bytes(np.zeros(sizes)))


def content(new: bytes) -> Damage:
    def write(file: Path) -> None:
        file.unlink(missing_ok=True)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(new)

    return write


def sparse(header: bytes, size: int) -> Damage:
    """A file that is huge, as far as its size tells."""

    def write(file: Path) -> None:
        file.write_bytes(header)
        os.truncate(file, size)

    return write


def make_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def as_link(target: str) -> Damage:
    def link(file: Path) -> None:
        file.unlink(missing_ok=True)
        file.symlink_to(target)

    return link


def pipe(file: Path) -> None:
    """What would keep a reader waiting for ever."""
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def swap_with(other: str) -> Damage:
    def swap(file: Path) -> None:
        companion, kept = file.with_name(other), file.read_bytes()
        file.write_bytes(companion.read_bytes())
        companion.write_bytes(kept)

    return swap


def only_packed(file: Path) -> None:
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()


BOMB = gzip.compress(bytes(10_000_000))  # a thousand times as large when it is unpacked
SETS: list[tuple[str, str, Damage, str]] = [
    ("truncated images", TRAIN_IMAGES, cut(1000), "truncated"),
    ("one byte short", TEST_IMAGES, cut(16 + 20 * 784 - 1), "truncated"),
    ("truncated labels", TRAIN_LABELS, cut(20), "truncated"),
    ("truncated header", TEST_IMAGES, cut(7), "header"),
    ("truncated label header", TEST_LABELS, cut(7), "header"),
    ("empty file", TRAIN_IMAGES, cut(0), "header"),
    ("empty label file", TEST_LABELS, cut(0), "header"),
    ("too long", TRAIN_IMAGES, longer(b"x"), "too long"),
    ("labels too long", TEST_LABELS, longer(b"x"), "too long"),
    ("an image too many", TEST_IMAGES, longer(bytes(784)), "too long"),
    ("wrong magic", TRAIN_IMAGES, overwrite(0, b"\0\0\x08\x01"), "magic"),
    ("wrong label magic", TEST_LABELS, overwrite(0, b"\0\0\x08\x03"), "magic"),
    ("of floats", TRAIN_IMAGES, overwrite(2, b"\x0d"), "magic"),
    ("four dimensions", TRAIN_IMAGES, overwrite(3, b"\x04"), "magic"),
    ("little-endian", TRAIN_IMAGES, overwrite(0, b"\x03\x08\0\0"), "magic"),
    ("still packed", TEST_IMAGES, lambda file: file.write_bytes(gzip.compress(file.read_bytes())), "magic"),
    ("a gzip bomb", TRAIN_IMAGES, content(BOMB), "magic"),
    ("a gzip bomb of labels", TEST_LABELS, content(BOMB), "magic"),
    ("a gzip bomb within another", TRAIN_IMAGES, content(gzip.compress(BOMB)), "magic"),
    ("only packed files", TRAIN_IMAGES, only_packed, "no such file"),
    ("a zip", TRAIN_LABELS, content(b"PK\x03\x04" + bytes(60)), "magic"),
    ("a pickle", TRAIN_LABELS, content(pickle.dumps(Exploding())), "magic"),
    ("a web page", TRAIN_LABELS, content(b"<!DOCTYPE html><title>404</title>"), "magic"),
    ("wrong height", TRAIN_IMAGES, shape(30, 32, 28), "28 x 28"),
    ("wrong width", TEST_IMAGES, shape(20, 28, 27), "28 x 28"),
    ("no height", TEST_IMAGES, shape(20, 0, 28), "28 x 28"),
    ("transposed sizes", TEST_IMAGES, shape(28, 28, 20), "28 x 28"),
    ("huge sides", TEST_IMAGES, overwrite(8, b"\xff" * 8), "28 x 28"),
    ("images and labels swapped", TRAIN_IMAGES, swap_with(TRAIN_LABELS), "magic"),
    ("training and test labels swapped", TRAIN_LABELS, swap_with(TEST_LABELS), "30"),
    ("training and test images swapped", TRAIN_IMAGES, swap_with(TEST_IMAGES), "30"),
    ("fewer labels", TRAIN_LABELS, shape(29), "30"),
    ("more labels", TEST_LABELS, shape(21), "20"),
    ("huge count", TRAIN_IMAGES, overwrite(4, b"\xff\xff\xff\xff"), "truncated"),
    ("huge label count", TEST_LABELS, overwrite(4, b"\x7f\xff\xff\xff"), "truncated"),
    ("count too small", TRAIN_IMAGES, overwrite(4, struct.pack(">I", 29)), "too long"),
    (
        "more samples than any set",
        TRAIN_IMAGES,
        sparse(struct.pack(">4I", 2051, 2_000_000, 28, 28), 16 + 2_000_000 * 784),
        "at most 1,000,000",
    ),
    ("label 10", TRAIN_LABELS, overwrite(9, b"\x0a"), "0 to 9"),
    ("label 255", TEST_LABELS, overwrite(27, b"\xff"), "0 to 9"),
    ("no images", TRAIN_IMAGES, shape(0, 28, 28), "at least one"),
    ("no labels", TEST_LABELS, shape(0), "at least one"),
    ("a directory", TRAIN_IMAGES, make_directory, "no such file"),
    ("a pipe", TRAIN_LABELS, pipe, "no such file"),
    ("a link to nothing", TEST_LABELS, as_link("nowhere"), "no such file"),
    ("a link in a circle", TEST_LABELS, as_link(TEST_LABELS), "no such file"),
    ("missing images", TEST_IMAGES, Path.unlink, "no such file"),
    ("missing labels", TRAIN_LABELS, Path.unlink, "no such file"),
]

# --- folders of runs ------------------------------------------------------------------------------------------------


def weights(rows: int = 10, columns: int = 784 * 3, dtype: torch.dtype = torch.float32, value: float = 0) -> bytes:
    return save({"fc.weight": torch.full((rows, columns), value).to(dtype)})


def header(text: bytes, length: int | None = None, body: bytes = b"") -> bytes:
    """A safetensors file with such a header."""
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def tensor(offsets: str, shape: str = "[10,2352]", dtype: str = '"F32"') -> bytes:
    return f'{{"fc.weight":{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}}}'.encode()


def with_settings(**values: object) -> Damage:
    """Settings with these values."""
    return lambda file: file.write_text(json.dumps(json.loads(file.read_text()) | values))


def table(**values: object) -> Damage:
    """A table whose last row has these values."""

    def write(file: Path) -> None:
        names, *rows = (line.split(",") for line in file.read_text().splitlines())
        for name, value in values.items():
            rows[-1][names.index(name)] = str(value)
        file.write_text("\n".join(",".join(row) for row in (names, *rows)) + "\n")

    return write


def state(**values: torch.Tensor | None) -> Damage:
    """A state with these tensors, or without them."""

    def write(file: Path) -> None:
        kept = load(file.read_bytes()) | values
        whole = {name: value for name, value in kept.items() if value is not None}
        file.write_bytes(save(whole, {"epochs": "1", "total_steps": "4"}))

    return write


SETTINGS_FILE, EPOCHS, POINTS, LAST, STATE = (
    "settings.json", "epochs.csv", "points.csv", "last.safetensors", "state.safetensors",
)  # fmt: skip
RUNS: list[tuple[str, str, Damage]] = [
    ("no settings", SETTINGS_FILE, Path.unlink),
    ("empty settings", SETTINGS_FILE, content(b"")),
    ("settings cut off", SETTINGS_FILE, content(b'{"m": 3')),
    ("settings of another kind", SETTINGS_FILE, content(b"[1, 2]")),
    ("settings that are a number", SETTINGS_FILE, content(b"7")),
    ("settings that are null", SETTINGS_FILE, content(b"null")),
    ("settings out of range", SETTINGS_FILE, with_settings(m=-3)),
    ("settings in words", SETTINGS_FILE, with_settings(T="long")),
    ("settings not finite", SETTINGS_FILE, with_settings(lr=NAN)),
    ("settings of hundreds of digits", SETTINGS_FILE, with_settings(seed=HUGE)),
    ("settings of thousands of digits", SETTINGS_FILE, content(b'{"seed": ' + b"9" * 5000 + b"}")),
    ("settings unknown", SETTINGS_FILE, with_settings(mm=3)),
    ("settings with markup", SETTINGS_FILE, with_settings(recipe="<img src=x onerror=alert(1)>\n[x](http://a.bc)")),
    ("settings of objects", SETTINGS_FILE, with_settings(recipe={"__class__": "os.system"})),
    ("settings with dunders", SETTINGS_FILE, with_settings(__init__=1)),
    ("settings nested", SETTINGS_FILE, content(b"[" * 100_000)),
    ("settings nested in objects", SETTINGS_FILE, content(b'{"m":' * 100_000)),
    ("settings no text", SETTINGS_FILE, content(b"\xff\xfe\x00")),
    ("settings as a pickle", SETTINGS_FILE, content(pickle.dumps(Exploding()))),
    ("settings linked out", SETTINGS_FILE, as_link("/etc/passwd")),
    ("settings linked in a circle", SETTINGS_FILE, as_link(SETTINGS_FILE)),
    ("settings as a folder", SETTINGS_FILE, make_directory),
    ("settings as a pipe", SETTINGS_FILE, pipe),
    ("settings of 20 MB", SETTINGS_FILE, sparse(b"{", 20_000_000)),
    ("T too long to draw", SETTINGS_FILE, with_settings(T=1_000_000)),
    ("another m", SETTINGS_FILE, with_settings(m=4)),
    ("more tempotrons than weights", SETTINGS_FILE, with_settings(k=7)),
    ("metrics in words", EPOCHS, content(b"epoch,step\nx,y\n")),
    ("metrics too few", EPOCHS, content(b"epoch,step,loss\n1,2,3\n")),
    ("metrics too many", EPOCHS, content(b"epoch,step\n1,2,3,4\n")),
    ("metrics of other columns", EPOCHS, content(b"a,b\n1,2\n")),
    ("metrics of 20 MB", EPOCHS, sparse(b"epoch", 20_000_000)),
    ("metrics no text", EPOCHS, content(b"\xff\xfe\x00\xd8")),
    ("metrics with NUL", EPOCHS, content(b"epoch,step\n\0,\0\n")),
    ("a metric of a megabyte", EPOCHS, content(b"epoch\n" + b"1" * 1_000_000)),
    ("an accuracy of 7", EPOCHS, table(test_accuracy=7)),
    ("an accuracy that is no number", EPOCHS, table(test_accuracy="nan")),
    ("a negative accuracy", EPOCHS, table(train_accuracy=-0.1)),
    ("an epoch and a half", EPOCHS, table(epoch=1.5)),
    ("a formula", EPOCHS, table(test_accuracy="=cmd|'/c calc'!A1")),
    ("metrics as a folder", EPOCHS, make_directory),
    ("metrics linked out", EPOCHS, as_link("/etc/passwd")),
    ("points in words", POINTS, content(b"step,loss,accuracy,batch_accuracy\nx,y,z,0\n")),
    ("points of infinite accuracy", POINTS, table(accuracy="inf")),
    ("points linked out", POINTS, as_link("/etc/passwd")),
    ("no weights", LAST, Path.unlink),
    ("weights linked out", LAST, as_link("/etc/passwd")),
    ("weights as a folder", LAST, make_directory),
    ("weights as a pipe", LAST, pipe),
    ("empty weights", LAST, content(b"")),
    ("weights of seven bytes", LAST, content(b"\0" * 7)),
    ("a pickle", LAST, content(pickle.dumps(Exploding()))),
    ("a checkpoint of torch", LAST, lambda file: torch.save({"fc.weight": torch.zeros(10, 2352)}, file)),
    ("weights of 2 GB", LAST, sparse(weights(), 2**31)),
    ("a header longer than the file", LAST, content(header(b"{}", 10**6))),
    ("a header of exabytes", LAST, content(header(b"{}", 2**64 - 1))),
    ("a header no JSON", LAST, content(header(b"[[[["))),
    ("a nested header", LAST, content(header(b'{"a":' * 50_000))),
    ("a header of no tensor", LAST, content(header(b"{}"))),
    ("tensors beyond the file", LAST, content(header(tensor("[0,94080]"), body=bytes(100)))),
    ("tensors from behind", LAST, content(header(tensor("[94080,0]"), body=bytes(94080)))),
    ("negative offsets", LAST, content(header(tensor("[-8,94072]"), body=bytes(94080)))),
    ("a shape that overflows", LAST, content(header(tensor("[0,0]", f"[{2**63},{2**63}]")))),
    ("a negative shape", LAST, content(header(tensor("[0,94080]", "[-10,-2352]"), body=bytes(94080)))),
    ("a type unknown", LAST, content(header(tensor("[0,94080]", dtype='"PICKLE"'), body=bytes(94080)))),
    ("rubbish behind the tensors", LAST, lambda file: file.write_bytes(file.read_bytes() + b"rubbish")),
    ("weights of other afferents", LAST, content(weights(columns=9))),
    ("weights of no class", LAST, content(weights(rows=0))),
    ("weights in one dimension", LAST, content(save({"fc.weight": torch.zeros(23520)}))),
    ("weights in three dimensions", LAST, content(save({"fc.weight": torch.zeros(10, 784, 3)}))),
    ("weights of whole numbers", LAST, content(weights(dtype=torch.int64))),
    ("weights of half precision", LAST, content(weights(dtype=torch.float16))),
    ("weights of double precision", LAST, content(weights(dtype=torch.float64))),
    ("weights of truth values", LAST, content(weights(dtype=torch.bool))),
    ("weights of another name", LAST, content(save({"x": torch.zeros(10, 2352)}))),
    ("weights NaN", LAST, content(weights(value=NAN))),
    ("weights infinite", LAST, content(weights(value=-INF))),
    ("weights beyond all sums", LAST, content(weights(value=3e38))),
]
STATES: list[tuple[str, str, Damage]] = [
    ("no state", STATE, Path.unlink),
    ("a state linked out", STATE, as_link("/etc/passwd")),
    ("a state that is a pickle", STATE, content(pickle.dumps(Exploding()))),
    ("a state of nothing", STATE, content(save({"rows": torch.zeros(2)}))),
    ("a state later than its metrics", STATE,
     content(save({"rows": torch.zeros(2)}, {"epochs": "9", "total_steps": "9"}))),
    ("a state of words", STATE, content(save({"rows": torch.zeros(2)}, {"epochs": "x", "total_steps": "y"}))),
    ("a state of epoch -1", STATE, content(save({"rows": torch.zeros(2)}, {"epochs": "-1", "total_steps": "4"}))),
    ("rows of another network", STATE, state(rows=torch.zeros(9, 10))),
    ("rows in one dimension", STATE, state(rows=torch.zeros(23520))),
    ("no rows", STATE, state(rows=None)),
    ("no noise", STATE, state(noise=None)),
    ("noise of no generator", STATE, state(noise=torch.zeros(3, dtype=torch.uint8))),
    ("noise in floats", STATE, state(noise=torch.zeros(5056))),
    ("an order of no generator", STATE, state(shuffle=torch.zeros(3, dtype=torch.uint8))),
    ("an order in floats", STATE, state(shuffle=torch.zeros(5056))),
    ("an optimiser of another network", STATE, state(**{"optimiser.exp_avg": torch.zeros(1)})),
    ("an optimiser in whole numbers", STATE,
     state(**{"optimiser.exp_avg": torch.zeros(2352, 10, dtype=torch.int64)})),
    ("half an optimiser", STATE, state(**{"optimiser.exp_avg_sq": None})),
    ("another optimiser", STATE, state(**{"optimiser.momentum_buffer": torch.zeros(2352, 10)})),
    ("a gradient of another network", STATE, state(gradient=torch.zeros(4))),
    ("rows not finite", STATE, state(rows=torch.full((2352, 10), NAN))),
    ("a dead output that is not there", EPOCHS, table(dead_outputs="3 99")),
    ("a negative dead output", EPOCHS, table(dead_outputs="-1")),
    ("no epochs", EPOCHS, Path.unlink),
]  # fmt: skip
