"""Settings and fixtures shared by all tests."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import torch
from streamlit.components.v2 import manifest_scanner

if TYPE_CHECKING:
    from browser import Server
    from playwright.sync_api import Browser, Page

torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the servers and commands that tests start


def pytest_configure(config: pytest.Config) -> None:
    """Where several processes share the tests, their order stays as it is: what takes longest begins first."""
    if config.pluginmanager.hasplugin("xdist"):
        config.option.loadscopereorder = False


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests with a server come first and stay in one process, so that one Chromium runs at a time; others by file."""
    if config.pluginmanager.hasplugin("xdist"):
        served = {item.path for item in items if hasattr(getattr(item, "module", None), "Server")}
        items.sort(key=lambda item: item.path not in served)
        for item in items:
            item.add_marker(pytest.mark.xdist_group("served" if item.path in served else item.path.stem))


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
    from browser import Server

    running = Server(tmp_path_factory.mktemp("dashboard"))
    yield running
    running.interrupt()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Chromium; not for a session, as no event loop of a test can run beside Playwright's."""
    from browser import browser, chromium, missing

    if chromium() is None:
        missing("no Chromium is installed (Debian: apt-get install chromium)")
    with browser() as instance:
        yield instance


@pytest.fixture
def page(chrome: Browser, server: Server) -> Iterator[Page]:
    """A fresh page; whatever its console or the server complains about fails the test."""
    from browser import watched

    with watched(chrome, server) as fresh:
        yield fresh
