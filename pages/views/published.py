"""Page "Published curve": why the published test accuracy falls, trained live and as recorded on MNIST."""

from dataclasses import replace

import numpy as np
import streamlit as st

from pages.components import charts, show_code, stage
from pages.components.page import chart_heading, page_header
from pages.refresh import refresh_interval
from pages.state.auth import is_writable, require_write_access
from pages.state.datasets import EMBEDDED_SETS, current_dataset, dataset_directory, dataset_key
from pages.state.markdown import escape_markdown
from pages.state.runs import runs_directory
from pages.state.settings import get_setting
from pages.state.training import TRAINING_REFRESH_SECONDS, format_status, training_registry
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.analysis.baselines import FEATURES, linear_accuracy
from tempotron_core.data import datasets
from tempotron_core.experiments.published_curve import load_record, regime_settings
from tempotron_core.interchange.code_generation import published_code
from tempotron_core.jobs.job import Status
from tempotron_core.training.settings import devices

FEATURE_NAMES = {
    "pixels": "the raw values",
    "gaussian": "the Gaussian features",
    "spikes": "the spike times of the network",
}


@require_write_access
def start(epochs: int) -> None:
    """Start the four trainings, one after the other, on the selected data set."""
    name = get_setting("data")
    trainings = training_registry()
    try:
        dataset, problem = current_dataset()
        if problem:
            name = datasets.EMBEDDED
        series = regime_settings(name, None if name in EMBEDDED_SETS else dataset_directory(), epochs)
        directory = runs_directory()
        trainings.start_series([replace(s, device=devices()[0], log_dir=directory) for s in series], dataset)
    except (trainings.StartError, ValueError, TypeError) as error:
        st.session_state["published_refused"] = str(error)


@st.cache_data(max_entries=8, show_spinner="Training the linear classifiers")
def linear_accuracies(key: str) -> dict[str, float]:
    """Return the test accuracy of linear classifiers by features on the selected data set, which has this key."""
    dataset, _ = current_dataset()
    return {features: linear_accuracy(dataset, features)[-1] for features in FEATURES}


def curves_info(statuses: tuple[Status, ...], samples: int) -> figures.PublishedInfo:
    """Return the learning curves of the trainings."""
    test, train = {}, {}
    for status in statuses:
        epochs = status.snapshot.epochs if status.snapshot else ()
        test[status.settings.recipe] = np.array([result.test_accuracy for result in epochs])
        train[status.settings.recipe] = np.array([result.train_accuracy for result in epochs])
    return figures.PublishedInfo(test, train, samples)


def curves_chart(info: figures.PublishedInfo, key: str) -> None:
    """Draw the learning curves and list what they show."""
    names = [name for name in figures.REGIMES if name in info.test]
    comparison = figures.ComparisonInfo(
        tuple(f"{name}: {figures.REGIMES[name]}" for name in names),
        tuple(info.test[name] for name in names),
        tuple(info.train[name] for name in names),
    )
    chart_heading(info.takeaway)
    height = stage.figure_height(420, info.takeaway) if key == "published_recorded" else 420
    charts.plotly_chart(figures.comparison_figure(comparison, height), key, info.takeaway)
    for sentence in info.findings:
        st.markdown(f"- {sentence}")


def live_panel(was_active: bool) -> None:
    """Show the progress and the curves of the trainings; rerun the page when they start or end."""
    statuses = training_registry().series
    message_area = st.empty()
    if refusal := st.session_state.pop("published_refused", None):
        message_area.warning(escape_markdown(refusal), icon=":material/block:")
    if not statuses:
        st.markdown("Not trained yet. Press Train all four: the four curves appear one after the other.")
        return
    latest = statuses[-1]
    active = latest.active or (latest.state == "finished" and len(statuses) < len(figures.REGIMES))
    if latest.error:
        message_area.error(escape_markdown(latest.error), icon=":material/error:")
    elif latest.active:
        message_area.progress(latest.snapshot.progress if latest.snapshot else 0.0, format_status(latest))
    curves_chart(curves_info(statuses, len(current_dataset()[0].test)), "published_live")
    if active != was_active:
        st.rerun()


page_header("The published curve")
place = stage.key_figure_stage()
st.markdown(
    "A test accuracy that falls during training was published for this network and described as over-fitting. The "
    "cause was gradients that were never cleared; it was found and fixed upstream in 2021 (SpikingJelly PR #105). This "
    "page compares four trainings of the same network: gradients never cleared, gradients cleared, a recipe that "
    "generalises, and one that really over-fits. Thick lines: test; thin dotted lines: training."
)
controls = st.columns([1, 1, 2], vertical_alignment="bottom")
epochs = int(
    controls[0].number_input("Epochs per training", 2, 100, 6, key="published_epochs", persist_state="session")
)
status = training_registry().status
controls[1].button(
    "Train all four", type="primary", icon=":material/play_arrow:", on_click=start, args=(epochs,), width="stretch",
    disabled=bool(status and status.active) or not is_writable(),
)  # fmt: skip
series = training_registry().series
is_training = bool(series) and (
    series[-1].active or (series[-1].state == "finished" and len(series) < len(figures.REGIMES))
)
flushing_fragment(live_panel, run_every=refresh_interval(TRAINING_REFRESH_SECONDS, is_training))(is_training)
st.subheader("Recorded results on MNIST")
record = load_record()
test_accuracies = {entry["settings"]["recipe"]: np.array(entry["test_accuracy"]) for entry in record["runs"]}
training_accuracies = {entry["settings"]["recipe"]: np.array(entry["train_accuracy"]) for entry in record["runs"]}
recorded = figures.PublishedInfo(test_accuracies, training_accuracies, record["test_samples"])
with stage.on_stage(place):
    curves_chart(recorded, "published_recorded")
linear_accuracy_curves = record["linear_test_accuracy"]
st.markdown(
    "- Test accuracy of linear classifiers on the same samples: "
    + ", ".join(
        f"{100 * linear_accuracy_curves[name][-1]:.1f} % on {FEATURE_NAMES[name]}" for name in linear_accuracy_curves
    )
    + "."
)
st.caption("Recorded by `python -m tempotron_core.published --dataset-dir DIR`: one seed, batch 64, m 16, T 100.")
clicked = st.button(
    "Train linear classifiers on the selected data set", icon=":material/straighten:", disabled=not is_writable()
)
if clicked and is_writable():
    dataset, _ = current_dataset()
    accuracies = linear_accuracies(dataset_key(dataset))
    st.markdown(", ".join(f"**{100 * accuracies[name]:.1f} %** on {FEATURE_NAMES[name]}" for name in FEATURES))
show_code.render(published_code)
