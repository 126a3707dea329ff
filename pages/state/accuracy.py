"""Test accuracies computed in the background, so that no page waits for them."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections import OrderedDict

import streamlit as st

from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data.datasets import Dataset
from tempotron_core.model.classifier import Model

_MAX_ACCURACIES = 500
_MAX_WAITING = 8
_LOWEST_PRIORITY = 19
_STOP_TIMEOUT_SECONDS = 30.0


class BackgroundAccuracies:
    """Accuracies by key, computed one at a time by a thread of low priority; the latest request comes first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: OrderedDict[str, float] = OrderedDict()
        self._waiting: OrderedDict[str, tuple[Model, Dataset]] = OrderedDict()
        self._is_running = False
        self._current: str | None = None
        self._thread: threading.Thread | None = None
        # A thread inside native code would abort the interpreter's shutdown.
        atexit.register(self.stop)

    def stop(self) -> None:
        """Drop what waits, and wait for the end of the current evaluation."""
        with self._lock:
            self._waiting.clear()
            thread = self._thread
        if thread is not None:
            thread.join(_STOP_TIMEOUT_SECONDS)

    def get(self, key: str, model: Model, dataset: Dataset) -> float | None:
        """Return the test accuracy, or None while it is being computed.

        Args:
            key: identifies model and data set
            model: network
            dataset: data set whose test split is classified
        """
        with self._lock:
            if key in self._done:
                self._done.move_to_end(key)
                return self._done[key]
            if key == self._current:
                return None
            self._waiting[key] = model, dataset
            self._waiting.move_to_end(key)
            while len(self._waiting) > _MAX_WAITING:
                self._waiting.popitem(last=False)
            if not self._is_running:
                self._is_running = True
                self._thread = threading.Thread(target=self._run, name="accuracies", daemon=True)
                self._thread.start()
        return None

    def _run(self) -> None:
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        while True:
            with self._lock:
                self._current = None
                if not self._waiting:
                    self._is_running = False
                    return
                key, (model, dataset) = self._waiting.popitem()
                self._current = key
            try:
                accuracy = evaluate(model, dataset.test).accuracy
            except Exception:  # a model that cannot be evaluated has no accuracy; its page says why
                accuracy = float("nan")
            with self._lock:
                self._done[key] = accuracy
                while len(self._done) > _MAX_ACCURACIES:
                    self._done.popitem(last=False)


@st.cache_resource(show_spinner=False)
def background_accuracies() -> BackgroundAccuracies:
    """Return the accuracies of this server process."""
    return BackgroundAccuracies()
