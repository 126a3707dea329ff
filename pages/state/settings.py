"""Settings of the pages: session keys, URL parameters, defaults and bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.state import paths
from tempotron_core.data.datasets import EMBEDDED
from tempotron_core.data.samples import MAX_FEATURES
from tempotron_core.experiments.random_patterns import MAX_MOMENTUM, Problem
from tempotron_core.snn.tempotron import AFTER_SPIKE, TIMES

PRESENTATION_SCALE = 4 / 3
"""Text of 15 px is 20 px large in presentation mode."""
SAVED_RUN = "saved run"
MODELS = ("last finished run", "live run", "untrained", SAVED_RUN)
ONE_PIXEL, CODE_ANALYSIS = "One pixel", "Information in the code"
TWO_CODES, LOCAL_PATTERNS = "Two codes", "Pixel or pattern"
CODE_OF_RECIPE = "that of the recipe"
PROBLEM = Problem()
TEST_DIGIT, DRAWING, UPLOAD = "Test digit", "Draw", "Upload"
AUTOMATIC, DARK_ON_LIGHT, LIGHT_ON_DARK = "Automatic", "Dark on light", "Light on dark"


@dataclass(frozen=True)
class Setting:
    """One session key, and the URL parameter of the same name.

    Attributes:
        key: name in st.session_state and in the URL
        default: initial value; None if the page derives it from the model or the data
        low: smallest value of a number
        high: largest value of a number
        step: step of the widget of a number
        in_url: whether the value is part of the URL
        persistent: whether the value persists while other pages are open
    """

    key: str
    default: Any = None
    low: float | int | None = None
    high: float | int | None = None
    step: float | int | None = None
    in_url: bool = True
    persistent: bool = False


SETTINGS = {
    setting.key: setting
    for setting in (
        # experiment, shared by all pages
        Setting("data", EMBEDDED, persistent=True),
        Setting("dir", paths.default_root(paths.DATA_ROOTS_ENV, ""), in_url=False, persistent=True),
        Setting("sample", 0, 0, persistent=True),
        Setting("model", MODELS[0], persistent=True),
        Setting("run"),
        Setting("checkpoint", "last"),
        Setting("present", False, persistent=True),
        Setting("tour"),
        Setting("t"),
        # code and constants of code and neuron: those of the model unless overridden
        Setting("code", None, persistent=True),
        Setting("m", None, 3, 64, 1, persistent=True),
        Setting("beta", None, 0.5, 4.0, 0.1, persistent=True),
        Setting("T", None, 10, 600, 10, persistent=True),
        Setting("tau", None, 1.0, 100.0, 0.25, persistent=True),
        Setting("tau_s", None, 0.25, 50.0, 0.25, persistent=True),
        Setting("threshold", None, 0.1, 3.0, 0.05, persistent=True),
        Setting("time", None, persistent=True),
        Setting("after_spike", None, persistent=True),
        # Encoder
        Setting("view", ONE_PIXEL),
        Setting("pixel", 431, 0, MAX_FEATURES - 1, 1),  # grey in the first test digit: its spike times are distinct
        Setting("x", None, 0.0, 1.0, 0.001),
        Setting("part"),
        Setting("compare"),
        # Voltages
        Setting("neuron"),
        # Evidence
        Setting("why"),
        Setting("why_not"),
        Setting("why_neuron"),
        Setting("why_time"),
        # Draw and perturb
        Setting("source", TEST_DIGIT, persistent=True),
        Setting("read_polarity", AUTOMATIC, in_url=False, persistent=True),
        Setting("read_threshold", 0, 0, 98, 2, in_url=False, persistent=True),
        Setting("read_columns", (0, 100), 0, 100, 1, in_url=False, persistent=True),
        Setting("read_rows", (0, 100), 0, 100, 1, in_url=False, persistent=True),
        Setting("jitter", 0.0, 0.0, 20.0, 0.5),
        Setting("drop", 0, 0, 90, 5),
        Setting("delay", 0, 0, 40, 1),
        Setting("noise", 0, 0, 100, 5),
        Setting("right", 0, -8, 8, 1),
        Setting("down", 0, -8, 8, 1),
        Setting("perturb_seed", 0, 0, 9999, 1),
        Setting("curve"),
        Setting("measure", False),
        # Training; the form is not part of a link
        Setting("train_log_dir", paths.default_root(paths.RUNS_ROOTS_ENV, "runs"), in_url=False, persistent=True),
        Setting("train_epochs", 10, 1, 1000, 1, in_url=False, persistent=True),
        Setting("train_lr", 1e-3, 0.0, 10.0, 1e-4, in_url=False, persistent=True),
        Setting("train_batch", 64, 1, 4096, 1, in_url=False, persistent=True),
        Setting("train_code", None, in_url=False, persistent=True),
        Setting("train_m", 16, 1, 256, 1, in_url=False, persistent=True),
        Setting("train_T", 100, 1, 1000, 1, in_url=False, persistent=True),
        Setting("train_seed", 0, 0, 2**31 - 1, 1, in_url=False, persistent=True),
        Setting("train_beta", 1.5, 0.1, 10.0, 0.1, in_url=False, persistent=True),
        Setting("train_tau", 15.0, 0.1, 1000.0, 1.0, in_url=False, persistent=True),
        Setting("train_tau_s", 3.75, 0.1, 1000.0, 0.25, in_url=False, persistent=True),
        Setting("train_threshold", 1.0, 0.01, 100.0, 0.1, in_url=False, persistent=True),
        Setting("train_time", TIMES[0], in_url=False, persistent=True),
        Setting("train_after_spike", AFTER_SPIKE[0], in_url=False, persistent=True),
        Setting("train_validation", 0, 0, 60_000, 500, in_url=False, persistent=True),
        # Learning rule
        Setting("rule"),
        Setting("rule_target"),
        Setting("rule_rate", "1e-3"),
        Setting("rule_output"),
        Setting("rule_neuron"),
        Setting("rule_tempotron"),
        Setting("rule_steps"),
        # Replay
        Setting("replay_run"),
        Setting("replay_of"),
        Setting("epoch"),
        # Laboratory
        Setting("lab_alpha", PROBLEM.load, 0.05, 10.0, 0.25, persistent=True),
        Setting("lab_N", PROBLEM.afferents, 2, 1000, 10, persistent=True),
        Setting("lab_momentum", PROBLEM.momentum, 0.0, MAX_MOMENTUM, 0.01, persistent=True),
        Setting("lab_seed", PROBLEM.seed, 0, 2**31 - 1, 1, persistent=True),
        Setting("lab_rate", PROBLEM.rate, 1e-6, 10.0, 1e-4, persistent=True),
        Setting("lab_T", PROBLEM.T, 10, 5000, 50, persistent=True),
        Setting("lab_tau", PROBLEM.tau, 0.5, 500.0, 1.0, persistent=True),
        Setting("lab_tau_s", PROBLEM.tau_s, 0.1, 500.0, 0.25, persistent=True),
        Setting("lab_formula", False, persistent=True),
        Setting("lab_init", PROBLEM.init_std, 1e-6, 1.0, 1e-3, persistent=True),
        Setting("lab_read_out", PROBLEM.read_out, persistent=True),
        Setting("lab_shunts", True),
        Setting("lab_within", 1000),
        Setting("lab_try", 2.25, 0.05, 4.0, 0.25, in_url=False),
        # Studies; the form is not part of a link
        Setting("study"),
        Setting("study_view"),
        Setting("study_by"),
        Setting("trials_page", 1, 1),
        Setting("study_name", "study-1", in_url=False, persistent=True),
        Setting("study_space", "beta=1..4 m=4,6,8,16 tau=log:5..100", in_url=False, persistent=True),
        Setting("study_trials", 20, 1, 100_000, 1, in_url=False, persistent=True),
        Setting("study_seeds", 1, 1, 100, 1, in_url=False, persistent=True),
        Setting("study_epochs", 2, 1, 1000, 1, in_url=False, persistent=True),
        Setting("study_minutes", 30.0, 0.1, 100_000.0, 5.0, in_url=False, persistent=True),
        Setting("study_sampler", "tpe", in_url=False, persistent=True),
        Setting("study_pruner", "median", in_url=False, persistent=True),
        # Results
        Setting("true", persistent=True),
        Setting("taken", persistent=True),
        Setting("cells"),
        Setting("open_in", persistent=True),
        Setting("gallery", 1),
    )
}
"""Every URL parameter and every shared session key, with default and bounds."""

FORMER_OPTIONS = {
    "view": {"What is kept and lost": CODE_ANALYSIS},
    "replay_of": {"the winner": "predicted class"},
}
"""Former texts of options by URL parameter; links that contain them still open. A former default needs no entry."""

DEFAULTS: dict[str, Any] = {key: setting.default for key, setting in SETTINGS.items()}


def url_widget(key: str) -> dict[str, Any]:
    """Return the arguments that bind a widget to its setting: key, URL parameter, persistence."""
    setting = SETTINGS[key]
    arguments: dict[str, Any] = {"key": key}
    if setting.in_url:
        arguments["bind"] = "query-params"
    if setting.persistent:
        arguments["persist_state"] = "session"
    return arguments


def number_widget(key: str, **overrides: Any) -> dict[str, Any]:
    """Return the arguments of a number input or slider: those of url_widget, bounds, default and step.

    Args:
        key: name of the setting
        **overrides: arguments that depend on model or data, such as value or max_value
    """
    setting = SETTINGS[key]
    bounds = {"min_value": setting.low, "max_value": setting.high, "value": setting.default, "step": setting.step}
    return {name: value for name, value in bounds.items() if value is not None} | url_widget(key) | overrides


def get_setting(key: str) -> Any:
    """Return the value of a setting, or its default before its widget has been drawn."""
    return st.session_state.get(key, DEFAULTS[key])


def is_presentation_mode() -> bool:
    """Return whether presentation mode is on."""
    return bool(get_setting("present"))


def correct_query_params() -> None:
    """Correct the URL before widgets read it, and rerun if anything changed.

    Infinite numbers and NaN are removed, because integer inputs raise an exception for them. Former texts of options
    are replaced by the present ones.
    """
    non_finite = [key for key in st.query_params if any(map(_is_non_finite, st.query_params.get_all(key)))]
    for key in non_finite:
        del st.query_params[key]
    former = [key for key, options in FORMER_OPTIONS.items() if st.query_params.get(key) in options]
    for key in former:
        st.query_params[key] = FORMER_OPTIONS[key][st.query_params[key]]
    if non_finite or former:
        st.rerun()  # widgets drawn before have already read the URL


def _is_non_finite(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False
