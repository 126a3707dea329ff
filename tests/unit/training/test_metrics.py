"""Rows that snapshots share: each is what it was when it was taken, and one more costs one row."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers import idx_files
from hypothesis import given
from hypothesis import strategies as st

from tempotron_core.training import loop
from tempotron_core.training.loop import STEPS_PER_SNAPSHOT, train_model
from tempotron_core.training.metrics import EpochMetrics, History, StepMetrics, StepMetricsHistory
from tempotron_core.training.settings import Settings


def point(number: int) -> StepMetrics:
    return StepMetrics(16 * number, 1 / (number + 1), number / 1e6, 0.1 * number % 1)


def result(number: int) -> EpochMetrics:
    return EpochMetrics(number, 100 * number, 0.3, 0.5, 0.7, 1.0, 100.0, dead_outputs=(number,))


KINDS: list[tuple[type[History[Any]], Any]] = [(StepMetricsHistory, point), (History, result)]


@pytest.mark.parametrize(("kind", "made"), KINDS)
@given(lengths=st.lists(st.integers(0, 12), max_size=30), places=st.lists(st.integers(-14, 14), max_size=5))
def test_histories_are_what_tuples_would_be(
    kind: type[History[Any]], made: Any, lengths: list[int], places: list[int]
) -> None:
    """Branches go on from earlier instants: whatever is appended to one is not seen by another."""
    known: list[tuple[History[Any], tuple[Any, ...]]] = [(kind(), ())]
    for number, length in enumerate(lengths):
        history, rows = known[length % len(known)]
        known.append((history.appended(made(number)), (*rows, made(number))))
    for history, rows in known:
        assert len(history) == len(rows)
        assert history == rows and rows == history and tuple(history) == rows and repr(history) == repr(rows)
        assert history == kind(rows) and history != (*rows, made(99))
        for place in places:
            assert history[place:] == rows[place:] and history[:place] == rows[:place]
            if -len(rows) <= place < len(rows):
                assert history[place] == rows[place]
            else:
                with pytest.raises(IndexError):
                    history[place]


def test_columns_are_those_of_the_instant() -> None:
    early = StepMetricsHistory(map(point, range(50)))
    late = early.appended(point(50))
    for points in (early, late, StepMetricsHistory()):
        for name in ("step", "loss", "accuracy", "batch_accuracy"):
            assert points.column(name).tolist() == [getattr(row, name) for row in points]
    column = early.column("loss")
    column[:] = 0  # a copy
    assert early.appended(point(9)).column("loss").tolist() == [*(1 / (i + 1) for i in range(50)), 0.1]


@pytest.mark.parametrize(("kind", "made"), KINDS)
def test_thousands_of_instants_take_the_room_of_one(kind: type[History[Any]], made: Any) -> None:
    rows = [made(number) for number in range(5_000)]
    tracemalloc.start()
    instants = [kind()]
    for row in rows:
        instants.append(instants[-1].appended(row))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 5_000 * 200  # tuples would take 100 MB
    assert all(len(history) == number for number, history in enumerate(instants))
    assert instants[1234] == rows[:1234]


def test_a_very_long_run_keeps_fewer_points_and_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    few, settings = idx_files.few_digits(195, 20), Settings(m=3, T=20, epochs=4, batch_size=2)
    usual = list(train_model(settings, few))
    monkeypatch.setattr(loop, "MAX_POINTS", 10)
    thin = list(train_model(settings, few))
    # 392 steps, 98 an epoch: 25 snapshots and one at each end of an epoch
    assert [snapshot.step for snapshot in thin] == [snapshot.step for snapshot in usual]
    spacing = 4 * STEPS_PER_SNAPSHOT
    assert [point.step for point in thin[-1].points] == sorted({*range(spacing, 393, spacing), 98, 196, 294, 392})
    assert 392 / spacing <= 10 < 392 / (spacing / 2)

    def without_times(results: Sequence[EpochMetrics]) -> list[EpochMetrics]:
        return [replace(row, seconds=0, samples_per_second=0) for row in results]

    assert without_times(thin[-1].epochs) == without_times(usual[-1].epochs)
    assert thin[-1].weight is not None and usual[-1].weight is not None
    assert thin[-1].weight.equal(usual[-1].weight)
    first, *_ = thin[-1].points
    parts = [row for row in usual[-1].points if row.step <= first.step]
    assert first.loss == pytest.approx(np.mean([row.loss for row in parts]))
    assert first.accuracy == pytest.approx(np.mean([row.accuracy for row in parts]))
    assert first.batch_accuracy == parts[-1].batch_accuracy
    last, ends = thin[-1].points[-1], [row for row in usual[-1].points if row.step > thin[-1].points[-2].step]
    samples = np.diff([thin[-1].points[-2].step, *(row.step for row in ends)]) * 2.0
    samples[-1] -= 1  # an epoch of 195 samples ends with a batch of one
    assert last.loss == pytest.approx(np.average([row.loss for row in ends], weights=samples))
