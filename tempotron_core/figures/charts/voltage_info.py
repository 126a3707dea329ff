"""Potentials, peaks and threshold crossings of the outputs for one image, and the sentences about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Curves", "VoltageInfo", "format_time"]

_MAX_TIMES_IN_TEXT = 10


@dataclass(frozen=True, eq=False)
class Curves:
    """Potentials between the times of the grid, n of them.

    Attributes:
        t: Times in ms, [n].
        v: Potentials of the classes, [C, n].
        unshunted: Potentials without the effect of the outputs' own spikes, [C, n]; None if the outputs do not shunt.
        tempotrons: Potentials of the tempotrons that the only selected class pools, [k, n]; None if not shown.
    """

    t: np.ndarray
    v: np.ndarray
    unshunted: np.ndarray | None = None
    tempotrons: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class VoltageInfo:
    """Potentials and peaks of C outputs for one image.

    Attributes:
        v: Membrane potentials, [C, T].
        v_max: Peak potentials, [C].
        t_max: Times of the peaks in ms, [C].
        v_threshold: Threshold potential.
        classes: Names of the classes, C of them.
        true_class: Label of the image, None if unknown.
        shown: Outputs that the figure shows, None for all.
        tempotrons: Potentials [k, T] of the tempotrons that the only output shown pools, None if there is only one.
        t_spike: First times in ms at which each of the k neurons of a class reaches the threshold, -1 for none,
            [C, k]; None if not computed.
        curves: Potentials to draw in place of those on the grid, None for those.
        is_exact: True if peaks and crossings may lie between whole milliseconds.
    """

    v: np.ndarray
    v_max: np.ndarray
    t_max: np.ndarray
    v_threshold: float
    classes: tuple[str, ...]
    true_class: int | None
    shown: tuple[int, ...] | None = None
    tempotrons: np.ndarray | None = None
    t_spike: np.ndarray | None = None
    curves: Curves | None = None
    is_exact: bool = False

    @property
    def predicted(self) -> int:
        """Return the output with the highest peak."""
        return int(self.v_max.argmax())

    @property
    def visible(self) -> tuple[int, ...]:
        """Return the outputs that the figure shows."""
        return tuple(range(len(self.v_max))) if self.shown is None else self.shown

    @property
    def neurons_per_class(self) -> int:
        """Return the number of neurons that each class pools."""
        return 1 if self.t_spike is None else self.t_spike.shape[1]

    @property
    def last_time(self) -> float:
        """Return the last time in ms at which a peak can lie."""
        return float(self.v.shape[1] if self.is_exact else self.v.shape[1] - 1)

    @property
    def has_fired(self) -> np.ndarray:
        """Return a mask of the outputs whose peak, pooled for several neurons per class, reaches the threshold, [C]."""
        return self.v_max >= self.v_threshold

    @property
    def first_crossing(self) -> np.ndarray:
        """Return the first time in ms at which any neuron of a class reaches the threshold, -1 for none, [C]."""
        if self.t_spike is None:
            return np.full(len(self.v_max), -1.0)
        first = np.where(self.t_spike < 0, np.inf, self.t_spike).min(axis=1)
        return np.where(np.isfinite(first), first, -1.0)

    @property
    def lead(self) -> float:
        """Return the difference between the highest and the second highest peak."""
        if len(self.v_max) < 2:
            return float(self.v_max.max())
        second, first = np.sort(self.v_max)[-2:]
        return float(first - second)

    @property
    def is_tie(self) -> bool:
        """Return True if several outputs share the highest peak."""
        return int((self.v_max == self.v_max.max()).sum()) > 1

    @property
    def prediction_text(self) -> str:
        """Return the predicted class, the time of its peak and its lead, or its distance from the true class."""
        if self.is_tie:
            equal = int((self.v_max == self.v_max.max()).sum())
            return f"Tie: {equal} outputs share the highest peak, so no class is predicted."
        winner = self.predicted
        name, pools = self.classes[winner], self.neurons_per_class > 1
        # t_max is the time of the peak, not of the first threshold crossing; of a pooled class that of one neuron.
        when = f"peaks at {self.format_time(self.t_max[winner])}"
        if pools:
            name = f"the strongest neuron of {name}"
        elif not self.has_fired[winner]:
            when = "peaks below the threshold"
        lead = f"{'pooled ' if pools else ''}lead {self.lead:.2f}"
        if self.true_class is None:
            return f"Prediction: {name} {when}, {lead}."
        if winner == self.true_class:
            return f"Correct: {name} {when}, {lead}."
        deficit = self.v_max[winner] - self.v_max[self.true_class]
        verb = "pools to a value" if pools else "peaks"
        return f"Incorrect: {name} {when}; the true class {self.classes[self.true_class]} {verb} {deficit:.2f} lower."

    @property
    def decision_text(self) -> str:
        """Return the decision as a part of a sentence."""
        if self.is_tie:
            return "no class, because of a tie"
        name, when = self.classes[self.predicted], self.format_time(self.t_max[self.predicted])
        peak = "strongest neuron peaks" if self.neurons_per_class > 1 else "peaks"
        kind = {True: "correct, ", False: "incorrect, "}.get(self.predicted == self.true_class, "")
        return f"{name} ({kind if self.true_class is not None else ''}{peak} at {when}, lead {self.lead:.2f})"

    @property
    def firing_text(self) -> str:
        """Return which outputs reach the threshold, and when they cross it."""
        fired = np.flatnonzero(self.has_fired).tolist()
        if self.neurons_per_class > 1:
            return f"{self._pooled_text(fired)} {self._neurons_text()}"
        if not fired:
            return "No output reaches the threshold; the prediction depends only on the highest peak."
        names = [f"{self.classes[i]}{self._at(i) if len(fired) <= _MAX_TIMES_IN_TEXT else ''}" for i in fired]
        if self.t_spike is None:
            if len(fired) == 1:
                return f"Only {names[0]} reaches the threshold."
            return f"{len(fired)} of {len(self.has_fired)} outputs reach the threshold: {', '.join(names)}."
        if len(fired) == 1:
            return f"Only {self.classes[fired[0]]} crosses the threshold,{self._at(fired[0])}."
        return f"{len(fired)} of {len(self.has_fired)} outputs cross the threshold: {', '.join(names)}."

    def _at(self, i: int) -> str:
        at = self.first_crossing[i]
        return f" at {self.format_time(at)}" if at >= 0 else ""

    def _pooled_text(self, fired: list[int]) -> str:
        if not fired:
            return "The pooled value of no class reaches the threshold."
        names = ", ".join(self.classes[i] for i in fired)
        return f"The pooled value of {len(fired)} of {len(self.has_fired)} classes reaches the threshold: {names}."

    def _neurons_text(self) -> str:
        """Return what single neurons do, which the pooled value does not show."""
        assert self.t_spike is not None
        counts = (self.t_spike >= 0).sum(axis=1)
        which = np.flatnonzero(counts).tolist()
        if not which:
            return "No single neuron crosses it."
        if len(which) > _MAX_TIMES_IN_TEXT:
            return f"{counts.sum():,} of {self.t_spike.size:,} single neurons cross it."
        k = self.neurons_per_class
        parts = (f"{counts[i]} of {k} of {self.classes[i]} (first{self._at(i)})" for i in which)
        return f"Single neurons that cross it: {', '.join(parts)}."

    def format_time(self, t: float) -> str:
        """Return a time as text, with two digits where it can lie between whole milliseconds."""
        return format_time(t, self.is_exact)


def format_time(t: float, is_exact: bool) -> str:
    """Return a time in ms as text, with two digits where it can lie between whole milliseconds."""
    return f"{t:.2f} ms" if is_exact else f"{t:.0f} ms"
