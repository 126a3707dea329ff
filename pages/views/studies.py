"""Page "Studies": trainings over a space of settings: start, follow, compare, load a trial as the model."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.components import charts, show_code, stage
from pages.components.page import chart_heading, lazy_expander, page_header
from pages.refresh import refresh_interval
from pages.state.auth import is_writable, require_write_access, show_view_only_notice
from pages.state.markdown import escape_markdown
from pages.state.runs import runs_directory
from pages.state.settings import get_setting, number_widget, url_widget
from pages.state.studies import open_reader, plan_of_form, start_study, study_names, use_trial
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, format_status, training_registry
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.interchange.code_generation import studies_code
from tempotron_core.studies.explanation import MIN_TRIALS, correlations, explain, rank_correlation
from tempotron_core.studies.plan import PRUNERS, SAMPLERS, StudyError, check_study_name
from tempotron_core.studies.quantities import QUANTITIES
from tempotron_core.studies.trials import StudyReader, TrialRecord, group_curves, ranked
from tempotron_core.study_report import study_command, study_notebook, study_page

ROWS = 25
CURVES, TIME, SPIKES = "Curves by a setting", "Accuracy and training time", "Accuracy and spikes"
VIEWS = (CURVES, *figures.STUDY_FIGURES, TIME, SPIKES)


@require_write_access
def start() -> None:
    """Start the study of the form, or take part in it."""
    trainings, name = training_registry(), str(get_setting("study_name")).strip()
    try:
        start_study(check_study_name(name), plan_of_form())
        st.session_state["study"] = name
    except (trainings.StartError, StudyError, ValueError, TypeError) as error:
        st.session_state["study_refused"] = str(error)


def on_row_selected(reader: StudyReader, rows: list[TrialRecord], key: str) -> None:
    """Use the trial of the row that was clicked as the model."""
    selected = st.session_state[key]["selection"]["rows"]
    if selected and selected[0] < len(rows):
        use_trial(reader, rows[selected[0]])


def on_point_selected(reader: StudyReader, kind: str, figure: object, numbers: list[int]) -> None:
    """Use the trial of the point that was clicked as the model."""
    points = st.session_state["study_figure"]["selection"]["points"]
    number = figures.trial_of_point(kind, figure, points[0], numbers) if points else None
    trial = next((one for one in reader.records() if one.number == number), None)
    if trial is not None:
        use_trial(reader, trial)


def form_panel() -> None:
    """Show the form of a study."""
    st.caption(
        "NAME=LOW..HIGH is a range, NAME=log:LOW..HIGH a logarithmic one, NAME=VALUE,VALUE a list. Trials are compared "
        "on a fifth of the training samples, which are held out; the test set is used once, for the selected trial. "
        "The same name continues a study. `tempotron-explorer sweep` takes part in it from any machine."
    )
    left, right = st.columns([1, 2])
    left.text_input("Name", max_chars=80, **url_widget("study_name"))
    right.text_input("Space", max_chars=2000, **url_widget("study_space"))
    columns = st.columns(4)
    columns[0].number_input("Trials", **number_widget("study_trials"))
    columns[1].number_input("Seeds per trial", **number_widget("study_seeds"))
    columns[2].number_input("Epochs", **number_widget("study_epochs"))
    columns[3].number_input("Time budget, minutes", **number_widget("study_minutes"))
    choices = st.columns([1, 1, 2], vertical_alignment="bottom")
    st.session_state.setdefault("study_sampler", SAMPLERS[0])
    st.session_state.setdefault("study_pruner", PRUNERS[0])
    choices[0].selectbox("Sampler", SAMPLERS, **url_widget("study_sampler"))
    choices[1].selectbox("Pruner", PRUNERS, **url_widget("study_pruner"))
    problem = None
    try:
        plan_of_form()
    except (ValueError, TypeError) as error:
        problem = str(error)
    status = training_registry().status
    choices[2].button(
        "Start study", icon=":material/play_arrow:", type="primary", width="stretch", on_click=start,
        disabled=problem is not None or bool(status and status.active) or not is_writable(),
    )  # fmt: skip
    if problem:
        st.warning(escape_markdown(problem), icon=":material/error:")
    show_view_only_notice()


def trials_frame(reader: StudyReader, rows: list[TrialRecord]) -> pd.DataFrame:
    """Return a table with one row per trial."""
    names = [parameter.name for parameter in reader.plan.parameters]
    return pd.DataFrame(
        {
            "trial": [one.number for one in rows],
            "state": [one.state for one in rows],
            "held out, %": [f"{100 * one.accuracy:.2f}" if one.accuracy is not None else "" for one in rows],
            **{name: [_short(one.values.get(name)) for one in rows] for name in names},
            "seconds": [f"{one.seconds:.1f}" if one.seconds else "" for one in rows],
            "spikes": [_quantity(one, "spikes_per_image") for one in rows],
            "problem": [one.problem or "" for one in rows],
        }
    )


def _short(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _quantity(trial: TrialRecord, name: str) -> str:
    return f"{trial.quantities[name]:.0f}" if name in trial.quantities else ""


def trials_table(reader: StudyReader, records: list[TrialRecord]) -> None:
    """Show the trials in pages, best first; a click on a row loads the trial as the model."""
    num_pages = max(1, -(-len(records) // ROWS))
    if not 1 <= int(st.session_state.get("trials_page") or 1) <= num_pages:
        st.session_state["trials_page"] = num_pages
    st.markdown("**Trials**, best first: a click on a row makes its network the model of all pages")
    page = st.pagination(num_pages, **url_widget("trials_page")) if num_pages > 1 else 1
    rows = reader.derive("ranked", lambda: ranked(records))[(page - 1) * ROWS : page * ROWS]
    key = f"trials_{page}"
    st.dataframe(
        trials_frame(reader, rows), hide_index=True, width="stretch", key=key, selection_mode="single-row",
        on_select=lambda: on_row_selected(reader, rows, key),
    )  # fmt: skip


def draw_figure(reader: StudyReader, records: list[TrialRecord], place: Any) -> None:
    """Show the selected figure under its finding."""
    parameters = reader.plan.parameters
    names = [parameter.name for parameter in parameters]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox("Figure", VIEWS, **url_widget("study_view")) or CURVES
        if st.session_state.get("study_by") not in (None, *names):
            st.session_state["study_by"] = names[0]
        by = st.selectbox("Setting", names, disabled=kind != CURVES, **url_widget("study_by")) or names[0]
    complete = [one for one in records if one.is_complete]
    numbers = [one.number for one in complete]
    if kind == CURVES:
        parameter = next(one for one in parameters if one.name == by)
        groups = reader.derive(("groups", by), lambda: group_curves(complete, parameter))
        bands = figures.BandsInfo(
            tuple(group.label for group in groups),
            tuple(group.mean for group in groups),
            tuple(group.deviation for group in groups),
            tuple(group.runs for group in groups),
        )
        takeaway, figure = bands.takeaway, figures.bands_figure(bands, stage.figure_height(420, bands.takeaway))
    elif kind in (TIME, SPIKES):
        info, numbers = reader.derive(kind, lambda: trade_off(complete, kind))
        takeaway, figure = info.takeaway, figures.trade_off_figure(info, stage.figure_height(420, info.takeaway))
    else:
        takeaway = f"{kind} of {len(complete):,} complete trials, drawn by Optuna."
        if len(complete) > figures.MAX_STUDY_TRIALS[kind]:
            takeaway += f" {figures.MAX_STUDY_TRIALS[kind]:,} of them at equal distances are shown at most."
        height = stage.figure_height(420, takeaway)
        figure = reader.derive(
            (kind, height), lambda: figures.study_figure(kind, reader.complete_trials(), names, height)
        )
    with stage.on_stage(place):
        chart_heading(escape_markdown(takeaway))
        charts.plotly_chart(
            figure, "study_figure", takeaway, selection_mode="points",
            on_select=lambda: on_point_selected(reader, kind, figure, numbers),
        )  # fmt: skip


def trade_off(complete: list[TrialRecord], kind: str) -> tuple[figures.TradeOffInfo, list[int]]:
    """Return accuracy against training time or spikes per image, and the numbers of the trials."""
    if kind == TIME:
        pairs = [(one.seconds, one) for one in complete]
        axis = "training time, s"
    else:
        measured = [one for one in complete if "spikes_per_image" in one.quantities]
        pairs = [(one.quantities["spikes_per_image"], one) for one in measured]
        axis = QUANTITIES["spikes_per_image"].title
    x = np.array([value for value, _ in pairs], float)
    accuracy = np.array([one.accuracy for _, one in pairs], float)
    numbers = [one.number for _, one in pairs]
    return figures.TradeOffInfo(x, accuracy, tuple(numbers), axis, correlation(x, accuracy)), numbers


def correlation(x: np.ndarray, accuracy: np.ndarray) -> float | None:
    """Return the rank correlation where there are enough trials for one."""
    return rank_correlation(x, accuracy) if len(x) >= MIN_TRIALS else None


def explanation(reader: StudyReader, records: list[TrialRecord]) -> None:
    """Show what was measured on the best and the worst trial."""
    sentences = reader.derive("sentences", lambda: explain(records))
    if not sentences:
        return
    st.markdown("**Measured on the best and the worst trial**")
    for sentence in sentences:
        st.markdown(f"- {escape_markdown(sentence)}")
    if reader.derive("correlations", lambda: correlations(records)):
        st.caption("A rank correlation over the complete trials describes them; it does not show a cause.")


def state_text(reader: StudyReader, records: list[TrialRecord]) -> str:
    """Return the numbers of trials and the selected one."""
    counts = {
        state: sum(one.state == state for one in records) for state in ("complete", "pruned", "failed", "running")
    }
    parts = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    text = f"{len(records):,} of {reader.plan.trials:,} trials begun: {parts or 'none'}."
    best = next((one for one in reader.derive("ranked", lambda: ranked(records)) if one.is_complete), None)
    if best is None:
        return text
    text += f" Selected: trial {best.number}, {best.accuracy:.2%} on held-out samples"
    test = reader.test_accuracy(best)
    if test is None:
        return f"{text}; the test set has not been used for it."
    return f"{text}, {sum(test) / len(test):.2%} on the test set ({len(test)} runs)."


def render(was_live: bool) -> None:
    """Draw the page; rerun it when a study starts or ends."""
    if st.session_state.pop("model_chosen", False):
        st.rerun()  # the sidebar shows the model
    messages, place = st.empty(), stage.key_figure_stage()
    if refused := st.session_state.pop("study_refused", None):
        messages.warning(escape_markdown(refused), icon=":material/block:")
    elif note := st.session_state.get("study_note"):
        messages.caption(escape_markdown(note))
    status = training_registry().status
    is_own = bool(status and status.active)
    if status is not None and status.active:
        st.progress(status.snapshot.progress if status.snapshot else 0.0, escape_markdown(format_status(status)))
        st.button("Stop", icon=":material/stop:", on_click=stop, disabled=not is_writable())
    elif status is not None and status.error:
        st.error(escape_markdown(status.error), icon=":material/error:")
    live = is_own
    names = study_names()
    if names:
        if st.session_state.get("study") not in (None, *names):
            st.session_state["study"] = names[0]
        name = st.selectbox("Study", names, **url_widget("study")) or names[0]
        live = show_study(name, place) or is_own
    else:
        text = "No study in the log directory yet: name a space below and press Start study."
        with stage.on_stage(place):
            chart_heading(text)
            empty = figures.bands_figure(figures.BandsInfo((), (), (), ()), stage.figure_height(300, text))
            charts.plotly_chart(empty, "study_figure", text)
    if live != was_live:
        st.session_state["study_live"] = live
        st.rerun()


@require_write_access
def stop() -> None:
    """Stop the job; the trial in progress is given back to its study."""
    job = training_registry().job
    if job is not None:
        job.stop()


def report_buttons(reader: StudyReader) -> None:
    """Show the command that repeats the study and the buttons that save its reports."""
    st.code(study_command(reader.place.name, reader.plan), language="bash", wrap_lines=True)
    with st.container(horizontal=True):
        for label, suffix, kind, make in (
            ("Save as HTML page", "html", "text/html", study_page),
            ("Save as notebook", "ipynb", "application/x-ipynb+json", study_notebook),
        ):
            st.download_button(
                label, partial(make, reader), f"{reader.place.name}.{suffix}", kind, on_click="ignore",
                icon=":material/download:",
            )  # fmt: skip


def show_study(name: str, place: Any) -> bool:
    """Show a study and return whether a process works on it."""
    try:
        with st.spinner("Reading the study", show_time=True):
            reader = open_reader(name)
            records = reader.records()
    except StudyError as error:
        st.warning(escape_markdown(error), icon=":material/error:")
        return False
    st.markdown(escape_markdown(state_text(reader, records)))
    draw_figure(reader, records, place)
    explanation(reader, records)
    trials_table(reader, records)
    report_buttons(reader)
    by = str(st.session_state.get("study_by") or reader.plan.parameters[0].name)
    show_code.render(lambda: studies_code(name, runs_directory(), by))
    return any(one.state == "running" for one in records)


page_header("Studies")
is_live = bool(st.session_state.get("study_live", False))
flushing_fragment(render, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live))(is_live)
lazy_expander("New study", form_panel)
