"""Selection of a sample from the test set, a drawing or an uploaded picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from pages.components import charts
from pages.components.canvas import SIDE_PX, canvas
from pages.state.experiment import View
from pages.state.markdown import escape_markdown
from pages.state.own_sample import own_image, scale_image, select_own_image
from pages.state.settings import (
    AUTOMATIC,
    DARK_ON_LIGHT,
    DEFAULTS,
    DRAWING,
    LIGHT_ON_DARK,
    TEST_DIGIT,
    UPLOAD,
    get_setting,
    is_presentation_mode,
    number_widget,
    url_widget,
)
from tempotron_core import figures
from tempotron_core.data.digit_normalisation import (
    FORMATS,
    DrawingError,
    NormalisedDigit,
    ReadingOptions,
    normalise,
    read_picture,
)
from tempotron_core.data.reading_illustration import illustrate, summarise

READING_KEYS = ("read_polarity", "read_threshold", "read_columns", "read_rows")
UNKNOWN = "unknown"


@dataclass
class Upload:
    """An uploaded picture of a session.

    Attributes:
        file_id: identifier of the upload
        name: name of the file
        pixels: what read_picture returned
        reading: options and result of the last reading
        opens_panel: whether the steps are shown at first
    """

    file_id: str
    name: str
    pixels: np.ndarray
    reading: tuple[ReadingOptions, NormalisedDigit] | None = None
    opens_panel: bool | None = None


def clear_canvas() -> None:
    """Replace the canvas by an empty one, which has another key."""
    st.session_state["canvas"] = st.session_state.get("canvas", 0) + 1
    st.session_state["drawn"] = None
    select_own_image(None)


def drawn_digit(word: str = "digit") -> np.ndarray | None:
    """Return the normalised drawing, None for an empty canvas; strokes survive a visit to another page."""
    if not is_presentation_mode():
        st.caption(f"Draw one {word} in the black square with a mouse, a pen or a finger.")
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
    return own_image() if image is None else image  # a link brings the pixels without strokes


def forget_upload() -> None:
    """Forget the picture and the corrections that were made to its reading."""
    st.session_state["uploaded"] = None
    for key in READING_KEYS:
        st.session_state[key] = DEFAULTS[key]


def uploaded_digit(word: str = "digit") -> np.ndarray | None:
    """Return the normalised digit of the uploaded picture, None without one.

    The pixels survive a visit to another page, which empties the widget; its callback runs only if the viewer selects
    another file or removes it.
    """
    file = st.file_uploader(f"Picture of one {word} ({', '.join(FORMATS)})", key="picture", on_change=forget_upload)
    upload = st.session_state.get("uploaded")
    if file is not None and (upload is None or upload.file_id != file.file_id):
        upload = Upload(file.file_id, file.name, read_picture(file.getvalue()))
        st.session_state["uploaded"] = upload
    if upload is None:
        return None
    if file is None:
        st.caption(escape_markdown(f"{upload.name}, uploaded before."))
        st.button("Remove the picture", on_click=forget_upload, icon=":material/delete:")
    return read_upload(upload).image


def read_upload(upload: Upload) -> NormalisedDigit:
    """Read the digit with the viewer's corrections; show a doubt, the steps and the controls.

    Raises:
        DrawingError: if no digit is found; the controls are shown before.
    """
    digit, error = None, None
    try:
        options = reading_options()
        if upload.reading is None or upload.reading[0] != options:
            upload.reading = options, normalise(upload.pixels, options=options)
        digit = upload.reading[1]
    except ValueError as problem:
        error = problem
    if digit is not None:
        if digit.inverted:
            st.caption(
                "Dark on light: the picture was inverted, because the images of the data set are white on black."
            )
        if digit.doubt:
            st.warning(escape_markdown(digit.doubt), icon=":material/help:")
    # Open at first where a correction may be needed, and then as the viewer leaves it.
    if upload.opens_panel is None:
        upload.opens_panel = digit is None or bool(digit.doubt)
    panel = st.expander(
        "How the picture is read", key=f"reading_{upload.file_id}", on_change="rerun", expanded=upload.opens_panel
    )
    if panel.open:
        with panel:
            reading_panel(digit)
    if error is not None:
        raise DrawingError(str(error)) from error
    assert digit is not None
    return digit


def reading_options() -> ReadingOptions:
    """Return the corrections that the controls hold.

    Raises:
        ValueError: for a crop without any pixel.
    """
    left, right = get_setting("read_columns")
    top, bottom = get_setting("read_rows")
    polarity, threshold = get_setting("read_polarity"), get_setting("read_threshold")
    return ReadingOptions(
        inverted=None if polarity not in (DARK_ON_LIGHT, LIGHT_ON_DARK) else polarity == DARK_ON_LIGHT,
        threshold=threshold / 100 if threshold else None,
        crop=None
        if (left, right, top, bottom) == (0, 100, 0, 100)
        else (left / 100, top / 100, right / 100, bottom / 100),
    )


def reading_panel(digit: NormalisedDigit | None) -> None:
    """Show the steps from the picture to the digit, and the controls that correct them."""
    if digit is not None:
        st.caption(summarise(digit.steps, digit.inverted))
        charts.html_figure(figures.picture_steps_html(illustrate(digit), 120))
    st.segmented_control(
        "Polarity", (AUTOMATIC, DARK_ON_LIGHT, LIGHT_ON_DARK), default=AUTOMATIC, required=True,
        **url_widget("read_polarity"),
    )  # fmt: skip
    st.slider(
        "Threshold, %", help="Share of the ink's strength above which a pixel is ink; 0 is automatic.",
        **number_widget("read_threshold"),
    )  # fmt: skip
    crop_help = "Part of the picture that is read; the whole picture lets the sheet of paper be found automatically."
    st.slider("Crop from left to right, %", help=crop_help, **number_widget("read_columns"))
    st.slider("Crop from top to bottom, %", help=crop_help, **number_widget("read_rows"))


def select_digit(view: View) -> tuple[np.ndarray | None, int | None, str]:
    """Show the controls of the source.

    Returns:
        The sample, uint8 [h, w], or None; its true class, or None if unknown; the prompt to show without a sample,
        empty for a test sample. A sample of a table cannot be drawn.
    """
    if view.dataset.shape is None:
        return view.pixels, view.label, ""
    word = view.dataset.sample
    source = st.segmented_control(
        f"{word.capitalize()} from", (TEST_DIGIT, DRAWING, UPLOAD), default=TEST_DIGIT, required=True,
        label_visibility="collapsed" if is_presentation_mode() else "visible",
        format_func=lambda name: name.replace("digit", word), **url_widget("source"),
    )  # fmt: skip
    if source not in (DRAWING, UPLOAD):
        test_sample = replace(view, own_image=None)
        select_own_image(None)
        return test_sample.pixels, test_sample.label, ""
    with st.container():
        try:
            image = drawn_digit(word) if source == DRAWING else uploaded_digit(word)
        except DrawingError as error:
            image = None
            st.warning(escape_markdown(error), icon=":material/broken_image:")
    classes = view.dataset.classes
    true_class = st.selectbox("True class", (UNKNOWN, *classes), key="meant")
    label = classes.index(true_class) if true_class in classes else None
    select_own_image(image, label)
    prompt = f"Draw a {word} to classify" if source == DRAWING else "Upload a picture to classify"
    return scale_image(image, view.dataset.shape), label, prompt
