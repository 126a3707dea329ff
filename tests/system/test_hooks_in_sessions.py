"""Each hook into Streamlit that a page needs, in sessions on a real server: without the hook its test fails.

The others: rerun_idle_sessions and drop_stale_fragment_rerun in test_sessions.py.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import ROOT, Server
from helpers.streamlit_client import Session
from helpers.waiting import PATIENCE

from tempotron_core.data.drawings import encode_drawing

IMAGE = encode_drawing(np.eye(28, dtype=np.uint8) * 255)
BUSY_SCRIPT = f"""
import sys
import time

sys.path.insert(0, {str(ROOT)!r})
import streamlit as st

from pages import streamlit_hooks


@st.cache_resource
def occupy_event_loop() -> None:
    loop = streamlit_hooks._event_loop()

    def work() -> None:
        time.sleep(0.02)
        loop.call_soon(work)

    loop.call_soon_threadsafe(work)


def count() -> None:
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    st.markdown(f"run {{st.session_state.runs}}")


occupy_event_loop()
with streamlit_hooks.page_run():
    streamlit_hooks.flushing_fragment(count, run_every=0.01)()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("hooks"))
    yield running
    running.interrupt()
    assert running.complaints == [], running.log


async def opened(server: Server, page: str, query: str) -> Session:
    """A viewer of the page, once it has a model."""
    viewer = Session(server.url, page, query)
    await viewer.open()
    await until(viewer, lambda: (viewer.job or "").startswith("Trained"))
    await viewer.wait_for_first_run(PATIENCE)
    return viewer


async def until(viewer: Session, condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(PATIENCE):
        while not condition():
            assert not viewer.is_disconnected
            await asyncio.sleep(0.02)


def test_an_override_stays_in_the_address_on_other_pages(server: Server) -> None:
    """bind_on_all_pages: the slider is in the body of one page and in the sidebar of the others."""

    async def story() -> None:
        viewer = await opened(server, "voltages", "tau=30")
        await viewer.visit("evidence")
        assert viewer.query.get("tau") == "30"
        assert viewer.complaints == []
        await viewer.close()

    asyncio.run(story())


def test_reset_removes_an_override_from_the_address_of_another_page(server: Server) -> None:
    """The slider in the sidebar is not drawn in the run of the fragment with the button."""

    async def story() -> None:
        viewer = await opened(server, "evidence", "tau=30")
        await viewer.move("button", "Reset", True)
        await until(viewer, lambda: "tau" not in viewer.query)
        await viewer.rerun()
        await until(viewer, lambda: viewer.find_text("Changed:") is None)
        assert "tau" not in viewer.query
        assert viewer.complaints == []
        await viewer.close()

    asyncio.run(story())


def test_going_back_to_an_address_without_an_image_selects_the_test_sample(server: Server) -> None:
    """is_history_navigation: after a link to another page the same address would keep the image."""

    async def story() -> None:
        viewer = await opened(server, "voltages", f"image={IMAGE}")
        assert viewer.query["image"] == IMAGE
        await viewer.visit("evidence")
        assert viewer.query["image"] == IMAGE
        runs = viewer.finished
        await viewer.go_back({})
        await until(viewer, lambda: viewer.finished > runs)
        await viewer.rerun()
        await until(viewer, lambda: viewer.finished > runs + 1)
        assert "image" not in viewer.query
        assert viewer.complaints == []
        await viewer.close()

    asyncio.run(story())


def test_a_busy_server_shows_the_later_runs_of_a_fragment(tmp_path: Path) -> None:
    """wait_for_flush: each run would discard what the last one drew, before the event loop has sent it."""
    script = tmp_path / "busy.py"
    script.write_text(BUSY_SCRIPT)
    server = Server(tmp_path, script)
    shown: set[str | None] = set()

    async def story() -> None:
        viewer = Session(server.url)
        await viewer.open()

        def has_gone_on() -> bool:
            shown.add(viewer.find_text(r"run \d+"))
            return len(shown) > 3

        await until(viewer, has_gone_on)
        await viewer.close()
        assert len(shown) > 3

    try:
        asyncio.run(story())
    finally:
        server.process.kill()
        server.process.wait()


def test_a_deep_link_tells_the_browser_where_the_server_is(server: Server) -> None:
    """index_html: without the address the browser looks for the server below the path of the page, and logs errors."""
    with urllib.request.urlopen(f"{server.url}/encoder", timeout=PATIENCE) as answer:
        document = answer.read().decode()
    assert document.index("BACKEND_BASE_URL") < document.index('<script type="module"')
