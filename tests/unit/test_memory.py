"""The memory's use of its machine."""

from __future__ import annotations

import time

import pytest

from pages import memory


def test_free_memory_is_given_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    library = type("Library", (), {"malloc_trim": lambda self, spare: given.append(spare)})()
    monkeypatch.setattr(memory, "_libc", library)
    monkeypatch.setattr(memory, "_last_trim", time.monotonic() - 60)
    for _ in range(3):
        memory.trim_heap()
    assert given == [0]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_libc", None)
    began = time.monotonic()
    monkeypatch.setattr(memory, "_last_trim", began - 60)
    memory.trim_heap()
    assert began <= memory._last_trim <= time.monotonic()
