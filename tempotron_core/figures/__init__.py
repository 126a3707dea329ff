"""Figures: pure functions from arrays to plotly figures, or to markup where no chart is needed.

Each keeps what it shows (info) apart from how.
"""

from tempotron_core.figures.charts.attribution import EvidenceInfo, evidence_figure, neurons_figure
from tempotron_core.figures.charts.code_statistics import (
    InspectionInfo,
    curves_figure,
    kept_figure,
    times_figure,
    values_figure,
)
from tempotron_core.figures.charts.digit import digit_figure, pixel_of_click
from tempotron_core.figures.charts.evaluation import (
    ResultsInfo,
    cell_of_selection,
    class_figure,
    class_takeaway,
    confusion_figure,
    histogram_figure,
    split_takeaway,
)
from tempotron_core.figures.charts.learning_step import StepInfo, path_figure, step_figure
from tempotron_core.figures.charts.published_curve import REGIMES, PublishedInfo
from tempotron_core.figures.charts.random_patterns import (
    CapacityInfo,
    ErrorsInfo,
    PatternInfo,
    Share,
    capacity_figure,
    errors_figure,
    pattern_figure,
)
from tempotron_core.figures.charts.raster import RasterInfo, raster_info
from tempotron_core.figures.charts.replay import ReplayInfo, replay_figure
from tempotron_core.figures.charts.robustness import (
    MovedInfo,
    PerturbedInfo,
    RobustnessInfo,
    moved_info,
    perturbed_figure,
    robustness_figure,
    waiting_figure,
)
from tempotron_core.figures.charts.run_comparison import ComparisonInfo, comparison_figure
from tempotron_core.figures.charts.training import (
    CurvesInfo,
    accuracy_figure,
    loss_figure,
    weight_maps,
    weights_takeaway,
)
from tempotron_core.figures.charts.tuning import TuningInfo, tuning_figure
from tempotron_core.figures.charts.voltages import VoltageInfo, trace_range, traces_figure
from tempotron_core.figures.charts.weight_change import ChangeInfo, change_figure, kernel_figure
from tempotron_core.figures.echarts import make_option
from tempotron_core.figures.export import columns_table, enlarged, figure_json, figure_page, figure_table, plate_page
from tempotron_core.figures.html.job_states import states_plate
from tempotron_core.figures.html.maps import change_plate, evidence_plate, weights_plate
from tempotron_core.figures.html.pictures import (
    digit_plate,
    histogram_plate,
    moved_plate,
    peaks_plate,
    pixel_plate,
    pixel_raster_plate,
    raster_plate,
)
from tempotron_core.figures.theme import CHOSEN, MARGINS, ON_DARK, SPIKE, class_colour, letters

__all__ = [
    "CHOSEN",
    "MARGINS",
    "ON_DARK",
    "REGIMES",
    "SPIKE",
    "CapacityInfo",
    "ChangeInfo",
    "ComparisonInfo",
    "CurvesInfo",
    "ErrorsInfo",
    "EvidenceInfo",
    "InspectionInfo",
    "MovedInfo",
    "PatternInfo",
    "PerturbedInfo",
    "PublishedInfo",
    "RasterInfo",
    "ReplayInfo",
    "ResultsInfo",
    "RobustnessInfo",
    "Share",
    "StepInfo",
    "TuningInfo",
    "VoltageInfo",
    "accuracy_figure",
    "capacity_figure",
    "cell_of_selection",
    "change_figure",
    "change_plate",
    "class_colour",
    "class_figure",
    "class_takeaway",
    "columns_table",
    "comparison_figure",
    "confusion_figure",
    "curves_figure",
    "digit_figure",
    "digit_plate",
    "enlarged",
    "errors_figure",
    "evidence_figure",
    "evidence_plate",
    "figure_json",
    "figure_page",
    "figure_table",
    "histogram_figure",
    "histogram_plate",
    "kept_figure",
    "kernel_figure",
    "letters",
    "loss_figure",
    "make_option",
    "moved_info",
    "moved_plate",
    "neurons_figure",
    "path_figure",
    "pattern_figure",
    "peaks_plate",
    "perturbed_figure",
    "pixel_of_click",
    "pixel_plate",
    "pixel_raster_plate",
    "plate_page",
    "raster_info",
    "raster_plate",
    "replay_figure",
    "robustness_figure",
    "split_takeaway",
    "states_plate",
    "step_figure",
    "times_figure",
    "trace_range",
    "traces_figure",
    "tuning_figure",
    "values_figure",
    "waiting_figure",
    "weight_maps",
    "weights_plate",
    "weights_takeaway",
]
