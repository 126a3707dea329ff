"""Playing the epochs of a run: a slider that moves by itself, by hand, or by keys."""

import time
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

PACE = 0.8
"""Seconds between two epochs."""

MOST_STEPS = 40
"""From the first to the last: a longer run is played in larger steps."""


def playing() -> bool:
    """Whether it moves by itself."""
    return bool(st.session_state.get("replay_playing", False))


def stop() -> None:
    """Stay where it is."""
    st.session_state["replay_playing"] = False


def player(folder: Path, epochs: list[str], first_right: int | None, where: DeltaGenerator) -> int:
    """The buttons, drawn there, and the slider over a run's epochs; the place of the epoch shown."""
    place, last = _place(folder, epochs), len(epochs) - 1
    # Not bound to the address: a bound slider leaves out its default, and here that is the last epoch there is so far.
    if st.query_params.get("epoch") != epochs[place]:
        st.query_params["epoch"] = epochs[place]
    active, slider = playing(), st.empty()
    if active:
        slider.progress(place / last, f"Epoch {epochs[place]} of {epochs[-1]}")
    else:
        key = _key()
        if st.session_state.get(key) != epochs[place]:
            st.session_state[key] = epochs[place]
        slider.select_slider("Epoch (0: before training)", epochs, key=key, on_change=_dragged, args=(key,))
    buttons = where.container(horizontal=True)
    for label, key, icon, to_place, there in (
        ("Back", "J", "skip_previous", max(place - 1, 0), place > 0),
        ("Pause" if active else "Play", "K", "pause" if active else "play_arrow", None, True),
        ("Next", "L", "skip_next", min(place + 1, last), place < last),
        ("First right", "F", "flag", epochs.index(str(first_right or 0)), first_right is not None),
    ):
        action, what = (_toggle, (epochs, place)) if to_place is None else (_move, (epochs[to_place], False))
        buttons.button(
            label, key=f"replay_{key}", icon=f":material/{icon}:", shortcut=key, on_click=action, args=what,
            disabled=not there, type="primary" if to_place is None else "secondary",
        )  # fmt: skip
    return place


def _place(folder: Path, epochs: list[str]) -> int:
    """Where it is: a step on where it plays; at the newest epoch where that was shown and another has come."""
    state, last = st.session_state, len(epochs) - 1
    at = state.get("replay_at", st.query_params.get("epoch"))
    place = epochs.index(at) if at in epochs else last
    if playing() and time.monotonic() - state["replay_moved"] > 0.7 * PACE:
        place = min(last, place - (-len(epochs) // MOST_STEPS))
        _move(epochs[place], place < last)
    elif not playing() and place < last and state.get("replay_newest") == (folder, at):
        place = last
        _move(epochs[place], False)
    state.update(replay_at=epochs[place], replay_newest=(folder, epochs[-1]))
    return place


def _key() -> str:
    """The slider's key, another one after every move that was not its own.

    A browser that lags behind sends back where its slider was, which would undo the moves since.
    """
    return f"epoch_{st.session_state.get('replay_moves', 0)}"


def _move(epoch: str, plays: bool) -> None:
    """Show that epoch, and stay there or go on from it."""
    state = st.session_state
    state.update(replay_at=epoch, replay_playing=plays, replay_moved=time.monotonic())
    state["replay_moves"] = state.get("replay_moves", 0) + 1


def _toggle(epochs: list[str], place: int) -> None:
    """Play, from the beginning where the end is shown, or pause."""
    again = not playing() and place == len(epochs) - 1
    _move(epochs[0 if again else place], not playing())


def _dragged(key: str) -> None:
    if key == _key():
        st.session_state["replay_at"] = st.session_state[key]
