"""Drawing or upload that takes the place of the test sample on all pages, as part of the URL."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.state.settings import DRAWING, TEST_DIGIT
from pages.streamlit_hooks import is_history_navigation
from tempotron_core.data.drawings import decode_drawing, encode_drawing, scale_drawing

_IMAGE, _LABEL = "image", "label"


def own_image() -> np.ndarray | None:
    """Return the drawing or upload, uint8 [28, 28], None if the test sample is selected."""
    image: np.ndarray | None = st.session_state.get("_own_image")
    return image


def scale_image(image: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray | None:
    """Return a drawing or upload, uint8 [28, 28], in the size of the images of a data set."""
    return None if image is None else scale_drawing(image, shape)


def own_label() -> int | None:
    """Return the true class that the viewer stated for the drawing or upload."""
    label: int | None = st.session_state.get("_own_label")
    return label


def link_problem() -> str | None:
    """Return a sentence if the link contains an image that cannot be read."""
    problem: str | None = st.session_state.get("_own_problem")
    return problem


def select_own_image(image: np.ndarray | None, label: int | None = None) -> None:
    """Select a drawing or upload as the sample of all pages; None selects the test sample."""
    st.session_state.update(_own_image=image, _own_label=label, _own_problem=None)
    _write_url()


def select_test_sample() -> None:
    """Select the test sample again."""
    st.session_state["source"] = TEST_DIGIT
    select_own_image(None)


def follow_url() -> None:
    """Take the image from the URL in a new session and after Back or Forward, else write it there; once per run."""
    state = st.session_state
    if state.setdefault("_own_followed", False) and not is_history_navigation():
        _write_url()
        return
    state["_own_followed"] = True
    text, label = st.query_params.get(_IMAGE), st.query_params.get(_LABEL, "")
    state.update(_own_image=None, _own_problem=None, _own_label=int(label) if label.isdecimal() else None)
    if text is None:
        return
    try:
        state["_own_image"] = decode_drawing(text)
    except ValueError as error:
        state["_own_problem"] = str(error)
    else:
        if "source" not in st.query_params:
            state["source"] = DRAWING


def _write_url() -> None:
    image, label = own_image(), own_label()
    for name, value in ((_IMAGE, None if image is None else encode_drawing(image)), (_LABEL, label)):
        if image is None or value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)
