"""A digit of one's own, or one harmed on its way to the network; and how a whole test set bears the same."""

import binascii

import numpy as np
import streamlit as st
import torch

from pages import common, robustness
from tempotron_core import figures
from tempotron_core.drawing import FORMATS, DrawingError, normalise, read_picture
from tempotron_core.model import Decision, decide, decide_times, pixel_times
from tempotron_core.perturb import Perturbation, image_under, times_under

TEST, DRAW, UPLOAD = "Test digit", "Draw", "Upload"
UNKNOWN = "not said"
SIDE, STROKE = 260, 22  # in a box of 180 such a stroke becomes as wide as MNIST's
SLIDERS = {
    "jitter": ("Jitter, ms", 0.0, 20.0, 0.5, "Every spike moves by a random time of this standard deviation."),
    "drop": ("Spikes lost, %", 0, 90, 5, "Each spike is lost with this probability."),
    "delay": ("Delay, ms", 0, 40, 1, "All spikes come this much later; the window stays."),
    "noise": ("Pixel noise", 0, 100, 5, "Every pixel, 0 to 255, gets a random value of this standard deviation."),
    "right": ("Shift right, px", -8, 8, 1, "Negative: to the left."),
    "down": ("Shift down, px", -8, 8, 1, "Negative: up."),
}


def reset() -> None:
    """Take all perturbations away."""
    for key, (_, low, *_) in SLIDERS.items():
        st.session_state[key] = type(low)(0)


def clear() -> None:
    """A fresh canvas: one with another identity."""
    st.session_state["canvas"] = st.session_state.get("canvas", 0) + 1
    st.session_state["drawn"] = None


def canvas() -> np.ndarray | None:
    """What has been drawn, also before the viewer was elsewhere meanwhile; None for nothing yet."""
    from streamlit_drawable_canvas import st_canvas  # only where it is wanted, so that the page opens without it

    st.caption("Draw in the black square.")
    key = f"canvas_{st.session_state.get('canvas', 0)}"
    if key not in st.session_state:
        st.session_state["drawn_before"] = st.session_state.get("drawn")
    strokes, image = st.session_state["drawn_before"] or (None, None)
    result = st_canvas(
        stroke_width=STROKE, stroke_color="#ffffff", background_color="#000000", width=SIDE, height=SIDE,
        initial_drawing=strokes, return_image_data=True, key=key,
    )  # fmt: skip
    st.button("Clear", on_click=clear, icon=":material/ink_eraser:", width=SIDE)
    try:
        content = result.image_bytes
    except (ValueError, binascii.Error):
        raise DrawingError("canvas: expected a drawing, got something else; clear it and draw again.") from None
    if content is not None:
        blank = not (result.json_data or {}).get("objects")
        image = None if blank else normalise(read_picture(content), inverted=False).image
    st.session_state["drawn"] = None if image is None else (result.json_data, image)
    return image


def uploaded() -> np.ndarray | None:
    """The digit in an uploaded picture; None without one."""
    file = st.file_uploader(f"A picture of one digit: {', '.join(FORMATS)}", key="picture")
    if file is None:
        return None
    found = normalise(read_picture(file.getvalue()))
    if found.inverted:
        st.caption("It is dark on light, so it was inverted: MNIST's digits are white on black.")
    return found.image


def chosen(view: common.View) -> tuple[np.ndarray | None, int | None, str]:
    """The digit to read, its class where that is known, and what to say without one."""
    source = st.segmented_control(
        "Digit from", (TEST, DRAW, UPLOAD), default=TEST, required=True, key="source", bind="query-params"
    )
    if source not in (DRAW, UPLOAD):
        return view.pixels, view.label, ""
    with st.container():
        try:
            image = canvas() if source == DRAW else uploaded()
        except DrawingError as error:
            image = None
            st.warning(str(error), icon=":material/broken_image:")
    classes = view.dataset.classes
    meant = st.selectbox("It is meant to be", (UNKNOWN, *classes), key="meant")
    words = "Draw a digit, and the network reads it" if source == DRAW else "Upload a picture, and the network reads it"
    return image, classes.index(meant) if meant in classes else None, words


def perturbation() -> Perturbation:
    values = {}
    columns = st.columns(4, vertical_alignment="bottom")
    for place, (key, (label, low, high, step, words)) in enumerate(SLIDERS.items()):
        values[key] = columns[place % 3].slider(
            label, low, high, type(low)(0), step, "%g", key=key, bind="query-params", help=words
        )
    seed = columns[3].number_input("Seed", 0, 9999, 0, key="perturb_seed", bind="query-params", help="Of all chance.")
    columns[3].button("All to zero", on_click=reset, width="stretch")
    return Perturbation(
        values["jitter"], values["drop"] / 100, values["delay"], values["noise"],
        int(values["right"]), int(values["down"]), int(seed or 0),
    )  # fmt: skip


def told(decision: Decision, view: common.View, true: int | None) -> figures.VoltageInfo:
    return figures.VoltageInfo(
        decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy(), decision.v_threshold,
        view.dataset.classes, true,
    )  # fmt: skip


def look(image: np.ndarray, info: figures.VoltageInfo) -> None:
    alt = "The digit as the network sees it"
    st.markdown(f"**{alt}**")
    common.plate(figures.digit_plate(image, alt, 200), "digit", alt, lambda: common.pixel_numbers(image))
    common.plate(figures.peaks_plate(info, 340), "peaks", info.verdict, lambda: common.decision_numbers(info))


def page() -> None:
    view = common.view()
    model, classes = view.model, view.dataset.classes
    if model.weight.shape[0] != len(classes) * model.k:
        st.warning(
            f"Expected a model of {len(classes)} classes, got one of {model.weight.shape[0] // model.k}; "
            "choose another model or data set."
        )
        return
    headline = st.empty()
    common.note(view.note)
    left, right = st.columns([1, 2])
    with left:
        pixels, true, words = chosen(view)
        seen = st.container()
    with right:
        now = perturbation()
        read = st.container()
    if pixels is None:
        headline.markdown(f"## {words}")
        with read:
            common.chart(figures.waiting_figure(words, 360), "perturbed", words)
    else:
        image = torch.from_numpy(pixels.copy())
        clean = decide(model, image)
        harmed = image_under(image.unsqueeze(0), now)
        decision = decide_times(model, times_under(pixel_times(harmed, model.m, model.T, model.beta), now))
        info = figures.PerturbedInfo(told(clean, view, true), told(decision, view, true), now.told)
        moved = figures.moved_info(clean.times.numpy(), decision.times.numpy(), model.T)
        headline.markdown(f"## :{info.colour}[{info.headline}]")
        with seen:
            look(harmed[0].numpy(), info.now)
        with read:
            common.chart(figures.perturbed_figure(info, 360), "perturbed", info.headline)
            st.markdown(f"{info.legend} {moved.takeaway}")
            spikes = figures.moved_plate(moved, 320)
            common.plate(spikes, "spikes", moved.takeaway, lambda: common.spike_numbers(decision.times.numpy()))
    robustness.curve(view, now)


st.title("Draw and perturb")
st.fragment(page, run_every=common.FOLLOW_SECONDS if common.follows_live_run() else None)()
