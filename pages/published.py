"""The published curve: why its test accuracy falls, trained live on the chosen data."""

from dataclasses import replace

import numpy as np
import streamlit as st

from pages import access, common, pace, pictures, sidebar
from tempotron_core import data, figures
from tempotron_core.baselines import FEATURES, linear_accuracy
from tempotron_core.job import Status
from tempotron_core.published import recorded, regimes
from tempotron_core.settings import devices

NAMES = {"pixels": "the raw pixels", "gaussian": "the Gaussian features"}


@access.owned
def start(epochs: int) -> None:
    name = common.choice("data")
    trainings = common.trainings()
    try:
        found, problem = common.dataset()
        if problem:
            name = data.EMBEDDED
        series = regimes(name, None if name == data.EMBEDDED else common.data_directory(), epochs)
        directory = common.runs_directory()
        trainings.start_series([replace(s, device=devices()[0], log_dir=directory) for s in series], found)
    except (trainings.refusal, ValueError, TypeError) as error:
        st.session_state["published_refused"] = str(error)


@st.cache_data(max_entries=8, show_spinner="Training the linear classifiers")
def linear(name: str, directory: str, samples: int) -> dict[str, float]:
    found, _ = common.dataset()
    return {features: linear_accuracy(found, features)[-1] for features in FEATURES}


def curves(statuses: tuple[Status, ...], samples: int) -> figures.PublishedInfo:
    test, train = {}, {}
    for status in statuses:
        epochs = status.snapshot.epochs if status.snapshot else ()
        test[status.settings.recipe] = np.array([result.test_accuracy for result in epochs])
        train[status.settings.recipe] = np.array([result.train_accuracy for result in epochs])
    return figures.PublishedInfo(test, train, samples)


def drawn(info: figures.PublishedInfo, key: str) -> None:
    names = [name for name in figures.REGIMES if name in info.test]
    comparison = figures.ComparisonInfo(
        tuple(f"{name}: {figures.REGIMES[name]}" for name in names),
        tuple(info.test[name] for name in names),
        tuple(info.train[name] for name in names),
    )
    common.takeaway(info.takeaway)
    pictures.chart(figures.comparison_figure(comparison), key, info.takeaway)
    for sentence in info.findings:
        st.markdown(f"- {sentence}")


def live(was_active: bool) -> None:
    statuses = common.trainings().series
    place = st.empty()
    if refused := st.session_state.pop("published_refused", None):
        place.warning(access.plain(refused), icon=":material/block:")
    if not statuses:
        st.markdown("Nothing trained here yet: press the button, and the four curves grow one after the other.")
        return
    latest = statuses[-1]
    active = latest.active or (latest.state == "finished" and len(statuses) < len(figures.REGIMES))
    if latest.error:
        place.error(access.plain(latest.error), icon=":material/error:")
    elif latest.active:
        place.progress(latest.snapshot.progress if latest.snapshot else 0.0, sidebar.describe(latest))
    drawn(curves(statuses, len(common.dataset()[0].test)), "published_live")
    if active != was_active:
        st.rerun()


common.title("The published curve")
st.markdown(
    "A test accuracy that falls while the network trains was published for this recipe, and read as over-fitting. "
    "Here are the same network and data with gradients never cleared, cleared, a recipe that generalises, and "
    "over-fitting for real. Thick lines: test; thin dotted ones: training."
)
controls = st.columns([1, 1, 2], vertical_alignment="bottom")
epochs = int(controls[0].number_input("Epochs each", 2, 100, 6, key="published_epochs", persist_state="session"))
busy = common.trainings().status
controls[1].button(
    "Train all four", type="primary", icon=":material/play_arrow:", on_click=start, args=(epochs,), width="stretch",
    disabled=bool(busy and busy.active) or not access.may_change(),
)  # fmt: skip
series = common.trainings().series
growing = bool(series) and (
    series[-1].active or (series[-1].state == "finished" and len(series) < len(figures.REGIMES))
)
pace.fragment(live, run_every=pace.tick(common.TICK_SECONDS, growing))(growing)
st.subheader("On all of MNIST, as recorded")
record = recorded()
tests = {entry["settings"]["recipe"]: np.array(entry["test_accuracy"]) for entry in record["runs"]}
trains = {entry["settings"]["recipe"]: np.array(entry["train_accuracy"]) for entry in record["runs"]}
drawn(figures.PublishedInfo(tests, trains, record["test_samples"]), "published_recorded")
shares = record["linear_test_accuracy"]
st.markdown(
    "- Linear classifiers on the same digits: "
    + ", ".join(f"{100 * shares[name][-1]:.1f} % on {NAMES[name]}" for name in FEATURES)
    + "."
)
st.caption("Made by `python -m tempotron_core.published --dataset-dir DIR`: one seed, batch 64, m 16, T 100.")
pressed = st.button(
    "Train the linear classifiers on the chosen data", icon=":material/straighten:", disabled=not access.may_change()
)
if pressed and access.may_change():
    chosen, _ = common.dataset()
    found = linear(chosen.name, str(common.choice("dir")), len(chosen.train))
    st.markdown(", ".join(f"**{100 * found[name]:.1f} %** on {NAMES[name]}" for name in FEATURES))
