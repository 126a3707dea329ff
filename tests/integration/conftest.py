"""Fixtures of the pages run in-process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.state import training as training_state
from tempotron_core.jobs.registry import TrainingRegistry


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TrainingRegistry]:
    """An empty registry as in a process that has just started; no initial training; logs outside the project."""
    fresh = TrainingRegistry()
    monkeypatch.setattr(training_state, "process_objects", lambda: {"training registry": fresh})
    monkeypatch.setattr(training_state, "start_initial_training", lambda: None)
    monkeypatch.chdir(tmp_path)
    yield fresh
    fresh.shutdown(10)
