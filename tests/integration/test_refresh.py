"""The pace of what runs by itself: that of a few viewers, shared among many."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType
from streamlit.runtime.scriptrunner_utils.shared_run_state import SharedRunState

from pages import refresh, streamlit_hooks
from pages.state.training import format_status
from tempotron_core.jobs.job import Status
from tempotron_core.training.settings import Settings

NOW = 1e6
"""Seconds of the clock of these tests."""


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> dict[object, float]:
    seen: dict[object, float] = {}
    monkeypatch.setattr(refresh, "_last_activity", lambda: seen)
    monkeypatch.setattr(refresh, "time", SimpleNamespace(monotonic=lambda: NOW))
    monkeypatch.setattr("streamlit.session_state", {})
    return seen


def test_one_viewer_and_a_few_are_served_at_full_pace(others: dict[object, float]) -> None:
    assert refresh.refresh_interval(1.2, True) == 1.2
    others.update(dict.fromkeys(range(refresh.MAX_SESSIONS_AT_FULL_RATE - 1), NOW))
    assert refresh.refresh_interval(1.2, True) == 1.2


def test_many_viewers_ask_for_no_more_runs_a_second_than_a_few(others: dict[object, float]) -> None:
    others.update(dict.fromkeys(range(24), NOW))
    seconds = refresh.refresh_interval(1.2, True)
    assert seconds is not None
    assert 25 / seconds == pytest.approx(refresh.MAX_SESSIONS_AT_FULL_RATE / 1.2)


def test_an_idle_page_is_silent_however_many_look(others: dict[object, float]) -> None:
    others.update(dict.fromkeys(range(24), NOW))
    assert refresh.refresh_interval(1.2, False) is None


def test_a_viewer_counts_once_and_not_for_ever(others: dict[object, float]) -> None:
    others.update(dict.fromkeys(range(24), NOW - 2 * refresh.SESSION_TIMEOUT_SECONDS))
    assert [refresh.count_active_sessions(), refresh.count_active_sessions()] == [1, 1]
    assert len(others) == 1


def test_a_run_ends_when_the_server_has_taken_up_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.new_event_loop()
    taken: list[str] = []
    runtime = type("Runtime", (), {"_get_async_objs": lambda self: type("Objects", (), {"eventloop": loop})})
    monkeypatch.setattr("streamlit.runtime.exists", lambda: True)
    monkeypatch.setattr("streamlit.runtime.get_instance", runtime)
    loop.call_soon(time.sleep, 0.1)
    loop.call_soon(taken.append, "said before")
    server = threading.Thread(target=loop.run_forever)
    server.start()
    streamlit_hooks.wait_for_flush()
    assert taken == ["said before"]
    loop.call_soon_threadsafe(loop.stop)
    server.join()
    loop.close()
    streamlit_hooks.wait_for_flush()  # no wait for a server that is ending


@pytest.mark.parametrize(
    ("part", "of", "kept"),
    [("here", "this", True), ("here", "", True), ("here", "left", False), ("gone", "this", False), ("", "left", True)],
)
def test_only_parts_of_this_page_are_run_after_it(
    monkeypatch: pytest.MonkeyPatch, part: str, of: str, kept: bool
) -> None:
    """A whole page, even another one, is what the viewer asked for."""
    requests, shared = ScriptRequests(), SharedRunState()
    shared.new_fragment_ids.check_and_add("here")
    monkeypatch.setattr(
        streamlit_hooks,
        "get_script_run_ctx",
        lambda: SimpleNamespace(script_requests=requests, shared=shared, page_script_hash="this"),
    )
    requests.request_rerun(RerunData(fragment_id=part or None, page_script_hash=of))
    streamlit_hooks.drop_stale_fragment_rerun()
    assert (requests.on_scriptrunner_ready().type == ScriptRequestType.RERUN) == kept


def test_a_run_that_was_stopped_before_its_first_epoch_says_so() -> None:
    stopped = format_status(Status("stopped", Settings()))
    assert stopped == "Stopped: cross-entropy on embedded, 0% encoded"
    assert format_status(Status("running", Settings())).startswith("Preparing")


def test_a_part_that_runs_by_itself_waits_to_be_heard_and_the_whole_page_waits_once(
    monkeypatch: pytest.MonkeyPatch, others: dict[object, float]
) -> None:
    events: list[str] = []
    monkeypatch.setattr("streamlit.fragment", lambda draw, run_every: draw)
    monkeypatch.setattr(streamlit_hooks, "wait_for_flush", lambda: events.append("flushed"))
    part = streamlit_hooks.flushing_fragment(events.append, 1.2)
    with streamlit_hooks.page_run():
        part("drawn")
        part("drawn")
    assert events == ["drawn", "drawn", "flushed"]
    part("drawn again")
    assert events[3:] == ["drawn again", "flushed"]


def test_parts_wait_to_be_heard_after_a_page_that_raised(
    monkeypatch: pytest.MonkeyPatch, others: dict[object, float]
) -> None:
    events: list[str] = []

    def fail() -> None:
        events.append("raised")
        raise ZeroDivisionError

    monkeypatch.setattr("streamlit.fragment", lambda draw, run_every: draw)
    monkeypatch.setattr(streamlit_hooks, "wait_for_flush", lambda: events.append("flushed"))
    with pytest.raises(ZeroDivisionError), streamlit_hooks.page_run():
        streamlit_hooks.flushing_fragment(fail)()
    assert events == ["raised", "flushed"]
    streamlit_hooks.flushing_fragment(events.append)("drawn")
    assert events[2:] == ["drawn", "flushed"]
    with pytest.raises(ZeroDivisionError):
        streamlit_hooks.flushing_fragment(fail)()
    assert events[4:] == ["raised", "flushed"]
