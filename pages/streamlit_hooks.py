"""All uses of private names of Streamlit, one function each.

Each docstring names the upstream issue that makes the function necessary and when it can be removed. If a private name
is missing, the function logs this once and does nothing, so that the dashboard still works. A contract test checks that
every name exists in the installed Streamlit.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

P = ParamSpec("P")

_FLUSH_TIMEOUT_SECONDS = 1.0
_logger = logging.getLogger(__name__)


@contextmanager
def page_run() -> Iterator[None]:
    """Enclose the run of a whole page: its fragments do not wait for the flush; the end of the run waits once."""
    st.session_state["_full_rerun"] = True
    try:
        yield
    finally:
        st.session_state["_full_rerun"] = False
        wait_for_flush()
        drop_stale_fragment_rerun()


def flushing_fragment(draw: Callable[P, object], run_every: float | None = None) -> Callable[P, object]:
    """Return st.fragment(draw) that waits after each run until its messages have been flushed.

    Args:
        draw: function that draws the fragment
        run_every: seconds between automatic runs, None for none
    """

    @wraps(draw)
    def flushing(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except Exception:
            _wait_outside_page_run()  # the message of the exception is to arrive as well
            raise
        _wait_outside_page_run()

    return st.fragment(flushing, run_every=run_every)


def _wait_outside_page_run() -> None:
    if not st.session_state.get("_full_rerun"):
        wait_for_flush()


def wait_for_flush() -> None:
    """Wait until the event loop has taken up the messages of this run, at most 1 s.

    An automatic fragment rerun discards messages of the previous run that the event loop has not taken up, so a busy
    server would leave an outdated page. Caused by streamlit PR #9381; remove once an automatic rerun keeps them.
    """
    if not runtime.exists():
        return
    loop, flushed = _event_loop(), threading.Event()
    if loop is None:
        return
    try:
        loop.call_soon_threadsafe(flushed.set)
    except RuntimeError:  # the event loop is closed: the server is shutting down
        return
    flushed.wait(_FLUSH_TIMEOUT_SECONDS)


def drop_stale_fragment_rerun() -> None:
    """Discard a queued fragment rerun that belongs to a page the user has left.

    Streamlit would run the former page without the fragment and show an empty page: streamlit #9921, #11660, #9100.
    Remove once Streamlit ignores such reruns.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    try:
        requests: Any = context.script_requests
        current = context.shared.new_fragment_ids.snapshot()
        with requests._lock:
            rerun = requests._rerun_data
            fragments = rerun.fragment_id_queue if requests._state == ScriptRequestType.RERUN else ()
            other_page = rerun.page_script_hash not in ("", context.page_script_hash)
            if fragments and (other_page or current.isdisjoint(fragments)):
                requests._state = ScriptRequestType.CONTINUE
    except AttributeError as error:
        _log_missing("drop_stale_fragment_rerun", str(error))


def rerun_idle_sessions() -> None:
    """Rerun every idle session once so that it picks up a newly started training.

    Streamlit has no public way to rerun another session: streamlit #2838, #4391. Sessions that are running are skipped,
    because their latest widget states are not known yet.
    """
    if not runtime.exists():
        return
    loop, server = _event_loop(), runtime.get_instance()
    if loop is None:
        return

    def rerun() -> None:
        try:
            for info in server._session_mgr.list_active_sessions():
                if info.session._scriptrunner is None:
                    info.session.request_rerun(info.session._client_state)
        except AttributeError as error:
            _log_missing("rerun_idle_sessions", str(error))

    try:
        loop.call_soon_threadsafe(rerun)
    except RuntimeError:  # the event loop is closed: the server is shutting down
        return


def is_history_navigation() -> bool:
    """Return whether Back or Forward caused this run.

    After a link to another page a missing URL parameter means nothing, after Back it means the default. Streamlit tells
    its widgets, but not the script: streamlit #13963. Remove once there is a public name.
    """
    context = get_script_run_ctx()
    if context is not None and not hasattr(context, "is_history_navigation"):
        _log_missing("is_history_navigation", "ScriptRunContext.is_history_navigation")
    return bool(getattr(context, "is_history_navigation", False))


def bind_on_all_pages(values: Mapping[str, float | str | None]) -> None:
    """Keep the URL parameters of widgets that every page draws, in its body or in the sidebar.

    Streamlit removes a parameter from the URL when the page changes, if the widget has not been moved or was drawn by
    the body of another page: streamlit #13681, #14350. Remove once a parameter can be bound on several pages.

    Args:
        values: value by key of the widget, None for the default, which is not part of the URL
    """
    context = get_script_run_ctx()
    if context is None:
        return
    try:
        with context.session_state.query_params() as query_params:
            for key, value in values.items():
                binding = query_params.get_binding_for_param(key)
                if binding is None:
                    continue
                binding.script_hash = context.pages_manager.main_script_hash
                if value is not None and not query_params.has_param(key):
                    is_list = binding.value_type.endswith("array_value")
                    query_params.set_corrected_value(key, [value] if is_list else value, binding.value_type)
    except (AttributeError, TypeError) as error:
        _log_missing("bind_on_all_pages", str(error))


def index_html(url_paths: Sequence[str], own_script: str = "") -> str:
    """Return the HTML document of Streamlit with the base URL of the server set, and a script that runs before it.

    Without it the client first looks for the server below the path of the page, and each deep link logs two 404 errors:
    streamlit #7074. Remove once the client knows its base URL. `window.__streamlit` is a private name of the client.
    """
    document = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    script = (
        f"<script>(() => {{ const pages = {json.dumps(list(url_paths))}, parts = location.pathname.split('/');"
        " if (parts.at(-1) === '') parts.pop(); if (pages.includes(parts.at(-1))) parts.pop();"
        " window.__streamlit = { BACKEND_BASE_URL: location.origin + parts.join('/') }; })()</script>"
        + (f"<script>{own_script}</script>" if own_script else "")
    )
    return document.replace("<head>", f"<head>{script}", 1)


def _event_loop() -> asyncio.AbstractEventLoop | None:
    """Return the server's event loop; Streamlit has no public name for it."""
    try:
        loop = runtime.get_instance()._get_async_objs().eventloop
    except (AttributeError, RuntimeError) as error:  # RuntimeError: the server is starting or shutting down
        if isinstance(error, AttributeError):
            _log_missing("_event_loop", str(error))
        return None
    return loop if isinstance(loop, asyncio.AbstractEventLoop) else None


@functools.cache
def _log_missing(function: str, error: str) -> None:
    _logger.warning("Streamlit has changed: %s does nothing (%s).", function, error)
