"""Page "Runs": list, compare, rename, export and delete runs, or use one as the model."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from pages.components import charts, network_download, show_code
from pages.components.fine_tune_run import fine_tune_form
from pages.components.page import chart_heading, lazy_expander, page_header
from pages.components.resume_run import resume_form
from pages.refresh import refresh_interval
from pages.state.auth import is_writable, require_write_access, show_view_only_notice
from pages.state.markdown import escape_markdown
from pages.state.runs import run_names, runs_directory
from pages.state.settings import SAVED_RUN
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, training_registry
from pages.streamlit_hooks import flushing_fragment
from pages.views.runs_datasets import dataset_panel
from pages.views.runs_import import import_panel
from pages.views.runs_table import (
    MAX_SELECTED,
    accuracy_interval,
    clickable_table,
    select_runs,
    store_in_url,
)
from tempotron_core import figures
from tempotron_core.interchange.code_generation import runs_code
from tempotron_core.runs.catalogue import (
    MAX_NAME_LENGTH,
    delete_run,
    describe_evaluation_set,
    differences,
    disambiguate,
    is_being_written,
    rename,
    run_title,
    to_zip,
)
from tempotron_core.runs.reader import (
    RunError,
    RunRecord,
    checkpoint_path,
    list_checkpoints,
    list_runs,
    load_model,
    read_classes,
)


def use_as_model(record: RunRecord) -> None:
    """Select the run as the model of all pages."""
    st.session_state.update(model=SAVED_RUN, run=record.name, model_chosen=True)


@require_write_access
def rename_selected(record: RunRecord) -> None:
    """Rename the run to the text of its name field."""
    run_or_warn(lambda: rename(record, st.session_state[f"title_{record.name}"]))


@require_write_access
def delete_selected(record: RunRecord) -> None:
    """Delete the run unless it is in progress."""
    status = training_registry().status
    if status is not None and status.active and status.log and status.log == str(record.path):
        st.session_state["run_problem"] = (
            "delete: expected a run that has ended, got the one in progress; stop it first."
        )
    else:
        run_or_warn(lambda: delete_run(record))
        if st.session_state.get("run") == record.name and (names := run_names()):
            st.session_state["run"] = names[0]  # a deleted run cannot stay selected
    st.session_state["confirm_delete"] = None


def run_or_warn(action: Callable[[], None]) -> None:
    """Call an action; show the message of a RunError as a warning."""
    try:
        action()
    except RunError as error:
        st.session_state["run_problem"] = str(error)


def run_actions(record: RunRecord) -> None:
    """Show name field and buttons of one run."""
    view_only = not is_writable()
    st.text_input(
        "Name", run_title(record), MAX_NAME_LENGTH, key=f"title_{record.name}", on_change=rename_selected,
        args=(record,), disabled=view_only,
    )  # fmt: skip
    buttons = st.columns(4)
    buttons[0].button(
        "Use as model", icon=":material/neurology:", type="primary", width="stretch", on_click=use_as_model,
        args=(record,), disabled=not record.epochs,
    )  # fmt: skip
    with buttons[1]:
        if st.button("Prepare export", icon=":material/folder_zip:", width="stretch", disabled=view_only):
            st.session_state["export"] = record.name
        if st.session_state.get("export") == record.name and not view_only:
            try:
                content = to_zip(record)
            except RunError as error:
                st.warning(escape_markdown(error), icon=":material/error:")
            else:
                name = f"{record.name}.zip"
                st.download_button(
                    f"Save {len(content) / 1e6:.1f} MB", content, name, "application/zip", width="stretch"
                )
    if buttons[2].button("Delete", icon=":material/delete:", width="stretch", disabled=view_only):
        st.session_state["confirm_delete"] = record.name
    show_view_only_notice()
    if record.epochs and record.settings:
        with st.expander("Continue this run", key=f"resume_{record.name}"):
            resume_form(record)
        panel = st.expander("Start a new run from its weights", key=f"tune_{record.name}", on_change="rerun")
        if panel.open:
            with panel:
                fine_tune_form(record)
    if record.epochs and record.settings and not view_only:
        panel = st.expander("Export the network", key=f"network_{record.name}", on_change="rerun")
        if panel.open:
            with panel:
                export_network(record)
    if st.session_state.get("confirm_delete") == record.name and not view_only:
        buttons[3].button(
            "Yes, delete it for good", icon=":material/delete_forever:", width="stretch", on_click=delete_selected,
            args=(record,),
        )  # fmt: skip


def export_network(record: RunRecord) -> None:
    """Show the choice of an epoch and of a format for other programs, and the download."""
    names = {"last": "last epoch", "best": "best epoch"}
    checkpoints = list_checkpoints(record.path)
    epoch = st.selectbox(
        "Weights", checkpoints, format_func=lambda name: names.get(name, f"epoch {name}"), key=f"export_{record.name}"
    )
    try:
        model = load_model(record.path, checkpoint_path(epoch or "last"))
        classes = read_classes(record.path, model.num_classes)
        network_download.render(lambda: (model, classes), record.name, f"network_{record.name}")
    except (RunError, ValueError) as error:
        st.warning(escape_markdown(error), icon=":material/error:")


def render_comparison(records: list[RunRecord]) -> None:
    """Curves on top of each other, and in what the runs differ."""
    info = figures.ComparisonInfo(
        tuple(run_title(record) for record in records),
        tuple(np.array([result.test_accuracy for result in record.epochs]) for record in records),
        tuple(np.array([result.train_accuracy for result in record.epochs]) for record in records),
        tuple(describe_evaluation_set(record).name for record in records),
        tuple(
            accuracy_interval(record, record.epochs[-1].test_accuracy) if record.epochs else None for record in records
        ),
    )
    chart_heading(escape_markdown(info.takeaway))
    charts.lightweight_chart(figures.comparison_figure(info), "comparison", info.takeaway)
    different = differences(records)
    if different and len(records) > 1:
        st.markdown("**Differences in settings**")
        frame = pd.DataFrame(different, index=[run_title(record) for record in records]).T
        frame.columns = [f"{i + 1}. {name}" for i, name in enumerate(frame.columns)]
        st.dataframe(frame, width="stretch")


def render(was_live: bool) -> None:
    """Draw the page; rerun it when a selected run starts or stops being written."""
    if st.session_state.pop("model_chosen", False) or st.session_state.pop("run_resumed", False):
        st.rerun()  # the sidebar shows the model and the training
    records = list_runs(runs_directory())
    message_area = st.empty()
    if problem := st.session_state.pop("run_problem", None):
        message_area.warning(escape_markdown(problem), icon=":material/error:")
    if imported := st.session_state.pop("imported", None):
        st.success(escape_markdown(imported), icon=":material/check:")
    if not records:
        st.info(f"No run in {escape_markdown(repr(runs_directory()))} yet. Train one on the Training page.")
        return
    by_name = {record.name: record for record in records}
    readable = [record.name for record in records if record.problem is None]
    titles = disambiguate({name: run_title(by_name[name]) for name in readable})
    if missing := select_runs(readable):
        found = f"found none named {', '.join(map(repr, missing))}; select another run."
        st.warning(escape_markdown(f"run: expected readable runs in {runs_directory()!r}, {found}"))
    clickable_table(records)
    names = st.multiselect(
        "Selected runs", readable, format_func=lambda name: titles.get(name, name), key="compared",
        max_selections=MAX_SELECTED,
    )  # fmt: skip
    store_in_url()
    selected = [by_name[name] for name in names]
    if len(selected) == 1:
        run_actions(selected[0])
    if selected:
        render_comparison(selected)
    show_code.render(lambda: runs_code([str(record.path) for record in selected]))
    live = any(is_being_written(record) for record in selected)
    if live:
        st.caption(":material/fiber_manual_record: Run in progress: the curves are updated.")
    if live != was_live:
        st.session_state["runs_live"] = live
        st.rerun()


page_header("Runs")
live = bool(st.session_state.get("runs_live", False))
flushing_fragment(render, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, live))(live)
lazy_expander("Import a network", import_panel)
lazy_expander("Add a data set", dataset_panel)
