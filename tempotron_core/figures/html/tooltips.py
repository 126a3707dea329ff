"""Tooltips of pixel maps: the attribute data-tooltip, which pages/components/tooltip/tooltip.js reads.

The attribute is a JSON object with the values of all cells, row by row, and the spikes in each cell. Arrays are in
base64, little-endian.
"""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any

import numpy as np

__all__ = ["cell_tooltips", "encode_array", "tooltip_attribute"]


def tooltip_attribute(tooltips: Any) -> str:
    """Return the HTML attribute followed by a space, "" if there are no tooltips."""
    json_text = json.dumps(tooltips, separators=(",", ":"), ensure_ascii=False)
    return f"data-tooltip='{escape(json_text, quote=False).replace(chr(39), '&#39;')}' " if tooltips else ""


def cell_tooltips(values: np.ndarray, times: np.ndarray, columns: list[tuple[str, np.ndarray, bool]]) -> dict[str, Any]:
    """Return the tooltip data of a map of pixels.

    Args:
        values: Value of each pixel, [h, w].
        times: Spike times in ms, -1 for no spike, [pixels, m].
        columns: For each number listed after a spike: the text before it, the numbers [pixels, m], and True to always
            show a sign.
    """
    has_spike = times >= 0
    shape = {"columns": values.shape[1]} if values.ndim == 2 and values.shape[0] != values.shape[1] else {}
    return shape | {
        "values": encode_array(values.reshape(-1), "<f4"),
        "counts": encode_array(has_spike.sum(axis=1), "<u2"),
        "neurons": encode_array(np.nonzero(has_spike)[1] + 1, "<u2"),
        "times": encode_array(times[has_spike], "<f4"),
        "spikes": [
            {"words": label, "signed": signed, "numbers": encode_array(numbers[has_spike], "<f4")}
            for label, numbers, signed in columns
        ],
    }


def encode_array(numbers: np.ndarray, dtype: str) -> str:
    """Encode numbers as base64 in this type."""
    return base64.b64encode(np.ascontiguousarray(numbers.astype(dtype)).tobytes()).decode()
