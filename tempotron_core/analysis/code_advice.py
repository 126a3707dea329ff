"""A better population code nearby, found by trying: what it keeps apart, and what comes too late.

One code is better than another where it makes no fewer different codes of the 256 values, keeps no less of the entropy
of a pixel's value and leaves no larger share of the spikes too late, and where it makes more codes or brings one
percent of the spikes or more in time. Which class is right is not asked: only a training tells the accuracy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tempotron_core.analysis.code_statistics import VALUES, Code

__all__ = ["Advice", "Trial", "advise", "better", "leaner", "nearby", "spare", "trial"]

M, T, BETA = (3, 64), (10, 600), (0.5, 4.0)
"""The ranges in which codes are tried."""
SEEN = 0.01
"""The share of the spikes from which on a difference counts."""
_BETAS = (-0.5, -0.2, -0.1, 0.0, 0.1, 0.2, 0.5)
_WINDOWS = (0.5, 0.75, 1.0, 1.5, 2.0)
_SIZES = (0.5, 0.75, 1.5, 2.0)
_FEWER = (3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48)


@dataclass(frozen=True)
class Trial:
    """A code's settings (T in ms) and what it keeps; see Code for distinct, kept and late; spikes: of an image."""

    m: int
    T: int
    beta: float
    distinct: int
    kept: float
    late: float
    spikes: float

    def no_worse_than(self, other: Trial) -> bool:
        """Whether it keeps at least as much and leaves no more too late."""
        return self.distinct >= other.distinct and self.kept >= other.kept - 1e-12 and self.late <= other.late + 1e-12

    def better_than(self, other: Trial) -> bool:
        """Whether it is also visibly ahead in one of them."""
        ahead = self.distinct > other.distinct or other.late - self.late >= SEEN
        return self.no_worse_than(other) and ahead


def trial(m: int, T: int, beta: float, rise: float, histogram: np.ndarray) -> Trial:
    """Try a code, see Code for the arguments."""
    return _trial(m, T, round(beta, 3), rise, _one(histogram.tobytes()))


@lru_cache(maxsize=8)
def _one(histogram: bytes) -> bytes:
    """The same object for equal histograms: thousands of remembered trials would hold one each."""
    return histogram


@lru_cache(maxsize=8192)
def _trial(m: int, T: int, beta: float, rise: float, histogram: bytes) -> Trial:
    code = Code(m, T, beta, rise, np.frombuffer(histogram, np.int64))
    return Trial(m, T, beta, code.distinct, code.kept, code.late, code.spikes_an_image)


def nearby(m: int, T_now: int, beta: float) -> list[tuple[int, int, float]]:
    """Settings to try: other beta and T with the same m, other m with the same beta and T."""
    windows = {min(max(10 * round(T_now * share / 10), T[0]), T[1]) for share in _WINDOWS}
    widths = {round(min(max(beta + step, BETA[0]), BETA[1]), 2) for step in _BETAS}
    sizes = {min(max(round(m * share), M[0]), M[1]) for share in _SIZES}
    settings = {(m, window, width) for window in windows for width in widths} | {(n, T_now, beta) for n in sizes}
    return sorted(settings - {(m, T_now, beta)})


def better(now: Trial, trials: Iterable[Trial]) -> Trial | None:
    """The best of those that are better: by what is still missing, in whole percents, then by fewer spikes."""

    def order(tried: Trial) -> tuple[float, ...]:
        missing = 1 - tried.distinct / VALUES + tried.late
        return round(missing, 2), round(tried.spikes), tried.T, tried.m, abs(tried.beta - now.beta)

    return min((tried for tried in trials if tried.better_than(now)), key=order, default=None)


def leaner(now: Trial, trials: Iterable[Trial]) -> Trial | None:
    """Of those that are no worse, the one with the fewest curves; None where none has fewer."""
    fewer = (tried for tried in trials if tried.m < now.m and tried.no_worse_than(now))
    return min(fewer, key=lambda tried: tried.m, default=None)


def spare(table: np.ndarray, told: np.ndarray) -> tuple[int, ...]:
    """Curves, from 0, without all of which no two values more would have the same code; the least telling go first.

    table: spike times [256, m]; told: what each curve tells of the class, [m].
    """
    apart = np.zeros((len(table), len(table)), np.uint8)
    differs = [column[:, None] != column for column in table.T]
    for pairs in differs:
        apart += pairs
    gone = []
    for j in np.argsort(told, kind="stable").tolist():
        without = apart - differs[j]
        if ((without > 0) == (apart > 0)).all():
            apart = without
            gone.append(j)
    return tuple(sorted(gone))


@dataclass(frozen=True)
class Advice:
    """The present code, a better one and a leaner one, None where there is none nearby."""

    now: Trial
    better: Trial | None
    leaner: Trial | None

    @property
    def words(self) -> str:
        """How the code does and what to do, in a few sentences."""
        return f"{self.state} {self.remedy}"

    @property
    def remedy(self) -> str:
        """What to do."""
        return f"{self._try} {self._fewer}".strip()

    @property
    def state(self) -> str:
        """How the code does, in one sentence."""
        now = self.now
        apart = "All 256 values keep their own codes"
        if now.distinct < VALUES:
            apart = f"The 256 values make only {now.distinct} different codes"
        link = "and" if (now.distinct == VALUES) == (now.late == 0) else "but"
        late = f"{_share(now.late)} of the spikes come too late" if now.late else "no spike comes too late"
        return f"{apart}, {link} {late}."

    @property
    def _try(self) -> str:
        now, then = self.now, self.better
        if then is None:
            if now.distinct == VALUES and now.late < SEEN:
                return "There is nothing to repair."
            return "No m, beta or T nearby does clearly better in one without doing worse in the other."
        gains = []
        if then.distinct > now.distinct:
            gains.append(f"makes {then.distinct} different codes instead of {now.distinct}")
        if now.late - then.late >= SEEN:
            gains.append(f"leaves {_share(then.late)} instead of {_share(now.late)} of the spikes too late")
        price = ""
        if abs(then.spikes - now.spikes) >= 0.01 * now.spikes:
            price = f", with {then.spikes:,.0f} instead of {now.spikes:,.0f} spikes an image"
        return f"**Try {changes(now, then)}**: it {' and '.join(gains)}{price}."

    @property
    def _fewer(self) -> str:
        now, then = self.now, self.leaner
        if then is None or then == self.better:
            return ""
        return f"**m {then.m}** would keep as much and be no later, with {1 - then.m / now.m:.0%} fewer weights."


def changes(now: Trial, then: Trial) -> str:
    """The settings that differ, in words."""
    words = (
        f"m {then.m}" if then.m != now.m else "",
        f"beta {then.beta:g}" if then.beta != now.beta else "",
        f"T {then.T}" if then.T != now.T else "",
    )
    return " and ".join(part for part in words if part)


def _share(part: float) -> str:
    return "none" if part == 0 else "less than 0.1%" if part < 0.001 else f"{part:.1%}"


def advise(m: int, T_now: int, beta: float, rise: float, histogram: np.ndarray) -> Advice:
    """Look around the present settings; histogram: how often each value occurs, int64 [256]; rise in ms."""
    now = trial(m, T_now, beta, rise, histogram)
    trials = [trial(*settings, rise, histogram) for settings in nearby(m, T_now, now.beta)]
    fewer = [trial(size, T_now, beta, rise, histogram) for size in _FEWER if size < m]
    return Advice(now, better(now, trials), leaner(now, fewer))
