"""Playing the epochs of a run: a slider that moves by itself, by hand, or by keys."""

import time
from pathlib import Path

import streamlit as st

PACE = 0.8
"""Seconds between two epochs."""

MOST_STEPS = 40
"""From the first to the last: a longer run is played in larger steps."""


def playing() -> bool:
    """Whether it moves by itself."""
    return bool(st.session_state.get("replay_playing", False))


def _to(epoch: str) -> None:
    """Show that epoch and stay there."""
    st.session_state.update(epoch=epoch, replay_playing=False)


def _stop() -> None:
    st.session_state["replay_playing"] = False


def _toggle(epochs: list[str], place: int) -> None:
    """Play, from the beginning where the end is shown, or pause."""
    begins = not playing()
    if begins and place == len(epochs) - 1:
        st.session_state["epoch"] = epochs[0]
    st.session_state.update(replay_playing=begins, replay_moved=time.monotonic())


def _advance(folder: Path, epochs: list[str]) -> None:
    """Take the next step where it plays; stay with the last epoch where it was shown and another has come."""
    state, newest = st.session_state, epochs[-1]
    before, state["replay_newest"] = state.get("replay_newest"), (folder, newest)
    if state.get("epoch") not in epochs:
        return
    if playing():
        if time.monotonic() - state["replay_moved"] > 0.7 * PACE:
            place = min(len(epochs) - 1, epochs.index(state["epoch"]) + -(-len(epochs) // MOST_STEPS))
            state.update(epoch=epochs[place], replay_moved=time.monotonic(), replay_playing=epochs[place] != newest)
    elif before == (folder, state["epoch"]) and state["epoch"] != newest:
        state["epoch"] = newest


def player(folder: Path, epochs: list[str], first_right: int | None) -> int:
    """The buttons and the slider over a run's epochs; the place of the one shown, a step on where they play."""
    _advance(folder, epochs)
    buttons, last = st.container(horizontal=True), len(epochs) - 1
    epoch = st.select_slider(
        "Epoch (0: before training)", epochs, epochs[-1], key="epoch", bind="query-params", on_change=_stop
    )
    place, active = epochs.index(epoch), playing()
    for label, key, icon, to_place, there in (
        ("Back", "J", "skip_previous", max(place - 1, 0), place > 0),
        ("Pause" if active else "Play", "K", "pause" if active else "play_arrow", None, True),
        ("Forward", "L", "skip_next", min(place + 1, last), place < last),
        ("First right", "F", "flag", epochs.index(str(first_right or 0)), first_right is not None),
    ):
        action, what = (_toggle, (epochs, place)) if to_place is None else (_to, (epochs[to_place],))
        buttons.button(
            label, key=f"replay_{key}", icon=f":material/{icon}:", shortcut=key, on_click=action, args=what,
            disabled=not there, type="primary" if to_place is None else "secondary",
        )  # fmt: skip
    return place
