"""Comparison of the current experiment with a pinned one: controls and the sentence about both decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pages.state import pinned
from pages.state.experiment import ExperimentError, View, image_name
from pages.state.markdown import escape_markdown
from tempotron_core.analysis.attribution import Evidence, crossing_time, evidence
from tempotron_core.figures import VoltageInfo
from tempotron_core.model.classifier import Model, Prediction

PINNED = "pinned experiment"
"""Option in place of a rival class."""


@dataclass(frozen=True, eq=False)
class PinnedExperiment:
    """The pinned experiment, its prediction and the data of its figures."""

    view: View
    decision: Prediction
    info: VoltageInfo

    def evidence(
        self, model: Model, output: int, time: float | None, at_crossing: bool = False
    ) -> tuple[Evidence | None, str]:
        """Return the contributions to the potential of a class, or None and the reason.

        Args:
            model: current network, whose contributions are compared
            output: class
            time: time in ms, None for the peak
            at_crossing: whether the time is that of the threshold crossing, here of the pinned experiment
        """
        own, name = self.view.model, self.info.classes[output]
        if (own.m, own.num_features) != (model.m, model.num_features):
            return None, (
                f"Contributions are compared spike by spike: expected a pinned network with m {model.m}, got m {own.m}."
            )
        if at_crossing:
            time = crossing_time(self.decision, output)
            if time is None:
                return None, f"{name} does not reach the threshold in the pinned experiment; choose the peak."
        if time is not None and time > self.info.last_time:
            return None, f"The pinned experiment ends at {self.info.last_time:.0f} ms; choose an earlier time."
        if time is not None and not self.info.is_exact:
            time = int(time)
        return evidence(own, self.decision, output, None, time), ""


def render(view: View, info: VoltageInfo, buttons: Any) -> PinnedExperiment | None:
    """Show the controls of the pinned experiment and the sentence, and return it.

    Args:
        view: current experiment
        info: its potentials and peaks
        buttons: container of the buttons
    """
    label = "Pin this instead" if pinned.is_pinned() else "Pin for comparison"
    explanation = "The next experiment is compared with this one. The pinned experiment is part of the link."
    with buttons.container(horizontal=True, horizontal_alignment="right", key="comparison"):
        st.button(label, icon=":material/keep:", key="pin", help=explanation, on_click=pinned.pin, args=(view,))
        if pinned.is_pinned():
            st.button("Remove the pin", icon=":material/keep_off:", key="unpin", on_click=pinned.unpin)
    with st.container():
        if not pinned.is_pinned():
            return None
        try:
            other = pinned.resolve_pinned(view)
        except ExperimentError as error:
            st.markdown(f":orange[{escape_markdown(error)}]")
            return None
        if other is None:
            return None
        decision, other_info = other.voltages(shown=info.shown)
        st.markdown(comparison_text(other, other_info, view, info))
    return PinnedExperiment(other, decision, other_info)


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
