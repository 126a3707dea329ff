"""Canvas: a black square on which a viewer draws a digit in white."""

import binascii
from pathlib import Path
from typing import Any

import streamlit as st

SIDE_PX = 260
STROKE_PX = 22
"""A digit 180 px high, scaled to the box of 20 pixels of MNIST, gets strokes as wide as those of MNIST."""

# The canvas of streamlit-drawable-canvas mounts asynchronously and sets no aria-label.
_label_canvas = st.components.v2.component(
    "tempotron_canvas_name",
    js=Path(__file__).with_name("canvas.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def canvas(key: str, strokes: dict[str, Any] | None) -> tuple[dict[str, Any] | None, bytes | None]:
    """Show the canvas and return its content.

    Args:
        key: widget key; another key makes an empty canvas
        strokes: strokes with which the canvas starts

    Returns:
        The strokes, and the picture as PNG; None for both until the browser has answered.

    Raises:
        ValueError: if the browser has sent something else than a picture.
    """
    from streamlit_drawable_canvas import st_canvas  # here, so that the page opens if the package is missing

    with st.container(key="canvas_place"):
        result = st_canvas(
            stroke_width=STROKE_PX, stroke_color="#ffffff", background_color="#000000", width=SIDE_PX, height=SIDE_PX,
            initial_drawing=strokes, return_image_data=True, key=key,
        )  # fmt: skip
    _label_canvas(key="canvas_name", data=key)
    try:
        picture = result.image_bytes
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    return result.json_data, picture
