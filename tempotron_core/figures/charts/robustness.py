"""One decision before and after a perturbation, its spikes likewise, and a test set's accuracy against its strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.charts.voltages import VoltageInfo, trace_range, traces_figure

__all__ = [
    "MovedInfo",
    "PerturbedInfo",
    "RobustnessInfo",
    "moved_info",
    "perturbed_figure",
    "robustness_figure",
    "waiting_figure",
]


@dataclass(frozen=True, eq=False)
class PerturbedInfo:
    """The decision on the clean image and on the perturbed one; how: the perturbation in words, "" for none."""

    clean: VoltageInfo
    now: VoltageInfo
    how: str

    @property
    def tipped(self) -> bool:
        """Whether another class is named, or none any more."""
        return self.clean.tied != self.now.tied or (not self.now.tied and self.clean.predicted != self.now.predicted)

    @property
    def colour(self) -> str:
        """Of the headline: that of the true class where it is named, of the predicted one where not, "" if unknown."""
        if self.now.true is None:
            return ""
        return "blue" if self.now.predicted == self.now.true and not self.now.tied else "orange"

    @property
    def headline(self) -> str:
        """What has become of the decision, in one sentence."""
        clean, now = self.clean, self.now
        if not self.how or (clean.tied and now.tied):
            return now.verdict
        margins = f"margin {clean.margin:.2f} → {now.margin:.2f}"
        if not self.tipped:
            name = now.classes[now.predicted]
            wrong = "" if now.true in (None, now.predicted) else f", which is wrong (true {now.classes[now.true or 0]})"
            return f"Still {name}{wrong}: {margins} with {self.how}."
        before, after = ("a tie" if info.tied else info.classes[info.predicted] for info in (clean, now))
        verb = "Tips back" if not now.tied and now.predicted == now.true else "Tips over"
        return f"{verb}: {before} → {after} with {self.how}; {margins}."

    @property
    def legend(self) -> str:
        """What the lines are, in words."""
        return "Solid: the potentials now; dotted: before." if self.how else ""


def waiting_figure(words: str, height: int = 400) -> go.Figure:
    """An empty figure that says what is waited for."""
    return theme.empty(height, words)


def perturbed_figure(info: PerturbedInfo, height: int = 400) -> go.Figure:
    """The potentials after the perturbation; dotted, those of the leading classes before it."""
    figure = traces_figure(info.now, height)
    if not info.how:
        return figure
    now = info.now
    t = np.arange(now.v.shape[1])
    for i in dict.fromkeys((info.clean.predicted, now.predicted, now.true)):
        if i is not None:
            figure.add_scatter(
                x=t,
                y=info.clean.v[i],
                mode="lines",
                name=f"{now.classes[i]}, clean",
                line={"color": theme.class_colour(i, now.true, now.predicted), "width": 2.5, "dash": "dot"},
                hovertemplate=f"<b>{now.classes[i]}</b> before<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
            )
    (low, high), (clean_low, clean_high) = trace_range(now), trace_range(info.clean)
    figure.update_yaxes(range=[min(low, clean_low), max(high, clean_high)])
    return figure


@dataclass(frozen=True, eq=False)
class MovedInfo:
    """The spikes of one image before and after a perturbation, on a grid of T ms.

    arriving, gone: [784, columns] counts of the spikes that arrive now, and of the earlier ones that no longer come
    where they came, column c holding the times from c*step to (c+1)*step. moved, lost, late, new: numbers of afferents
    whose spike has another time, is missing, comes after the window, or was not there before; before: spikes then.
    """

    arriving: np.ndarray
    gone: np.ndarray
    before: int
    moved: int
    lost: int
    late: int
    new: int
    T: int

    @property
    def takeaway(self) -> str:
        """What has become of the spikes, in one sentence."""
        counts = ((self.moved, "moved"), (self.lost, "lost"), (self.late, "too late"), (self.new, "new"))
        told = [f"{count:,} {word}" for count, word in counts if count]
        if not told:
            return f"All {self.before:,} spikes arrive as they were sent."
        return f"Of {self.before:,} spikes: " + ", ".join(told) + "."


def moved_info(before: np.ndarray, after: np.ndarray, T: int, columns: int = 200) -> MovedInfo:
    """Compare spike times [784, m] in ms, negative for none; those after T - 1 do not arrive."""
    was, late = (before >= 0) & (before <= T - 1), after > T - 1
    comes = (after >= 0) & ~late
    same = was & comes & (before == after)
    step = max(1, -(-T // columns))
    width = -(-T // step)

    def grid(times: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        pixel, neuron = np.nonzero(chosen)
        cells = pixel * width + times[pixel, neuron].astype(int) // step
        return np.bincount(cells, minlength=len(times) * width).reshape(len(times), width).astype(np.uint8)

    return MovedInfo(
        grid(after, comes),
        grid(before, was & ~same),
        int(was.sum()),
        int((was & comes & ~same).sum()),
        int((was & (after < 0)).sum()),
        int((was & late).sum()),
        int((~was & comes).sum()),
        T,
    )


@dataclass(frozen=True)
class RobustnessInfo:
    """Right decisions out of samples at each strength of one perturbation, in ascending order, 0 among them.

    name, axis: what is varied; words: a strength in words, with {} for the number; intervals: the ends of each share's
    confidence interval; chance: the accuracy of guessing; present: the strength that is set now.
    """

    name: str
    axis: str
    words: str
    strengths: tuple[float, ...]
    hits: tuple[int, ...]
    intervals: tuple[tuple[float, float], ...]
    samples: int
    chance: float
    present: float

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right decisions at each strength."""
        return np.array(self.hits) / self.samples

    @property
    def clean(self) -> float:
        """Accuracy without any of it."""
        return float(self.accuracy[self.strengths.index(0)])

    @property
    def clean_words(self) -> str:
        """The interval without any of it, in words."""
        low, high = self.intervals[self.strengths.index(0)]
        return f"{low:.1%} to {high:.1%} at zero"

    @property
    def at(self) -> float:
        """The strength that is spoken of: the present one, the last one without any."""
        return min(max(self.present, self.strengths[0]), self.strengths[-1]) or self.strengths[-1]

    @property
    def half(self) -> float | None:
        """The strength, on that side of 0, at which half of the clean lead over guessing is gone; None for none."""
        level, zero = (self.clean + self.chance) / 2, self.strengths.index(0)
        step, end = (1, len(self.strengths) - 1) if self.at > 0 else (-1, 0)
        for i in range(zero, end, step):
            here, there = float(self.accuracy[i]), float(self.accuracy[i + step])
            if there <= level:
                share = (here - level) / (here - there) if here > there else 0.0
                return self.strengths[i] + share * (self.strengths[i + step] - self.strengths[i])
        return None

    @property
    def takeaway(self) -> str:
        """How the accuracy bears it, in one sentence."""
        low, _ = self.intervals[self.strengths.index(0)]
        if low <= self.chance:
            return f"At {self.clean:.1%} without any {self.name} the network is no better than guessing."
        there = float(np.interp(self.at, self.strengths, self.accuracy))
        about = "" if self.at in self.strengths else "about "
        verb = "falls" if there < low else "rises" if there > self.clean else "holds"
        words = f"Accuracy {verb}: {self.clean:.1%} → {about}{there:.1%} at {self._told(self.at)}"
        if self.half is not None:
            return f"{words}; half of its lead over guessing is gone at {self._told(self.half)}."
        end = self.strengths[-1 if self.at > 0 else 0]
        return f"{words}; more than half of its lead over guessing is left at {self._told(end)}."

    def _told(self, strength: float) -> str:
        return self.words.format(f"{strength:.2g}" if strength != round(strength) else f"{strength:g}").replace(
            "-", "−"
        )


def robustness_figure(info: RobustnessInfo, height: int = 380) -> go.Figure:
    """Accuracy against strength with its interval, the strength set now, and what guessing reaches."""
    x, shares = list(info.strengths), 100 * info.accuracy
    low, high = (100 * np.array(ends) for ends in zip(*info.intervals, strict=True))
    span = x[-1] - x[0]
    figure = theme.base(
        height,
        xaxis={"title": {"text": info.axis}, "range": [x[0] - 0.02 * span, x[-1] + 0.02 * span]},
        yaxis={"title": {"text": "test accuracy, %"}, "range": [0, 102]},
        margin={"r": 24, "t": 30},
    )
    figure.add_scatter(
        x=x + x[::-1],
        y=[*high, *low[::-1]],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor="rgba(130,80,223,0.22)",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=x,
        y=shares,
        mode="lines+markers",
        name="test accuracy",
        line={"color": theme.HISTORY, "width": 4},
        marker={"size": 9},
        customdata=np.round(np.stack([low, high], axis=1), 1),
        hovertemplate="%{x:g}: %{y:.1f} %, 95 % interval %{customdata[0]} to %{customdata[1]}<extra></extra>",
    )
    figure.add_hline(y=100 * info.chance, line={"color": theme.INK, "width": 2.5, "dash": "dash"})
    figure.add_annotation(
        **theme.text(0.996, 100 * info.chance, "guessing", xref="x domain", xanchor="right", yanchor="bottom")
    )
    if x[0] <= info.present <= x[-1]:
        figure.add_vline(x=info.present, line={"color": theme.CHOSEN, "width": 3})
        figure.add_annotation(
            **theme.text(info.present, 1, "set now", theme.CHOSEN, yref="y domain", yanchor="bottom"),
        )
    return figure.figure()
