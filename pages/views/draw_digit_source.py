"""Selection of a digit from the test set, a drawing or an uploaded picture."""

import numpy as np
import streamlit as st

from pages.components.canvas import SIDE_PX, canvas
from pages.state.experiment import View
from pages.state.markdown import escape_markdown
from pages.state.settings import DRAWING, TEST_DIGIT, UPLOAD, url_widget
from tempotron_core.data.digit_normalisation import FORMATS, DrawingError, normalise, read_picture

UNKNOWN = "unknown"


def clear_canvas() -> None:
    """Replace the canvas by an empty one, which has another key."""
    st.session_state["canvas"] = st.session_state.get("canvas", 0) + 1
    st.session_state["drawn"] = None


def drawn_digit() -> np.ndarray | None:
    """Return the normalised drawing, None for an empty canvas; strokes survive a visit to another page."""
    st.caption("Draw one digit in the black square with a mouse, a pen or a finger.")
    key = f"canvas_{st.session_state.get('canvas', 0)}"
    if key not in st.session_state:
        st.session_state["drawn_before"] = st.session_state.get("drawn")
    strokes, image = st.session_state["drawn_before"] or (None, None)
    try:
        current_strokes, content = canvas(key, strokes)
    except ValueError:
        raise DrawingError("Canvas: expected a drawing, got something else; clear it and draw again.") from None
    finally:
        st.button("Clear", on_click=clear_canvas, icon=":material/ink_eraser:", width=SIDE_PX)
    if content is not None:
        is_blank = not (current_strokes or {}).get("objects")
        image = None if is_blank else normalise(read_picture(content), inverted=False).image
    st.session_state["drawn"] = None if image is None else (current_strokes, image)
    return image


def uploaded_digit() -> np.ndarray | None:
    """Return the normalised digit of the uploaded picture, None without one."""
    file = st.file_uploader(f"Picture of one digit ({', '.join(FORMATS)})", key="picture")
    if file is None:
        return None
    digit = normalise(read_picture(file.getvalue()))
    if digit.inverted:
        st.caption("Dark on light: the picture was inverted, because the digits of MNIST are white on black.")
    return digit.image


def select_digit(view: View) -> tuple[np.ndarray | None, int | None, str]:
    """Show the controls of the source.

    Returns:
        The digit, uint8 [28, 28], or None; its true class, or None if unknown; the prompt to show without a digit,
        empty for a test digit.
    """
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
    true_class = st.selectbox("True class", (UNKNOWN, *classes), key="meant")
    prompt = "Draw a digit to classify" if source == DRAWING else "Upload a picture to classify"
    return image, classes.index(true_class) if true_class in classes else None, prompt
