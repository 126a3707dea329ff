"""The spikes of a whole image, counted for a raster and for a histogram over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["RasterInfo", "raster_info"]


@dataclass(frozen=True, eq=False)
class RasterInfo:
    """Spikes of one image on a grid of T ms.

    foreground, background: [784, columns] counts of spikes of pixels above 0 and of pixels at 0, column c holding the times
    from c*step to (c+1)*step; foreground_histogram, background_histogram: [T] counts at every millisecond.
    """

    foreground: np.ndarray
    background: np.ndarray
    foreground_histogram: np.ndarray
    background_histogram: np.ndarray
    afferents: int
    T: int
    step: int

    @property
    def spikes(self) -> int:
        """All spikes."""
        return int(self.foreground_histogram.sum() + self.background_histogram.sum())

    @property
    def takeaway(self) -> str:
        """What is seen, in one sentence."""
        if not self.spikes:
            return f"None of the {self.afferents:,} afferents spikes."
        share = self.background_histogram.sum() / self.spikes
        return (
            f"{self.spikes:,} of {self.afferents:,} afferents spike ({self.spikes / self.afferents:.0%}); "
            f"{share:.0%} of the spikes come from black pixels."
        )


def raster_info(times: np.ndarray, image: np.ndarray, T: int, columns: int = 200) -> RasterInfo:
    """Bin spike times [784, m] (whole ms, -1: none) of an image, uint8 [28, 28], into at most that many columns."""
    step = max(1, -(-T // columns))
    pixel, neuron = np.nonzero((times >= 0) & (times < T))
    t = times[pixel, neuron].astype(int)
    black = image.reshape(-1)[pixel] == 0
    width = -(-T // step)

    def grid(mask: np.ndarray) -> np.ndarray:
        flat = np.bincount(pixel[mask] * width + t[mask] // step, minlength=len(times) * width)
        return flat.reshape(len(times), width).astype(np.uint8)

    return RasterInfo(
        grid(~black),
        grid(black),
        np.bincount(t[~black], minlength=T),
        np.bincount(t[black], minlength=T),
        times.size,
        T,
        step,
    )
