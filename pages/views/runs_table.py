"""Page "Runs": table of all runs, one row each; a click on a row selects it, the URL holds the selection."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.streamlit_hooks import is_history_navigation
from tempotron_core.analysis.evaluation import wilson_interval
from tempotron_core.runs.catalogue import describe_evaluation_set, differences, run_title
from tempotron_core.runs.reader import RunRecord

MAX_SELECTED = 8
_COLUMNS_OF_THEIR_OWN = ("dataset", "epochs", "log_dir", "dataset_dir", "imported_from")


def runs_table(records: tuple[RunRecord, ...]) -> pd.DataFrame:
    """Return a table with one row per run; settings in which the runs differ are columns."""
    different = {
        name: values for name, values in differences(list(records)).items() if name not in _COLUMNS_OF_THEIR_OWN
    }
    rows = []
    for i, record in enumerate(records):
        tests = [result.test_accuracy for result in record.epochs]
        settings = record.settings
        rows.append(
            {
                "name": run_title(record),
                "tested on": describe_evaluation_set(record).name,
                "epochs": f"{len(tests)} of {settings.epochs}" if settings else "",
                "last, %": accuracy_text(record, tests[-1]) if tests else "",
                "best, %": f"{100 * max(tests):.2f}" if tests else "",
                **{name: _setting_text(values[i]) for name, values in different.items()},
                "folder": record.name,
                "problem": record.problem or " ".join(record.notes),
            }
        )
    frame = pd.DataFrame(rows)
    return frame if (frame["problem"] != "").any() else frame.drop(columns="problem")


def accuracy_text(record: RunRecord, accuracy: float) -> str:
    """Return an accuracy in percent with its 95 % interval where the size of the test set is known."""
    interval = accuracy_interval(record, accuracy)
    text = f"{100 * accuracy:.2f}"
    return text if interval is None else f"{text} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


def accuracy_interval(record: RunRecord, accuracy: float) -> tuple[float, float] | None:
    """Return the 95 % interval of an accuracy in [0, 1], None where the size of the test set is unknown."""
    samples = describe_evaluation_set(record).samples
    return None if samples is None else wilson_interval(round(accuracy * samples), samples)


def select_runs(readable: list[str]) -> list[str]:
    """Select the runs of the session, of the URL, or the newest one; return those of the URL that cannot be read."""
    state, requested = st.session_state, st.query_params.get_all("compared")
    missing: list[str] = []
    if "compared" not in state or is_history_navigation():
        state["compared"] = requested[:MAX_SELECTED] or readable[:1]
        missing = [name for name in requested if name not in readable]
    if any(name not in readable for name in state["compared"]):
        state["compared"] = [name for name in state["compared"] if name in readable]
    return missing


def store_in_url() -> None:
    """Write the selection to the URL."""
    names = list(st.session_state.get("compared", []))
    if st.query_params.get_all("compared") != names:
        st.query_params["compared"] = names


def clickable_table(records: tuple[RunRecord, ...]) -> None:
    """Draw the table; its selected rows are the selected runs, a click into another row selects that run alone."""
    names = [record.name for record in records]
    selected = [name for name in st.session_state["compared"] if name in names]
    # The state of the table holds numbers of rows, which change with the runs: another list is another table.
    key = f"runs_table_{hash((tuple(names), tuple(selected), st.session_state.get('_table', 0)))}"

    def on_select() -> None:
        selection = st.session_state[key]["selection"]
        cells = [row for row, _ in selection.get("cells", [])]  # a click into a row selects this run alone
        rows = cells or selection["rows"]
        readable = [records[row].name for row in rows if row < len(records) and records[row].problem is None]
        kept = [name for name in selected if name in readable]
        compared = [*kept, *(name for name in readable if name not in kept)][:MAX_SELECTED]
        if compared or not cells:  # not where the clicked run cannot be read
            st.session_state["compared"] = compared
        st.session_state["_table"] = st.session_state.get("_table", 0) + 1

    st.dataframe(
        runs_table(records), hide_index=True, width="stretch", height=min(38 * len(records) + 40, 330), key=key,
        on_select=on_select, selection_mode=["multi-row", "single-cell"], alt="Table of all runs",
        selection_default={"selection": {"rows": [names.index(name) for name in selected]}},
    )  # fmt: skip


def _setting_text(value: str) -> str:
    return "" if value in ("None", "?") else value
