"""Upload of a data set, which is stored beside the others and selected."""

from __future__ import annotations

import streamlit as st

from pages.state import paths
from pages.state.auth import is_writable, require_write_access
from pages.state.markdown import escape_markdown
from pages.state.settings import get_setting
from tempotron_core.data.dataset_upload import UPLOAD_SUFFIXES, store_dataset_file
from tempotron_core.data.samples import DataError
from tempotron_core.data.spike_times import UNITS

_FOLDER = "datasets"
"""Where the server has no folder of data sets."""


def dataset_panel() -> None:
    """Show the form: a file, and a button that stores and selects it."""
    if not is_writable():
        st.caption("This server only shows results; a data set can be added where it can be written.")
        return
    st.caption(
        "NPZ with x [n, height, width] or [n, features] and y [n]; a table as CSV whose column label, class, target or "
        "y holds the class, else the last one; or a zip archive of pictures with one folder for each class. Spike "
        "times: NPZ with times [n, afferents] or [n, features, m] and labels [n], or CSV with the columns sample, "
        "afferent, time_ms, label. Nothing in the file is executed."
    )
    file = st.file_uploader("Data set file", type=[suffix[1:] for suffix in UPLOAD_SUFFIXES], key="dataset_file")
    if file is not None:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            unit = st.selectbox("Unit of spike times that the file does not name", UNITS, key="dataset_unit", width=330)
            if unit == "steps":
                st.number_input("Step, ms", 0.001, 1000.0, 1.0, format="%g", key="dataset_step", width=130)
        st.button("Add", type="primary", icon=":material/upload:", key="dataset_add", on_click=_add)
    if message := st.session_state.pop("dataset_added", None):
        st.success(escape_markdown(message))
    if problem := st.session_state.pop("dataset_refused", None):
        st.warning(escape_markdown(problem), icon=":material/error:")


@require_write_access
def _add() -> None:
    """Store the file and select it; a callback, as the sidebar is drawn before the page."""
    state = st.session_state
    file = state.get("dataset_file")
    if file is None:
        return
    folder = str(get_setting("dir") or "").strip() or paths.default_root(paths.DATA_ROOTS_ENV, _FOLDER)
    try:
        allowed = paths.check_inside_roots("dataset directory", folder, paths.DATA_ROOTS_ENV)
        dataset = store_dataset_file(
            file.getvalue(), file.name, allowed, state.get("dataset_unit"), float(state.get("dataset_step") or 1)
        )
    except (DataError, paths.PathNotAllowedError) as error:
        st.session_state["dataset_refused"] = str(error)
        return
    st.session_state.update(data=dataset.name, dir=folder)
    kind = f"{dataset.num_features:,} features" if dataset.shape is None else f"{dataset.shape[0]} x {dataset.shape[1]}"
    st.session_state["dataset_added"] = (
        f"{dataset.name} is the data set of all pages now: {len(dataset.train):,} training and {len(dataset.test):,} "
        f"test samples of {kind}, {len(dataset.classes):,} classes. " + " ".join(dataset.notes)
    )
