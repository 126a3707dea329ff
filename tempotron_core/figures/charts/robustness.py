"""One decision before and after a perturbation, its spikes likewise, and a test set's accuracy against its strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.charts.voltages import VoltageInfo, trace_range, traces_figure

__all__ = [
    "SpikeChangesInfo",
    "PerturbedInfo",
    "RobustnessInfo",
    "spike_changes_info",
    "perturbed_figure",
    "robustness_figure",
    "placeholder_figure",
]


@dataclass(frozen=True, eq=False)
class PerturbedInfo:
    """The decision on the clean image and on the perturbed one; description: the perturbation in words, "" for none."""

    clean: VoltageInfo
    perturbed: VoltageInfo
    description: str

    @property
    def prediction_changed(self) -> bool:
        """Whether another class is named, or none any more."""
        return self.clean.is_tie != self.perturbed.is_tie or (
            not self.perturbed.is_tie and self.clean.predicted != self.perturbed.predicted
        )

    @property
    def colour(self) -> str:
        """Of the headline: that of the true class where it is named, of the predicted one where not, "" if unknown."""
        if self.perturbed.true_class is None:
            return ""
        return (
            "blue" if self.perturbed.predicted == self.perturbed.true_class and not self.perturbed.is_tie else "orange"
        )

    @property
    def headline(self) -> str:
        """What has become of the decision, in one sentence."""
        clean, perturbed = self.clean, self.perturbed
        if not self.description or (clean.is_tie and perturbed.is_tie):
            return perturbed.verdict
        margins = f"margin {clean.margin:.2f} → {perturbed.margin:.2f}"
        if not self.prediction_changed:
            name = perturbed.classes[perturbed.predicted]
            wrong = (
                ""
                if perturbed.true_class in (None, perturbed.predicted)
                else f", which is wrong (true {perturbed.classes[perturbed.true_class or 0]})"
            )
            return f"Still {name}{wrong}: {margins} with {self.description}."
        before, after = ("a tie" if info.is_tie else info.classes[info.predicted] for info in (clean, perturbed))
        verb = "Tips back" if not perturbed.is_tie and perturbed.predicted == perturbed.true_class else "Tips over"
        return f"{verb}: {before} → {after} with {self.description}; {margins}."

    @property
    def legend(self) -> str:
        """What the lines are, in words."""
        return "Solid: the potentials now; dotted: before." if self.description else ""


def placeholder_figure(text: str, height: int = 400) -> go.Figure:
    """An empty figure that says what is waited for."""
    return theme.placeholder(height, text)


def perturbed_figure(info: PerturbedInfo, height: int = 400) -> go.Figure:
    """The potentials after the perturbation; dotted, those of the leading classes before it."""
    figure = traces_figure(info.perturbed, height)
    if not info.description:
        return figure
    perturbed = info.perturbed
    t = np.arange(perturbed.v.shape[1])
    for i in dict.fromkeys((info.clean.predicted, perturbed.predicted, perturbed.true_class)):
        if i is not None:
            figure.add_scatter(
                x=t,
                y=info.clean.v[i],
                mode="lines",
                name=f"{perturbed.classes[i]}, clean",
                line={
                    "color": theme.class_colour(i, perturbed.true_class, perturbed.predicted),
                    "width": 2.5,
                    "dash": "dot",
                },
                hovertemplate=f"<b>{perturbed.classes[i]}</b> before<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
            )
    (low, high), (clean_low, clean_high) = trace_range(perturbed), trace_range(info.clean)
    figure.update_yaxes(range=[min(low, clean_low), max(high, clean_high)])
    return figure


@dataclass(frozen=True, eq=False)
class SpikeChangesInfo:
    """The spikes of one image before and after a perturbation, on a grid of T ms.

    current, previous: [784, columns] counts of the spikes that arrive now, and of the earlier ones that no longer come
    where they came, column c holding the times from c*step to (c+1)*step. num_moved, num_lost, num_late, num_new: numbers of afferents
    whose spike has another time, is missing, comes after the window, or was not there before; num_before: spikes then.
    """

    current: np.ndarray
    previous: np.ndarray
    num_before: int
    num_moved: int
    num_lost: int
    num_late: int
    num_new: int
    T: int

    @property
    def takeaway(self) -> str:
        """What has become of the spikes, in one sentence."""
        counts = (
            (self.num_moved, "moved"),
            (self.num_lost, "lost"),
            (self.num_late, "too late"),
            (self.num_new, "new"),
        )
        parts = [f"{count:,} {word}" for count, word in counts if count]
        if not parts:
            return f"All {self.num_before:,} spikes arrive as they were sent."
        return f"Of {self.num_before:,} spikes: " + ", ".join(parts) + "."


def spike_changes_info(before: np.ndarray, after: np.ndarray, T: int, columns: int = 200) -> SpikeChangesInfo:
    """Compare spike times [784, m] in ms, negative for none; those after T - 1 do not arrive."""
    arrived_before, late = (before >= 0) & (before <= T - 1), after > T - 1
    arrives_now = (after >= 0) & ~late
    unchanged = arrived_before & arrives_now & (before == after)
    step = max(1, -(-T // columns))
    width = -(-T // step)

    def grid(times: np.ndarray, mask: np.ndarray) -> np.ndarray:
        pixel, neuron = np.nonzero(mask)
        cells = pixel * width + times[pixel, neuron].astype(int) // step
        return np.bincount(cells, minlength=len(times) * width).reshape(len(times), width).astype(np.uint8)

    return SpikeChangesInfo(
        grid(after, arrives_now),
        grid(before, arrived_before & ~unchanged),
        int(arrived_before.sum()),
        int((arrived_before & arrives_now & ~unchanged).sum()),
        int((arrived_before & (after < 0)).sum()),
        int((arrived_before & late).sum()),
        int((~arrived_before & arrives_now).sum()),
        T,
    )


@dataclass(frozen=True)
class RobustnessInfo:
    """Right decisions out of samples at each strength of one perturbation, in ascending order, 0 among them.

    name, axis: what is varied; template: a strength in words, with {} for the number; intervals: the ends of each share's
    confidence interval; chance: the accuracy of guessing; current_strength: the strength that is set now.
    """

    name: str
    axis: str
    template: str
    strengths: tuple[float, ...]
    num_correct: tuple[int, ...]
    intervals: tuple[tuple[float, float], ...]
    samples: int
    chance: float
    current_strength: float

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right decisions at each strength."""
        return np.array(self.num_correct) / self.samples

    @property
    def clean(self) -> float:
        """Accuracy without any of it."""
        return float(self.accuracy[self.strengths.index(0)])

    @property
    def clean_interval_text(self) -> str:
        """The interval without any of it, in words."""
        low, high = self.intervals[self.strengths.index(0)]
        return f"{low:.1%} to {high:.1%} at zero"

    @property
    def reported_strength(self) -> float:
        """The strength that is spoken of: the present one, the last one without any."""
        return min(max(self.current_strength, self.strengths[0]), self.strengths[-1]) or self.strengths[-1]

    @property
    def half_strength(self) -> float | None:
        """The strength, on that side of 0, at which half of the clean lead over guessing is gone; None for none."""
        level, zero = (self.clean + self.chance) / 2, self.strengths.index(0)
        step, end = (1, len(self.strengths) - 1) if self.reported_strength > 0 else (-1, 0)
        for i in range(zero, end, step):
            accuracy_here, accuracy_next = float(self.accuracy[i]), float(self.accuracy[i + step])
            if accuracy_next <= level:
                share = (
                    (accuracy_here - level) / (accuracy_here - accuracy_next) if accuracy_here > accuracy_next else 0.0
                )
                return self.strengths[i] + share * (self.strengths[i + step] - self.strengths[i])
        return None

    @property
    def takeaway(self) -> str:
        """How the accuracy bears it, in one sentence."""
        low, _ = self.intervals[self.strengths.index(0)]
        if low <= self.chance:
            return f"At {self.clean:.1%} without any {self.name} the network is no better than guessing."
        accuracy = float(np.interp(self.reported_strength, self.strengths, self.accuracy))
        approximately = "" if self.reported_strength in self.strengths else "about "
        verb = "falls" if accuracy < low else "rises" if accuracy > self.clean else "holds"
        words = f"Accuracy {verb}: {self.clean:.1%} → {approximately}{accuracy:.1%} at {self._strength_text(self.reported_strength)}"
        if self.half_strength is not None:
            return f"{words}; half of its lead over guessing is gone at {self._strength_text(self.half_strength)}."
        end = self.strengths[-1 if self.reported_strength > 0 else 0]
        return f"{words}; more than half of its lead over guessing is left at {self._strength_text(end)}."

    def _strength_text(self, strength: float) -> str:
        return self.template.format(f"{strength:.2g}" if strength != round(strength) else f"{strength:g}").replace(
            "-", "−"
        )


def robustness_figure(info: RobustnessInfo, height: int = 380) -> go.Figure:
    """Accuracy against strength with its interval, the strength set now, and what guessing reaches."""
    x, shares = list(info.strengths), 100 * info.accuracy
    low, high = (100 * np.array(ends) for ends in zip(*info.intervals, strict=True))
    span = x[-1] - x[0]
    figure = theme.new_figure(
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
        line={"color": theme.METRIC, "width": 4},
        marker={"size": 9},
        customdata=np.round(np.stack([low, high], axis=1), 1),
        hovertemplate="%{x:g}: %{y:.1f} %, 95 % interval %{customdata[0]} to %{customdata[1]}<extra></extra>",
    )
    figure.add_hline(y=100 * info.chance, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    figure.add_annotation(
        **theme.text_label(0.996, 100 * info.chance, "guessing", xref="x domain", xanchor="right", yanchor="bottom")
    )
    if x[0] <= info.current_strength <= x[-1]:
        figure.add_vline(x=info.current_strength, line={"color": theme.SELECTED, "width": 3})
        figure.add_annotation(
            **theme.text_label(info.current_strength, 1, "set now", theme.SELECTED, yref="y domain", yanchor="bottom"),
        )
    return figure.build()
