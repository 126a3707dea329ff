"""Playing the epochs of a run: a slider that moves by itself, by hand, or by keys."""

import time
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

SECONDS_PER_EPOCH = 0.8
"""Seconds between two epochs."""

MAX_FRAMES = 40
"""From the first to the last: a longer run is played in larger steps."""


def is_playing() -> bool:
    """Whether it moves by itself."""
    return bool(st.session_state.get("replay_playing", False))


def stop() -> None:
    """Stay where it is."""
    st.session_state["replay_playing"] = False


def render(folder: Path, epochs: list[str], first_correct: int | None, container: DeltaGenerator) -> int:
    """The buttons, drawn there, and the slider over a run's epochs; the place of the epoch shown."""
    index, last = _advance(folder, epochs), len(epochs) - 1
    # Not bound to the address: a bound slider leaves out its default, and here that is the last epoch there is so far.
    if st.query_params.get("epoch") != epochs[index]:
        st.query_params["epoch"] = epochs[index]
    active, slider = is_playing(), st.empty()
    if active:
        slider.progress(index / last, f"Epoch {epochs[index]} of {epochs[-1]}")
    else:
        key = _slider_key()
        if st.session_state.get(key) != epochs[index]:
            st.session_state[key] = epochs[index]
        slider.select_slider("Epoch (0: before training)", epochs, key=key, on_change=_on_slider_change, args=(key,))
    buttons = container.container(horizontal=True)
    for label, key, icon, target, enabled in (
        ("Back", "J", "skip_previous", max(index - 1, 0), index > 0),
        ("Pause" if active else "Play", "K", "pause" if active else "play_arrow", None, True),
        ("Next", "L", "skip_next", min(index + 1, last), index < last),
        ("First right", "F", "flag", epochs.index(str(first_correct or 0)), first_correct is not None),
    ):
        action, arguments = (
            (_toggle_playback, (epochs, index)) if target is None else (_show_epoch, (epochs[target], False))
        )
        buttons.button(
            label, key=f"replay_{key}", icon=f":material/{icon}:", shortcut=key, on_click=action, args=arguments,
            disabled=not enabled, type="primary" if target is None else "secondary",
        )  # fmt: skip
    return index


def _advance(folder: Path, epochs: list[str]) -> int:
    """Where it is: a step on where it plays; at the newest epoch where that was shown and another has come."""
    state, last = st.session_state, len(epochs) - 1
    at = state.get("replay_at", st.query_params.get("epoch"))
    index = epochs.index(at) if at in epochs else last
    if is_playing() and time.monotonic() - state["replay_moved"] > 0.7 * SECONDS_PER_EPOCH:
        index = min(last, index - (-len(epochs) // MAX_FRAMES))
        _show_epoch(epochs[index], index < last)
    elif not is_playing() and index < last and state.get("replay_newest") == (folder, at):
        index = last
        _show_epoch(epochs[index], False)
    state.update(replay_at=epochs[index], replay_newest=(folder, epochs[-1]))
    return index


def _slider_key() -> str:
    """The slider's key, another one after every move that was not its own.

    A browser that lags behind sends back where its slider was, which would undo the moves since.
    """
    return f"epoch_{st.session_state.get('replay_moves', 0)}"


def _show_epoch(epoch: str, playing: bool) -> None:
    """Show that epoch, and stay there or go on from it."""
    state = st.session_state
    state.update(replay_at=epoch, replay_playing=playing, replay_moved=time.monotonic())
    state["replay_moves"] = state.get("replay_moves", 0) + 1


def _toggle_playback(epochs: list[str], index: int) -> None:
    """Play, from the beginning where the end is shown, or pause."""
    from_start = not is_playing() and index == len(epochs) - 1
    _show_epoch(epochs[0 if from_start else index], not is_playing())


def _on_slider_change(key: str) -> None:
    if key == _slider_key():
        st.session_state["replay_at"] = st.session_state[key]
