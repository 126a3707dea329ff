"""Figures of a population code: codes by grey value, spike times, mutual information by curve and by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure
from tempotron_core.figures.charts.features import features_figure, short_name
from tempotron_core.figures.charts.tuning import ranges

__all__ = ["CodeStatisticsInfo", "curves_figure", "pixel_information_figure", "times_figure", "values_figure"]

_BANDS = ("rgba(127,135,144,0)", "rgba(127,135,144,0.22)", "rgba(127,135,144,0.5)", "rgba(232,89,12,0.55)")
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 15}}


@dataclass(frozen=True, eq=False)
class CodeStatisticsInfo:
    """Statistics of a population code of m tuning curves in a window of T ms, over many images.

    Attributes:
        spikes: Number of spikes of each grey value or codeword, [n], n up to 256.
        groups: Number of the code of each, [n]; equal numbers mean equal codes.
        collision_rate: Fraction of pixels whose value shares its code with another value that occurs.
        background: Mean number of spikes of black pixels per image at each millisecond, [T].
        foreground: The same of all other pixels, [T].
        latest_effective_time: Latest spike time in ms whose postsynaptic potential (PSP) peaks within the window.
        time_to_peak: Time from a spike to the peak of its PSP in ms.
        late_spike_fraction: Fraction of spikes after latest_effective_time.
        late_fraction_by_curve: The same for each curve, [m].
        curve_information: Mutual information of each curve and the class above chance, bits per pixel, [m].
        chance_information: Mutual information expected by chance, bits per pixel, [m].
        redundant_curves: Indices of curves that are not needed to distinguish the {self.value}s.
        code_information: Mutual information of the code of each pixel and the class, bits, [features].
        value_information: Mutual information of the value of each pixel and the class, bits, [features].
        shape: Height and width of the images, or the number of features of a table.
        features: Names of the features of a table.
        is_pattern: Whether a value is the codeword of the pattern around a pixel.
    """

    spikes: np.ndarray
    groups: np.ndarray
    collision_rate: float
    background: np.ndarray
    foreground: np.ndarray
    latest_effective_time: float
    time_to_peak: float
    late_spike_fraction: float
    late_fraction_by_curve: np.ndarray
    curve_information: np.ndarray
    chance_information: np.ndarray
    redundant_curves: tuple[int, ...]
    code_information: np.ndarray
    value_information: np.ndarray
    shape: tuple[int, ...] = (28, 28)
    features: tuple[str, ...] = ()
    is_pattern: bool = False

    @property
    def feature(self) -> str:
        """Return what one value of a sample is called."""
        if self.is_pattern:
            return "position"
        return "pixel" if len(self.shape) == 2 else "feature"

    @property
    def value(self) -> str:
        """Return what the value of a feature is called."""
        if self.is_pattern:
            return "codeword"
        return "grey value" if len(self.shape) == 2 else "value"

    @property
    def sizes(self) -> np.ndarray:
        """Return the number of grey values with the code of each value, itself included, [256]."""
        return np.asarray(np.bincount(self.groups)[self.groups])

    @property
    def non_contiguous(self) -> np.ndarray:
        """Return a mask of the values whose code occurs on both sides of a value with another code, [256]."""
        number = np.arange(len(self.groups))
        low, high = (np.zeros(self.groups.max() + 1, int) for _ in range(2))
        low[self.groups[::-1]], high[self.groups] = number[::-1], number
        return np.asarray((high - low + 1)[self.groups] > self.sizes)

    @property
    def information_ratio(self) -> float:
        """Return the mutual information of codes and class as a fraction of that of values and class."""
        total = float(self.value_information.sum())
        return float(self.code_information.sum()) / total if total else 1.0

    @property
    def values_takeaway(self) -> str:
        """Return the number of spikes per value and which values share a code."""
        fewest, most, sizes = int(self.spikes.min()), int(self.spikes.max()), self.sizes
        many = f"{most}" if fewest == most else f"{fewest} to {most}"
        text = f"Each {self.value} produces {many} {'spike' if most == 1 else 'spikes'}"
        if sizes.max() == 1:
            return f"{text}; all {len(self.groups)} {self.value}s have different codes."
        text += f"; up to {sizes.max()} values share one code"
        if self.non_contiguous.any():
            first = int(np.flatnonzero(self.non_contiguous)[0])
            last = int(np.flatnonzero(self.groups == self.groups[first])[-1])
            if self.is_pattern:
                return f"{text}, which affects {self.collision_rate:.1%} of the {self.feature}s."
            return f"{text}, even distant ones such as {first / 255:.2f} and {last / 255:.2f}."
        return f"{text}, which affects {self.collision_rate:.1%} of the {self.feature}s."

    @property
    def bands_caption(self) -> str | None:
        """Return the meaning of the bands in the figure of values, None if there are none."""
        if self.sizes.max() == 1:
            return None
        elsewhere = " Orange bands share their code with values outside them." if self.non_contiguous.any() else ""
        return f"All values of a band have the same code.{elsewhere}"

    @property
    def times_takeaway(self) -> str:
        """Return which fraction of the spikes is too late for its PSP to peak within the window."""
        need = f"A postsynaptic potential peaks {self.time_to_peak:.1f} ms after its spike"
        if not self.late_spike_fraction:
            return f"{need}: all peak within the window."
        worst = int(self.late_fraction_by_curve.argmax())
        if self.latest_effective_time < 0:
            return f"{need}, which is longer than the window, so no spike is in time."
        return (
            f"{need}: {self.late_spike_fraction:.1%} of the spikes are too late to peak within the window; "
            f"curve {worst + 1} has the most, {self.late_fraction_by_curve[worst]:.0%}."
        )

    @property
    def curves_takeaway(self) -> str:
        """Return the curve with the highest mutual information and the redundant curves."""
        if not self.curve_information.any():
            return "No curve has mutual information with the class above chance."
        best = int(self.curve_information.argmax())
        bits = self.curve_information[best]
        text = f"Curve {best + 1} has the highest mutual information with the class, {bits:.3f} bits per {self.feature}"
        if not self.redundant_curves:
            return f"{text}; every curve is needed to distinguish the {self.value}s."
        count, m = len(self.redundant_curves), len(self.curve_information)
        which = f"{count} of the {m} curves"
        if count <= 6:
            which = f"curve{'s' if count > 1 else ''} {ranges([j + 1 for j in self.redundant_curves])}"
        return f"{text}; {which} can be removed without merging two {self.value}s."

    @property
    def pixel_takeaway(self) -> str:
        """Return the fraction of mutual information that the codes preserve, and the most informative pixel."""
        if not self.value_information.any():
            return f"No {self.feature} has mutual information with the class above chance."
        best = int(self.code_information.argmax())
        if len(self.shape) == 2:
            row, column = divmod(best, self.shape[1])
            place = f"row {row + 1}, column {column + 1}"
        else:
            place = short_name(self.features, best)
        return (
            f"The codes preserve {self.information_ratio:.1%} of the mutual information of {self.feature}s and class; "
            f"most at {place}: {self.code_information.max():.2f} bits."
        )


def values_figure(info: CodeStatisticsInfo, height: int = 340) -> go.Figure:
    """Draw the number of spikes against the grey value; a band marks values that share a code.

    Orange bands share their code with values that are not adjacent.
    """
    top = int(info.spikes.max()) + 0.6
    count, scale = len(info.groups), 1 if info.is_pattern else 255
    edges = (np.arange(count + 1) - 0.5) / scale
    figure = new_figure(
        height,
        xaxis={
            "title": {"text": "codeword, dark to bright" if info.is_pattern else "value x"},
            "range": [float(edges[0]), float(edges[-1])],
            "fixedrange": True,
        },
        yaxis={"title": {"text": "spikes"}, "range": [0, top], "fixedrange": True, "dtick": _tick_step(int(top))},
    )
    run = np.cumsum(np.diff(info.groups, prepend=info.groups[0]) != 0)
    kinds = np.where(info.sizes == 1, 0, np.where(info.non_contiguous, 3, 1 + run % 2))
    levels = np.arange(len(_BANDS) + 1) / len(_BANDS)
    figure.add_heatmap(
        x=edges.round(5),
        y=[0, top],
        z=[kinds.tolist()],
        zmin=-0.5,
        zmax=3.5,
        colorscale=[[float(at), colour] for i, colour in enumerate(_BANDS) for at in levels[i : i + 2]],
        showscale=False,
        hoverinfo="skip",
    )
    values = np.arange(count) / scale
    figure.add_scatter(
        x=values.round(4),
        y=info.spikes,
        text=[
            f"{count} spikes, {'unique code' if size == 1 else f'code shared with {size - 1} other values'}"
            for count, size in zip(info.spikes.tolist(), info.sizes.tolist(), strict=True)
        ],
        mode="lines",
        line={"color": theme.SPIKE, "width": 4, "shape": "hvh"},
        hovertemplate=("codeword %{x:d}" if info.is_pattern else "x %{x:.3f}") + ": %{text}<extra></extra>",
    )
    return figure.build()


def times_figure(info: CodeStatisticsInfo, height: int = 340) -> go.Figure:
    """Draw the mean number of spikes per image at each millisecond, with those that are too late in orange.

    Bars far above the others are cut off and labelled with their height.
    """
    T = len(info.background)
    time, total = np.arange(T), info.background + info.foreground
    late = time > info.latest_effective_time
    top = 1.35 * float(max(info.foreground[~late].max(initial=0), np.sort(total)[-max(2, T // 20)], 1.0))
    figure = new_figure(
        height,
        xaxis={"title": {"text": "spike time, ms"}, "range": [-0.5, T - 0.5], "fixedrange": True},
        yaxis={
            "title": {"text": "spikes per image" if len(info.shape) == 2 else "spikes per sample"},
            "range": [0, top],
            "fixedrange": True,
        },
        barmode="stack",
        bargap=0,
        showlegend=True,
        legend=_LEGEND,
        margin={"t": 40},
    )
    for counts, name, colour in (
        (np.where(late, 0, info.background), _rest_name(info), theme.MUTED),
        (np.where(late, 0, info.foreground), "in time", theme.SPIKE),
        (np.where(late, total, 0), "too late", theme.PREDICTED),
    ):
        nonzero = counts > 0  # each bar takes time to render
        figure.add_bar(
            x=time[nonzero],
            y=counts[nonzero].round(3),
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"{name}: %{{y:.1f}} at %{{x}} ms<extra></extra>",
        )
    if info.latest_effective_time >= 0:
        figure.add_vline(info.latest_effective_time, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
        side, shift = ("right", -6) if info.latest_effective_time > T / 2 else ("left", 6)
        text = f"latest in time: {info.latest_effective_time:.1f} ms"
        figure.add_annotation(
            **theme.text_label(
                info.latest_effective_time, 0.99, text, yref="paper", xanchor=side, yanchor="top", xshift=shift
            )
        )
    labelled: list[int] = []
    for t in sorted(np.flatnonzero(total > top).tolist(), key=lambda t: -total[t]):
        if all(abs(t - labelled_time) > 0.25 * T for labelled_time in labelled):
            labelled.append(t)
            side, shift = ("right", -6) if t > T / 2 else ("left", 6)
            text, colour = f"↑ {total[t]:,.0f}", theme.PREDICTED if late[t] else theme.REFERENCE
            # Not across the line of the latest effective time.
            at = info.latest_effective_time if late[t] and info.latest_effective_time > T / 2 else t
            figure.add_annotation(
                **theme.text_label(
                    at, 0.99, text, colour, yref="paper", xanchor=side, yanchor="top", xshift=shift, yshift=-22
                )
            )
    return figure.build()


def curves_figure(info: CodeStatisticsInfo, height: int = 340) -> go.Figure:
    """Draw the mutual information of each tuning curve and the class, above chance and by chance."""
    m = len(info.curve_information)
    number = np.arange(1, m + 1)
    figure = new_figure(
        height,
        xaxis={
            "title": {
                "text": "preferred pattern, dark to bright"
                if info.is_pattern
                else "tuning curve, dark to bright"
                if len(info.shape) == 2
                else "tuning curve, low to high"
            },
            "range": [0.4, m + 0.6],
            "tick0": 0,
            "dtick": 1 if m <= 8 else 5 if m <= 32 else 10,
        },
        yaxis={"title": {"text": f"bits per {info.feature}"}, "rangemode": "tozero"},
        barmode="stack",
        showlegend=True,
        legend=_LEGEND,
        margin={"t": 40, "l": 84},
    )
    for name, bits, colour in (
        ("above chance", info.curve_information, theme.SPIKE),
        ("chance", info.chance_information, theme.MUTED),
    ):
        figure.add_bar(
            x=number,
            y=bits.round(5),
            name=name,
            marker={"color": colour},
            customdata=[f"{share:.1%}" for share in info.late_fraction_by_curve.tolist()],
            hovertemplate=f"curve %{{x}}, {name}: %{{y:.4f}} bits<br>%{{customdata}} of its spikes too late"
            "<extra></extra>",
        )
    return figure.build()


def pixel_information_figure(info: CodeStatisticsInfo, height: int = 340) -> go.Figure:
    """Draw a map of the mutual information of each pixel's code and the class."""
    if len(info.shape) == 1:
        return features_figure(
            info.code_information, info.features, height, "bits", float(info.value_information.max())
        )
    rows, columns = info.shape
    figure = new_figure(
        height,
        xaxis={"visible": False, "range": [0.5, columns + 0.5], "constrain": "domain", "fixedrange": True},
        yaxis={"visible": False, "range": [rows + 0.5, 0.5], "scaleanchor": "x", "fixedrange": True},
        margin={"l": 0, "r": 96, "t": 4, "b": 4},
    )
    figure.add_heatmap(
        x=np.arange(1, columns + 1),
        y=np.arange(1, rows + 1),
        z=info.code_information.reshape(rows, columns).round(4),
        customdata=info.value_information.reshape(rows, columns).round(4),
        zmin=0,
        zmax=float(info.value_information.max()) or 1.0,
        colorscale=[[0, "rgba(15,157,143,0.06)"], [1, theme.SPIKE]],
        hovertemplate="row %{y}, column %{x}: <b>%{z:.3f}</b> of %{customdata:.3f} bits preserved<extra></extra>",
        colorbar={
            "title": {"text": "bits", "font": {"size": 17}},
            "thickness": 16,
            "tickfont": {"size": 15},
            "len": 0.9,
            "nticks": 5,
            "outlinewidth": 0,
        },
    )
    return figure.build()


def _rest_name(info: CodeStatisticsInfo) -> str:
    if len(info.shape) != 2:
        return "lowest value"
    return "black patterns" if info.is_pattern else "black pixels"


def _tick_step(largest: int) -> int:
    return 1 if largest <= 6 else 2 if largest <= 12 else 5
