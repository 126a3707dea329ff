"""Who may do what, and where: viewers who only look, folders that no page leaves, words that are only words.

Three settings of the server, all of them environment variables:

    TEMPOTRON_VIEW_ONLY   anything but 0: nobody starts, holds, stops, names, deletes, downloads or saves anything
    TEMPOTRON_DATA        the folders below which data sets are read and downloaded, separated as in PATH
    TEMPOTRON_RUNS        the folders below which runs are written and looked for

Without the latter two it is the folder in which the server was started.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import streamlit as st
from streamlit.runtime import Runtime, exists, get_instance
from streamlit.runtime.pages_manager import PagesManager

P = ParamSpec("P")

ONLY_LOOKING = "This server is for looking only: nothing can be started, stopped, changed, saved or deleted here."
DATA, RUNS = "TEMPOTRON_DATA", "TEMPOTRON_RUNS"

_MARKUP = re.compile(r"([\\`*\[\]<>$~|]|(?<!\w)_|_(?!\w))")
_ADDRESS = re.compile(r"(://|www(?=\.)|@)", re.IGNORECASE)
_JOINER = "\u2060"  # nothing to see, and no address any more


class PlaceError(ValueError):
    """A folder outside those that the server was given, in one sentence."""


def entrance() -> None:
    """This viewer has come in by app.py."""
    st.session_state["_entered"] = True


def by_the_entrance() -> None:
    """Hand a page over to app.py, where a viewer has come to it past that.

    Streamlit takes a folder named pages for a set of scripts to run without app.py, until app.py has set up its own
    navigation once. On a new server a link that leads straight to a page would so miss the log-in, the sidebar and the
    link's choices, for as many viewers as come in the same instant.
    """
    # A page tested by itself has a stand-in for the runtime, and no entrance.
    if exists() and type(get_instance()) is Runtime and "_entered" not in st.session_state:
        PagesManager.uses_pages_directory = False
        st.rerun()


def gate() -> None:
    """Ask for a log-in before anything is drawn, where the server's secrets configure one."""
    if st.user.get("is_logged_in", True):
        return
    st.title("Tempotron Explorer")
    st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)
    st.stop()


def may_change() -> bool:
    """Whether the viewers of this server may do more than look."""
    return os.environ.get("TEMPOTRON_VIEW_ONLY", "").strip().lower() in ("", "0", "false", "no")


def owned(action: Callable[P, object]) -> Callable[P, None]:
    """The action of a control, which does nothing where viewers may only look, whatever a browser sends."""

    @wraps(action)
    def guarded(*args: P.args, **more: P.kwargs) -> None:
        if may_change():
            action(*args, **more)

    return guarded


def remark() -> None:
    """Say that this server is for looking only, where it is."""
    if not may_change():
        st.caption(f":material/visibility: {ONLY_LOOKING}")


def tidy_link() -> None:
    """Drop the infinite numbers of a link, at which controls that hold whole numbers would throw."""
    infinite = [key for key in st.query_params if any(map(_infinite, st.query_params.get_all(key)))]
    for key in infinite:
        del st.query_params[key]
    if infinite:
        st.rerun()  # what a control begins with was read off the link before


def _infinite(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False


def first_folder(variable: str, otherwise: str) -> str:
    """The first of the folders that the setting names."""
    return next(iter(_named(variable)), otherwise)


def confined(what: str, folder: str, variable: str) -> str:
    """The folder as it was typed; PlaceError where it, or what a link in it leads to, lies outside the setting's."""
    roots = [Path(root).expanduser().resolve() for root in _named(variable) or (os.getcwd(),)]
    try:
        place = Path(folder).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        place = None
    if place is None or not any(place.is_relative_to(root) for root in roots):
        asked = folder if len(folder) <= 80 else f"{folder[:76]} ..."
        raise PlaceError(
            f"{what}: expected a folder inside {' or '.join(repr(str(root)) for root in roots)}, got {asked!r}; "
            f"choose one there, or start the server with {variable} set to yours."
        )
    return folder


def plain(text: object) -> str:
    """Text from data, names or errors as Markdown that shows it as it is, on one line, without links."""
    line = " ".join(str(text).split())
    return _ADDRESS.sub(rf"\1{_JOINER}", _MARKUP.sub(r"\\\1", line))


def _named(variable: str) -> tuple[str, ...]:
    return tuple(part for part in os.environ.get(variable, "").split(os.pathsep) if part.strip())
