"""Where a digit comes from: the test set, the viewer's hand, or a file."""

import binascii
from pathlib import Path

import numpy as np
import streamlit as st

from pages.state.experiment import View
from pages.state.markdown import escape_markdown
from pages.state.settings import DRAWING, TEST_DIGIT, UPLOAD, url_widget
from tempotron_core.data.digit_normalisation import FORMATS, DrawingError, normalise, read_picture

UNKNOWN = "not said"
SIDE, STROKE = 260, 22  # in a box of 180 such a stroke becomes as wide as MNIST's

# Its component draws it some time later and gives it no name.
_label_canvas = st.components.v2.component(
    "tempotron_canvas_name",
    js=(Path(__file__).parents[1] / "components/canvas/canvas.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def clear_canvas() -> None:
    """A fresh canvas: one with another identity."""
    st.session_state["canvas"] = st.session_state.get("canvas", 0) + 1
    st.session_state["drawn"] = None


def drawn_digit() -> np.ndarray | None:
    """What has been drawn, also before the viewer was elsewhere meanwhile; None for nothing yet."""
    from streamlit_drawable_canvas import st_canvas  # only where it is wanted, so that the page opens without it

    st.caption("Draw in the black square with a mouse, a pen or a finger; without one, upload a picture.")
    key = f"canvas_{st.session_state.get('canvas', 0)}"
    if key not in st.session_state:
        st.session_state["drawn_before"] = st.session_state.get("drawn")
    strokes, image = st.session_state["drawn_before"] or (None, None)
    with st.container(key="canvas_place"):
        result = st_canvas(
            stroke_width=STROKE, stroke_color="#ffffff", background_color="#000000", width=SIDE, height=SIDE,
            initial_drawing=strokes, return_image_data=True, key=key,
        )  # fmt: skip
    _label_canvas(key="canvas_name", data=key)
    st.button("Clear", on_click=clear_canvas, icon=":material/ink_eraser:", width=SIDE)
    try:
        content = result.image_bytes
    except (ValueError, binascii.Error):
        raise DrawingError("Canvas: expected a drawing, got something else; clear it and draw again.") from None
    if content is not None:
        blank = not (result.json_data or {}).get("objects")
        image = None if blank else normalise(read_picture(content), inverted=False).image
    st.session_state["drawn"] = None if image is None else (result.json_data, image)
    return image


def uploaded_digit() -> np.ndarray | None:
    """The digit in an uploaded picture; None without one."""
    file = st.file_uploader(f"A picture of one digit: {', '.join(FORMATS)}", key="picture")
    if file is None:
        return None
    digit = normalise(read_picture(file.getvalue()))
    if digit.inverted:
        st.caption("It is dark on light, so it was inverted: MNIST's digits are white on black.")
    return digit.image


def select_digit(view: View) -> tuple[np.ndarray | None, int | None, str]:
    """The digit to read, its class where that is known, and what to say without one."""
    source = st.segmented_control(
        "Digit from", (TEST_DIGIT, DRAWING, UPLOAD), default=TEST_DIGIT, required=True, **url_widget("source")
    )
    if source not in (DRAWING, UPLOAD):
        return view.pixels, view.label, ""
    with st.container():
        try:
            image = drawn_digit() if source == DRAWING else uploaded_digit()
        except DrawingError as error:
            image = None
            st.warning(escape_markdown(error), icon=":material/broken_image:")
    classes = view.dataset.classes
    true_class = st.selectbox("It is meant to be", (UNKNOWN, *classes), key="meant")
    prompt = (
        "Draw a digit, and the network reads it" if source == DRAWING else "Upload a picture, and the network reads it"
    )
    return image, classes.index(true_class) if true_class in classes else None, prompt
