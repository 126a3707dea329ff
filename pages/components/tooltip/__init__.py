"""Tooltips of HTML figures: a script that shows the values of the cell under the pointer."""

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "tempotron_tooltip",
    js=(_HERE / "tooltip.js").read_text(encoding="utf-8"),
    css=(_HERE / "tooltip.css").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def mount() -> None:
    """Mount the script, once per page."""
    _mount(key="tooltip")
