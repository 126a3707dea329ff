"""Start and shutdown of the server process: imports, threads, memory, initial training."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import FrameType

import streamlit as st
import uvicorn

from pages import memory

_imported, _first_paint = threading.Event(), threading.Event()
_START_DIRECTORY = os.getcwd()
_FIRST_PAINT_TIMEOUT_SECONDS = 2.0
"""Time after which the packages are imported although no page has been opened."""
_FLUSH_SECONDS = 0.05
"""Time in which the event loop sends the skeleton."""


@asynccontextmanager
async def lifespan(app: object) -> AsyncGenerator[None, None]:
    """Prepare the process before the first request; stop the training at shutdown."""
    _exit_with_zero_on_interrupt()
    memory.limit_arenas()
    # A training step makes many short calls into native code and must acquire the interpreter lock after each. A short
    # switch interval keeps it from waiting 5 ms (the default) each time that a page is running.
    sys.setswitchinterval(5e-4)
    warm_up = threading.Thread(target=_import_packages, name="imports", daemon=True)
    warm_up.start()
    yield
    if _imported.is_set():
        from pages.state.training import training_registry

        if not training_registry().shutdown():
            # The worker thread is still inside native code, where it would abort the regular interpreter shutdown.
            atexit.register(os._exit, 0)


def _exit_with_zero_on_interrupt() -> None:
    """Replace the handler of Ctrl-C by one that only asks the server to stop.

    uvicorn's own handler raises the signal again after the shutdown, which ends the command with "Aborted!" and status
    1 (https://github.com/encode/uvicorn/pull/1600). A second Ctrl-C does not wait for open connections, as before.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    server = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    if not isinstance(server, uvicorn.Server):
        return

    def stop(number: int, frame: FrameType | None) -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    signal.signal(signal.SIGINT, stop)


def restore_working_directory() -> None:
    """Create the working directory again where it was deleted: Streamlit itself looks for its files there.

    Where that fails, an empty temporary directory takes its place, so that no other folder becomes readable.
    """
    try:
        os.getcwd()
    except OSError:
        try:
            os.makedirs(_START_DIRECTORY, exist_ok=True)
            os.chdir(_START_DIRECTORY)
        except OSError:
            os.chdir(tempfile.mkdtemp(prefix="tempotron-"))


def wait_for_imports(title: str) -> None:
    """Show the title and a skeleton of the page until the packages are imported."""
    if _imported.is_set():
        return
    place = st.empty()
    with place.container():
        st.title(title)
        st.html(_SKELETON)
    _first_paint.set()
    if not any(thread.name == "imports" for thread in threading.enumerate()):
        _import_packages()
    _imported.wait()
    place.empty()


_SKELETON = """<style>
.first-load-skeleton { display: grid; gap: 1rem; }
.first-load-skeleton div { border-radius: 8px; background: light-dark(#8882, #fff2); }
</style><div class="first-load-skeleton" role="status" aria-label="Loading">
<div style="height: 2.2rem; width: 60%"></div><div style="height: 11rem"></div><div style="height: 17rem"></div>
</div>"""


def _import_packages() -> None:
    # The import holds the interpreter lock for seconds, so the first page gets its navigation and skeleton before it.
    if _first_paint.wait(_FIRST_PAINT_TIMEOUT_SECONDS):
        time.sleep(_FLUSH_SECONDS)
    try:
        from tempotron_core.training.resources import set_threads
    except ImportError as error:
        if error.name != "torch":
            raise
        print(error, file=sys.stderr, flush=True)
        os._exit(2)  # no page can ever be shown

    # Training, pages and browser share the cores; more threads would compete for them.
    set_threads()
    import pages.shell.frame  # noqa: F401
    from pages.state.training import start_initial_training

    _imported.set()
    if os.environ.get("TEMPOTRON_INITIAL_TRAINING", "1") != "0":
        start_initial_training()
