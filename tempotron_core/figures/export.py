"""Export of figures as HTML, JSON and CSV, and scaling for presentations."""

from __future__ import annotations

import csv
import io
import json
from html import escape
from typing import Any

import plotly.graph_objects as go

__all__ = [
    "columns_to_csv",
    "cursor_page",
    "figure_to_json",
    "figure_to_page",
    "html_page",
    "scale_figure",
]

_CURSOR_PAGE_CSS = """
body { font-family: sans-serif; max-width: 1180px; margin: 1.5rem auto; padding: 0 1rem; color: #222; background: #fff;
  color-scheme: light; }
h1 { font-size: 1.6rem; }
.row { display: grid; gap: 24px; margin: 18px 0; align-items: start; }
.first { grid-template-columns: minmax(0, 1fr) minmax(0, 2.2fr); }
.second { grid-template-columns: minmax(0, 2.2fr) minmax(0, 1fr); }
.js-plotly-plot { position: relative; }
@media (max-width: 640px) { .first, .second { grid-template-columns: minmax(0, 1fr); } }
"""


def scale_figure(figure: go.Figure, factor: float) -> go.Figure:
    """Return a copy of the figure with all fonts and margins multiplied by a factor."""
    layout = _scale_fonts(figure.layout.to_plotly_json(), factor)
    if "margin" in layout:
        layout["margin"] = {side: round(size * factor) for side, size in layout["margin"].items()}
    large = go.Figure(figure).update_layout(layout, overwrite=True)
    for trace in large.data:
        if trace.type == "heatmap":
            for font in (trace.textfont, trace.colorbar.tickfont, trace.colorbar.title.font):
                font.size = (font.size or 12) * factor
        elif "textfont" in trace and trace.textfont.size:
            trace.textfont.size *= factor
    return large


def _scale_fonts(part: Any, factor: float) -> Any:
    if isinstance(part, dict):
        return {
            key: {**value, "size": value["size"] * factor}
            if key.endswith("font") and isinstance(value, dict) and isinstance(value.get("size"), int | float)
            else _scale_fonts(value, factor)
            for key, value in part.items()
        }
    if isinstance(part, list | tuple):
        return [_scale_fonts(value, factor) if isinstance(value, dict | list | tuple) else value for value in part]
    return part


def figure_to_page(figure: go.Figure, title: str) -> str:
    """Return a self-contained HTML page of the figure, which needs no network."""
    page: str = figure.to_html(
        include_plotlyjs=True, full_html=True, default_width="100%", config={"displaylogo": False}
    )
    head = f'<head><title>{escape(title)}</title><meta name="viewport" content="width=device-width">'
    return page.replace("<head>", head, 1)


def figure_to_json(figure: go.Figure) -> str:
    """Return the figure as Plotly JSON."""
    json_text: str = figure.to_json()
    return json_text


def html_page(content: str, title: str) -> str:
    """Return an HTML page of a picture given as HTML."""
    body_style = "font-family:sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#222;background:#fff"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"></head><body style="{body_style}">{content}</body></html>'
    )


def cursor_page(
    title: str,
    headline: str,
    pictures: tuple[str, str, str],
    traces: go.Figure,
    cursor: tuple[str, str, str],
    data: dict[str, Any],
    caption: str,
) -> str:
    """Return a self-contained HTML page of a prediction with its time cursor; it needs no server and no network.

    Args:
        title: Title of the document.
        headline: Prediction as one sentence.
        pictures: HTML of the sample, of the spike raster and of the peaks.
        traces: Figure of the membrane potentials.
        cursor: HTML, CSS and JavaScript module of the time cursor; the module exports the function that mounts it.
        data: Data of the time cursor.
        caption: Text below the figures.
    """
    sample, raster, peaks = pictures
    markup, css, script = cursor
    figure: str = traces.to_html(
        include_plotlyjs=True, full_html=False, default_width="100%", config={"displayModeBar": False}
    )
    values = json.dumps(data).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width"><style>{_CURSOR_PAGE_CSS}{css}</style></head>
<body><main class="stMain"><h1>{escape(headline)}</h1>
<div id="cursor">{markup}</div>
<div class="row first"><div>{sample}</div><div>{raster}</div></div>
<div class="row second"><div class="st-key-traces">{figure}</div><div>{peaks}</div></div>
<p>{escape(caption)}</p></main>
<script type="module">
{script.replace("export default function", "function mountCursor", 1)}
window.history.replaceState = () => {{}}; // the address of a file stays as it is
mountCursor({{ data: {values}, parentElement: document.querySelector("#cursor"), setStateValue() {{}} }});
</script></body></html>
"""


def columns_to_csv(columns: dict[str, Any]) -> str:
    """Return columns of equal length as CSV, with their names as header.

    Raises:
        ValueError: The columns differ in length.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
