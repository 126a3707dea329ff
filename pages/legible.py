"""For every eye and hand: words readable on either theme, a navigation that a screen reader reads as it is meant."""

from pathlib import Path

import streamlit as st

from tempotron_core import figures


def _chart_words() -> str:
    """Words in charts take the page's colour, or their meaning's on the theme; not so those at the pointer."""
    where = ".js-plotly-plot svg text{}:not(.hoverlayer *) {{ fill: {} !important; fill-opacity: 1 !important; }}"
    rules = [where.format("", "currentColor")]
    for colour in figures.ON_DARK:
        rgb = ", ".join(str(part) for part in bytes.fromhex(colour[1:]))
        rules.append(where.format(f'[style*="rgb({rgb})"]', figures.letters(colour)))
    return "\n".join(rules)


_LOOK = f"""<style>
{_chart_words()}
[data-testid=stCaptionContainer] {{ opacity: 0.82; }}
[data-testid=stBaseButton-primary]:enabled, [data-testid=stBaseButton-primary]:enabled p, .stMultiSelect [data-tag] * {{
  color: light-dark(#fff, #14101f); }}
.stMain:focus-visible, [data-testid=stDataFrame] :focus-visible {{
  outline: 2px solid light-dark(#7048e8, #8f6cf5); outline-offset: -2px; }}
[data-testid=stButtonGroup] :is([data-selected=true], [aria-checked=true]) p {{ color: light-dark(#5f3dc4, #b9a3ff); }}
.stCheckbox label {{ min-height: 1.5rem; }}
.stSlider [data-rac]:has(> [data-testid=stSliderThumbValue])::after {{ content: ""; position: absolute; inset: -7px; }}
</style>"""
_mount = st.components.v2.component(
    "tempotron_legible",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def mend() -> None:
    """Put right what the theme's settings cannot."""
    st.html(_LOOK)
    with st.sidebar:
        _mount(key="legible")
