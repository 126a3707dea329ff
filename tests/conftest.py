"""Settings and fixtures shared by all tests."""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
import torchvision
from helpers import idx_files
from streamlit.components.v2 import manifest_scanner

from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings

if TYPE_CHECKING:
    from helpers.browser import Server
    from playwright.sync_api import Browser, Page

torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the servers and commands that tests start

SLOWEST_FIRST = (
    "test_accessibility",
    "test_browser",
    "test_sessions",
    "test_distributed",
    "test_resources",
    "test_runs",
)
SPLIT = ("test_accessibility", "test_browser_pages", "test_browser_presentation", "test_sessions")
"""Files whose tests may run in several processes at once: each of these tests can use a server of its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first, and let each process take whole files (xdist's loadgroup), the largest in parts."""

    def rank(item: pytest.Item) -> int:
        return next((i for i, name in enumerate(SLOWEST_FIRST) if item.path.stem.startswith(name)), len(SLOWEST_FIRST))

    items.sort(key=rank)
    for number, item in enumerate(items):
        part = f"-{number % 3}" if item.path.stem in SPLIT else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}{part}"))


@pytest.fixture(scope="session", autouse=True)
def packages_are_looked_through_once() -> Iterator[None]:
    """For every page under test Streamlit looks for components in all that is installed, longer than the page takes."""
    with pytest.MonkeyPatch.context() as patch:
        scan = manifest_scanner.scan_component_manifests
        patch.setattr(manifest_scanner, "scan_component_manifests", functools.cache(scan))
        yield


@pytest.fixture(autouse=True)
def settings_of_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the shell sets, folders are those of the tests, and viewers may do all."""
    monkeypatch.delenv("TEMPOTRON_VIEW_ONLY", raising=False)
    for name in ("TEMPOTRON_DATA", "TEMPOTRON_RUNS"):
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp()))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dashboard with its first training, for all who start no training of their own."""
    from helpers.browser import Server

    running = Server(tmp_path_factory.mktemp("dashboard"))
    yield running
    running.interrupt()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Chromium; not for a session, as no event loop of a test can run beside Playwright's."""
    from helpers.browser import browser, find_chromium, skip_without_browser

    if find_chromium() is None:
        skip_without_browser("no Chromium is installed (Debian: apt-get install chromium)")
    with browser() as instance:
        yield instance


@pytest.fixture
def page(chrome: Browser, server: Server) -> Iterator[Page]:
    """A fresh page; whatever its console or the server complains about fails the test."""
    from helpers.browser import page_without_errors

    with page_without_errors(chrome, server) as fresh:
        yield fresh


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
