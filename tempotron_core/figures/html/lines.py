"""A chart of lines or bars as plain markup.

The browser takes a chart down and builds it up again for every new state, which shows as a blink while it learns, and
takes a while where several stand on a page; markup it only redraws.
"""

from __future__ import annotations

import base64
import math
import re
from html import escape, unescape
from itertools import groupby
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.html.tooltips import each, points, told

__all__ = ["lettering", "lines_plate", "ticks"]

_GRID = "rgba(127,135,144,0.25)"
_UNDER_LEGEND = 10
_DASH = {"dot": "2 5", "dash": "9 7", "longdash": "15 7", "dashdot": "9 5 2 5"}
_CUT = {
    "x": "22% 0,50% 28%,78% 0,100% 22%,72% 50%,100% 78%,78% 100%,50% 72%,22% 100%,0 78%,28% 50%,0 22%",
    "cross": "33% 0,67% 0,67% 33%,100% 33%,100% 67%,67% 67%,67% 100%,33% 100%,33% 67%,0 67%,0 33%,33% 33%",
    "triangle-up": "50% 0,100% 92%,0 92%",
    "star": "50% 0,62% 36%,100% 36%,69% 59%,80% 96%,50% 73%,20% 96%,31% 59%,0 36%,38% 36%",
    "hexagon": "50% 0,94% 25%,94% 75%,50% 100%,6% 75%,6% 25%",
}


class _Frame:
    """Where values lie in the frame, as shares of its width from the left and of its height from the top."""

    def __init__(self, figure: go.Figure) -> None:
        self.left, self.right = _range(figure, "x")
        self.low, self.high = _range(figure, "y")

    def across(self, x: float, ref: str | None = None) -> float:
        """A value on the x axis; already a share where it refers to the paper or the axis's own domain."""
        return float(x if _is_share(ref) else (x - self.left) / (self.right - self.left))

    def down(self, y: float, ref: str | None = None) -> float:
        """A value on the y axis, or a share of the height from below."""
        return float(1 - y if _is_share(ref) else (self.high - y) / (self.high - self.low))


def lines_plate(figure: go.Figure, alt: str) -> str:
    """The lines, markers, bars, straight lines of reference and labels of a figure, where the chart has them."""
    layout = figure.layout
    if layout.xaxis.visible is False:
        words = escape(layout.annotations[0].text)
        look = f"height:{layout.height}px;display:grid;place-items:center;font-size:1.125rem;opacity:0.7"
        return f'<div role="img" aria-label="{escape(alt)}" style="{look}">{words}</div>'
    frame = _Frame(figure)
    parts = []
    for tick in ticks(frame.low, frame.high):
        at = frame.down(tick)
        parts.append(f'<div style="position:absolute;inset:{at:.2%} 0 auto;border-top:1px solid {_GRID}"></div>')
        parts.append(_label(-0.0, at, _number(tick), "translate(calc(-100% - 8px),-50%)"))
    along = ticks(frame.left, frame.right, layout.xaxis.dtick)
    parts += [_label(frame.across(tick), 1, _number(tick), "translate(-50%,8px)") for tick in along]
    parts += [bar for trace in figure.data if trace.type == "bar" for bar in _bars(trace, frame)]
    parts += [_reference(shape, frame) for shape in layout.shapes]
    parts.append(_picture([_line(trace, frame) for trace in figure.data if "lines" in _mode(trace)]))
    parts += [mark for trace in figure.data if "markers" in _mode(trace) for mark in _markers(trace, frame)]
    parts += [
        _named(words, frame.across(words.x, words.xref), frame.down(words.y, words.yref))
        for words in layout.annotations
    ]
    margin = layout.margin
    said = [place for trace in figure.data for place in points(trace, frame.across, frame.down)]
    top = _UNDER_LEGEND if layout.showlegend else margin.t
    place = f"position:absolute;inset:{top}px {margin.r}px {margin.b}px {margin.l}px"
    title = "position:absolute;font-size:1.0625rem;text-align:center"
    return (
        f'<div role="img" aria-label="{escape(alt)}" '
        f'style="font-size:0.9375rem;line-height:1.2">{_legend(figure)}'
        f'<div style="position:relative;height:{layout.height - margin.t + top}px">'
        f'<div {told(said)}style="{place}">{"".join(parts)}</div>'
        f'<div style="{title};inset:auto {margin.r}px 4px {margin.l}px">{lettering(layout.xaxis.title.text)}</div>'
        f'<div style="{title};inset:{top}px auto {margin.b}px 4px;writing-mode:vertical-rl;'
        f'transform:rotate(180deg)">{lettering(layout.yaxis.title.text)}</div></div></div>'
    )


def _mode(trace: Any) -> str:
    return str(trace.mode) if trace.type == "scatter" else ""


def _is_share(ref: str | None) -> bool:
    return ref is not None and (ref == "paper" or ref.endswith("domain"))


def _range(figure: go.Figure, name: str) -> tuple[float, float]:
    """The range of an axis, or what the chart would make of its values."""
    axis = figure.layout[f"{name}axis"]
    if axis.range is not None:
        return float(axis.range[0]), float(axis.range[1])
    found = [np.asarray(trace[name], float) for trace in figure.data if trace[name] is not None]
    values = np.concatenate([part[np.isfinite(part)] for part in found] or [np.zeros(1)])
    low, high = float(values.min(initial=math.inf)), float(values.max(initial=-math.inf))
    low, high = (low, high) if low <= high else (0.0, 1.0)
    to_zero = axis.rangemode == "tozero"
    low, high = (min(low, 0.0), max(high, 0.0)) if to_zero else (low, high)
    if low == high:
        return low - (not to_zero), high + 1
    spare = (0.05 if name == "y" else 0.02) * (high - low)
    return low - spare * (low < 0 or not to_zero), high + spare * (high > 0 or not to_zero)


def _bars(trace: Any, frame: _Frame) -> list[str]:
    """Four fifths of a unit wide, from 0; the number at the pointer."""
    width, down = 0.8 * (frame.across(1) - frame.across(0)), frame.down
    return [
        f'<div title="{x:g}: {y:+.4g}" style="position:absolute;left:{frame.across(x) - width / 2:.2%};'
        f"width:{width:.2%};top:{down(max(y, 0)):.2%};height:{down(min(y, 0)) - down(max(y, 0)):.2%};"
        f'background:{colour}"></div>'
        for x, y, colour in zip(trace.x, trace.y, trace.marker.color, strict=True)
    ] + [f'<div style="position:absolute;inset:{down(0):.2%} 0 auto;border-top:1.5px solid {theme.INK}"></div>']


def _reference(shape: Any, frame: _Frame) -> str:
    """A line from side to side, from top to bottom, or along a part of it."""
    (left, right), (top, bottom) = (
        sorted(frame.across(x, shape.xref) for x in (shape.x0, shape.x1)),
        sorted(frame.down(y, shape.yref) for y in (shape.y0, shape.y1)),
    )
    width, upright = shape.line.width, shape.x0 == shape.x1
    look = f"{width}px {'dashed' if shape.line.dash else 'solid'} {shape.line.color}"
    side, centre = ("left", f"0 {-width / 2:g}px") if upright else ("top", f"{-width / 2:g}px 0")
    return (
        f'<div style="position:absolute;left:{left:.2%};top:{top:.2%};width:{right - left:.2%};'
        f'height:{bottom - top:.2%};border-{side}:{look};margin:{centre}"></div>'
    )


def _named(words: Any, x: float, y: float) -> str:
    """A label of the figure, bold where it is there."""
    to_left = {"center": "-50%", "right": "-100%"}.get(words.xanchor or "center", "0%")
    to_top = {"bottom": "-100%", "top": "0%"}.get(words.yanchor or "middle", "-50%")
    across = 4 if words.xshift is None else words.xshift
    shift = f"translate(calc({to_left} + {across:g}px),calc({to_top} - {words.yshift or 0:g}px))"
    look = f"{theme.letters(words.font.color)};font-size:{(words.font.size or 15) / 16:g}rem"
    return _label(x, y, lettering(words.text), shift, look)


def _line(trace: Any, frame: _Frame) -> str:
    points = [
        f"{1000 * frame.across(x):.1f},{1000 * frame.down(y):.1f}" if math.isfinite(x) and math.isfinite(y) else ""
        for x, y in zip(trace.x, trace.y, strict=True)
    ]
    # What is not finite leaves a gap.
    pieces = [" ".join(piece) for known, piece in groupby(points, bool) if known]
    return "".join(
        f'<polyline points="{piece}" fill="none" stroke="{trace.line.color}" '
        f'stroke-width="{trace.line.width or 2}" stroke-dasharray="{_DASH.get(trace.line.dash or "", "none")}" '
        f'vector-effect="non-scaling-stroke" opacity="{1 if trace.opacity is None else trace.opacity}"/>'
        for piece in pieces
    )


def _picture(lines: list[str]) -> str:
    """Lines in a square of 1000 that is stretched over the frame; an image, because pages strip drawings of markup."""
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%" viewBox="0 0 1000 1000" '
        f'preserveAspectRatio="none">{"".join(lines)}</svg>'
    )
    source = "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()
    return f'<img src="{source}" alt="" style="position:absolute;inset:0;width:100%;height:100%">'


def _label(x: float, y: float, words: str, move: str, colour: str = "currentColor") -> str:
    place = f"position:absolute;left:{x:.2%};top:{y:.2%};transform:{move};white-space:nowrap;color:{colour}"
    return f'<span style="{place}">{words}</span>'


def _markers(trace: Any, frame: _Frame) -> list[str]:
    count, look = len(trace.x), trace.marker
    sizes, edges, edge_colours = (each(of, count) for of in (look.size, look.line.width, look.line.color))
    colours = [colour or trace.line.color for colour in each(look.color, count)]
    names = each(trace.text, count) if "text" in _mode(trace) else [None] * count
    font = f"{(trace.textfont.size or 15) / 16:g}rem" if trace.textfont.size else "1rem"
    marks = []
    for x, y, size, colour, edge, edge_colour, name in zip(
        trace.x, trace.y, sizes, colours, edges, edge_colours, names, strict=True
    ):
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        left, top = frame.across(x), frame.down(y)
        opacity = 1.0 if look.opacity is None else float(look.opacity)
        marks.append(_mark(left, top, float(size), look.symbol, colour, (edge, edge_colour or colour), opacity))
        if name is not None:
            words = f'<span style="font-size:{font}">{escape(unescape(str(name)))}</span>'
            move = f"translate(-50%,calc(-100% - {float(size) / 2 + 1:g}px))"
            marks.append(_label(left, top, words, move, theme.letters(colour)))
    return marks


def _mark(
    x: float, y: float, size: float, symbol: str | None, colour: str, edge: tuple[float | None, str], opacity: float
) -> str:
    width = 2.5 if edge[0] is None else float(edge[0])
    # An edge lies half inside, half outside.
    whole = (size if symbol != "diamond" else 0.72 * size) + width
    inside = f"background:{'transparent' if symbol == 'circle-open' else colour};border:{width:g}px solid {edge[1]}"
    shape = {"diamond": "rotate:45deg", "square": "rotate:0deg"}.get(symbol or "", "border-radius:50%")
    cut = _CUT.get(symbol or "")
    if cut:  # its edge is a larger one below it
        shape = f"clip-path:polygon({cut})"
        inside = f"background:{edge[1]}"
    place = f"position:absolute;left:{x:.2%};top:{y:.2%};margin:{-whole / 2:.1f}px;opacity:{opacity:g}"
    within = f'<div style="position:absolute;inset:{width:g}px;background:{colour};{shape}"></div>'
    return (
        f'<div style="{place};width:{whole:.1f}px;height:{whole:.1f}px;box-sizing:border-box;{shape};{inside}">'
        f"{within if cut else ''}</div>"
    )


def lettering(words: str) -> str:
    """Words of a chart, whose raised, lowered and bold parts stay so; other markup in them is none."""
    parts = re.split(r"(</?(?:su[bp]|b)>)", words or "")
    return "".join(part if i % 2 else escape(unescape(part)) for i, part in enumerate(parts))


def _number(value: float) -> str:
    return f"{value:,g}".replace("-", "−")


def _legend(figure: go.Figure) -> str:
    if not figure.layout.showlegend:
        return ""
    styles = {"dot": "dotted", "dash": "dashed", "longdash": "dashed", "dashdot": "dashed"}
    entries = "".join(
        f'<span style="display:inline-block;margin-right:14px"><span style="display:inline-block;width:22px;'
        f"margin-right:6px;vertical-align:middle;border-top:{trace.line.width}px "
        f'{styles.get(trace.line.dash or "", "solid")} {trace.line.color}"></span>'
        f"{escape(unescape((trace.name or '').replace('<br>', ' · ')))}</span>"
        for trace in figure.data
        if trace.mode in ("lines", "lines+markers") and trace.showlegend is not False
    )
    return f'<div style="padding:8px 0 0 {figure.layout.margin.l}px">{entries}</div>'


def ticks(low: float, high: float, step: float | None = None, most: int = 6) -> list[float]:
    """Round numbers within a range, a few of them, or multiples of a step."""
    if not step:
        rough = (high - low) / most
        power = 10 ** math.floor(math.log10(rough))
        step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    return [round(n * step, 10) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
