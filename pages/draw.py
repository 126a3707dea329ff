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
SIDE, STROKE = 280, 24  # in a box of 200 such a stroke becomes as wide as MNIST's
SLIDERS = {
    "jitter": ("Jitter, ms", 0.0, 20.0, 0.5, "Every spike moves by a random time of this standard deviation."),
    "drop": ("Spikes lost, %", 0, 90, 5, "Each spike is lost with this probability."),
    "delay": ("Delay, ms", 0, 40, 1, "All spikes come this much later; the window stays."),
    "noise": ("Pixel noise, of 255", 0, 100, 5, "Every pixel gets a random value of this standard deviation."),
    "right": ("Shift right, px", -8, 8, 1, "Negative: to the left."),
    "down": ("Shift down, px", -8, 8, 1, "Negative: up."),
}


def reset() -> None:
    """Take all perturbations away."""
    for key, (_, low, *_) in SLIDERS.items():
        st.session_state[key] = type(low)(0)


def another_canvas() -> None:
    """A fresh canvas: one with another identity."""
    st.session_state["canvas"] = st.session_state.get("canvas", 0) + 1


def canvas() -> np.ndarray | None:
    """What has been drawn; None for nothing yet."""
    from streamlit_drawable_canvas import st_canvas  # only where it is wanted: it has a chart library's weight

    key = f"canvas_{st.session_state.get('canvas', 0)}"
    result = st_canvas(
        stroke_width=STROKE, stroke_color="#ffffff", background_color="#000000", width=SIDE, height=SIDE,
        return_image_data=True, key=key,
    )  # fmt: skip
    st.button("Clear", on_click=another_canvas, icon=":material/ink_eraser:", width=SIDE)
    try:
        content = result.image_bytes if result.json_data and result.json_data.get("objects") else None
    except (ValueError, binascii.Error):
        raise DrawingError("canvas: expected a drawing, got something else; clear it and draw again.") from None
    return None if content is None else normalise(read_picture(content), inverted=False).image


def uploaded() -> np.ndarray | None:
    """The digit in an uploaded picture; None without one."""
    file = st.file_uploader(f"A picture of one digit: {', '.join(FORMATS)}", key="picture")
    place = st.empty()
    if file is None:
        return None
    found = normalise(read_picture(file.getvalue()))
    if found.inverted:
        place.caption("It is dark on light, so it was inverted: MNIST's digits are white on black.")
    return found.image


def chosen(view: common.View) -> tuple[np.ndarray | None, int | None, str]:
    """The digit to read, its class where that is known, and what to say without one."""
    source = st.segmented_control("Digit from", (TEST, DRAW, UPLOAD), default=TEST, key="source", bind="query-params")
    if source not in (DRAW, UPLOAD):
        return view.pixels, view.label, ""
    words = "Draw a digit in the black square" if source == DRAW else "Upload a picture of a digit"
    with st.container():
        try:
            image = canvas() if source == DRAW else uploaded()
        except DrawingError as error:
            image, words = None, str(error)
    classes = view.dataset.classes
    meant = st.selectbox("It is meant to be", (UNKNOWN, *classes), key="meant")
    return image, classes.index(meant) if meant in classes else None, words


def perturbation() -> Perturbation:
    values = {}
    columns = st.columns(3)
    for place, (key, (label, low, high, step, words)) in enumerate(SLIDERS.items()):
        start = type(low)(0)
        values[key] = columns[place % 3].slider(label, low, high, start, step, key=key, bind="query-params", help=words)
    seed, button = st.columns([2, 1], vertical_alignment="bottom")
    chance = seed.number_input("Seed of all chance", 0, 9999, 0, key="perturb_seed", bind="query-params")
    button.button("All to zero", on_click=reset, icon=":material/restart_alt:", width="stretch")
    return Perturbation(
        values["jitter"], values["drop"] / 100, values["delay"], values["noise"], int(values["right"]), int(values["down"]),
        int(chance or 0),
    )  # fmt: skip


def told(decision: Decision, view: common.View, true: int | None) -> figures.VoltageInfo:
    return figures.VoltageInfo(
        decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy(), decision.v_threshold,
        view.dataset.classes, true,
    )  # fmt: skip


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
        traces = st.container()
    lower_left, lower_right = st.columns([1, 2])
    if pixels is None:
        headline.markdown(f"## {words}")
        with traces:
            common.chart(figures.waiting_figure(words, 360), "perturbed", words)
    else:
        image = torch.from_numpy(pixels.copy())
        clean = decide(model, image)
        harmed = image_under(image.unsqueeze(0), now)
        decision = decide_times(model, times_under(pixel_times(harmed, model.m, model.T, model.beta), now))
        info = figures.PerturbedInfo(told(clean, view, true), told(decision, view, true), now.told)
        headline.markdown(f"## :{info.colour}[{info.headline}]")
        with seen:
            shown = harmed[0].numpy()
            alt = "The digit as the network sees it"
            common.plate(figures.digit_plate(shown, alt, 200), "digit", alt, lambda: common.pixel_numbers(shown))
            st.caption("As the network sees it")
        with traces:
            common.chart(figures.perturbed_figure(info, 360), "perturbed", info.headline)
            st.caption("Solid: the potentials now. Dotted: those of the leading classes without perturbation.")
        with lower_left:
            peaks = figures.peaks_plate(info.now, 340)
            common.plate(peaks, "peaks", info.now.verdict, lambda: common.decision_numbers(info.now))
        with lower_right:
            moved = figures.moved_info(clean.times.numpy(), decision.times.numpy(), model.T)
            st.markdown(f"**{moved.takeaway}**")
            plate = figures.moved_plate(moved, 320)
            common.plate(plate, "spikes", moved.takeaway, lambda: common.spike_numbers(decision.times.numpy()))
    robustness.curve(view, now)


st.title("Draw and perturb")
st.fragment(page, run_every=common.FOLLOW_SECONDS if common.follows_live_run() else None)()
