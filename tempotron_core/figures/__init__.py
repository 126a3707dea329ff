"""Figures of the dashboard: pure functions from arrays to Plotly figures or to HTML.

The data of a figure and the text about it are in a dataclass (``...Info``); a function (``..._figure``, ``..._html``)
draws it.
"""

from tempotron_core.figures.charts.attribution import MOMENTS, EvidenceInfo, evidence_figure, neurons_figure, time_text
from tempotron_core.figures.charts.code_statistics import (
    CodeStatisticsInfo,
    curves_figure,
    pixel_information_figure,
    times_figure,
    values_figure,
)
from tempotron_core.figures.charts.digit import digit_figure, pixel_of_click
from tempotron_core.figures.charts.evaluation import (
    ClassAccuracyInfo,
    EvaluationInfo,
    cell_of_selection,
    class_figure,
    confusion_figure,
    histogram_figure,
    split_takeaway,
)
from tempotron_core.figures.charts.learning_step import StepInfo, peak_history_figure, step_figure
from tempotron_core.figures.charts.local_patterns import PatternTuningInfo, pattern_tuning_figure
from tempotron_core.figures.charts.published_curve import REGIMES, PublishedInfo
from tempotron_core.figures.charts.random_patterns import (
    CapacityInfo,
    ErrorsInfo,
    PatternInfo,
    SuccessRates,
    capacity_figure,
    errors_figure,
    pattern_figure,
)
from tempotron_core.figures.charts.raster import RasterInfo, raster_info
from tempotron_core.figures.charts.replay import ReplayInfo, replay_figure
from tempotron_core.figures.charts.robustness import (
    PerturbedInfo,
    RobustnessInfo,
    SpikeChangesInfo,
    perturbed_figure,
    placeholder_figure,
    robustness_figure,
    spike_changes_info,
)
from tempotron_core.figures.charts.run_comparison import ComparisonInfo, comparison_figure
from tempotron_core.figures.charts.spike_statistics import (
    SpikeStatisticsInfo,
    afferent_information_figure,
    spike_rate_figure,
)
from tempotron_core.figures.charts.study import (
    MAX_STUDY_TRIALS,
    STUDY_FIGURES,
    BandsInfo,
    TradeOffInfo,
    bands_figure,
    study_figure,
    trade_off_figure,
    trial_of_point,
)
from tempotron_core.figures.charts.training import (
    CurvesInfo,
    accuracy_figure,
    loss_figure,
    weight_maps,
    weight_maps_takeaway,
)
from tempotron_core.figures.charts.tuning import TuningInfo, tuning_figure
from tempotron_core.figures.charts.voltage_info import Curves, VoltageInfo
from tempotron_core.figures.charts.voltages import time_range, trace_range, traces_figure
from tempotron_core.figures.charts.weight_change import WeightChangeInfo, change_figure, kernel_figure
from tempotron_core.figures.echarts import make_option
from tempotron_core.figures.export import (
    columns_to_csv,
    cursor_page,
    figure_to_json,
    figure_to_page,
    html_page,
    scale_figure,
)
from tempotron_core.figures.figure_table import figure_to_csv
from tempotron_core.figures.html.features import features_html
from tempotron_core.figures.html.job_states import states_html
from tempotron_core.figures.html.kernel import kernel_html
from tempotron_core.figures.html.maps import change_html, evidence_html, strongest_spikes_html, weights_html
from tempotron_core.figures.html.patterns import patterns_html
from tempotron_core.figures.html.pictures import (
    SharedAxis,
    digit_html,
    histogram_html,
    peaks_html,
    picture_steps_html,
    pixel_html,
    pixel_raster_html,
    raster_html,
    raster_legend_html,
    spike_changes_html,
)
from tempotron_core.figures.theme import DARK_VARIANT, MARGINS, SELECTED, SPIKE, class_colour, css_text_colour

__all__ = [
    "DARK_VARIANT",
    "MARGINS",
    "MAX_STUDY_TRIALS",
    "MOMENTS",
    "REGIMES",
    "SELECTED",
    "SPIKE",
    "STUDY_FIGURES",
    "BandsInfo",
    "CapacityInfo",
    "ClassAccuracyInfo",
    "CodeStatisticsInfo",
    "ComparisonInfo",
    "Curves",
    "CurvesInfo",
    "ErrorsInfo",
    "EvaluationInfo",
    "EvidenceInfo",
    "PatternInfo",
    "PatternTuningInfo",
    "PerturbedInfo",
    "PublishedInfo",
    "RasterInfo",
    "ReplayInfo",
    "RobustnessInfo",
    "SharedAxis",
    "SpikeChangesInfo",
    "SpikeStatisticsInfo",
    "StepInfo",
    "SuccessRates",
    "TradeOffInfo",
    "TuningInfo",
    "VoltageInfo",
    "WeightChangeInfo",
    "accuracy_figure",
    "afferent_information_figure",
    "bands_figure",
    "capacity_figure",
    "cell_of_selection",
    "change_figure",
    "change_html",
    "class_colour",
    "class_figure",
    "columns_to_csv",
    "comparison_figure",
    "confusion_figure",
    "css_text_colour",
    "cursor_page",
    "curves_figure",
    "digit_figure",
    "digit_html",
    "errors_figure",
    "evidence_figure",
    "evidence_html",
    "features_html",
    "figure_to_csv",
    "figure_to_json",
    "figure_to_page",
    "histogram_figure",
    "histogram_html",
    "html_page",
    "kernel_figure",
    "kernel_html",
    "loss_figure",
    "make_option",
    "neurons_figure",
    "pattern_figure",
    "pattern_tuning_figure",
    "patterns_html",
    "peak_history_figure",
    "peaks_html",
    "perturbed_figure",
    "picture_steps_html",
    "pixel_html",
    "pixel_information_figure",
    "pixel_of_click",
    "pixel_raster_html",
    "placeholder_figure",
    "raster_html",
    "raster_info",
    "raster_legend_html",
    "replay_figure",
    "robustness_figure",
    "scale_figure",
    "spike_changes_html",
    "spike_changes_info",
    "spike_rate_figure",
    "split_takeaway",
    "states_html",
    "step_figure",
    "strongest_spikes_html",
    "study_figure",
    "time_range",
    "time_text",
    "times_figure",
    "trace_range",
    "traces_figure",
    "trade_off_figure",
    "trial_of_point",
    "tuning_figure",
    "values_figure",
    "weight_maps",
    "weight_maps_takeaway",
    "weights_html",
]
