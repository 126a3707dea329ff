"""Page "Learning rule": single training steps on one sample, on a copy of the selected model."""

from dataclasses import asdict

import streamlit as st

from pages.components import charts, experiment_bar, show_code, stage
from pages.components.page import draw_body, lazy_expander, page_header
from pages.state.experiment import View, resolve_view
from pages.state.settings import DEFAULTS, PRESENTATION_SCALE, is_presentation_mode, url_widget
from pages.views import rule_steps
from tempotron_core import figures
from tempotron_core.analysis.learning_step import (
    MAX_STEPS,
    StepSequence,
    StepSettings,
    apply_steps,
    encode_steps,
    learning_step,
)
from tempotron_core.interchange.code_generation import rule_code

RULES = {"tempotron rule": "linear", "squared distance": "threshold-mse", "cross-entropy": "cross-entropy"}
RATES = tuple(f"{digit}e-{power}" for power in (6, 5, 4, 3, 2) for digit in (1, 2, 5))
TRUE_CLASS = "true class"
LARGEST_ERROR = "largest error"
SUM = "sum of all"
CONTROL_WIDTH = 140


def control_width() -> int:
    """Return the width of a control in px."""
    return round(CONTROL_WIDTH * (PRESENTATION_SCALE if is_presentation_mode() else 1))


def index_select(label: str, first: str, options: tuple[str, ...], key: str) -> int | None:
    """Show a select box and return the index of the selected option.

    Args:
        label: label
        first: first entry, which stands for no particular option
        options: other entries
        key: key of the setting

    Returns:
        The index in options, None for the first entry.
    """
    value = st.selectbox(label, (first, *options), width=control_width(), **url_widget(key))
    return options.index(value) if value in options else None


def option_labels(count: int) -> tuple[str, ...]:
    """Return the numbers from 1 to count as text."""
    return tuple(str(j) for j in range(1, count + 1))


def target_class(view: View) -> int:
    """Return the true class, for a sample of unknown class the predicted one."""
    return int(view.voltages()[0].v_max.argmax()) if view.label is None else view.label


def step_buttons(view: View, sequence: StepSequence, settings: StepSettings, changes_weights: bool) -> None:
    """Show the buttons.

    Args:
        view: sample and model
        sequence: steps so far
        settings: target class, learning rate and rule of the next step
        changes_weights: whether the next step changes any weight
    """
    first, last = not sequence.steps, len(sequence.steps) >= MAX_STEPS
    actions = (
        ("Step again", "skip_next", last or not changes_weights, lambda: sequence.extended(settings)),
        ("10 more", "fast_forward", last or not changes_weights, lambda: sequence.extended(settings, 10)),
        ("Undo", "undo", first, sequence.undone),
        ("Start over", "restart_alt", first, lambda: apply_steps(view.model, view.image)),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, icon, disabled, action in actions:
            st.button(
                label, icon=f":material/{icon}:", type="primary" if icon == "skip_next" else "secondary",
                disabled=disabled, key=f"rule_{icon}", on_click=lambda action=action: rule_steps.set_steps(action()),
            )  # fmt: skip
        limit = f" The limit of {MAX_STEPS} steps is reached." if last else ""
        st.markdown(f"The steps change a copy of the model, not the model itself.{limit}")


def render() -> None:
    """Draw the page."""
    view = resolve_view()
    classes, k = view.dataset.classes, view.model.tempotrons_per_class
    sequence, notice = rule_steps.current_steps(view)
    header, place = st.empty(), stage.key_figure_stage()
    with st.container(horizontal=True):
        rule = st.selectbox("Rule", tuple(RULES), width=control_width(), **url_widget("rule"))
        target = index_select("Target class", TRUE_CLASS, classes, "rule_target")
        rate = st.select_slider(
            "Learning rate λ", RATES, DEFAULTS["rule_rate"], width=control_width(), **url_widget("rule_rate")
        )
        output = index_select("Weights of", LARGEST_ERROR, classes, "rule_output")
        neuron = index_select("Tuning neuron", SUM, option_labels(view.model.m), "rule_neuron")
        tempotron = index_select("Tempotron", LARGEST_ERROR, option_labels(k), "rule_tempotron") if k > 1 else None
    target = target_class(view) if target is None else target
    settings = StepSettings(target, float(rate), RULES.get(str(rule), "linear"))
    result = learning_step(sequence.model, view.image, settings)
    info = rule_steps.step_info(view, sequence, result, output)
    if tempotron is None:
        tempotron = int(result.error[info.focused_output].abs().argmax())
    weight_change = rule_steps.weight_change_info(view, result, info.focused_output, tempotron, neuron)
    sentences = () if is_presentation_mode() else info.sentences
    header.markdown("\n".join([f"## {info.headline}", *(f"- {sentence}" for sentence in sentences)]))
    step_buttons(view, sequence, settings, result.changes_weights)
    experiment_bar.render(view, notice)
    left, right = st.columns([1.5, 1])
    with place if is_presentation_mode() else left:
        st.markdown("#### Membrane potentials before (dotted) and after the step (solid)")
        height = stage.figure_height(430, info.headline, taken=45)
        charts.lightweight_chart(figures.step_figure(info, height), "step", info.takeaway)
    with left:
        st.markdown(f"#### {weight_change.effect}")
        charts.lightweight_chart(figures.kernel_figure(weight_change), "kernel", weight_change.effect)
    with right:
        st.markdown(f"#### {weight_change.takeaway}")
        charts.html_figure_of(
            figures.change_html(weight_change),
            "change",
            weight_change.takeaway,
            lambda: figures.change_figure(weight_change),
        )
        st.markdown(f"#### {info.progress}")
        charts.lightweight_chart(figures.peak_history_figure(info), "path", info.progress)
    st.markdown(
        f":blue[**Blue: {classes[settings.target]}, target class**]"
        + ("" if info.predicted == settings.target else f", :orange[**orange: {classes[info.predicted]}, predicted**]")
        + (
            ""
            if info.focused_output in (settings.target, info.predicted)
            else f", :red[**red: {classes[info.focused_output]}**]"
        )
        + f". In the {'map' if view.dataset.shape else 'bars'} :green[**green**] weights increase and "
        ":violet[**purple**] ones decrease. Each dot stands for "
        "all spikes at one time (larger means more spikes), on the kernel K(t_max − t)."
    )
    if k > 1:
        st.caption(
            f"Each class pools {k} tempotrons; its error is distributed by the softmax of their peaks. Membrane "
            "potentials and peaks are those of the class, weights and kernel those of one tempotron."
        )
    show_code.render(lambda: rule_code(show_code.code_input(view), encode_steps(sequence.steps), asdict(settings)))


def equations() -> None:
    """Show the equations and their source."""
    st.latex(r"\Delta w_i = \lambda\,e\,K(t_{max}-t_i)")
    st.latex(r"e = -\frac{\partial\,\text{loss}}{\partial v_{max}}")
    st.markdown(
        "- tempotron rule: e = +1 for an output that should fire and does not, −1 for one that fires and should not, "
        "else 0\n- squared distance: the same times 2 |v_threshold − v_max|\n- cross-entropy: e = 1 − p for the target "
        "class and −p for the others, p the softmax of the peaks\n\nV is linear in the weights, so V(t_max) changes by "
        "exactly λ·e·ΣK². The new peak may be at another time."
    )
    st.caption("Gütig, Sompolinsky: The tempotron: a neuron that learns spike timing-based decisions, 2006.")


page_header("Learning rule")
draw_body(render)
lazy_expander("The equations", equations)
