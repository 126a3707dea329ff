"""Comparison of the training regimes of the published recipe.

The published decline of the test accuracy was traced to gradients that are never cleared, and corrected upstream in
September 2021, see https://github.com/fangwei123456/spikingjelly/pull/105. Training accuracies are means over the steps
of an epoch, test accuracies are measured after it: their difference alone does not prove over-fitting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["REGIMES", "PublishedInfo"]

REGIMES = {
    "as-published": "gradients never cleared",
    "reference": "gradients cleared",
    "cross-entropy": "generalises",
    "over-fitting": "over-fits",
}
"""Name of a recipe -> description of its training regime."""

_MIN_CHANGE = 0.005


@dataclass(frozen=True, eq=False)
class PublishedInfo:
    """Accuracies of the regimes after each epoch.

    A change is significant here if it exceeds half a percentage point and the standard error of a difference between
    two accuracies on the test set.

    Attributes:
        test: Name of a recipe -> test accuracies in [0, 1].
        train: Name of a recipe -> training accuracies in [0, 1], means over the steps of each epoch.
        samples: Number of test samples.
    """

    test: dict[str, np.ndarray]
    train: dict[str, np.ndarray]
    samples: int

    @property
    def findings(self) -> tuple[str, ...]:
        """Return one sentence per regime with at least two epochs, derived from its curves."""
        return tuple(self._finding_text(name) for name in REGIMES if len(self.test.get(name, ())) >= 2)

    @property
    def takeaway(self) -> str:
        """Return whether the decline of the test accuracy depends on clearing the gradients."""
        if len(self.test.get("as-published", ())) < 2 or len(self.test.get("reference", ())) < 2:
            return "Train both recipes to see whether the decline depends on clearing the gradients."
        falls = self._is_falling(self.test["as-published"])
        corrected = self._is_falling(self.test["reference"])
        if falls and not corrected:
            return "In these runs test accuracy declines only if the gradients are never cleared."
        if falls:
            return "Test accuracy falls with and without cleared gradients: clearing them is not the only cause."
        ahead = float(self.test["reference"][-1] - self.test["as-published"][-1])
        if ahead > self._min_change(self.test["reference"]):
            return "No decline within these epochs, but test accuracy ends higher with cleared gradients."
        return (
            "No decline within these epochs: gradients that are never cleared have no visible effect on these data yet."
        )

    def _finding_text(self, name: str) -> str:
        test, train = self.test[name], self.train[name]
        first, last, best = (100 * float(value) for value in (test[0], test[-1], test.max()))
        final_training, highest_training = 100 * float(train[-1]), 100 * float(train.max())
        min_change = 100 * self._min_change(test)
        if self._is_falling(test):
            text = f"test accuracy falls from {best:.1f} to {last:.1f} %"
            has_risen = final_training > 100 * float(train[test.argmax()]) + min_change
            if final_training < highest_training - min_change:
                explanation = (
                    f"and training accuracy falls from {highest_training:.1f} to {final_training:.1f} %: "
                    "no sign of over-fitting"
                )
            elif has_risen:
                explanation = f"while training accuracy rises to {final_training:.1f} %: a sign of over-fitting"
            else:
                explanation = f"while training accuracy ends at {final_training:.1f} %: no sign of over-fitting"
            return f"{name} ({REGIMES[name]}): {text} {explanation}."
        change = "rises" if last > first + min_change else "is stable,"
        gap = f", {final_training - last:.1f} points below training accuracy" if final_training > last + 1 else ""
        return f"{name} ({REGIMES[name]}): test accuracy {change} from {first:.1f} to {last:.1f} %{gap}."

    def _min_change(self, test: np.ndarray) -> float:
        """Return the smallest significant change."""
        accuracy = float(test.max())
        return max(_MIN_CHANGE, float(np.sqrt(2 * accuracy * (1 - accuracy) / self.samples)))

    def _is_falling(self, test: np.ndarray) -> bool:
        return bool(test[-1] < test.max() - self._min_change(test))
