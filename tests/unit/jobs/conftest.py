"""Fixtures of the tests of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.jobs import NoLog

from tempotron_core.jobs import job
from tempotron_core.training.settings import Settings


@pytest.fixture
def without_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs leave nothing on disk."""

    @contextmanager
    def nowhere(_: Settings) -> Iterator[NoLog]:
        yield NoLog()

    monkeypatch.setattr(job, "open_run_log", nowhere)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(m=3, T=20, epochs=2, batch_size=8, log_dir=str(tmp_path))
