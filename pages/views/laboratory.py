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
from tempotron_core.experiments.capacity import Point, Series, Trials, recorded, tally
from tempotron_core.experiments.random_patterns import Course, Problem, trace

TICK, SLICE = 0.8, 0.4
WITHIN = (250, 1000, 4000)
MORE = 3


def chosen() -> Problem | None:
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
            seed=int(seed), most_cycles=recorded().problem.most_cycles,
        )  # fmt: skip
    except (ValueError, TypeError) as error:
        problem.warning(escape_markdown(error), icon=":material/error:")
        return None


def kept(problem: Problem) -> Course:
    """The viewer's course on that problem, begun anew where the problem is another one."""
    course: Course | None = st.session_state.get("lab_course")
    if course is None or course.problem != problem:
        course = st.session_state["lab_course"] = Course(problem)
    return course


def reset() -> None:
    st.session_state.pop("lab_course", None)


def told(course: Course, target: bool, shunts: bool) -> figures.PatternInfo | None:
    """The first target, or the first null pattern, with the initial and the present weights."""
    which = torch.nonzero(course.patterns.target == target)
    if not len(which):
        return None
    times, problem = course.patterns.times[int(which[0])], course.problem
    before, now = (trace(problem, weight, times) for weight in (course.patterns.weight, course.weight))
    return figures.PatternInfo(
        target, before.v.numpy(), now.v.numpy(), now.shunted.numpy(), now.spike, problem.v_threshold,
        course.snapshot is not None, shunts,
    )  # fmt: skip


def learning(course: Course, shunts: bool, was_active: bool) -> None:
    """The traces and the errors; while learning, a slice of it first. Cycles pass faster the more there have been."""
    if course.active:
        course.advance(SLICE, max(8, len(course.errors) // 3))
    errors = figures.ErrorsInfo(np.array(course.errors, int), course.problem.patterns, course.problem.most_cycles)
    chart_heading(errors.takeaway)
    for column, target in zip(st.columns(2), (True, False), strict=True):
        info, name = told(course, target, shunts), "target" if target else "null"
        with column:
            words = info.takeaway if info else f"No {name} pattern was drawn."
            st.markdown(f"**{words}**")
            charts.sketch(figures.pattern_figure(info, course.problem.T), f"{name}_pattern", words)
    charts.sketch(figures.errors_figure(errors), "errors", errors.takeaway)
    if course.active != was_active:
        st.rerun()


def share(name: str, points: tuple[Point, ...], within: int) -> figures.Share:
    counts = [tally(point, within) for point in points]
    return figures.Share(
        name, *(np.array([getattr(c, of) for c in counts]) for of in ("alpha", "solved", "problems", "low", "high"))
    )


def name_of(series: Series, first: Series) -> str:
    times = series.rate / first.rate
    return (f"momentum {series.momentum:g}" if series.momentum else "no momentum") + (
        f", rate × {times:.0f}" if times > 1.5 else ""
    )


def capacity(problem: Problem, trials: Trials, was_active: bool) -> None:
    """The recorded curve, what was tried here on it, and the ways to try more."""
    if trials.active:
        trials.advance(SLICE)
    record, course = recorded(), kept(problem)
    place, controls = st.container(), st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    within = controls[0].segmented_control(
        "Solved within, cycles",
        WITHIN,
        default=DEFAULTS["lab_within"],
        required=True,
        **url_widget("lab_within"),
    )
    controls[1].number_input("alpha to try", **number_widget("lab_try"))

    def more() -> None:
        trials.add(round(float(st.session_state["lab_try"]), 2), int(within or 1000), MORE)

    controls[2].button(
        f"Try {MORE} more", icon=":material/add:", width="stretch", disabled=trials.active or not is_writable(),
        on_click=require_write_access(more),
    )  # fmt: skip
    controls[3].button(
        "Stop trying", icon=":material/stop:", width="stretch", disabled=not trials.active, on_click=trials.stop
    )
    last = course.snapshot
    outcome = (
        "solved" if last and last.solved else "learning" if course.active else "not solved" if last else "not tried"
    )
    like = replace(
        record.problem, alpha=problem.alpha, seed=problem.seed, rate=record.series[0].rate,
        momentum=record.series[0].momentum,
    )  # fmt: skip
    if like != problem:
        outcome += ", other settings"
    info = figures.CapacityInfo(
        tuple(share(name_of(each, record.series[0]), each.points, within) for each in record.series),
        share("tried here", trials.points(within), within),
        problem.alpha, within, outcome,
    )  # fmt: skip
    with place:
        chart_heading(info.takeaway)
        charts.chart(figures.capacity_figure(info), "capacity", info.takeaway)
    optional_caption(trials.stands)
    if trials.active != was_active:
        st.rerun()


page_header("Laboratory")
st.markdown(
    "One tempotron, N afferents that each spike once at a random time, and alpha · N such patterns with random labels: "
    "it should fire for every target and for no null pattern."
)
now = chosen()
buttons = st.columns(4, vertical_alignment="center")
course = kept(now) if now else None
active = bool(course and course.active)
buttons[0].button(
    "Start", type="primary", icon=":material/play_arrow:", width="stretch",
    on_click=require_write_access(course.start) if course else None,
    disabled=course is None or active or course.over or not is_writable(),
)  # fmt: skip
buttons[1].button(
    "Stop", icon=":material/stop:", width="stretch", on_click=course.stop if course else None, disabled=not active
)
buttons[2].button("Reset", icon=":material/restart_alt:", width="stretch", on_click=reset, disabled=course is None)
shunts = buttons[3].toggle("Shunting after the spike", DEFAULTS["lab_shunts"], **url_widget("lab_shunts"))
if now and course:
    flushing_fragment(learning, run_every=refresh_interval(TICK, active))(course, shunts, active)
    st.subheader("How much can one tempotron learn?")
    trials = st.session_state.setdefault("lab_trials", Trials(recorded()))
    flushing_fragment(capacity, run_every=refresh_interval(TICK, trials.active))(now, trials, trials.active)
    shared = recorded()
    st.caption(
        f"Recorded by `python -m tempotron_core.capacity`: N {shared.problem.afferents}, T {shared.problem.T} ms, tau "
        f"{shared.problem.tau:g} ms, tau_s {shared.problem.tau_s:g} ms, rate {shared.series[0].rate:g}, {shared.seeds} "
        f"problems an alpha, up to {shared.problem.most_cycles:,} cycles each; bars are 95 % confidence intervals."
    )


def rule() -> None:
    st.latex(r"\Delta w_i \leftarrow \mu\,\Delta w_i \pm \lambda\,K(t_{max}-t_i)")
    st.markdown("After an error: + for a silent target, − for a null pattern that fires.")
    st.caption(
        "Shunting: once the neuron has spiked, later input is without effect and its potential decays to rest. Gütig, "
        "Sompolinsky: The tempotron: a neuron that learns spike timing-based decisions, 2006."
    )


lazy_expander("The rule", rule)
