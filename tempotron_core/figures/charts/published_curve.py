"""Comparison of the training regimes of the published recipe.

The published decline of the test accuracy was traced to gradients that are never cleared, and corrected upstream in
September 2021, see https://github.com/fangwei123456/spikingjelly/pull/105. Only a training accuracy of the same weights
as the test accuracy tells whether a decline comes with over-fitting: the mean over the steps of an epoch belongs to
other weights.
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
    """Accuracies of the regimes after each epoch, [epochs] of one run or [seeds, epochs]; texts are about their means.

    A change is significant here if it exceeds half a percentage point and the standard error of a difference between
    two accuracies on the test set.

    Attributes:
        test: Name of a recipe -> test accuracies in [0, 1].
        train: Name of a recipe -> training accuracies in [0, 1].
        samples: Number of test samples.
        is_after_epoch: Whether training accuracies are those of the weights after each epoch, as the test accuracies
            are; else they are means over the steps of the epoch.
    """

    test: dict[str, np.ndarray]
    train: dict[str, np.ndarray]
    samples: int
    is_after_epoch: bool = True

    def seeds(self, name: str) -> int:
        """Return the number of runs of a recipe."""
        return len(np.atleast_2d(self.test[name]))

    def mean_test(self, name: str) -> np.ndarray:
        """Return the mean test accuracies of a recipe, [epochs]; empty without any."""
        return np.asarray(np.atleast_2d(self.test.get(name, ())).mean(axis=0))

    def mean_train(self, name: str) -> np.ndarray:
        """Return the mean training accuracies of a recipe, [epochs]."""
        return np.asarray(np.atleast_2d(self.train[name]).mean(axis=0))

    def test_band(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest test accuracy of the seeds of a recipe, both [epochs]."""
        values = np.atleast_2d(self.test[name])
        return values.min(axis=0), values.max(axis=0)

    @property
    def findings(self) -> tuple[str, ...]:
        """Return one sentence per regime with at least two epochs, derived from its curves."""
        return tuple(self._finding_text(name) for name in REGIMES if len(self.mean_test(name)) >= 2)

    @property
    def takeaway(self) -> str:
        """Return whether the decline of the test accuracy depends on clearing the gradients."""
        published, reference = self.mean_test("as-published"), self.mean_test("reference")
        if len(published) < 2 or len(reference) < 2:
            return "Train both recipes to see whether the decline depends on clearing the gradients."
        falls, corrected = self._is_falling(published), self._is_falling(reference)
        if falls and not corrected:
            return "With the published recipe, test accuracy declines only if the gradients are never cleared."
        if falls:
            return "Test accuracy falls with and without cleared gradients: clearing them is not the only cause."
        if float(reference[-1] - published[-1]) > self._min_change(reference):
            return "No decline within these epochs, but test accuracy ends higher with cleared gradients."
        return (
            "No decline within these epochs: gradients that are never cleared have no visible effect on these data yet."
        )

    def _finding_text(self, name: str) -> str:
        test, train = self.mean_test(name), self.mean_train(name)
        first, last, best = (100 * float(value) for value in (test[0], test[-1], test.max()))
        final_training, highest_training = 100 * float(train[-1]), 100 * float(train.max())
        min_change = 100 * self._min_change(test)
        low, high = (100 * float(values[-1]) for values in self.test_band(name))
        number = self.seeds(name)
        seeds = f" (mean of {number} seeds, {low:.1f} to {high:.1f} in the end)" if number > 1 else ""
        if self._is_falling(test):
            text = f"test accuracy falls from {best:.1f} to {last:.1f} %{seeds}"
            if not self.is_after_epoch:
                return (
                    f"{name} ({REGIMES[name]}): {text}; the mean training accuracy during the last epoch is "
                    f"{final_training:.1f} %."
                )
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
        gap = ""
        if self.is_after_epoch and final_training > last + 1:
            gap = f", {final_training - last:.1f} points below training accuracy"
        return f"{name} ({REGIMES[name]}): test accuracy {change} from {first:.1f} to {last:.1f} %{seeds}{gap}."

    def _min_change(self, test: np.ndarray) -> float:
        """Return the smallest significant change."""
        accuracy = float(test.max())
        return max(_MIN_CHANGE, float(np.sqrt(2 * accuracy * (1 - accuracy) / self.samples)))

    def _is_falling(self, test: np.ndarray) -> bool:
        return bool(test[-1] < test.max() - self._min_change(test))
