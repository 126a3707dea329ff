"""The states of a training and what leads from one to the next, as plain markup."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from tempotron_core.figures import theme

__all__ = ["states_plate"]

_BOX = "border:2px solid {edge};border-radius:10px;padding:6px 14px;text-align:center;font-weight:600;{look}"
_LABEL = "font-size:0.9375rem;text-align:center;white-space:nowrap;line-height:1.35"


def states_plate(moves: Mapping[str, Mapping[str, str]], present: str | None) -> str:
    """Moves: event -> from which state to which. present: the state that is marked; None for none."""
    told = "; ".join(
        f"{event}: {', '.join(f'{origin} to {target}' for origin, target in pairs.items())}"
        for event, pairs in moves.items()
    )
    alt = escape(f"States of a training, now {present or 'none'}. {told}.")
    held = (
        _box("running", present)
        + _arrows(moves, ("running", "paused", "{} →"), ("paused", "running", "← {}"))
        + _box("paused", present)
        + _arrows(moves, ("running", "stopping", "{} ↓"))
        + "<div></div>"
        + _arrows(moves, ("paused", "stopping", "{} ↓"))
        + f'<div style="grid-column:1 / -1">{_box("stopping", present)}</div>'
    )
    ends = "".join(
        _arrows(moves, ("running", end, "{} →"), ("stopping", end, "{} →")) + _box(end, present)
        for end in ("finished", "failed", "stopped")
    )
    grid = "display:grid;gap:8px 12px;align-items:center"
    return (
        f'<div role="img" aria-label="{alt}" style="display:flex;flex-wrap:wrap;gap:18px;font-size:1.0625rem">'
        f'<div style="{grid};grid-template-columns:auto auto auto;flex:0 1 auto">{held}</div>'
        f'<div style="{grid};grid-template-columns:auto auto;border-left:2px solid {theme.INK};padding-left:18px">'
        f"{ends}</div></div>"
    )


def _box(state: str, present: str | None) -> str:
    here = state == present
    look = f"background:{theme.HISTORY};color:#fff" if here else ""
    return f'<div style="{_BOX.format(edge=theme.HISTORY if here else theme.INK, look=look)}">{escape(state)}</div>'


def _arrows(moves: Mapping[str, Mapping[str, str]], *ways: tuple[str, str, str]) -> str:
    lines = dict.fromkeys(
        arrow.format(escape(event))
        for origin, target, arrow in ways
        for event, pairs in moves.items()
        if pairs.get(origin) == target
    )
    return f'<div style="{_LABEL}">{"<br>".join(lines)}</div>'
