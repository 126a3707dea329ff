"""One tempotron alone with random patterns: learning live, and how much it can learn."""

from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.components import charts
from pages.components.page import chart_heading, lazy_expander, optional_caption, page_header
from pages.refresh import refresh_interval
from pages.state.auth import is_writable, require_write_access
from pages.state.markdown import escape_markdown
from pages.state.settings import DEFAULTS, number_widget, url_widget
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.experiments.capacity import CapacityPoint, ExtraTrials, Series, load_record, success_rate
from tempotron_core.experiments.random_patterns import LearningSession, Problem, simulate

REFRESH_SECONDS, LEARN_SECONDS_PER_TICK = 0.8, 0.4
CYCLE_LIMITS = (250, 1000, 4000)
PROBLEMS_PER_CLICK = 3


def problem_form() -> Problem | None:
    """The problem on the page; None and a sentence where it does not fit."""
    columns = [*st.columns(4)]
    with st.expander("Learning rate, time window, time constants"):
        columns += st.columns(4)

    def number(column: int, label: str, key: str, form: str | None) -> Any:
        return columns[column].number_input(label, format=form, **number_widget(f"lab_{key}"))

    alpha = number(0, "alpha, patterns an afferent", "alpha", "%.2f")
    afferents = number(1, "N, afferents", "N", None)
    momentum = number(2, "momentum", "momentum", "%.4f")
    seed = number(3, "Seed", "seed", None)
    rate = number(4, "learning rate", "rate", "%.6f")
    T = number(5, "T, window in ms", "T", None)
    tau = number(6, "tau, membrane, ms", "tau", "%.2f")
    tau_s = number(7, "tau_s, synapse, ms", "tau_s", "%.2f")
    problem = st.empty()
    try:
        return Problem(
            int(afferents), float(alpha), int(T), float(tau), float(tau_s), rate=float(rate), momentum=float(momentum),
            seed=int(seed), max_cycles=load_record().problem.max_cycles,
        )  # fmt: skip
    except (ValueError, TypeError) as error:
        problem.warning(escape_markdown(error), icon=":material/error:")
        return None


def current_session(problem: Problem) -> LearningSession:
    """The viewer's course on that problem, begun anew where the problem is another one."""
    session: LearningSession | None = st.session_state.get("lab_course")
    if session is None or session.problem != problem:
        session = st.session_state["lab_course"] = LearningSession(problem)
    return session


def reset() -> None:
    st.session_state.pop("lab_course", None)


def pattern_info(session: LearningSession, target: bool, shunting: bool) -> figures.PatternInfo | None:
    """The first target, or the first null pattern, with the initial and the present weights."""
    indices = torch.nonzero(session.patterns.target == target)
    if not len(indices):
        return None
    times, problem = session.patterns.times[int(indices[0])], session.problem
    before, now = (simulate(problem, weight, times) for weight in (session.patterns.weight, session.weight))
    return figures.PatternInfo(
        target, before.v.numpy(), now.v.numpy(), now.v_shunted.numpy(), now.spike_time, problem.v_threshold,
        session.snapshot is not None, shunting,
    )  # fmt: skip


def learning_panel(session: LearningSession, shunting: bool, was_active: bool) -> None:
    """The traces and the errors; while learning, a slice of it first. Cycles pass faster the more there have been."""
    if session.active:
        session.run_for(LEARN_SECONDS_PER_TICK, max(8, len(session.errors) // 3))
    errors = figures.ErrorsInfo(np.array(session.errors, int), session.problem.num_patterns, session.problem.max_cycles)
    chart_heading(errors.takeaway)
    for column, target in zip(st.columns(2), (True, False), strict=True):
        info, name = pattern_info(session, target, shunting), "target" if target else "null"
        with column:
            heading = info.takeaway if info else f"No {name} pattern was drawn."
            st.markdown(f"**{heading}**")
            charts.lightweight_chart(figures.pattern_figure(info, session.problem.T), f"{name}_pattern", heading)
    charts.lightweight_chart(figures.errors_figure(errors), "errors", errors.takeaway)
    if session.active != was_active:
        st.rerun()


def success_rates(name: str, points: tuple[CapacityPoint, ...], max_cycles: int) -> figures.SuccessRates:
    counts = [success_rate(point, max_cycles) for point in points]
    return figures.SuccessRates(
        name,
        *(np.array([getattr(c, field) for c in counts]) for field in ("load", "solved", "problems", "low", "high")),
    )


def series_name(series: Series, first: Series) -> str:
    times = series.rate / first.rate
    return (f"momentum {series.momentum:g}" if series.momentum else "no momentum") + (
        f", rate × {times:.0f}" if times > 1.5 else ""
    )


def capacity_panel(problem: Problem, trials: ExtraTrials, was_active: bool) -> None:
    """The recorded curve, what was tried here on it, and the ways to try more."""
    if trials.active:
        trials.run_for(LEARN_SECONDS_PER_TICK)
    record, session = load_record(), current_session(problem)
    chart_area, controls = st.container(), st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    max_cycles = controls[0].segmented_control(
        "Solved within, cycles",
        CYCLE_LIMITS,
        default=DEFAULTS["lab_within"],
        required=True,
        **url_widget("lab_within"),
    )
    controls[1].number_input("alpha to try", **number_widget("lab_try"))

    def more() -> None:
        trials.add(round(float(st.session_state["lab_try"]), 2), int(max_cycles or 1000), PROBLEMS_PER_CLICK)

    controls[2].button(
        f"Try {PROBLEMS_PER_CLICK} more", icon=":material/add:", width="stretch", disabled=trials.active or not is_writable(),
        on_click=require_write_access(more),
    )  # fmt: skip
    controls[3].button(
        "Stop trying", icon=":material/stop:", width="stretch", disabled=not trials.active, on_click=trials.stop
    )
    last = session.snapshot
    outcome = (
        "solved" if last and last.solved else "learning" if session.active else "not solved" if last else "not tried"
    )
    same_settings = replace(
        record.problem, load=problem.load, seed=problem.seed, rate=record.series[0].rate,
        momentum=record.series[0].momentum,
    )  # fmt: skip
    if same_settings != problem:
        outcome += ", other settings"
    info = figures.CapacityInfo(
        tuple(success_rates(series_name(series, record.series[0]), series.points, max_cycles) for series in record.series),
        success_rates("tried here", trials.points(max_cycles), max_cycles),
        problem.load, max_cycles, outcome,
    )  # fmt: skip
    with chart_area:
        chart_heading(info.takeaway)
        charts.plotly_chart(figures.capacity_figure(info), "capacity", info.takeaway)
    optional_caption(trials.status_text)
    if trials.active != was_active:
        st.rerun()


page_header("Laboratory")
st.markdown(
    "One tempotron, N afferents that each spike once at a random time, and alpha · N such patterns with random labels: "
    "it should fire for every target and for no null pattern."
)
problem = problem_form()
buttons = st.columns(4, vertical_alignment="center")
session = current_session(problem) if problem else None
active = bool(session and session.active)
buttons[0].button(
    "Start", type="primary", icon=":material/play_arrow:", width="stretch",
    on_click=require_write_access(session.start) if session else None,
    disabled=session is None or active or session.finished or not is_writable(),
)  # fmt: skip
buttons[1].button(
    "Stop", icon=":material/stop:", width="stretch", on_click=session.stop if session else None, disabled=not active
)
buttons[2].button("Reset", icon=":material/restart_alt:", width="stretch", on_click=reset, disabled=session is None)
shunting = buttons[3].toggle("Shunting after the spike", DEFAULTS["lab_shunts"], **url_widget("lab_shunts"))
if problem and session:
    flushing_fragment(learning_panel, run_every=refresh_interval(REFRESH_SECONDS, active))(session, shunting, active)
    st.subheader("How much can one tempotron learn?")
    trials = st.session_state.setdefault("lab_trials", ExtraTrials(load_record()))
    flushing_fragment(capacity_panel, run_every=refresh_interval(REFRESH_SECONDS, trials.active))(
        problem, trials, trials.active
    )
    record = load_record()
    st.caption(
        f"Recorded by `python -m tempotron_core.capacity`: N {record.problem.afferents}, T {record.problem.T} ms, tau "
        f"{record.problem.tau:g} ms, tau_s {record.problem.tau_s:g} ms, rate {record.series[0].rate:g}, {record.seeds} "
        f"problems an alpha, up to {record.problem.max_cycles:,} cycles each; bars are 95 % confidence intervals."
    )


def render_rule() -> None:
    st.latex(r"\Delta w_i \leftarrow \mu\,\Delta w_i \pm \lambda\,K(t_{max}-t_i)")
    st.markdown("After an error: + for a silent target, − for a null pattern that fires.")
    st.caption(
        "Shunting: once the neuron has spiked, later input is without effect and its potential decays to rest. Gütig, "
        "Sompolinsky: The tempotron: a neuron that learns spike timing-based decisions, 2006."
    )


lazy_expander("The rule", render_rule)
