"""Page "Encoder": tuning, spike times of a position and of the sample, information in the code, for each code."""

from typing import Any

import streamlit as st

from pages.components import experiment_bar, experiment_controls, show_code, stage
from pages.components.page import lazy_expander, page_header, report_experiment_errors, switch_page
from pages.state.auth import is_writable
from pages.state.codes import code_of_view, fill_training_form
from pages.state.datasets import current_dataset
from pages.state.experiment import View, resolve_view
from pages.state.overrides import CODE, NEURON, constants_in_use
from pages.state.settings import CODE_ANALYSIS, LOCAL_PATTERNS, ONE_PIXEL, TWO_CODES, get_setting, url_widget
from pages.streamlit_hooks import flushing_fragment
from pages.views import (
    encoder_code_analysis,
    encoder_comparison,
    encoder_one_pixel,
    encoder_patterns,
    encoder_spikes,
)
from tempotron_core.interchange.code_generation import code_statistics_code, encoder_code, spike_statistics_code
from tempotron_core.model.codes import DEFAULT_CODE, FittedCode, require_known_code
from tempotron_core.training.recipes import CODE_PRESETS

VIEWS = (ONE_PIXEL, CODE_ANALYSIS, TWO_CODES, LOCAL_PATTERNS)
RECORDED = "recorded spike times"


def training_constants(view: View) -> dict[str, Any]:
    """Return code and constants to train with: those in use, and the time constants that suit another code."""
    model = view.trained or view.model
    constants = constants_in_use(model)
    if constants["code"] != model.code.name:
        changed = {override.name for override in view.overrides}
        preset = CODE_PRESETS.get(constants["code"], {})
        constants |= {name: preset[name] for name in NEURON[:2] if name in preset and not changed & set(NEURON[:2])}
    return constants


def code_line(view: View, constants: dict[str, Any]) -> None:
    """Show what the code does and the button that fills the Training form with it."""
    text, button = st.columns([3, 1], vertical_alignment="center")
    text.caption(require_known_code(constants["code"]).summary.replace("pixel", view.dataset.feature))
    pressed = button.button(
        "Train with this code", icon=":material/school:", key="train_code_button", width="stretch",
        disabled=not is_writable(),
    )  # fmt: skip
    if pressed:
        fill_training_form(training_constants(view))
        switch_page("views/training.py")


@flushing_fragment
@report_experiment_errors
def render(view_name: str) -> None:
    """Draw the selected view."""
    view = resolve_view(needs_model=False)
    place = stage.key_figure_stage()
    bar, controls = st.container(), st.columns([1.5, 1, 1, 1])
    experiment_controls.draw_code_select(controls[0])
    experiment_controls.draw_sliders(CODE, controls[1:])
    constants = constants_in_use(view.trained or view.model)
    with bar:
        experiment_bar.render(view)
    if not view.dataset.has_spike_times:
        code_line(view, constants)
    name, m, beta, T = (constants[key] for key in ("code", *CODE))
    # One container each: Streamlit must not reuse elements of one view in another, see optional_caption().
    containers = {name: st.container() for name in (*VIEWS, RECORDED)}
    if view.dataset.has_spike_times:
        with containers[RECORDED]:
            encoder_spikes.render(view, T)
        rise, classes = view.model.kernel.time_to_peak, len(view.dataset.classes) if view.labelled else 0
        show_code.render(lambda: spike_statistics_code(show_code.code_input(view), T, rise, classes))
        return
    with containers[view_name]:
        if view_name == LOCAL_PATTERNS:
            encoder_patterns.render(view)
            return
        code = code_of_view(view, name, m)
        if view_name == CODE_ANALYSIS:
            encoder_code_analysis.render(view, code, m, beta, T)
        elif view_name == TWO_CODES:
            encoder_comparison.render(view, code, m, beta, T)
        else:
            encoder_one_pixel.render(view, code, m, beta, T, place)
    show_code.render(lambda: code_of_page(view, view_name, code, m, beta, T))


def code_of_page(view: View, view_name: str, code: FittedCode, m: int, beta: float, T: int) -> str:
    """Return Python code that computes the numbers of a view of the page."""
    source = show_code.code_input(view)
    if view_name == CODE_ANALYSIS and code.name == DEFAULT_CODE:
        return code_statistics_code(source, m, beta, T, view.model.kernel.time_to_peak)
    x = get_setting("x") if view_name == ONE_PIXEL and code.name == DEFAULT_CODE else None
    own = (view.trained or view.model).code
    return encoder_code(source, code.name, m, beta, T, x, is_own=own is code and bool(own.fitted))


def equations() -> None:
    """Show the equations and their sources."""
    # One short equation per line: a wider one is a scrollable region that the keyboard cannot reach.
    for equation in (
        r"\mu_j = x_{min} + \frac{2j-3}{2}\,\frac{x_{max}-x_{min}}{m-2}",
        r"\sigma=\frac{1}{\beta}\,\frac{x_{max}-x_{min}}{m-2}",
        r"g_j(x) = e^{-(x-\mu_j)^2/2\sigma^2}",
        r"t_j = \mathrm{round}\left((1-g_j(x))\,T\right),\quad t_j \geq T:\ \text{no spike}",
        r"\text{latency:}\quad t = \mathrm{round}\left((1-x)\,T\right)",
        r"\text{logarithmic:}\quad t = \mathrm{round}\left(T\,\ln(1/x)/\ln 255\right)",
        r"\text{local pattern:}\quad g_j(r) = e^{-|r-\mu_j|^2/2\sigma^2},\quad g_j < 0.12:\ \text{no spike}",
        r"s^*=\frac{\tau\,\tau_s}{\tau-\tau_s}\ln\frac{\tau}{\tau_s},\quad t_i + s^* > T-1:\ \text{too late to peak}",
        r"I(S;C)=H(S)+H(C)-H(S,C)",
    ):
        st.latex(equation)
    st.caption(
        "Bohte, Kok, La Poutré: Error-backpropagation in temporally encoded networks of spiking neurons, 2002. The "
        "mutual information expected by chance is the mean over all permutations of the labels: Vinh, Epps, Bailey: "
        "Information theoretic measures for clusterings comparison, 2010."
    )


def own_code() -> None:
    """Show how a code is registered."""
    st.markdown("A code that a module imported by `app.py` registers is offered here and on Training:")
    st.code(
        """import torch
from tempotron_core.model.codes import Code, register_code

register_code(Code(
    "on-off", "One of two afferents spikes at once: that of a dark or that of a bright pixel.",
    symbols=lambda images, fitted: (images > 127).flatten(1).byte(),
    table=lambda m, T, beta, fitted: torch.tensor([[0.0, -1.0], [-1.0, 0.0]]), min_m=2, max_m=2,
))""",
        language=None,
        wrap_lines=True,
    )
    st.caption(
        "symbols: samples uint8 to one symbol, 0 to 255, per position. table: spike times in ms, [symbols, m], "
        "−1 for no spike."
    )


def view_title(name: str) -> str:
    """Return the name of a view with the word for the values of the data set."""
    feature = current_dataset()[0].feature
    return name.replace("pixel", feature).replace("Pixel", feature.capitalize())


page_header("Encoder")
has_code = not current_dataset()[0].has_spike_times
view_name = ONE_PIXEL
if has_code:
    view_name = st.segmented_control(
        "View",
        VIEWS,
        format_func=view_title,
        default=ONE_PIXEL,
        required=True,
        **url_widget("view"),
        label_visibility="collapsed",
    )
render(view_name)
if has_code:
    lazy_expander("The equations", equations)
    lazy_expander("A code of your own", own_code)
