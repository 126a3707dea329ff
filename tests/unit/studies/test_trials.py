"""Records of trials: groups by a setting, ranks, sentences from measured quantities."""

import numpy as np
import pytest

from tempotron_core.studies.explanation import correlations, explain, rank_correlation
from tempotron_core.studies.space import Parameter
from tempotron_core.studies.trials import TrialRecord, group_curves, ranked


def record(number: int, accuracy: float | None, beta: float, **quantities: float) -> TrialRecord:
    state = "pruned" if accuracy is None else "complete"
    curves = ((0.1, accuracy or 0.0), (0.2, accuracy or 0.0))
    return TrialRecord(number, state, accuracy, {"beta": beta}, curves, 1.0, quantities, ("run",))


def slow_rank_correlation(x: list[float], y: list[float]) -> float:
    def ranks(values: list[float]) -> list[float]:
        return [
            sum(other < value for other in values) + (1 + sum(other == value for other in values)) / 2
            for value in values
        ]

    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


def test_the_rank_correlation_equals_a_slow_one() -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(0, 6, 30).tolist(), random.normal(size=30).tolist()
    found = rank_correlation(np.array(x), np.array(y))
    assert found == pytest.approx(slow_rank_correlation(x, y))
    assert rank_correlation(np.array([1.0, 2, 4]), np.array([9.0, 5, 1])) == pytest.approx(-1)
    assert rank_correlation(np.ones(3), np.arange(3.0)) is None


def test_sentences_state_the_measured_values_of_the_best_and_the_worst_trial() -> None:
    records = [record(i, 0.5 + 0.1 * i, 1.0, late_spikes=0.5 - 0.1 * i, margin=0.2) for i in range(5)]
    best, worst = explain([*records, record(5, None, 1.0, late_spikes=0.9)])
    assert best.startswith("Best of 5 complete trials, number 4, with 90.00 %")
    assert "late spikes 10 % of all spikes (median of the study 30 % of all spikes, " in best
    assert "rank correlation with the accuracy -1.00)" in best
    assert "mean margin 0.2 thresholds (median of the study 0.2 thresholds)" in best  # constant: no correlation
    assert worst.startswith("Worst of 5 complete trials, number 0, with 50.00 %")
    assert correlations(records[:4]) == {}  # too few
    assert explain(records[:1]) == []


def test_curves_are_grouped_by_a_value_or_by_parts_of_a_range() -> None:
    records = [record(i, 0.1 * i, float(i)) for i in range(8)]
    listed = group_curves([*records, record(9, None, 1.0)], Parameter("beta", (1.0, 2.0)))
    assert len(listed) == 8
    parts = group_curves(records, Parameter("beta", (), 0.0, 10.0))
    assert [part.label for part in parts] == ["beta 0 to 1", "beta 2 to 3", "beta 4 to 5", "beta 6 to 7"]
    assert [part.runs for part in parts] == [4] * 4
    assert parts[1].mean == pytest.approx([0.15, 0.25])
    assert parts[1].deviation[1] == pytest.approx(np.std([0.2, 0.2, 0.3, 0.3], ddof=1))


def test_the_best_trial_is_first_and_pruned_ones_are_last() -> None:
    records = [record(0, None, 1.0), record(1, 0.5, 1.0), record(2, 0.7, 1.0), record(3, 0.7, 1.0)]
    assert [one.number for one in ranked(records)] == [2, 3, 1, 0]
