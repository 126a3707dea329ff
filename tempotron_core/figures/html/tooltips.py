"""What a picture of markup says at the pointer, for the page's script to show: its attribute data-told, as JSON.

A list: lines of points in thousandths of the picture, from the top left; the point next to the pointer speaks. An
object: the cells of a square, row by row, their values, and what the spikes in each say, its arrays in base64.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from html import escape, unescape
from typing import Any

import numpy as np

__all__ = ["each", "points", "spikes", "told"]

_FIELD = re.compile(r"%\{(\w+)(?::([^}]*))?\}")


def told(said: Any) -> str:
    """The attribute, with a space behind it; nothing where there is nothing to say."""
    words = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    return f"data-told='{escape(words, quote=False).replace(chr(39), '&#39;')}' " if said else ""


def each(value: Any, count: int) -> list[Any]:
    """A setting of every point, given once or one by one."""
    return list(value) if isinstance(value, list | tuple | np.ndarray) else [value] * count


def points(trace: Any, across: Callable[[float], float], down: Callable[[float], float]) -> list[dict[str, Any]]:
    """What a trace of a chart would say: where its points lie, the words, and each point's numbers between them."""
    template = trace.hovertemplate
    if trace.type != "scatter" or not template or trace.hoverinfo == "skip":
        return []
    plain = template.replace("<extra></extra>", "").replace("<br>", "\n")
    if "<extra></extra>" not in template and trace.name:
        plain = f"{trace.name.replace('<br>', ' · ')}: {plain}"
    count = len(trace.x)
    columns = {name: each(trace[name], count) for name in ("x", "y", "text", "customdata")}
    finite = [i for i in range(count) if np.isfinite(columns["x"][i]) and np.isfinite(columns["y"][i])]
    columns = {name: [column[i] for i in finite] for name, column in columns.items()}
    words = _FIELD.split(plain)
    return [
        {
            "x": [round(1000 * across(x)) for x in columns["x"]],
            "y": [round(1000 * down(y)) for y in columns["y"]],
            "words": [_plain(part) for part in words[::3]],
            "numbers": [
                [_written(value, form or "") for value in columns[name]]
                for name, form in zip(words[1::3], words[2::3], strict=True)
            ],
        }
    ]


def _plain(words: str) -> str:
    return unescape(re.sub(r"</?b>", "", words))


def _written(value: Any, form: str) -> str:
    """A value as the chart would write it."""
    if isinstance(value, str):
        return _plain(value)
    return format(int(value) if form == "," else float(value), form or "g").replace("-", "−")


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
