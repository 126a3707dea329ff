"""The learning rule under the microscope: one training step on one digit, on a copy of the chosen model."""

from typing import Any

import numpy as np
import streamlit as st
import torch

from pages import common
from tempotron_core import figures
from tempotron_core.evidence import kernel_at_peak
from tempotron_core.rule import MOST_STEPS, Lesson, Step, Walk, lessons_of, step, walk, written

RULES = {"tempotron rule": "linear", "squared distance": "threshold-mse", "cross-entropy": "cross-entropy"}
RATES = tuple(f"{digit}e-{power}" for power in (6, 5, 4, 3) for digit in (1, 2, 5))
LABEL = "its true class"
HARDEST = "the hardest pushed"
ALL = "all, summed"
AHEAD = (
    "The chosen model has learned on since. This copy keeps the weights it began with; Start over takes the new ones."
)


def choices(view: common.View) -> dict[str, Any]:
    """What the copy was taken from, by the names that the viewer knows."""
    model = view.model
    constants = (model.m, model.T, model.beta, model.tau, model.tau_s, model.v_threshold, model.k, model.weight.shape)
    return {
        "data set": (view.dataset.name, common.choice("dir")),
        "sample": view.index,
        "model": (common.choice("model"), common.choice("run"), constants),
    }


def present(view: common.View) -> tuple[Walk, str | None]:
    """The steps so far, and a remark: begun anew for another digit or model, kept while the model itself learns on."""
    state, now = st.session_state, choices(view)
    was, taken, words = state.get("rule_choices"), state.get("rule_walk"), None
    if was is None or taken is None:
        lessons = lessons_of(st.query_params.get("rule_steps", ""), len(view.dataset.classes))
        taken = walk(view.model, view.image, lessons)
    elif was != now:
        changed = next(name for name in now if was[name] != now[name])
        if taken.lessons:
            state["rule_words"] = f"Another {changed} was chosen: the steps begin anew, on a fresh copy."
        taken, state["rule_own"] = walk(view.model, view.image), False
    elif not torch.equal(taken.origin.weight, view.model.weight):
        if state.get("rule_own") and taken.lessons:
            words = AHEAD
        else:
            taken = walk(view.model, view.image, taken.lessons)
    state["rule_choices"], state["rule_walk"] = now, taken
    text = written(taken.lessons)
    if text:
        st.query_params["rule_steps"] = text
    elif "rule_steps" in st.query_params:
        del st.query_params["rule_steps"]
    return taken, words or state.get("rule_words")


def take(taken: Walk) -> None:
    st.session_state.update(rule_walk=taken, rule_own=True, rule_words=None)


def told(view: common.View, taken: Walk, found: Step) -> figures.StepInfo:
    before, after = found.before, found.after
    return figures.StepInfo(
        len(taken.lessons) + 1, found.lesson.target, view.dataset.classes, before.v.numpy(), after.v.numpy(),
        before.v_max.numpy(), before.t_max.numpy(), after.v_max.numpy(), after.t_max.numpy(),
        found.wrong.numpy(), found.dead.all(dim=1).numpy(), found.error.sum(dim=1).numpy(),
        found.lesson.rule == "cross-entropy", view.model.v_threshold,
        np.array([peaks.numpy() for peaks in taken.peaks]),
    )  # fmt: skip


def change(view: common.View, found: Step, output: int, j: int, neuron: int | None) -> figures.ChangeInfo:
    name, t_max = view.dataset.classes[output], int(found.t_max[output, j])
    name = name if view.model.k == 1 else f"tempotron {j + 1} of {name}"
    grid = torch.arange(0, view.model.T - 0.75, 0.25)
    factor = found.lesson.rate * float(found.error[output, j])
    peak, when = found.after.neurons[output, j].max(dim=0)
    return figures.ChangeInfo(
        name, found.dw[output, j].numpy(), found.before.times.numpy(), float(found.error[output, j]),
        found.lesson.rate, t_max, int(when), grid.numpy(), factor * kernel_at_peak(view.model, grid, t_max).numpy(),
        float(found.predicted[output, j]), float(found.actual[output, j]),
        float(peak - found.before.neurons[output, j].max()), bool(found.dead[output, j]), view.pixels, neuron,
    )  # fmt: skip


def picked(column: Any, label: str, first: str, options: tuple[str, ...], key: str) -> int | None:
    """Which of the options was chosen; None for the first, which stands for none of them."""
    value = column.selectbox(label, (first, *options), key=key, bind="query-params")
    return options.index(value) if value in options else None


def numbers(count: int) -> tuple[str, ...]:
    return tuple(str(j) for j in range(1, count + 1))


def learning() -> None:
    view = common.view()
    classes, k = view.dataset.classes, view.model.k
    taken, words = present(view)
    place, columns = st.empty(), st.columns(6 if k > 1 else 5)
    rule = columns[0].selectbox("Rule", tuple(RULES), key="rule", bind="query-params")
    target = picked(columns[1], "Teach it as", LABEL, classes, "rule_target")
    rate = columns[2].select_slider("Learning rate λ", RATES, "1e-4", key="rule_rate", bind="query-params")
    lesson = Lesson(view.label if target is None else target, float(rate), RULES.get(str(rule), "linear"))
    output = picked(columns[3], "Weights of", HARDEST, classes, "rule_output")
    neuron = picked(columns[4], "Tuning neuron", ALL, numbers(view.model.m), "rule_neuron")
    tempotron = picked(columns[5], "Tempotron", HARDEST, numbers(k), "rule_tempotron") if k > 1 else None
    found = step(taken.model, view.image, lesson)
    info = told(view, taken, found)
    output = (info.pushed or [lesson.target])[0] if output is None else output
    tempotron = int(found.error[output].abs().argmax()) if tempotron is None else tempotron
    one = change(view, found, output, tempotron, neuron)
    place.markdown("\n".join([f"## {info.headline}", *(f"- {sentence}" for sentence in info.sentences)]))
    with st.container(horizontal=True, vertical_alignment="center"):
        count = len(taken.lessons)
        stuck = not found.moves or count >= MOST_STEPS
        st.button("Step", on_click=lambda: take(taken.on(lesson)), icon=":material/skip_next:", type="primary",
                  disabled=stuck, key="rule_step")  # fmt: skip
        st.button("Step × 10", on_click=lambda: take(taken.on(lesson, 10)), disabled=stuck, key="rule_steps_10")
        st.button("Undo", on_click=lambda: take(taken.back()), icon=":material/undo:", disabled=not count,
                  key="rule_undo")  # fmt: skip
        st.button("Start over", on_click=lambda: take(walk(view.model, view.image)), icon=":material/restart_alt:",
                  disabled=not count, key="rule_restart")  # fmt: skip
        st.markdown(f"**{count} {'step' if count == 1 else 'steps'} taken**, on a copy: the chosen model is untouched.")
    common.note(words or view.note)
    left, right = st.columns([1.6, 1])
    with left:
        st.markdown("#### Potentials before (dotted) and after (solid)")
        common.chart(figures.step_figure(info), "step", info.takeaway)
        st.markdown(f"#### {one.effect}")
        common.chart(figures.kernel_figure(one), "kernel", one.effect)
    with right:
        st.markdown(f"#### {one.takeaway}")
        common.chart(figures.change_figure(one), "change", one.takeaway)
        st.markdown("#### Peaks, step by step")
        common.chart(figures.path_figure(info), "path", info.takeaway)


st.title("Learning rule")
st.fragment(learning, run_every=common.FOLLOW_SECONDS if common.follows_live_run() else None)()
with st.expander("The equations"):
    st.latex(r"\Delta w_i = \lambda\,e\,K(t_{max}-t_i),\qquad e = -\frac{\partial\,\text{loss}}{\partial v_{max}}")
    st.markdown(
        "- tempotron rule: e = +1 where an output is silent and should fire, −1 where it fires and should not, else 0\n"
        "- squared distance: the same, times 2 |v_threshold − v_max|\n"
        "- cross-entropy: 1 or 0, as it should be, less the output's share of the softmax of the peaks\n\n"
        "V is linear in the weights, so V(t_max) moves by λ·e·ΣK² exactly; the new peak may lie at another time."
    )
    st.caption("Gütig, Sompolinsky: The tempotron: a neuron that learns spike timing-based decisions, 2006.")
