"""Page "Laboratory": one tempotron learns random patterns; its capacity (solved problems against the load)."""

from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.components import charts, show_code, stage
from pages.components.page import chart_heading, lazy_expander, optional_caption, page_header
from pages.refresh import refresh_interval
from pages.state.auth import is_writable, require_write_access
from pages.state.markdown import escape_markdown
from pages.state.settings import DEFAULTS, is_presentation_mode, number_widget, url_widget
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.experiments.capacity import CapacityPoint, ExtraTrials, Series, load_record, success_rate
from tempotron_core.experiments.capacity_by_size import SizeSeries, load_sizes, reference_loads
from tempotron_core.experiments.pattern_learning import READ_OUTS, Problem, published_rate
from tempotron_core.experiments.random_patterns import LearningSession, simulate
from tempotron_core.interchange.code_generation import laboratory_code

REFRESH_SECONDS, LEARN_SECONDS_PER_TICK = 0.8, 0.4
CYCLE_LIMITS = (250, 1000, 4000)
PROBLEMS_PER_CLICK = 3


def problem_form() -> Problem | None:
    """Show the form and return the problem; show a message and return None if it is invalid."""
    columns = [*st.columns(4)]
    with st.expander("Learning rate, time window, time constants"):
        columns += st.columns(4)
        columns += st.columns(3, vertical_alignment="bottom")

    def number(column: int, label: str, key: str, form: str | None) -> Any:
        return columns[column].number_input(label, format=form, **number_widget(f"lab_{key}"))

    alpha = number(0, "alpha, load P/N", "alpha", "%.2f")
    afferents = number(1, "N, afferents", "N", None)
    momentum = number(2, "Momentum", "momentum", "%.4f")
    seed = number(3, "Seed", "seed", None)
    rate = number(4, "Learning rate", "rate", "%.6f")
    T = number(5, "T, window in ms", "T", None)
    tau = number(6, "tau, membrane, ms", "tau", "%.2f")
    tau_s = number(7, "tau_s, synapse, ms", "tau_s", "%.2f")
    init_std = number(8, "Width of the initial weights (2006: 0.001)", "init", "%.4f")
    read_out = columns[9].selectbox(
        "Peak where nothing exceeds rest", READ_OUTS, help="rest: where V is highest; last-spike: at the last spike "
        "plus the time to the peak of K, as reported for 2006.", **url_widget("lab_read_out"),
    )  # fmt: skip
    formula = columns[10].toggle(
        "Rate of 2006", DEFAULTS["lab_formula"], help="3e-3·T/(tau·N·V0) takes the place of the learning rate.",
        **url_widget("lab_formula"),
    )  # fmt: skip
    message_area = st.empty()
    try:
        problem = Problem(
            int(afferents), float(alpha), int(T), float(tau), float(tau_s), rate=float(rate), momentum=float(momentum),
            seed=int(seed), max_cycles=load_record().problem.max_cycles, init_std=float(init_std),
            read_out=str(read_out),
        )  # fmt: skip
        if formula:
            problem = replace(problem, rate=published_rate(problem.afferents, problem.T, problem.tau, problem.tau_s))
            message_area.caption(f"Learning rate {problem.rate:.3g}.")
        return problem
    except (ValueError, TypeError) as error:
        message_area.warning(escape_markdown(error), icon=":material/error:")
        return None


def current_session(problem: Problem) -> LearningSession:
    """Return the learning session of this viewer for the problem; start a new one if the problem has changed."""
    session: LearningSession | None = st.session_state.get("lab_course")
    if session is None or session.problem != problem:
        session = st.session_state["lab_course"] = LearningSession(problem)
    return session


def reset() -> None:
    """Discard the learning session."""
    st.session_state.pop("lab_course", None)


def pattern_info(session: LearningSession, target: bool, shunting: bool) -> figures.PatternInfo | None:
    """Return the data of the figure of one pattern, before learning and with the current weights.

    Args:
        session: learning session
        target: True for the first target pattern, False for the first null pattern
        shunting: whether input after the first spike has no effect

    Returns:
        The data, or None if the problem has no such pattern.
    """
    indices = torch.nonzero(session.patterns.target == target)
    if not len(indices):
        return None
    times, problem = session.patterns.times[int(indices[0])], session.problem
    before, current = (simulate(problem, weight, times) for weight in (session.patterns.weight, session.weight))
    return figures.PatternInfo(
        target, before.v.numpy(), current.v.numpy(), current.v_shunted.numpy(), current.spike_time, problem.v_threshold,
        session.snapshot is not None, shunting,
    )  # fmt: skip


def learning_panel(session: LearningSession, shunting: bool, was_active: bool) -> None:
    """Show membrane potentials and errors; while learning is active, first learn for a short time."""
    if session.active:
        # The number of cycles per refresh grows, so that long sessions do not take proportionally long.
        session.run_for(LEARN_SECONDS_PER_TICK, max(8, len(session.errors) // 3))
    errors = figures.ErrorsInfo(np.array(session.errors, int), session.problem.num_patterns, session.problem.max_cycles)
    chart_heading(errors.takeaway)
    columns = st.columns(3 if is_presentation_mode() else 2)
    height = stage.figure_height(340, errors.takeaway, taken=70 if stage.window_size()[0] > 1000 else 110)
    for column, target in zip(columns[:2], (True, False), strict=True):
        info, name = pattern_info(session, target, shunting), "target" if target else "null"
        with column:
            heading = info.takeaway if info else f"This problem has no {name} pattern."
            st.markdown(f"**{heading}**")
            charts.lightweight_chart(
                figures.pattern_figure(info, session.problem.T, height), f"{name}_pattern", heading
            )
    with columns[2] if is_presentation_mode() else nullcontext():
        if is_presentation_mode():
            st.markdown("**Errors per cycle**")
        errors_height = height if is_presentation_mode() else 300
        charts.lightweight_chart(figures.errors_figure(errors, errors_height), "errors", errors.takeaway)
    has_target = bool(session.patterns.target.any())
    default = asdict(Problem())
    fields = {name: value for name, value in asdict(session.problem).items() if value != default[name]}
    show_code.render(lambda: laboratory_code(fields, len(session.errors), has_target))
    if session.active != was_active:
        st.rerun()


def success_rates(name: str, points: tuple[CapacityPoint, ...], max_cycles: int) -> figures.SuccessRates:
    """Return the fraction of problems solved within max_cycles, with its confidence interval, against the load."""
    counts = [success_rate(point, max_cycles) for point in points]
    return figures.SuccessRates(
        name,
        *(np.array([getattr(c, field) for c in counts]) for field in ("load", "solved", "problems", "low", "high")),
    )


def size_series(max_cycles: int) -> tuple[SizeSeries, ...]:
    """Return the recorded series by number of afferents that were tried for at least this many cycles."""
    return tuple(series for series in load_sizes() if series.max_cycles >= max_cycles)


def size_rates(series: SizeSeries, max_cycles: int) -> figures.SuccessRates:
    """Return the fraction of solved problems of one number of afferents."""
    points = tuple(CapacityPoint(load, cycles) for load, cycles in series.cycles.items())
    return success_rates(f"N {series.afferents}, settings of 2006", points, max_cycles)


def sizes_text(info: figures.CapacityInfo, max_cycles: int) -> str:
    """Return half-points with intervals, problems and mean cycles of the series by number of afferents."""
    recorded = size_series(max_cycles)
    if not recorded:
        return f"No series by number of afferents was tried for {max_cycles:,} cycles."
    parts = []
    for series, rates in zip(recorded, info.sizes, strict=True):
        means = [
            f"{np.mean(solved):,.0f} at {load:g}"
            for load, cycles in series.cycles.items()
            if (solved := [c for c in cycles if c is not None and c <= max_cycles])
        ]
        fewest = int(rates.problems.min())
        parts.append(f"{rates.half_text}, {fewest} or more problems per load, mean cycles {', '.join(means)}")
    return (
        "Load at which half of the problems are solved (where the ends of the 95 % intervals are at one half): "
        f"{'; '.join(parts)}. Not found within these cycles does not mean that no solution exists."
    )


def series_name(series: Series, first: Series) -> str:
    """Return the legend entry of a series: momentum, and learning rate relative to the first series."""
    factor = series.rate / first.rate
    return (f"momentum {series.momentum:g}" if series.momentum else "no momentum") + (
        f", rate × {factor:.0f}" if factor > 1.5 else ""
    )


def capacity_panel(problem: Problem, trials: ExtraTrials, was_active: bool) -> None:
    """Show the capacity curve: recorded points, points tried on this page, and buttons to try more."""
    if trials.active:
        trials.run_for(LEARN_SECONDS_PER_TICK)
    record, session = load_record(), current_session(problem)
    chart_area, controls = st.container(), st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    max_cycles = controls[0].segmented_control(
        "Maximum number of cycles",
        CYCLE_LIMITS,
        default=DEFAULTS["lab_within"],
        required=True,
        **url_widget("lab_within"),
    )
    controls[1].number_input("Load alpha to try", **number_widget("lab_try"))

    def try_more() -> None:
        trials.add(round(float(st.session_state["lab_try"]), 2), int(max_cycles or 1000), PROBLEMS_PER_CLICK)

    controls[2].button(
        f"Try {PROBLEMS_PER_CLICK} problems", icon=":material/add:", width="stretch",
        disabled=trials.active or not is_writable(), on_click=require_write_access(try_more),
    )  # fmt: skip
    controls[3].button(
        "Stop trials", icon=":material/stop:", width="stretch", disabled=not trials.active, on_click=trials.stop
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
        outcome += ", different settings"
    info = figures.CapacityInfo(
        tuple(success_rates(series_name(entry, record.series[0]), entry.points, max_cycles) for entry in record.series),
        success_rates("tried here", trials.points(max_cycles), max_cycles),
        problem.load, max_cycles, outcome,
        tuple(size_rates(entry, max_cycles) for entry in size_series(max_cycles)),
        reference_loads(problem.T, problem.tau, problem.tau_s),
    )  # fmt: skip
    with chart_area:
        chart_heading(info.takeaway)
        charts.plotly_chart(figures.capacity_figure(info), "capacity", info.takeaway)
        st.caption(sizes_text(info, max_cycles))
    optional_caption(trials.status_text)
    if trials.active != was_active:
        st.rerun()


page_header("Laboratory")
place = stage.key_figure_stage()
st.markdown(
    "One tempotron learns P random patterns with random labels: it should fire for target patterns and not for null "
    "patterns. In each pattern, each of the N afferents spikes once at a random time. The load is alpha = P/N."
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
shunting = buttons[3].toggle("Shunting after a spike", DEFAULTS["lab_shunts"], **url_widget("lab_shunts"))
if problem and session:
    with stage.on_stage(place):
        learning = flushing_fragment(learning_panel, run_every=refresh_interval(REFRESH_SECONDS, active))
        learning(session, shunting, active)
    st.subheader("Capacity: how many patterns can one tempotron learn?")
    trials = st.session_state.setdefault("lab_trials", ExtraTrials(load_record()))
    flushing_fragment(capacity_panel, run_every=refresh_interval(REFRESH_SECONDS, trials.active))(
        problem, trials, trials.active
    )
    record = load_record()
    st.caption(
        f"Recorded by `python -m tempotron_core.capacity`: N {record.problem.afferents}, T {record.problem.T} ms, tau "
        f"{record.problem.tau:g} ms, tau_s {record.problem.tau_s:g} ms, rate {record.series[0].rate:g}, {record.seeds} "
        f"problems per load, up to {record.problem.max_cycles:,} cycles each. Bars are 95 % confidence intervals."
    )
    if load_sizes():
        st.caption(
            "The series by N were recorded by the same command with `--sizes`: rate 3e-3·T/(tau·N·V0), momentum 0.99, "
            "initial weights of width 0.001, peak at the last spike plus s* where nothing exceeds rest."
        )
    st.caption(
        "Dashed lines, with T, tau, tau_s of the form: 2 patterns per weight of a perceptron (Cover 1965); about 3 as "
        "reported by Gütig and Sompolinsky (2006); 2.58 + 0.72 ln ln(K/8) with K = T/√(tau·tau_s), after Rubin, "
        "Monasson and Sompolinsky (2010), of which only the slope is a prediction. What is found within some cycles is "
        "a lower bound of the capacity."
    )


def render_rule() -> None:
    """Show the learning rule and its source."""
    st.latex(r"\Delta w_i \leftarrow \mu\,\Delta w_i \pm \lambda\,K(t_{max}-t_i)")
    st.markdown("Applied after an error: + for a target pattern without a spike, − for a null pattern with one.")
    st.caption(
        "The rate of 2006 is 3e-3·T/(tau·N·V0), V0 the factor that gives the kernel a peak of 1, with initial weights "
        "of standard deviation 0.001; the default width here is 0.01. Momentum is carried over error trials only. "
        "Shunting: input after the first spike has no effect, and the potential decays to rest. Gütig, Sompolinsky: "
        "The tempotron: a neuron that learns spike timing-based decisions, 2006."
    )


lazy_expander("The rule", render_rule)
