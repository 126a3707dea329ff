"""Small picture of the postsynaptic potential K as HTML, to stand beside its time constants."""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from tempotron_core.figures import theme

__all__ = ["kernel_html"]

_WIDTH, _TOP = 200, 4


def kernel_html(s: np.ndarray, kernel: np.ndarray, time_to_peak: float, height: int = 48) -> str:
    """Draw K(s) with its time to peak.

    Args:
        s: Times after the spike in ms, ascending from 0, [n].
        kernel: K at these times, [n].
        time_to_peak: Time of the maximum of K in ms.
        height: Height of the curve in pixels.
    """
    last, top = float(s[-1]) or 1.0, float(kernel.max()) or 1.0
    x, y = s / last * _WIDTH, _TOP + (1 - kernel / top) * (height - _TOP - 1)
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    at = min(time_to_peak / last, 1.0) * _WIDTH
    peak = f"K, peak at {time_to_peak:.1f} ms"
    alt = f"Postsynaptic potential K: peak {time_to_peak:.1f} ms after a spike, then decay; {last:.0f} ms shown."
    line = f'stroke="{theme.REFERENCE}" stroke-width="1" vector-effect="non-scaling-stroke" fill="none"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" preserveAspectRatio="none">'
        f'<path d="M0 {height - 0.5}H{_WIDTH}" {line}/>'
        f'<path d="M{at:.1f} {_TOP}V{height}" {line} stroke-dasharray="4 3"/>'
        f'<polyline points="{path}" fill="none" stroke="{theme.SPIKE}" stroke-width="3" '
        'vector-effect="non-scaling-stroke"/></svg>'
    )
    # As an image, because Streamlit removes SVG elements from HTML.
    source = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    return (
        f'<div style="font-size:0.9375rem;line-height:1.3">{peak}'
        f'<img src="{source}" alt="{escape(alt)}" style="width:100%;height:{height}px;display:block"></div>'
    )
