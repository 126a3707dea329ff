"""The sidebar: data set, sample and model, which every page shares, and what is being trained."""

import streamlit as st

from pages import access, common, pace
from tempotron_core import data
from tempotron_core.job import Status
from tempotron_core.library import distinct


def sidebar() -> None:
    """Data set, sample and model; drawn once a run, above every page."""
    access.tidy_link()
    with st.sidebar:
        # Groups: what comes and goes in one must not move the places of the others, see common.note().
        with st.container():
            chosen = _data_set()
        with st.container():
            _sample(chosen)
        st.radio("Model", common.MODELS, key="model", bind="query-params", persist_state="session")
        with st.container():
            _saved_run()
        access.remark()
        status = common.trainings().status
        active = status is not None and status.active
        pace.fragment(_job_line, run_every=pace.tick(common.TICK_SECONDS, active))(active)


def _saved_run() -> None:
    """The run that is the model. The link names its folder, not its title, which may change."""
    names = common.run_names() if common.choice("model") == common.SAVED else []
    if not names:
        st.query_params.pop("run", None)
        return
    asked = st.query_params.get("run")
    if st.session_state.get("run") not in names:
        st.session_state["run"] = asked if asked in names else names[0]
    titles = distinct({name: common.title_of_run(name) for name in names})
    st.selectbox("Run", names, format_func=lambda name: titles.get(name, name), key="run", persist_state="session")
    if asked != common.choice("run"):
        st.query_params["run"] = common.choice("run")


def _data_set() -> data.Dataset:
    st.selectbox("Data set", (data.EMBEDDED, *data.DATASETS), key="data", bind="query-params", persist_state="session")
    if common.choice("data") != data.EMBEDDED:
        st.session_state.setdefault("dir", common.DEFAULTS["dir"])
        st.text_input(
            "Dataset directory", key="dir", placeholder="folder that holds MNIST/raw", persist_state="session"
        )
    chosen, problem = common.dataset()
    if problem:
        st.warning(f"{access.plain(problem)} Showing the embedded digits meanwhile.", icon=":material/folder_off:")
        _offer_download(common.choice("data"))
    return chosen


def _sample(chosen: data.Dataset) -> None:
    last = len(chosen.test) - 1
    if int(st.session_state.get("sample") or 0) > last:
        st.session_state["sample"] = last
    st.number_input(f"Test sample, 0 to {last:,}", 0, last, key="sample", bind="query-params", persist_state="session")
    st.button("Random", on_click=_draw, args=(chosen.test, None), icon=":material/casino:", width="stretch")
    st.pills("Random of class", chosen.classes, key="of_class", on_change=_draw_of_class, args=(chosen,))
    if problem := st.session_state.pop("no_draw", None):
        st.warning(access.plain(problem), icon=":material/casino:")


def _draw(split: data.Split, label: int | None) -> None:
    st.session_state["draws"] = st.session_state.get("draws", 0) + 1
    seed = st.session_state["draws"] * 10007 + int(common.choice("sample"))
    try:
        st.session_state["sample"] = data.random_index(split, seed, label)
    except data.DataError as error:
        st.session_state["no_draw"] = str(error)


def _draw_of_class(chosen: data.Dataset) -> None:
    picked = st.session_state["of_class"]
    st.session_state["of_class"] = None
    if picked in chosen.classes:
        _draw(chosen.test, chosen.classes.index(picked))


def _offer_download(name: str) -> None:
    try:
        directory = common.data_directory() if access.may_change() else None
    except access.PlaceError:
        directory = None
    pressed = st.button(f"Download {name}", icon=":material/download:", disabled=not directory, width="stretch")
    if not pressed or not directory:
        return
    bar = st.progress(0.0, f"Asking for {name}")

    def show(share: float, message: str) -> None:
        bar.progress(share, message)

    try:
        data.download(name, directory, show)
    except data.DataError as error:
        bar.empty()
        st.error(access.plain(error), icon=":material/cloud_off:")
    else:
        st.rerun()


def _job_line(was_active: bool) -> None:
    pace.viewers()  # who only watches is still there
    status = common.trainings().status
    if status is None:
        return
    st.caption(f":material/school: {describe(status)}")
    if was_active and not status.active:
        st.rerun()


def describe(status: Status) -> str:
    """A job in a few words."""
    snapshot, settings = status.snapshot, status.settings
    name = f"{settings.recipe} on {settings.dataset}"
    if status.state == "failed":
        return f"Training failed ({name})"
    if snapshot is None or snapshot.phase == "preparing":
        encoded = f"{snapshot.prepared if snapshot else 0:.0%} encoded"
        return (
            f"Preparing {name}: {encoded}"
            if status.state == "running"
            else f"{status.state.capitalize()}: {name}, {encoded}"
        )
    accuracy = f", test {snapshot.epochs[-1].test_accuracy:.1%}" if snapshot.epochs else ""
    if status.state == "finished":
        return f"Trained {name}{accuracy}"
    return f"{status.state.capitalize()}: {name}, epoch {snapshot.epoch} of {settings.epochs}{accuracy}"
