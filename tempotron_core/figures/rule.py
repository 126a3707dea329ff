"""One step of the learning rule: potentials before and after it, and the peaks over the steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import style

__all__ = ["StepInfo", "path_figure", "step_figure"]

_MOST_DRAWN = 4


@dataclass(frozen=True, eq=False)
class StepInfo:
    """Step `number` of a walk, counted from 1, that teaches the class `target` (from 0) to C outputs.

    v, v_after: potentials [C, T]; v_max, t_max (ms), v_max_after, t_max_after: [C]; wrong, dead: [C], who is in the
    wrong state before the step, who is never above 0; error: [C], how hard each is pushed; shares: whether errors are
    those of the softmax; past: peaks [number - 1, C] before the earlier steps.
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

    @property
    def predicted(self) -> int:
        """The output with the highest peak before the step."""
        return int(self.v_max.argmax())

    @property
    def pushed(self) -> list[int]:
        """Outputs with an error, the largest first, the target before its equals."""
        order = sorted(range(len(self.error)), key=lambda i: (-abs(float(self.error[i])), i != self.target))
        return [i for i in order if self.error[i]]

    @property
    def drawn(self) -> list[int]:
        """Outputs that stand out in the figures: the target, then those pushed hardest."""
        return list(dict.fromkeys((self.target, *self.pushed)))[:_MOST_DRAWN]

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
        return [*words, f"{rest} more, pushed no harder, are drawn in grey."] if rest else words

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
        for digits in (2, 3, 4, 6):
            if f"{old:.{digits}f}" != f"{new:.{digits}f}":
                return f"its peak {'rises' if new > old else 'falls'} from {old:.{digits}f} to {new:.{digits}f}"
        return f"its peak stays at {old:.2f}"

    @property
    def takeaway(self) -> str:
        """What is seen, in words without marks."""
        return " ".join([self.headline, *self.sentences]).replace("**", "")

    @property
    def path(self) -> np.ndarray:
        """Peaks [number + 1, C] before the first step, between the steps, and after this one."""
        return np.concatenate((self.past.reshape(-1, len(self.classes)), [self.v_max], [self.v_max_after]))


def step_figure(info: StepInfo, height: int = 430) -> go.Figure:
    """Potentials before (dotted) and after (solid): the target in its colour, the hardest pushed outputs beside it."""
    T = info.v.shape[1]
    shown = np.concatenate((info.v[info.drawn], info.v_after[info.drawn]))
    low, high = min(float(shown.min()), 0.0), max(float(shown.max()), info.v_threshold)
    figure = style.base(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [0, max(T - 1, 1)]},
        yaxis={
            "title": {"text": "membrane potential V"},
            "range": [low - 0.08 * (high - low), high + 0.16 * (high - low)],
        },
        hovermode="closest",
    )
    _threshold(figure, info.v_threshold)
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
                    "color": style.class_colour(i, info.target, info.predicted),
                    "width": (4 if after else 3) if leading else 1.4,
                    "dash": "solid" if after else "dot",
                },
                opacity=1 if leading else 0.35,
                hovertemplate=f"<b>{info.classes[i]}</b> {when}<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
            )
    _mark_peaks(figure, info)
    return figure.figure()


def _mark_peaks(figure: style.Sketch, info: StepInfo) -> None:
    """A ring at every peak before, a disc after, and an arrow's worth of name at the latter."""
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
                "color": [style.class_colour(i, info.target, info.predicted) for i in info.drawn],
                "line": {"width": 2.5},
            },
            hoverinfo="skip",
        )
    last = info.v.shape[1] - 1
    for i in info.drawn:
        at, colour = float(info.t_max_after[i]), style.class_colour(i, info.target, info.predicted)
        left = at > 0.85 * last
        figure.add_annotation(
            **style.text(at, float(info.v_max_after[i]), f"<b>{info.classes[i]}</b>", colour)
            | {"font": {"size": 18, "color": colour}}
            | {"xanchor": "right" if left else "left", "xshift": -12 if left else 12, "yanchor": "bottom"}
        )


def path_figure(info: StepInfo, height: int = 300) -> go.Figure:
    """The peaks over the steps, the last of which is this one."""
    path = info.path
    figure = style.base(
        height,
        xaxis={"title": {"text": "steps taken"}, "range": [0, len(path) - 0.6], "dtick": max(1, len(path) // 6)},
        yaxis={"title": {"text": "peak v_max"}},
        hovermode="closest",
    )
    _threshold(figure, info.v_threshold)
    others = [i for i in range(len(info.classes)) if i not in info.drawn]
    for i in (*others, *info.drawn[::-1]):
        leading = i in info.drawn
        colour = style.class_colour(i, info.target, info.predicted)
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
        if leading:
            figure.add_annotation(
                **style.text(len(path) - 1, float(path[-1, i]), f"<b>{info.classes[i]}</b>", colour)
                | {"font": {"size": 17, "color": colour}, "xanchor": "left", "xshift": 10}
            )
    return figure.figure()


def _threshold(figure: style.Sketch, v_threshold: float) -> None:
    figure.add_hline(y=v_threshold, line={"color": style.INK, "width": 2.5, "dash": "dash"})
    figure.add_annotation(**style.text(0.004, v_threshold, "threshold", xref="paper", xanchor="left", yanchor="bottom"))
