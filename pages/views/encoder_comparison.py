"""Third view of the page "Encoder": two codes on the same sample, from the raster to the statistics."""

import functools

import numpy as np
import streamlit as st

from pages.components import charts
from pages.components.page import chart_heading
from pages.state.codes import code_of_view, preset_m
from pages.state.experiment import View
from pages.state.settings import url_widget
from pages.views.encoder_code_analysis import counts_of, statistics_of
from pages.views.encoder_one_pixel import sample_raster
from tempotron_core import figures
from tempotron_core.model.codes import CODES, DEFAULT_CODE, FittedCode, split_code

ROWS = (
    "Afferents per position",
    "Afferents",
    "Weights of one tempotron per class",
    "Spikes of this sample",
    "Median spike time of this sample, ms",
    "Mean spikes per training sample",
    "Spikes too late to peak",
    "Spikes at rest (black)",
)


def statistics_column(
    view: View, code: FittedCode, m: int, beta: float, T: int, raster: figures.RasterInfo
) -> tuple[str, ...]:
    """Return the numbers of a code in the order of ROWS."""
    rise = view.model.kernel.time_to_peak
    parts = [
        statistics_of(part, counts_of(view, part, part_m), part_m, beta, T, rise)
        for part, part_m in split_code(code, m)
    ]
    spikes = np.array([part.spikes_per_image for part in parts])
    total = max(float(spikes.sum()), 1e-9)
    counts = raster.foreground_histogram + raster.background_histogram
    median = "none"
    if raster.spikes:
        median = str(int(np.searchsorted(counts.cumsum(), raster.spikes / 2)))
    late = sum(part.late_spike_fraction * n for part, n in zip(parts, spikes, strict=True)) / total
    rest = sum(part.background_fraction * n for part, n in zip(parts, spikes, strict=True)) / total
    return (
        f"{m}", f"{raster.afferents:,}", f"{raster.afferents * len(view.dataset.classes):,}", f"{raster.spikes:,}",
        median, f"{spikes.sum():,.0f}", f"{late:.1%}", f"{rest:.1%}",
    )  # fmt: skip


def render(view: View, code: FittedCode, m: int, beta: float, T: int) -> None:
    """Show raster, histogram and statistics of the code and of a second one.

    Args:
        view: experiment
        code: first code
        m: its afferents per position
        beta: width parameter of both codes
        T: time window of both codes in ms
    """
    names = [name for name in CODES if name != code.name]
    likely = DEFAULT_CODE if code.name != DEFAULT_CODE else "local-pattern" if view.dataset.shape else "latency"
    # The options do not depend on the first code: another set of options would discard the choice.
    second_name = st.selectbox("Compare with", list(CODES), list(CODES).index(likely), **url_widget("compare"))
    if second_name == code.name:
        st.caption(f"Both codes are the same; choose one of {', '.join(names)}.")
    second_m = m if second_name == code.name else preset_m(view, second_name)
    second = code_of_view(view, second_name, second_m)
    columns, rows = st.columns(2), []
    for column, shown, shown_m, key in zip(columns, (code, second), (m, second_m), ("first", "second"), strict=True):
        raster = sample_raster(view, shown, shown_m, beta, T)
        rows.append(statistics_column(view, shown, shown_m, beta, T, raster))
        with column:
            st.markdown(f"**{shown.name}, m {shown_m}.** {raster.takeaway}")
            charts.html_figure(
                figures.raster_html(raster, 330),
                f"raster_{key}",
                raster.takeaway,
                functools.partial(raster_csv, raster),
            )
            charts.html_figure(figures.histogram_html(raster, 170))
    chart_heading(takeaway(code.name, second.name, rows[0][3], rows[1][3]))
    table = [f"| | {code.name} | {second.name} |", "|---|---|---|"]
    table += [f"| {name} | {a} | {b} |" for name, a, b in zip(ROWS, *rows, strict=True)]
    st.markdown("\n".join(table))
    st.caption(
        f"The same sample, beta {beta:g} and T {T} ms for both. The second code has the m of the model if it is the "
        "code of the model, else that of its preset."
    )


def takeaway(first: str, second: str, first_spikes: str, second_spikes: str) -> str:
    """Return the comparison of the numbers of spikes as a sentence."""
    if first == second:
        return f"{first}: {first_spikes} spikes."
    return f"{first} encodes this sample in {first_spikes} spikes, {second} in {second_spikes}."


def raster_csv(raster: figures.RasterInfo) -> str:
    """Return the spikes per millisecond of a raster as CSV."""
    return figures.columns_to_csv(
        {
            "time_ms": np.arange(raster.T),
            "spikes_at_rest": raster.background_histogram,
            "other_spikes": raster.foreground_histogram,
        }
    )
