"""Plotly figures as options of ECharts charts: every line, mark, bar, word and range of theirs."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from tempotron_core import figures
from tempotron_core.figures import theme
from tempotron_core.figures.builder import new_figure

HOSTILE = "'\"><img src=x onerror=alert(1)>{x}"


def option(figure: go.Figure) -> dict[str, Any]:
    """The option as the browser reads it, without numbers that JSON lacks."""
    found: dict[str, Any] = json.loads(json.dumps(figures.make_option(figure), allow_nan=False))
    return found


def figure_of(*traces: dict[str, Any], **layout: Any) -> go.Figure:
    sketch = new_figure(200, xaxis={"range": [0, 4]}, yaxis={"range": [-500, 1500]}, **layout)
    for trace in traces:
        (sketch.add_bar if trace.pop("bar", False) else sketch.add_scatter)(**trace)
    return sketch.build()


def words(series: dict[str, Any], i: int) -> str:
    """What a mark says at the pointer, as Streamlit fills the template in."""
    value = series["data"][i]["value"]
    return re.sub(r"\{@\[(\d+)\]\}", lambda found: str(value[int(found[1])]), series["tooltip"]["formatter"])


def test_marks_say_what_the_figure_says() -> None:
    figure = figure_of(
        {
            "x": [0, 1, 3],
            "y": [1234.5, -0.25, 2],
            "mode": "markers",
            "customdata": [1, 2000, 4],
            "text": ["a", "<b>b</b>", "d"],
            "marker": {"size": [5, 6, 7], "color": "red", "symbol": "diamond", "line": {"width": 2, "color": "white"}},
            "hovertemplate": "<b>%{text}</b><br>%{customdata:,} at %{x:.0f} ms: %{y:+.4f}<extra></extra>",
        }
    )
    (series,) = option(figure)["series"]
    assert [words(series, i) for i in range(3)] == [
        "<b>a</b><br>1 at 0 ms: +1234.5000",
        "<b>b</b><br>2,000 at 1 ms: −0.2500",
        "<b>d</b><br>4 at 3 ms: +2.0000",
    ]
    assert [point["value"][:2] for point in series["data"]] == [[0, 1234.5], [1, -0.25], [3, 2]]
    assert [point["symbolSize"] for point in series["data"]] == [5, 6, 7]
    assert series["symbol"] == "diamond"
    assert series["data"][0]["itemStyle"] == {"color": "red", "borderColor": "white", "borderWidth": 2}


def test_lines_have_their_values_look_and_format() -> None:
    line = {"x": [0, 3], "y": [0.123456789, 1], "mode": "lines"}
    figure = figure_of(
        {**line, "name": "run &lt;1&gt;", "hovertemplate": "test %{y:.2f} %", "line": {"color": "red", "dash": "dot"}},
        {**line, "hovertemplate": "loss %{y:.4g}<extra></extra>", "line": {"color": "red"}, "opacity": 0.4},
        {**line, "hoverinfo": "skip", "hovertemplate": "no", "line": {"color": "red", "width": 5}},
        hovermode="closest",
    )
    found = option(figure)
    named, unnamed, silent = found["series"]
    assert named["name"] == "run <1>" and named["tooltip"]["valueFormatter"] == "%.2f %%"
    assert named["data"] == [[0, 0.123457], [3, 1]]
    assert named["lineStyle"]["type"] == [2, 5] and named["lineStyle"]["width"] == 2
    assert unnamed["name"] == "loss" and unnamed["tooltip"]["valueFormatter"] == "%.4g"
    assert unnamed["lineStyle"]["opacity"] == 0.4 and "type" not in unnamed["lineStyle"]
    assert silent["tooltip"] == {"show": False} and silent["lineStyle"]["width"] == 5
    assert found["tooltip"]["trigger"] == "axis" and found["tooltip"]["order"] == "valueDesc"
    assert (found["xAxis"]["min"], found["xAxis"]["max"]) == (0, 4)
    assert (found["yAxis"]["min"], found["yAxis"]["max"]) == (-500, 1500)
    assert found["yAxis"]["axisLabel"]["customValues"] == [-500, 0, 500, 1000, 1500]
    assert found["grid"]["left"], found["grid"]["bottom"] == (theme.MARGINS[0], theme.MARGINS[3])
    assert not found["animation"]


def test_bars_shapes_and_words_lie_where_the_figure_has_them() -> None:
    sketch = new_figure(
        200,
        xaxis={"range": [0, 4], "title": {"text": "t<sub>i</sub>, 10<sup>-4</sup>"}},
        yaxis={"range": [-1, 3], "zeroline": True},
    )
    sketch.add_bar(x=[1, 2], y=[0.5, -0.25], marker={"color": ["green", "red"]}, hovertemplate="n %{x}: %{y:+.1f}")
    sketch.add_hline(y=2, line={"color": "blue", "width": 3, "dash": "dash"})
    sketch.add_vline(x=1, line={"color": "blue", "width": 3})
    sketch.add_annotation(
        **theme.text_label(0.5, 2, "<b>A</b> &amp; b", xref="paper", xanchor="left", yanchor="bottom")
    )
    found = option(sketch.build())
    bars, across, up, label, zero = found["series"]
    assert bars["type"] == "bar" and [bar["value"][:2] for bar in bars["data"]] == [[1, 0.5], [2, -0.25]]
    assert [bar["itemStyle"]["color"] for bar in bars["data"]] == ["green", "red"]
    assert words(bars, 1) == "n 2: −0.2"
    assert across["data"] == [[0, 2], [4, 2]] and across["lineStyle"]["type"] == [9, 7]
    assert up["data"] == [[1, -1], [1, 3]] and "type" not in up["lineStyle"]
    assert zero["data"] == [[0, 0], [4, 0]]
    assert label["data"] == [{"value": [2, 2], "name": "A & b"}]
    assert (label["label"]["align"], label["label"]["verticalAlign"]) == ("left", "bottom")
    assert label["label"]["fontSize"] == 15 and label["label"]["fontWeight"] == "bold"
    assert found["xAxis"]["name"] == "tᵢ, 10⁻⁴"


def test_an_empty_figure_is_its_words() -> None:
    found = option(figures.errors_figure(figures.ErrorsInfo(np.array([], int), 5, 9)))
    assert "will appear" in found["title"]["text"] and found["series"] == []


def test_a_long_legend_gets_room_on_a_narrow_page() -> None:
    names = tuple(f"a long name of a run, number {i}" for i in range(3))
    curves = (np.array([0.5, 0.6]),) * 3
    found = option(figures.comparison_figure(figures.ComparisonInfo(names, curves, curves)))
    assert found["legend"]["data"] == list(names)
    (narrow,) = found["media"]
    assert narrow["query"]["maxWidth"] > 390
    assert narrow["option"]["grid"]["top"] >= 3 * 15 * 1.2
    short = option(figures.comparison_figure(figures.ComparisonInfo(("a", "b"), curves[:2], curves[:2])))
    assert "media" not in short


def test_what_is_not_finite_leaves_a_gap_and_what_is_flat_a_range() -> None:
    nan = np.array([0.5, np.nan, 0.7, 0.8, np.inf])
    info = figures.CurvesInfo(np.arange(5) / 4, nan, nan, np.array([1]), np.array([np.nan]), 1)
    for figure in (figures.loss_figure(info), figures.accuracy_figure(info)):
        drawn = option(figure)["series"][0]["data"]
        assert [y is None for _, y in drawn] == [False, True, False, False, True]
    flat = figures.CurvesInfo(np.arange(3.0), np.zeros(3), np.zeros(3), np.array([1]), np.zeros(1), 1)
    axis = option(figures.loss_figure(flat))["yAxis"]
    assert axis["min"] == 0 and axis["max"] > 0


@pytest.mark.parametrize("mark", [True, False])
def test_names_are_only_words(mark: bool) -> None:
    curve = (np.array([0.5, 0.6]),)
    if mark:
        trace = {"x": [0, 1], "y": [0, 1], "mode": "markers", "marker": {"size": 5}, "text": [HOSTILE] * 2}
        found = option(figure_of(trace | {"hovertemplate": f"<b>{HOSTILE}</b> %{{text}}<extra></extra>"}))
        template = found["series"][0]["tooltip"]["formatter"]
        assert "<img" not in template and "onerror" in template and template.startswith("<b>")
    else:
        found = option(figures.comparison_figure(figures.ComparisonInfo((HOSTILE,), curve, curve)))
        assert found["series"][0]["name"] == HOSTILE  # ECharts writes names as text
        assert "formatter" not in found["tooltip"] and "formatter" not in found["series"][0]["tooltip"]


def test_a_point_costs_few_bytes() -> None:
    points = np.linspace(0, 1, 400)
    info = figures.CurvesInfo(points, points, points, points[::40], points[::40], 1)
    sent = [json.dumps(figures.make_option(make(info))) for make in (figures.accuracy_figure, figures.loss_figure)]
    assert sum(map(len, sent)) < 30_000
