"""Patterns of nine grey values as small images in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from tempotron_core.figures import theme
from tempotron_core.figures.html.pictures import png_data_url

__all__ = ["patterns_html"]

_FRAME = "rgba(127,135,144,0.5)"


def patterns_html(
    patterns: np.ndarray, alt: str, labels: Sequence[str] | None = None, spiking: Sequence[bool] | None = None,
    size: int = 40,
) -> str:  # fmt: skip
    """Draw patterns in rows, each with its label below; those of spiking afferents have a coloured frame.

    Args:
        patterns: Grey values from 0 to 1, [n, 9], row by row.
        alt: Text alternative.
        labels: Label of each pattern, its number from 1 if None.
        spiking: Whether the afferent of each pattern spikes, for none if None.
        size: Width of a pattern in pixels.
    """
    labels = labels or [str(number + 1) for number in range(len(patterns))]
    grey = np.round(np.clip(patterns, 0, 1) * 255).astype(np.uint8).reshape(len(patterns), 3, 3)
    cells = []
    for j, (picture, label) in enumerate(zip(grey, labels, strict=True)):
        marked = bool(spiking is not None and spiking[j])
        frame = f"outline:{3 if marked else 1}px solid {theme.SPIKE if marked else _FRAME}"
        weight = 700 if marked else 400
        source = png_data_url(Image.fromarray(np.ascontiguousarray(picture)))
        cells.append(
            f'<div style="text-align:center;font-size:0.8125rem;font-weight:{weight};line-height:1.3">'
            f'<img src="{source}" alt="" style="width:{size}px;height:{size}px;image-rendering:pixelated;display:block;'
            f'margin:3px auto;{frame}">{escape(label)}</div>'
        )
    grid = f"display:grid;gap:8px 6px;grid-template-columns:repeat(auto-fill,minmax({size + 14}px,1fr))"
    return f'<div role="img" aria-label="{escape(alt)}" style="{grid}">{"".join(cells)}</div>'
