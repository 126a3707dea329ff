"""The server's use of its machine."""

from __future__ import annotations

import time

import pytest

from pages import server


def test_free_memory_is_given_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    library = type("Library", (), {"malloc_trim": lambda self, spare: given.append(spare)})()
    monkeypatch.setattr(server, "_C", library)
    monkeypatch.setattr(server, "_trimmed", time.monotonic() - 60)
    for _ in range(3):
        server.trim_heap()
    assert given == [0]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_C", None)
    monkeypatch.setattr(server, "_trimmed", time.monotonic() - 60)
    server.trim_heap()
    assert time.monotonic() - server._last_trim < 10
