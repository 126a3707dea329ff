"""A digit on the page, one of whose pixels is chosen with a click.

A chart would do that too, but one that changes is another control each time, of which the server keeps the old ones.
"""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st

from pages import common
from tempotron_core import figures

_PIXELS = 784
_mount = st.components.v2.component(
    "tempotron_picker", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"), isolate_styles=False
)


def digit(image: np.ndarray, chosen: int, alt: str, choose: Callable[[int], None], height: int = 290) -> None:
    """An image, uint8 [28, 28], with the chosen pixel framed; choose: told the pixel, row by row, that is clicked."""
    plate = figures.digit_plate(image, alt, height, chosen)
    common.plate(plate, "digit", alt, lambda: common.pixel_numbers(image))

    def clicked() -> None:
        pixel = st.session_state["picker"].get("pixel")
        if isinstance(pixel, int) and 0 <= pixel < _PIXELS:
            choose(pixel)

    data = {"plate": "digit", "image": base64.b64encode(np.ascontiguousarray(image).tobytes()).decode()}
    _mount(key="picker", data=data, on_pixel_change=clicked)
