"""One step of the learning rule: potentials before and after it, and the peaks over the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["StepInfo", "path_figure", "step_figure"]

_MOST_DRAWN = 5
_LOUD = 0.005


@dataclass(frozen=True, eq=False)
class StepInfo:
    """Step `number` of a walk, counted from 1, that teaches the class `target` (from 0) to C outputs.

    v, v_after: potentials [C, T]; v_max, t_max (ms), v_max_after, t_max_after: [C]; wrong, dead: [C], who is in the
    wrong state before the step, who is never above 0; error: [C], how hard each is pushed; shares: whether errors are
    those of the softmax; past: peaks [number - 1, C] before the earlier steps; chosen: the output looked at more
    closely, the hardest pushed (or, with none, the one that has come furthest) where None.
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
    wrong: np.ndarray
    dead: np.ndarray
    error: np.ndarray
    shares: bool
    v_threshold: float
    past: np.ndarray
    chosen: int | None = None

    @property
    def predicted(self) -> int:
        """The output with the highest peak before the step."""
        return int(self.v_max.argmax())

    @property
    def pushed(self) -> list[int]:
        """Outputs with an error: those that can learn first, then the largest, the target, the highest peaks."""

        def rank(i: int) -> tuple[float, ...]:
            return bool(self.dead[i]), -abs(float(self.error[i])), i != self.target, -float(self.v_max[i])

        return sorted(np.flatnonzero(self.error).tolist(), key=rank)

    @property
    def subject(self) -> int:
        """The output looked at more closely."""
        if self.chosen is not None:
            return self.chosen
        come = np.abs(self.path[-1] - self.path[0])
        return self.pushed[0] if self.pushed else int(come.argmax()) if come.any() else self.target

    @property
    def drawn(self) -> list[int]:
        """Outputs that stand out in the figures: the target, the subject, then those pushed hardest."""
        loud = [i for i in self.pushed if abs(float(self.error[i])) >= _LOUD]
        return list(dict.fromkeys((self.target, self.subject, *loud)))[:_MOST_DRAWN]

    def colour(self, i: int) -> str:
        """An output's colour, the subject's its own where it would be one of the others."""
        colour = theme.class_colour(i, self.target, self.predicted)
        return theme.CHOSEN if i == self.subject and colour == theme.MUTED else colour

    @property
    def headline(self) -> str:
        """What was wrong, in a few words."""
        wrong = [i for i in range(len(self.wrong)) if self.wrong[i]]
        if not self.pushed:
            return f"Step {self.number}: no output is wrong, so no weight changes."
        if all(self.dead[i] for i in self.pushed):
            return f"Step {self.number}: what is wrong cannot be learned, no weight changes."
        if self.shares:
            return f"Step {self.number}: {self.classes[self.target]} is pushed up, every other output down."
        count = "1 output is" if len(wrong) == 1 else f"{len(wrong)} outputs are"
        return f"Step {self.number}: {count} wrong."

    @property
    def sentences(self) -> list[str]:
        """A sentence on every output that stands out and is pushed, and one on the rest of those."""
        told = [i for i in self.drawn if self.error[i]]
        rest = len(self.pushed) - len(told)
        words = [f"{self._fault(i)}: {self._course(i)}." for i in told]
        return (
            [*words, f"{rest} more {'is' if rest == 1 else 'are'} pushed too, drawn in thin grey."] if rest else words
        )

    def _fault(self, i: int) -> str:
        name, wanted = self.classes[i], i == self.target
        if self.shares:
            share = abs(float(self.error[i]))
            held = 1 - share if wanted else share
            return f"**{name}** has {held:.0%} of the softmax and should have {'all' if wanted else 'none'}"
        return f"**{name}** {'stays silent and should fire (+)' if wanted else 'fires and should not (−)'}"

    def _course(self, i: int) -> str:
        if self.dead[i]:
            return "its potential is never above 0, so t_max = 0, where K is 0 for every spike: it cannot learn"
        old, new = float(self.v_max[i]), float(self.v_max_after[i])
        return "its peak " + (f"{'rises' if new > old else 'falls'} {_way(old, new)}" if new != old else "stays")

    @property
    def progress(self) -> str:
        """How far all steps have brought the subject, in one sentence."""
        first, last = (float(self.path[at, self.subject]) for at in (0, -1))
        # Without an error this step is none.
        steps, name = self.number - (not self.pushed), self.classes[self.subject]
        if last == first:
            return f"{name} stays at {last:.2f}."
        return f"{name} goes {_way(first, last)} in {steps} step{'' if steps == 1 else 's'}."

    @property
    def takeaway(self) -> str:
        """What is seen, in words without marks."""
        return " ".join([self.headline, *self.sentences]).replace("**", "")

    @property
    def path(self) -> np.ndarray:
        """Peaks [number + 1, C] before the first step, between the steps, and after this one."""
        return np.concatenate((self.past.reshape(-1, len(self.classes)), [self.v_max], [self.v_max_after]))


def _way(old: float, new: float) -> str:
    """From where to where, with the digits that tell them apart."""
    digits = next((d for d in (2, 3, 4, 5) if f"{old:.{d}f}" != f"{new:.{d}f}"), 6)
    return f"from {old:.{digits}f} to {new:.{digits}f}"


def step_figure(info: StepInfo, height: int = 430) -> go.Figure:
    """Potentials before (dotted) and after (solid): the target in its colour, the hardest pushed outputs beside it."""
    T = info.v.shape[1]
    shown = np.concatenate((info.v[info.drawn], info.v_after[info.drawn]))
    low, high = min(float(shown.min()), 0.0), max(float(shown.max()), info.v_threshold)
    figure = theme.base(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [0, max(T - 1, 1)]},
        yaxis={
            "title": {"text": "membrane potential V"},
            "range": [low - 0.08 * (high - low), high + 0.16 * (high - low)],
        },
        hovermode="closest",
        margin={"r": 44},
    )
    _threshold(figure, info.v_threshold, shown, high - low)
    others = [i for i in range(len(info.classes)) if i not in info.drawn]
    for i in (*others, *info.drawn[::-1]):
        for after in (False, True):
            leading, when = i in info.drawn, "after" if after else "before"
            if not leading and not after:
                continue
            figure.add_scatter(
                x=np.arange(T),
                y=(info.v_after if after else info.v)[i],
                mode="lines",
                name=f"{info.classes[i]} {when}",
                line={
                    "color": info.colour(i),
                    "width": (4 if after else 3) if leading else 1.4,
                    "dash": "solid" if after else "dot",
                },
                opacity=1 if leading else 0.35,
                hovertemplate=f"<b>{info.classes[i]}</b> {when}<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
            )
    _mark_peaks(figure, info, high - low)
    return figure.figure()


def _mark_peaks(figure: theme.Sketch, info: StepInfo, span: float) -> None:
    """A ring at every peak before, a disc with the output's name at every one after."""
    for v_max, t_max, symbol in (
        (info.v_max, info.t_max, "circle-open"),
        (info.v_max_after, info.t_max_after, "circle"),
    ):
        figure.add_scatter(
            x=t_max[info.drawn],
            y=v_max[info.drawn],
            mode="markers",
            cliponaxis=False,
            marker={
                "symbol": symbol,
                "size": 13,
                "color": [info.colour(i) for i in info.drawn],
                "line": {"width": 2.5, "color": [info.colour(i) for i in info.drawn]},
            },
            hoverinfo="skip",
        )
    which = info.drawn
    x = np.where(info.v_max_after >= info.v_max, info.t_max_after, info.t_max)[which]
    y = np.maximum(info.v_max_after, info.v_max)[which]
    T = info.v.shape[1]
    for i, at, height in zip(which, x, _apart(x, y, 0.12 * T, 0.07 * span), strict=True):
        inside = at < 0.9 * T
        figure.add_annotation(**_name(info, i, float(at) if inside else T - 1, height, above=inside))


def _apart(x: np.ndarray, y: np.ndarray, near: float, gap: float) -> list[float]:
    """Heights of labels at (x, y), the lower ones moved down where they would cover one near them."""
    placed: dict[int, float] = {}
    for i in sorted(range(len(y)), key=lambda i: -float(y[i])):
        beside = [placed[j] - gap for j in placed if abs(float(x[i]) - float(x[j])) < near]
        placed[i] = min([float(y[i]), *beside])
    return [placed[i] for i in range(len(y))]


def _name(info: StepInfo, i: int, x: float, y: float, above: bool = False) -> dict[str, Any]:
    """An output's name to the right of a point, or above it."""
    colour = info.colour(i)
    place = {"yanchor": "bottom", "yshift": 7} if above else {"xanchor": "left", "xshift": 11}
    return theme.text(x, y, f"<b>{info.classes[i]}</b>", colour) | {"font": {"size": 18, "color": colour}} | place


def path_figure(info: StepInfo, height: int = 300) -> go.Figure:
    """The peaks over the steps, the last of which is this one."""
    path = info.path
    low, high = min(float(path.min()), info.v_threshold), max(float(path.max()), info.v_threshold)
    spare = 0.06 * (high - low) or 1.0
    figure = theme.base(
        height,
        xaxis={"title": {"text": "steps"}, "range": [0, max(len(path) - 1, 1)], "dtick": max(1, len(path) // 6)},
        yaxis={"title": {"text": "peak v_max"}, "range": [low - spare, high + spare]},
        hovermode="closest",
        margin={"r": 44},
    )
    _threshold(figure, info.v_threshold, path.T, high - low)
    others = [i for i in range(len(info.classes)) if i not in info.drawn]
    for i in (*others, *info.drawn[::-1]):
        leading = i in info.drawn
        colour = info.colour(i)
        figure.add_scatter(
            x=np.arange(len(path)),
            y=path[:, i],
            mode="lines+markers" if leading else "lines",
            name=info.classes[i],
            line={"color": colour, "width": 3.5 if leading else 1.4},
            marker={"size": 8},
            opacity=1 if leading else 0.35,
            cliponaxis=False,
            hovertemplate=f"<b>{info.classes[i]}</b> after %{{x}} steps: v_max = %{{y:.3f}}<extra></extra>",
        )
    span = float(path.max() - path.min()) or 1.0
    heights = _apart(np.zeros(len(info.drawn)), path[-1, info.drawn], 1, 0.11 * span)
    for i, y in zip(info.drawn, heights, strict=True):
        figure.add_annotation(**_name(info, i, len(path) - 1, y))
    return figure.figure()


def _threshold(figure: theme.Sketch, v_threshold: float, lines: np.ndarray, span: float) -> None:
    """The threshold, and its name where the lines [n, points] come least near it."""
    figure.add_hline(y=v_threshold, line={"color": theme.INK, "width": 2.5, "dash": "dash"})
    along = np.linspace(0, lines.shape[1] - 1, 60)
    dense = np.stack([np.interp(along, np.arange(len(line)), line) for line in lines])
    room = {}
    for x, anchor, part in ((0.004, "left", dense[:, :22]), (0.996, "right", dense[:, -22:])):
        for side, middle in (("bottom", v_threshold + 0.05 * span), ("top", v_threshold - 0.05 * span)):
            room[x, anchor, side] = float(np.abs(part - middle).min())
    x, anchor, side = max(room, key=lambda place: room[place])
    shift = 4 if anchor == "left" else -4
    words = theme.text(x, v_threshold, "threshold", xref="paper", xanchor=anchor, yanchor=side, xshift=shift)
    figure.add_annotation(**words)
