"""What a picture of markup says at the pointer, for the page's script to show: its attribute data-told, as JSON.

An object: the cells of a square, row by row, their values, and what the spikes in each say, its arrays in base64.
"""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any

import numpy as np

__all__ = ["spikes", "told"]


def told(said: Any) -> str:
    """The attribute, with a space behind it; nothing where there is nothing to say."""
    words = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    return f"data-told='{escape(words, quote=False).replace(chr(39), '&#39;')}' " if said else ""


def spikes(values: np.ndarray, times: np.ndarray, columns: list[tuple[str, np.ndarray, bool]]) -> dict[str, Any]:
    """What the cells of a map say.

    values: [784]; times: [784, m] in ms, -1 for none; columns: words, the numbers [784, m] after them, and whether
    these have a sign always.
    """
    spiking = times >= 0
    return {
        "values": _coded(values.reshape(-1), "<f4"),
        "counts": _coded(spiking.sum(axis=1), "u1"),
        "neurons": _coded(np.nonzero(spiking)[1] + 1, "u1"),
        "times": _coded(times[spiking].round(), "<u2"),
        "spikes": [
            {"words": words, "signed": signed, "numbers": _coded(numbers[spiking], "<f4")}
            for words, numbers, signed in columns
        ],
    }


def _coded(numbers: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers.astype(kind)).tobytes()).decode()
