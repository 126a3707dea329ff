"""Spike counts of one image for a raster plot and a histogram over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["RasterInfo", "raster_info"]


@dataclass(frozen=True, eq=False)
class RasterInfo:
    """Spike counts of one image in a window of T ms.

    Column c of a raster holds the times from c*step to (c+1)*step.

    Attributes:
        foreground: Counts of the spikes of pixels above 0, [features, columns].
        background: Counts of the spikes of black pixels (value 0), [features, columns].
        foreground_histogram: Spikes of pixels above 0 at each millisecond, [T].
        background_histogram: Spikes of black pixels at each millisecond, [T].
        afferents: Number of afferents.
        T: Length of the window in ms.
        step: Width of a column in ms.
        shape: Height and width of the image, or the number of features of a table.
        rest: What the positions of the background are called.
        feature: What one of its values is called.
    """

    foreground: np.ndarray
    background: np.ndarray
    foreground_histogram: np.ndarray
    background_histogram: np.ndarray
    afferents: int
    T: int
    step: int
    shape: tuple[int, ...] = (28, 28)
    rest: str = "black pixels"
    feature: str = "feature"

    @property
    def spikes(self) -> int:
        """Return the total number of spikes."""
        return int(self.foreground_histogram.sum() + self.background_histogram.sum())

    @property
    def takeaway(self) -> str:
        """Return the fraction of afferents that spike, and the fraction of spikes from black pixels."""
        if not self.spikes:
            return f"None of the {self.afferents:,} afferents spike."
        share = self.background_histogram.sum() / self.spikes
        text = f"{self.spikes:,} of {self.afferents:,} afferents spike ({self.spikes / self.afferents:.0%})"
        return f"{text}; {share:.0%} of the spikes come from {self.rest}." if len(self.shape) == 2 else f"{text}."


def raster_info(
    times: np.ndarray,
    image: np.ndarray,
    T: int,
    columns: int = 200,
    rest: str = "black pixels",
    feature: str = "feature",
) -> RasterInfo:
    """Count the spikes of an image.

    Args:
        times: Spike times in ms, -1 for no spike, [features, m].
        image: The image, uint8 [h, w], or the features of a sample of a table, [n]; or their symbols, 0 at rest.
        T: Length of the window in ms.
        columns: Largest number of columns of the raster.
        rest: What positions of value 0 are called.
        feature: What one value of a sample of a table is called.
    """
    step = max(1, -(-T // columns))
    pixel, neuron = np.nonzero((times >= 0) & (times < T))
    t = times[pixel, neuron].astype(int)
    black = image.reshape(-1)[pixel] == 0
    width = -(-T // step)

    def grid(mask: np.ndarray) -> np.ndarray:
        flat = np.bincount(pixel[mask] * width + t[mask] // step, minlength=len(times) * width)
        return flat.reshape(len(times), width).astype(np.uint8)

    return RasterInfo(
        foreground=grid(~black),
        background=grid(black),
        foreground_histogram=np.bincount(t[~black], minlength=T),
        background_histogram=np.bincount(t[black], minlength=T),
        afferents=times.size,
        T=T,
        step=step,
        shape=image.shape,
        rest=rest,
        feature=feature,
    )
