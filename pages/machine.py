"""How the server uses its machine: threads, turns of the interpreter, memory."""

import contextlib
import ctypes
import gc
import os
import sys
import time
from typing import Any

import streamlit as st
import torch

_M_ARENA_MAX = -8
_HEAPS = 2
_TRIM_SECONDS = 20.0

# Training, pages and browser share the cores: a pool of threads each would spend its time waiting for the others.
torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
# A training step is many short calls, each of which asks for the interpreter again: it must not wait long for a page.
sys.setswitchinterval(5e-4)
_C: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
# Every run of a page has a thread of its own. The C library gives many threads a heap each, and what is free in one is
# of no use in another: with 25 viewers the server would grow by some MB a minute.
with contextlib.suppress(AttributeError):  # another C library
    _C.mallopt(_M_ARENA_MAX, _HEAPS)

_trimmed = time.monotonic()


def give_back() -> None:
    """Return what is free in the heaps to the system, every 20 s at most.

    Trainings and views of all sizes leave holes between what stays, which the C library keeps: hundreds of MB in half
    an hour of changing views.
    """
    global _trimmed
    now = time.monotonic()
    if now - _trimmed < _TRIM_SECONDS:
        return
    _trimmed = now
    with contextlib.suppress(AttributeError):
        _C.malloc_trim(0)


@st.cache_resource(max_entries=1, show_spinner=False)
def spare_collections(modules: int) -> int:
    """Leave what now lives out of garbage collections; called again where more modules have been imported since.

    Streamlit collects all garbage after every run of a script, before its last messages are sent. Walking through all
    that torch has imported takes 0.2 s, longer than everything else between a slider and its chart.
    """
    gc.freeze()
    return modules
