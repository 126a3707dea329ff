"""Keyboard shortcuts of all pages, and the list of them."""

from pathlib import Path

import streamlit as st

from pages.shell import presentation
from pages.state.settings import is_presentation_mode

KEYS = (
    ("Space", "Play or pause the time cursor"),
    ("← →", "Move the time cursor by 1 ms"),
    ("0 to 9", "Go to the peak of a class, in the order of the classes"),
    ("N, B", "Next and previous sample"),
    ("P", "Begin or leave presentation mode"),
    ("T", "Switch between the light and the dark theme"),
    ("Page Down, Page Up", "Next and previous page in presentation mode, next and previous step of the tour"),
    ("Esc", "Switch the time cursor off where it has the focus; leave presentation mode"),
    ("J, K, L, F", "Replay: previous epoch, play or pause, next epoch, first correct epoch"),
    ("?", "Show or hide this list"),
)
_HTML = """
<dialog class="shortcuts" aria-label="Keyboard shortcuts">
  <table><tbody></tbody></table>
  <button>Close</button>
</dialog>
"""
_CSS = """
.shortcuts { font-size: 1rem; color: var(--st-text-color, inherit); background: var(--st-background-color, Canvas);
  border: 1px solid var(--st-border-color, #8888); border-radius: 12px; padding: 18px 22px; max-width: 92vw; }
.shortcuts::backdrop { background: #0008; }
.shortcuts th, .shortcuts td { text-align: left; padding: 4px 18px 4px 0; vertical-align: top; }
.shortcuts th { white-space: nowrap; }
.shortcuts button { font: inherit; color: inherit; background: transparent; border-radius: 8px; margin-top: 10px;
  border: 1px solid var(--st-border-color, #8888); padding: 4px 14px; cursor: pointer; }
"""
_mount = st.components.v2.component(
    "tempotron_shortcuts",
    html=_HTML,
    css=_CSS,
    js=Path(__file__).with_name("shortcuts.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def listen() -> None:
    """Let the keys of KEYS work on this page."""
    with st.sidebar:
        _mount(
            key="shortcuts",
            data={"keys": [list(row) for row in KEYS]},
            on_step_change=_step,
            on_present_change=_present,
        )


def _present() -> None:
    if st.session_state["shortcuts"].get("present"):
        st.session_state["present"] = not is_presentation_mode()


def _step() -> None:
    by = st.session_state["shortcuts"].get("step")
    if by in (1, -1):
        presentation.step_sample(int(by))
