"""Pixel picker: an image on which a click selects a pixel, and maps whose pixels open in the Encoder.

Not st.plotly_chart(on_select=...): the identity of that widget changes with its figure, and the server keeps the state
of every former one.
"""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.components import charts
from pages.components.page import switch_page
from pages.state.experiment import View, image_name
from pages.state.settings import ONE_PIXEL, number_widget
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
    row, column = divmod(pixel, view.pixels.shape[1])
    alt = f"The {view.dataset.sample} {image_name(view)}, pixel in row {row + 1}, column {column + 1} selected"
    html = figures.pixel_html(view.pixels, pixel, alt)
    charts.html_figure_of(html, "digit", alt, lambda: figures.digit_figure(view.pixels, pixel, height=290))

    _mount_picker("picker", view, "[data-figure=digit] [data-tooltip]", on_select)


def pixel_number(view: View) -> int:
    """Show the controls of the selected pixel, its row and column from 1, and return its index from 0.

    The index, which the URL holds, has a control of its own that is not visible.
    """
    columns, places = view.pixels.shape[1], st.columns(2)
    with st.container(key="hidden_number"):  # first, as it reads the URL
        last = view.pixels.size - 1
        pixel = int(st.number_input("Pixel index", **number_widget("pixel", max_value=last, value=min(last, 431))))
    for key, number in zip(("pixel_row", "pixel_column"), divmod(pixel, columns), strict=True):
        st.session_state[key] = number + 1

    def select() -> None:
        row, column = int(st.session_state["pixel_row"]), int(st.session_state["pixel_column"])
        st.session_state["pixel"] = columns * (row - 1) + column - 1

    for place, key, count in zip(places, ("pixel_row", "pixel_column"), view.pixels.shape, strict=True):
        label = f"{key.removeprefix('pixel_').capitalize()}, 1 to {count}"
        place.number_input(label, 1, count, key=key, on_change=select)
    return pixel


def open_pixels_in_encoder(view: View, *keys: str) -> None:
    """Open the Encoder when a pixel of the figures with these keys, or a button with data-pixel, is clicked."""
    pixel = st.session_state.pop("_pixel_to_open", None)
    if pixel is not None:
        st.session_state["view"] = ONE_PIXEL
        switch_page("views/encoder.py", {"pixel": str(pixel)})

    def open_pixel(selected: int) -> None:
        st.session_state["_pixel_to_open"] = selected

    selector = ", ".join(f"[data-figure={key}] [data-tooltip]" for key in keys)
    _mount_picker("pixel_link", view, selector, open_pixel)


def _mount_picker(key: str, view: View, selector: str, on_select: Callable[[int], None]) -> None:
    def on_click() -> None:
        selected = figures.pixel_of_click(st.session_state[key].get("pixel"), view.pixels.size)
        if selected is not None:
            on_select(selected)

    rows, columns = view.pixels.shape if view.dataset.shape else (1, view.pixels.size)
    _mount(key=key, data={"rows": rows, "columns": columns, "selector": selector}, on_pixel_change=on_click)
