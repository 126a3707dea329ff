"""Several viewers, dropped connections, edits and a killed server: sessions on a real server, without a browser."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.browser import ROOT, Server
from helpers.streamlit_client import Session
from helpers.waiting import PATIENCE
from streamlit.proto.BackMsg_pb2 import BackMsg

from tempotron_core.runs.reader import list_runs, load_model, load_snapshot

LONG = PATIENCE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("sessions"))
    yield running
    running.interrupt()
    assert running.complaints == [], running.log


async def opened(server: Server, page: str = "training", query: str = "") -> Session:
    viewer = Session(server.url, page, query)
    await viewer.open()
    await viewer.wait_for_first_run(LONG)
    return viewer


async def until(condition: Callable[[], object], seconds: float = LONG) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def silent(*viewers: Session, seconds: float = 2) -> None:
    """Wait until nothing has come for so long: an observation window, as nothing tells that nothing will come."""
    loop, received, since = asyncio.get_running_loop(), list[int](), 0.0
    async with asyncio.timeout(LONG):
        while not received or loop.time() - since < seconds:
            if (now := [viewer.bytes for viewer in viewers]) != received:
                received, since = now, loop.time()
            await asyncio.sleep(0.05)


async def idle(viewer: Session) -> None:
    """Wait until nothing trains; stop what does."""
    async with asyncio.timeout(LONG):
        while viewer.job is None or re.match("Preparing|Running|Paused|Stopping", viewer.job):
            assert not viewer.is_disconnected
            if any(button.proto.label == "Stop" for button in viewer.all("button")):
                await viewer.move("button", "Stop", True)
            await asyncio.sleep(0.05)


async def reopened(viewer: Session, session: str) -> None:
    """Connect again as the same session: the server gives a new one until it has noticed that the old one is gone."""
    async with asyncio.timeout(LONG):
        while True:
            viewer.session, runs = session, viewer.runs
            await viewer.open()
            await until(lambda runs=runs: viewer.runs > runs)  # type: ignore[misc]
            if viewer.session == session:
                return
            await viewer.close()


async def long_run(viewer: Session) -> None:
    """Start a run that does not end by itself soon."""
    await idle(viewer)
    await until(lambda: any(button.proto.label == "Start" for button in viewer.all("button")))
    await viewer.move("number_input", "Epochs", 1000)
    await viewer.move("number_input", "m, neurons", 4)
    await viewer.move("number_input", "T, window", 30)
    await viewer.move("button", "Start", True)
    await until(lambda: viewer.find_text(r"Running: .* epoch \d+ of 1000"))


def epoch(viewer: Session) -> int:
    found = re.search(r"epoch (\d+) of 1000", viewer.job or "")
    return int(found[1]) if found else 0


def test_of_two_viewers_who_press_start_at_once_one_is_told(server: Server) -> None:
    async def story() -> None:
        pair = [await opened(server), await opened(server)]
        for viewer in pair:
            await idle(viewer)
        # The second sees the end of what the first has stopped, if it has.
        for viewer in pair:
            await viewer.rerun()
            await until(lambda viewer=viewer: any(b.proto.label == "Start" for b in viewer.all("button")))  # type: ignore[misc]
            await viewer.move("number_input", "Epochs", 1000)
        before = set(os.listdir(server.folder / "runs"))
        await asyncio.gather(*(viewer.move("button", "Start", True) for viewer in pair))
        refusals = [viewer.find_text("Expected no training in progress") for viewer in pair]
        assert sum(words is not None for words in refusals) == 1
        for viewer in pair:
            running = functools.partial(viewer.find_text, r"Running: cross-entropy on embedded, epoch \d+ of 1000")
            await until(running)
        assert len(set(os.listdir(server.folder / "runs")) - before) == 1
        # Both viewers see the effect of either; an action that both request is done once.
        await asyncio.gather(*(viewer.move("button", "Pause", True) for viewer in pair))
        for viewer in pair:
            await until(lambda viewer=viewer: (viewer.job or "").startswith("Paused"))  # type: ignore[misc]
        await asyncio.gather(pair[0].move("button", "Resume", True), pair[1].move("button", "Stop", True))
        for viewer in pair:
            await until(lambda viewer=viewer: (viewer.job or "").startswith("Stopped"))  # type: ignore[misc]
            assert viewer.complaints == []
            await viewer.close()

    asyncio.run(story())


def test_pages_that_lie_still_learn_of_a_training_as_their_viewers_left_them(server: Server) -> None:
    async def story() -> None:
        starter, *still = [await opened(server), await opened(server, "", "sample=33"), await opened(server, "encoder")]
        await idle(starter)
        await still[0].move("number_input", "Test sample", 77, "test sample 77[^0-9,]")
        for viewer in still:
            await viewer.rerun()
        await silent(*still)
        await long_run(starter)
        for viewer in still:
            await until(lambda viewer=viewer: (viewer.job or "").startswith("Running"))  # type: ignore[misc]
            assert viewer.complaints == []
        assert still[0].find_text("test sample 77[^0-9,]")
        await idle(starter)
        for viewer in still:
            await until(lambda viewer=viewer: (viewer.job or "").startswith("Stopped"))  # type: ignore[misc]
        for viewer in (starter, *still):
            await viewer.close()

    asyncio.run(story())


def test_a_button_that_moves_controls_is_nothing_to_complain_about(server: Server) -> None:
    async def story() -> None:
        viewer = await opened(server)
        await idle(viewer)
        await viewer.move("number_input", "tau, ms", 33.0)
        await viewer.move("button", "Slow neurons", True)
        assert viewer.complaints == []
        await viewer.close()

    asyncio.run(story())
    assert server.complaints == [], server.log


@pytest.mark.parametrize("later", [0.03, 0.06, 0.1])
def test_a_control_of_the_page_that_is_being_left_empties_no_page(server: Server, later: float) -> None:
    async def story() -> None:
        viewer = await opened(server, "voltages", "sample=17")
        tau = viewer.find("slider", "tau, membrane")
        assert tau
        assert tau.fragment
        moved = BackMsg()
        moved.rerun_script.fragment_id, moved.rerun_script.page_script_hash = tau.fragment, tau.script
        moved.rerun_script.widget_states.widgets.add(id=tau.proto.id).double_array_value.data.append(40.0)
        await viewer.rerun(page="encoder")
        await asyncio.sleep(later)  # waits for nothing: draws the instant of the move
        assert viewer._socket is not None
        await viewer._socket.send(moved.SerializeToString())
        await until(lambda: viewer.find("slider", "m, neurons"))
        await viewer.wait_for_first_run(LONG)
        await silent(viewer, seconds=1)  # an empty page would come only now
        assert viewer.find("slider", "m, neurons")
        assert viewer.find("selectbox", "Show") is None
        await viewer.move("slider", "m, neurons", 20.0, "of 20 neurons")
        assert viewer.complaints == []
        await viewer.close()

    asyncio.run(story())
    assert server.complaints == [], server.log


def test_a_training_outlives_its_viewers(server: Server) -> None:
    """A reload, a closed tab, a connection that drops and comes back, a cleared cache: it goes on, and is found."""

    async def story() -> None:
        first = await opened(server, "training")
        await long_run(first)
        seen = epoch(first)
        other = await opened(server, "", "sample=33")
        await until(lambda: epoch(other) >= seen)
        await other.move("number_input", "Test sample", 77, "test sample 77[^0-9,]")
        # The laptop sleeps: the connection is gone, and comes back for the same session.
        session = other.session
        await other.close()
        await reopened(other, session)
        await until(lambda: other.find_text("test sample 77[^0-9,]"))
        # A reload, and a link opened after longer than the server waits, are new sessions with the same address.
        again = await opened(server, "", "sample=77")
        assert again.session != session
        assert again.find_text("test sample 77[^0-9,]")
        # Who clears the caches does not lose the job.
        clear = BackMsg(clear_cache=True)
        assert again._socket is not None
        await again._socket.send(clear.SerializeToString())
        await again.move("number_input", "Test sample", 5, "test sample 5[^0-9,]")
        for viewer in (first, other, again):
            assert viewer.complaints == []
            await viewer.close()
        late = await opened(server, "training")
        await until(lambda: epoch(late) > seen)
        await idle(late)
        assert (late.job or "").startswith("Stopped")
        await late.close()

    asyncio.run(story())


def test_a_training_outlives_edits_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_FILE_WATCHER_TYPE", "poll")
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(ROOT / "app.py", copy)
    for name in ("pages", "tempotron_core", ".streamlit"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    server = Server(tmp_path, copy / "app.py")

    async def story() -> None:
        viewer = await opened(server)
        await long_run(viewer)
        for name in ("tempotron_core/jobs/registry.py", "pages/state/training.py"):
            edits, file = viewer.edits, copy / name
            file.write_text(
                file.read_text().replace("-> TrainingRegistry:", "->  TrainingRegistry:") + "\nEDITED = True\n"
            )
            await until(lambda edits=edits: viewer.edits > edits)  # type: ignore[misc]
            seen, runs = epoch(viewer), viewer.runs
            await viewer.rerun()
            await until(lambda runs=runs, seen=seen: viewer.finished > runs and epoch(viewer) > seen)  # type: ignore[misc]
        await viewer.move("button", "Pause", True)
        await until(lambda: (viewer.job or "").startswith("Paused"))
        await viewer.move("button", "Stop", True)
        await until(lambda: (viewer.job or "").startswith("Stopped"))
        await viewer.move("number_input", "Epochs", 1)
        await viewer.move("button", "Start", True)
        await until(lambda: (viewer.job or "").startswith("Trained"))
        assert viewer.complaints == []
        await viewer.close()

    try:
        asyncio.run(story())
        assert server.complaints == [], server.log
    finally:
        server.interrupt()


def test_a_killed_server_loses_no_more_than_the_epoch(tmp_path: Path) -> None:
    server, seen = Server(tmp_path), 0

    async def story() -> None:
        nonlocal seen
        viewer = await opened(server)
        await long_run(viewer)
        await until(lambda: epoch(viewer) > 4)
        seen = epoch(viewer)
        server.process.kill()
        server.process.wait()
        await until(lambda: viewer.is_disconnected)
        await viewer.close()

    asyncio.run(story())
    killed = next(
        record for record in list_runs(tmp_path / "runs") if record.settings and record.settings.epochs == 1000
    )
    assert killed.problem is None
    assert len(load_snapshot(killed.path).epochs) >= seen - 2
    assert load_model(killed.path).weight.isfinite().all()

    async def afterwards() -> None:
        viewer = await opened(again, "", f"model=saved+run&run={killed.name}")
        assert viewer.find_text("test sample")
        await until(lambda: (viewer.job or "").startswith("Trained"))
        assert viewer.complaints == []
        await viewer.close()

    again = Server(tmp_path)
    try:
        asyncio.run(afterwards())
        assert again.complaints == [], again.log
    finally:
        again.interrupt()


def test_links_that_all_lead_past_the_entrance_of_a_new_server_come_in_by_it(tmp_path: Path) -> None:
    fresh = Server(tmp_path)

    async def story() -> None:
        pages = "encoder", "voltages", "evidence", "training", "replay", "overview"
        viewers = [Session(fresh.url, page, "sample=7") for page in pages]
        await asyncio.gather(*(viewer.open() for viewer in viewers))
        for viewer in viewers:
            await until(lambda viewer=viewer: viewer.find("number_input", "Test sample"))  # type: ignore[misc]
            await viewer.wait_for_first_run(LONG)
            assert viewer.complaints == []
            await viewer.close()

    try:
        asyncio.run(story())
    finally:
        fresh.interrupt()
    assert fresh.complaints == [], fresh.log
