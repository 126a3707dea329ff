"""One Chromium for all browser tests of a process, and a fresh page of it for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.browser import (
    LONG_TIMEOUT_MS,
    Server,
    browser,
    find_chromium,
    page_without_errors,
    skip_without_browser,
)
from playwright.sync_api import Browser, BrowserContext, Page


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A dashboard for all tests of this process that start no training; it trains its first model once."""
    running = Server(tmp_path_factory.mktemp("dashboard"))
    yield running
    running.interrupt()


@pytest.fixture(scope="package")
def chrome() -> Iterator[Browser]:
    """Chromium; closed before tests of other folders, as no event loop of a test can run beside Playwright's."""
    if find_chromium() is None:
        skip_without_browser("no Chromium is installed (Debian: apt-get install chromium)")
    with browser() as instance:
        yield instance


@pytest.fixture
def context(chrome: Browser) -> Iterator[BrowserContext]:
    """A browser context for each test: pages of a shared one stopped drawing in rare cases."""
    with chrome.new_context(viewport={"width": 1280, "height": 800}) as own:
        own.set_default_timeout(LONG_TIMEOUT_MS)
        yield own


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Iterator[Page]:
    """A fresh page; any error of its console or of the server fails the test."""
    with page_without_errors(context, server) as fresh:
        yield fresh
