"""How often live parts of a page refresh: at full rate for a few sessions, less often for many."""

from __future__ import annotations

import time

import streamlit as st

MAX_SESSIONS_AT_FULL_RATE = 6
SESSION_TIMEOUT_SECONDS = 30.0
"""A session counts for this long after its last run."""


def refresh_interval(seconds: float, live: bool) -> float | None:
    """Return the seconds between two runs of a fragment, None where nothing changes.

    All sessions share one interpreter. Beyond MAX_SESSIONS_AT_FULL_RATE the interval grows in proportion, so that the
    number of automatic runs per second stays constant.
    """
    load = max(1.0, count_active_sessions() / MAX_SESSIONS_AT_FULL_RATE)
    return seconds * load if live else None


def count_active_sessions() -> int:
    """Register this session as active and return the number of active sessions."""
    last_activity, now = _last_activity(), time.monotonic()
    last_activity[st.session_state.setdefault("_viewer", object())] = now
    for session, when in list(last_activity.items()):
        if now - when > SESSION_TIMEOUT_SECONDS:
            last_activity.pop(session, None)
    return len(last_activity)


@st.cache_resource(show_spinner=False)
def _last_activity() -> dict[object, float]:
    return {}
