"""Refresh interval of live parts of a page, longer the more sessions are active."""

from __future__ import annotations

import time

import streamlit as st

MAX_SESSIONS_AT_FULL_RATE = 6
SESSION_TIMEOUT_SECONDS = 30.0
"""A session counts for this long after its last run."""


def refresh_interval(seconds: float, live: bool) -> float | None:
    """Return the seconds between two automatic runs of a fragment, None if live is false.

    All sessions share one interpreter. Beyond MAX_SESSIONS_AT_FULL_RATE the interval grows in proportion to their
    number, so that the automatic runs per second stay constant.
    """
    load = max(1.0, count_active_sessions() / MAX_SESSIONS_AT_FULL_RATE)
    return seconds * load if live else None


def count_active_sessions() -> int:
    """Register this session as active and return the number of active sessions."""
    last_activity, now = _last_activity(), time.monotonic()
    last_activity[st.session_state.setdefault("_viewer", object())] = now
    for session, last_run in list(last_activity.items()):
        if now - last_run > SESSION_TIMEOUT_SECONDS:
            last_activity.pop(session, None)
    return len(last_activity)


@st.cache_resource(show_spinner=False)
def _last_activity() -> dict[object, float]:
    return {}
