"""Train, watch it learn, and see the weights form."""

from typing import Any

import numpy as np
import streamlit as st

from pages.components import charts
from pages.components.page import chart_heading, page_header
from pages.refresh import refresh_interval
from pages.state.auth import is_writable, require_write_access, show_view_only_notice
from pages.state.datasets import current_dataset, dataset_directory
from pages.state.markdown import escape_markdown
from pages.state.paths import RUNS_ROOTS_ENV, check_inside_roots
from pages.state.settings import DEFAULTS, get_setting, number_widget, url_widget
from pages.state.training import TRAINING_REFRESH_SECONDS, format_status, training_registry
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.jobs.job import GIVE_UP_SECONDS, MOVES, Status
from tempotron_core.training.recipes import DEFAULT_RECIPE, LOSSES, OPTIMISERS, RECIPES, SCHEDULES
from tempotron_core.training.resources import misfit
from tempotron_core.training.settings import RECIPE_CHOICES, Settings, devices
from tempotron_core.training.snapshot import Snapshot


def kept(key: str) -> dict[str, Any]:
    """The identity of a control of this form, whose value stays while pages change."""
    return {"key": f"train_{key}", "persist_state": "session"}


def slow_neurons() -> None:
    st.session_state.update(train_m=6, train_tau=60.0, train_tau_s=15.0)


def recipe_editor(name: str) -> dict[str, Any]:
    """What the viewer changes of the recipe: the choices that are not the recipe's own."""
    own = RECIPES[name]
    with st.expander(f"Edit the recipe {name}", key="edit_recipe"):
        first = st.columns(3)
        second = (*st.columns(3), *st.columns(3))
        values: dict[str, Any] = {}
        choices = {"loss": tuple(LOSSES), "optimiser": tuple(OPTIMISERS), "schedule": tuple(SCHEDULES)}
        for column, (key, names) in zip(first, choices.items(), strict=True):
            index = names.index(getattr(own, key))
            values[key] = column.selectbox(key.capitalize(), names, index, **kept(f"{name}_{key}"))
        for column, key, words, most in (
            (second[0], "temperature", "Temperature", 100.0),
            (second[1], "weight_decay", "Weight decay", 10.0),
            (second[2], "smoothing", "Smoothing over pixels", 100.0),
            (second[3], "drop", "Dropped afferents", 0.99),
            (second[4], "width", "Width of first weights", 100.0),
        ):
            values[key] = column.number_input(words, 0.0, most, getattr(own, key), **kept(f"{name}_{key}"))
        values["k"] = int(second[5].number_input("k, tempotrons a class", 1, 100, own.k, **kept(f"{name}_k")))
        left, right = st.columns(2)
        values["clears_gradients"] = left.toggle(
            "Clear the gradients at every step", own.clears_gradients, **kept(f"{name}_clears")
        )
        values["revives"] = right.toggle("Revive dead outputs", own.revives, **kept(f"{name}_revives"))
    return {key: values[key] for key in RECIPE_CHOICES if values[key] != getattr(own, key)}


def settings_form() -> Settings | None:
    """The run's parameters; None and a sentence where they do not fit."""
    first, second = st.columns(4), st.columns(4)

    recipe = first[0].selectbox("Recipe", list(RECIPES), list(RECIPES).index(DEFAULT_RECIPE), **kept("recipe"))
    epochs = first[1].number_input("Epochs", **number_widget("train_epochs"))
    lr = first[2].number_input("Learning rate", format="%.5f", **number_widget("train_lr"))
    batch = first[3].number_input("Batch size", **number_widget("train_batch"))
    m = second[0].number_input("m, neurons a pixel", **number_widget("train_m"))
    T = second[1].number_input("T, window in ms", **number_widget("train_T"))
    seed = second[2].number_input("Seed", **number_widget("train_seed"))
    device = second[3].selectbox("Device", devices(), **kept("device"))
    with st.expander("Code, neuron and validation"):
        st.button("Slow neurons, few curves: m 6, tau 60, tau_s 15", on_click=slow_neurons)
        st.caption("The best of those tried on held-out digits: with ten epochs, 93.8 % on all of MNIST.")
        third = st.columns(5)
        beta = third[0].number_input("beta", **number_widget("train_beta"))
        tau = third[1].number_input("tau, ms", **number_widget("train_tau"))
        tau_s = third[2].number_input("tau_s, ms", **number_widget("train_tau_s"))
        threshold = third[3].number_input("Threshold", **number_widget("train_threshold"))
        validation = third[4].number_input("Held-out samples", **number_widget("train_validation"))
    changes = recipe_editor(recipe)
    with st.expander("Directories"):
        log_dir = st.text_input("Log directory", DEFAULTS["train_log_dir"], **url_widget("train_log_dir"))
        st.caption("The data set, and its directory, are chosen in the sidebar.")
    edited = f" Edited: {', '.join(f'{key} {value}' for key, value in changes.items())}." if changes else ""
    st.caption(RECIPES[recipe].summary + edited)
    problem, name = st.empty(), get_setting("data")

    def refuse(words: str) -> None:
        problem.warning(escape_markdown(words), icon=":material/error:")

    try:
        folder = check_inside_roots("log directory", log_dir, RUNS_ROOTS_ENV)
        settings = Settings(
            device=device, dataset_dir=dataset_directory(), batch_size=int(batch),
            lr=float(lr), T=int(T), epochs=int(epochs), m=int(m), log_dir=folder, seed=int(seed), dataset=name,
            recipe=recipe, beta=float(beta), tau=float(tau), tau_s=float(tau_s), v_threshold=float(threshold),
            validation=int(validation), **changes,
        )  # fmt: skip
        found, elsewhere = current_dataset()
        trouble = misfit(settings, None if elsewhere else found)
    except (ValueError, TypeError) as error:
        refuse(str(error))
        return None
    if trouble:
        refuse(trouble)
        return None
    return settings


@require_write_access
def start(settings: Settings) -> None:
    trainings = training_registry()
    try:
        trainings.start(settings)
        st.session_state["settings_open"] = False  # the curves come up to where the settings were
    except trainings.refusal as error:
        st.session_state["refused"] = str(error)


def controls(settings: Settings | None, status: Status | None) -> None:
    state = status.state if status else "idle"
    buttons = st.columns(4)
    job = training_registry().job
    buttons[0].button(
        "Start", type="primary", icon=":material/play_arrow:", width="stretch", on_click=start, args=(settings,),
        disabled=settings is None or bool(status and status.active) or not is_writable(),
    )  # fmt: skip
    for column, name, icon in zip(buttons[1:], ("Pause", "Resume", "Stop"), ("pause", "resume", "stop"), strict=True):
        action = require_write_access(getattr(job, name.lower())) if job else None
        idle = state not in MOVES[name.lower()] or not is_writable()
        column.button(name, icon=f":material/{icon}:", width="stretch", on_click=action, disabled=idle)
    show_view_only_notice()
    place = st.empty()
    if refused := st.session_state.pop("refused", None):
        place.warning(escape_markdown(refused), icon=":material/block:")


def curves(snapshot: Snapshot) -> figures.CurvesInfo:
    per_epoch = snapshot.total_steps / snapshot.settings.epochs
    points, epochs = snapshot.points, snapshot.epochs
    return figures.CurvesInfo(
        points.column("step") / per_epoch,
        points.column("loss"),
        points.column("accuracy"),
        np.array([result.epoch for result in epochs]),
        np.array([result.test_accuracy for result in epochs]),
        snapshot.settings.epochs,
    )


def health(snapshot: Snapshot | None, failed_step: int | None) -> None:
    """What ails the run, if anything, as of its last epoch."""
    finite = (
        "Non-finite values", "none" if failed_step is None else f"stopped at step {failed_step}",
        "NaN or infinity in loss or weights: nothing can be learned from there on, so the run stops itself.",
    )  # fmt: skip
    if snapshot is None or not snapshot.epochs:
        if failed_step is not None:
            metrics((finite,))
        return
    last = snapshot.epochs[-1]
    T = snapshot.settings.T
    dead = ", ".join(str(number) for number in last.dead) or "none"
    shown = (
        ("Dead outputs", dead, "Never above rest on the test set: no gradient, so no way back without new weights."),
        ("In the wrong state", f"{last.wrong_state:.1%}", "Outputs that fire and should not, or the other way."),
        ("t_max at 0 ms", f"{last.pinned_first:.1%}", "Peaks at rest: these outputs learn nothing from these samples."),
        (f"t_max at {T - 1} ms", f"{last.pinned_last:.1%}", "Still rising at the end: T cuts their peaks off."),
        ("Weight norm", f"{last.weight_norm:.3g}", "Length of all weights; a runaway grows without end."),
        ("Gradient norm", f"{last.gradient_norm:.3g}", "Of the last step; near 0 nothing is learned any more."),
        finite,
    )
    st.markdown("**Health**, after the last epoch")
    metrics(shown)
    trouble = [
        words
        for ails, words in (
            (bool(last.dead), f"{len(last.dead)} outputs are dead."),
            (last.pinned_first > 0.5, "More than half of the peaks lie at rest: lower the rate or widen the weights."),
            (last.pinned_last > 0.5, "More than half of the peaks are cut off by T: lengthen T or shorten tau."),
            (failed_step is not None, "The run met values that are not finite: lower the rate."),
        )
        if ails
    ]
    st.caption(" ".join(trouble) or "Nothing ails this run: no dead output, no value that is not finite.")


def metrics(shown: tuple[tuple[str, str, str], ...]) -> None:
    """Figures, each with a sentence on what it means."""
    for row in range(0, len(shown), 4):
        for column, (name, value, meaning) in zip(st.columns(4), shown[row : row + 4], strict=False):
            column.metric(name, value)
            column.caption(meaning)


def live(seen: str) -> None:
    status = training_registry().status
    message, bar = st.empty(), st.empty()
    if status is None:
        message.info("Nothing has been trained yet. Press Start.")
        return
    if status.state != seen:
        st.rerun()
    if status.error:
        message.error(escape_markdown(status.error), icon=":material/error:")
    elif words := status.silence or status.note:
        message.warning(escape_markdown(words), icon=":material/warning:")
    snapshot = status.snapshot
    if snapshot is None or not snapshot.points:
        bar.progress(snapshot.prepared if snapshot else 0.0, format_status(status))
        health(snapshot, status.failed_step)
        return
    left = snapshot.seconds_left
    pace = f" · {snapshot.samples_per_second:,.0f} samples/s"
    remaining = f" · {left:.0f} s left" if left and status.active else ""
    bar.progress(snapshot.progress, format_status(status) + pace + remaining)
    info = curves(snapshot)
    chart_heading(info.takeaway)
    accuracy, loss = st.columns(2)
    with accuracy:
        charts.sketch(figures.accuracy_figure(info), "accuracy", info.takeaway)
    with loss:
        charts.sketch(figures.loss_figure(info), "loss", info.loss_takeaway)
    health(snapshot, status.failed_step)
    model = snapshot.model
    if model is not None:
        summed = "summed over a pixel's neurons"
        names = (summed, *(f"neuron {j + 1}" for j in range(model.m)))
        picked = st.selectbox("Weights of each tempotron", names, key="map", persist_state="session")
        neuron = None if picked in (None, summed) else names.index(picked) - 1
        pooled = model.weight.view(-1, model.k, model.weight.shape[1]).mean(dim=1)
        maps = figures.weight_maps(pooled.numpy(), model.m, neuron)
        alt = figures.weights_takeaway(maps, snapshot.classes)
        charts.plate(
            figures.weights_plate(maps, snapshot.classes, alt), "weights", alt,
            lambda: figures.columns_table(
                {name: maps[i].reshape(-1) for i, name in enumerate(snapshot.classes)}
            ),
        )  # fmt: skip
    if status.log:
        log, folder = escape_markdown(status.log), escape_markdown(status.settings.log_dir)
        st.caption(f"TensorBoard log: {log}. Look with tensorboard --logdir {folder}")


page_header("Training")
now = training_registry().status
st.session_state.setdefault("settings_open", not (now and now.active))
with st.expander("Settings", key="settings_open", on_change="rerun"):
    form = settings_form()
controls(form, now)
flushing_fragment(live, run_every=refresh_interval(TRAINING_REFRESH_SECONDS, bool(now and now.active)))(
    now.state if now else "idle"
)
with st.expander("What the buttons do"):
    charts.plate(figures.states_plate(MOVES, now.state if now else None))
    st.caption(
        "Anybody may press anything, twice or at the same instant: one training runs at a time, and what does not fit "
        "its state changes nothing. It belongs to the server: a reload, a closed page or a sleeping laptop leave it. "
        f"Where it does not answer to Stop within {GIVE_UP_SECONDS:.0f} s it is given up, so that another can start."
    )
