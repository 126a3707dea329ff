"""Numbers of a figure as a tidy table: one header row with units, one row for each point or cell."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from typing import Any

import numpy as np
import plotly.graph_objects as go

__all__ = ["figure_to_csv"]


def figure_to_csv(figure: go.Figure) -> str:
    """Return the data of a figure as CSV: of a heatmap its cells, else the points of its lines, bars or marks.

    The columns are named like the axes, with their units. A column trace tells the lines apart where there are several.
    Marks on top of lines or cells repeat points and are left out, and so are gaps.
    """
    heatmaps = [trace for trace in figure.data if trace.type == "heatmap"]
    if heatmaps:
        return _cells(figure, heatmaps[0])
    lines = [trace for trace in figure.data if trace.type == "bar" or "lines" in (getattr(trace, "mode", None) or "")]
    shown = lines or list(figure.data)
    shown = [trace for trace in shown if trace.x is not None or trace.y is not None]
    names = [_plain(trace.name or "") for trace in shown]
    with_names = len(shown) > 1 or any(names)
    header = [_axis_name(figure.layout.xaxis, "x"), _axis_name(figure.layout.yaxis, "y")]
    header = header if header[0] != header[1] else ["x", "y"]
    rows = (
        [name or f"{trace.type} {number}", x, y] if with_names else [x, y]
        for number, (name, trace) in enumerate(zip(names, shown, strict=True), 1)
        for x, y in _points(trace)
    )
    return _write([*(["trace"] if with_names else []), *header], rows)


def _cells(figure: go.Figure, trace: Any) -> str:
    cells = np.asarray(trace.z)
    across, down = (
        np.arange(1, size + 1) if values is None else np.asarray(values)
        for values, size in ((trace.x, cells.shape[1]), (trace.y, cells.shape[0]))
    )
    header = [_axis_name(figure.layout.yaxis, "row"), _axis_name(figure.layout.xaxis, "column"), "value"]
    rows = ([down[i], across[j], cells[i, j]] for i in range(cells.shape[0]) for j in range(cells.shape[1]))
    return _write(header, rows)


def _points(trace: Any) -> list[tuple[Any, Any]]:
    ends = [None if values is None else list(values) for values in (trace.x, trace.y)]
    count = max(len(values) for values in ends if values is not None)
    points = zip(*(list(range(count)) if values is None else values for values in ends), strict=True)
    return [(x, y) for x, y in points if not any(_is_gap(value) for value in (x, y))]


def _is_gap(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _axis_name(axis: Any, default: str) -> str:
    """Return the title of an axis as the name of a column, such as time_ms."""
    text = _plain(axis.title.text or "").replace("%", " percent ")
    return re.sub(r"\W+", "_", text).strip("_").lower() or default


def _plain(text: str) -> str:
    return unescape(re.sub(r"<br\s*/?>", " ", re.sub(r"</?(b|i|sub|sup|span)[^>]*>", "", text)))


def _write(header: list[str], rows: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
