"""Memory of the server process: heaps and garbage collection."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import time
from typing import Any

import streamlit as st

_M_ARENA_MAX = -8
_MAX_ARENAS = 2
_TRIM_SECONDS = 20.0

_libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
_last_trim = time.monotonic()


def limit_arenas() -> None:
    """Let all threads share two heaps (M_ARENA_MAX).

    Every run of a page has its own thread. glibc gives each thread an arena, and free memory of one arena is not
    available to others: with 25 sessions the server would grow by some MB per minute.
    """
    with contextlib.suppress(AttributeError):  # not glibc
        _libc.mallopt(_M_ARENA_MAX, _MAX_ARENAS)


def trim_heap() -> None:
    """Call malloc_trim at most every 20 s.

    Trainings and views of different sizes fragment the heap; glibc would retain hundreds of MB of free memory.
    """
    global _last_trim
    now = time.monotonic()
    if now - _last_trim < _TRIM_SECONDS:
        return
    _last_trim = now
    with contextlib.suppress(AttributeError):  # not glibc
        _libc.malloc_trim(0)


def freeze_imported_objects() -> None:
    """Exempt the objects of imported modules from garbage collection; repeat when more modules were imported."""
    _freeze(len(sys.modules))


@st.cache_resource(max_entries=1, show_spinner=False)
def _freeze(modules: int) -> int:
    """Call gc.freeze: a collection over all objects of torch takes 0.2 s."""
    gc.freeze()
    return modules
