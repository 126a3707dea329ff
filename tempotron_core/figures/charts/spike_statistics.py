"""Figures of recorded spike times: spikes per millisecond, and mutual information of each afferent with the class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure

__all__ = ["SpikeStatisticsInfo", "afferent_information_figure", "spike_rate_figure"]


@dataclass(frozen=True, eq=False)
class SpikeStatisticsInfo:
    """Statistics of recorded spike times.

    Attributes:
        histogram: Mean number of spikes of a sample in each ms, [T].
        latest_effective_time: Latest spike time in ms whose kernel peaks within the window.
        late_spikes: Fraction of the spikes after that time.
        information: Mutual information of each afferent with the class in bits, [N]; None if it is not known.
        class_entropy: Entropy of the class in bits.
    """

    histogram: np.ndarray
    latest_effective_time: float
    late_spikes: float
    information: np.ndarray | None
    class_entropy: float

    @property
    def rate_takeaway(self) -> str:
        """Return the busiest millisecond and the fraction of late spikes."""
        if not self.histogram.any():
            return "No spike lies in the window."
        return (
            f"Most spikes at {int(self.histogram.argmax())} ms, {self.histogram.max():.3g} a sample; "
            f"{self.late_spikes:.0%} are too late to peak."
        )

    @property
    def information_takeaway(self) -> str:
        """Return the largest mutual information, and how many afferents have any."""
        if self.information is None:
            return "Not known."
        best, some = int(self.information.argmax()), int((self.information > 0.01 * self.class_entropy).sum())
        return (
            f"Afferent {best} has the most, {self.information[best]:.2f} of {self.class_entropy:.2f} bits; {some:,} of "
            f"{len(self.information):,} have more than 1 %."
        )


def spike_rate_figure(info: SpikeStatisticsInfo, height: int = 300) -> go.Figure:
    """Draw the mean number of spikes of a sample in each millisecond; late ones are grey."""
    t = np.arange(len(info.histogram))
    is_late = t > info.latest_effective_time
    figure = new_figure(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": [-0.5, len(t) - 0.5]},
        yaxis={"title": {"text": "spikes a sample"}, "range": [0, 1.05 * float(info.histogram.max(initial=0)) or 1]},
    )
    figure.add_bar(
        x=t,
        y=np.round(info.histogram, 5),
        marker={"color": [theme.MUTED if late else theme.SPIKE for late in is_late]},
        hovertemplate="%{x} ms: %{y:.3f}<extra></extra>",
    )
    return figure.build()


def afferent_information_figure(info: SpikeStatisticsInfo, height: int = 300, columns: int = 400) -> go.Figure:
    """Draw the mutual information of the afferents; of many, the largest of each group of neighbours."""
    bits = np.zeros(0) if info.information is None else info.information
    step = max(1, -(-len(bits) // columns))
    starts = np.arange(0, len(bits), step)
    largest = np.maximum.reduceat(bits, starts) if len(bits) else bits
    name = "afferent" if step == 1 else f"afferent, the largest of {step} neighbours"
    figure = new_figure(
        height,
        xaxis={"title": {"text": name}},
        yaxis={"title": {"text": "bits"}, "range": [0, 1.05 * (float(largest.max(initial=0)) or 1.0)]},
    )
    figure.add_bar(
        x=starts,
        y=np.round(largest, 5),
        marker={"color": theme.POSITIVE},
        hovertemplate="afferent %{x}: %{y:.3f} bits<extra></extra>",
    )
    return figure.build()
