"""Start and end of the server process: imports, threads, memory, the initial training."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st

_M_ARENA_MAX = -8
_MAX_ARENAS = 2
_TRIM_SECONDS = 20.0

_libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
_last_trim = time.monotonic()
_imported = threading.Event()


@asynccontextmanager
async def lifespan(app: object) -> AsyncGenerator[None, None]:
    """Prepare the process before the first request, and stop the training at the end."""
    limit_arenas()
    # A training step makes many short calls, each of which takes the interpreter lock again: it must not wait long.
    sys.setswitchinterval(5e-4)
    warm_up = threading.Thread(target=_import_packages, name="imports", daemon=True)
    warm_up.start()
    yield
    if _imported.is_set():
        from pages.state.training import training_registry

        if not training_registry().shutdown():
            # A worker inside native code would abort the interpreter's own shutdown.
            atexit.register(os._exit, 0)


def wait_for_imports(title: str) -> None:
    """Show the page's title and a skeleton until the packages are imported."""
    if _imported.is_set():
        return
    place = st.empty()
    with place.container():
        st.title(title)
        st.html(_SKELETON)
    if not any(thread.name == "imports" for thread in threading.enumerate()):
        _import_packages()
    _imported.wait()
    place.empty()


_SKELETON = "<div>Loading</div>"


def _import_packages() -> None:
    import torch

    # Training, pages and browser share the cores: a thread pool each would only wait for the others.
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    import pages.shell.frame  # noqa: F401
    from pages.state.training import start_initial_training

    _imported.set()
    start_initial_training()


def limit_arenas() -> None:
    """Let all threads share two heaps.

    Every page run has its own thread. glibc gives each thread an arena, and free memory in one cannot serve another:
    with 25 sessions the server would grow by some MB a minute.
    """
    with contextlib.suppress(AttributeError):  # not glibc
        _libc.mallopt(_M_ARENA_MAX, _MAX_ARENAS)


def trim_heap() -> None:
    """Call malloc_trim at most every 20 s.

    Trainings and views of all sizes fragment the heap; glibc would keep hundreds of MB of free memory.
    """
    global _last_trim
    now = time.monotonic()
    if now - _last_trim < _TRIM_SECONDS:
        return
    _last_trim = now
    with contextlib.suppress(AttributeError):  # not glibc
        _libc.malloc_trim(0)


def freeze_imported_objects() -> None:
    """Exempt the objects of imported modules from garbage collection, again when more modules were imported."""
    _freeze(len(sys.modules))


@st.cache_resource(max_entries=1, show_spinner=False)
def _freeze(modules: int) -> int:
    """Call gc.freeze: a collection over all objects of torch takes 0.2 s."""
    gc.freeze()
    return modules
