"""Settings and fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from browser import Server
    from playwright.sync_api import Browser, Page

torch.set_num_threads(1)


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
