"""Sidebar: data set, sample, model, and the state of the training."""

import os
from pathlib import Path
from typing import Any

import streamlit as st

from pages.components import experiment_controls
from pages.refresh import count_active_sessions, refresh_interval
from pages.state import own_sample, pinned
from pages.state.auth import is_writable, show_view_only_notice
from pages.state.datasets import EMBEDDED_SETS, current_dataset, dataset_directory, file_names
from pages.state.markdown import escape_markdown
from pages.state.paths import PathNotAllowedError
from pages.state.runs import run_display_name, run_names, runs_directory
from pages.state.settings import (
    DEFAULTS,
    MODELS,
    SAVED_RUN,
    correct_query_params,
    get_setting,
    number_widget,
    url_widget,
)
from pages.state.training import TRAINING_REFRESH_SECONDS, format_status, training_registry
from pages.streamlit_hooks import bind_on_all_pages, flushing_fragment
from tempotron_core.data import datasets
from tempotron_core.runs.catalogue import disambiguate
from tempotron_core.runs.reader import find_run, list_checkpoints

_MODELS_OF_JOBS = ("live run", MODELS[0])
_MAX_PILLS = 40
"""Classes that have a button each; more are in a list."""


def render(url_path: str) -> None:
    """Draw the sidebar; call once per run, before the page at this URL path."""
    correct_query_params()
    own_sample.follow_url()
    pinned.follow_url()
    with st.sidebar:
        # One container each: elements that appear in one must not move the others, see optional_caption().
        with st.container():
            dataset = _dataset_select()
        with st.container():
            _sample_select(dataset)
        _follow_run_of_link()
        st.radio("Model", MODELS, **url_widget("model"))
        shown = {name: get_setting(name) for name in ("data", "sample", "model")}
        bind_on_all_pages({name: None if value == DEFAULTS[name] else value for name, value in shown.items()})
        with st.container():
            _run_select()
        with st.container():
            _checkpoint_select()
        experiment_controls.draw_in_sidebar(url_path)
        show_view_only_notice()
        status = training_registry().status
        active = status is not None and status.active
        flushing_fragment(_training_status, run_every=refresh_interval(TRAINING_REFRESH_SECONDS, active))(active)


def _follow_run_of_link() -> None:
    """Select the run that a link or the command `open` names, once per session.

    The live run or the last finished run of a link may be another one by now.
    """
    if st.session_state.setdefault("_link_followed", False):
        return
    st.session_state["_link_followed"] = True
    # The radio button has not read the URL yet.
    requested, model = st.query_params.get("run"), st.query_params.get("model", get_setting("model"))
    if requested is None and "model" not in st.query_params:
        requested = os.environ.get("TEMPOTRON_OPEN_RUN")
    is_other = requested != _run_of_model(model) or st.query_params.get("checkpoint", "last") != "last"
    if requested and model in _MODELS_OF_JOBS and is_other:
        st.session_state.update(model=SAVED_RUN, run=requested)
        if "model" in st.query_params:
            st.query_params["model"] = SAVED_RUN
            st.rerun()  # the radio button would still read the former URL


def _run_of_model(model: str) -> str | None:
    """Return the folder name of the run whose weights the live run or the last finished run are, else None."""
    registry = training_registry()
    status = {"live run": registry.status, MODELS[0]: registry.finished or registry.status}.get(model)
    has_weights = status is not None and status.snapshot is not None and status.snapshot.weight is not None
    return Path(status.log).name if status is not None and has_weights and status.log else None


def _run_select() -> None:
    """Select the saved run. The URL holds the name of its folder, because its title may change."""
    model, requested = get_setting("model"), st.query_params.get("run")
    if model != SAVED_RUN:
        name = _run_of_model(model)
        if name is None:
            st.query_params.pop("run", None)
        elif requested != name:
            st.query_params["run"] = name
        return
    names = run_names()
    selected = st.session_state.get("run") or requested
    if selected is None and not names:
        return
    options = names if selected is None or selected in names else [selected, *names]
    st.session_state["run"] = selected or names[0]
    titles = disambiguate({name: run_display_name(name) for name in names})
    st.selectbox("Run", options, format_func=lambda name: titles.get(name, name), key="run", persist_state="session")
    if requested != get_setting("run"):
        st.query_params["run"] = get_setting("run")


def _checkpoint_select() -> None:
    """Select the epoch of the saved run whose weights are the model; another run starts with its last epoch."""
    state, run = st.session_state, get_setting("run")
    if get_setting("model") != SAVED_RUN or run is None:
        st.query_params.pop("checkpoint", None)
        return
    requested = st.query_params.get("checkpoint", "last")
    selected = state.get("checkpoint", requested) if state.get("_checkpoint_run", run) == run else "last"
    state["_checkpoint_run"] = run
    options = list(list_checkpoints(find_run(runs_directory(), run)))
    if selected not in options:
        options.insert(0, selected)
    state["checkpoint"] = selected
    if len(options) > 1:
        label, names = "Weights", {"last": "after the last epoch", "best": "of the best epoch"}
        st.selectbox(
            label, options, format_func=lambda name: names.get(name, f"after epoch {name}"), key="checkpoint",
            persist_state="session",
        )  # fmt: skip
    selected = get_setting("checkpoint")
    if selected == "last":
        st.query_params.pop("checkpoint", None)
    elif st.query_params.get("checkpoint") != selected:
        st.query_params["checkpoint"] = selected


def _dataset_select() -> datasets.Dataset:
    options = (*datasets.BUILT_IN, *file_names())
    st.selectbox("Data set", options, **url_widget("data"))
    if get_setting("data") not in EMBEDDED_SETS:
        st.session_state.setdefault("dir", DEFAULTS["dir"])
        st.text_input("Dataset directory", placeholder="folder that contains MNIST/raw or a file", **url_widget("dir"))
    dataset, problem = current_dataset()
    if problem:
        st.warning(escape_markdown(problem), icon=":material/folder_off:")
        if get_setting("data") in datasets.DATASETS:
            _download_button(get_setting("data"))
    elif dataset.notes:
        st.caption(escape_markdown(" ".join(dataset.notes)))
    return dataset


def _sample_select(dataset: datasets.Dataset) -> None:
    last = len(dataset.test) - 1
    if int(st.session_state.get("sample") or 0) > last:
        st.session_state["sample"] = last
    st.number_input(
        f"Test sample, 0 to {last:,}",
        on_change=own_sample.select_test_sample,
        **number_widget("sample", max_value=last),
    )
    if own_sample.own_image() is not None and dataset.shape is not None:
        st.button(
            "Back to the test sample", on_click=own_sample.select_test_sample, icon=":material/undo:", width="stretch"
        )
    st.button("Random", on_click=_draw_sample, args=(dataset.test, None), icon=":material/casino:", width="stretch")
    label = "Random within class"
    arguments: dict[str, Any] = {"on_change": _draw_sample_of_class, "args": (dataset,)}
    if not dataset.classes:
        pass  # samples without labels
    elif len(dataset.classes) <= _MAX_PILLS:
        st.pills(label, dataset.classes, key="of_class", **arguments)
    else:
        st.selectbox(label, dataset.classes, None, key="of_class", **arguments)
    if problem := st.session_state.pop("no_draw", None):
        st.warning(escape_markdown(problem), icon=":material/casino:")


def _draw_sample(split: datasets.Split, label: int | None) -> None:
    st.session_state["draws"] = st.session_state.get("draws", 0) + 1
    seed = st.session_state["draws"] * 10007 + int(get_setting("sample"))
    try:
        st.session_state["sample"] = datasets.random_index(split, seed, label)
        own_sample.select_test_sample()
    except datasets.DataError as error:
        st.session_state["no_draw"] = str(error)


def _draw_sample_of_class(dataset: datasets.Dataset) -> None:
    class_name = st.session_state["of_class"]
    st.session_state["of_class"] = None
    if class_name in dataset.classes:
        _draw_sample(dataset.test, dataset.classes.index(class_name))


def _download_button(name: str) -> None:
    try:
        directory = dataset_directory() if is_writable() else None
    except PathNotAllowedError:
        directory = None
    pressed = st.button(f"Download {name}", icon=":material/download:", disabled=not directory, width="stretch")
    if not pressed or not directory:
        return
    bar = st.progress(0.0, f"Downloading {name}")

    def show(fraction: float, message: str) -> None:
        bar.progress(fraction, message)

    try:
        datasets.download(name, directory, show)
    except datasets.DataError as error:
        bar.empty()
        st.error(escape_markdown(error), icon=":material/cloud_off:")
    else:
        st.rerun()


def _training_status(was_active: bool) -> None:
    count_active_sessions()  # registers this session as active
    status = training_registry().status
    if status is None:
        return
    st.caption(f":material/school: {format_status(status)}")
    if status.log:
        st.caption(escape_markdown(f"Run: {run_display_name(Path(status.log).name)}"))
    if was_active and not status.active:
        st.rerun()
