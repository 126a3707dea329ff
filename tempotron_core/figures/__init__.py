"""Figures: pure functions from arrays to plotly figures, or to markup where no chart is needed.

Each keeps what it shows (info) apart from how.
"""

from tempotron_core.figures.comparison import ComparisonInfo, comparison_figure
from tempotron_core.figures.digit import digit_figure, pixel_of_selection
from tempotron_core.figures.evidence import EvidenceInfo, evidence_figure, neurons_figure
from tempotron_core.figures.export import (
    columns_table,
    enlarged,
    figure_json,
    figure_page,
    figure_table,
    plate_page,
)
from tempotron_core.figures.learning import (
    CurvesInfo,
    accuracy_figure,
    loss_figure,
    weight_maps,
    weights_takeaway,
)
from tempotron_core.figures.plates import (
    digit_plate,
    histogram_plate,
    peaks_plate,
    pixel_raster_plate,
    raster_plate,
    weights_plate,
)
from tempotron_core.figures.published import REGIMES, PublishedInfo
from tempotron_core.figures.raster import RasterInfo, raster_info
from tempotron_core.figures.results import (
    ResultsInfo,
    cell_of_selection,
    class_figure,
    class_takeaway,
    confusion_figure,
    histogram_figure,
    split_takeaway,
)
from tempotron_core.figures.style import CHOSEN, MARGINS, ON_DARK, SPIKE, class_colour, letters
from tempotron_core.figures.tuning import TuningInfo, tuning_figure
from tempotron_core.figures.voltages import VoltageInfo, trace_range, traces_figure

__all__ = [
    "CHOSEN",
    "MARGINS",
    "ON_DARK",
    "REGIMES",
    "SPIKE",
    "ComparisonInfo",
    "CurvesInfo",
    "EvidenceInfo",
    "PublishedInfo",
    "RasterInfo",
    "ResultsInfo",
    "TuningInfo",
    "VoltageInfo",
    "accuracy_figure",
    "cell_of_selection",
    "class_colour",
    "class_figure",
    "class_takeaway",
    "columns_table",
    "comparison_figure",
    "confusion_figure",
    "digit_figure",
    "digit_plate",
    "enlarged",
    "evidence_figure",
    "figure_json",
    "figure_page",
    "figure_table",
    "histogram_figure",
    "histogram_plate",
    "letters",
    "loss_figure",
    "neurons_figure",
    "peaks_plate",
    "pixel_of_selection",
    "pixel_raster_plate",
    "plate_page",
    "raster_info",
    "raster_plate",
    "split_takeaway",
    "trace_range",
    "traces_figure",
    "tuning_figure",
    "weight_maps",
    "weights_plate",
    "weights_takeaway",
]
