"""What a picture of markup says at the pointer, for the page's script to show: its attribute data-tooltip, as JSON.

An object: the cells of a square, row by row, their values, and what the spikes in each say, its arrays in base64.
"""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any

import numpy as np

__all__ = ["cell_tooltips", "tooltip_attribute"]


def tooltip_attribute(tooltips: Any) -> str:
    """The attribute, with a space behind it; nothing where there is nothing to say."""
    json_text = json.dumps(tooltips, separators=(",", ":"), ensure_ascii=False)
    return f"data-tooltip='{escape(json_text, quote=False).replace(chr(39), '&#39;')}' " if tooltips else ""


def cell_tooltips(values: np.ndarray, times: np.ndarray, columns: list[tuple[str, np.ndarray, bool]]) -> dict[str, Any]:
    """What the cells of a map say.

    values: [784]; times: [784, m] in ms, -1 for none; columns: words, the numbers [784, m] after them, and whether
    these have a sign always.
    """
    has_spike = times >= 0
    return {
        "values": _base64(values.reshape(-1), "<f4"),
        "counts": _base64(has_spike.sum(axis=1), "u1"),
        "neurons": _base64(np.nonzero(has_spike)[1] + 1, "u1"),
        "times": _base64(times[has_spike].round(), "<u2"),
        "spikes": [
            {"words": words, "signed": signed, "numbers": _base64(numbers[has_spike], "<f4")}
            for words, numbers, signed in columns
        ],
    }


def _base64(numbers: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers.astype(dtype)).tobytes()).decode()
