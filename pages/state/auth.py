"""Log-in and view-only mode.

TEMPOTRON_VIEW_ONLY, unless empty, 0, false or no: viewers cannot start, stop, rename, delete, download or save.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

P = ParamSpec("P")

VIEW_ONLY_MESSAGE = "This server is view-only: nothing can be started, stopped, changed, saved or deleted here."


def require_login() -> None:
    """Show a log-in button and stop the run where the server's secrets configure a log-in and the viewer has none."""
    if st.user.get("is_logged_in", True):
        return
    st.title("Tempotron Explorer")
    st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)
    st.stop()


def is_writable() -> bool:
    """Return whether viewers may do more than look."""
    return os.environ.get("TEMPOTRON_VIEW_ONLY", "").strip().lower() in ("", "0", "false", "no")


def require_write_access(action: Callable[P, object]) -> Callable[P, None]:
    """Wrap a widget callback so that it does nothing in view-only mode, whatever a browser sends."""

    @wraps(action)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        if is_writable():
            action(*args, **kwargs)

    return guarded


def show_view_only_notice() -> None:
    """Show the notice of view-only mode where it is on."""
    if not is_writable():
        st.caption(f":material/visibility: {VIEW_ONLY_MESSAGE}")
