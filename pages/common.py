"""What the pages share: the choices kept across pages and in the link, the process's trainings, a few words."""

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
from tempotron_core import data
from tempotron_core.figures import VoltageInfo
from tempotron_core.job import Trainings
from tempotron_core.library import run_title
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
    new = Trainings(began=pace.wake)
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


def latest_view() -> View:
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


def run_names() -> list[str]:
    with contextlib.suppress(OSError, ValueError):
        folders = Path(runs_directory()).expanduser().iterdir()
        kept = (folder for folder in folders if (folder / "last.safetensors").is_file() and not folder.is_symlink())
        return sorted((folder.name for folder in kept), reverse=True)
    return []


def title_of_run(name: str) -> str:
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
    names, name, none = run_names(), choice("run"), Settings()
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


def presenting() -> bool:
    """Whether the page is shown to a room."""
    return bool(choice("present"))


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
