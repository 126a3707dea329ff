"""When a run learned one digit: the margin of its true class, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["ReplayInfo", "replay_figure"]

_MOST_NAMED = 24


@dataclass(frozen=True, eq=False)
class ReplayInfo:
    """epochs: [n], 0 before training; margin: [n] of the true class, above 0 where it was right; predicted: [n].

    at: the epoch shown.
    """

    epochs: np.ndarray
    margin: np.ndarray
    predicted: np.ndarray
    classes: tuple[str, ...]
    true: int
    at: int

    @property
    def read(self) -> tuple[str, ...]:
        """What each epoch's network made of it."""
        return tuple("a tie" if m == 0 else self.classes[i] for m, i in zip(self.margin, self.predicted, strict=True))

    @property
    def right(self) -> np.ndarray:
        """Whether each epoch's network was right, [n]."""
        return np.asarray(self.margin > 0)

    @property
    def takeaway(self) -> str:
        """When it was learned, in one sentence."""
        right, last = self.right, _number(self.margin[-1])
        if not right.any():
            closest = int(self.margin.argmax())
            if self.margin[closest] == 0:
                return f"Never right; at best a tie, {self._when(closest)}."
            return f"Never right; closest {self._when(closest)}, {_number(-self.margin[closest])} short."
        began = int(right.argmax())
        wrong = np.flatnonzero(~right[began:]) + began
        if not len(wrong) and began == len(right) - 1:
            return f"Right only {self._when(began)}, the last one, by a margin of {last}."
        if not len(wrong):
            since = (
                f"from epoch {self.epochs[began]} on" if self.epochs[began] else "already before training, and since"
            )
            before = _number(self.margin[began])
            if before == last:
                return f"Right {since}; its margin is the same at the end, {last}."
            grew = "grew" if self.margin[-1] > self.margin[began] else "shrank"
            return f"Right {since}; its margin {grew} from {before} to {last}."
        words = f"First right {self._when(began)}, lost again at epoch {self.epochs[wrong[0]]}"
        if right[-1]:
            return f"{words}, right from epoch {self.epochs[wrong[-1] + 1]} on, with a margin of {last} at the end."
        if right[wrong[0] :].any():
            words += f", right at {int(right.sum())} of {len(right)}"
        else:
            words += ", not right since"
        return f"{words}; ends {_number(-self.margin[-1])} short."

    def _when(self, index: int) -> str:
        return f"at epoch {self.epochs[index]}" if self.epochs[index] else "before training"


def replay_figure(info: ReplayInfo, height: int = 240) -> go.Figure:
    """The margin against epochs, right ones as blue discs, wrong ones as orange crosses, named by what was read."""
    if not len(info.epochs):
        return theme.empty(height, "The epochs of a run will appear here")
    low, high = min(0.0, float(info.margin.min())), max(0.0, float(info.margin.max()))
    span = high - low or 1.0
    named = len(info.epochs) <= _MOST_NAMED and max(map(len, info.read)) <= 2
    last = int(info.epochs[-1])
    figure = theme.base(
        height,
        xaxis={"title": {"text": "epoch"}, "range": [-0.03 * last - 0.2, 1.03 * last + 0.2]}
        | ({"dtick": 1} if last <= 20 else {}),
        yaxis={
            "title": {"text": f"margin of {info.classes[info.true]}"},
            "range": [low - 0.2 * span, high + 0.3 * span],
        },
    )
    figure.add_hline(y=0, line={"color": theme.INK, "width": 2.5, "dash": "dash"})
    at = info.epochs == info.at
    for margin in info.margin[at]:  # from below, so that the name above the mark stays clear
        figure.add_shape(
            type="line",
            x0=info.at,
            x1=info.at,
            y0=low - 0.2 * span,
            y1=float(margin),
            line={"color": theme.CHOSEN, "width": 4},
            layer="below",
        )
    figure.add_scatter(
        x=info.epochs, y=info.margin, mode="lines", line={"color": theme.MUTED, "width": 2.5}, hoverinfo="skip"
    )
    for right, symbol, colour in ((True, "circle", theme.TRUE), (False, "x", theme.PREDICTED)):
        which = np.flatnonzero(info.right == right)
        figure.add_scatter(
            x=info.epochs[which],
            y=info.margin[which],
            mode="markers+text" if named else "markers",
            marker={
                "symbol": symbol,
                "size": [20 if at[i] else 12 for i in which],
                "color": colour,
                "opacity": 1,
                "line": {
                    "width": [3 if at[i] else 1.5 for i in which],
                    "color": [theme.CHOSEN if at[i] else "white" for i in which],
                },
            },
            text=[info.read[i] for i in which],
            textposition="top center",
            textfont={"size": 17, "color": colour},
            cliponaxis=False,
            hovertemplate="epoch %{x}: reads %{text}, margin %{y:+.3f}<extra></extra>",
        )
    ends_right = bool(info.right[-1])
    # At the right end, or left of the mark that stands there.
    late = info.at > 0.6 * last
    figure.add_annotation(
        **theme.text(
            info.at if late else 1, 0, "wrong below" if ends_right else "right above", xref="x" if late else "paper",
            xanchor="right", xshift=-8 if late else 0, yanchor="top" if ends_right else "bottom",
        )
    )  # fmt: skip
    return figure.figure()


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
