"""Figures: pure functions from arrays to plotly figures. Each keeps what it shows (info) apart from how."""

from tempotron_core.figures.digit import digit_figure, pixel_of_selection
from tempotron_core.figures.learning import CurvesInfo, accuracy_figure, loss_figure, weight_maps, weights_figure
from tempotron_core.figures.raster import (
    RasterInfo,
    histogram_figure,
    image_raster_figure,
    pixel_raster_figure,
    raster_info,
)
from tempotron_core.figures.tuning import TuningInfo, tuning_figure
from tempotron_core.figures.voltages import VoltageInfo, peaks_figure, traces_figure

__all__ = [
    "CurvesInfo",
    "RasterInfo",
    "TuningInfo",
    "VoltageInfo",
    "accuracy_figure",
    "digit_figure",
    "histogram_figure",
    "image_raster_figure",
    "loss_figure",
    "peaks_figure",
    "pixel_of_selection",
    "pixel_raster_figure",
    "raster_info",
    "traces_figure",
    "tuning_figure",
    "weight_maps",
    "weights_figure",
]
