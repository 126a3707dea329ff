"""Figures of one learning step: potentials before and after it, and peaks over all steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import FigureBuilder, new_figure

__all__ = ["StepInfo", "peak_history_figure", "step_figure"]

_MAX_HIGHLIGHTED = 5
_MIN_SHOWN_ERROR = 0.005


@dataclass(frozen=True, eq=False)
class StepInfo:
    """One learning step of C outputs on one image.

    Attributes:
        number: Number of the step in its sequence, from 1.
        target: Class that the step trains, from 0.
        classes: Names of the classes.
        v: Potentials before the step, [C, T].
        v_after: Potentials after it, [C, T].
        v_max: Peak potentials before the step, [C].
        t_max: Times of these peaks in ms, [C].
        v_max_after: Peak potentials after the step, [C].
        t_max_after: Times of these peaks in ms, [C].
        has_firing_error: Mask of the outputs that fire and should not, or should fire and do not, before the step, [C].
        is_dead: Mask of the outputs whose potential is never above 0, [C].
        error: Error of each output, [C]: positive raises its peak, negative lowers it.
        uses_softmax: True if the errors are those of the cross-entropy of the softmax.
        v_threshold: Threshold potential.
        earlier_peaks: Peak potentials before each earlier step, [number - 1, C].
        selected_output: Output shown in detail; None selects the one with the largest error or, if no output has an
            error, the one whose peak has changed most.
    """

    number: int
    target: int
    classes: tuple[str, ...]
    v: np.ndarray
    v_after: np.ndarray
    v_max: np.ndarray
    t_max: np.ndarray
    v_max_after: np.ndarray
    t_max_after: np.ndarray
    has_firing_error: np.ndarray
    is_dead: np.ndarray
    error: np.ndarray
    uses_softmax: bool
    v_threshold: float
    earlier_peaks: np.ndarray
    selected_output: int | None = None

    @property
    def predicted(self) -> int:
        """Return the output with the highest peak before the step."""
        return int(self.v_max.argmax())

    @property
    def updated_outputs(self) -> list[int]:
        """Return the outputs with an error.

        Sorted: outputs with a gradient first, then by the size of the error, the target, the height of the peak.
        """

        def rank(i: int) -> tuple[float, ...]:
            return bool(self.is_dead[i]), -abs(float(self.error[i])), i != self.target, -float(self.v_max[i])

        return sorted(np.flatnonzero(self.error).tolist(), key=rank)

    @property
    def focused_output(self) -> int:
        """Return the output shown in detail."""
        if self.selected_output is not None:
            return self.selected_output
        total_change = np.abs(self.peak_history[-1] - self.peak_history[0])
        return (
            self.updated_outputs[0]
            if self.updated_outputs
            else int(total_change.argmax())
            if total_change.any()
            else self.target
        )

    @property
    def highlighted_outputs(self) -> list[int]:
        """Return the highlighted outputs: the target, the output in detail, then those with the largest errors."""
        large_errors = [i for i in self.updated_outputs if abs(float(self.error[i])) >= _MIN_SHOWN_ERROR]
        return list(dict.fromkeys((self.target, self.focused_output, *large_errors)))[:_MAX_HIGHLIGHTED]

    def colour(self, i: int) -> str:
        """Return the colour of an output; the output in detail is never MUTED."""
        colour = theme.class_colour(i, self.target, self.predicted)
        return theme.SELECTED if i == self.focused_output and colour == theme.MUTED else colour

    @property
    def headline(self) -> str:
        """Return which errors the step corrects."""
        wrong = int(np.count_nonzero(self.has_firing_error))
        if not self.updated_outputs:
            return f"Step {self.number}: no output has an error, so no weight changes."
        if all(self.is_dead[i] for i in self.updated_outputs):
            return f"Step {self.number}: outputs with an error have no gradient, so no weight changes."
        if self.uses_softmax:
            return f"Step {self.number}: the peak of {self.classes[self.target]} is raised, all others are lowered."
        count = "1 output has a firing error" if wrong == 1 else f"{wrong} outputs have a firing error"
        return f"Step {self.number}: {count}."

    @property
    def sentences(self) -> list[str]:
        """Return one sentence per highlighted output with an error, and one for the number of the others."""
        shown = [i for i in self.highlighted_outputs if self.error[i]]
        rest = len(self.updated_outputs) - len(shown)
        parts = [f"{self._error_text(i)}: {self._peak_change_text(i)}." for i in shown]
        return (
            [*parts, f"{rest} more {'output has an error' if rest == 1 else 'outputs have an error'} (thin grey)."]
            if rest
            else parts
        )

    def _error_text(self, i: int) -> str:
        name, is_target = self.classes[i], i == self.target
        if self.uses_softmax:
            distance = abs(float(self.error[i]))
            softmax_share = 1 - distance if is_target else distance
            return (
                f"**{name}** has a softmax probability of {softmax_share:.0%}, target {'100%' if is_target else '0%'}"
            )
        return f"**{name}** {'is silent and should fire (+)' if is_target else 'fires and should not (−)'}"

    def _peak_change_text(self, i: int) -> str:
        if self.is_dead[i]:
            return "its potential is never above 0, so t_max = 0, where K is 0 for every spike: no weight changes"
        old, new = float(self.v_max[i]), float(self.v_max_after[i])
        return "its peak " + (
            f"{'rises' if new > old else 'falls'} {_from_to_text(old, new)}" if new != old else "does not change"
        )

    @property
    def progress(self) -> str:
        """Return how far all steps have changed the peak of the output in detail."""
        first, last = (float(self.peak_history[at, self.focused_output]) for at in (0, -1))
        # A step without an error does not count.
        steps, name = self.number - (not self.updated_outputs), self.classes[self.focused_output]
        if last == first:
            return f"The peak of {name} stays at {last:.2f}."
        return f"The peak of {name} changes {_from_to_text(first, last)} in {steps} step{'' if steps == 1 else 's'}."

    @property
    def takeaway(self) -> str:
        """Return the headline and the sentences without Markdown."""
        return " ".join([self.headline, *self.sentences]).replace("**", "")

    @property
    def peak_history(self) -> np.ndarray:
        """Return the peaks before the first step, between the steps and after this step, [number + 1, C]."""
        return np.concatenate((self.earlier_peaks.reshape(-1, len(self.classes)), [self.v_max], [self.v_max_after]))


def _from_to_text(old: float, new: float) -> str:
    """Format two values with as many digits as distinguish them, at least 2."""
    digits = next((d for d in (2, 3, 4, 5) if f"{old:.{d}f}" != f"{new:.{d}f}"), 6)
    return f"from {old:.{digits}f} to {new:.{digits}f}"


def step_figure(info: StepInfo, height: int = 430) -> go.Figure:
    """Draw the potentials before (dotted) and after (solid) the step, with the highlighted outputs in colour."""
    T = info.v.shape[1]
    potentials = np.concatenate((info.v[info.highlighted_outputs], info.v_after[info.highlighted_outputs]))
    low, high = min(float(potentials.min()), 0.0), max(float(potentials.max()), info.v_threshold)
    figure = new_figure(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [0, max(T - 1, 1)]},
        yaxis={
            "title": {"text": "membrane potential V"},
            "range": [low - 0.08 * (high - low), high + 0.16 * (high - low)],
        },
        hovermode="closest",
        margin={"r": 44},
    )
    _threshold(figure, info.v_threshold, potentials, high - low)
    others = [i for i in range(len(info.classes)) if i not in info.highlighted_outputs]
    for i in (*others, *info.highlighted_outputs[::-1]):
        for after in (False, True):
            highlighted, when = i in info.highlighted_outputs, "after" if after else "before"
            if not highlighted and not after:
                continue
            figure.add_scatter(
                x=np.arange(T),
                y=(info.v_after if after else info.v)[i],
                mode="lines",
                name=f"{info.classes[i]} {when}",
                line={
                    "color": info.colour(i),
                    "width": (4 if after else 3) if highlighted else 1.4,
                    "dash": "solid" if after else "dot",
                },
                opacity=1 if highlighted else 0.35,
                hovertemplate=f"<b>{info.classes[i]}</b> {when}<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
            )
    _mark_peaks(figure, info, high - low)
    return figure.build()


def _mark_peaks(figure: FigureBuilder, info: StepInfo, span: float) -> None:
    """Mark the peaks of the highlighted outputs, a ring before and a disc after the step, and label the outputs."""
    for v_max, t_max, symbol in (
        (info.v_max, info.t_max, "circle-open"),
        (info.v_max_after, info.t_max_after, "circle"),
    ):
        figure.add_scatter(
            x=t_max[info.highlighted_outputs],
            y=v_max[info.highlighted_outputs],
            mode="markers",
            cliponaxis=False,
            marker={
                "symbol": symbol,
                "size": 13,
                "color": [info.colour(i) for i in info.highlighted_outputs],
                "line": {"width": 2.5, "color": [info.colour(i) for i in info.highlighted_outputs]},
            },
            hoverinfo="skip",
        )
    which = info.highlighted_outputs
    x = np.where(info.v_max_after >= info.v_max, info.t_max_after, info.t_max)[which]
    y = np.maximum(info.v_max_after, info.v_max)[which]
    T = info.v.shape[1]
    for i, at, height in zip(which, x, _avoid_overlap(x, y, 0.12 * T, 0.07 * span), strict=True):
        inside = at < 0.9 * T
        figure.add_annotation(**_name(info, i, float(at) if inside else T - 1, height, above=inside))


def _avoid_overlap(x: np.ndarray, y: np.ndarray, near: float, gap: float) -> list[float]:
    """Return the heights of labels at (x, y); a label closer than near and gap to a higher one is moved down."""
    heights: dict[int, float] = {}
    for i in sorted(range(len(y)), key=lambda i: -float(y[i])):
        limits = [heights[j] - gap for j in heights if abs(float(x[i]) - float(x[j])) < near]
        heights[i] = min([float(y[i]), *limits])
    return [heights[i] for i in range(len(y))]


def _name(info: StepInfo, i: int, x: float, y: float, above: bool = False) -> dict[str, Any]:
    """Return the label of an output to the right of a point, or above it."""
    colour = info.colour(i)
    place = {"yanchor": "bottom", "yshift": 7} if above else {"xanchor": "left", "xshift": 11}
    return theme.text_label(x, y, f"<b>{info.classes[i]}</b>", colour) | {"font": {"size": 18, "color": colour}} | place


def peak_history_figure(info: StepInfo, height: int = 300) -> go.Figure:
    """Draw the peaks against the number of steps; the last step is this one."""
    history = info.peak_history
    low, high = min(float(history.min()), info.v_threshold), max(float(history.max()), info.v_threshold)
    padding = 0.06 * (high - low) or 1.0
    figure = new_figure(
        height,
        xaxis={"title": {"text": "steps"}, "range": [0, max(len(history) - 1, 1)], "dtick": max(1, len(history) // 6)},
        yaxis={"title": {"text": "peak v_max"}, "range": [low - padding, high + padding]},
        hovermode="closest",
        margin={"r": 44},
    )
    _threshold(figure, info.v_threshold, history.T, high - low)
    others = [i for i in range(len(info.classes)) if i not in info.highlighted_outputs]
    for i in (*others, *info.highlighted_outputs[::-1]):
        highlighted = i in info.highlighted_outputs
        colour = info.colour(i)
        figure.add_scatter(
            x=np.arange(len(history)),
            y=history[:, i],
            mode="lines+markers" if highlighted else "lines",
            name=info.classes[i],
            line={"color": colour, "width": 3.5 if highlighted else 1.4},
            marker={"size": 8},
            opacity=1 if highlighted else 0.35,
            cliponaxis=False,
            hovertemplate=f"<b>{info.classes[i]}</b> after %{{x}} steps: v_max = %{{y:.3f}}<extra></extra>",
        )
    span = float(history.max() - history.min()) or 1.0
    heights = _avoid_overlap(
        np.zeros(len(info.highlighted_outputs)), history[-1, info.highlighted_outputs], 1, 0.11 * span
    )
    for i, y in zip(info.highlighted_outputs, heights, strict=True):
        figure.add_annotation(**_name(info, i, len(history) - 1, y))
    return figure.build()


def _threshold(figure: FigureBuilder, v_threshold: float, lines: np.ndarray, span: float) -> None:
    """Draw the threshold and place its label where the lines [n, points] are farthest from it."""
    figure.add_hline(y=v_threshold, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    along = np.linspace(0, lines.shape[1] - 1, 60)
    dense = np.stack([np.interp(along, np.arange(len(line)), line) for line in lines])
    clearance = {}
    for x, anchor, part in ((0.004, "left", dense[:, :22]), (0.996, "right", dense[:, -22:])):
        for side, middle in (("bottom", v_threshold + 0.05 * span), ("top", v_threshold - 0.05 * span)):
            clearance[x, anchor, side] = float(np.abs(part - middle).min())
    x, anchor, side = max(clearance, key=lambda place: clearance[place])
    shift = 4 if anchor == "left" else -4
    label = theme.text_label(x, v_threshold, "threshold", xref="paper", xanchor=anchor, yanchor=side, xshift=shift)
    figure.add_annotation(**label)
