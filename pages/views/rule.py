"""The learning rule under the microscope: one training step on one digit, on a copy of the chosen model."""

import streamlit as st

from pages.components import charts
from pages.components.page import lazy_expander, optional_caption, page_header
from pages.refresh import refresh_interval
from pages.state.experiment import View, resolve_view
from pages.state.settings import DEFAULTS, PRESENTATION_SCALE, is_presentation_mode, url_widget
from pages.state.training import LIVE_MODEL_REFRESH_SECONDS, is_live
from pages.streamlit_hooks import flushing_fragment
from pages.views import rule_steps
from tempotron_core import figures
from tempotron_core.analysis.learning_step import MOST_STEPS, Lesson, Walk, step, walk

RULES = {"tempotron rule": "linear", "squared distance": "threshold-mse", "cross-entropy": "cross-entropy"}
RATES = tuple(f"{digit}e-{power}" for power in (6, 5, 4, 3, 2) for digit in (1, 2, 5))
LABEL = "its true class"
MOST = "most wrong"
ALL = "all, summed"
WIDTH = 140


def width() -> int:
    return round(WIDTH * (PRESENTATION_SCALE if is_presentation_mode() else 1))


def picked(label: str, first: str, options: tuple[str, ...], key: str) -> int | None:
    """Which of the options was chosen; None for the first, which stands for none of them."""
    value = st.selectbox(label, (first, *options), width=width(), **url_widget(key))
    return options.index(value) if value in options else None


def numbers(count: int) -> tuple[str, ...]:
    return tuple(str(j) for j in range(1, count + 1))


def buttons(view: View, taken: Walk, lesson: Lesson, moves: bool) -> None:
    first, last = not taken.lessons, len(taken.lessons) >= MOST_STEPS
    ways = (
        ("Step again", "skip_next", last or not moves, lambda: taken.on(lesson)),
        ("10 more", "fast_forward", last or not moves, lambda: taken.on(lesson, 10)),
        ("Undo", "undo", first, taken.back),
        ("Start over", "restart_alt", first, lambda: walk(view.model, view.image)),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, icon, disabled, way in ways:
            st.button(
                label, icon=f":material/{icon}:", type="primary" if icon == "skip_next" else "secondary",
                disabled=disabled, key=f"rule_{icon}", on_click=lambda way=way: rule_steps.take(way()),
            )  # fmt: skip
        end = ", which can go no further" if last else ""
        st.markdown(f"On a copy{end}: the chosen model is untouched.")


def learning() -> None:
    view = resolve_view()
    classes, k = view.dataset.classes, view.model.k
    outputs = view.model.weight.shape[0] // k
    if outputs != len(classes):
        st.warning(
            f"Expected a model of {len(classes)} classes, got one of {outputs}; choose another model or data set.",
            icon=":material/error:",
        )
        return
    taken, words = rule_steps.present(view)
    place = st.empty()
    with st.container(horizontal=True):
        rule = st.selectbox("Rule", tuple(RULES), width=width(), **url_widget("rule"))
        target = picked("Teach it as", LABEL, classes, "rule_target")
        rate = st.select_slider(
            "Learning rate λ", RATES, DEFAULTS["rule_rate"], width=width(), **url_widget("rule_rate")
        )
        chosen = picked("Weights of", MOST, classes, "rule_output")
        neuron = picked("Tuning neuron", ALL, numbers(view.model.m), "rule_neuron")
        tempotron = picked("Tempotron", MOST, numbers(k), "rule_tempotron") if k > 1 else None
    lesson = Lesson(view.label if target is None else target, float(rate), RULES.get(str(rule), "linear"))
    found = step(taken.model, view.image, lesson)
    info = rule_steps.told(view, taken, found, chosen)
    if tempotron is None:
        tempotron = int(found.error[info.subject].abs().argmax())
    one = rule_steps.change(view, found, info.subject, tempotron, neuron)
    place.markdown("\n".join([f"## {info.headline}", *(f"- {sentence}" for sentence in info.sentences)]))
    buttons(view, taken, lesson, found.moves)
    optional_caption(words or view.note)
    left, right = st.columns([1.5, 1])
    with left:
        st.markdown("#### Potentials before (dotted) and after (solid)")
        charts.sketch(figures.step_figure(info), "step", info.takeaway)
        st.markdown(f"#### {one.effect}")
        charts.sketch(figures.kernel_figure(one), "kernel", one.effect)
    with right:
        st.markdown(f"#### {one.takeaway}")
        charts.drawn(figures.change_plate(one), "change", one.takeaway, lambda: figures.change_figure(one))
        st.markdown(f"#### {info.progress}")
        charts.sketch(figures.path_figure(info), "path", info.progress)
    st.markdown(
        f":blue[**Blue: {classes[lesson.target]}, what it should be**]"
        + ("" if info.predicted == lesson.target else f", :orange[**orange: {classes[info.predicted]}, predicted**]")
        + ("" if info.subject in (lesson.target, info.predicted) else f", :red[**red: {classes[info.subject]}**]")
        + ". In the map :green[**green**] weights rise and :violet[**purple**] ones fall; a dot stands for all spikes "
        "of its time, the larger the more, on the kernel turned back from t_max."
    )
    if k > 1:
        st.caption(
            f"Each class pools {k} tempotrons, which divide its error by the softmax of their peaks. Potentials and "
            "peaks are those of the class, weights and kernel those of one tempotron."
        )


def equations() -> None:
    st.latex(r"\Delta w_i = \lambda\,e\,K(t_{max}-t_i),\qquad e = -\frac{\partial\,\text{loss}}{\partial v_{max}}")
    st.markdown(
        "- tempotron rule: e = +1 where an output is silent and should fire, −1 where it fires and should not, else 0\n"
        "- squared distance: the same, times 2 |v_threshold − v_max|\n"
        "- cross-entropy: 1 or 0, as it should be, less the output's share of the softmax of the peaks\n\n"
        "V is linear in the weights, so V(t_max) moves by λ·e·ΣK² exactly; the new peak may lie at another time."
    )
    st.caption("Gütig, Sompolinsky: The tempotron: a neuron that learns spike timing-based decisions, 2006.")


page_header("Learning rule")
flushing_fragment(learning, run_every=refresh_interval(LIVE_MODEL_REFRESH_SECONDS, is_live()))()
lazy_expander("The equations", equations)
