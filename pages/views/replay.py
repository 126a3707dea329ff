"""Page "Replay": prediction of the networks of a run for the selected sample, before training and after every epoch."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st
import torch
from streamlit.delta_generator import DeltaGenerator

from pages.components import charts, experiment_bar, show_code, stage
from pages.components.page import prediction_headline
from pages.refresh import refresh_interval
from pages.state import overrides
from pages.state.experiment import ExperimentError, View, resolve_view, set_current_view
from pages.state.markdown import escape_markdown
from pages.state.recorded_times import match_model
from pages.state.runs import runs_directory
from pages.state.settings import SAVED_RUN, get_setting, is_presentation_mode, url_widget
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, training_registry
from pages.streamlit_hooks import flushing_fragment
from pages.views import replay_epoch_player
from tempotron_core import figures
from tempotron_core.analysis.attribution import evidence
from tempotron_core.analysis.replay import CheckpointCache, Replay, replay_run, saved_epochs
from tempotron_core.interchange.code_generation import replay_code
from tempotron_core.model.classifier import Model
from tempotron_core.runs.catalogue import is_being_written, run_title
from tempotron_core.runs.files import escape_surrogates
from tempotron_core.runs.reader import RunError, find_run, read_run
from tempotron_core.training.settings import Settings

SIDEBAR_RUN = "the model's run"
TRUE_CLASS, PREDICTED = "true class", "predicted class"


@st.cache_resource
def checkpoints() -> CheckpointCache:
    """Return the cache of saved networks, shared by all sessions."""
    return CheckpointCache()


@st.cache_resource(max_entries=32, show_spinner="Classifying the sample with the network of every epoch")
def cached_replay(
    folder: bytes,
    saved: dict[int, int],
    image: bytes,
    label: int,
    classes: int,
    output: int | None,
    constants: dict[str, float],
    shape: tuple[int, ...],
    recorded_m: int | None = None,
) -> Replay:
    """Return the predictions of all saved networks of a run for an image.

    Args:
        folder: folder of the run; a path that is no UTF-8 cannot be part of a cache key as text
        saved: saved epochs and the times of their files, part of the cache key
        image: values of the sample as bytes
        label: true class
        classes: number of classes
        output: class whose contributions are computed, None for the predicted class
        constants: fields of the networks that the overrides change
        shape: that of the sample
        recorded_m: afferents of a feature where the sample is spike times, else None
    """
    dtype = torch.uint8 if recorded_m is None else torch.float32
    sample = torch.frombuffer(bytearray(image), dtype=dtype).view(shape if recorded_m is None else (*shape, recorded_m))
    return replay_run(os.fsdecode(folder), sample, label, classes, checkpoints(), output, constants)


def class_weight_maps(model: Model, shape: tuple[int, ...]) -> np.ndarray:
    """Return the weights of each class by pixel or feature, averaged over its tempotrons."""
    weights_by_class = model.weight.view(-1, model.tempotrons_per_class, model.weight.shape[1]).mean(dim=1)
    return figures.weight_maps(weights_by_class.numpy(), model.m, shape=shape)


@st.cache_data(max_entries=64, show_spinner=False)
def map_limit(
    folder: bytes,
    saved: dict[int, int],
    epochs: tuple[int, ...],
    classes: int,
    shape: tuple[int, ...],
    features: int,
    _settings: Settings,
) -> float:
    """Return the largest absolute value in the weight maps of these epochs; features: of the network."""
    models = (checkpoints().model(os.fsdecode(folder), _settings, classes, epoch, features) for epoch in epochs)
    return max(float(np.abs(class_weight_maps(model, shape)).max()) for model in models)


def run_names() -> list[str]:
    """Return the folder names of all runs with saved epochs, newest first."""
    folders = Path(runs_directory()).expanduser()
    try:
        entries = (entry for entry in folders.iterdir() if not entry.is_symlink())
        return sorted((escape_surrogates(entry.name) for entry in entries if saved_epochs(entry)), reverse=True)
    except (OSError, ValueError):
        return []


def resolve_run_folder(name: str, names: list[str]) -> Path | None:
    """Return the folder of the named run; for any other name that of the selected model, else of the newest run."""
    directory, trainings = runs_directory(), training_registry()
    if name in names:
        return find_run(directory, name)
    model_name = get_setting("model")
    if model_name == SAVED_RUN and get_setting("run") in names:
        return find_run(directory, str(get_setting("run")))
    status = {"live run": trainings.status, "last finished run": trainings.finished or trainings.status}.get(model_name)
    if status is not None and status.log and saved_epochs(status.log):
        return Path(status.log)
    return find_run(directory, names[0]) if names else None


def render_epoch(
    view: View,
    replayed: Replay,
    epoch: int,
    output: int | None,
    weight_limit: float,
    headline: DeltaGenerator,
    place: DeltaGenerator,
) -> None:
    """Draw the prediction, membrane potentials, evidence and weights at one epoch.

    Args:
        view: sample, and the network of the epoch
        replayed: predictions at all epochs
        epoch: number of the epoch
        output: class whose evidence is shown, None for the predicted class
        weight_limit: largest absolute value of the colour scale of the weight maps
        headline: placeholder of the headline
        place: stage of the key figure
    """
    classes = view.dataset.classes
    decision, voltages = view.voltages()
    # One level smaller than on other pages, so that the headline has one line at every epoch and nothing moves.
    headline.markdown(f"#{prediction_headline(voltages)}")
    experiment_bar.render(view, replayed.problem)
    output_shown = voltages.predicted if output is None else output
    evidence_of_class = evidence(view.model, decision, output_shown)
    info = figures.EvidenceInfo(
        classes[output_shown], evidence_of_class.weight.numpy(), evidence_of_class.kernel.numpy(),
        evidence_of_class.times.numpy(), evidence_of_class.v_max, evidence_of_class.t_max, view.pixels,
        features=view.dataset.features,
    )  # fmt: skip
    history = figures.ReplayInfo(
        np.array(replayed.epochs), replayed.margin.numpy(), replayed.predicted.numpy(), classes, replayed.label, epoch
    )
    total = stage.figure_height(550, voltages.prediction_text, taken=185)
    with stage.on_stage(place):
        st.markdown(f"#### {history.takeaway}")
        history_height = 190 if not is_presentation_mode() else max(60, int(0.38 * total))
        charts.lightweight_chart(figures.replay_figure(history, history_height), "replay", history.takeaway)
    all_epochs = replayed.v.flatten(0, 1).numpy(), replayed.v_max.flatten().numpy()
    ranges = (
        figures.trace_range(replace(voltages, v=all_epochs[0], v_max=all_epochs[1], curves=None)),
        figures.trace_range(voltages),
    )
    voltage_range = min(low for low, _ in ranges), max(high for _, high in ranges)
    with stage.on_stage(place):
        left, right = st.columns([1.4, 1])
    height = 360 if not is_presentation_mode() else max(90, total - history_height)
    with left:
        st.markdown(f"**Membrane potentials**: {voltages.has_fired.sum()} of {len(classes)} reach the threshold")
        charts.lightweight_chart(
            figures.traces_figure(voltages, height, voltage_range), "traces", voltages.prediction_text
        )
    with right:
        st.markdown(f"**Evidence** for {info.name}: peak {info.peak:.2f}")
        evidence_limit = float(replayed.max_contribution.max())
        charts.html_figure_of(
            figures.evidence_html(info, height, evidence_limit), "evidence", info.takeaway,
            lambda: figures.evidence_figure(info, 360, evidence_limit),
        )  # fmt: skip
    summed = f", summed over the neurons of a {view.dataset.feature}" if view.model.m > 1 else ""
    st.markdown(f"**Weights** per class{summed}. Colours and axes are the same at every epoch.")
    alt, weights = (
        f"Weight maps at epoch {epoch}: green excitatory, purple inhibitory",
        class_weight_maps(view.model, view.pixels.shape),
    )
    charts.html_figure(
        figures.weights_html(weights, classes, alt, weight_limit), "weights", alt,
        lambda: figures.columns_to_csv({name: weights[i].reshape(-1) for i, name in enumerate(classes)}),
    )  # fmt: skip


def render() -> bool:
    """Draw the page and return whether the run is still being written."""
    view = resolve_view()
    classes = view.dataset.classes
    title, headline, place = st.empty(), st.empty(), stage.key_figure_stage()
    controls = st.columns([3.3, 1.3, 1], vertical_alignment="bottom")
    names = run_names()
    run_name = controls[1].selectbox("Run", (SIDEBAR_RUN, *names), **url_widget("replay_run"))
    evidence_of = controls[2].selectbox("Evidence for", (TRUE_CLASS, PREDICTED, *classes), **url_widget("replay_of"))
    folder = resolve_run_folder(run_name or SIDEBAR_RUN, names)
    if folder is None:
        replay_epoch_player.stop()
        title.title("Replay")
        headline.info(
            f"No run in {escape_markdown(repr(runs_directory()))} has finished an epoch yet. Train one on the "
            "Training page."
        )
        return False
    output = view.label if evidence_of == TRUE_CLASS else classes.index(evidence_of) if evidence_of in classes else None
    # The margin of a sample of unknown class is that of the class which the selected model predicts.
    label = int(view.voltages()[0].v_max.argmax()) if view.label is None else view.label
    try:
        record, saved = read_run(folder), saved_epochs(folder)
        settings = record.settings or Settings()
        constants = overrides.changes(view.overrides)
        replayed = cached_replay(
            os.fsencode(folder),
            saved,
            view.image.numpy().tobytes(),
            label,
            len(classes),
            output,
            constants,
            view.pixels.shape,
            view.dataset.m,
        )
        epochs = [str(epoch) for epoch in replayed.epochs]
        index = replay_epoch_player.render(folder, epochs, replayed.first_correct, controls[0])
        features = view.dataset.num_features * (view.dataset.m or settings.m) // settings.m
        model = checkpoints().model(folder, settings, len(classes), replayed.epochs[index], features)
        weight_limit = map_limit(
            os.fsencode(folder), saved, replayed.epochs, len(classes), view.pixels.shape, features, settings
        )
    except RunError as error:
        replay_epoch_player.stop()
        title.title("Replay")
        headline.warning(escape_markdown(error), icon=":material/error:")
        return False
    model = match_model(replace(model, **constants), view.dataset)
    view_at_epoch = set_current_view(replace(view, model=model, settings=settings, note=None, trained=None))
    title.title(f"Replay · {f'epoch {epochs[index]}' if replayed.epochs[index] else 'before training'}", anchor=False)
    render_epoch(view_at_epoch, replayed, replayed.epochs[index], output, weight_limit, headline, place)
    caption = f"Run {run_title(record)}: {settings.recipe} on {settings.dataset}."
    if settings.dataset != view.dataset.name:
        caption += f" The {view.dataset.sample} is from another data set, {view.dataset.name}."
    if model.tempotrons_per_class > 1:
        caption += (
            f" Each class pools {model.tempotrons_per_class} tempotrons. The evidence is that of the strongest one; "
            "the weight map is their mean."
        )
    st.caption(caption)
    show_code.render(
        lambda: replay_code(
            replace(show_code.code_input(view), changes=constants), str(folder), label, len(classes),
            replayed.epochs[index],
        )
    )  # fmt: skip
    return is_being_written(record)


def live_render(previous: tuple[bool, bool]) -> None:
    """Draw the page; rerun it if the refresh interval must change.

    Args:
        previous: whether the epochs were playing, and whether the run was being written, at the last run of the page
    """
    try:
        live = render()
    except ExperimentError as error:
        replay_epoch_player.stop()
        st.title("Replay")
        st.warning(escape_markdown(error), icon=":material/error:")
        live = False
    playing = replay_epoch_player.is_playing()
    if (playing, live) != previous:
        st.session_state["replay_live"] = live
        st.rerun()


state = replay_epoch_player.is_playing(), st.session_state.get("replay_live", False)
flushing_fragment(
    live_render,
    run_every=replay_epoch_player.SECONDS_PER_EPOCH
    if state[0]
    else refresh_interval(LIVE_MODEL_REFRESH_SECONDS, state[1]),
)(state)
