"""How a model does on the whole test set, and where it errs."""

import streamlit as st

from pages.components import charts
from pages.components.page import chart_heading, lazy_expander, optional_caption, page_header, switch_page
from pages.state.experiment import View, cache_key, resolve_view
from pages.state.settings import url_widget
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.analysis.evaluation import Evaluation, evaluate, wilson_interval
from tempotron_core.data.datasets import Dataset
from tempotron_core.model.classifier import Model

ANY = "any"
GALLERY_SIZE = 12


@st.cache_resource(max_entries=8, show_spinner="Running the test set through the network")
def cached_results(key: str, _model: Model, _dataset: Dataset) -> Evaluation:
    return evaluate(_model, _dataset.test)


def on_cell_selected(classes: tuple[str, ...]) -> None:
    """Take over the cell that was clicked."""
    cell = figures.cell_of_selection(st.session_state["confusion"]["selection"]["points"], len(classes))
    if cell is not None:
        st.session_state["true"], st.session_state["taken"] = classes[cell[0]], classes[cell[1]]


def open_sample(index: int) -> None:
    """Choose the sample that was clicked, and leave for its potentials."""
    st.session_state["sample"], st.session_state["leave"] = index, True


def sample_gallery(view: View, results: Evaluation, cell: tuple[int | None, int | None]) -> None:
    order = results.by_confidence_of_error(*cell)
    classes = view.dataset.classes
    st.markdown(f"**{len(order):,} test samples, the most confident mistakes first.** Open one to see its potentials.")
    columns = st.columns(6)
    for position, index in enumerate(order[:GALLERY_SIZE].tolist()):
        with columns[position % 6].container():
            true, predicted = classes[results.labels[index]], classes[results.predicted[index]]
            caption = true if true == predicted else f"{true} → {predicted}"
            image = view.dataset.test.images[index].numpy()
            charts.html_figure(figures.digit_html(image, f"{caption}, test sample {index}", height=110))
            label = f"{caption} ({results.margin[index]:+.2f})"
            st.button(label, key=f"open_{position}", width="stretch", on_click=open_sample, args=(index,))


def distributions(results: Evaluation) -> None:
    """Of the margin, of the highest peak, and of when it comes."""
    names = ("right", "wrong")
    columns, peaks = st.columns(3), results.v_max.max(axis=1)
    when = results.t_max[range(len(results.labels)), results.predicted]
    for column, key, title, quantity, axis, values, mark in (
        (0, "margins", "Margin of the true class", "margin", "margin", results.margin, 0.0),
        (1, "peaks", "Highest peak, against the threshold", "peak", "peak potential", peaks, results.v_threshold),
        (2, "times", "When the winner peaks", "t_max in ms", "t_max, ms", when, None),
    ):
        words = figures.split_takeaway(values, results.correct, quantity, names)
        with columns[column]:
            st.markdown(f"**{title}**\n\n{words}")
            charts.plotly_chart(
                figures.histogram_figure(values, results.correct, axis, names, mark), key, f"{title}. {words}"
            )


def render() -> None:
    if st.session_state.pop("leave", False):
        switch_page("views/voltages.py")
    view = resolve_view()
    classes = view.dataset.classes
    if view.model.weight.shape[0] != len(classes) * view.model.tempotrons_per_class:
        st.warning(
            f"Expected a model of {len(classes)} classes, got one of {view.model.weight.shape[0] // view.model.tempotrons_per_class}; "
            "choose another model or data set."
        )
        return
    results = cached_results(cache_key(view.model, view.dataset), view.model, view.dataset)
    interval = wilson_interval(int(results.correct.sum()), len(results.labels))
    info = figures.EvaluationInfo(results.confusion, classes, results.accuracy, interval)
    chart_heading(info.takeaway)
    optional_caption(view.note)
    first, second = st.columns(2)
    true = first.selectbox("True class", (ANY, *classes), **url_widget("true"))
    decision = second.selectbox("Decision", (ANY, *classes), **url_widget("taken"))
    cell = tuple(None if name == ANY else classes.index(name) for name in (true, decision))
    left, right = st.columns([1.6, 1])
    with left:
        st.markdown("**Who is taken for whom**: click a cell")
        confusion = figures.confusion_figure(info, (cell[0], cell[1]))
        charts.plotly_chart(
            confusion, "confusion", info.takeaway, on_select=lambda: on_cell_selected(classes), selection_mode="points"
        )
    with right:
        worst = int(results.per_class.argmin())
        st.markdown(f"**Worst class {classes[worst]}**, right in {results.per_class[worst]:.1%}")
        words = figures.class_takeaway(results.per_class, classes)
        charts.plotly_chart(figures.class_figure(results.per_class, classes), "classes", words)
    sample_gallery(view, results, (cell[0], cell[1]))
    lazy_expander("How sure, and when: margins, peaks and their times", lambda: distributions(results))
    t_max = results.t_max[range(len(results.labels)), results.predicted]
    none, exactly_one = (results.num_fired == 0).mean(), (results.num_fired == 1).mean()
    st.markdown(
        f"Exactly one output fires for {exactly_one:.1%} of the samples, none for {none:.1%}, {results.num_fired.mean():.2f} on "
        f"average. The winner's peak comes at the last instant for {(t_max == results.T - 1).mean():.1%}."
    )


page_header("Results")
flushing_fragment(render)()
