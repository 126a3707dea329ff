"""Import of a network from a file, as a run like any other."""

from __future__ import annotations

import contextlib
import math
from dataclasses import fields
from typing import Any

import streamlit as st

from pages.state.auth import is_writable
from pages.state.datasets import current_dataset, dataset_directory
from pages.state.markdown import escape_markdown
from pages.state.paths import PathNotAllowedError
from pages.state.runs import runs_directory
from pages.state.settings import SAVED_RUN, get_setting
from tempotron_core.interchange.imported_run import complete_settings, import_run
from tempotron_core.interchange.networks import PEERS, SUFFIXES, AmbiguousKeyError, Network, read_network
from tempotron_core.training.settings import Settings, TrainingError

UNKNOWN = "not stated"
CONSTANTS = {
    "m": "m, neurons per feature",
    "T": "T, ms",
    "beta": "beta",
    "tau": "tau, ms",
    "tau_s": "tau_s, ms",
    "v_threshold": "threshold",
}


def import_panel() -> None:
    """Show the form: file, key, constants that the file does not contain; import with the test accuracy as a check."""
    if not is_writable():
        st.caption("This server only shows results; a network can be imported where it can be written.")
        return
    st.caption(
        f"Weights of a tempotron layer: {', '.join(SUFFIXES)}. Nothing in the file is executed. The constants are not "
        "part of a state dict: state those of the training; the test accuracy shows whether they are right."
    )
    file = st.file_uploader("Network", type=[suffix.removeprefix(".") for suffix in SUFFIXES], key="network_file")
    if file is None:
        return
    try:
        network = _read(file.getvalue(), file.name)
        if network is None:
            return
        st.caption(
            escape_markdown(f"{network.key}: {network.outputs:,} outputs, {network.afferents:,} afferents.")
            + "".join(f" {escape_markdown(note)}" for note in network.notes)
        )
        given, peer = _constants_form(network, file.file_id)
        settings = complete_settings(network, given | _place(), peer)
        dataset, missing = current_dataset()
        if missing:
            raise ValueError(missing)
        untested = st.toggle(
            "Without a test", key="import_untested",
            help="For a network whose afferents are those of no data set here: it takes recorded spike times.",
        )  # fmt: skip
        if st.button("Import", type="primary", icon=":material/upload:"):
            with st.spinner("Classifying the test set"):
                run = import_run(network, settings, None if untested else dataset, peer)
            st.session_state.update(model=SAVED_RUN, run=run.path.name, model_chosen=True)
            is_tested = not math.isnan(run.test_accuracy)
            accuracy = f"test accuracy {run.test_accuracy:.1%} on {dataset.name}" if is_tested else "not tested"
            st.session_state["imported"] = (
                f"{network.file}: {accuracy}. " + " ".join(run.notes) + " It is the model of all pages now."
            )
            st.rerun()
    except (ValueError, TypeError, TrainingError, PathNotAllowedError) as error:
        st.warning(escape_markdown(error), icon=":material/error:")


def _read(content: bytes, name: str) -> Network | None:
    """Return the network; where several matrices may be the weights, ask for one first and return None until then."""
    try:
        return read_network(content, name)
    except AmbiguousKeyError as error:
        key = st.selectbox("Weights", list(error.keys), index=None, placeholder="choose one", key="network_key")
        if key is None:
            st.caption(escape_markdown(error))
            return None
        return read_network(content, name, key)


def _constants_form(network: Network, file_id: str) -> tuple[dict[str, Any], str | None]:
    """Return the constants by name of the setting, and the program that trained the network, None if not stated."""
    defaults: dict[str, Any] = {field.name: field.default for field in fields(Settings)}
    features = 784
    with contextlib.suppress(ValueError):
        features = current_dataset()[0].num_features
    if network.afferents % features == 0 and network.afferents // features > 2:
        defaults["m"] = network.afferents // features
    columns = st.columns(len(CONSTANTS) + 1, vertical_alignment="bottom")
    values: dict[str, Any] = {}
    for column, (name, label) in zip(columns, CONSTANTS.items(), strict=False):
        default = network.constants.get(name, defaults[name])
        key = f"import_{name}_{file_id}"
        if name in ("m", "T"):
            values[name] = int(column.number_input(label, 1, 10_000, int(default), key=key))
        else:
            values[name] = float(column.number_input(label, 0.0, 1000.0, float(default), format="%g", key=key))
    peer = columns[-1].selectbox("Trained with", (UNKNOWN, *PEERS), key=f"import_peer_{file_id}")
    return values, None if peer in (None, UNKNOWN) else peer


def _place() -> dict[str, Any]:
    return {"dataset": get_setting("data"), "dataset_dir": dataset_directory(), "log_dir": runs_directory()}
