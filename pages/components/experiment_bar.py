"""Bar below the headline of every page: overrides with their test accuracy, and warnings about the experiment."""

from __future__ import annotations

import streamlit as st

from pages.components.page import switch_page
from pages.state import overrides
from pages.state.accuracy import background_accuracies
from pages.state.experiment import View, cache_key
from pages.state.markdown import escape_markdown
from pages.state.training import is_live
from pages.streamlit_hooks import flushing_fragment

_ACCURACY_REFRESH_SECONDS = 0.7
_IS_RESET = "_overrides_reset"


def render(view: View, note: str | None = None) -> None:
    """Show the overrides of the experiment and its warnings.

    Each part is one container that is always present, see optional_caption().

    Args:
        view: experiment
        note: further sentence of the page
    """
    if st.session_state.pop(_IS_RESET, False):
        st.rerun()  # the sliders may be outside the fragment of the page: they are drawn anew, and the URL follows them
    bar, sentences = st.container(), st.container()
    if view.overrides:
        with bar, st.container(horizontal=True, vertical_alignment="center", key="experiment_bar"):
            accuracies = _accuracies(view)
            is_pending = None in accuracies
            interval = _ACCURACY_REFRESH_SECONDS if is_pending else None
            flushing_fragment(_show_overrides, run_every=interval)(view, is_pending)
            st.button("Reset", icon=":material/undo:", key="reset_overrides", on_click=_reset)
            if st.button("Train with these settings", icon=":material/school:", key="train_overrides"):
                _fill_training_form(view)
                switch_page("views/training.py")
    with sentences:
        for sentence in view.warnings:
            st.warning(escape_markdown(sentence), icon=":material/info:")
        for text in (note, view.note):
            if text:
                st.caption(escape_markdown(text))


def _reset() -> None:
    overrides.reset()
    st.session_state[_IS_RESET] = True  # the bar itself is not drawn any more in the run that follows


def _accuracies(view: View) -> tuple[float | None, ...]:
    """Return the accuracies with and without overrides, None while they are computed.

    Nothing is returned for a live model, for samples without labels and where no override is applied to the network.
    """
    if is_live() or view.trained is None or not view.labelled:
        return ()
    if not any(override.is_applied for override in view.overrides):
        return ()
    get = background_accuracies().get
    models = (view.model, view.trained)
    return tuple(get(cache_key(model, view.dataset), model, view.dataset) for model in models)


def _show_overrides(view: View, was_pending: bool) -> None:
    accuracies = _accuracies(view)
    if was_pending and None not in accuracies:
        st.rerun()
    text = ", ".join(override.text for override in view.overrides)
    if None in accuracies:
        text += " · test accuracy is being computed"
    elif accuracies:
        text += f" · test accuracy {accuracies[0]:.1%} instead of {accuracies[1]:.1%}"
    st.markdown(f"**Changed:** {text}")


def _fill_training_form(view: View) -> None:
    for name, value in overrides.constants_in_use(view.trained or view.model).items():
        st.session_state[f"train_{name}"] = value
