"""Figures of perturbations: one prediction before and after, its spikes, and test accuracy against strength."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure, placeholder
from tempotron_core.figures.charts.voltage_info import VoltageInfo
from tempotron_core.figures.charts.voltages import trace_range, traces_figure

__all__ = [
    "PerturbedInfo",
    "RobustnessInfo",
    "SpikeChangesInfo",
    "perturbed_figure",
    "placeholder_figure",
    "robustness_figure",
    "spike_changes_info",
]


@dataclass(frozen=True, eq=False)
class PerturbedInfo:
    """Potentials for the clean and the perturbed image.

    Attributes:
        clean: Potentials without the perturbation.
        perturbed: Potentials with it.
        description: Text that describes the perturbation, "" for none.
    """

    clean: VoltageInfo
    perturbed: VoltageInfo
    description: str

    @property
    def prediction_changed(self) -> bool:
        """Return True if the predicted class differs, or if one of the two is a tie and the other is not."""
        return self.clean.is_tie != self.perturbed.is_tie or (
            not self.perturbed.is_tie and self.clean.predicted != self.perturbed.predicted
        )

    @property
    def colour(self) -> str:
        """Return the colour of the headline: blue if correct, orange if not, "" if the true class is unknown."""
        if self.perturbed.true_class is None:
            return ""
        return (
            "blue" if self.perturbed.predicted == self.perturbed.true_class and not self.perturbed.is_tie else "orange"
        )

    @property
    def headline(self) -> str:
        """Return whether the prediction changed, and both leads."""
        clean, perturbed = self.clean, self.perturbed
        if not self.description or (clean.is_tie and perturbed.is_tie):
            return perturbed.prediction_text
        leads = f"lead {clean.lead:.2f} → {perturbed.lead:.2f}"
        if not self.prediction_changed:
            name = perturbed.classes[perturbed.predicted]
            true_text = (
                ""
                if perturbed.true_class in (None, perturbed.predicted)
                else f" (true class {perturbed.classes[perturbed.true_class or 0]})"
            )
            return f"Prediction unchanged: {name}{true_text} with {self.description}; {leads}."
        before, after = ("tie" if info.is_tie else info.classes[info.predicted] for info in (clean, perturbed))
        is_correct = not perturbed.is_tie and perturbed.predicted == perturbed.true_class
        change = "corrected" if is_correct else "changed"
        return f"Prediction {change}: {before} → {after} with {self.description}; {leads}."

    @property
    def legend(self) -> str:
        """Return the meaning of the line styles, "" without a perturbation."""
        return "Solid: with the perturbation; dotted: without." if self.description else ""


def placeholder_figure(text: str, height: int = 400) -> go.Figure:
    """Return a figure that shows only a message, for example while a result is computed."""
    return placeholder(height, text)


def perturbed_figure(info: PerturbedInfo, height: int = 400) -> go.Figure:
    """Draw the potentials with the perturbation; dotted, those of the predicted and the true class without it."""
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
                hovertemplate=f"<b>{perturbed.classes[i]}</b>, clean<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
            )
    (low, high), (clean_low, clean_high) = trace_range(perturbed), trace_range(info.clean)
    figure.update_yaxes(range=[min(low, clean_low), max(high, clean_high)])
    return figure


@dataclass(frozen=True, eq=False)
class SpikeChangesInfo:
    """The spikes of one image without and with a perturbation, in a window of T ms.

    Column c of a count holds the times from c*step to (c+1)*step.

    Attributes:
        current: Counts of the spikes with the perturbation, [features, columns].
        previous: Counts of the spikes without it that have moved or disappeared, [features, columns].
        num_before: Number of spikes without the perturbation.
        num_moved: Number of afferents whose spike has another time.
        num_lost: Number of afferents whose spike is missing.
        num_late: Number of afferents whose spike is after the window.
        num_new: Number of afferents that spike only with the perturbation.
        T: Length of the window in ms.
        shape: Height and width of the image, or the number of features of a table.
    """

    current: np.ndarray
    previous: np.ndarray
    num_before: int
    num_moved: int
    num_lost: int
    num_late: int
    num_new: int
    T: int
    shape: tuple[int, ...] = (28, 28)

    @property
    def takeaway(self) -> str:
        """Return how many spikes have moved, are lost, fall after the window or are new."""
        counts = (
            (self.num_moved, "moved"),
            (self.num_lost, "lost"),
            (self.num_late, "after the window"),
            (self.num_new, "new"),
        )
        parts = [f"{count:,} {word}" for count, word in counts if count]
        if not parts:
            return f"All {self.num_before:,} spikes are unchanged."
        return f"Of {self.num_before:,} spikes: " + ", ".join(parts) + "."


def spike_changes_info(
    before: np.ndarray, after: np.ndarray, T: int, columns: int = 200, shape: tuple[int, ...] = (28, 28)
) -> SpikeChangesInfo:
    """Compare the spike times of an image without and with a perturbation.

    Args:
        before: Spike times without the perturbation in ms, negative for no spike, [features, m].
        after: Spike times with it, [features, m].
        T: Length of the window in ms; times after T - 1 are outside it.
        columns: Largest number of columns of the counts.
        shape: Height and width of the image, or the number of features of a table.
    """
    in_window_before, late = (before >= 0) & (before <= T - 1), after > T - 1
    in_window_after = (after >= 0) & ~late
    unchanged = in_window_before & in_window_after & (before == after)
    step = max(1, -(-T // columns))
    width = -(-T // step)

    def grid(times: np.ndarray, mask: np.ndarray) -> np.ndarray:
        pixel, neuron = np.nonzero(mask)
        cells = pixel * width + times[pixel, neuron].astype(int) // step
        return np.bincount(cells, minlength=len(times) * width).reshape(len(times), width).astype(np.uint8)

    return SpikeChangesInfo(
        current=grid(after, in_window_after),
        previous=grid(before, in_window_before & ~unchanged),
        num_before=int(in_window_before.sum()),
        num_moved=int((in_window_before & in_window_after & ~unchanged).sum()),
        num_lost=int((in_window_before & (after < 0)).sum()),
        num_late=int((in_window_before & late).sum()),
        num_new=int((~in_window_before & in_window_after).sum()),
        T=T,
        shape=shape,
    )


@dataclass(frozen=True)
class RobustnessInfo:
    """Test accuracy against the strength of one perturbation.

    Attributes:
        name: Name of the perturbation.
        axis: Title of the axis of strengths.
        template: Text of a strength, with {} for the number.
        strengths: Strengths in ascending order; 0 must be one of them.
        num_correct: Number of correct predictions at each strength.
        intervals: 95 % confidence interval of the accuracy at each strength.
        samples: Number of samples at each strength.
        chance: Accuracy at chance level.
        current_strength: Strength selected on the page.
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
        """Return the accuracy at each strength, in [0, 1]."""
        return np.array(self.num_correct) / self.samples

    @property
    def clean(self) -> float:
        """Return the accuracy without the perturbation."""
        return float(self.accuracy[self.strengths.index(0)])

    @property
    def clean_interval_text(self) -> str:
        """Return the confidence interval of the accuracy without the perturbation as text."""
        low, high = self.intervals[self.strengths.index(0)]
        return f"{low:.1%} to {high:.1%} at zero"

    @property
    def reported_strength(self) -> float:
        """Return the strength that the takeaway reports: the current one, or the largest if that is 0."""
        return min(max(self.current_strength, self.strengths[0]), self.strengths[-1]) or self.strengths[-1]

    @property
    def half_strength(self) -> float | None:
        """Return the strength at which the accuracy is halfway between clean and chance, None if it never is.

        Only strengths with the sign of reported_strength are searched; the value is interpolated linearly.
        """
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
        """Return the accuracy at the reported strength and the strength at which it is halfway to chance."""
        low, _ = self.intervals[self.strengths.index(0)]
        if low <= self.chance:
            return f"Accuracy without {self.name} is {self.clean:.1%}, not above chance."
        accuracy = float(np.interp(self.reported_strength, self.strengths, self.accuracy))
        approximately = "" if self.reported_strength in self.strengths else "about "
        verb = "falls" if accuracy < low else "rises" if accuracy > self.clean else "is stable"
        strength = self._strength_text(self.reported_strength)
        text = f"Accuracy {verb}: {self.clean:.1%} → {approximately}{accuracy:.1%} at {strength}"
        if self.half_strength is not None:
            return f"{text}; halfway to chance at {self._strength_text(self.half_strength)}."
        end = self.strengths[-1 if self.reported_strength > 0 else 0]
        return f"{text}; less than halfway to chance at {self._strength_text(end)}."

    def _strength_text(self, strength: float) -> str:
        return self.template.format(f"{strength:.2g}" if strength != round(strength) else f"{strength:g}").replace(
            "-", "−"
        )


def robustness_figure(info: RobustnessInfo, height: int = 380) -> go.Figure:
    """Draw accuracy against strength, with 95 % intervals, chance level and the current strength."""
    x, shares = list(info.strengths), 100 * info.accuracy
    low, high = (100 * np.array(ends) for ends in zip(*info.intervals, strict=True))
    span = x[-1] - x[0]
    figure = new_figure(
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
        **theme.text_label(0.996, 100 * info.chance, "chance", xref="x domain", xanchor="right", yanchor="bottom")
    )
    if x[0] <= info.current_strength <= x[-1]:
        figure.add_vline(x=info.current_strength, line={"color": theme.SELECTED, "width": 3})
        figure.add_annotation(
            **theme.text_label(info.current_strength, 1, "current", theme.SELECTED, yref="y domain", yanchor="bottom"),
        )
    return figure.build()
