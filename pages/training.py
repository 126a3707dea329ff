"""Train, watch it learn, and see the weights form."""

from typing import Any

import numpy as np
import streamlit as st

from pages import common
from tempotron_core import data, figures
from tempotron_core.job import GIVE_UP_SECONDS, MOVES, Status
from tempotron_core.recipes import DEFAULT_RECIPE, RECIPES
from tempotron_core.training import Settings, Snapshot, devices


def settings_form() -> Settings | None:
    """The run's parameters; None and a sentence where they do not fit."""
    first, second = st.columns(4), st.columns(4)

    def kept(key: str) -> dict[str, Any]:
        return {"key": f"train_{key}", "persist_state": "session"}

    recipe = first[0].selectbox("Recipe", list(RECIPES), list(RECIPES).index(DEFAULT_RECIPE), **kept("recipe"))
    epochs = first[1].number_input("Epochs", 1, 1000, 10, **kept("epochs"))
    lr = first[2].number_input("Learning rate", 0.0, 10.0, 1e-3, 1e-4, format="%.5f", **kept("lr"))
    batch = first[3].number_input("Batch size", 1, 4096, 64, **kept("batch"))
    m = second[0].number_input("m, neurons a pixel", 3, 64, 16, **kept("m"))
    T = second[1].number_input("T, window in ms", 1, 1000, 100, **kept("T"))
    seed = second[2].number_input("Seed", 0, 2**31 - 1, 0, **kept("seed"))
    device = second[3].selectbox("Device", devices(), **kept("device"))
    with st.expander("Directories"):
        log_dir = st.text_input("Log directory", "runs", **kept("log_dir"))
        st.caption("The data set, and its directory, are chosen in the sidebar.")
    st.caption(RECIPES[recipe].summary)
    problem, name = st.empty(), common.choice("data")
    try:
        return Settings(
            device=device, dataset_dir=None if name == data.EMBEDDED else common.choice("dir"), batch_size=int(batch),
            lr=float(lr), T=int(T), epochs=int(epochs), m=int(m), log_dir=log_dir, seed=int(seed), dataset=name,
            recipe=recipe,
        )  # fmt: skip
    except (ValueError, TypeError) as error:
        problem.warning(str(error), icon=":material/error:")
        return None


def start(settings: Settings) -> None:
    trainings = common.trainings()
    try:
        trainings.start(settings)
    except trainings.refusal as error:
        st.session_state["refused"] = str(error)


def controls(settings: Settings | None, status: Status | None) -> None:
    state = status.state if status else "idle"
    buttons = st.columns(4)
    job = common.trainings().job
    buttons[0].button(
        "Start", type="primary", icon=":material/play_arrow:", width="stretch", on_click=start, args=(settings,),
        disabled=settings is None or bool(status and status.active),
    )  # fmt: skip
    for column, name, icon in zip(buttons[1:], ("Pause", "Resume", "Stop"), ("pause", "resume", "stop"), strict=True):
        action = getattr(job, name.lower()) if job else None
        column.button(
            name, icon=f":material/{icon}:", width="stretch", on_click=action, disabled=state not in MOVES[name.lower()]
        )
    place = st.empty()
    if refused := st.session_state.pop("refused", None):
        place.warning(refused, icon=":material/block:")


def curves(snapshot: Snapshot) -> figures.CurvesInfo:
    per_epoch = snapshot.total_steps / snapshot.settings.epochs
    points, epochs = snapshot.points, snapshot.epochs
    return figures.CurvesInfo(
        np.array([point.step / per_epoch for point in points]),
        np.array([point.loss for point in points]),
        np.array([point.accuracy for point in points]),
        np.array([result.epoch for result in epochs]),
        np.array([result.test_accuracy for result in epochs]),
        snapshot.settings.epochs,
    )


def health(snapshot: Snapshot) -> None:
    """What ails the run, if anything, as of its last epoch."""
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
    )
    st.markdown("**Health**, after the last epoch")
    for row in (shown[:3], shown[3:]):
        for column, (name, value, meaning) in zip(st.columns(3), row, strict=True):
            column.metric(name, value)
            column.caption(meaning)
    trouble = [
        words
        for ails, words in (
            (bool(last.dead), f"{len(last.dead)} outputs are dead."),
            (last.pinned_first > 0.5, "More than half of the peaks lie at rest: lower the rate or widen the weights."),
            (last.pinned_last > 0.5, "More than half of the peaks are cut off by T: lengthen T or shorten tau."),
        )
        if ails
    ]
    st.caption(" ".join(trouble) or "Nothing ails this run: no dead output, no value that is not finite.")


def live(seen: str) -> None:
    status = common.trainings().status
    message, bar = st.empty(), st.empty()
    if status is None:
        message.info("Nothing has been trained yet. Press Start.")
        return
    if status.state != seen:
        st.rerun()
    if status.error:
        message.error(status.error, icon=":material/error:")
    elif words := status.silence or status.note:
        message.warning(words, icon=":material/warning:")
    snapshot = status.snapshot
    if snapshot is None or not snapshot.points:
        bar.progress(snapshot.prepared if snapshot else 0.0, common.describe(status))
        return
    left = snapshot.seconds_left
    pace = f" · {snapshot.samples_per_second:,.0f} samples/s"
    remaining = f" · {left:.0f} s left" if left and status.active else ""
    bar.progress(snapshot.progress, common.describe(status) + pace + remaining)
    info = curves(snapshot)
    common.takeaway(info.takeaway)
    accuracy, loss = st.columns(2)
    with accuracy:
        common.chart(figures.accuracy_figure(info), "accuracy", info.takeaway)
    with loss:
        common.chart(figures.loss_figure(info), "loss", f"Loss, latest {info.loss[-1]:.4g}")
    if snapshot.epochs:
        health(snapshot)
    model = snapshot.model
    if model is not None:
        summed = "summed over a pixel's neurons"
        names = (summed, *(f"neuron {j + 1}" for j in range(model.m)))
        picked = st.selectbox("Weights of each tempotron", names, key="map", persist_state="session")
        neuron = None if picked in (None, summed) else names.index(picked) - 1
        pooled = model.weight.view(-1, model.k, model.weight.shape[1]).mean(dim=1)
        maps = figures.weight_maps(pooled.numpy(), model.m, neuron)
        alt = "Weight maps, one a class: green excites, purple inhibits"
        common.plate(
            figures.weights_plate(maps, snapshot.classes, alt), "weights", alt,
            lambda: figures.columns_table(
                {name: maps[i].reshape(-1) for i, name in enumerate(snapshot.classes)}
            ),
        )  # fmt: skip
    if status.log:
        st.caption(f"TensorBoard log: `{status.log}`. Look with `tensorboard --logdir {status.settings.log_dir}`")


st.title("Training")
form = settings_form()
now = common.trainings().status
controls(form, now)
st.fragment(live, run_every=common.TICK_SECONDS if now and now.active else None)(now.state if now else "idle")
with st.expander("What the buttons do"):
    common.plate(figures.states_plate(MOVES, now.state if now else None))
    st.caption(
        "Anybody may press anything, twice or at the same instant: one training runs at a time, and what does not fit "
        "its state changes nothing. It belongs to the server: a reload, a closed page or a sleeping laptop leave it. "
        f"Where it does not answer to Stop within {GIVE_UP_SECONDS:.0f} s it is given up, so that another can start."
    )
