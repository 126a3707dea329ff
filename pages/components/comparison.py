"""Comparison of the current experiment with a pinned one: controls and the sentence about both decisions."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.state import pinned
from pages.state.experiment import ExperimentError, View, image_name
from pages.state.markdown import escape_markdown
from tempotron_core.figures import VoltageInfo


def render(view: View, info: VoltageInfo) -> tuple[View, VoltageInfo] | None:
    """Show the controls of the pinned experiment and the sentence, and return it with the data of its figures.

    Args:
        view: current experiment
        info: its potentials and peaks
    """
    with st.container(horizontal=True, vertical_alignment="center", key="comparison"):
        label = "Pin this instead" if pinned.is_pinned() else "Pin for comparison"
        explanation = "The next experiment is compared with this one. The pinned experiment is part of the link."
        st.button(label, icon=":material/keep:", key="pin", help=explanation, on_click=pinned.pin, args=(view,))
        if not pinned.is_pinned():
            return None
        st.button("Remove the pin", icon=":material/keep_off:", key="unpin", on_click=pinned.unpin)
        try:
            other = pinned.resolve_pinned(view)
        except ExperimentError as error:
            st.markdown(f":orange[{escape_markdown(error)}]")
            return None
        if other is None:
            return None
        _, other_info = other.voltages(shown=info.shown)
        st.markdown(comparison_text(other, other_info, view, info))
    return other, other_info


def comparison_text(other: View, other_info: VoltageInfo, view: View, info: VoltageInfo) -> str:
    """Return both decisions as one sentence.

    Args:
        other: pinned experiment
        other_info: its potentials and peaks
        view: current experiment
        info: its potentials and peaks
    """
    difference = pinned.difference_text(other, view)
    name = escape_markdown(image_name(other) + (f", {difference}" if difference else ""))
    before, now = (escape_markdown(part.decision_text) for part in (other_info, info))
    if not difference and np.array_equal(other.pixels, view.pixels):
        return "The pinned experiment is the current one; change the sample, the model or a constant to compare."
    return f"**Pinned:** {name} → {before}; **now** → {now}."
