"""Pictures as HTML without a chart library: pixels as a PNG image, axes and bars as elements.

The browser redraws them in a fraction of the time of a chart. Each function returns HTML with a text alternative; names
that come from data are escaped. Text inherits its colour from the page and is readable in both themes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from tempotron_core.figures import theme
from tempotron_core.figures.charts.raster import RasterInfo
from tempotron_core.figures.charts.robustness import SpikeChangesInfo
from tempotron_core.figures.charts.voltage_info import VoltageInfo
from tempotron_core.figures.html.features import features_html
from tempotron_core.figures.html.tooltips import cell_tooltips, encode_array, tooltip_attribute

__all__ = [
    "SharedAxis",
    "digit_html",
    "histogram_html",
    "peaks_html",
    "picture_steps_html",
    "pixel_html",
    "pixel_raster_html",
    "png_data_url",
    "raster_html",
    "raster_legend_html",
    "spike_changes_html",
]

_GRID = "rgba(127,135,144,0.35)"


@dataclass(frozen=True)
class SharedAxis:
    """Time axis that a raster shares with the figure below it.

    Attributes:
        range: Times in ms at the ends of the axis.
        image: Times in ms at the left and the right edge of the image of the raster.
        margins: Left and right margin of the figure below, in pixels.
    """

    range: tuple[float, float]
    image: tuple[float, float]
    margins: tuple[int, int]

    def fraction(self, t: float) -> float:
        """Return the position of a time as a fraction of the axis."""
        return (t - self.range[0]) / (self.range[1] - self.range[0])

    @property
    def width(self) -> float:
        """Return the width of the image as a fraction of the axis."""
        return self.fraction(self.image[1]) - self.fraction(self.image[0])


def digit_html(
    image: np.ndarray, alt: str, height: int = 230, features: tuple[str, ...] = (), quantity: str = "value, 0 to 1"
) -> str:
    """Draw an image, uint8 [h, w], white on black, or a sample of a table, [n], as bars named by its features."""
    if image.ndim == 1:
        return features_html(image / 255, features, alt, height, quantity, 1.0)
    picture = Image.fromarray(np.ascontiguousarray(image))
    frame = f"position:relative;{_frame(image, height)};margin:auto"
    image_style = "width:100%;height:100%;image-rendering:pixelated;display:block"
    return (
        f'<div data-cursor="digit" style="{frame}">'
        f'<img src="{png_data_url(picture)}" alt="{escape(alt)}" style="{image_style}"></div>'
    )


def picture_steps_html(steps: Sequence[tuple[str, np.ndarray]], height: int = 150) -> str:
    """Draw pictures in a row, each with its name below.

    Args:
        steps: Name and picture, uint8 [h, w] or [h, w, 3].
        height: Height of the pictures in pixels.
    """
    parts = []
    for name, picture in steps:
        pixels = "image-rendering:pixelated;" if max(picture.shape) < 40 else ""
        source = png_data_url(Image.fromarray(np.ascontiguousarray(picture)))
        parts.append(
            f'<figure style="margin:0;max-width:100%"><img src="{source}" alt="{escape(name)}" '
            f'style="{pixels}height:{height}px;max-width:100%;object-fit:contain;display:block;'
            f'outline:1px solid {_GRID}"><figcaption style="font-size:0.8rem">{escape(name)}</figcaption></figure>'
        )
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(parts)}</div>'


def _frame(image: np.ndarray, height: int) -> str:
    """Return the style of a box with the sides of an image [h, w], at most this high."""
    rows, columns = image.shape
    width = f"width:min(100%,{height * columns / rows:.4g}px)"
    return f"{width};aspect-ratio:1" if rows == columns else f"{width};aspect-ratio:{columns}/{rows}"


def pixel_html(image: np.ndarray, pixel: int, alt: str, height: int = 290) -> str:
    """Draw an image with a tooltip per pixel and a frame around the selected pixel.

    Args:
        image: The image, uint8 [h, w].
        pixel: Row-major index of the selected pixel.
        alt: Text alternative.
        height: Largest height in pixels.
    """
    rows, columns = image.shape
    row, column = divmod(pixel, columns)
    tooltips = cell_tooltips(image / 255, np.full((image.size, 1), -1.0), []) | {"plain": True}
    frame = f"position:relative;{_frame(image, height)};margin:auto;cursor:pointer"
    left, top = (column - 0.1) / columns, (row - 0.1) / rows
    box = f"left:{left:.2%};top:{top:.2%};width:{1.2 / columns:.2%};height:{1.2 / rows:.2%}"
    picture = png_data_url(Image.fromarray(np.ascontiguousarray(image)))
    return (
        f'<div {tooltip_attribute(tooltips)}style="{frame}"><img src="{picture}" alt="{escape(alt)}" '
        'style="width:100%;height:100%;image-rendering:pixelated;display:block">'
        f'<div data-chosen="{pixel}" style="position:absolute;{box};outline:4px solid {theme.SELECTED}"></div></div>'
    )


def raster_html(
    info: RasterInfo, height: int = 400, cursor: bool = False, axis: SharedAxis | None = None, tooltips: bool = False
) -> str:
    """Draw the spikes of all afferents against time, with the pixels in row-major order from the top.

    Several pixels share a row of the raster, so that single spikes are visible.

    Args:
        info: Spike counts.
        height: Height in pixels.
        cursor: True to let the time cursor of the page cover the raster.
        axis: Time axis of the figure below, None for one of its own.
        tooltips: True to show the spikes under the pointer.
    """
    return _raster_html(
        info.background, info.foreground, theme.MUTED, info.T, height, info.takeaway, info.shape, cursor,
        info.feature, axis, _raster_tooltips(info, height) if tooltips else None,
    )  # fmt: skip


def raster_legend_html(info: RasterInfo) -> str:
    """Explain the two colours of a raster."""
    if not info.background.any():
        return ""
    if len(info.shape) != 2:
        return _legend(((theme.SPIKE, "values above the lowest"), (theme.MUTED, "lowest values")))
    grey = "black pixels, all at the same times"
    return _legend(((theme.SPIKE, "pixels above 0"), (theme.MUTED, grey)))


def _lines(pixels: int, height: int) -> tuple[int, np.ndarray]:
    """Return how many pixels share a line of a raster, and the first pixel of each line."""
    per_line = max(1, round(2.5 * pixels / height))
    return per_line, np.arange(0, pixels, per_line)


def _raster_tooltips(info: RasterInfo, height: int) -> dict[str, object]:
    """Return the numbers of spikes in each cell for the tooltips, which are those of the lines as drawn."""
    per_line, starts = _lines(len(info.foreground), height)
    counts = [np.add.reduceat(grid.astype(np.uint16), starts, axis=0) for grid in (info.foreground, info.background)]
    return {
        "raster": [encode_array(part, "<u2") for part in counts],
        "columns": counts[0].shape[1],
        "rows": len(info.foreground) / per_line,
        "step": info.step,
        "perLine": per_line,
        "pixels": len(info.foreground),
        "width": info.shape[1] if len(info.shape) == 2 else 0,
        "feature": _row_name(info.shape, info.feature),
        "start": _first_row(info.feature),
    }


def _row_name(shape: tuple[int, ...], feature: str) -> str:
    return "image row" if len(shape) == 2 else feature


def _first_row(feature: str) -> int:
    """Return the number of the first row: afferents are numbered from 0 as in their files, others from 1."""
    return 0 if feature == "afferent" else 1


def spike_changes_html(info: SpikeChangesInfo, height: int = 320, feature: str = "feature") -> str:
    """Draw the spikes with a perturbation over those that have moved or disappeared."""
    legend = _legend(((theme.SPIKE, "with perturbation"), (_GRID, "only without")))
    return legend + _raster_html(
        info.previous, info.current, _GRID, info.T, height, info.takeaway, info.shape, feature=feature
    )


def _raster_html(
    background: np.ndarray,
    foreground: np.ndarray,
    colour: str,
    T: int,
    height: int,
    alt: str,
    shape: tuple[int, ...],
    cursor: bool = False,
    feature: str = "feature",
    axis: SharedAxis | None = None,
    tooltips: dict[str, object] | None = None,
) -> str:
    """Draw foreground counts [features, columns] over background counts in the given colour."""
    pixels = len(foreground)
    rows_per_line, starts = _lines(pixels, height)
    foreground, background = (np.add.reduceat(grid, starts, axis=0) for grid in (foreground, background))
    classes = np.where(foreground > 0, 2, np.where(background > 0, 1, 0))
    # Repeat each line for the rows it stands for; the last line may stand for fewer.
    classes = np.repeat(classes, rows_per_line, axis=0)[:pixels]
    labels = max(2, min(7, (height - 8) // 26)) if axis else 7
    every = max(1, -(-shape[0] // labels))
    rows = [(1 - (row + 0.5) / shape[0], str(row + _first_row(feature))) for row in range(0, shape[0], every)]
    quantity = _row_name(shape, feature)
    colours = (None, colour, theme.SPIKE)
    return _with_axes(classes, colours, _time_ticks(T), rows, quantity, height, alt, cursor, axis, tooltips)


def histogram_html(info: RasterInfo, height: int = 200) -> str:
    """Draw the number of spikes at each millisecond, stacked: black pixels, then the others."""
    background, foreground = info.background_histogram, info.foreground_histogram
    top = _nice_ceiling(int((background + foreground).max(initial=0)))
    level = np.arange(height - 1, -1, -1).reshape(-1, 1) / height * top
    classes = np.where(level < background, 1, np.where(level < background + foreground, 2, 0))
    counts = [(0.0, "0"), (0.5, f"{top / 2:,.0f}"), (1.0, f"{top:,}")]
    names = (None, theme.MUTED, theme.SPIKE)
    names_of_kinds = (info.rest, "others") if len(info.shape) == 2 else ("lowest values", "other values")
    legend = _legend(tuple(zip((theme.MUTED, theme.SPIKE), names_of_kinds, strict=True))) if background.any() else ""
    return legend + _with_axes(classes, names, _time_ticks(info.T), counts, "spikes", height, info.takeaway)


def pixel_raster_html(time: np.ndarray, T: int, alt: str, height: int = 400) -> str:
    """Draw the spikes of the m neurons of one pixel against time, one row per neuron.

    Args:
        time: Spike times in ms, -1 for no spike, [m].
        T: Length of the window in ms.
        alt: Text alternative.
        height: Height in pixels.
    """
    m = len(time)
    row_height, column_width = 9, 3  # image pixels per neuron and per millisecond
    classes = np.zeros((m * row_height, max(T, 1) * column_width), np.uint8)
    classes[row_height // 2 :: row_height] = 1
    mark_width = max(column_width, round(T * column_width / 50))
    for j in np.flatnonzero(time >= 0):
        start = min(
            max(0, int(time[j]) * column_width + (column_width - mark_width) // 2), classes.shape[1] - mark_width
        )
        classes[j * row_height + 1 : (j + 1) * row_height - 1, start : start + mark_width] = 2
    every = max(1, -(-m // 8))
    rows = [(1 - (j + 0.5) / m, str(j + 1)) for j in range(0, m, every)]
    return _with_axes(classes, (None, _GRID, theme.SPIKE), _time_ticks(T), rows, "neuron", height, alt)


def peaks_html(info: VoltageInfo, height: int = 470) -> str:
    """Draw the peak potential of each output as a bar, with the threshold."""
    low, high = min(0.0, float(info.v_max.min())), max(info.v_threshold, float(info.v_max.max()))
    span = high - low or 1.0
    zero, threshold = -low / span, (info.v_threshold - low) / span
    rows, bar_area = [], "position:relative;align-self:stretch"
    for i, peak in enumerate(info.v_max.tolist()):
        colour = theme.class_colour(i, info.true_class, info.predicted)
        weight = 700 if i == info.predicted else 400
        start, width = min(zero, (peak - low) / span), abs(peak) / span
        bar = f"left:{start:.2%};width:{width:.2%};background:{colour}"
        rows.append(
            f'<div style="font-weight:{weight};text-align:right;white-space:nowrap">{escape(info.classes[i])}</div>'
            f'<div style="{bar_area}"><div data-bar="{i}" style="position:absolute;top:12%;bottom:12%;{bar}"></div>'
            f'<div data-threshold="" style="position:absolute;left:{threshold:.2%};top:0;bottom:0;'
            f'border-left:2.5px dashed {theme.REFERENCE}"></div></div><div data-number="{i}" '
            f'style="font-weight:{weight};color:{theme.css_text_colour(colour)};text-align:right">{peak:.2f}</div>'
        )
    header = (
        f'<div></div><div style="{bar_area};color:{theme.css_text_colour(theme.REFERENCE)}">'
        f'<span data-threshold="" style="position:absolute;bottom:0;'
        f'left:{threshold:.2%};transform:translateX(-{100 * threshold:.0f}%)">threshold</span></div><div></div>'
    )
    axis = "text-align:center;font-size:1.0625rem;padding-top:8px"
    footer = f'<div></div><div data-foot="" style="{axis}">peak potential</div><div></div>'
    grid = (
        f"display:grid;grid-template-columns:auto 1fr auto;grid-template-rows:26px repeat({len(rows)},1fr) 34px;"
        f"column-gap:10px;height:{height}px;font-size:0.9375rem;align-items:center;line-height:1.4"
    )
    alt = escape(f"{info.prediction_text} {info.firing_text}")
    cursor_attributes = (
        f'data-cursor="peaks" data-low="{low:.6g}" data-span="{span:.6g}" data-v-threshold="{info.v_threshold:.6g}"'
    )
    return (
        f'<div role="img" aria-label="{alt}" {cursor_attributes} style="{grid}">{header}{"".join(rows)}{footer}</div>'
    )


def _with_axes(
    classes: np.ndarray,
    colours: tuple[str | None, ...],
    x_labels: list[tuple[float, str]],
    y_labels: list[tuple[float, str]],
    quantity: str,
    height: int,
    alt: str,
    cursor: bool = False,
    axis: SharedAxis | None = None,
    tooltips: dict[str, object] | None = None,
) -> str:
    """Draw an image of colour indices [rows, columns] with axes.

    Labels are placed at fractions of the width, and of the height from below. With a shared axis the figure below has
    the labels of the time axis.
    """
    x_ticks = "".join(
        f'<span style="position:absolute;left:{at:.2%};transform:translateX(-50%)">{text}</span>'
        for at, text in x_labels
    )
    y_ticks = "".join(
        f'<span style="position:absolute;right:0;bottom:{at:.2%};transform:translateY(50%)">{text}</span>'
        for at, text in y_labels
    )
    lines = "".join(
        f'<div style="position:absolute;top:0;bottom:0;left:{at:.2%};border-left:1px solid {_GRID}"></div>'
        for at, _ in x_labels
    )
    image, title = png_data_url(_to_rgba_image(classes, colours)), "font-size:1.0625rem"
    left, right = (66, 18) if axis is None else axis.margins
    below = (
        f'<div></div><div></div><div style="position:relative;height:24px;margin-top:4px">{x_ticks}</div>'
        f'<div></div><div></div><div style="text-align:center;{title}">time, ms</div>'
    )
    place, attributes = "inset:0;width:100%", 'data-cursor="raster" ' if cursor else ""
    if axis is not None:
        place = f"top:0;bottom:0;left:{axis.fraction(axis.image[0]):.4%};width:{axis.width:.4%}"
        attributes += f'data-from="{axis.image[0]:g}" data-to="{axis.image[1]:g}" '
        below = lines = ""
    return (
        f'<div role="img" aria-label="{escape(alt)}" style="display:grid;grid-template-columns:22px {left - 22}px 1fr;'
        f'font-size:0.9375rem;line-height:1.2;padding-right:{right}px;padding-top:8px">'
        f'<div style="writing-mode:vertical-rl;transform:rotate(180deg);text-align:center;{title}">{quantity}</div>'
        f'<div style="position:relative;margin-right:8px">{y_ticks}</div>'
        f'<div {attributes}style="position:relative;overflow:hidden;height:{height - (8 if axis else 56)}px;'
        f'border-bottom:1px solid {_GRID}">{lines}'
        f'<div data-part="image" {tooltip_attribute(tooltips)}style="position:absolute;height:100%;{place}">'
        f'<img src="{image}" alt="" style="width:100%;height:100%;display:block;image-rendering:pixelated"></div>'
        f"</div>{below}</div>"
    )


def _legend(entries: tuple[tuple[str, str], ...]) -> str:
    box = "display:inline-block;width:14px;height:14px;margin:0 8px 0 18px"
    boxes = "".join(f'<span style="{box};background:{colour}"></span>{text}' for colour, text in entries)
    return f'<div style="font-size:0.9375rem;padding-left:48px">{boxes}</div>'


def _time_ticks(T: int) -> list[tuple[float, str]]:
    """Return about six round times, each placed at the centre of its column."""
    step = _nice_ceiling(max(1, T // 6))
    return [((t + 0.5) / T, str(t)) for t in range(0, T, step)]


def _nice_ceiling(value: int) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 50, ... that is not below the value."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power >= value:
                return digit * power
        power *= 10


def _to_rgba_image(classes: np.ndarray, colours: tuple[str | None, ...]) -> Image.Image:
    """Convert colour indices [rows, columns] to an image; the colour None is transparent."""
    table = np.zeros((len(colours), 4), np.uint8)
    for number, colour in enumerate(colours):
        if colour and colour.startswith("#"):
            table[number] = (*bytes.fromhex(colour[1:]), 255)
        elif colour:
            *rgb, alpha = colour[5:-1].split(",")
            table[number] = (*(int(part) for part in rgb), round(255 * float(alpha)))
    return Image.fromarray(table[classes])


def png_data_url(picture: Image.Image) -> str:
    """Encode a picture as the data URL of a PNG."""
    file = io.BytesIO()
    picture.save(file, "png", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
