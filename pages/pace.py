"""When a page runs by itself: as often as asked for a few viewers, more seldom the more of them share the server."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

P = ParamSpec("P")

FEW = 6
"""So many viewers are served at full pace."""

WINDOW_SECONDS = 30.0
"""So long a viewer counts after his last run."""


def tick(seconds: float, moves: bool) -> float | None:
    """Seconds between two runs of a fragment; None where nothing moves, so that an idle page is silent.

    All runs of a server share one interpreter: beyond a few viewers they take turns, so that the runs that nobody asked
    for stay as many a second as those of the few.
    """
    crowd = max(1.0, viewers() / FEW)
    return seconds * crowd if moves else None


def viewers() -> int:
    """How many sessions have run lately; this one is among them from now on."""
    seen, now = _last_runs(), time.monotonic()
    seen[st.session_state.setdefault("_viewer", object())] = now
    for viewer, when in list(seen.items()):
        if now - when > WINDOW_SECONDS:
            seen.pop(viewer, None)
    return len(seen)


def fragment(draw: Callable[P, object], run_every: float | None = None) -> Callable[P, object]:
    """A part of a page that runs by itself, see st.fragment, none of whose runs goes unheard."""

    @wraps(draw)
    def drawn(*args: P.args, **more: P.kwargs) -> None:
        draw(*args, **more)
        if not st.session_state.get("_whole_page"):
            heard()

    return st.fragment(drawn, run_every=run_every)


def begin() -> None:
    """The whole page runs: what its parts have drawn is waited for at its end, once."""
    st.session_state["_whole_page"] = True


def end(page: str) -> None:
    """The page of that hash has run."""
    heard()
    forget_what_was_left(page)
    st.session_state["_whole_page"] = False


def forget_what_was_left(page: str) -> None:
    """Drop what waits for this run's end where it is a part of another page, or of none.

    A control that was moved, or a part that runs by itself, may be asked for after another page has been, and before
    the browser shows that. Streamlit would go back to the page that was left, find no such part there any more, and
    leave the viewer with an empty page; or complain in its log that this page has no such part.
    """
    with contextlib.suppress(AttributeError):  # another Streamlit
        context: Any = get_script_run_ctx()
        requests, here = context.script_requests, context.shared.new_fragment_ids.snapshot()
        with requests._lock:
            asked = requests._rerun_data
            parts = asked.fragment_id_queue if requests._state == ScriptRequestType.RERUN else ()
            if parts and (asked.page_script_hash not in ("", page) or here.isdisjoint(parts)):
                requests._state = ScriptRequestType.CONTINUE


def heard() -> None:
    """Wait until the server has taken up what this run has drawn; at the end of every run.

    A fragment that runs by itself makes Streamlit drop what an ended run has said and the server has not yet taken up,
    which many viewers keep busy: a page would go on showing what was chosen before.
    """
    if not runtime.exists():
        return
    with contextlib.suppress(AttributeError, RuntimeError):  # another Streamlit, or one that is ending
        loop, taken = runtime.get_instance()._get_async_objs().eventloop, threading.Event()
        if isinstance(loop, asyncio.AbstractEventLoop):
            loop.call_soon_threadsafe(taken.set)
            taken.wait(1)


def wake() -> None:
    """Run the pages that lie still once, as their viewers left them: there is something new, which all should see.

    A page that runs anyway is left alone: what its viewer has just chosen is not known yet.
    """
    if not runtime.exists():
        return
    with contextlib.suppress(AttributeError, RuntimeError):  # another Streamlit, or one that is ending
        server = runtime.get_instance()

        def run() -> None:
            with contextlib.suppress(AttributeError):
                for one in server._session_mgr.list_active_sessions():
                    if one.session._scriptrunner is None:
                        one.session.request_rerun(one.session._client_state)

        server._get_async_objs().eventloop.call_soon_threadsafe(run)


@st.cache_resource(show_spinner=False)
def _last_runs() -> dict[object, float]:
    return {}
