"""What each pixel and each tuning neuron adds to a peak, or to the lead of one class over another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["EvidenceInfo", "evidence_figure", "neurons_figure", "outline"]

_SIDE = 28
_MAX_LINES = 6


@dataclass(frozen=True, eq=False)
class EvidenceInfo:
    """A peak's parts [784, m] for the class `name`; less those of the class `rival`, where there is one.

    weight, kernel: [784, m] of name, rival_weight, rival_kernel of the rival, None without one; times: [784, m] in ms;
    peak, rival_peak: what the parts should sum to; t_max, rival_t_max: ms; image: uint8 [28, 28].
    """

    name: str
    weight: np.ndarray
    kernel: np.ndarray
    times: np.ndarray
    peak: float
    t_max: int
    image: np.ndarray
    rival: str | None = None
    rival_weight: np.ndarray | None = None
    rival_kernel: np.ndarray | None = None
    rival_peak: float = 0.0
    rival_t_max: int = 0

    @property
    def contributions(self) -> np.ndarray:
        """What each afferent adds, [784, m]."""
        contributions = np.asarray(self.weight * self.kernel)
        if self.rival_weight is not None and self.rival_kernel is not None:
            contributions = contributions - self.rival_weight * self.rival_kernel
        return contributions

    @property
    def by_pixel(self) -> np.ndarray:
        """What each pixel adds, [28, 28]."""
        return np.asarray(self.contributions.sum(axis=1).reshape(_SIDE, _SIDE))

    @property
    def by_neuron(self) -> np.ndarray:
        """What each tuning neuron adds, over all pixels, [m]."""
        return np.asarray(self.contributions.sum(axis=0))

    @property
    def total(self) -> float:
        """What the parts should sum to: the peak, or the lead of one peak over the other."""
        return self.peak - self.rival_peak

    @property
    def residual(self) -> float:
        """How far they are from it."""
        return abs(float(self.contributions.sum()) - self.total)

    @property
    def takeaway(self) -> str:
        """What is seen, in one sentence."""
        ahead, behind = float(self.by_pixel.clip(min=0).sum()), float(self.by_pixel.clip(max=0).sum())
        if self.rival is None:
            if not self.contributions.any():
                return f"{self.name} never rises: no spike of this image adds to its peak."
            return f"{self.name} peaks at {self.peak:.2f}: pixels for it add {ahead:.1f}, those against {behind:.1f}."
        if not self.contributions.any():
            return f"Nothing tells {self.name} from {self.rival}: their peaks are made of the same parts."
        lead = "leads" if self.total >= 0 else "trails"
        return (
            f"{self.name} {lead} {self.rival} by {abs(self.total):.2f}: {ahead:.1f} speaks for {self.name}, "
            f"{-behind:.1f} for {self.rival}."
        )

    @property
    def residual_text(self) -> str:
        """How well the parts sum to the whole, in one sentence."""
        whole = f"{self.name}'s peak" if self.rival is None else f"the lead of {self.name} over {self.rival}"
        return f"The {np.count_nonzero(self.contributions):,} parts sum to {whole}, {self.total:.4f}, within {self.residual:.0e}."

    @property
    def neurons_takeaway(self) -> str:
        """Which tuning neurons add most and least, in one sentence."""
        sums = self.by_neuron
        most, least = int(sums.argmax()), int(sums.argmin())
        return f"By tuning neuron, most comes from {_neuron_text(sums, most)}, least from {_neuron_text(sums, least)}."


def _neuron_text(parts: np.ndarray, at: int) -> str:
    return f"neuron {at + 1}, {float(parts[at]):+.2f}"


def evidence_figure(info: EvidenceInfo, height: int = 350, limit: float | None = None) -> go.Figure:
    """The map by pixel, bright for the class, dark against it; a pixel tells its spikes, weights and kernel values.

    limit: where the colours end, the map's own largest value where None.
    """
    return pixel_map(info.by_pixel, _hover_text(info), info.image, height, limit=limit)


def pixel_map(
    values: np.ndarray,
    hover_text: list[list[str]],
    image: np.ndarray,
    height: int,
    quantity: str = "",
    limit: float | None = None,
) -> go.Figure:
    """Values [28, 28] in diverging colours under the outline of the image; hover_text: what a pixel says beside its value."""
    limit = limit or float(np.abs(values).max()) or 1.0
    figure = theme.new_figure(
        height,
        xaxis={"visible": False, "range": [-0.5, _SIDE - 0.5], "constrain": "domain", "fixedrange": True},
        yaxis={
            "visible": False,
            "range": [_SIDE - 0.5, -0.5],
            "scaleanchor": "x",
            "fixedrange": True,
            "constrain": "domain",
            "constraintoward": "top",
        },
        margin={"l": 0, "r": 76, "t": 4, "b": 4},
    )
    figure.add_heatmap(
        z=np.round(values, 5),
        zmin=-limit,
        zmax=limit,
        colorscale=theme.DIVERGING,
        text=hover_text,
        hovertemplate="row %{y}, column %{x}: <b>%{z:+.4f}</b>%{text}<extra></extra>",
        colorbar={
            "thickness": 16,
            "tickfont": {"size": 15},
            "len": 1,
            "y": 1,
            "yanchor": "top",
            "nticks": 5,
            "outlinewidth": 0,
            "title": {"text": quantity, "font": {"size": 16}},
        },
    )
    across, down = outline(image)
    figure.add_scatter(
        x=across, y=down, mode="lines", line={"color": theme.OUTLINE, "width": 2}, hoverinfo="skip", cliponaxis=False
    )
    return figure.build()


def neurons_figure(info: EvidenceInfo, height: int = 260) -> go.Figure:
    """What every tuning neuron adds, from the one for the darkest values to the one for the brightest."""
    sums = info.by_neuron
    m, low, high = len(sums), min(0.0, float(sums.min())), max(0.0, float(sums.max()))
    padding = 0.05 * (high - low) or 1.0
    figure = theme.new_figure(
        height,
        xaxis={
            "title": {"text": "tuning neuron, dark to bright"},
            "range": [0.4, m + 0.6],
            "tick0": 1,
            "dtick": _tick_step(m),
        },
        yaxis={
            "title": {"text": "added"},
            "range": [low - padding, high + padding],
            "zeroline": True,
            "zerolinecolor": theme.REFERENCE,
        },
    )
    figure.add_bar(
        x=np.arange(1, m + 1),
        y=np.round(sums, 5),
        marker={"color": [theme.POSITIVE if value >= 0 else theme.NEGATIVE for value in sums]},
        hovertemplate="neuron %{x}: %{y:+.4f}<extra></extra>",
    )
    return figure.build()


def outline(image: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """The border of an image's bright half, uint8 [28, 28]: x and y of its pieces, None between them."""
    bright = np.pad(image.reshape(_SIDE, _SIDE) > 127, 1)
    x: list[float | None] = []
    y: list[float | None] = []
    for row, column in np.argwhere(bright[:, 1:] != bright[:, :-1]):
        x += [column - 0.5, column - 0.5, None]
        y += [row - 1.5, row - 0.5, None]
    for row, column in np.argwhere(bright[1:] != bright[:-1]):
        x += [column - 1.5, column - 0.5, None]
        y += [row - 0.5, row - 0.5, None]
    return x, y


def _tick_step(m: int) -> int:
    return 1 if m <= 20 else 5


def _hover_text(info: EvidenceInfo) -> list[list[str]]:
    """Every pixel's spikes, one a line."""
    names = [(theme.escape_label(info.name), info.weight.tolist(), info.kernel.tolist())]
    if info.rival is not None and info.rival_weight is not None and info.rival_kernel is not None:
        names.append((theme.escape_label(info.rival), info.rival_weight.tolist(), info.rival_kernel.tolist()))
    times = info.times.tolist()
    rows: list[list[str]] = []
    for row in range(_SIDE):
        cells = []
        for pixel in range(row * _SIDE, (row + 1) * _SIDE):
            spike_neurons = [j for j, time in enumerate(times[pixel]) if time >= 0]
            lines = [
                f"<br>neuron {j + 1} at {times[pixel][j]:.0f} ms"
                + "".join(f" · {name}: w {w[pixel][j]:+.3f}, K {k[pixel][j]:.3f}" for name, w, k in names)
                for j in spike_neurons[:_MAX_LINES]
            ]
            more = len(spike_neurons) - len(lines)
            cells.append("".join(lines) + (f"<br>and {more} more" if more else ""))
        rows.append(cells)
    return rows
