"""A guided tour on the live model: one idea a step, its words computed from what is shown."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from pages.components.page import switch_page
from pages.refresh import refresh_interval
from pages.state.experiment import View, resolve_view
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, is_live, training_registry
from pages.streamlit_hooks import flushing_fragment
from tempotron_core.analysis.attribution import evidence
from tempotron_core.experiments.capacity import load_record
from tempotron_core.figures import VoltageInfo, raster_info
from tempotron_core.model.classifier import PIXELS, Prediction

StepText = Callable[[View, Prediction, VoltageInfo], str]


@dataclass(frozen=True)
class TourStep:
    """A page, a title and words about the present view; cursor_fraction: where the time cursor is put, as a share of t_max."""

    page: str
    title: str
    text: StepText
    cursor_fraction: float | None = None


def _digit(view: View, decision: Prediction, info: VoltageInfo) -> str:
    name = view.dataset.classes[view.label]
    return (
        f"This is test sample {view.index:,}, a {name}: 28 x 28 grey values. What follows turns them into spikes, the "
        f"spikes into {len(info.classes)} membrane potentials, and those into one answer."
    )


def _tuning(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        f"Every pixel has {view.model.m} neurons, each tuned to one brightness. The closer the pixel's value comes to "
        "a neuron's favourite, the earlier it spikes; neurons far from it stay silent. Move x and watch."
    )


def _spikes(view: View, decision: Prediction, info: VoltageInfo) -> str:
    raster = raster_info(decision.times.numpy(), view.pixels, view.model.T)
    return f"{raster.takeaway} All that the network will ever know of the image is in these times. Press play."


def _spikes_so_far(view: View, decision: Prediction, info: VoltageInfo) -> str:
    t_max = int(info.t_max[info.predicted])
    arrived = int(((decision.times >= 0) & (decision.times <= t_max)).sum())
    total = int((decision.times >= 0).sum())
    return (
        f"By {t_max} ms, {arrived:,} of {total:,} spikes have arrived. Each has lifted or lowered every potential by "
        "its weight times the kernel, which rises within milliseconds and then fades."
    )


def _prediction(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return f"{info.prediction_text} {info.firing_text} Only the highest peak counts, whenever it comes."


def _evidence(view: View, decision: Prediction, info: VoltageInfo) -> str:
    name, evidence_of_winner = info.classes[info.predicted], evidence(view.model, decision, info.predicted)
    pixels = evidence_of_winner.contributions.sum(dim=1)
    return (
        f"The peak of {name}, {evidence_of_winner.v_max:.2f}, is a sum over single spikes: {int((pixels > 0).sum())} of {PIXELS} "
        f"pixels speak for it, {int((pixels < 0).sum())} against. Green lifts, purple lowers."
    )


def _robustness(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        f"The margin, {info.margin:.2f}, is what this digit can afford to lose. Jitter, lose or delay its spikes, blur "
        "or shift the image, and watch the verdict tip over; or draw a digit of your own."
    )


def _rule(view: View, decision: Prediction, info: VoltageInfo) -> str:
    targets = [i == view.label for i in range(len(info.classes))]
    wrong = [name for name, fires, should in zip(info.classes, info.has_fired, targets, strict=True) if fires != should]
    state = (
        f"On this digit {len(wrong)} of {len(targets)} outputs are wrong" if wrong else "On this digit none is wrong"
    )
    return (
        f"{state}: only the true class should fire. Each one that errs moves its weights by as much as every spike "
        "still counts when the potential peaks. Step again, and see it yield."
    )


def _replay(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        "The weights of every epoch were kept, those from before learning, too. Press play: the same digit, read by "
        "the network as it was, and the epoch from which on it was right."
    )


def _laboratory(view: View, decision: Prediction, info: VoltageInfo) -> str:
    problem = load_record().problem
    return (
        f"One tempotron, {problem.afferents} afferents, random patterns and labels: how many does it tell apart? "
        "Press Start and see it learn; below stands the share of problems solved against their size."
    )


def _training(view: View, decision: Prediction, info: VoltageInfo) -> str:
    status = training_registry().status
    if status is None or status.snapshot is None or not status.snapshot.epochs:
        return "Press Start: the curves grow while the network learns, and so do its weight maps."
    last, seconds = status.snapshot.epochs[-1], status.snapshot.training_seconds
    return (
        f"This network read {len(status.snapshot.epochs)} times through {status.settings.dataset} in {seconds:.1f} s "
        f"and names {last.test_accuracy:.1%} of the test digits. Below are the weights it found."
    )


def _results(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        f"All {len(view.dataset.test):,} test digits at once: who is taken for whom, and the mistakes made with most "
        "confidence. Open one, and ask for its evidence."
    )


def _published(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        "A falling test accuracy was published for this network and read as over-fitting. The curves tell what it was: "
        "gradients that were never cleared."
    )


STEPS = (
    TourStep("views/overview.py", "An image", _digit),
    TourStep("views/encoder.py", "A pixel becomes spikes", _tuning),
    TourStep("views/overview.py", "Time carries it all", _spikes, 0.0),
    TourStep("views/voltages.py", "Potentials rise and fade", _spikes_so_far, 1.0),
    TourStep("views/voltages.py", "The highest peak decides", _prediction),
    TourStep("views/evidence.py", "Why this class", _evidence),
    TourStep("views/draw.py", "What would tip it over", _robustness),
    TourStep("views/training.py", "A training takes seconds", _training),
    TourStep("views/rule.py", "One step of learning", _rule),
    TourStep("views/replay.py", "How it came to know this digit", _replay),
    TourStep("views/laboratory.py", "How much one tempotron learns", _laboratory),
    TourStep("views/results.py", "What it gets wrong", _results),
    TourStep("views/published.py", "The published curve", _published),
)


def render_start_button() -> None:
    """The button in the sidebar that begins the tour."""
    with st.sidebar:
        st.button(
            "Take the tour", icon=":material/tour:", on_click=_set_step, args=(0,), key="tour_begin", width="stretch"
        )


def go_to_current_step(page_path: str) -> None:
    """Leave for the page of a step just taken, unless it is this one; the choices of a link come along."""
    number = _current_step()
    linked = st.session_state.pop("tour_linked", False)
    if number is None or not st.session_state.pop("tour_moved", False) or STEPS[number].page == page_path:
        return
    switch_page(STEPS[number].page, st.query_params.to_dict() if linked else None)


def render_banner(page_path: str) -> None:
    """The present step, above the page it is about, and the ways on."""
    number = _current_step()
    if number is None:
        if "tour" in st.query_params:
            del st.query_params["tour"]
        return
    if st.query_params.get("tour") != str(number + 1):
        st.query_params["tour"] = str(number + 1)
    step = STEPS[number]
    with st.container(border=True, key="tour_step"):
        if page_path == step.page:
            flushing_fragment(_step_body, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live()))(
                number, step
            )
        else:
            st.markdown(f"The tour waits at step {number + 1}, {step.title}.")
        with st.container(horizontal=True):
            disabled = number == 0
            st.button(
                "Back", on_click=_set_step, args=(number - 1,), disabled=disabled, key="tour_back", shortcut="PageUp"
            )
            if page_path != step.page:
                st.button(
                    "Go there", on_click=_set_step, args=(number,), key="tour_on", shortcut="PageDown", type="primary"
                )
            elif number + 1 < len(STEPS):
                st.button(
                    "Next", on_click=_set_step, args=(number + 1,), key="tour_on", shortcut="PageDown", type="primary"
                )
            st.button("End the tour", on_click=_shutdown, key="tour_end")


def _step_body(number: int, step: TourStep) -> None:
    view = resolve_view()
    if view.model.weight.shape[0] != len(view.dataset.classes) * view.model.tempotrons_per_class:
        st.markdown("Choose a model that knows the classes of this data set to go on.")
        return
    decision, info = view.voltages()
    st.markdown(f"### {number + 1} of {len(STEPS)} · {step.title}\n\n{step.text(view, decision, info)}")
    if step.cursor_fraction is not None:
        st.session_state["cursor_requested"] = (
            f"tour {number}",
            round(step.cursor_fraction * int(info.t_max[info.predicted])),
        )


def _current_step() -> int | None:
    """The step in progress, from 0; at first that of the link."""
    if "tour_number" not in st.session_state:
        text = st.query_params.get("tour", "")
        requested = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
        st.session_state["tour_number"] = requested - 1 if 1 <= requested <= len(STEPS) else None
        st.session_state["tour_moved"] = st.session_state["tour_linked"] = st.session_state["tour_number"] is not None
    number: int | None = st.session_state["tour_number"]
    return number


def _set_step(number: int) -> None:
    st.session_state["tour_number"], st.session_state["tour_moved"] = number, True


def _shutdown() -> None:
    st.session_state["tour_number"] = None
