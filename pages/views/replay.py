"""A run seen again: what its network made of the chosen digit before training and after every epoch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from pages.components import charts
from pages.components.page import optional_caption, prediction_headline
from pages.refresh import refresh_interval
from pages.state.experiment import View, resolve_view, set_current_view
from pages.state.markdown import escape_markdown
from pages.state.runs import runs_directory
from pages.state.settings import SAVED_RUN, get_setting, url_widget
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, training_registry
from pages.streamlit_hooks import flushing_fragment
from pages.views import replay_epoch_player
from tempotron_core import figures
from tempotron_core.analysis.attribution import evidence
from tempotron_core.analysis.replay import Checkpoints, Replay, replay, saved_epochs
from tempotron_core.model.classifier import Model
from tempotron_core.runs.catalogue import run_title, still_written
from tempotron_core.runs.reader import RunError, read_run
from tempotron_core.training.settings import Settings

FOLLOW = "the model's run"
TRUE, WINNER = "the true class", "the winner"


@st.cache_resource
def checkpoints() -> Checkpoints:
    """The process's networks of past epochs."""
    return Checkpoints()


@st.cache_resource(max_entries=32, show_spinner="Reading the digit again, epoch by epoch")
def replayed(folder: str, saved: dict[int, int], image: bytes, label: int, classes: int, output: int | None) -> Replay:
    pixels = torch.frombuffer(bytearray(image), dtype=torch.uint8).view(28, 28)
    return replay(folder, pixels, label, classes, checkpoints(), output)


def maps(model: Model) -> np.ndarray:
    pooled = model.weight.view(-1, model.k, model.weight.shape[1]).mean(dim=1)
    return figures.weight_maps(pooled.numpy(), model.m)


@st.cache_data(max_entries=64, show_spinner=False)
def map_limit(folder: str, saved: dict[int, int], epochs: tuple[int, ...], classes: int, _settings: Settings) -> float:
    """The largest value in the weight maps of these epochs."""
    models = (checkpoints().model(folder, _settings, classes, epoch) for epoch in epochs)
    return max(float(np.abs(maps(model)).max()) for model in models)


def run_names() -> list[str]:
    """Runs of which epochs were kept, the latest first."""
    folders = Path(runs_directory()).expanduser()
    try:
        own = (entry for entry in folders.iterdir() if not entry.is_symlink())
        return sorted((entry.name for entry in own if saved_epochs(entry)), reverse=True)
    except (OSError, ValueError):
        return []


def folder_of(name: str, names: list[str]) -> Path | None:
    """That run's folder; the one of the model in the sidebar, or the latest, where it is none of them."""
    directory, trainings = Path(runs_directory()).expanduser(), training_registry()
    if name in names:
        return directory / name
    shown = get_setting("model")
    if shown == SAVED_RUN and get_setting("run") in names:
        return directory / str(get_setting("run"))
    status = {"live run": trainings.status, "last finished run": trainings.finished or trainings.status}.get(shown)
    if status is not None and status.log and saved_epochs(status.log):
        return Path(status.log)
    return directory / names[0] if names else None


def draw(view: View, found: Replay, epoch: int, output: int | None, limit: float, headline: DeltaGenerator) -> None:
    """The epoch shown: verdict, potentials, evidence, weights; and its place in the history of this digit."""
    classes = view.dataset.classes
    decision, voltages = view.voltages()
    # A size smaller than elsewhere: the verdicts of a play must not differ in their number of lines.
    headline.markdown(f"#{prediction_headline(voltages)}")
    optional_caption(found.problem)
    shown = voltages.predicted if output is None else output
    told = evidence(view.model, decision, shown)
    info = figures.EvidenceInfo(
        classes[shown], told.weight.numpy(), told.kernel.numpy(), told.times.numpy(), told.v_max, told.t_max,
        view.pixels,
    )  # fmt: skip
    history = figures.ReplayInfo(
        np.array(found.epochs), found.margin.numpy(), found.predicted.numpy(), classes, view.label, epoch
    )
    st.markdown(f"#### {history.takeaway}")
    charts.sketch(figures.replay_figure(history, 190), "replay", history.takeaway)
    span = figures.trace_range(replace(voltages, v=found.v.flatten(0, 1).numpy()))
    left, right = st.columns([1.4, 1])
    with left:
        st.markdown(f"**Potentials**: {voltages.fired.sum()} of {len(classes)} reach the threshold")
        charts.sketch(figures.traces_figure(voltages, 360, span), "traces", voltages.verdict)
    with right:
        st.markdown(f"**Evidence** of {info.name}: its peak is {info.peak:.2f}")
        limit_of = float(found.extents.max())
        charts.drawn(
            figures.evidence_plate(info, 360, limit_of), "evidence", info.takeaway,
            lambda: figures.evidence_figure(info, 360, limit_of),
        )  # fmt: skip
    st.markdown(
        "**Weights** of each class, summed over a pixel's neurons; colours and axes are the same at every epoch"
    )
    alt, now = f"Weight maps at epoch {epoch}: green excites, purple inhibits", maps(view.model)
    charts.plate(
        figures.weights_plate(now, classes, alt, limit), "weights", alt,
        lambda: figures.columns_table({name: now[i].reshape(-1) for i, name in enumerate(classes)}),
    )  # fmt: skip


def page() -> bool:
    """All of it; whether the run is still being written."""
    view = resolve_view()
    classes = view.dataset.classes
    title, headline = st.empty(), st.empty()
    controls = st.columns([3.3, 1.3, 1], vertical_alignment="bottom")
    names = run_names()
    picked = controls[1].selectbox("Run", (FOLLOW, *names), **url_widget("replay_run"))
    of = controls[2].selectbox("Evidence of", (TRUE, WINNER, *classes), **url_widget("replay_of"))
    folder = folder_of(picked or FOLLOW, names)
    if folder is None:
        replay_epoch_player.stop()
        title.title("Replay")
        headline.info(
            f"No run in {escape_markdown(repr(runs_directory()))} has finished an epoch yet. Train one on the "
            "Training page, then see here how it learned a digit."
        )
        return False
    output = view.label if of == TRUE else classes.index(of) if of in classes else None
    try:
        record, saved = read_run(folder), saved_epochs(folder)
        settings = record.settings or Settings()
        found = replayed(str(folder), saved, view.pixels.tobytes(), view.label, len(classes), output)
        epochs = [str(epoch) for epoch in found.epochs]
        place = replay_epoch_player.player(folder, epochs, found.first_right, controls[0])
        model = checkpoints().model(folder, settings, len(classes), found.epochs[place])
        limit = map_limit(str(folder), saved, found.epochs, len(classes), settings)
    except RunError as error:
        replay_epoch_player.stop()
        title.title("Replay")
        headline.warning(escape_markdown(error), icon=":material/error:")
        return False
    shown = set_current_view(replace(view, model=model, settings=settings, note=None))
    title.title(f"Replay · {f'epoch {epochs[place]}' if found.epochs[place] else 'before training'}", anchor=False)
    draw(shown, found, found.epochs[place], output, limit, headline)
    remark = f"The run is {run_title(record)}: {settings.recipe} on {settings.dataset}."
    if settings.dataset != view.dataset.name:
        remark += f" It learned from another data set than the digit's, {view.dataset.name}."
    if model.k > 1:
        remark += (
            f" Each class pools {model.k} tempotrons: the evidence is that of its strongest one, a map of weights is "
            "their mean."
        )
    st.caption(remark)
    return still_written(record)


def follow(was: tuple[bool, bool]) -> None:
    """Draw, and ask for as many drawings by themselves as are needed from now on."""
    live = page()
    playing = replay_epoch_player.playing()
    if (playing, live) != was:
        st.session_state["replay_live"] = live
        st.rerun()


now = replay_epoch_player.playing(), st.session_state.get("replay_live", False)
flushing_fragment(
    follow, run_every=replay_epoch_player.PACE if now[0] else refresh_interval(LIVE_MODEL_REFRESH_SECONDS, now[1])
)(now)
