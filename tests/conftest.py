"""Settings and fixtures shared by all tests."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from streamlit.components.v2 import manifest_scanner

if TYPE_CHECKING:
    from helpers.browser import Server
    from playwright.sync_api import Browser, Page

BROWSER = "test_browser"

torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the servers and commands that tests start


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Of several processes each takes whole files, and one of them takes all that drive a browser, on one server."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            name = Path(nodeid.split("::")[0]).name
            return BROWSER if name.startswith(BROWSER) else name

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: not item.path.name.startswith(BROWSER))


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
