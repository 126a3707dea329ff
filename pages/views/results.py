"""Page "Results": test accuracy, confusion matrix, most confident errors, distributions of margin and peak."""

import numpy as np
import streamlit as st

from pages.components import charts, experiment_bar, show_code, stage
from pages.components.page import chart_heading, lazy_expander, page_header, report_experiment_errors, switch_page
from pages.state.evaluation import ANY, evaluate_view, remember_walk, selected_cell
from pages.state.experiment import View, resolve_view
from pages.state.own_sample import select_test_sample
from pages.state.settings import url_widget
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.analysis.evaluation import Evaluation, wilson_interval
from tempotron_core.interchange.code_generation import results_code

GALLERY_SIZE = 12
COUNTS, RATES = "counts", "rates, %"
OPEN_IN = {"Voltages": "views/voltages.py", "Evidence": "views/evidence.py"}


def on_cell_selected(classes: tuple[str, ...]) -> None:
    """Select the true and the predicted class of the cell that was clicked."""
    cell = figures.cell_of_selection(st.session_state["confusion"]["selection"]["points"], len(classes))
    if cell is not None:
        st.session_state["true"], st.session_state["taken"] = classes[cell[0]], classes[cell[1]]
        show_first_page()


def show_first_page() -> None:
    """Show the first samples of another selection."""
    st.session_state["gallery"] = 1


def open_sample(index: int) -> None:
    """Select a sample and go to its membrane potentials or contributions."""
    st.session_state["sample"], st.session_state["leave"] = index, True
    select_test_sample()


def sample_gallery(view: View, results: Evaluation, cell: tuple[int | None, int | None]) -> None:
    """Show the samples of a cell of the confusion matrix in pages, the most confident errors first.

    Args:
        view: data set
        results: evaluation on its test set
        cell: true and predicted class, None for any
    """
    order = results.by_confidence_of_error(*cell)
    classes = view.dataset.classes
    mistakes = int((~results.correct[order]).sum())
    num_pages = max(1, -(-len(order) // GALLERY_SIZE))
    if not 1 <= int(st.session_state.get("gallery") or 1) <= num_pages:
        st.session_state["gallery"] = num_pages
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(order):,} test samples, {mistakes:,} of them mistakes, the most confident errors first.**")
        st.segmented_control("Open in", tuple(OPEN_IN), default="Voltages", required=True, **url_widget("open_in"))
    columns = st.columns(6)
    page = st.pagination(num_pages, **url_widget("gallery"))
    first = (page - 1) * GALLERY_SIZE
    for position, index in enumerate(order[first : first + GALLERY_SIZE].tolist()):
        with columns[position % 6].container():
            true, predicted = classes[results.labels[index]], classes[results.predicted[index]]
            caption = true if true == predicted else f"{true} → {predicted}"
            image = view.picture(view.dataset.test.images[index])
            charts.html_figure(
                figures.digit_html(
                    image, f"{caption}, test sample {index}", 110, view.dataset.features, view.dataset.quantity
                )
            )
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
    view = resolve_view()
    classes = view.dataset.classes
    results = evaluate_view(view)
    if st.session_state.pop("leave", False):
        remember_walk(view, results)
        switch_page(OPEN_IN.get(str(st.session_state.get("open_in")), OPEN_IN["Voltages"]))
    interval = wilson_interval(int(results.correct.sum()), len(results.labels))
    info = figures.EvaluationInfo(results.confusion, classes, results.accuracy, interval)
    chart_heading(info.takeaway)
    place = stage.key_figure_stage()
    experiment_bar.render(view)
    for key in ("true", "taken"):
        if st.session_state.get(key) not in (None, ANY, *classes):
            st.session_state[key] = ANY  # a class of another data set
    first, second, third = st.columns([1, 1, 1], vertical_alignment="bottom")
    first.selectbox("True class", (ANY, *classes), on_change=show_first_page, **url_widget("true"))
    second.selectbox("Predicted class", (ANY, *classes), on_change=show_first_page, **url_widget("taken"))
    cells = third.segmented_control(
        "Confusion matrix in", (COUNTS, RATES), default=COUNTS, required=True, **url_widget("cells")
    )
    cell = selected_cell(classes)
    with stage.on_stage(place):
        left, right = st.columns([1.6, 1])
    height = stage.figure_height(520, info.takeaway, taken=45)
    with left:
        unit = ", % of the samples of each true class" if cells == RATES else ""
        st.markdown(f"**Confusion matrix**{unit}: click a cell to see its samples")
        confusion = figures.confusion_figure(info, cell, height, cells == RATES)
        charts.plotly_chart(
            confusion,
            "confusion",
            info.takeaway,
            numbers=lambda: charts.confusion_csv(results.confusion, classes),
            on_select=lambda: on_cell_selected(classes),
            selection_mode="points",
        )
    with right:
        counts = results.confusion.sum(axis=1)
        per_class = figures.ClassAccuracyInfo(
            results.per_class,
            np.array(
                [wilson_interval(int(c), int(n)) for c, n in zip(results.confusion.diagonal(), counts, strict=True)]
            ),
            classes,
        )
        st.markdown(per_class.heading)
        charts.plotly_chart(figures.class_figure(per_class, height), "classes", per_class.takeaway)
    sample_gallery(view, results, cell)
    lazy_expander("Distributions of margin, peak potential and peak time", lambda: distributions(results))
    t_max = results.t_max[range(len(results.labels)), results.predicted]
    none, exactly_one = (results.num_fired == 0).mean(), (results.num_fired == 1).mean()
    st.markdown(
        f"Exactly one output reaches the threshold for {exactly_one:.1%} of the samples, none for {none:.1%}; the mean "
        f"number is {results.num_fired.mean():.2f}. The highest peak is at the last time step, cut off by T, for "
        f"{(t_max == results.T - 1).mean():.1%}."
    )
    show_code.render(lambda: results_code(show_code.code_input(view)))


page_header("Results")
flushing_fragment(report_experiment_errors(render))()
