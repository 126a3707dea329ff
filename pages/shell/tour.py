"""Guided tour: one step per idea, with text computed from the current sample and model."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from pages.components.page import report_experiment_errors, switch_page
from pages.refresh import refresh_interval
from pages.state.experiment import View, image_name, resolve_view
from pages.state.settings import is_presentation_mode
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, is_live, training_registry
from pages.streamlit_hooks import flushing_fragment
from tempotron_core.analysis.attribution import evidence
from tempotron_core.experiments.capacity import load_record
from tempotron_core.figures import VoltageInfo, raster_info
from tempotron_core.model.classifier import Prediction

StepText = Callable[[View, Prediction, VoltageInfo], str]


@dataclass(frozen=True)
class TourStep:
    """One step of the tour.

    Attributes:
        page: script of the page
        title: title of the step
        text: returns the text for the current view, prediction and membrane potentials
        cursor_fraction: position of the time cursor as a fraction of t_max of the predicted class, None for no change
    """

    page: str
    title: str
    text: StepText
    cursor_fraction: float | None = None


def _values_text(view: View) -> str:
    shape = view.dataset.shape
    return f"{shape[0]} x {shape[1]} grey values" if shape else f"{view.dataset.num_features:,} features"


def _digit(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        f"This is {view.dataset.sample} {image_name(view)}: {_values_text(view)}. They are encoded as spikes; the "
        f"spikes drive {len(info.classes)} membrane potentials; the highest peak gives the predicted class."
    )


def _tuning(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        f"Each {view.dataset.feature} has {view.model.m} neurons with Gaussian tuning curves. The closer its value is "
        "to the centre of a curve, the earlier that neuron spikes; neurons tuned to distant values stay silent. Move x "
        "to see it."
    )


def _spikes(view: View, decision: Prediction, info: VoltageInfo) -> str:
    raster = raster_info(decision.times.numpy(), view.pixels, view.model.T)
    return (
        f"{raster.takeaway} This is the only input of the network. How much it relies on which neurons spike, and how "
        "much on when, depends on the code; the Encoder measures both. Press play."
    )


def _spikes_so_far(view: View, decision: Prediction, info: VoltageInfo) -> str:
    t_max = int(info.t_max[info.predicted])
    arrived = int(((decision.times >= 0) & (decision.times <= t_max)).sum())
    total = int((decision.times >= 0).sum())
    return (
        f"By {t_max} ms, {arrived:,} of {total:,} spikes have arrived. Each adds its weight times the kernel K(t − "
        "t_i) to the membrane potential of every output; the kernel rises quickly and then decays."
    )


def _prediction(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        f"{info.prediction_text} {info.firing_text} The class with the highest peak is predicted, at whatever "
        "time the peak occurs and whether or not it reaches the threshold."
    )


def _evidence(view: View, decision: Prediction, info: VoltageInfo) -> str:
    name, evidence_of_winner = info.classes[info.predicted], evidence(view.model, decision, info.predicted)
    pixels = evidence_of_winner.contributions.sum(dim=1)
    return (
        f"The peak of {name}, {evidence_of_winner.v_max:.2f}, is a sum of contributions, one per spike: "
        f"{int((pixels > 0).sum())} of {view.dataset.num_features:,} {view.dataset.feature}s contribute positively "
        f"(green), {int((pixels < 0).sum())} negatively (purple)."
    )


def _robustness(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return f"The highest peak leads the second by {info.lead:.2f}. Jitter, delete or delay spikes, add noise" + (
        f" or shift the image until the prediction changes; or draw your own {view.dataset.sample}."
        if view.dataset.shape
        else " until the prediction changes."
    )


def _rule(view: View, decision: Prediction, info: VoltageInfo) -> str:
    targets = [i == view.label for i in range(len(info.classes))]
    wrong = [name for name, fires, should in zip(info.classes, info.has_fired, targets, strict=True) if fires != should]
    state = (
        f"On this {view.dataset.sample} {len(wrong)} of {len(targets)} outputs are wrong"
        if wrong
        else f"On this {view.dataset.sample} no output is wrong"
    )
    return (
        f"{state}: in the tempotron rule only the true class should fire. Each wrong output changes its weights in "
        "proportion to K(t_max − t_i), the contribution of each spike at the peak. Press Step again."
    )


def _replay(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        "The weights before training and after every epoch are saved. Press Play to see how each of them classifies "
        f"this {view.dataset.sample}, and from which epoch on the prediction is correct."
    )


def _laboratory(view: View, decision: Prediction, info: VoltageInfo) -> str:
    problem = load_record().problem
    return (
        f"One tempotron with {problem.afferents} afferents learns random patterns with random labels. How many can it "
        "classify? Press Start to see it learn. The chart below shows the fraction of solved problems against the load."
    )


def _training(view: View, decision: Prediction, info: VoltageInfo) -> str:
    status = training_registry().status
    if status is None or status.snapshot is None or not status.snapshot.epochs:
        return "Press Start: the learning curves and the weight maps are updated during training."
    last, seconds = status.snapshot.epochs[-1], status.snapshot.training_seconds
    return (
        f"This network was trained on {status.settings.dataset} in {seconds:.1f} s (epochs: "
        f"{len(status.snapshot.epochs)}). Its test accuracy is {last.test_accuracy:.1%}. Its weights are shown below."
    )


def _results(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        f"All {len(view.dataset.test):,} test samples: test accuracy, confusion matrix, and the most confident errors. "
        "Open one to see its membrane potentials."
    )


def _studies(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        "A study trains the network with many values of its settings and compares them on held-out training samples; "
        "the test set is used once, for the selected values. Name a space and press Start study."
    )


def _published(view: View, decision: Prediction, info: VoltageInfo) -> str:
    return (
        "A falling test accuracy was published for this network and described as over-fitting. The curves show the "
        "cause: the gradients were never cleared. This was found and fixed upstream in 2021 (SpikingJelly PR #105)."
    )


STEPS = (
    TourStep("views/overview.py", "A sample", _digit),
    TourStep("views/encoder.py", "A value as spikes", _tuning),
    TourStep("views/overview.py", "The sample as spikes", _spikes, 0.0),
    TourStep("views/voltages.py", "Membrane potentials", _spikes_so_far, 1.0),
    TourStep("views/voltages.py", "The highest peak decides", _prediction),
    TourStep("views/evidence.py", "Evidence for this class", _evidence),
    TourStep("views/draw.py", "Robustness of the prediction", _robustness),
    TourStep("views/training.py", "Training", _training),
    TourStep("views/rule.py", "One step of learning", _rule),
    TourStep("views/replay.py", "Replay of the training", _replay),
    TourStep("views/laboratory.py", "How much can one tempotron learn?", _laboratory),
    TourStep("views/results.py", "Test accuracy and confusion matrix", _results),
    TourStep("views/studies.py", "Many settings compared", _studies),
    TourStep("views/published.py", "The published curve", _published),
)


def render_start_button() -> None:
    """Show the button in the sidebar that starts the tour."""
    with st.sidebar:
        st.button(
            "Take the tour", icon=":material/tour:", on_click=_set_step, args=(0,), key="tour_begin", width="stretch"
        )


def go_to_current_step(page_path: str) -> None:
    """Go to the page of the current step if the step has changed and belongs to another page.

    If the step comes from the URL, the other URL parameters are passed on.
    """
    number = _current_step()
    linked = st.session_state.pop("tour_linked", False)
    if number is None or not st.session_state.pop("tour_moved", False) or STEPS[number].page == page_path:
        return
    switch_page(STEPS[number].page, st.query_params.to_dict() if linked else None)


def render_banner(page_path: str) -> None:
    """Show the current step and its buttons above the page."""
    number = _current_step()
    if number is None:
        if "tour" in st.query_params:
            del st.query_params["tour"]
        return
    if st.query_params.get("tour") != str(number + 1):
        st.query_params["tour"] = str(number + 1)
    step, is_on_page = STEPS[number], page_path == STEPS[number].page
    draw_body = flushing_fragment(
        report_experiment_errors(_step_body), run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live())
    )
    other_page = f"The tour continues at step {number + 1}: {step.title}."
    if is_presentation_mode():  # one line; the text opens on demand
        with st.container(horizontal=True, vertical_alignment="center", key="tour_step"):
            title = f"**{number + 1} of {len(STEPS)} · {step.title}**" if is_on_page else other_page
            st.markdown(title, width="content")
            if is_on_page:
                with st.popover("Text"):
                    draw_body(number, step)
            _step_buttons(number, is_on_page)
        return
    with st.container(border=True, key="tour_step"):
        if is_on_page:
            draw_body(number, step)
        else:
            st.markdown(other_page)
        with st.container(horizontal=True):
            _step_buttons(number, is_on_page)


def _step_buttons(number: int, is_on_page: bool) -> None:
    """Show the buttons of the tour in the current container."""
    st.button("Back", on_click=_set_step, args=(number - 1,), disabled=number == 0, key="tour_back", shortcut="PageUp")
    if not is_on_page or number + 1 < len(STEPS):
        st.button(
            "Next" if is_on_page else "Continue", on_click=_set_step, args=(number + is_on_page,), key="tour_on",
            shortcut="PageDown", type="primary",
        )  # fmt: skip
    st.button("End the tour", on_click=_end, key="tour_end")


def _step_body(number: int, step: TourStep) -> None:
    view = resolve_view()
    decision, info = view.voltages()
    st.markdown(f"### {number + 1} of {len(STEPS)} · {step.title}\n\n{step.text(view, decision, info)}")
    if step.cursor_fraction is not None:
        st.session_state["cursor_requested"] = (
            f"tour {number}",
            round(step.cursor_fraction * int(info.t_max[info.predicted])),
        )


def _current_step() -> int | None:
    """Return the index of the current step, None without a tour; the URL gives the first one."""
    if "tour_number" not in st.session_state:
        text = st.query_params.get("tour", "")
        requested = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
        st.session_state["tour_number"] = requested - 1 if 1 <= requested <= len(STEPS) else None
        st.session_state["tour_moved"] = st.session_state["tour_linked"] = st.session_state["tour_number"] is not None
    number: int | None = st.session_state["tour_number"]
    return number


def _set_step(number: int) -> None:
    st.session_state["tour_number"], st.session_state["tour_moved"] = number, True


def _end() -> None:
    st.session_state["tour_number"] = None
