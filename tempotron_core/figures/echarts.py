"""Conversion of a Plotly figure of lines, marks or bars to the option dictionary of an ECharts chart.

Figures are defined once, for Plotly, and exported in that form. Pages that redraw often use ECharts, which updates a
chart in place and in a fraction of Plotly's time.
"""

from __future__ import annotations

import math
import re
from html import escape, unescape
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme

__all__ = ["make_option", "ticks"]

_GRID = "rgba(127,135,144,0.25)"
_DASH = {"dot": [2, 5], "dash": [9, 7], "longdash": [15, 7], "dashdot": [9, 5, 2, 5], "14px,3px": [14, 3]}
_SYMBOL = {
    "square": "rect",
    "diamond": "diamond",
    "triangle-up": "triangle",
    "x": "path://M22 0L50 28L78 0L100 22L72 50L100 78L78 100L50 72L22 100L0 78L28 50L0 22Z",
    "cross": "path://M33 0L67 0L67 33L100 33L100 67L67 67L67 100L33 100L33 67L0 67L0 33L33 33Z",
    "star": "path://M50 0L62 36L100 36L69 59L80 96L50 73L20 96L31 59L0 36L38 36Z",
    "hexagon": "path://M50 0L94 25L94 75L50 100L6 75L6 25Z",
}
_FIELD = re.compile(r"%\{(\w+)(?::([^}]*))?\}")
_UNICODE_LEVELS = {
    "sub": str.maketrans("0123456789i", "₀₁₂₃₄₅₆₇₈₉ᵢ"),
    "sup": str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻"),
}
_TAG = re.compile(r"(</?b>|<br>)")
_NARROW = 560
_LEGEND_WIDTH = 300


_COMPOUND = {"font", "line", "marker", "margin", "textfont", "tickfont", "title", "xaxis", "yaxis"}


class _Part:
    """Part of a figure as plain data with the access of Plotly's objects, whose properties take far longer to read."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        value = self._values.get(name)
        if name in _COMPOUND:
            return _Part(value or {})
        if name in ("shapes", "annotations"):
            return [_Part(entry) for entry in value or ()]
        return value

    __getitem__ = __getattr__


class _Figure(NamedTuple):
    """Traces and layout of a figure."""

    data: list[_Part]
    layout: _Part


def make_option(figure: go.Figure) -> dict[str, Any]:
    """Convert a figure of scatter traces, bars, straight shapes and annotations to an ECharts option."""
    parts = _Figure([_Part(trace.to_plotly_json()) for trace in figure.data], _Part(figure.layout.to_plotly_json()))
    layout = parts.layout
    if layout.xaxis.visible is False:
        text_style = {"fontSize": layout.annotations[0].font.size, "fontWeight": "normal", "color": theme.REFERENCE}
        text = _plain_text(layout.annotations[0].text)
        return {"title": {"text": text, "left": "center", "top": "middle", "textStyle": text_style}, "series": []}
    x_range, y_range = _axis_range(parts, "x"), _axis_range(parts, "y")
    ranges = (x_range, y_range)
    series = [_line_series(trace) if "lines" in _trace_mode(trace) else _mark_series(trace) for trace in parts.data]
    series += [_shape_series(shape, ranges) for shape in layout.shapes]
    series += [_text_series(label, ranges) for label in layout.annotations]
    if layout.yaxis.zeroline:
        series.append(_straight_line([[x_range[0], 0], [x_range[1], 0]], {"color": theme.REFERENCE, "width": 1.5}))
    margin = layout.margin
    option: dict[str, Any] = {
        "animation": False,
        "grid": {
            "left": margin.l,
            "right": margin.r,
            "top": margin.t,
            "bottom": margin.b,
            "containLabel": False,
            "outerBoundsMode": "none",
        },
        "xAxis": _axis(layout.xaxis, x_range, margin.b - 26) | {"splitLine": {"show": False}},
        "yAxis": _axis(layout.yaxis, y_range, margin.l - 26) | {"splitLine": {"lineStyle": {"color": _GRID}}},
        "tooltip": {
            "trigger": "axis" if any(entry["tooltip"].get("trigger") == "axis" for entry in series) else "item",
            "confine": True,
            "transitionDuration": 0,
            "order": "valueDesc" if layout.hovermode == "closest" else "seriesAsc",
            "textStyle": {"fontSize": layout.font.size},
            "axisPointer": {"animation": False, "lineStyle": {"color": theme.REFERENCE}},
        },
        "series": series,
    }
    return option | _legend(parts)


def _trace_mode(trace: Any) -> str:
    return str(trace.mode) if trace.type == "scatter" else ""


def _axis(axis: Any, ends: tuple[float, float], gap: float) -> dict[str, Any]:
    places = ticks(*ends, axis.dtick)
    return {
        "type": "value",
        "min": ends[0],
        "max": ends[1],
        "name": _plain_text(axis.title.text or ""),
        "nameLocation": "middle",
        "nameGap": gap,
        "nameTextStyle": _text_size(axis.title.font.size),
        "axisLabel": _text_size(axis.tickfont.size) | {"customValues": places, "hideOverlap": True, "margin": 8},
        "axisTick": {"show": False, "customValues": places},
        "axisLine": {"show": False},
    }


def _text_size(size: float) -> dict[str, float]:
    """Set the size of text, with an explicit line height.

    ECharts otherwise measures the line height with a character that the font of the page may lack.
    """
    return {"fontSize": size, "lineHeight": round(1.25 * size)}


def _axis_range(figure: _Figure, name: str) -> tuple[float, float]:
    """Return the range of an axis, or the one that Plotly would choose for its values."""
    axis = figure.layout[f"{name}axis"]
    if axis.range is not None:
        return float(axis.range[0]), float(axis.range[1])
    values_by_trace = [np.asarray(trace[name], float) for trace in figure.data if trace[name] is not None]
    values = np.concatenate([part[np.isfinite(part)] for part in values_by_trace] or [np.zeros(1)])
    low, high = float(values.min(initial=math.inf)), float(values.max(initial=-math.inf))
    low, high = (low, high) if low <= high else (0.0, 1.0)
    includes_zero = axis.rangemode == "tozero"
    low, high = (min(low, 0.0), max(high, 0.0)) if includes_zero else (low, high)
    if low == high:
        return low - (not includes_zero), high + 1
    padding = (0.05 if name == "y" else 0.02) * (high - low)
    return low - padding * (low < 0 or not includes_zero), high + padding * (high > 0 or not includes_zero)


def _line_series(trace: Any) -> dict[str, Any]:
    """Convert a trace with lines; its tooltip shows the values at the x position of the pointer."""
    marked = "markers" in _trace_mode(trace)
    colour, opacity = trace.line.color, 1 if trace.opacity is None else trace.opacity
    dash = _DASH.get(trace.line.dash or "")
    look = {"color": colour, "width": trace.line.width or 2, "opacity": opacity, "cap": "butt", "join": "round"}
    hover = trace.hovertemplate if trace.hoverinfo != "skip" else None
    return {
        "type": "line",
        "name": _plain_text(trace.name or _before_value(hover)),
        "data": [[_number(x), _number(y)] for x, y in zip(trace.x, trace.y, strict=True)],
        "lineStyle": look | ({"type": dash} if dash else {}),
        "itemStyle": {"color": colour, "opacity": opacity},
        "symbol": _SYMBOL.get(trace.marker.symbol or "", "circle") if marked else "none",
        "symbolSize": trace.marker.size or 6,
        "showSymbol": marked,
        "clip": trace.cliponaxis is not False,
        "emphasis": {"disabled": True},
        "z": 3,
        "silent": True,
        "tooltip": {"trigger": "axis", "valueFormatter": _printf_format(hover)} if hover else {"show": False},
    }


def _mark_series(trace: Any) -> dict[str, Any]:
    """Convert markers or bars; each has its own tooltip."""
    count, bars = len(trace.x), trace.type == "bar"
    look = trace.marker
    names = _broadcast(trace.text, count) if "text" in _trace_mode(trace) else None
    hover = trace.hovertemplate if trace.hoverinfo != "skip" else None
    template, columns = _tooltip_template(trace, hover) if hover else ("", [])
    items = []
    colours, sizes = _broadcast(look.color, count), _broadcast(None if bars else look.size, count)
    widths, edges = (_broadcast(values, count) for values in (look.line.width, look.line.color))
    for i, (x, y) in enumerate(zip(trace.x, trace.y, strict=True)):
        item: dict[str, Any] = {"value": [_number(x), _number(y), *(column[i] for column in columns)]}
        if bars:
            item["itemStyle"] = {"color": colours[i]}
        else:
            hollow = look.symbol == "circle-open"
            edge = edges[i] or (colours[i] if hollow else None)
            item["itemStyle"] = {"color": "transparent" if hollow else colours[i]} | (
                {"borderColor": edge, "borderWidth": widths[i] or 0} if edge else {}
            )
            item["symbolSize"] = float(sizes[i])
            if names:
                item["name"] = _plain_text(str(names[i]))
        items.append(item)
    label = {
        "show": True,
        "position": "top",
        "distance": 1,
        "formatter": "{b}",
        "color": trace.textfont.color,
    } | _text_size(trace.textfont.size or 15)
    kind = {"type": "bar", "barCategoryGap": "20%"} if bars else {
        "type": "scatter",
        "symbol": _SYMBOL.get(look.symbol or "", "circle"),
        "itemStyle": {"opacity": 1 if look.opacity is None else look.opacity},
    }  # fmt: skip
    return kind | {
        "name": _plain_text(trace.name or ""),
        "data": items,
        "clip": trace.cliponaxis is not False,
        "emphasis": {"disabled": True},
        "z": 2 if bars else 4,
        "silent": not hover,
        "label": label if "text" in _trace_mode(trace) else {"show": False},
        "tooltip": {"trigger": "item", "formatter": template} if hover else {"show": False},
    }


def _straight_line(ends: list[list[float]], line: dict[str, Any], below: bool = False) -> dict[str, Any]:
    return {
        "type": "line",
        "data": ends,
        "lineStyle": line,
        "symbol": "none",
        "silent": True,
        "z": 2 if below else 3,
        "tooltip": {"show": False},
    }


def _shape_series(shape: Any, ranges: tuple[tuple[float, float], tuple[float, float]]) -> dict[str, Any]:
    ends = [
        [_to_data(x, shape.xref, ranges[0]), _to_data(y, shape.yref, ranges[1])]
        for x, y in ((shape.x0, shape.y0), (shape.x1, shape.y1))
    ]
    dash = _DASH.get(shape.line.dash or "")
    look = {"color": shape.line.color, "width": shape.line.width} | ({"type": dash} if dash else {})
    return _straight_line(ends, look, shape.layer == "below")


def _text_series(label: Any, ranges: tuple[tuple[float, float], tuple[float, float]]) -> dict[str, Any]:
    """Convert an annotation to an invisible mark with a label."""
    at = [_to_data(label.x, label.xref, ranges[0]), _to_data(label.y, label.yref, ranges[1])]
    across = 0 if label.xshift is None else label.xshift
    return {
        "type": "scatter",
        "itemStyle": {"opacity": 1},
        "data": [{"value": at, "name": _plain_text(label.text)}],
        "symbolSize": 0.01,
        "clip": False,
        "silent": True,
        "z": 5,
        "tooltip": {"show": False},
        "label": {
            "show": True,
            "position": [0, 0],
            "formatter": "{b}",
            "align": label.xanchor or "center",
            "verticalAlign": label.yanchor or "middle",
            "offset": [across, -(label.yshift or 0)],
            "color": label.font.color,
            "fontWeight": "bold" if "<b>" in label.text else "normal",
        }
        | _text_size(label.font.size or 15),
    }


def _to_data(value: float, ref: str | None, ends: tuple[float, float]) -> float:
    """Return a position in data coordinates; references to the paper or a domain are fractions of the axis."""
    is_fraction = ref is not None and (ref == "paper" or ref.endswith("domain"))
    return float(ends[0] + value * (ends[1] - ends[0]) if is_fraction else value)


def _legend(figure: _Figure) -> dict[str, Any]:
    if not figure.layout.showlegend:
        return {}
    names = [
        _plain_text(trace.name or "")
        for trace in figure.data
        if trace.mode in ("lines", "lines+markers") and trace.showlegend is not False
    ]
    size, margin = figure.layout.font.size, figure.layout.margin
    legend = {"data": names, "left": margin.l, "top": 4, "itemGap": 16, "padding": 0, "textStyle": _text_size(size)}
    if sum(len(name) + 6 for name in names) < 40:
        return {"legend": legend}
    # On a narrow page, the entries are listed vertically.
    lines = sum(math.ceil(0.5 * size * len(name) / _LEGEND_WIDTH) for name in names)
    below = {"orient": "vertical", "left": 0, "itemGap": 6, "textStyle": {"width": _LEGEND_WIDTH, "overflow": "break"}}
    room = {"top": 14 + round(1.25 * size * lines + 6 * len(names))}
    return {"legend": legend, "media": [{"query": {"maxWidth": _NARROW}, "option": {"legend": below, "grid": room}}]}


def _tooltip_template(trace: Any, hover: str) -> tuple[str, list[list[Any]]]:
    """Convert a hover template to an ECharts template and the columns of formatted values that it refers to."""
    count = len(trace.x)
    parts: list[str] = []
    columns: list[list[Any]] = []
    for i, part in enumerate(_FIELD.split(hover.replace("<extra></extra>", ""))):
        if i % 3 == 0:
            parts.append("".join(word if n % 2 else escape(unescape(word)) for n, word in enumerate(_TAG.split(part))))
        elif i % 3 == 1:
            parts.append(f"{{@[{2 + len(columns)}]}}")
            columns.append(_broadcast(trace[part], count))
        else:
            columns[-1] = [_formatted(value, part or "") for value in columns[-1]]
    return "".join(parts), columns


def _formatted(value: Any, form: str) -> str:
    """Format a value as Plotly would."""
    if isinstance(value, str):
        return _plain_text(value)
    return format(int(value) if form == "," else float(value), form or "g").replace("-", "−")


def _before_value(hover: str | None) -> str:
    """Return the text before the value of y in a hover template, "" if it contains other fields."""
    text = (hover or "").split("%{y")[0].split("<br>")[-1]
    return text.strip() if "%" not in text else ""


def _printf_format(hover: str) -> str:
    """Convert the format of y in a hover template, with the text after it."""
    found = re.search(r"%\{y(?::([^}]*))?\}([^<]*)", hover)
    form, after = (found[1] or "g", found[2]) if found else ("g", "")
    return "%" + form + after.replace("%", "%%")


def _plain_text(text: str) -> str:
    """Remove markup; superscripts and subscripts become Unicode characters."""
    text = re.sub(r"<(su[bp])>(.*?)</\1>", lambda found: found[2].translate(_UNICODE_LEVELS[found[1]]), text)
    return unescape(re.sub(r"</?b>", "", text).replace("<br>", " · "))


def _broadcast(value: Any, count: int) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | np.ndarray) else [value] * count


def _number(value: Any) -> float | None:
    """Round a number to six digits; None for values that JSON lacks."""
    return float(f"{float(value):.6g}") if math.isfinite(value) else None


def ticks(low: float, high: float, step: float | None = None, max_count: int = 6) -> list[float]:
    """Return the ticks of an axis.

    Args:
        low: Lower end of the axis.
        high: Upper end of the axis.
        step: Distance between ticks; None chooses 1, 2 or 5 times a power of ten.
        max_count: Approximate number of ticks if there is no step.
    """
    if not step:
        raw_step = (high - low) / max_count
        power = 10 ** math.floor(math.log10(raw_step))
        step = next(step * power for step in (1, 2, 5, 10) if step * power >= raw_step)
    return [round(n * step, 10) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
