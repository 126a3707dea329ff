"""What reads files and links, given any bytes: it answers, or refuses in one sentence.

As a script it drives atheris over them, for a given time, and prints how many inputs were tried:

    pip install atheris
    PYTHONSAFEPATH=1 PYTHONPATH=.:tests python tests/helpers/fuzz.py SECONDS [READER ...]
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from types import FunctionType

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from helpers import idx_files
from pages.state import markdown, paths
from tempotron_core.data import (
    archives,
    dataset_files,
    dataset_upload,
    datasets,
    npz_files,
    spike_times,
    table_files,
    torchvision_sets,
)
from tempotron_core.data import idx_files as idx
from tempotron_core.data.dataset_upload import store_dataset_file
from tempotron_core.experiments import records
from tempotron_core.experiments.records import read_record
from tempotron_core.interchange import networks, tensor_files, torch_files
from tempotron_core.interchange.networks import read_network
from tempotron_core.runs import csv_tables, files, reader
from tempotron_core.runs.catalogue import run_title
from tempotron_core.runs.reader import RunError
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings, TrainingError
from tempotron_core.training.snapshot import Snapshot
from tempotron_core.training.trainer import Trainer

SETTINGS = Settings(m=3, T=20, epochs=2, batch_size=16)
EPOCHS = b"epoch,step,loss,train_accuracy,test_accuracy,seconds,samples_per_second,dead\n1,2,0.5,0.1,0.2,1.0,9.0,0 3\n"
POINTS = b"step,loss,accuracy,batch_accuracy\n1,0.5,0.1,0.2\n2,0.4,0.2,0.3\n"


@lru_cache(maxsize=1)
def folder() -> Path:
    """A data set and a run, in memory where the system has files there; removed at the end."""
    where = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    idx_files.write_set(where)
    (where / "run").mkdir()
    for name, content in seeds().items():
        if "." in name:
            (where / "run" / name).write_bytes(content)
    return where


@lru_cache(maxsize=1)
def seeds() -> dict[str, bytes]:
    """Whole inputs, from which others are made."""
    state = Trainer(SETTINGS, 10).state() | {"shuffle": torch.Generator().get_state()}
    return {
        "settings.json": json.dumps(asdict(SETTINGS)).encode(),
        "epochs.csv": EPOCHS,
        "points.csv": POINTS,
        "last.safetensors": save({"fc.weight": torch.zeros(10, 784 * 3)}),
        "state.safetensors": save(state, {"epochs": "1", "total_steps": "4"}),
        "title.txt": b"a name",
        "images": idx_files.to_idx_bytes(idx_files.images(torch.arange(20).numpy() % 10)),
        "labels": idx_files.to_idx_bytes(torch.arange(20).numpy() % 10),
        "network npz": _npz(weight=np.ones((3, 12), np.float32), m=np.array(3)),
        "network pt": _torch_file(),
        "set npz": _npz(x=np.arange(80.0).reshape(20, 4), y=np.arange(20) % 2),
        "set csv": b"a,b,label\n" + b"".join(b"%d,%d.5,%s\n" % (i, i * i, (b"x", b"y")[i % 2]) for i in range(20)),
        "set zip": _picture_archive(),
        "spikes npz": _npz(
            times=np.arange(80.0).reshape(20, 4), labels=np.arange(20) % 2, unit=np.array("ms"), T=np.array(100)
        ),
        "spikes csv": b"sample,afferent,time_ms,label\n"
        + b"".join(b"%d,%d,%d.5,%d\n" % (i, a, 7 * a + i, i % 2) for i in range(20) for a in range(3)),
        "record": b'{"runs": [{"settings": {"seed": 0}, "test_accuracy": [0.5]}], "torch": "2"}',
        "text": b"[tap](javascript:alert(1)) **b** <img src=x> http://a.bc",
        "path": b"sub/../../etc",
    }


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _torch_file() -> bytes:
    file = io.BytesIO()
    torch.save({"fc.weight": torch.ones(3, 12)}, file)
    return file.getvalue()


def _picture_archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(12):
            picture = io.BytesIO()
            Image.fromarray(np.full((4, 4), 9 * number, np.uint8)).save(picture, "PNG")
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", picture.getvalue())
    return file.getvalue()


def _in_run(name: str, read: Callable[[Path], object]) -> Callable[[bytes], None]:
    def target(content: bytes) -> None:
        run_folder = folder() / "run"
        try:
            (run_folder / name).write_bytes(content)
            read(run_folder)
        finally:
            (run_folder / name).write_bytes(seeds()[name])

    return target


def _in_set(file: str) -> Callable[[bytes], None]:
    def target(content: bytes) -> None:
        path = datasets.raw_folder("MNIST", folder()) / file
        whole = path.read_bytes()
        try:
            path.write_bytes(content)
            loaded = datasets.load("MNIST", folder())
            assert len(loaded.test.images) == len(loaded.test.labels) > 0
        finally:
            path.write_bytes(whole)

    return target


def _read_network(file: str) -> Callable[[bytes], None]:
    def target(content: bytes) -> None:
        network = read_network(content, file)
        assert network.weight.isfinite().all() and network.weight.ndim == 2

    return target


def _store_set(file: str) -> Callable[[bytes], None]:
    def target(content: bytes) -> None:
        place = folder() / "uploads"
        try:
            loaded = store_dataset_file(content, file, place)
            assert len(loaded.test.images) == len(loaded.test.labels) > 0
        finally:
            shutil.rmtree(place, ignore_errors=True)

    return target


def _read_experiment(content: bytes) -> None:
    path = folder() / "record.json"
    path.write_bytes(content)
    assert isinstance(read_record(path), dict)


def _resume(run_folder: Path) -> None:
    origin = reader.load_snapshot(run_folder)
    assert isinstance(origin, Snapshot)
    next(iter(train_model(SETTINGS, idx_files.few_digits(20, 20), origin)))
    if origin.state is not None:
        Trainer(SETTINGS, 10).restore(origin.state)


def _list_or_render(content: bytes) -> None:
    shown = markdown.escape_markdown(content.decode(errors="replace"))
    assert len(shown.splitlines()) <= 1
    bare = re.sub(r"\\[\\`*\[\]<>$~|_]", "", shown)
    assert not re.search(r"[`*\[\]<>$~|]|://\w|www\.|@\w", bare), shown


def _check_path(content: bytes) -> None:
    text = content.decode(errors="replace")
    kept = paths.check_inside_roots("log directory", text, paths.RUNS_ROOTS_ENV)
    assert (
        Path(kept)
        .expanduser()
        .resolve()
        .is_relative_to(Path(paths.default_root(paths.RUNS_ROOTS_ENV, os.getcwd())).resolve())
    )


TARGETS: dict[str, tuple[Callable[[bytes], None], str]] = {
    "settings": (_in_run("settings.json", lambda path: reader.read_run(path)), "settings.json"),
    "epochs": (_in_run("epochs.csv", lambda path: reader.read_run(path)), "epochs.csv"),
    "points": (_in_run("points.csv", lambda path: reader.read_run(path)), "points.csv"),
    "title": (_in_run("title.txt", lambda path: run_title(reader.read_run(path))), "title.txt"),
    "weights": (_in_run("last.safetensors", lambda path: reader.load_model(path)), "last.safetensors"),
    "state": (_in_run("state.safetensors", _resume), "state.safetensors"),
    "images": (_in_set(idx_files.FILES[2]), "images"),
    "labels": (_in_set(idx_files.FILES[3]), "labels"),
    "network npz": (_read_network("net.npz"), "network npz"),
    "network pt": (_read_network("net.pt"), "network pt"),
    "network safetensors": (_read_network("net.safetensors"), "last.safetensors"),
    "set npz": (_store_set("set.npz"), "set npz"),
    "set csv": (_store_set("set.csv"), "set csv"),
    "set zip": (_store_set("set.zip"), "set zip"),
    "spikes npz": (_store_set("spikes.npz"), "spikes npz"),
    "spikes csv": (_store_set("spikes.csv"), "spikes csv"),
    "record": (_read_experiment, "record"),
    "text": (_list_or_render, "text"),
    "path": (_check_path, "path"),
}
"""A reader's name -> what gives it bytes, and the name of the seed to begin with."""


def read_or_explain(name: str, content: bytes) -> str | None:
    """Give the reader those bytes; return the message of its own error, None where it accepts them."""
    try:
        TARGETS[name][0](content)
    except (RunError, datasets.DataError, TrainingError, paths.PathNotAllowedError, ValueError) as error:
        return str(error)
    return None


def is_sentence(text: str) -> bool:
    """Return whether a message is one line of at most 6,000 characters that states what was expected."""
    is_explained = any(word in text for word in ("expected", "truncated", "too long"))
    return is_explained and len(text.splitlines()) == 1 and len(text) < 6000


def accepts_or_explains(name: str, content: bytes) -> bool:
    """Return whether the reader accepts those bytes or refuses them with one sentence."""
    message = read_or_explain(name, content)
    return message is None or is_sentence(message)


def main(name: str, seconds: int) -> None:
    """Fuzz one reader that long, in this process; libFuzzer reports the number of inputs on its last line."""
    import atheris

    for module in (
        files, csv_tables, reader, datasets, paths, archives, dataset_files, dataset_upload, idx, npz_files, records,
        spike_times, table_files, torchvision_sets, networks, tensor_files, torch_files,
    ):  # fmt: skip
        for function in [value for value in vars(module).values() if isinstance(value, FunctionType)]:
            if function.__module__ == module.__name__:
                setattr(module, function.__name__, atheris.instrument_func(function))

    def give(content: bytes) -> None:
        assert accepts_or_explains(name, content)

    corpus = folder() / "corpus"
    corpus.mkdir()
    seed = seeds()[TARGETS[name][1]]
    (corpus / "whole").write_bytes(seed)
    if name in ("weights", "state"):
        text = b'{"fc.weight":{"dtype":"F32","shape":[10,2352],"data_offsets":[0,94080]}}'
        (corpus / "header").write_bytes(struct.pack("<Q", len(text)) + text)
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds}", f"-max_len={len(seed) + 1000}", "-rss_limit_mb=4096", str(corpus)],
        give,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in TARGETS and sys.argv[2].isdigit():
        main(sys.argv[1], int(sys.argv[2]))
    else:
        chosen = sys.argv[2:] or list(TARGETS)
        seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
        for target in chosen:
            result = subprocess.run([sys.executable, __file__, target, seconds], capture_output=True, text=True)
            last = [line for line in result.stderr.splitlines() if "Done" in line or "ERROR" in line or "Error" in line]
            print(f"{target}: {last[-1] if last else result.stderr[-500:]}", flush=True)
    shutil.rmtree(folder(), ignore_errors=True)
