"""For every eye and hand: words readable on either theme, pictures that speak at the pointer, a navigation."""

from pathlib import Path

import streamlit as st

from tempotron_core import figures


def _chart_words() -> str:
    """Words in charts take the page's colour, or their meaning's on the theme; not so those at the pointer."""
    where = ".js-plotly-plot svg text{}:not(.hoverlayer *) {{ fill: {} !important; fill-opacity: 1 !important; }}"
    light = ".stEChartsChart svg text{} {{ fill: {}; fill-opacity: 1; }}"
    rules = [where.format("", "currentColor"), light.format("", "currentColor")]
    for colour in figures.ON_DARK:
        rgb = ", ".join(str(part) for part in bytes.fromhex(colour[1:]))
        rules.append(where.format(f'[style*="rgb({rgb})"]', figures.letters(colour)))
        rules.append(light.format(f'[fill="{colour}"]', figures.letters(colour)))
    return "\n".join(rules)


_LOOK = f"""<style>
{_chart_words()}
[data-testid=stCaptionContainer] {{ opacity: 0.82; }}
[data-testid=stBaseButton-primary]:enabled, [data-testid=stBaseButton-primary]:enabled p, .stMultiSelect [data-tag] * {{
  color: light-dark(#fff, #14101f); }}
.stMain:focus-visible, [data-testid=stDataFrame] :focus-visible {{
  outline: 2px solid light-dark(#7048e8, #8f6cf5); outline-offset: -2px; }}
[data-testid=stButtonGroup] :is([data-selected=true], [aria-checked=true]) p {{ color: light-dark(#5f3dc4, #b9a3ff); }}
.told, .told-at {{ position: fixed; z-index: 99; pointer-events: none; }}
.told {{ padding: 4px 10px; font-size: 1rem; line-height: 1.35; white-space: pre-line; border-radius: 6px;
  color: light-dark(#fff, #14101f); background: light-dark(#31333f, #e8eaf0); box-shadow: 0 1px 6px #0006; }}
.told-at {{ transform: translate(-50%, -50%); box-sizing: border-box; border: 2px solid light-dark(#d6336c, #ff6b9d); }}
.stHtml :is(sub, sup) {{ font-size: max(0.9375rem, 0.83em); line-height: 0; }}
.stCheckbox label {{ min-height: 1.5rem; }}
.stSlider [data-rac]:has(> [data-testid=stSliderThumbValue])::after {{ content: ""; position: absolute; inset: -7px; }}
</style>"""
_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "tempotron_legible",
    js="".join(
        file.read_text(encoding="utf-8")
        for file in (_HERE / "theme_fixes.js", _HERE.parent / "components/tooltip/tooltip.js")
    ),
    isolate_styles=False,
)


def mend() -> None:
    """Put right what the theme's settings cannot."""
    st.html(_LOOK)
    with st.sidebar:
        _mount(key="legible")
