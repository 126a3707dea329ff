"""Sentences on the best and the worst trial of a study, from measured quantities only.

Spearman C. The proof and measurement of association between two things. American Journal of Psychology 15(1), 72-101,
1904 (rank correlation).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tempotron_core.studies.quantities import QUANTITIES
from tempotron_core.studies.trials import TrialRecord, ranked

__all__ = ["MIN_TRIALS", "correlations", "explain", "rank_correlation"]

MIN_TRIALS = 5
"""Complete trials from which on a correlation is stated."""

_NAMED = ("late_spikes", "information", "dead_outputs", "margin")


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    """Return the rank correlation of two samples [n], None where one of them is constant."""
    ranks = [_ranks(np.asarray(values, float)) for values in (x, y)]
    first, second = (values - values.mean() for values in ranks)
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm else None


def correlations(records: Sequence[TrialRecord]) -> dict[str, float]:
    """Return the rank correlation of each quantity with the accuracy over the complete trials.

    Quantities that are constant, or measured for fewer than MIN_TRIALS trials, are left out.
    """
    found = {}
    for name in QUANTITIES:
        pairs = [(one.quantities[name], one.accuracy) for one in records if one.is_complete and name in one.quantities]
        if len(pairs) >= MIN_TRIALS:
            value = rank_correlation(*np.array(pairs, float).T)
            if value is not None:
                found[name] = value
    return found


def explain(records: Sequence[TrialRecord]) -> list[str]:
    """Return one sentence on the best and one on the worst complete trial; none before there are two."""
    complete = [one for one in ranked(records) if one.is_complete]
    if len(complete) < 2:
        return []
    related = correlations(complete)
    return [_sentence("Best", complete[0], complete, related), _sentence("Worst", complete[-1], complete, related)]


def _sentence(which: str, trial: TrialRecord, complete: list[TrialRecord], related: dict[str, float]) -> str:
    parts = []
    for name in _NAMED:
        if name not in trial.quantities:
            continue
        quantity = QUANTITIES[name]
        median = float(np.median([one.quantities[name] for one in complete if name in one.quantities]))
        notes = [f"median of the study {quantity.format(median)}"]
        if name in related:
            notes.append(f"rank correlation with the accuracy {related[name]:+.2f}")
        parts.append(f"{quantity.title} {quantity.format(trial.quantities[name])} ({', '.join(notes)})")
    measured = "; ".join(parts) or "nothing was measured"
    return (
        f"{which} of {len(complete)} complete trials, number {trial.number}, with {100 * (trial.accuracy or 0):.2f} % "
        f"on held-out samples: {measured}."
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks [n] of values [n]; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return np.asarray((ends - (counts - 1) / 2)[inverse])
