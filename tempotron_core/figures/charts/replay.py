"""Figure of the margin of one digit's true class after each epoch of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure, placeholder

__all__ = ["ReplayInfo", "replay_figure"]

_MAX_NAMED = 24


@dataclass(frozen=True, eq=False)
class ReplayInfo:
    """Margins and predictions for one image after each recorded epoch.

    Attributes:
        epochs: Numbers of the epochs, 0 before training, [n].
        margin: Peak of the true class minus the highest other peak, [n]; positive if the prediction is correct.
        predicted: Predicted class, [n].
        classes: Names of the classes.
        true: True class.
        epoch: Number of the selected epoch.
    """

    epochs: np.ndarray
    margin: np.ndarray
    predicted: np.ndarray
    classes: tuple[str, ...]
    true: int
    epoch: int

    @property
    def predicted_names(self) -> tuple[str, ...]:
        """Return the name of the predicted class after each epoch, "tie" for a margin of 0."""
        return tuple("tie" if m == 0 else self.classes[i] for m, i in zip(self.margin, self.predicted, strict=True))

    @property
    def correct(self) -> np.ndarray:
        """Return a mask of the epochs with a correct prediction, [n]."""
        return np.asarray(self.margin > 0)

    @property
    def takeaway(self) -> str:
        """Return from which epoch on the prediction is correct, and the margin."""
        correct, last = self.correct, _number(self.margin[-1])
        if not correct.any():
            closest = int(self.margin.argmax())
            if self.margin[closest] == 0:
                return f"Never correct; highest margin 0 (tie) {self._when(closest)}."
            return f"Never correct; highest margin {_number(self.margin[closest])} {self._when(closest)}."
        first_correct = int(correct.argmax())
        wrong = np.flatnonzero(~correct[first_correct:]) + first_correct
        if not len(wrong) and first_correct == len(correct) - 1:
            return f"Correct only {self._when(first_correct)}, the last one, with margin {last}."
        if not len(wrong):
            since = (
                f"from epoch {self.epochs[first_correct]} on"
                if self.epochs[first_correct]
                else "before training and at every later epoch"
            )
            before = _number(self.margin[first_correct])
            if before == last:
                return f"Correct {since}; the margin is {last} at the start and at the end."
            verb = "grows" if self.margin[-1] > self.margin[first_correct] else "shrinks"
            return f"Correct {since}; the margin {verb} from {before} to {last}."
        text = f"First correct {self._when(first_correct)}, incorrect at epoch {self.epochs[wrong[0]]}"
        if correct[-1]:
            return f"{text}, correct from epoch {self.epochs[wrong[-1] + 1]} on; final margin {last}."
        if correct[wrong[0] :].any():
            text += f", correct at {int(correct.sum())} of {len(correct)} epochs"
        else:
            text += " and later"
        return f"{text}; final margin {last}."

    def _when(self, index: int) -> str:
        return f"at epoch {self.epochs[index]}" if self.epochs[index] else "before training"


def replay_figure(info: ReplayInfo, height: int = 240) -> go.Figure:
    """Draw the margin against epochs: blue discs for correct, orange crosses for incorrect predictions."""
    if not len(info.epochs):
        return placeholder(height, "The epochs of a run will appear here")
    low, high = min(0.0, float(info.margin.min())), max(0.0, float(info.margin.max()))
    span = high - low or 1.0
    has_labels = len(info.epochs) <= _MAX_NAMED and max(map(len, info.predicted_names)) <= 2
    last = int(info.epochs[-1])
    figure = new_figure(
        height,
        xaxis={"title": {"text": "epoch"}, "range": [-0.03 * last - 0.2, 1.03 * last + 0.2]}
        | ({"dtick": 1} if last <= 20 else {}),
        yaxis={
            "title": {"text": f"margin of {info.classes[info.true]}"},
            "range": [low - 0.2 * span, high + 0.3 * span],
        },
    )
    figure.add_hline(y=0, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    at = info.epochs == info.epoch
    for margin in info.margin[at]:  # from the lower edge, so that the line does not cover the label above the mark
        figure.add_shape(
            type="line",
            x0=info.epoch,
            x1=info.epoch,
            y0=low - 0.2 * span,
            y1=float(margin),
            line={"color": theme.SELECTED, "width": 4},
            layer="below",
        )
    figure.add_scatter(
        x=info.epochs, y=info.margin, mode="lines", line={"color": theme.MUTED, "width": 2.5}, hoverinfo="skip"
    )
    for is_correct, symbol, colour in ((True, "circle", theme.TRUE), (False, "x", theme.PREDICTED)):
        indices = np.flatnonzero(info.correct == is_correct)
        figure.add_scatter(
            x=info.epochs[indices],
            y=info.margin[indices],
            mode="markers+text" if has_labels else "markers",
            marker={
                "symbol": symbol,
                "size": [20 if at[i] else 12 for i in indices],
                "color": colour,
                "opacity": 1,
                "line": {
                    "width": [3 if at[i] else 1.5 for i in indices],
                    "color": [theme.SELECTED if at[i] else "white" for i in indices],
                },
            },
            text=[info.predicted_names[i] for i in indices],
            textposition="top center",
            textfont={"size": 17, "color": colour},
            cliponaxis=False,
            hovertemplate="epoch %{x}: predicted %{text}, margin %{y:+.3f}<extra></extra>",
        )
    ends_correct = bool(info.correct[-1])
    # At the right edge, or to the left of the selected epoch if that is near the edge.
    is_near_end = info.epoch > 0.6 * last
    figure.add_annotation(
        **theme.text_label(
            info.epoch if is_near_end else 1, 0, "incorrect below" if ends_correct else "correct above",
            xref="x" if is_near_end else "paper", xanchor="right", xshift=-8 if is_near_end else 0,
            yanchor="top" if ends_correct else "bottom",
        )
    )  # fmt: skip
    return figure.build()


def _number(value: float) -> str:
    text = f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
    return text.replace("-", "−")
