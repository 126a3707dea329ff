"""When a run learned one digit: the margin of its true class, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["ReplayInfo", "replay_figure"]

_MAX_NAMED = 24


@dataclass(frozen=True, eq=False)
class ReplayInfo:
    """epochs: [n], 0 before training; margin: [n] of the true class, above 0 where it was right; predicted: [n].

    epoch: the epoch shown.
    """

    epochs: np.ndarray
    margin: np.ndarray
    predicted: np.ndarray
    classes: tuple[str, ...]
    true: int
    epoch: int

    @property
    def predicted_names(self) -> tuple[str, ...]:
        """What each epoch's network made of it."""
        return tuple("a tie" if m == 0 else self.classes[i] for m, i in zip(self.margin, self.predicted, strict=True))

    @property
    def correct(self) -> np.ndarray:
        """Whether each epoch's network was right, [n]."""
        return np.asarray(self.margin > 0)

    @property
    def takeaway(self) -> str:
        """When it was learned, in one sentence."""
        correct, last = self.correct, _number(self.margin[-1])
        if not correct.any():
            closest = int(self.margin.argmax())
            if self.margin[closest] == 0:
                return f"Never right; at best a tie, {self._when(closest)}."
            return f"Never right; closest {self._when(closest)}, {_number(-self.margin[closest])} short."
        first_correct = int(correct.argmax())
        wrong = np.flatnonzero(~correct[first_correct:]) + first_correct
        if not len(wrong) and first_correct == len(correct) - 1:
            return f"Right only {self._when(first_correct)}, the last one, by a margin of {last}."
        if not len(wrong):
            since = (
                f"from epoch {self.epochs[first_correct]} on"
                if self.epochs[first_correct]
                else "already before training, and since"
            )
            before = _number(self.margin[first_correct])
            if before == last:
                return f"Right {since}; its margin is the same at the end, {last}."
            verb = "grew" if self.margin[-1] > self.margin[first_correct] else "shrank"
            return f"Right {since}; its margin {verb} from {before} to {last}."
        words = f"First right {self._when(first_correct)}, lost again at epoch {self.epochs[wrong[0]]}"
        if correct[-1]:
            return f"{words}, right from epoch {self.epochs[wrong[-1] + 1]} on, with a margin of {last} at the end."
        if correct[wrong[0] :].any():
            words += f", right at {int(correct.sum())} of {len(correct)}"
        else:
            words += ", not right since"
        return f"{words}; ends {_number(-self.margin[-1])} short."

    def _when(self, index: int) -> str:
        return f"at epoch {self.epochs[index]}" if self.epochs[index] else "before training"


def replay_figure(info: ReplayInfo, height: int = 240) -> go.Figure:
    """The margin against epochs, right ones as blue discs, wrong ones as orange crosses, named by what was read."""
    if not len(info.epochs):
        return theme.placeholder(height, "The epochs of a run will appear here")
    low, high = min(0.0, float(info.margin.min())), max(0.0, float(info.margin.max()))
    span = high - low or 1.0
    has_labels = len(info.epochs) <= _MAX_NAMED and max(map(len, info.predicted_names)) <= 2
    last = int(info.epochs[-1])
    figure = theme.new_figure(
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
    for margin in info.margin[at]:  # from below, so that the name above the mark stays clear
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
    for right, symbol, colour in ((True, "circle", theme.TRUE), (False, "x", theme.PREDICTED)):
        indices = np.flatnonzero(info.correct == right)
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
            hovertemplate="epoch %{x}: reads %{text}, margin %{y:+.3f}<extra></extra>",
        )
    ends_right = bool(info.correct[-1])
    # At the right end, or left of the mark that stands there.
    is_near_end = info.epoch > 0.6 * last
    figure.add_annotation(
        **theme.text_label(
            info.epoch if is_near_end else 1, 0, "wrong below" if ends_right else "right above", xref="x" if is_near_end else "paper",
            xanchor="right", xshift=-8 if is_near_end else 0, yanchor="top" if ends_right else "bottom",
        )
    )  # fmt: skip
    return figure.build()


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
