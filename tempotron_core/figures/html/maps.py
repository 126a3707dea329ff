"""Maps of pixels as HTML images: purple for negative, green for positive values."""

from __future__ import annotations

import base64
import re
from html import escape, unescape
from typing import Any

import numpy as np
from PIL import Image

from tempotron_core.figures import theme
from tempotron_core.figures.charts.attribution import EvidenceInfo, outline, time_text
from tempotron_core.figures.charts.weight_change import WeightChangeInfo
from tempotron_core.figures.echarts import ticks
from tempotron_core.figures.html.features import features_columns_html, features_html
from tempotron_core.figures.html.pictures import png_data_url
from tempotron_core.figures.html.tooltips import cell_tooltips, tooltip_attribute

__all__ = ["change_html", "evidence_html", "strongest_spikes_html", "weights_html"]

_DIVERGING = tuple(colour for _, colour in theme.DIVERGING)
_PALETTE_SIZE = 255


def evidence_html(info: EvidenceInfo, height: int = 350, limit: float | None = None) -> str:
    """Draw the contributions by pixel, bright if positive, dark if negative.

    The tooltip of a pixel lists its spikes with their weights and kernel values.

    Args:
        info: Contributions.
        height: Height of the map in pixels.
        limit: Absolute value at the ends of the colour scale, the largest of the map if None.
    """
    if info.image.ndim == 1:
        return features_html(info.by_pixel, info.features, info.takeaway, height, "contribution", limit)
    columns = [(f" · {info.name}: w ", info.weight, True), (", K ", info.kernel, False)]
    if info.rival is not None and info.rival_weight is not None and info.rival_kernel is not None:
        columns += [(f" · {info.rival}: w ", info.rival_weight, True), (", K ", info.rival_kernel, False)]
    tooltips = cell_tooltips(info.by_pixel, info.times, columns)
    return _map_html(info.by_pixel, tooltips, info.image, height, info.takeaway, "", limit)


def strongest_spikes_html(info: EvidenceInfo, count: int = 10) -> str:
    """Return a table of the spikes with the largest absolute contributions, largest first.

    Each afferent is a button with the index of its feature in the attribute data-pixel.

    Args:
        info: Contributions.
        count: Largest number of rows.
    """
    button = (
        "font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer;text-decoration:underline;"
        "text-align:left"
    )
    cell = "padding:1px 14px 1px 0"
    rows = []
    for feature, neuron, time, contribution in info.strongest_spikes(count):
        if info.image.ndim == 2:
            row, column = divmod(feature, info.image.shape[1])
            name = f"row {row + 1}, column {column + 1}"
        else:
            name = info.features[feature] if feature < len(info.features) else f"feature {feature + 1}"
        colour = theme.css_text_colour(theme.POSITIVE if contribution > 0 else theme.NEGATIVE)
        value = f"{contribution:+.4f}".replace("-", "−")
        rows.append(
            f'<tr><td style="{cell}"><button data-pixel="{feature}" style="{button}">{escape(name)}, neuron '
            f'{neuron + 1}</button></td><td style="{cell};text-align:right">{time_text(time)}</td>'
            f'<td style="{cell};text-align:right;color:{colour};font-weight:600">{value}</td></tr>'
        )
    if not rows:
        return "<p>No spike contributes.</p>"
    head = "".join(
        f'<th style="{cell};text-align:{side}">{name}</th>'
        for name, side in (("afferent", "left"), ("spike", "right"), ("contribution", "right"))
    )
    heading = f"<b>Strongest spikes</b> of {np.count_nonzero(info.contributions):,} that contribute"
    return (
        f'<p style="margin:0 0 6px">{heading}</p>'
        '<table style="border-collapse:collapse;font-size:0.9375rem;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def weights_html(
    maps: np.ndarray, classes: tuple[str, ...], alt: str, limit: float | None = None, quantity: str = "weight",
    signed: bool = True,
) -> str:  # fmt: skip
    """Draw one map per class on a common symmetric colour scale: purple negative, green positive.

    Args:
        maps: Weight maps, [C, h, w], or [C, n] of a table.
        classes: Names of the classes, C of them.
        alt: Text alternative.
        limit: Absolute value at the ends of the colour scale, the largest of the maps if None; larger values are
            clipped.
        quantity: Title of the scale.
        signed: Whether the scale shows negative values.
    """
    limit = limit or float(np.abs(maps).max(initial=0)) or 1.0
    cells = "".join(
        f'<div><div style="text-align:center;font-size:1.125rem">{escape(name)}</div>{_weight_map(values, limit)}</div>'
        for name, values in zip(classes, maps, strict=True)
    )
    labels = (f"{-limit:+.2g}", "0", f"{limit:+.2g}") if signed else ("0", f"{limit:.2g}")
    scale = "".join(f"<span>{label}</span>" for label in labels)
    colours = _DIVERGING if signed else _DIVERGING[len(_DIVERGING) // 2 :]
    bar = f"height:12px;background:linear-gradient(to right,{','.join(colours)})"
    return (
        f'<div role="img" aria-label="{escape(alt)}"><div style="display:grid;gap:12px;'
        f'grid-template-columns:repeat(auto-fit,minmax(max(110px,calc(20% - 12px)),1fr))">{cells}</div>'
        f'<div style="max-width:560px;margin:18px auto 0;font-size:0.9375rem"><div style="{bar}"></div>'
        f'<div style="display:flex;justify-content:space-between">{scale}</div>'
        f'<div style="text-align:center">{escape(quantity)}</div></div></div>'
    )


def _weight_map(values: np.ndarray, limit: float) -> str:
    if values.ndim == 1:
        return features_columns_html(values, limit)
    ratio = "1" if values.shape[0] == values.shape[1] else f"{values.shape[1]}/{values.shape[0]}"
    image_style = f"width:100%;aspect-ratio:{ratio};image-rendering:pixelated;display:block"
    return f'<img src="{png_data_url(_colormap(values, limit))}" alt="" style="{image_style}">'


def change_html(info: WeightChangeInfo, height: int = 340) -> str:
    """Draw the weight changes by pixel, green for increases, purple for decreases.

    The tooltip of a pixel lists its spikes with their weight changes.
    """
    scale, unit = info.axis_unit
    if info.image.ndim == 1:
        quantity = re.sub(r"<[^>]*>", "", unit.replace("<sup>", "^"))
        return features_html(info.by_pixel / scale, info.features, info.takeaway, height, quantity)
    tooltips = cell_tooltips(info.by_pixel / scale, info.times, [(": ", info.dw / scale, True)])
    return _map_html(info.by_pixel / scale, tooltips, info.image, height, info.takeaway, unit)


def _map_html(
    values: np.ndarray,
    tooltips: Any,
    image: np.ndarray,
    height: int,
    alt: str,
    quantity: str,
    limit: float | None = None,
) -> str:
    """Draw values [h, w] with the outline of the image and a colour scale of the same height."""
    limit = limit or float(np.abs(values).max()) or 1.0
    picture, outline_url = png_data_url(_colormap(values, limit)), _outline_svg(image)
    rows, columns = values.shape
    ratio = "1" if rows == columns else f"{columns}/{rows}"
    width = f"{(height - 16) * columns / rows:.4g}px"
    size, colours = f"width:min({width},calc(100% - 84px));aspect-ratio:{ratio}", ",".join(_DIVERGING)
    layer_style = "position:absolute;inset:0;width:100%;height:100%"
    marks = "".join(
        f'<span style="position:absolute;bottom:{50 + 50 * at / limit:.2f}%;transform:translateY(50%)">'
        f"{at:,.4g}</span>".replace(">-", ">−")
        for at in ticks(-limit, limit, max_count=5)
    )
    return (
        f'<div role="img" aria-label="{escape(alt)}" style="display:flex;justify-content:center;gap:12px;'
        'padding:8px 0;font-size:0.9375rem;line-height:1.2">'
        f'<div {tooltip_attribute(tooltips)}style="position:relative;{size}">'
        f'<img src="{picture}" alt="" style="{layer_style};image-rendering:pixelated"><img src="{outline_url}" alt="" '
        f'style="{layer_style}"></div><div style="width:16px;background:linear-gradient(to top,{colours})"></div>'
        f'<div style="position:relative;width:44px">{marks}</div>'
        f'<div style="writing-mode:vertical-rl;text-align:center;font-size:1rem">{_safe_rich_text(quantity)}'
        "</div></div>"
    )


def _outline_svg(image: np.ndarray) -> str:
    """Return the border of the bright pixels of an image as the data URL of an SVG."""
    x, y = ([end + 0.5 for end in ends if end is not None] for ends in outline(image))
    pieces = zip(x[::2], y[::2], x[1::2], y[1::2], strict=True)
    path = "".join(f"M{x0:g} {y0:g}L{x1:g} {y1:g}" for x0, y0, x1, y1 in pieces)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {image.shape[1]} {image.shape[0]}"><path d="{path}" '
        f'stroke="{theme.OUTLINE}" stroke-width="2" vector-effect="non-scaling-stroke" stroke-linecap="square"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _colormap(values: np.ndarray, limit: float) -> Image.Image:
    """Map values to the colour scale from -limit to limit."""
    half = _PALETTE_SIZE // 2
    picture = Image.fromarray((np.round(np.clip(values / limit, -1, 1) * half) + half).astype(np.uint8))
    picture.putpalette(_interpolate_stops(_DIVERGING, _PALETTE_SIZE).tobytes())
    return picture


def _interpolate_stops(stops: tuple[str, ...], count: int) -> np.ndarray:
    """Return colours at equal steps from the first to the last stop, uint8 [count, 3]."""
    ends = np.array([list(bytes.fromhex(stop[1:])) for stop in stops], float)
    at, positions = np.linspace(0, len(stops) - 1, count), np.arange(len(stops))
    return np.stack([np.interp(at, positions, channel) for channel in ends.T], axis=1).round().astype(np.uint8)


def _safe_rich_text(text: str) -> str:
    """Escape text except for the tags sub, sup and b."""
    parts = re.split(r"(</?(?:su[bp]|b)>)", text or "")
    return "".join(part if i % 2 else escape(unescape(part)) for i, part in enumerate(parts))
