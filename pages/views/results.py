"""How a model does on the whole test set, and where it errs."""

import streamlit as st

from pages.components import charts
from pages.components.page import chart_heading, lazy_expander, optional_caption, page_header, switch_page
from pages.state.experiment import View, cache_key, resolve_view
from pages.state.settings import url_widget
from pages.streamlit_hooks import flushing_fragment
from tempotron_core import figures
from tempotron_core.analysis.evaluation import Results, assess, wilson_interval
from tempotron_core.data.datasets import Dataset
from tempotron_core.model.classifier import Model

EVERY = "any"
SHOWN = 12


@st.cache_resource(max_entries=8, show_spinner="Running the test set through the network")
def results(key: str, _model: Model, _dataset: Dataset) -> Results:
    return assess(_model, _dataset.test)


def clicked(classes: tuple[str, ...]) -> None:
    """Take over the cell that was clicked."""
    cell = figures.cell_of_selection(st.session_state["confusion"]["selection"]["points"], len(classes))
    if cell is not None:
        st.session_state["true"], st.session_state["taken"] = classes[cell[0]], classes[cell[1]]


def opened(index: int) -> None:
    """Choose the sample that was clicked, and leave for its potentials."""
    st.session_state["sample"], st.session_state["leave"] = index, True


def gallery(view: View, found: Results, cell: tuple[int | None, int | None]) -> None:
    ranked = found.ranked(*cell)
    classes = view.dataset.classes
    st.markdown(f"**{len(ranked):,} test samples, the most confident mistakes first.** Open one to see its potentials.")
    columns = st.columns(6)
    for place, index in enumerate(ranked[:SHOWN].tolist()):
        with columns[place % 6].container():
            true, taken = classes[found.labels[index]], classes[found.predicted[index]]
            words = true if true == taken else f"{true} → {taken}"
            image = view.dataset.test.images[index].numpy()
            charts.plate(figures.digit_plate(image, f"{words}, test sample {index}", height=110))
            label = f"{words} ({found.margin[index]:+.2f})"
            st.button(label, key=f"open_{place}", width="stretch", on_click=opened, args=(index,))


def distributions(found: Results) -> None:
    """Of the margin, of the highest peak, and of when it comes."""
    names = ("right", "wrong")
    columns, peaks = st.columns(3), found.v_max.max(axis=1)
    when = found.t_max[range(len(found.labels)), found.predicted]
    for column, key, title, quantity, axis, values, mark in (
        (0, "margins", "Margin of the true class", "margin", "margin", found.margin, 0.0),
        (1, "peaks", "Highest peak, against the threshold", "peak", "peak potential", peaks, found.v_threshold),
        (2, "times", "When the winner peaks", "t_max in ms", "t_max, ms", when, None),
    ):
        words = figures.split_takeaway(values, found.right, quantity, names)
        with columns[column]:
            st.markdown(f"**{title}**\n\n{words}")
            charts.chart(figures.histogram_figure(values, found.right, axis, names, mark), key, f"{title}. {words}")


def page() -> None:
    if st.session_state.pop("leave", False):
        switch_page("views/voltages.py")
    view = resolve_view()
    classes = view.dataset.classes
    if view.model.weight.shape[0] != len(classes) * view.model.k:
        st.warning(
            f"Expected a model of {len(classes)} classes, got one of {view.model.weight.shape[0] // view.model.k}; "
            "choose another model or data set."
        )
        return
    found = results(cache_key(view.model, view.dataset), view.model, view.dataset)
    interval = wilson_interval(int(found.right.sum()), len(found.labels))
    info = figures.ResultsInfo(found.confusion, classes, found.accuracy, interval)
    chart_heading(info.takeaway)
    optional_caption(view.note)
    first, second = st.columns(2)
    true = first.selectbox("True class", (EVERY, *classes), **url_widget("true"))
    taken = second.selectbox("Decision", (EVERY, *classes), **url_widget("taken"))
    cell = tuple(None if name == EVERY else classes.index(name) for name in (true, taken))
    left, right = st.columns([1.6, 1])
    with left:
        st.markdown("**Who is taken for whom**: click a cell")
        drawn = figures.confusion_figure(info, (cell[0], cell[1]))
        charts.chart(drawn, "confusion", info.takeaway, on_select=lambda: clicked(classes), selection_mode="points")
    with right:
        worst = int(found.per_class.argmin())
        st.markdown(f"**Worst class {classes[worst]}**, right in {found.per_class[worst]:.1%}")
        words = figures.class_takeaway(found.per_class, classes)
        charts.chart(figures.class_figure(found.per_class, classes), "classes", words)
    gallery(view, found, (cell[0], cell[1]))
    lazy_expander("How sure, and when: margins, peaks and their times", lambda: distributions(found))
    when = found.t_max[range(len(found.labels)), found.predicted]
    none, one_only = (found.fired == 0).mean(), (found.fired == 1).mean()
    st.markdown(
        f"Exactly one output fires for {one_only:.1%} of the samples, none for {none:.1%}, {found.fired.mean():.2f} on "
        f"average. The winner's peak comes at the last instant for {(when == found.T - 1).mean():.1%}."
    )


page_header("Results")
flushing_fragment(page)()
