"""Accessibility fixes: contrast on both themes, tooltips, ARIA roles of the navigation."""

from pathlib import Path

import streamlit as st

from pages.components import tooltip
from pages.state.settings import is_presentation_mode
from tempotron_core import figures


def _chart_text_css() -> str:
    """Return the CSS that gives text in charts a readable colour on both themes; hover labels have their own."""
    selector = ".js-plotly-plot svg text{}:not(.hoverlayer *) {{ fill: {} !important; fill-opacity: 1 !important; }}"
    light = ".stEChartsChart svg text{} {{ fill: {}; fill-opacity: 1; }}"
    rules = [selector.format("", "currentColor"), light.format("", "currentColor")]
    for colour in figures.DARK_VARIANT:
        rgb = ", ".join(str(part) for part in bytes.fromhex(colour[1:]))
        rules.append(selector.format(f'[style*="rgb({rgb})"]', figures.css_text_colour(colour)))
        rules.append(light.format(f'[fill="{colour}"]', figures.css_text_colour(colour)))
    return "\n".join(rules)


_HERE = Path(__file__).parent
_RULES, _PRESENTATION_RULES = (_HERE / "streamlit.css").read_text(encoding="utf-8").split("/* Presentation mode.")
_CSS = f"<style>{_chart_text_css()}\n{_RULES}</style>"
_PRESENTATION_CSS = f"<style>{_chart_text_css()}\n{_RULES}/* Presentation mode.{_PRESENTATION_RULES}</style>"
_mount = st.components.v2.component(
    "tempotron_theme_fixes", js=(_HERE / "theme_fixes.js").read_text(encoding="utf-8"), isolate_styles=False
)


def apply() -> None:
    """Add the styles and scripts to the page."""
    st.html(_PRESENTATION_CSS if is_presentation_mode() else _CSS)
    with st.sidebar:
        _mount(key="theme_fixes")
        tooltip.mount()
