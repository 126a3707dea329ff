"""Figure of the membrane potentials V(t) of the outputs and the threshold."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from tempotron_core.figures import theme
from tempotron_core.figures.builder import FigureBuilder, new_figure
from tempotron_core.figures.charts.voltage_info import Curves, VoltageInfo

__all__ = ["time_range", "trace_range", "traces_figure"]

_GHOST_WIDTH = 2.5
_MAX_WIDE = 4
"""Selected outputs with wide lines and labels."""


def trace_range(info: VoltageInfo, ghost: VoltageInfo | None = None) -> tuple[float, float]:
    """Return the lower and the upper end of the potential axis that shows all visible traces and the threshold."""
    parts = [np.append(part, info.v_threshold) for shown in (info, ghost) if shown for part in _visible_parts(shown)]
    low, high = min(0.0, *(float(part.min()) for part in parts)), max(float(part.max()) for part in parts)
    return low - 0.08 * (high - low), high + 0.16 * (high - low)


def _visible_parts(info: VoltageInfo) -> list[np.ndarray]:
    which = slice(None) if info.shown is None else list(info.shown)
    curves = info.curves or Curves(np.arange(info.v.shape[1]), info.v, None, info.tempotrons)
    parts = [curves.v[which], info.v_max[which]]
    if curves.unshunted is not None:
        parts.append(curves.unshunted[which])
    return parts if curves.tempotrons is None else [*parts, curves.tempotrons]


def time_range(info: VoltageInfo, padded: bool = False) -> tuple[float, float]:
    """Return the ends of the time axis, padded by half a millisecond so that a raster can share it."""
    return (-0.5, info.last_time + 0.5) if padded else (0.0, max(info.last_time, 1.0))


def traces_figure(
    info: VoltageInfo,
    height: int = 470,
    span: tuple[float, float] | None = None,
    zoom: bool = False,
    ghost: VoltageInfo | None = None,
) -> go.Figure:
    """Draw the potentials of all outputs, the threshold, the peaks and the threshold crossings.

    The true and the predicted class are highlighted. A filled mark is a peak that reaches the threshold, a triangle a
    crossing. Where outputs shunt, their potential without shunting is dotted.

    Args:
        info: Potentials and peaks.
        height: Height of the figure in pixels.
        span: Lower and upper end of the potential axis, those of trace_range if None.
        zoom: True for a time axis that can be zoomed and that a raster shares.
        ghost: Potentials of a pinned experiment, drawn as dotted lines for the highlighted classes of both.
    """
    figure = new_figure(
        height,
        xaxis={"title": {"text": "time, ms"}, "range": list(time_range(info, padded=zoom))},
        yaxis={
            "title": {"text": "membrane potential V"},
            "range": list(span or trace_range(info, ghost)),
            "fixedrange": True,
        },
        hovermode="closest",
        dragmode="zoom" if zoom else False,
    )
    curves = info.curves or Curves(np.arange(info.v.shape[1]), info.v, None, info.tempotrons)
    highlighted = (info.true_class, info.predicted) if info.shown is None else info.shown
    front = [i for i in dict.fromkeys(highlighted) if i is not None]
    others = [i for i in range(len(info.v)) if i not in front]
    order = (others if info.shown is None else []) + front[::-1]
    _add_tempotrons(figure, info, curves)
    if ghost is not None:
        _add_ghost(figure, info, ghost, front)
    place = "%{x:.2f} ms" if info.is_exact else "%{x} ms"
    for i in order:
        colour, name = theme.class_colour(i, info.true_class, info.predicted), theme.escape_label(info.classes[i])
        width = 4 if i in front[:_MAX_WIDE] else 1.6
        if curves.unshunted is not None and not np.array_equal(curves.unshunted[i], curves.v[i]):
            look = {"color": colour, "width": 0.6 * width, "dash": "dot"}
            text = f"<b>{name}</b> without shunting<br>{place}, V = %{{y:.3f}}<extra></extra>"
            figure.add_scatter(
                x=curves.t,
                y=curves.unshunted[i],
                mode="lines",
                name=f"{name}, without shunting",
                line=look,
                hovertemplate=text,
            )
        figure.add_scatter(
            x=curves.t,
            y=curves.v[i],
            mode="lines",
            name=name,
            line={"color": colour, "width": width, "dash": _dash(colour)},
            hovertemplate=f"<b>{name}</b><br>{place}, V = %{{y:.3f}}<extra></extra>",
        )
    figure.add_hline(y=info.v_threshold, line={"color": theme.REFERENCE, "width": 2.5, "dash": "dash"})
    figure.add_annotation(
        **theme.text_label(0.004, info.v_threshold, "threshold", xref="paper", xanchor="left", yanchor="bottom")
    )
    _mark_crossings(figure, info, front)
    _mark_peaks(figure, info, front[:_MAX_WIDE])
    return figure.build()


def _add_tempotrons(figure: FigureBuilder, info: VoltageInfo, curves: Curves) -> None:
    """Draw the tempotrons of the only class shown as thin lines."""
    if curves.tempotrons is None or info.shown is None or len(info.shown) != 1:
        return
    (i,) = info.shown
    name, colour = theme.escape_label(info.classes[i]), theme.class_colour(i, info.true_class, info.predicted)
    for j, trace in enumerate(curves.tempotrons, 1):
        figure.add_scatter(
            x=curves.t,
            y=trace,
            mode="lines",
            name=f"{name}, tempotron {j}",
            line={"color": colour, "width": 1.4},
            opacity=0.6,
            hovertemplate=f"tempotron {j}<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
        )


def _add_ghost(figure: FigureBuilder, info: VoltageInfo, ghost: VoltageInfo, front: list[int]) -> None:
    """Draw the potentials of a pinned experiment for the highlighted classes of both."""
    curves = ghost.curves or Curves(np.arange(ghost.v.shape[1]), ghost.v)
    which = front if info.shown is not None else [*front, ghost.predicted]
    for i in dict.fromkeys(i for i in which if i < len(ghost.v)):
        colour, name = theme.class_colour(i, info.true_class, info.predicted), theme.escape_label(ghost.classes[i])
        figure.add_scatter(
            x=curves.t,
            y=curves.v[i],
            mode="lines",
            name=f"{name}, pinned",
            line={"color": colour, "width": _GHOST_WIDTH, "dash": "dashdot"},
            opacity=0.55,
            hovertemplate=f"<b>{name}</b>, pinned<br>%{{x}} ms, V = %{{y:.3f}}<extra></extra>",
        )


def _dash(colour: str) -> str:
    """Distinguish the incorrect predicted class without hue; the gaps are too short to hide a peak."""
    return "14px,3px" if colour == theme.PREDICTED else "solid"


def _mark_crossings(figure: FigureBuilder, info: VoltageInfo, front: list[int]) -> None:
    """Mark the first threshold crossings by triangles on the threshold; of a pooled class those of its neurons."""
    crossing = info.first_crossing
    which = [i for i in info.visible if crossing[i] >= 0]
    if not which:
        return
    k = info.neurons_per_class
    verb = "crosses the threshold" if k == 1 else f"first of {k} neurons crosses the threshold"
    figure.add_scatter(
        x=crossing[which],
        y=np.full(len(which), info.v_threshold),
        mode="markers",
        name="threshold crossings",
        marker={
            "symbol": "triangle-up",
            "opacity": 1,  # Plotly's default for marks of several sizes is less
            "size": [16 if i in front else 11 for i in which],
            "color": [theme.class_colour(i, info.true_class, info.predicted) for i in which],
            "line": {"width": 1.5, "color": "white"},
        },
        text=[f"<b>{theme.escape_label(info.classes[i])}</b> {verb} at {info.format_time(crossing[i])}" for i in which],
        hovertemplate="%{text}<extra></extra>",
    )


def _mark_peaks(figure: FigureBuilder, info: VoltageInfo, front: list[int]) -> None:
    """Mark peaks with a diamond if they reach the threshold, else a ring, and label the highlighted ones."""
    for fired, symbol, level in (
        (True, "diamond", "reaches the threshold"),
        (False, "circle-open", "below the threshold"),
    ):
        which = [i for i in info.visible if bool(info.has_fired[i]) == fired]
        figure.add_scatter(
            x=info.t_max[which],
            y=info.v_max[which],
            mode="markers",
            cliponaxis=False,
            marker={
                "symbol": symbol,
                "opacity": 1,
                "size": [15 if i in front else 8 for i in which],
                "color": [theme.class_colour(i, info.true_class, info.predicted) for i in which],
                "line": {"width": 2, "color": "white"} if fired else {"width": 2.5},
            },
            text=[
                f"<b>{theme.escape_label(info.classes[i])}</b> peaks at {info.format_time(info.t_max[i])}"
                for i in which
            ],
            hovertemplate=f"%{{text}}, V = %{{y:.3f}}, {level}<extra></extra>",
        )
    last = info.last_time
    for i in front:
        at, peak = float(info.t_max[i]), float(info.v_max[i])
        colour = theme.class_colour(i, info.true_class, info.predicted)
        anchor = "left" if at < 0.1 * last else "right" if at > 0.9 * last else "center"
        place = {"xanchor": anchor, "yanchor": "bottom", "yshift": 9}
        if any(info.v_max[other] > peak for other in front):
            # Highlighted peaks may be close together: the label is above the highest, beside the others.
            left = at > 0.8 * last
            place = {"xanchor": "right" if left else "left", "xshift": -14 if left else 14}
        figure.add_annotation(
            **theme.text_label(
                at, peak, f"<b>{theme.escape_label(info.classes[i])}</b> · {info.format_time(at)}", colour
            )
            | {"font": {"size": 18, "color": colour}}
            | place
        )
