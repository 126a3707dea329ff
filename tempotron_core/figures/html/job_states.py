"""Diagram of the states of a training job and the transitions between them, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from tempotron_core.figures import theme

__all__ = ["states_html"]

_BOX = "border:2px solid {edge};border-radius:10px;padding:6px 14px;text-align:center;font-weight:600;{look}"
_LABEL = "font-size:0.9375rem;text-align:center;white-space:nowrap;line-height:1.35"


def states_html(transitions: Mapping[str, Mapping[str, str]], current: str | None) -> str:
    """Draw the state diagram of a training job.

    Args:
        transitions: Event -> {state before: state after}.
        current: State to highlight, None for none.
    """
    transitions_text = "; ".join(
        f"{event}: {', '.join(f'{origin} to {target}' for origin, target in pairs.items())}"
        for event, pairs in transitions.items()
    )
    alt = escape(f"States of a training job; current state: {current or 'none'}. {transitions_text}.")
    active_html = (
        _box("running", current)
        + _arrows(transitions, ("running", "paused", "{} →"), ("paused", "running", "← {}"))
        + _box("paused", current)
        + _arrows(transitions, ("running", "stopping", "{} ↓"))
        + "<div></div>"
        + _arrows(transitions, ("paused", "stopping", "{} ↓"))
        + f'<div style="grid-column:1 / -1">{_box("stopping", current)}</div>'
    )
    final_html = "".join(
        _arrows(transitions, ("running", end, "{} →"), ("stopping", end, "{} →")) + _box(end, current)
        for end in ("finished", "failed", "stopped")
    )
    grid = "display:grid;gap:8px 12px;align-items:center"
    divider = f"border-left:2px solid {theme.REFERENCE};padding-left:18px"
    return (
        f'<div role="img" aria-label="{alt}" style="display:flex;flex-wrap:wrap;gap:18px;font-size:1.0625rem">'
        f'<div style="{grid};grid-template-columns:auto auto auto;flex:0 1 auto">{active_html}</div>'
        f'<div style="{grid};grid-template-columns:auto auto;{divider}">'
        f"{final_html}</div></div>"
    )


def _box(state: str, current: str | None) -> str:
    is_current = state == current
    look = f"background:{theme.METRIC};color:#fff" if is_current else ""
    style = _BOX.format(edge=theme.METRIC if is_current else theme.REFERENCE, look=look)
    return f'<div style="{style}">{escape(state)}</div>'


def _arrows(transitions: Mapping[str, Mapping[str, str]], *arrows: tuple[str, str, str]) -> str:
    lines = dict.fromkeys(
        arrow.format(escape(event))
        for origin, target, arrow in arrows
        for event, pairs in transitions.items()
        if pairs.get(origin) == target
    )
    return f'<div style="{_LABEL}">{"<br>".join(lines)}</div>'
