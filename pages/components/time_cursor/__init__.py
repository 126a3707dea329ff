"""Time cursor: a slider that moves through the time window over all figures of one prediction, in the browser alone."""

import base64
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
import torch

from pages.state.experiment import View
from pages.state.settings import PRESENTATION_SCALE, is_presentation_mode
from tempotron_core import figures
from tempotron_core.analysis.response import potentials_at
from tempotron_core.model.classifier import Prediction

_TIME = re.compile(r"[0-9]{1,8}(\.[0-9]{1,9})?")
_HTML = """
<div class="cursor" role="group" aria-label="time cursor">
  <button data-part="play" aria-label="play">▶</button>
  <input data-part="slider" type="range" min="0" step="1" aria-label="time, ms">
  <button data-part="off" aria-label="show the whole time window">✕</button>
  <div class="below">
    <div data-part="words"></div>
    <div class="peaks"><span>Go to the peak of</span><span data-part="jumps"></span></div>
    <div class="peaks" data-part="crossings">
      <span>to the crossing of</span><span data-part="crossing-jumps"></span>
    </div>
  </div>
</div>
"""
_CSS = """
.cursor { display: grid; grid-template-columns: auto 1fr auto; gap: 6px 14px; align-items: center; font-size:1rem; }
.cursor button { font: inherit; color: inherit; background: transparent; border-radius: 8px;
  border: 1px solid var(--st-border-color, #8888); padding: 4px 12px; cursor: pointer; min-width: 44px; }
.cursor button:disabled { opacity: 0.35; cursor: default; }
.cursor button:hover:enabled, .cursor button:focus-visible { border-color: var(--st-primary-color, currentColor); }
.cursor [data-part=play] { background: var(--st-primary-color, #7048e8); color: light-dark(#fff, #14101f); }
.cursor input { width: 100%; accent-color: var(--st-primary-color, #7048e8); height: 28px; }
.cursor .below { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: center; }
.cursor [data-part=words] { flex: 1 1 420px; font-size:1.1875rem; min-height: 1.5em; }
.cursor .peaks { display: flex; flex-wrap: wrap; gap: 5px; align-items: center; }
.cursor .peaks[hidden] { display: none; }
.cursor [data-part=jumps], .cursor [data-part=crossing-jumps] { display: contents; }
.cursor .peaks button { font-weight: 600; padding: 1px 6px; min-width: 30px; }
.cursor-overlay { position: absolute; pointer-events: none; }
.cursor-shade { top: 0; bottom: 0; right: 0; background: var(--st-background-color, Canvas); opacity: 0.82; }
.cursor-line { top: 0; bottom: 0; border-left: 3px solid #d6336c; margin-left: -1.5px; }
.cursor-handle { width: 26px; margin-left: -13px; cursor: ew-resize; pointer-events: auto; touch-action: none; }
.cursor-dot { width: 14px; height: 14px; margin: -7px 0 0 -7px; border-radius: 50%; border: 2px solid white; }
@media (pointer: coarse) { .st-key-traces .nsewdrag { pointer-events: none; } } /* a finger scrolls the page */
.cursor-digit { inset: 0; width: 100%; height: 100%; image-rendering: pixelated; }
"""
_JS = Path(__file__).with_name("time_cursor.js").read_text(encoding="utf-8")
_component = st.components.v2.component("tempotron_time_cursor", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)
SOURCES = (_HTML, _CSS, _JS)
"""HTML, CSS and JavaScript of the cursor, for pages without a server."""


def _mount(**arguments: Any) -> None:
    st.session_state["_cursor_data"] = arguments["data"]
    _component(**arguments)


def exported_data() -> dict[str, Any]:
    """Return the data of the cursor that was mounted last, for figures at their size outside presentation mode."""
    return {**st.session_state["_cursor_data"], "margin": list(figures.MARGINS), "requested": [], "reports": False}


def time_cursor(
    view: View,
    decision: Prediction,
    info: figures.VoltageInfo,
    traces: str = "traces",
    span: tuple[float, float] | None = None,
    reports: bool = False,
) -> None:
    """Mount the cursor over the figures of a prediction.

    Args:
        view: sample and model
        decision: prediction
        info: membrane potentials and peaks of the prediction
        traces: key of the chart of the membrane potentials
        span: lower and upper end of its potential axis, those of figures.trace_range if None
        reports: whether a change of the time reruns the page or fragment
    """
    T = info.v.shape[1]
    times, positions = _spike_times(view)
    scale = PRESENTATION_SCALE if is_presentation_mode() else 1.0
    colours = [figures.class_colour(i, info.true_class, info.predicted) for i in range(len(info.classes))]
    model, v, rate = view.model, info.v, 1
    if info.is_exact:  # of single neurons, because the browser computes V between these times
        has_whole_times = bool((decision.times == decision.times.round()).all())
        rate = 1 if has_whole_times else 2 if info.neurons_per_class > 1 else 10
        v = potentials_at(model, decision, torch.arange(T * rate + 1) / rate).flatten(0, 1).numpy()
    number = float if info.is_exact else int
    _mount(
        key="time_cursor",
        height="content",
        data={
            "T": T,
            "exact": info.is_exact,
            "k": info.neurons_per_class,
            "rate": rate,
            "tau": model.tau,
            "tau_s": model.tau_s,
            "v": _base64(v.astype("<f4")),
            "lowest": float((info.v if info.curves is None else info.curves.v).min()),
            "v_max": [float(value) for value in info.v_max],
            "t_max": [number(value) for value in info.t_max],
            "t_spike": [number(value) for value in info.first_crossing],
            "classes": list(info.classes),
            "colours": colours,
            "text_colours": [figures.css_text_colour(colour) for colour in colours],
            "visible_classes": list(info.visible),
            "image": _base64(view.pixels),
            "symbols": _base64(positions.astype("<u2")),  # a number of times
            "shape": view.pixels.shape,  # a table has no picture to cover
            "times": times,
            "spike": list(bytes.fromhex(figures.SPIKE[1:])),
            "traces": traces,
            "range": span or figures.trace_range(info),
            "margin": [round(side * scale) for side in figures.MARGINS],
            "t": time_from_query(info.last_time, info.is_exact),
            "reports": reports,
            "requested": list(st.session_state.get("cursor_requested", ())),
            "invitation": "Press play or drag to move through time. Keys: space, arrows, 0 to 9 for a peak.",
        },
        on_time_change=_ignore,
    )


def _ignore() -> None:
    """Do nothing: the rerun reads the time from the state of the component."""


def reported_time(last: float, is_exact: bool = False) -> float | None:
    """Return the time at which the cursor of this page rests, that of the URL before it has been moved.

    Args:
        last: last time in ms
        is_exact: whether times may lie between whole milliseconds
    """
    state = st.session_state.get("time_cursor")
    if state is None or "time" not in state:
        return time_from_query(last, is_exact)
    time = state["time"]
    if not isinstance(time, int | float) or not math.isfinite(time):
        return None
    return min(max(float(time), 0.0), last) if is_exact else min(max(int(time), 0), int(last))


def _spike_times(view: View) -> tuple[list[list[int]], np.ndarray]:
    """Return lists of the ms in which spikes occur, and the list of each position."""
    model = view.model
    if model.code.code.is_recorded:  # no picture on which the cursor would show them by position
        times = view.image.numpy()
        return [times[(times >= 0) & (times < model.T)].astype(int).tolist()], np.zeros(1, int)
    table = model.spike_table().numpy()
    symbols, positions = np.unique(model.code.symbols(view.image.unsqueeze(0))[0].numpy(), return_inverse=True)
    return [[int(t) for t in table[symbol] if t >= 0] for symbol in symbols], positions


def time_from_query(last: float, is_exact: bool = False) -> float | None:
    """Return the time of the cursor in the URL, limited to the time window; None without one.

    Args:
        last: last time in ms
        is_exact: whether times may lie between whole milliseconds
    """
    text = st.query_params.get("t", "")
    if not _TIME.fullmatch(text):
        return None
    t = min(float(text), last)
    return t if is_exact else int(t)


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
