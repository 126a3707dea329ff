"""Figure of the membrane potentials V(t) of the outputs and the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import FigureBuilder, new_figure

__all__ = ["VoltageInfo", "trace_range", "traces_figure"]


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
        selected_class: The only output shown in full, None for all.
        tempotrons: Potentials [k, T] of the tempotrons that the selected output pools, None if there is only one.
    """

    v: np.ndarray
    v_max: np.ndarray
    t_max: np.ndarray
    v_threshold: float
    classes: tuple[str, ...]
    true_class: int | None
    selected_class: int | None = None
    tempotrons: np.ndarray | None = None

    @property
    def predicted(self) -> int:
        """Return the output with the highest peak."""
        return int(self.v_max.argmax())

    @property
    def has_fired(self) -> np.ndarray:
        """Return a mask of the outputs whose peak reaches the threshold, [C]."""
        return self.v_max >= self.v_threshold

    @property
    def margin(self) -> float:
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
        """Return the predicted class, the time of its peak and its margin, or its distance from the true class."""
        if self.is_tie:
            equal = int((self.v_max == self.v_max.max()).sum())
            return f"Tie: {equal} outputs share the highest peak, so no class is predicted."
        winner = self.predicted
        name = self.classes[winner]
        # t_max is the time of the peak, not of the first threshold crossing.
        when = f"peaks at {self.t_max[winner]:.0f} ms" if self.has_fired[winner] else "peaks below the threshold"
        if self.true_class is None:
            return f"Prediction: {name} {when}, margin {self.margin:.2f}."
        if winner == self.true_class:
            return f"Correct: {name} {when}, margin {self.margin:.2f}."
        deficit = self.v_max[winner] - self.v_max[self.true_class]
        return f"Incorrect: {name} {when}; the true class {self.classes[self.true_class]} peaks {deficit:.2f} lower."

    @property
    def firing_text(self) -> str:
        """Return which outputs reach the threshold."""
        names = [self.classes[i] for i in np.flatnonzero(self.has_fired)]
        if not names:
            return "No output reaches the threshold; the prediction depends only on the highest peak."
        if len(names) == 1:
            return f"Only {names[0]} reaches the threshold."
        return f"{len(names)} of {len(self.has_fired)} outputs reach the threshold: {', '.join(names)}."


def trace_range(info: VoltageInfo) -> tuple[float, float]:
    """Return the lower and the upper end of the potential axis that shows all visible traces and the threshold."""
    visible = info.v if info.selected_class is None else info.v[[info.selected_class]]
    if info.tempotrons is not None:
        visible = np.concatenate((visible, info.tempotrons))
    low, high = min(float(visible.min()), 0.0), max(float(visible.max()), info.v_threshold)
    return low - 0.08 * (high - low), high + 0.16 * (high - low)


def traces_figure(info: VoltageInfo, height: int = 470, span: tuple[float, float] | None = None) -> go.Figure:
    """Draw the potentials of all outputs, the threshold and the peaks.

    The true and the predicted class are highlighted. A filled mark is a peak that reaches the threshold.

    Args:
        info: Potentials and peaks.
        height: Height of the figure in pixels.
        span: Lower and upper end of the potential axis, those of trace_range if None.
    """
    T = info.v.shape[1]
    figure = new_figure(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [0, max(T - 1, 1)]},
        yaxis={
            "title": {"text": "membrane potential V"},
            "range": list(span or trace_range(info)),
        },
        hovermode="closest",
    )
    t = np.arange(T)
    highlighted = (info.true_class, info.predicted) if info.selected_class is None else (info.selected_class,)
    front = [i for i in dict.fromkeys(highlighted) if i is not None]
    order = [i for i in range(len(info.v)) if i not in front] + front[::-1]
    if info.tempotrons is not None and info.selected_class is not None:
        name, colour = (
            theme.escape_label(info.classes[info.selected_class]),
            theme.class_colour(info.selected_class, info.true_class, info.predicted),
        )
        for j, trace in enumerate(info.tempotrons, 1):
            figure.add_scatter(
                x=t,
                y=trace,
                mode="lines",
                name=f"{name}, tempotron {j}",
                line={"color": colour, "width": 1.4},
                opacity=0.6,
                hovertemplate=f"tempotron {j}<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
            )
    for i in order:
        is_highlighted = i in front
        is_faded = info.selected_class is not None and not is_highlighted
        colour = theme.class_colour(i, info.true_class, info.predicted)
        figure.add_scatter(
            x=t,
            y=info.v[i],
            mode="lines",
            name=theme.escape_label(info.classes[i]),
            line={"color": colour, "width": 4 if is_highlighted else 1.6, "dash": _dash(colour)},
            opacity=0.18 if is_faded else 1,
            hovertemplate=f"<b>{theme.escape_label(info.classes[i])}</b><br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
        )
    figure.add_hline(y=info.v_threshold, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    figure.add_annotation(
        **theme.text_label(0.004, info.v_threshold, "threshold", xref="paper", xanchor="left", yanchor="bottom")
    )
    _mark_peaks(figure, info, front)
    return figure.build()


def _dash(colour: str) -> str:
    """Distinguish the incorrect predicted class from the true class without hue."""
    return "longdash" if colour == theme.PREDICTED else "solid"


def _mark_peaks(figure: FigureBuilder, info: VoltageInfo, front: list[int]) -> None:
    """Mark peaks with a diamond if they reach the threshold, else a ring, and label the highlighted ones."""
    for fired, symbol, level in (
        (True, "diamond", "reaches the threshold"),
        (False, "circle-open", "below the threshold"),
    ):
        which = [
            i for i in range(len(info.v)) if bool(info.has_fired[i]) == fired and (info.selected_class in (None, i))
        ]
        figure.add_scatter(
            x=info.t_max[which],
            y=info.v_max[which],
            mode="markers",
            cliponaxis=False,
            marker={
                "symbol": symbol,
                "size": [15 if i in front else 8 for i in which],
                "color": [theme.class_colour(i, info.true_class, info.predicted) for i in which],
                "line": {"width": 2, "color": "white"} if fired else {"width": 2.5},
            },
            text=[f"<b>{theme.escape_label(info.classes[i])}</b> peaks at {info.t_max[i]:.0f} ms" for i in which],
            hovertemplate=f"%{{text}}, V = %{{y:.3f}}, {level}<extra></extra>",
        )
    last = info.v.shape[1] - 1
    for i in front:
        at, peak = float(info.t_max[i]), float(info.v_max[i])
        colour = theme.class_colour(i, info.true_class, info.predicted)
        anchor = "left" if at < 0.1 * last else "right" if at > 0.9 * last else "center"
        place = {"xanchor": anchor, "yanchor": "bottom", "yshift": 9}
        if any(info.v_max[other] > peak for other in front):
            # Highlighted peaks may be close together: the label is above the highest, beside the others.
            left = at > 0.8 * last
            place = {"xanchor": "right" if left else "left", "xshift": -14 if left else 14}
        figure.add_annotation(
            **theme.text_label(at, peak, f"<b>{theme.escape_label(info.classes[i])}</b> · {at:.0f} ms", colour)
            | {"font": {"size": 18, "color": colour}}
            | place
        )
