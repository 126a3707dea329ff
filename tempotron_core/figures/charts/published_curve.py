"""The regimes of the published recipe side by side, and what their curves say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["REGIMES", "PublishedInfo"]

REGIMES = {
    "as-published": "gradients never cleared",
    "reference": "gradients cleared",
    "cross-entropy": "generalising",
    "over-fitting": "over-fitting for real",
}
"""Name of a recipe -> the regime that it stands for."""

_MIN_CHANGE = 0.005


@dataclass(frozen=True, eq=False)
class PublishedInfo:
    """Accuracies in [0, 1] after each epoch, by the recipe's name: test and training; samples: size of the test set.

    A change counts where it is more than half a point and more than its standard error on so many samples.
    """

    test: dict[str, np.ndarray]
    train: dict[str, np.ndarray]
    samples: int

    @property
    def findings(self) -> tuple[str, ...]:
        """What the curves show, a sentence a regime, from the curves alone."""
        return tuple(self._finding_text(name) for name in REGIMES if len(self.test.get(name, ())) >= 2)

    @property
    def takeaway(self) -> str:
        """The answer to the question whether the published decline is over-fitting."""
        if len(self.test.get("as-published", ())) < 2 or len(self.test.get("reference", ())) < 2:
            return "Train both, and the curves will say whether the published decline comes from over-fitting."
        falls = self._is_falling(self.test["as-published"])
        corrected = self._is_falling(self.test["reference"])
        if falls and not corrected:
            return "The decline comes with gradients that are never cleared, and goes when they are cleared."
        if falls:
            return "Here test accuracy falls with and without cleared gradients: clearing them is not the whole story."
        ahead = float(self.test["reference"][-1] - self.test["as-published"][-1])
        if ahead > self._min_change(self.test["reference"]):
            return "No decline within these epochs, but clearing the gradients ends higher."
        return "No decline within these epochs: on these data the uncleared gradients do no visible harm yet."

    def _finding_text(self, name: str) -> str:
        test, train = self.test[name], self.train[name]
        first, last, best = (100 * float(value) for value in (test[0], test[-1], test.max()))
        final_training, most = 100 * float(train[-1]), 100 * float(train.max())
        min_change = 100 * self._min_change(test)
        if self._is_falling(test):
            text = f"test accuracy falls from {best:.1f} to {last:.1f} %"
            climbed = final_training > 100 * float(train[test.argmax()]) + min_change
            if final_training < most - min_change:
                explanation = f"and training falls with it, from {most:.1f} to {final_training:.1f} %: not over-fitting"
            elif climbed:
                explanation = f"while training climbs to {final_training:.1f} %: over-fitting"
            else:
                explanation = f"while training stands at {final_training:.1f} %: not over-fitting"
            return f"{name} ({REGIMES[name]}): {text} {explanation}."
        change = "rises" if last > first + min_change else "stays"
        gap = f", {final_training - last:.1f} points under training" if final_training > last + 1 else ""
        return f"{name} ({REGIMES[name]}): test accuracy {change} from {first:.1f} to {last:.1f} %{gap}."

    def _min_change(self, test: np.ndarray) -> float:
        """The change that counts."""
        share = float(test.max())
        return max(_MIN_CHANGE, float(np.sqrt(2 * share * (1 - share) / self.samples)))

    def _is_falling(self, test: np.ndarray) -> bool:
        return bool(test[-1] < test.max() - self._min_change(test))
