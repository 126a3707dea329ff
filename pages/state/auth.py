"""Log-in and view-only mode.

If the environment variable TEMPOTRON_VIEW_ONLY is set to anything but 0, false or no, viewers cannot start, stop,
rename, delete, download or save.
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
    """Show a log-in button and stop the run if the server requires a log-in and the viewer is not logged in."""
    if st.user.get("is_logged_in", True):
        return
    st.title("Tempotron Explorer")
    st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)
    st.stop()


def is_writable() -> bool:
    """Return whether the server allows changes, that is, is not in view-only mode."""
    return os.environ.get("TEMPOTRON_VIEW_ONLY", "").strip().lower() in ("", "0", "false", "no")


def require_write_access(action: Callable[P, object]) -> Callable[P, None]:
    """Wrap a widget callback so that it does nothing in view-only mode.

    Disabled widgets are not enough: a modified client can still send their events.
    """

    @wraps(action)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        if is_writable():
            action(*args, **kwargs)

    return guarded


def show_view_only_notice() -> None:
    """Show a notice if the server is in view-only mode."""
    if not is_writable():
        st.caption(f":material/visibility: {VIEW_ONLY_MESSAGE}")
