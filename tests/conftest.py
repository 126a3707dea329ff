"""Settings and fixtures shared by all tests."""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from helpers import idx_files
from streamlit.components.v2 import manifest_scanner

from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings

torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the servers and commands that tests start

BROWSER_GROUPS = 2
"""Processes that run browser tests: each has a dashboard with a trained model and a Chromium of its own."""
SLOWEST_FIRST = (
    "test_sessions",
    "test_train_command",
    "test_distributed",
    "test_hooks_in_sessions",
    "test_packaging",
    "test_resources",
    "test_runs",
    "test_pages",
)
"""Files that start right after the browser tests; the shorter ones then fill the processes to the same end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order tests by duration, and name the group whose tests one process runs (xdist's loadgroup).

    A group is a file, so that its module fixtures are made once. Browser tests share nothing but fixtures of the
    process: they are dealt to the groups one by one.
    """

    def rank(item: pytest.Item) -> int:
        if item.path.parent.name == "browser":
            return -1
        return next((i for i, name in enumerate(SLOWEST_FIRST) if item.path.stem == name), len(SLOWEST_FIRST))

    items.sort(key=rank)
    for number, item in enumerate(items):
        group = f"browser-{number % BROWSER_GROUPS}" if rank(item) < 0 else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def scan_packages_once() -> Iterator[None]:
    """Streamlit searches all installed packages for components in every AppTest, which takes longer than the page."""
    with pytest.MonkeyPatch.context() as patch:
        scan = manifest_scanner.scan_component_manifests
        patch.setattr(manifest_scanner, "scan_component_manifests", functools.cache(scan))
        yield


@pytest.fixture(autouse=True)
def set_server_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Allow the folders of the tests and all actions, whatever environment variables the shell sets."""
    monkeypatch.delenv("TEMPOTRON_VIEW_ONLY", raising=False)
    for name in ("TEMPOTRON_DATA", "TEMPOTRON_RUNS"):
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def packed_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small set as it is published, and torchvision made to expect these files."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    raw, folder = idx_files.write_set(tmp_path / "original", "KMNIST"), tmp_path / "published"
    folder.mkdir()
    resources = []
    for file in idx_files.FILES:
        content = gzip.compress((raw / file).read_bytes())
        (folder / f"{file}.gz").write_bytes(content)
        resources.append((f"{file}.gz", hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", resources)
    return folder


@pytest.fixture(scope="module")
def complete_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch with another to go, whose parts are then damaged."""
    settings = Settings(m=3, T=20, epochs=2, batch_size=32, log_dir=str(tmp_path_factory.mktemp("runs")))
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, idx_files.few_digits(60, 20)):
            log.write(snapshot)
            if snapshot.epochs:
                break
    return log.path


@pytest.fixture
def copied_run(complete_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the run to be damaged, in the working directory; nothing in it may run."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(complete_run, tmp_path / "logs" / "copy")
    yield tmp_path / "logs" / "copy"
    assert not Path("exploded").exists()
