"""The digit of a page, one of whose pixels is chosen with a click.

A chart would do that too, but one that changes is another control each time, of which the server keeps the old ones.
"""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.components import charts
from pages.state.experiment import View, image_name
from tempotron_core import figures

_mount = st.components.v2.component(
    "tempotron_pixel_picker",
    js=Path(__file__).with_name("pixel_picker.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def pixel_picker(view: View, pixel: int, choose: Callable[[int], None]) -> None:
    """The digit with that pixel framed; choose: told the pixel, row by row from the top left, that is clicked."""
    alt = f"The digit {image_name(view)}, pixel {pixel} chosen"
    html = figures.pixel_html(view.pixels, pixel, alt)
    charts.html_figure_of(html, "digit", alt, lambda: figures.digit_figure(view.pixels, pixel, height=290))

    def clicked() -> None:
        selected = figures.pixel_of_click(st.session_state["picker"].get("pixel"))
        if selected is not None:
            choose(selected)

    _mount(key="picker", on_pixel_change=clicked)
