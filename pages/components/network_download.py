"""Download of a network in the formats of other programs."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.state.markdown import escape_markdown
from tempotron_core.interchange.network_files import FORMATS, available_formats, network_file
from tempotron_core.model.classifier import Model


def render(read: Callable[[], tuple[Model, tuple[str, ...]]], stem: str, key: str) -> None:
    """Show the choice of a format, the button that saves the file, and what the other program does differently.

    Args:
        read: returns the network as trained and the names of its classes
        stem: name of the file without its ending
        key: prefix of the widget keys
    """
    formats = available_formats()
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    form = left.selectbox("Network as", formats, formats.index("npz"), key=f"{key}_format") or "npz"
    model, classes = read()
    file = network_file(model, form, classes)
    right.download_button(
        f"Save {file.suffix}", file.content, f"{stem}-{form}{file.suffix}", "application/octet-stream",
        key=f"{key}_file", on_click="ignore", width="stretch",
    )  # fmt: skip
    missing = [name for name in FORMATS if name not in formats]
    notes = [*file.notes, *(f"The format {name} needs the package {name}: pip install {name}." for name in missing)]
    if notes:
        st.caption(escape_markdown(" ".join(notes)))
