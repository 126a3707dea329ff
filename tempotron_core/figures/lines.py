"""A chart of lines or bars as plain markup.

The browser takes a chart down and builds it up again for every new state, which shows as a blink while it learns, and
takes a while where several stand on a page; markup it only redraws.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from html import escape, unescape
from typing import Any

import plotly.graph_objects as go

from tempotron_core.figures import style

__all__ = ["lines_plate"]

_GRID = "rgba(127,135,144,0.25)"
_DASH = {"dot": "2 5", "dash": "9 7"}
_MOST_TICKS = 6


def lines_plate(figure: go.Figure, alt: str) -> str:
    """The lines, markers, bars, level lines and labels of a figure whose axes have ranges, where the chart has them."""
    layout = figure.layout
    if layout.xaxis.visible is False:
        words = escape(layout.annotations[0].text)
        look = f"height:{layout.height}px;display:grid;place-items:center;font-size:1.125rem;opacity:0.7"
        return f'<div role="img" aria-label="{escape(alt)}" style="{look}">{words}</div>'
    (left, right), (low, high) = layout.xaxis.range, layout.yaxis.range

    def across(x: float) -> float:
        return float((x - left) / (right - left))

    def down(y: float) -> float:
        return float((high - y) / (high - low))

    parts = []
    for tick in _ticks(low, high):
        parts.append(
            f'<div style="position:absolute;inset:{down(tick):.2%} 0 auto;border-top:1px solid {_GRID}"></div>'
        )
        parts.append(_label(-0.0, down(tick), f"{tick:,g}", "translate(calc(-100% - 8px),-50%)"))
    along = _ticks(left, right, layout.xaxis.dtick)
    parts += [_label(across(tick), 1, f"{tick:,g}", "translate(-50%,8px)") for tick in along]
    for trace in figure.data:
        if trace.type == "bar":
            parts += _bars(trace, across, down)
    parts += [_level(down(line.y0), f"{line.line.width}px dashed {line.line.color}") for line in layout.shapes]
    parts.append(_picture([_line(trace, across, down) for trace in figure.data if "lines" in _mode(trace)]))
    for trace in figure.data:
        if "markers" in _mode(trace):
            parts += [
                _marker(across(x), down(y), trace.marker, trace.line.color)
                for x, y in zip(trace.x, trace.y, strict=True)
            ]
    for words in layout.annotations:
        left_edge = words.x if words.xref == "paper" else across(words.x)
        parts.append(_named(words, left_edge, down(words.y)))
    margin = layout.margin
    frame = f"position:absolute;inset:{margin.t}px {margin.r}px {margin.b}px {margin.l}px"
    title = "position:absolute;font-size:1.0625rem;text-align:center"
    return (
        f'<div role="img" aria-label="{escape(alt)}" '
        f'style="position:relative;height:{layout.height}px;font-size:0.9375rem;line-height:1.2">'
        f'<div style="position:absolute;left:{margin.l}px;top:8px">{_legend(figure)}</div>'
        f'<div style="{frame}">{"".join(parts)}</div>'
        f'<div style="{title};inset:auto {margin.r}px 4px {margin.l}px">{escape(layout.xaxis.title.text)}</div>'
        f'<div style="{title};inset:{margin.t}px auto {margin.b}px 4px;writing-mode:vertical-rl;'
        f'transform:rotate(180deg)">{escape(layout.yaxis.title.text)}</div></div>'
    )


def _mode(trace: Any) -> str:
    return str(trace.mode) if trace.type == "scatter" else ""


def _bars(trace: Any, across: Callable[[float], float], down: Callable[[float], float]) -> list[str]:
    """Four fifths of a unit wide, from 0; the number at the pointer."""
    colours = trace.marker.color
    width = 0.8 * (across(1) - across(0))
    return [
        f'<div title="{x:g}: {y:+.4g}" style="position:absolute;left:{across(x) - width / 2:.2%};width:{width:.2%};'
        f'top:{down(max(y, 0)):.2%};height:{down(min(y, 0)) - down(max(y, 0)):.2%};background:{colour}"></div>'
        for x, y, colour in zip(trace.x, trace.y, colours, strict=True)
    ] + [_level(down(0), f"1.5px solid {style.INK}")]


def _named(words: Any, x: float, y: float) -> str:
    """A label of the figure, bold where it is there."""
    to_left = {"center": "-50%", "right": "-100%"}.get(words.xanchor or "center", "0%")
    to_top = {"bottom": "-100%", "top": "0%"}.get(words.yanchor or "middle", "-50%")
    told = words.text.removeprefix("<b>").removesuffix("</b>")
    text = escape(unescape(told))
    shift = f"translate(calc({to_left} + {words.xshift or 4:g}px),{to_top})"
    return _label(x, y, text if told == words.text else f"<b>{text}</b>", shift, style.letters(words.font.color))


def _line(trace: Any, across: Callable[[float], float], down: Callable[[float], float]) -> str:
    points = " ".join(f"{1000 * across(x):.1f},{1000 * down(y):.1f}" for x, y in zip(trace.x, trace.y, strict=True))
    return (
        f'<polyline points="{points}" fill="none" stroke="{trace.line.color}" '
        f'stroke-width="{trace.line.width or 2}" stroke-dasharray="{_DASH.get(trace.line.dash or "", "none")}" '
        f'vector-effect="non-scaling-stroke" opacity="{1 if trace.opacity is None else trace.opacity}"/>'
    )


def _picture(lines: list[str]) -> str:
    """Lines in a square of 1000 that is stretched over the frame; an image, because pages strip drawings of markup."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%" viewBox="0 0 1000 1000" '
        f'preserveAspectRatio="none">{"".join(lines)}</svg>'
    )
    source = "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()
    return f'<img src="{source}" alt="" style="position:absolute;inset:0;width:100%;height:100%">'


def _level(y: float, line: str) -> str:
    return f'<div style="position:absolute;inset:{y:.2%} 0 auto;border-top:{line}"></div>'


def _label(x: float, y: float, words: str, move: str, colour: str = "currentColor") -> str:
    place = f"position:absolute;left:{x:.2%};top:{y:.2%};transform:{move};white-space:nowrap;color:{colour}"
    return f'<span style="{place}">{words}</span>'


def _marker(x: float, y: float, look: Any, line_colour: str | None = None) -> str:
    size, shape = look.size, "border-radius:50%"
    if look.symbol == "diamond":
        size, shape = 0.72 * size, "rotate:45deg"
    colour = look.color or line_colour
    fill = "transparent" if look.symbol == "circle-open" else colour
    place = f"position:absolute;left:{x:.2%};top:{y:.2%};transform-origin:center;margin:{-size / 2:.1f}px"
    return (
        f'<div style="{place};width:{size:.1f}px;height:{size:.1f}px;box-sizing:border-box;{shape};background:{fill};'
        f'border:2.5px solid {colour}"></div>'
    )


def _legend(figure: go.Figure) -> str:
    if not figure.layout.showlegend:
        return ""
    return "".join(
        f'<span style="display:inline-block;white-space:nowrap;margin-right:10px">'
        f'<span style="display:inline-block;width:22px;margin-right:6px;vertical-align:middle;border-top:'
        f'{trace.line.width}px {"dotted" if trace.line.dash == "dot" else "solid"} {trace.line.color}"></span>'
        f"{escape(trace.name)}</span>"
        for trace in figure.data
        if trace.mode == "lines"
    )


def _ticks(low: float, high: float, step: float | None = None) -> list[float]:
    """Round numbers within a range, a few of them, or multiples of a step."""
    if not step:
        rough = (high - low) / _MOST_TICKS
        power = 10 ** math.floor(math.log10(rough))
        step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    return [round(n * step, 10) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
