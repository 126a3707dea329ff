"""Pixel picker: an image on which a click selects a pixel.

Not st.plotly_chart(on_select=...): the identity of that widget changes with its figure, and the server keeps the state
of every former one.
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


def pixel_picker(view: View, pixel: int, on_select: Callable[[int], None]) -> None:
    """Draw the image with a frame around the selected pixel.

    Args:
        view: the view whose sample is drawn
        pixel: index of the selected pixel, row by row from the top left
        on_select: called with the index of the pixel that was clicked
    """
    alt = f"The {view.dataset.sample} {image_name(view)}, pixel {pixel} selected"
    html = figures.pixel_html(view.pixels, pixel, alt)
    charts.html_figure_of(html, "digit", alt, lambda: figures.digit_figure(view.pixels, pixel, height=290))

    def on_click() -> None:
        selected = figures.pixel_of_click(st.session_state["picker"].get("pixel"), view.pixels.size)
        if selected is not None:
            on_select(selected)

    rows, columns = view.pixels.shape
    _mount(key="picker", data={"rows": rows, "columns": columns}, on_pixel_change=on_click)
