"""Player of the epochs of a run: slider, buttons and keyboard shortcuts."""

import time
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

SECONDS_PER_EPOCH = 0.8
"""Seconds per epoch during playback."""

MAX_FRAMES = 40
"""Longest playback in frames: longer runs skip epochs."""


def is_playing() -> bool:
    """Return whether playback is active."""
    return bool(st.session_state.get("replay_playing", False))


def stop() -> None:
    """Stop playback."""
    st.session_state["replay_playing"] = False


def render(folder: Path, epochs: list[str], first_correct: int | None, container: DeltaGenerator) -> int:
    """Draw the player and return the index of the epoch to show.

    Args:
        folder: folder of the run
        epochs: saved epochs as text
        first_correct: first epoch from which on the prediction is correct, None without one
        container: container of the buttons
    """
    index, last = _advance(folder, epochs), len(epochs) - 1
    # Not bound to the URL: a bound slider omits its default, which is the latest epoch and changes during training.
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
        (
            "First correct",
            "F",
            "flag",
            epochs.index(str(first_correct)) if first_correct is not None else 0,
            first_correct is not None,
        ),
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
    """Return the index to show: the next frame during playback; the latest epoch if the latest one was shown."""
    state, last = st.session_state, len(epochs) - 1
    previous = state.get("replay_at", st.query_params.get("epoch"))
    index = epochs.index(previous) if previous in epochs else last
    if is_playing() and time.monotonic() - state["replay_moved"] > 0.7 * SECONDS_PER_EPOCH:
        index = min(last, index - (-len(epochs) // MAX_FRAMES))
        _show_epoch(epochs[index], index < last)
    elif not is_playing() and index < last and state.get("replay_newest") == (folder, previous):
        index = last
        _show_epoch(epochs[index], False)
    state.update(replay_at=epochs[index], replay_newest=(folder, epochs[-1]))
    return index


def _slider_key() -> str:
    """Return the key of the slider, a new one after every move by playback or button.

    A slow browser sends the former position of the slider with its next event, which would undo later moves.
    """
    return f"epoch_{st.session_state.get('replay_moves', 0)}"


def _show_epoch(epoch: str, playing: bool) -> None:
    """Show an epoch and start or stop playback."""
    state = st.session_state
    state.update(replay_at=epoch, replay_playing=playing, replay_moved=time.monotonic())
    state["replay_moves"] = state.get("replay_moves", 0) + 1


def _toggle_playback(epochs: list[str], index: int) -> None:
    """Pause, or play; restart from the first epoch if the last one is shown."""
    from_start = not is_playing() and index == len(epochs) - 1
    _show_epoch(epochs[0 if from_start else index], not is_playing())


def _on_slider_change(key: str) -> None:
    if key == _slider_key():
        st.session_state["replay_at"] = st.session_state[key]
