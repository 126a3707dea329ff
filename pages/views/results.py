"""Page "Results": test accuracy, confusion matrix, most confident errors, distributions of margin and peak."""

import numpy as np
import streamlit as st

from pages.components import charts, experiment_bar, stage
from pages.components.page import chart_heading, lazy_expander, page_header, report_experiment_errors, switch_page
from pages.state.experiment import View, cache_key, resolve_view
from pages.state.settings import url_widget
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.analysis.evaluation import Evaluation, evaluate, wilson_interval
from tempotron_core.data.datasets import Dataset
from tempotron_core.model.classifier import Model

ANY = "any"
GALLERY_SIZE = 12


@st.cache_resource(max_entries=8, show_spinner="Classifying the test set")
def cached_results(key: str, _model: Model, _dataset: Dataset) -> Evaluation:
    """Return the evaluation of a model on the test set."""
    return evaluate(_model, _dataset.test)


def on_cell_selected(classes: tuple[str, ...]) -> None:
    """Select the true and the predicted class of the cell that was clicked."""
    cell = figures.cell_of_selection(st.session_state["confusion"]["selection"]["points"], len(classes))
    if cell is not None:
        st.session_state["true"], st.session_state["taken"] = classes[cell[0]], classes[cell[1]]


def open_sample(index: int) -> None:
    """Select a sample and go to its membrane potentials."""
    st.session_state["sample"], st.session_state["leave"] = index, True


def sample_gallery(view: View, results: Evaluation, cell: tuple[int | None, int | None]) -> None:
    """Show the samples of a cell of the confusion matrix, the most confident errors first.

    Args:
        view: data set
        results: evaluation on its test set
        cell: true and predicted class, None for any
    """
    order = results.by_confidence_of_error(*cell)
    classes = view.dataset.classes
    st.markdown(
        f"**{len(order):,} test samples, the most confident errors first.** Open one to see its membrane potentials."
    )
    columns = st.columns(6)
    for position, index in enumerate(order[:GALLERY_SIZE].tolist()):
        with columns[position % 6].container():
            true, predicted = classes[results.labels[index]], classes[results.predicted[index]]
            caption = true if true == predicted else f"{true} → {predicted}"
            image = view.dataset.test.images[index].numpy()
            charts.html_figure(figures.digit_html(image, f"{caption}, test sample {index}", 110, view.dataset.features))
            label = f"{caption} ({results.margin[index]:+.2f})"
            st.button(label, key=f"open_{position}", width="stretch", on_click=open_sample, args=(index,))


def distributions(results: Evaluation) -> None:
    """Show histograms of the margin, the highest peak and its time, for correct and incorrect predictions."""
    names = ("correct", "incorrect")
    columns, peaks = st.columns(3), results.v_max.max(axis=1)
    t_max = results.t_max[range(len(results.labels)), results.predicted]
    for column, key, title, quantity, axis, values, mark in (
        (0, "margins", "Margin of the true class", "margin", "margin", results.margin, 0.0),
        (1, "peaks", "Highest peak and threshold", "peak", "peak potential", peaks, results.v_threshold),
        (2, "times", "Time of the highest peak", "t_max in ms", "t_max, ms", t_max, None),
    ):
        takeaway = figures.split_takeaway(values, results.correct, quantity, names)
        with columns[column]:
            st.markdown(f"**{title}**\n\n{takeaway}")
            charts.plotly_chart(
                figures.histogram_figure(values, results.correct, axis, names, mark), key, f"{title}. {takeaway}"
            )


def render() -> None:
    """Draw the page."""
    if st.session_state.pop("leave", False):
        switch_page("views/voltages.py")
    view = resolve_view()
    classes = view.dataset.classes
    results = cached_results(cache_key(view.model, view.dataset), view.model, view.dataset)
    interval = wilson_interval(int(results.correct.sum()), len(results.labels))
    info = figures.EvaluationInfo(results.confusion, classes, results.accuracy, interval)
    chart_heading(info.takeaway)
    place = stage.key_figure_stage()
    experiment_bar.render(view)
    first, second = st.columns(2)
    true = first.selectbox("True class", (ANY, *classes), **url_widget("true"))
    predicted = second.selectbox("Predicted class", (ANY, *classes), **url_widget("taken"))
    cell = tuple(None if name == ANY else classes.index(name) for name in (true, predicted))
    with stage.on_stage(place):
        left, right = st.columns([1.6, 1])
    height = stage.figure_height(520, info.takeaway, taken=45)
    with left:
        st.markdown("**Confusion matrix**: click a cell to see its samples")
        confusion = figures.confusion_figure(info, (cell[0], cell[1]), height)
        charts.plotly_chart(
            confusion, "confusion", info.takeaway, on_select=lambda: on_cell_selected(classes), selection_mode="points"
        )
    with right:
        worst = int(np.nan_to_num(results.per_class, nan=1.0).argmin())  # a class may have no test sample
        st.markdown(f"**Accuracy per class**: lowest for {classes[worst]}, {results.per_class[worst]:.1%}")
        takeaway = figures.class_takeaway(results.per_class, classes)
        charts.plotly_chart(figures.class_figure(results.per_class, classes, height), "classes", takeaway)
    sample_gallery(view, results, (cell[0], cell[1]))
    lazy_expander("Distributions of margin, peak potential and peak time", lambda: distributions(results))
    t_max = results.t_max[range(len(results.labels)), results.predicted]
    none, exactly_one = (results.num_fired == 0).mean(), (results.num_fired == 1).mean()
    st.markdown(
        f"Exactly one output reaches the threshold for {exactly_one:.1%} of the samples, none for {none:.1%}; the mean "
        f"number is {results.num_fired.mean():.2f}. The highest peak is at the last time step, cut off by T, for "
        f"{(t_max == results.T - 1).mean():.1%}."
    )


page_header("Results")
flushing_fragment(report_experiment_errors(render))()
