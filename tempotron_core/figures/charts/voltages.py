"""Membrane potentials against the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["VoltageInfo", "trace_range", "traces_figure"]


@dataclass(frozen=True, eq=False)
class VoltageInfo:
    """v [C, T]; v_max, t_max (ms) [C]; true: the label or None; chosen: the one isolated output or None.

    neurons: potentials [k, T] of the tempotrons that the chosen output pools, None where it is one.
    """

    v: np.ndarray
    v_max: np.ndarray
    t_max: np.ndarray
    v_threshold: float
    classes: tuple[str, ...]
    true: int | None
    chosen: int | None = None
    neurons: np.ndarray | None = None

    @property
    def predicted(self) -> int:
        """The output with the highest peak."""
        return int(self.v_max.argmax())

    @property
    def fired(self) -> np.ndarray:
        """Whether each output reaches the threshold, [C]."""
        return self.v_max >= self.v_threshold

    @property
    def margin(self) -> float:
        """The highest peak less the second highest."""
        if len(self.v_max) < 2:
            return float(self.v_max.max())
        second, first = np.sort(self.v_max)[-2:]
        return float(first - second)

    @property
    def tied(self) -> bool:
        """Whether the highest peak is shared."""
        return int((self.v_max == self.v_max.max()).sum()) > 1

    @property
    def verdict(self) -> str:
        """The decision in one sentence, with its margin."""
        if self.tied:
            equal = int((self.v_max == self.v_max.max()).sum())
            return f"A tie: {equal} outputs share the highest peak, so nothing is decided."
        winner = self.predicted
        name = self.classes[winner]
        when = f"fires at {self.t_max[winner]:.0f} ms" if self.fired[winner] else "wins without reaching the threshold"
        if self.true is None:
            return f"Reads {name}: it {when}, margin {self.margin:.2f}."
        if winner == self.true:
            return f"Right: {name} {when}, margin {self.margin:.2f}."
        short = self.v_max[winner] - self.v_max[self.true]
        return f"Wrong: {name} {when}; the true {self.classes[self.true]} peaks {short:.2f} lower."

    @property
    def firing(self) -> str:
        """How many outputs fire, in one sentence."""
        names = [self.classes[i] for i in np.flatnonzero(self.fired)]
        if not names:
            return "No tempotron reaches the threshold; the highest peak still names the class."
        if len(names) == 1:
            return f"Only {names[0]} reaches the threshold."
        return f"{len(names)} of {len(self.fired)} tempotrons reach the threshold: {', '.join(names)}."


def trace_range(info: VoltageInfo) -> tuple[float, float]:
    """The potentials at the lower and the upper end of the traces' figure."""
    shown = info.v if info.chosen is None else info.v[[info.chosen]]
    if info.neurons is not None:
        shown = np.concatenate((shown, info.neurons))
    low, high = min(float(shown.min()), 0.0), max(float(shown.max()), info.v_threshold)
    return low - 0.08 * (high - low), high + 0.16 * (high - low)


def traces_figure(info: VoltageInfo, height: int = 470, span: tuple[float, float] | None = None) -> go.Figure:
    """All traces, the true and the predicted class standing out, t_max and the output spike marked.

    span: the potentials at the lower and the upper end, those of trace_range where None.
    """
    T = info.v.shape[1]
    figure = theme.base(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [0, max(T - 1, 1)]},
        yaxis={
            "title": {"text": "membrane potential V"},
            "range": list(span or trace_range(info)),
        },
        hovermode="closest",
    )
    t = np.arange(T)
    leaders = (info.true, info.predicted) if info.chosen is None else (info.chosen,)
    front = [i for i in dict.fromkeys(leaders) if i is not None]
    order = [i for i in range(len(info.v)) if i not in front] + front[::-1]
    if info.neurons is not None and info.chosen is not None:
        name, colour = (
            theme.words(info.classes[info.chosen]),
            theme.class_colour(info.chosen, info.true, info.predicted),
        )
        for j, trace in enumerate(info.neurons, 1):
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
        leading = i in front
        faint = info.chosen is not None and not leading
        colour = theme.class_colour(i, info.true, info.predicted)
        figure.add_scatter(
            x=t,
            y=info.v[i],
            mode="lines",
            name=theme.words(info.classes[i]),
            line={"color": colour, "width": 4 if leading else 1.6, "dash": _dash(colour)},
            opacity=0.18 if faint else 1,
            hovertemplate=f"<b>{theme.words(info.classes[i])}</b><br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
        )
    figure.add_hline(y=info.v_threshold, line={"color": theme.INK, "width": 2.5, "dash": "dash"})
    figure.add_annotation(
        **theme.text(0.004, info.v_threshold, "threshold", xref="paper", xanchor="left", yanchor="bottom")
    )
    _mark_peaks(figure, info, front)
    return figure.figure()


def _dash(colour: str) -> str:
    """The wrong class that leads differs from the true one without its hue, too."""
    return "longdash" if colour == theme.PREDICTED else "solid"


def _mark_peaks(figure: theme.Sketch, info: VoltageInfo, front: list[int]) -> None:
    """A diamond where an output spikes, a ring where its peak stays below the threshold; names on the leading ones."""
    for fired, symbol, does in ((True, "diamond", "fires"), (False, "circle-open", "peaks, silent,")):
        which = [i for i in range(len(info.v)) if bool(info.fired[i]) == fired and (info.chosen in (None, i))]
        figure.add_scatter(
            x=info.t_max[which],
            y=info.v_max[which],
            mode="markers",
            cliponaxis=False,
            marker={
                "symbol": symbol,
                "size": [15 if i in front else 8 for i in which],
                "color": [theme.class_colour(i, info.true, info.predicted) for i in which],
                "line": {"width": 2, "color": "white"} if fired else {"width": 2.5},
            },
            text=[f"<b>{theme.words(info.classes[i])}</b> {does} at {info.t_max[i]:.0f} ms" for i in which],
            hovertemplate="%{text}, V = %{y:.3f}<extra></extra>",
        )
    last = info.v.shape[1] - 1
    for i in front:
        at, peak = float(info.t_max[i]), float(info.v_max[i])
        colour = theme.class_colour(i, info.true, info.predicted)
        anchor = "left" if at < 0.1 * last else "right" if at > 0.9 * last else "center"
        place = {"xanchor": anchor, "yanchor": "bottom", "yshift": 9}
        if any(info.v_max[other] > peak for other in front):
            # Two leading peaks may lie close together: only the higher one is named above itself.
            left = at > 0.8 * last
            place = {"xanchor": "right" if left else "left", "xshift": -14 if left else 14}
        figure.add_annotation(
            **theme.text(at, peak, f"<b>{theme.words(info.classes[i])}</b> · {at:.0f} ms", colour)
            | {"font": {"size": 18, "color": colour}}
            | place
        )
