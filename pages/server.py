"""Start and end of the server process: imports, threads, memory, the initial training."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import streamlit as st

from pages import memory

_imported = threading.Event()


@asynccontextmanager
async def lifespan(app: object) -> AsyncGenerator[None, None]:
    """Prepare the process before the first request, and stop the training at the end."""
    memory.limit_arenas()
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


_SKELETON = """<style>
.first-load-skeleton { display: grid; gap: 1rem; }
.first-load-skeleton div { border-radius: 8px; background: light-dark(#8882, #fff2); }
</style><div class="first-load-skeleton" role="status" aria-label="Loading">
<div style="height: 2.2rem; width: 60%"></div><div style="height: 11rem"></div><div style="height: 17rem"></div></div>"""


def _import_packages() -> None:
    import torch

    # Training, pages and browser share the cores: a thread pool each would only wait for the others.
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    import pages.shell.frame  # noqa: F401
    from pages.state.training import start_initial_training

    _imported.set()
    start_initial_training()
