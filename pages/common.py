"""What the pages share: the choices kept across pages and in the link, the process's trainings, cached data."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import streamlit as st
import torch
from streamlit.errors import StreamlitPageNotFoundError

from pages import access, pace
from tempotron_core import data, figures
from tempotron_core.figures import VoltageInfo
from tempotron_core.job import Status, Trainings
from tempotron_core.library import distinct, run_title
from tempotron_core.model import Decision, Model, decide
from tempotron_core.runs import RunError, load_model, read_run
from tempotron_core.settings import Settings, devices, untrained

SAVED = "saved run"
MODELS = ("last finished run", "live run", "untrained", SAVED)
DEFAULTS: dict[str, Any] = {
    "data": data.EMBEDDED,
    "sample": 0,
    "model": MODELS[0],
    "run": None,
    "train_log_dir": access.first_folder(access.RUNS, "runs"),
    "dir": access.first_folder(access.DATA, ""),
    "present": False,
}
PRESENT_SCALE = 1.25
TICK_SECONDS = 1.2
FOLLOW_SECONDS = 2.0


@dataclass(frozen=True)
class View:
    """What the viewer has chosen: one sample of a data set, and a model to read it, trained with these settings."""

    dataset: data.Dataset
    index: int
    model: Model
    note: str | None
    settings: Settings

    @property
    def image(self) -> torch.Tensor:
        return self.dataset.test.images[self.index]

    @property
    def pixels(self) -> np.ndarray:
        return self.image.numpy()

    @property
    def label(self) -> int:
        return int(self.dataset.test.labels[self.index])

    def voltages(self, model: Model | None = None, chosen: int | None = None) -> tuple[Decision, VoltageInfo]:
        """The decision of the chosen model, or of another, on the image, and what is drawn of it."""
        decision = decide(model or self.model, self.image)
        info = VoltageInfo(
            decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy(), decision.v_threshold,
            self.dataset.classes, self.label, chosen,
            None if chosen is None or decision.neurons.shape[1] == 1 else decision.neurons[chosen].numpy(),
        )  # fmt: skip
        return decision, info


def trainings() -> Trainings:
    """The process's one place to train.

    Kept with the process, not in a cache: one that somebody clears, or that forgets where this code is edited, would
    leave a running job that nobody sees or stops.
    """
    process = sys.modules.setdefault("_tempotron_process", ModuleType("_tempotron_process"))
    new = Trainings()
    shared: Trainings = vars(process).setdefault("trainings", new)
    if shared is new:
        atexit.register(_end, shared)
    return shared


def _end(shared: Trainings) -> None:
    """Leave at once where the worker is still deep in native code: it would abort the interpreter's own end."""
    if not shared.shutdown():
        os._exit(0)


def _loaded(name: str, directory: str) -> data.Dataset:
    return _read(name, directory, data.fingerprint(name, directory))


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(name: str, directory: str, fingerprint: tuple[tuple[int, int], ...]) -> data.Dataset:
    return data.load(name, directory or None)


def first_training() -> None:
    """Train the embedded digits once a server, so that the first viewer finds a model."""
    trainings().start_first(Settings(device=devices()[0], epochs=2, lr=3e-3, log_dir=DEFAULTS["train_log_dir"]))


def choice(key: str) -> Any:
    """A shared choice, or its default where the sidebar has not been drawn."""
    return st.session_state.get(key, DEFAULTS[key])


def dataset() -> tuple[data.Dataset, str | None]:
    """The chosen data set; the embedded one and a sentence where it cannot be had."""
    try:
        return _loaded(choice("data"), data_directory() or ""), None
    except (data.DataError, access.PlaceError) as error:
        return _loaded(data.EMBEDDED, ""), str(error)


def data_directory() -> str | None:
    """The folder of the chosen data set, None for the embedded one; access.PlaceError where it lies outside."""
    if choice("data") == data.EMBEDDED:
        return None
    typed = str(choice("dir") or "")
    return access.confined("dataset directory", typed, access.DATA) if typed.strip() else typed


def view() -> View:
    """The present choices, resolved."""
    chosen, _ = dataset()
    model, settings, note = _model(choice("model"))
    return kept(View(chosen, min(int(choice("sample")), len(chosen.test) - 1), model, note, settings))


def kept(now: View) -> View:
    """Make this the view that whatever is drawn next belongs to."""
    st.session_state["_view"] = now
    return now


def _latest_view() -> View:
    latest: View | None = st.session_state.get("_view")
    return latest or view()


def _model(name: str) -> tuple[Model, Settings, str | None]:
    """The chosen model and its settings, or the nearest there is and a sentence about it."""
    latest, finished = trainings().status, trainings().finished
    if name == SAVED:
        return _saved_model()
    if name not in ("live run", "last finished run"):
        return untrained(Settings()), Settings(), None
    ended = name == "last finished run"
    status = (finished or latest) if ended else latest
    model = status.snapshot.model if status is not None and status.snapshot is not None else None
    if status is None or model is None:
        what = "finished" if ended else "any weights"
        return untrained(Settings()), Settings(), f"No run has {what} yet: this is the untrained network."
    early = ended and finished is None
    words = "No run has finished yet: these are the live weights of the one in progress."
    return model, status.settings, words if early else None


def identity(model: Model, dataset: data.Dataset) -> str:
    """What tells a model and a data set from all others, as a key of what is kept of them."""
    constants = f"{model.m} {model.T} {model.beta} {model.tau} {model.tau_s} {model.v_threshold} {model.k}"
    content = hashlib.sha1(model.weight.contiguous().numpy().tobytes()).hexdigest()
    return f"{content} {constants} {dataset.name} {len(dataset.test)} {choice('dir')}"


def runs_directory() -> str:
    """Where runs are written and looked for: the folder that was typed, if runs may lie there."""
    try:
        return access.confined("log directory", str(choice("train_log_dir")), access.RUNS)
    except access.PlaceError:
        return str(DEFAULTS["train_log_dir"])


def _run_names() -> list[str]:
    with contextlib.suppress(OSError, ValueError):
        folders = Path(runs_directory()).expanduser().iterdir()
        kept = (folder for folder in folders if (folder / "last.safetensors").is_file() and not folder.is_symlink())
        return sorted((folder.name for folder in kept), reverse=True)
    return []


def _run_title(name: str) -> str:
    folder = Path(runs_directory()).expanduser() / name
    with contextlib.suppress(RunError, OSError):
        return _read_title(str(folder), folder.stat().st_mtime_ns)
    return name


@st.cache_data(max_entries=500, show_spinner=False)
def _read_title(folder: str, changed: int) -> str:
    return run_title(read_run(folder))


@st.cache_resource(max_entries=8, show_spinner=False)
def _read_model(folder: str, changed: int) -> tuple[Model, Settings]:
    return load_model(folder), read_run(folder).settings or Settings()


def _saved_model() -> tuple[Model, Settings, str | None]:
    names, name, none = _run_names(), choice("run"), Settings()
    if not names:
        words = f"No run in {runs_directory()!r} has any weights yet: this is an untrained network."
        return untrained(none), none, words
    name = name if name in names else names[0]
    folder = Path(runs_directory()).expanduser() / name
    try:
        model, settings = _read_model(str(folder), (folder / "last.safetensors").stat().st_mtime_ns)
        classes = len(dataset()[0].classes)
        if len(model.weight) == classes * model.k:
            return model, settings, None
        words = (
            f"{name!r}: expected a network of {classes} classes, got {len(model.weight) // model.k}; choose another."
        )
        return untrained(none), none, f"{words} Showing the untrained network meanwhile."
    except (RunError, OSError) as error:
        return untrained(none), none, f"{error} Showing the untrained network meanwhile."


def follows_live_run() -> bool:
    """Whether what is shown changes by itself, because its weights are being learned right now."""
    status, name = trainings().status, choice("model")
    if status is None or not status.active:
        return False
    return bool(name == "live run" or (name == "last finished run" and trainings().finished is None))


def sidebar() -> None:
    """Data set, sample and model; drawn once a run, above every page."""
    access.tidy_link()
    with st.sidebar:
        # Groups: what comes and goes in one must not move the places of the others, see note().
        with st.container():
            chosen = _data_set()
        with st.container():
            _sample(chosen)
        st.radio("Model", MODELS, key="model", bind="query-params", persist_state="session")
        with st.container():
            _saved_run()
        access.remark()
        status = trainings().status
        active = status is not None and status.active
        pace.fragment(_job_line, run_every=pace.tick(TICK_SECONDS, active))(active)


def _saved_run() -> None:
    """The run that is the model. The link names its folder, not its title, which may change."""
    names = _run_names() if choice("model") == SAVED else []
    if not names:
        st.query_params.pop("run", None)
        return
    asked = st.query_params.get("run")
    if st.session_state.get("run") not in names:
        st.session_state["run"] = asked if asked in names else names[0]
    titles = distinct({name: _run_title(name) for name in names})
    st.selectbox("Run", names, format_func=lambda name: titles.get(name, name), key="run", persist_state="session")
    if asked != choice("run"):
        st.query_params["run"] = choice("run")


def _data_set() -> data.Dataset:
    st.selectbox("Data set", (data.EMBEDDED, *data.DATASETS), key="data", bind="query-params", persist_state="session")
    if choice("data") != data.EMBEDDED:
        st.session_state.setdefault("dir", DEFAULTS["dir"])
        st.text_input(
            "Dataset directory", key="dir", placeholder="folder that holds MNIST/raw", persist_state="session"
        )
    chosen, problem = dataset()
    if problem:
        st.warning(f"{access.plain(problem)} Showing the embedded digits meanwhile.", icon=":material/folder_off:")
        _offer_download(choice("data"))
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
    seed = st.session_state["draws"] * 10007 + int(choice("sample"))
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
        directory = data_directory() if access.may_change() else None
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
    status = trainings().status
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


@dataclass(frozen=True)
class Shown:
    """A picture on the page, as drawn for a query: a figure, a function that makes it, or markup.

    view: the view that was resolved last when it was drawn; numbers: tells what is in markup as CSV.
    """

    name: str
    alt: str
    picture: Any
    query: dict[str, str]
    view: View
    numbers: Callable[[], str] | None = None

    @property
    def figure(self) -> Any:
        """The figure; None where there is only markup."""
        if self.numbers:
            return None
        return self.picture() if callable(self.picture) else self.picture

    def page(self) -> str:
        """A page of HTML that shows it by itself."""
        figure = self.figure
        if figure is None:
            return figures.plate_page(self.picture, self.alt)
        return figures.figure_page(figure, self.alt)

    def table(self) -> str:
        """Its numbers as CSV."""
        return self.numbers() if self.numbers else figures.figure_table(self.figure)


def shown() -> dict[str, Shown]:
    """The pictures drawn since the page was opened, by their keys."""
    pictures: dict[str, Shown] = st.session_state.setdefault("_shown", {})
    return pictures


def forget_shown() -> None:
    """Begin a page."""
    st.session_state["_shown"] = {}


def _name(key: str) -> str:
    return key.replace("_", " ").capitalize()


def presenting() -> bool:
    """Whether the page is shown to a room."""
    return bool(choice("present"))


def chart(figure: Any, key: str, alt: str, **more: Any) -> Any:
    """A figure in the page's theme, with a stable identity and a text alternative."""
    config = {"displayModeBar": False, "scrollZoom": False}
    shown()[key] = Shown(_name(key), alt, figure, st.query_params.to_dict(), _latest_view())
    if presenting():
        figure = figures.enlarged(figure, PRESENT_SCALE)
    return st.plotly_chart(figure, width="stretch", key=key, alt=alt, config=config, **more)


def plate(markup: str, key: str | None = None, alt: str = "", numbers: Callable[[], str] | None = None) -> None:
    """A picture that is no chart; numbers tells it as CSV where it may be taken along, under its key."""
    if key is not None and numbers is not None:
        shown()[key] = Shown(_name(key), alt, markup, st.query_params.to_dict(), _latest_view(), numbers)
        markup = f'<div data-plate="{key}">{markup}</div>'
    st.html(markup)


def drawn(markup: str, key: str, alt: str, figure: Any) -> None:
    """A figure, or what makes it, that the page draws as markup, in a fraction of a chart's time."""
    shown()[key] = Shown(_name(key), alt, figure, st.query_params.to_dict(), _latest_view())
    st.html(f'<div data-plate="{key}">{markup}</div>')


def sketch(figure: Any, key: str, alt: str) -> None:
    """A figure of lines or bars as markup."""
    drawn(figures.lines_plate(figure, alt), key, alt, figure)


def decision_numbers(info: VoltageInfo) -> str:
    """The peaks as CSV."""
    return figures.columns_table(
        {"class": info.classes, "v_max": info.v_max, "t_max_ms": info.t_max, "fired": info.fired}
    )


def spike_numbers(times: np.ndarray) -> str:
    """Spike times [784, m] as CSV, a row a spike."""
    pixel, neuron = np.nonzero(times >= 0)
    when = times[pixel, neuron]
    whole = bool((when == when.round()).all())
    columns = {"pixel": pixel, "neuron": neuron + 1, "time_ms": when.astype(int) if whole else when.round(3)}
    return figures.columns_table(columns)


def pixel_numbers(image: np.ndarray) -> str:
    """An image's values as CSV."""
    values = image.reshape(-1)
    return figures.columns_table({"pixel": range(len(values)), "value": values})


def title(text: str) -> None:
    """Begin a page."""
    access.by_the_entrance()
    st.title(text)


def link(page: str, label: str, icon: str) -> None:
    """A way to another page; its label alone where this page runs by itself."""
    try:
        st.page_link(page, label=label, icon=icon)
    except StreamlitPageNotFoundError:
        st.markdown(label)


def go(page: str, choices: dict[str, str] | None = None) -> None:
    """Show another page with these choices in its address, which no control may hold yet; stay where it runs alone."""
    with contextlib.suppress(StreamlitPageNotFoundError):
        # Given choices for the address are none: without any, those bound to widgets would be refused, not cleared.
        st.switch_page(page, query_params=choices or {})


@pace.fragment
def folded(label: str, content: Callable[[], None]) -> None:
    """What is made only once it is opened: a formula, though unseen, would bring a typesetter to the browser."""
    panel = st.expander(label, key=f"folded_{label}", on_change="rerun")
    if panel.open:
        with panel:
            content()


def takeaway(words: str) -> None:
    """The one line over a chart that says what it shows."""
    st.markdown(f"#### {words}")


def note(words: str | None) -> None:
    """A remark that comes and goes. Its place stays: what stands below must not change kind where it stands.

    Between a run of the script that the browser has seen in part and the next, Streamlit's client may be told to put
    something into a column where it still shows a line of text, and then shows nothing any more.
    """
    place = st.empty()
    if words:
        place.caption(access.plain(words))


def verdict(info: VoltageInfo) -> str:
    """The decision as a headline, in the true class's colour where it is right and the predicted one's where not."""
    right = info.predicted == info.true and not info.tied
    return f"## :{'blue' if right else 'orange'}[{info.verdict}]"


def image_name(chosen: View) -> str:
    """The sample in a few words."""
    return f"{chosen.dataset.classes[chosen.label]} (test sample {chosen.index:,})"
