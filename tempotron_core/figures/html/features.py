"""Bars for the features of a table as HTML, where an image would have its pixels."""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from tempotron_core.figures import theme
from tempotron_core.figures.charts.features import MAX_NAMED, short_name

__all__ = ["features_columns_html", "features_html"]

_MAX_COLUMNS = 1000
_GRID = "rgba(127,135,144,0.2)"


def features_html(
    values: np.ndarray,
    names: tuple[str, ...],
    alt: str,
    height: int = 230,
    quantity: str = "",
    limit: float | None = None,
    selected: int | None = None,
    attributes: str = "",
) -> str:
    """Draw one bar per feature, green if positive, purple if negative; up to MAX_NAMED with name and number.

    Args:
        values: Value of each feature, [features].
        names: Names of the features.
        alt: Text alternative.
        height: Least height in pixels.
        quantity: Title of the values.
        limit: Absolute value at the end of the scale, the largest one if None.
        selected: Feature to emphasise, None for none.
        attributes: Further attributes of the element.
    """
    values = np.asarray(values, float).reshape(-1)
    limit = limit or float(np.abs(values).max(initial=0)) or 1.0
    signed = bool((values < 0).any())
    zero, span = (0.5, 0.5) if signed else (0.0, 1.0)
    title = f'<div style="text-align:center">{escape(quantity)}</div>' if quantity else ""
    if len(values) > MAX_NAMED:
        ends = short_name(names, 0), short_name(names, len(values) - 1)
        return _columns(values / limit, ends, alt, height, title, zero, span, attributes)
    rows = []
    for i, value in enumerate(values.tolist()):
        share = min(abs(value) / limit, 1.0) * span
        start = zero - share if value < 0 else zero
        colour = theme.SELECTED if i == selected else theme.POSITIVE if value >= 0 else theme.NEGATIVE
        weight = 700 if i == selected else 400
        rows.append(
            f'<div style="font-weight:{weight};text-align:right">{escape(short_name(names, i))}</div>'
            f'<div style="position:relative;align-self:stretch;min-height:14px;background:{_GRID}">'
            f'<div data-feature="{i}" style="position:absolute;top:10%;bottom:10%;left:{start:.2%};width:{share:.2%};'
            f'background:{colour}"></div></div>'
            f'<div style="text-align:right;font-weight:{weight}">{_number(value, signed)}</div>'
        )
    grid = f"display:grid;grid-template-columns:auto minmax(60px,1fr) auto;gap:4px 10px;min-height:{height - 24}px"
    return (
        f'<div role="img" aria-label="{escape(alt)}" {attributes} style="font-size:0.9375rem;line-height:1.2">'
        f'<div style="{grid};align-items:center">{"".join(rows)}</div>{title}</div>'
    )


def features_columns_html(values: np.ndarray, limit: float, height: int = 120) -> str:
    """Draw values [features] as columns above and below zero, on a scale from -limit to limit."""
    return f'<div style="background:{_GRID}">{_svg(values / limit, height, 0.5, 0.5)}</div>'


def _columns(
    shares: np.ndarray,
    ends: tuple[str, str],
    alt: str,
    height: int,
    title: str,
    zero: float,
    span: float,
    attributes: str,
) -> str:
    """Draw columns between the names of the first and the last feature."""
    return (
        f'<div role="img" aria-label="{escape(alt)}" {attributes} style="font-size:0.9375rem;line-height:1.2">'
        f"{_svg(shares, height - 24, zero, span)}"
        f'<div style="display:flex;justify-content:space-between"><span>{escape(ends[0])}</span>'
        f"<span>{escape(ends[1])}</span>"
        f"</div>{title}</div>"
    )


def _svg(shares: np.ndarray, height: int, zero: float, span: float) -> str:
    """Return columns of features as one path for each colour; of many neighbours the value farthest from 0.

    shares: of the scale, in [-1, 1].
    """
    step = -(-len(shares) // _MAX_COLUMNS)
    if step > 1:
        padded = np.append(shares, np.zeros(-len(shares) % step)).reshape(-1, step)
        shares = padded[np.arange(len(padded)), np.abs(padded).argmax(axis=1)]
    paths = []
    for sign, colour in ((1, theme.POSITIVE), (-1, theme.NEGATIVE)):
        which = np.flatnonzero(np.sign(shares) == sign)
        pieces = (f"M{i} {1 - zero:.4g}h1v{-span * float(np.clip(shares[i], -1, 1)):.4f}h-1z" for i in which.tolist())
        paths.append(f'<path d="{"".join(pieces)}" fill="{colour}"/>')
    # Streamlit removes SVG elements from HTML, but shows an SVG picture.
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(shares)} 1" preserveAspectRatio="none">'
        f"{''.join(paths)}</svg>"
    )
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    return f'<img alt="" src="{source}" style="width:100%;height:{height}px;display:block">'


def _number(value: float, signed: bool) -> str:
    return (f"{value:+.3g}" if signed else f"{value:.4g}").replace("-", "−")
