"""For a room: large letters, no sidebar, and the few buttons a speaker needs."""

import streamlit as st

from pages import common

_LARGE = f"""<style>
html {{ font-size: {16 * common.PRESENT_SCALE:g}px; }}
[data-testid=stSidebar], [data-testid=stHeader], .st-key-share {{ display: none; }}
.stMainBlockContainer {{ max-width: 100%; padding: 1.2rem 3vw 5rem; }}
.stMain h1 {{ font-size: 1.5rem; padding: 0 0 0.4rem; }}
.st-key-presenter {{ position: fixed; right: 1rem; bottom: 0.6rem; z-index: 99; width: auto; opacity: 0.9;
  background: var(--st-background-color, Canvas); border-radius: 10px; padding: 2px 6px; }}
</style>"""


def switch() -> None:
    """The switch in the sidebar."""
    with st.sidebar:
        st.toggle("Presentation", key="present", bind="query-params", persist_state="session")


def stage() -> None:
    """The look of a presentation and its buttons, where the switch is on."""
    if not common.presenting():
        return
    st.html(_LARGE)
    with st.container(key="presenter", horizontal=True, width="content"):
        st.button("Previous digit", on_click=_step, args=(-1,), key="present_back", shortcut="B")
        st.button("Next digit", on_click=_step, args=(1,), key="present_next", shortcut="N")
        st.button("Leave", on_click=_leave, key="present_leave", icon=":material/close_fullscreen:", shortcut="Esc")


def _step(by: int) -> None:
    chosen, _ = common.dataset()
    st.session_state["sample"] = (int(common.choice("sample")) + by) % len(chosen.test)


def _leave() -> None:
    st.session_state["present"] = False
