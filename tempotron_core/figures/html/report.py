"""One HTML page of text, tables and Plotly figures, which needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

__all__ = ["report_page"]

_STYLE = (
    "body{font-family:sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "table{border-collapse:collapse}td,th{padding:.2rem .7rem;border-bottom:1px solid #ccc;text-align:left}"
    "pre{background:#f3f4f6;padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere}"
)


def report_page(title: str, parts: Sequence[tuple[str, Any]]) -> str:
    """Return a page of parts, one below the other.

    Args:
        title: title of the document
        parts: kind and content: "heading", "text" or "code" with a string, "table" with rows of strings of which the
            first are the headings, "figure" with a Plotly figure
    """
    body, has_plotly = [f"<h1>{escape(title)}</h1>"], False
    for kind, content in parts:
        if kind == "figure":
            body.append(
                content.to_html(full_html=False, include_plotlyjs=not has_plotly, config={"displaylogo": False})
            )
            has_plotly = True
        elif kind == "table":
            head, *rows = content
            cells = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
            cells += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
            body.append(f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>")
        else:
            tag = {"heading": "h2", "text": "p", "code": "pre"}[kind]
            body.append(f"<{tag}>{escape(content)}</{tag}>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>"
    )
