"""Page "Training": settings of a run, controls, learning curves, run health and weight maps."""

import math
from typing import Any

import numpy as np
import streamlit as st

from pages.components import charts, show_code, stage
from pages.components.page import chart_heading, lazy_expander, page_header
from pages.refresh import refresh_interval
from pages.state.auth import is_writable, require_write_access, show_view_only_notice
from pages.state.datasets import current_dataset, dataset_directory
from pages.state.markdown import escape_markdown
from pages.state.paths import RUNS_ROOTS_ENV, check_inside_roots
from pages.state.settings import CODE_OF_RECIPE, DEFAULTS, get_setting, number_widget, url_widget
from pages.state.training import TRAINING_REFRESH_SECONDS, format_status, shown_status, training_registry
from pages.streamlit_hooks import flushing_fragment
from pages.views.training_continue import continue_panel
from tempotron_core import figures
from tempotron_core.interchange.code_generation import training_code
from tempotron_core.jobs.job import ACTIVE_STATES, STOP_TIMEOUT_SECONDS, TRANSITIONS, Status
from tempotron_core.model.codes import CODES, DEFAULT_CODE
from tempotron_core.snn.tempotron import AFTER_SPIKE, TIMES
from tempotron_core.training.recipes import DEFAULT_RECIPE, LOSSES, OPTIMISERS, PRESETS, RECIPES, SCHEDULES
from tempotron_core.training.resources import explain_if_too_large
from tempotron_core.training.settings import RECIPE_OVERRIDES, Settings, devices, fit_to_dataset
from tempotron_core.training.snapshot import Snapshot


def widget_key(key: str) -> dict[str, Any]:
    """Return the arguments of a widget of this form whose value persists while other pages are open."""
    return {"key": f"train_{key}", "persist_state": "session"}


def apply_slow_neuron_preset() -> None:
    """Set the preset with long time constants and few curves."""
    st.session_state.update(train_m=6, train_tau=60.0, train_tau_s=15.0)


def recipe_editor(name: str) -> dict[str, Any]:
    """Show the editor of a recipe and return the values that differ from it, by setting."""
    recipe = RECIPES[name]
    with st.expander(f"Edit the recipe {name}", key="edit_recipe"):
        first = st.columns(3)
        second = (*st.columns(3), *st.columns(3))
        values: dict[str, Any] = {}
        choices = {"loss": tuple(LOSSES), "optimiser": tuple(OPTIMISERS), "schedule": tuple(SCHEDULES)}
        for column, (key, names) in zip(first, choices.items(), strict=True):
            index = names.index(getattr(recipe, key))
            values[key] = column.selectbox(key.capitalize(), names, index, **widget_key(f"{name}_{key}"))
        for column, key, label, maximum in (
            (second[0], "temperature", "Temperature", 100.0),
            (second[1], "weight_decay", "Weight decay", 10.0),
            (second[2], "smoothing", "Smoothing over neighbours", 100.0),
            (second[3], "afferent_dropout", "Dropped afferents", 0.99),
            (second[4], "init_scale", "Scale of initial weights", 100.0),
        ):
            values[key] = column.number_input(label, 0.0, maximum, getattr(recipe, key), **widget_key(f"{name}_{key}"))
        values["tempotrons_per_class"] = int(
            second[5].number_input(
                "Tempotrons per class (k)", 1, 100, recipe.tempotrons_per_class, **widget_key(f"{name}_k")
            )
        )
        left, right = st.columns(2)
        values["zero_grad"] = left.toggle(
            "Clear gradients at each step", recipe.zero_grad, **widget_key(f"{name}_clears")
        )
        values["reinit_dead_outputs"] = right.toggle(
            "Reinitialise dead outputs", recipe.reinit_dead_outputs, **widget_key(f"{name}_revives")
        )
    return {key: values[key] for key in RECIPE_OVERRIDES if values[key] != getattr(recipe, key)}


def settings_form() -> Settings | None:
    """Show the form and return the settings; show a message and return None if they are invalid."""
    first, second = st.columns(4), st.columns(4)

    recipe = first[0].selectbox("Recipe", list(RECIPES), list(RECIPES).index(DEFAULT_RECIPE), **widget_key("recipe"))
    epochs = first[1].number_input("Epochs", **number_widget("train_epochs"))
    lr = first[2].number_input("Learning rate", format="%.5f", **number_widget("train_lr"))
    batch = first[3].number_input("Batch size", **number_widget("train_batch"))
    m = second[0].number_input(f"m, neurons per {current_dataset()[0].feature}", **number_widget("train_m"))
    T = second[1].number_input("T, window in ms", **number_widget("train_T"))
    seed = second[2].number_input("Seed", **number_widget("train_seed"))
    device = second[3].selectbox("Device", devices(), **widget_key("device"))
    with st.expander("Encoder, neuron and validation"):
        st.button("Slow neurons, few curves: m 6, tau 60, tau_s 15", on_click=apply_slow_neuron_preset)
        st.caption("With the recipe cross-entropy: 93.8 % on MNIST after ten epochs, the mean of three seeds.")
        code = st.selectbox("Code", (CODE_OF_RECIPE, *CODES), **widget_key("code"))
        third = st.columns(5)
        beta = third[0].number_input("beta", **number_widget("train_beta"))
        tau = third[1].number_input("tau, ms", **number_widget("train_tau"))
        tau_s = third[2].number_input("tau_s, ms", **number_widget("train_tau_s"))
        threshold = third[3].number_input("Threshold", **number_widget("train_threshold"))
        validation = third[4].number_input("Validation samples", **number_widget("train_validation"))
        fourth = st.columns(2)
        time = fourth[0].selectbox("time, where V is evaluated", TIMES, **url_widget("train_time"))
        after_spike = fourth[1].selectbox(
            "after_spike, what an output does", AFTER_SPIKE, **url_widget("train_after_spike")
        )
    changes = recipe_editor(recipe)
    with st.expander("Directories"):
        log_dir = st.text_input("Log directory", DEFAULTS["train_log_dir"], **url_widget("train_log_dir"))
        st.caption("Select the data set and its directory in the sidebar.")
    changes_text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in changes.items())
    st.caption(f"{RECIPES[recipe].summary} Edited: {changes_text}." if changes else RECIPES[recipe].summary)
    problem, name = st.empty(), get_setting("data")

    def refuse(text: str) -> None:
        problem.warning(escape_markdown(text), icon=":material/error:")

    try:
        folder = check_inside_roots("log directory", log_dir, RUNS_ROOTS_ENV)
        settings = Settings(
            device=device, dataset_dir=dataset_directory(), batch_size=int(batch),
            lr=float(lr), T=int(T), epochs=int(epochs), m=int(m), log_dir=folder, seed=int(seed), dataset=name,
            recipe=recipe, beta=float(beta), tau=float(tau), tau_s=float(tau_s), v_threshold=float(threshold),
            validation=int(validation), time=time, after_spike=after_spike,
            code=PRESETS.get(recipe, {}).get("code", DEFAULT_CODE) if code == CODE_OF_RECIPE else code, **changes,
        )  # fmt: skip
        dataset, fallback_reason = current_dataset()
        settings = fit_to_dataset(settings, dataset)
        misfit_text = explain_if_too_large(settings, None if fallback_reason else dataset)
    except (ValueError, TypeError) as error:
        refuse(str(error))
        return None
    if not dataset.classes:
        misfit_text = f"{dataset.name}: expected samples with labels, got none; add labels or choose another data set."
    if misfit_text:
        refuse(misfit_text)
        return None
    if dataset.has_spike_times:
        problem.caption(
            "Recorded spike times are not encoded: m and the code are those of the data set, beta has no use."
        )
    return settings


@require_write_access
def start(settings: Settings) -> None:
    """Start a training."""
    trainings = training_registry()
    try:
        trainings.start(settings)
        st.session_state["settings_open"] = False  # the curves take the place of the form
    except trainings.StartError as error:
        st.session_state["refused"] = str(error)


def render_controls(settings: Settings | None, status: Status | None) -> None:
    """Show the buttons; settings is None if the form is invalid."""
    state = status.state if status else "idle"
    buttons = st.columns(4)
    job = training_registry().job
    buttons[0].button(
        "Start", type="primary", icon=":material/play_arrow:", width="stretch", on_click=start, args=(settings,),
        disabled=settings is None or bool(status and status.active) or not is_writable(),
    )  # fmt: skip
    for column, name, icon in zip(buttons[1:], ("Pause", "Resume", "Stop"), ("pause", "resume", "stop"), strict=True):
        action = require_write_access(getattr(job, name.lower())) if job else None
        disabled = state not in TRANSITIONS[name.lower()] or not is_writable()
        column.button(name, icon=f":material/{icon}:", width="stretch", on_click=action, disabled=disabled)
    show_view_only_notice()
    st.caption(blocked_text(settings is not None, state))
    place = st.empty()
    if refusal := st.session_state.get("refused"):
        place.warning(escape_markdown(refusal), icon=":material/block:")


def blocked_text(is_valid: bool, state: str) -> str:
    """Return why buttons are disabled.

    Args:
        is_valid: whether the settings of the form can be trained
        state: state of the current job, "idle" without one
    """
    if state == "stopping":
        return "The training is stopping: all buttons wait for it."
    if state in ACTIVE_STATES:
        other = "Pause: it is paused already." if state == "paused" else "Resume: it is not paused."
        return f"Start: a training is in progress; stop it first. {other}"
    start = "" if is_valid else "Start: correct the settings first. "
    return f"{start}Pause, Resume and Stop: no training is in progress."


def previous_snapshot(snapshot: Snapshot | None) -> Snapshot | None:
    """Return the state of the run that was shown before a new one without any point, None if there is none."""
    if snapshot is not None and snapshot.points:
        st.session_state["_curves"] = snapshot
    previous: Snapshot | None = st.session_state.get("_curves")
    if previous is None and (finished := training_registry().finished):
        previous = finished.snapshot
    return previous if previous is not None and previous.points else None


def draw_curves(snapshot: Snapshot, prefix: str = "") -> None:
    """Draw the learning curves below their heading."""
    info = curves_info(snapshot)
    chart_heading(escape_markdown(prefix) + info.takeaway)
    accuracy, loss = st.columns(2)
    height = stage.figure_height(330, prefix + info.takeaway, taken=70)
    with accuracy:
        charts.lightweight_chart(figures.accuracy_figure(info, height), "accuracy", info.takeaway)
    with loss:
        charts.lightweight_chart(figures.loss_figure(info, height), "loss", info.loss_takeaway)


def curves_info(snapshot: Snapshot) -> figures.CurvesInfo:
    """Return the learning curves."""
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


def health_panel(snapshot: Snapshot | None, failed_step: int | None) -> None:
    """Show run health after the last epoch.

    Args:
        snapshot: state of the run
        failed_step: step at which a value was not finite, None without one
    """
    finite = (
        "Non-finite values", "none" if failed_step is None else f"stopped at step {failed_step}",
        "NaN or infinity in the loss or the weights. The run stops, because it can no longer learn.",
    )  # fmt: skip
    if snapshot is None or not snapshot.epochs:
        if failed_step is not None:
            render_metrics((finite,))
        return
    last = snapshot.epochs[-1]
    if math.isnan(last.firing_error_rate):
        st.caption("Run health was not measured: a training loop of your own recorded this run.")
        return
    T = snapshot.settings.T
    dead = ", ".join(str(index) for index in last.dead_outputs) or "none"
    rows = (
        (
            "Dead outputs",
            dead,
            "Never above rest on the test set, hence no gradient: in this form of the rule they cannot recover by "
            "themselves.",
        ),
        (
            "Firing errors",
            f"{last.firing_error_rate:.1%}",
            "Outputs that fire and should not, or should fire and do not.",
        ),
        (
            "t_max at 0 ms",
            f"{last.peaks_at_start:.1%}",
            "Peaks at rest: these samples do not change these outputs.",
        ),
        (
            f"t_max at {T - 1} ms",
            f"{last.peaks_at_end:.1%}",
            "Still rising at the end: the time window T cuts off the peak.",
        ),
        ("Weight norm", f"{last.weight_norm:.3g}", "Euclidean norm of all weights; it should not grow without limit."),
        ("Gradient norm", f"{last.gradient_norm:.3g}", "Of the last step; near 0 the weights no longer change."),
        finite,
    )
    st.markdown("**Run health** after the last epoch")
    render_metrics(rows)
    problems = [
        message
        for is_present, message in (
            (bool(last.dead_outputs), f"Dead outputs: {len(last.dead_outputs)}."),
            (
                last.peaks_at_start > 0.5,
                "More than half of the peaks are at rest: lower the learning rate or increase the scale of the initial "
                "weights.",
            ),
            (last.peaks_at_end > 0.5, "More than half of the peaks are cut off by T: increase T or decrease tau."),
            (failed_step is not None, "Non-finite values: lower the learning rate."),
        )
        if is_present
    ]
    if snapshot.settings.resolved_recipe.loss == "cross-entropy":
        firing = (
            "The cross-entropy loss trains only the differences between peaks, not the threshold: expect firing errors."
        )
    else:
        firing = "This loss trains the threshold: firing errors should decrease."
    st.caption(" ".join([*(problems or ["No dead outputs and no non-finite values."]), firing]))


def render_metrics(rows: tuple[tuple[str, str, str], ...]) -> None:
    """Show metrics in rows of four, each with its explanation."""
    for row in range(0, len(rows), 4):
        for column, (name, value, meaning) in zip(st.columns(4), rows[row : row + 4], strict=False):
            column.metric(name, value)
            column.caption(meaning)


def progress_panel(state: str) -> None:
    """Show progress, curves, health and weights of the current or last run; rerun the page when its state changes."""
    status = shown_status()
    message, bar = st.empty(), st.empty()
    if status is None:
        message.info("No training yet. Press Start.")
        return
    if status.state != state:
        st.rerun()
    if status.error:
        message.error(escape_markdown(status.error), icon=":material/error:")
    elif warning := status.stall_warning or status.note:
        message.warning(escape_markdown(warning), icon=":material/warning:")
    snapshot = status.snapshot
    previous = previous_snapshot(snapshot)
    if snapshot is None or not snapshot.points:
        bar.progress(snapshot.encoded_fraction if snapshot else 0.0, format_status(status))
        if previous is not None:
            draw_curves(previous, f"Run before, {previous.settings.recipe} on {previous.settings.dataset}: ")
        health_panel(snapshot, status.failed_step)
        return
    left = snapshot.seconds_left
    pace = f" · {snapshot.samples_per_second:,.0f} samples/s" if snapshot.samples_per_second else ""
    remaining = f" · {left:.0f} s left" if left and status.active else ""
    bar.progress(snapshot.progress, format_status(status) + pace + remaining)
    draw_curves(snapshot)
    health_panel(snapshot, status.failed_step)
    model = snapshot.model
    if model is not None:
        all_neurons = f"sum over the neurons of a {'pixel' if len(snapshot.shape) == 2 else 'feature'}"
        names = (all_neurons, *(f"neuron {j + 1}" for j in range(model.m)))
        weights = st.selectbox("Weight maps", names, key="map", persist_state="session")
        neuron = None if weights in (None, all_neurons) else names.index(weights) - 1
        weights_by_class = model.weight.view(-1, model.tempotrons_per_class, model.weight.shape[1]).mean(dim=1)
        maps = figures.weight_maps(weights_by_class.numpy(), model.m, neuron, snapshot.shape)
        alt = figures.weight_maps_takeaway(maps, snapshot.classes)
        charts.html_figure(
            figures.weights_html(maps, snapshot.classes, alt), "weights", alt,
            lambda: figures.columns_to_csv(
                {name: maps[i].reshape(-1) for i, name in enumerate(snapshot.classes)}
            ),
        )  # fmt: skip
    if status.log:
        log, folder = escape_markdown(status.log), escape_markdown(status.settings.log_dir)
        st.caption(f"TensorBoard log: {log}. To view it, run: tensorboard --logdir {folder}")


page_header("Training")
place = stage.key_figure_stage()
status = training_registry().status
st.session_state.setdefault("settings_open", not (status and status.active))
with st.expander("Settings", key="settings_open", on_change="rerun"):
    settings = settings_form()
render_controls(settings, status)
lazy_expander("Continue or extend a run", continue_panel)
shown = shown_status()
interval = refresh_interval(TRAINING_REFRESH_SECONDS, bool(shown and shown.active))
with stage.on_stage(place):
    flushing_fragment(progress_panel, run_every=interval)(shown.state if shown else "idle")
with st.expander("What the buttons do"):
    charts.html_figure(figures.states_html(TRANSITIONS, status.state if status else None))
    st.caption(
        "One training runs at a time, for all sessions of this server; actions that are invalid in its state are "
        "ignored. The training continues when a page is reloaded or closed. If it does not stop within "
        f"{STOP_TIMEOUT_SECONDS:.0f} s after Stop, it is abandoned, so that another one can start."
    )
st.session_state.pop("refused", None)  # here, as a rerun of the panel above would lose the sentence
show_code.render(lambda: training_code(shown.log if shown else None))
