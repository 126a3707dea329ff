"""Search for a better population code near the present one.

One code is better than another where it makes no fewer different codes of the 256 values, keeps no less of the entropy
of a pixel's value and leaves no larger share of the spikes too late, and where it makes more codes or brings one
percent of the spikes or more in time. Which class is right is not asked: only a training tells the accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tempotron_core.analysis.code_statistics import VALUES, PopulationCode
from tempotron_core.model.classifier import PIXELS

__all__ = [
    "Advice",
    "Candidate",
    "CodeTables",
    "advise",
    "best_improvement",
    "evaluate_candidate",
    "neighbours",
    "redundant_curves",
    "smallest_equivalent",
]

M, T, BETA = (3, 64), (10, 600), (0.5, 4.0)
"""The ranges in which codes are tried."""
MIN_DIFFERENCE = 0.01
"""The share of the spikes from which on a difference counts."""
_BETA_STEPS = (-0.5, -0.2, -0.1, 0.0, 0.1, 0.2, 0.5)
_T_FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
_M_FACTORS = (0.5, 0.75, 1.5, 2.0)
_SMALLER_M = (3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48)


@dataclass(frozen=True, eq=False)
class CodeTables:
    """Spike tables of a code other than the Gaussian one, by its settings.

    Attributes:
        table: (m, T in ms, beta) -> spike times [values, m], -1 for none
        value: name of one of its values
        has_width: whether beta has an effect
    """

    table: Callable[[int, int, float], np.ndarray]
    value: str
    has_width: bool


@dataclass(frozen=True)
class Candidate:
    """Settings of a code (T in ms) and its statistics, see PopulationCode; spikes: per image."""

    m: int
    T: int
    beta: float
    num_codes: int
    entropy_ratio: float
    late_spike_fraction: float
    spikes: float

    def is_no_worse_than(self, other: Candidate) -> bool:
        """Return whether it has at least as many codes and no more late spikes."""
        return (
            self.num_codes >= other.num_codes
            and self.entropy_ratio >= other.entropy_ratio - 1e-12
            and self.late_spike_fraction <= other.late_spike_fraction + 1e-12
        )

    def is_better_than(self, other: Candidate) -> bool:
        """Return whether it is also visibly better in one of them."""
        has_gain = (
            self.num_codes > other.num_codes or other.late_spike_fraction - self.late_spike_fraction >= MIN_DIFFERENCE
        )
        return self.is_no_worse_than(other) and has_gain


def evaluate_candidate(
    m: int, T: int, beta: float, time_to_peak: float, histogram: np.ndarray, features: int = PIXELS,
    tables: CodeTables | None = None,
) -> Candidate:  # fmt: skip
    """Return the statistics of a code, see PopulationCode and CodeTables for the arguments."""
    return _evaluate_candidate(m, T, round(beta, 3), time_to_peak, _interned(histogram.tobytes()), features, tables)


@lru_cache(maxsize=8)
def _interned(histogram: bytes) -> bytes:
    """Return one shared object for equal histograms: thousands of cached candidates would hold one each."""
    return histogram


@lru_cache(maxsize=8192)
def _evaluate_candidate(
    m: int, T: int, beta: float, time_to_peak: float, histogram: bytes, features: int, tables: CodeTables | None
) -> Candidate:
    table = tables.table(m, T, beta) if tables else None
    code = PopulationCode(m, T, beta, time_to_peak, np.frombuffer(histogram, np.int64), features, table)
    return Candidate(m, T, beta, code.num_codes, code.entropy_ratio, code.late_spike_fraction, code.spikes_per_image)


def neighbours(m: int, current_T: int, beta: float) -> list[tuple[int, int, float]]:
    """Return settings to try: other beta and T with the same m, other m with the same beta and T."""
    windows = {min(max(10 * round(current_T * factor / 10), T[0]), T[1]) for factor in _T_FACTORS}
    widths = {round(min(max(beta + step, BETA[0]), BETA[1]), 2) for step in _BETA_STEPS}
    sizes = {min(max(round(m * factor), M[0]), M[1]) for factor in _M_FACTORS}
    settings = {(m, window, width) for window in windows for width in widths} | {(n, current_T, beta) for n in sizes}
    return sorted(settings - {(m, current_T, beta)})


def best_improvement(current: Candidate, candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the best of the better candidates: by what is missing in whole percent, then by fewer spikes."""

    def order(candidate: Candidate) -> tuple[float, ...]:
        missing = 1 - candidate.num_codes / VALUES + candidate.late_spike_fraction
        return round(missing, 2), round(candidate.spikes), candidate.T, candidate.m, abs(candidate.beta - current.beta)

    return min((candidate for candidate in candidates if candidate.is_better_than(current)), key=order, default=None)


def smallest_equivalent(current: Candidate, candidates: Iterable[Candidate]) -> Candidate | None:
    """Return the no-worse candidate with the fewest curves, None where none has fewer."""
    smaller = (candidate for candidate in candidates if candidate.m < current.m and candidate.is_no_worse_than(current))
    return min(smaller, key=lambda candidate: candidate.m, default=None)


def redundant_curves(table: np.ndarray, information: np.ndarray) -> tuple[int, ...]:
    """Return curves, from 0, that can all be left out without merging codes; the least informative first.

    table: spike times [256, m]; information: mutual information of each curve with the class [m].
    """
    num_differing = np.zeros((len(table), len(table)), np.uint8)
    differs = [column[:, None] != column for column in table.T]
    for pairs in differs:
        num_differing += pairs
    redundant = []
    for j in np.argsort(information, kind="stable").tolist():
        remaining = num_differing - differs[j]
        if ((remaining > 0) == (num_differing > 0)).all():
            num_differing = remaining
            redundant.append(j)
    return tuple(sorted(redundant))


@dataclass(frozen=True)
class Advice:
    """The present code, a better one and a smaller one nearby, None where there is none.

    num_values: values of a feature; value: what one is called; varied: settings that were tried.
    """

    current: Candidate
    better: Candidate | None
    smallest_equivalent: Candidate | None
    num_values: int = VALUES
    value: str = "value"
    varied: str = "m, beta or T"

    @property
    def text(self) -> str:
        """Return assessment and recommendation."""
        return f"{self.assessment} {self.remedy}"

    @property
    def remedy(self) -> str:
        """Return the recommendation."""
        return f"{self._improvement_text} {self._smaller_text}".strip()

    @property
    def assessment(self) -> str:
        """Return one sentence on the present code."""
        current = self.current
        values = f"{self.num_values} {self.value}s"
        codes_text = f"All {values} keep their own codes"
        if current.num_codes < self.num_values:
            codes_text = f"The {values} make only {current.num_codes} different codes"
        link = "and" if (current.num_codes == self.num_values) == (current.late_spike_fraction == 0) else "but"
        late_text = (
            f"{_percent(current.late_spike_fraction)} of the spikes come too late"
            if current.late_spike_fraction
            else "no spike comes too late"
        )
        return f"{codes_text}, {link} {late_text}."

    @property
    def _improvement_text(self) -> str:
        current, candidate = self.current, self.better
        if candidate is None:
            if current.num_codes == self.num_values and current.late_spike_fraction < MIN_DIFFERENCE:
                return "There is nothing to repair."
            return f"No {self.varied} nearby does clearly better in one without doing worse in the other."
        gains = []
        if candidate.num_codes > current.num_codes:
            gains.append(f"makes {candidate.num_codes} different codes instead of {current.num_codes}")
        if current.late_spike_fraction - candidate.late_spike_fraction >= MIN_DIFFERENCE:
            gains.append(
                f"leaves {_percent(candidate.late_spike_fraction)} instead of {_percent(current.late_spike_fraction)} "
                f"of the spikes too late"
            )
        cost = ""
        if abs(candidate.spikes - current.spikes) >= 0.01 * current.spikes:
            cost = f", with {candidate.spikes:,.0f} instead of {current.spikes:,.0f} spikes a sample"
        return f"**Try {describe_changes(current, candidate)}**: it {' and '.join(gains)}{cost}."

    @property
    def _smaller_text(self) -> str:
        current, candidate = self.current, self.smallest_equivalent
        if candidate is None or candidate == self.better:
            return ""
        fewer = 1 - candidate.m / current.m
        return f"**m {candidate.m}** would keep as much and be no later, with {fewer:.0%} fewer weights."


def describe_changes(current: Candidate, candidate: Candidate) -> str:
    """Return the settings that differ as text."""
    words = (
        f"m {candidate.m}" if candidate.m != current.m else "",
        f"beta {candidate.beta:g}" if candidate.beta != current.beta else "",
        f"T {candidate.T}" if candidate.T != current.T else "",
    )
    return " and ".join(part for part in words if part)


def _percent(part: float) -> str:
    return "none" if part == 0 else "less than 0.1%" if part < 0.001 else f"{part:.1%}"


def advise(
    m: int, current_T: int, beta: float, time_to_peak: float, histogram: np.ndarray, features: int = PIXELS,
    tables: CodeTables | None = None,
) -> Advice:  # fmt: skip
    """Search near the present settings; m is varied for the Gaussian code only.

    histogram: count of each value, int64 [256]; time_to_peak: of the kernel in ms; features: values of a sample;
    tables: another code than the Gaussian one.
    """

    def evaluate(candidate_m: int, T: int, width: float) -> Candidate:
        return evaluate_candidate(candidate_m, T, width, time_to_peak, histogram, features, tables)

    current = evaluate(m, current_T, beta)
    nearby = neighbours(m, current_T, current.beta)
    if tables is not None:
        nearby = [
            (candidate_m, T, width)
            for candidate_m, T, width in nearby
            if candidate_m == m and (tables.has_width or width == current.beta)
        ]
    better = best_improvement(current, [evaluate(*settings) for settings in nearby])
    if tables is not None:
        num_values = len(tables.table(m, current_T, beta))
        varied = "beta or T" if tables.has_width else "T"
        return Advice(current, better, None, num_values, tables.value, varied)
    smaller = [evaluate(size, current_T, beta) for size in _SMALLER_M if size < m]
    return Advice(current, better, smallest_equivalent(current, smaller))
