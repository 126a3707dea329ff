"""Page "Training": form that continues or extends a saved run."""

from pathlib import Path

import streamlit as st

from pages.components.resume_run import resume_form
from pages.state.markdown import escape_markdown
from pages.state.runs import run_display_name, run_names, runs_directory
from pages.state.training import training_registry
from tempotron_core.runs.catalogue import disambiguate
from tempotron_core.runs.reader import find_run, read_run


def continue_panel() -> None:
    """Show a form that continues or extends a saved run, the last one of this server first."""
    if st.session_state.pop("run_resumed", False):
        st.rerun()  # the buttons and the curves are those of the run
    if problem := st.session_state.pop("run_problem", None):
        st.warning(escape_markdown(problem), icon=":material/error:")
    names = run_names()
    if not names:
        st.caption("No run with weights is in the log directory yet.")
        return
    status = training_registry().status
    last = Path(status.log).name if status is not None and status.log else None
    titles = disambiguate({name: run_display_name(name) for name in names})
    name = st.selectbox(
        "Run", names, names.index(last) if last in names else 0, format_func=lambda name: titles[name],
        key="run_to_continue",
    )  # fmt: skip
    record = read_run(find_run(runs_directory(), name))
    if record.problem or record.settings is None or not record.epochs:
        st.caption(escape_markdown(record.problem or "The run has no complete epoch: it cannot be continued."))
        return
    resume_form(record)
