"""Colours, sizes and text helpers that all figures share.

Each colour except MUTED has a contrast of at least 4.5:1 on a white page, so that text can use it, and at least 3:1 on
a dark page, which suffices for lines and marks. Text on a dark page uses the lighter colour in DARK_VARIANT. Where two
colours are hard to distinguish without hue, a second cue separates them: width, dash, symbol, pattern or a label.
"""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = [
    "DARK_VARIANT",
    "DIVERGING",
    "MARGINS",
    "METRIC",
    "MUTED",
    "NEGATIVE",
    "OUTLINE",
    "POSITIVE",
    "PREDICTED",
    "REFERENCE",
    "SELECTED",
    "SPIKE",
    "TRUE",
    "class_colour",
    "css_text_colour",
    "escape_label",
    "text_label",
]

TRUE = "#1f6fd6"
"""The true class."""
PREDICTED = "#d1450e"
"""The predicted class, if it is not the true class."""
MUTED = "#8f959b"
"""Context: other outputs, background spikes, silent curves."""
SPIKE = "#0b7f73"
"""Spikes of the selected image or pixel."""
SELECTED = "#d6336c"
"""The selected pixel and its value; the predicted class, if the true class is unknown."""
REFERENCE = "#6b7280"
"""Reference lines with a label, such as the threshold."""
METRIC = "#8250df"
"""Metrics of a run: loss and test accuracy."""
POSITIVE = "#1b7837"
"""Excitatory weights and positive contributions."""
NEGATIVE = "#a044b4"
"""Inhibitory weights and negative contributions."""
DARK_VARIANT = {
    TRUE: "#5aa0ff",
    PREDICTED: "#ff8a4c",
    SPIKE: "#2bb5a5",
    SELECTED: "#ff6b9d",
    REFERENCE: "#a3abb6",
    METRIC: "#b794f6",
    POSITIVE: "#5fd07f",
    NEGATIVE: "#d58be6",
}
"""Colour on a white page -> colour of the same meaning for text on a dark page."""
MARGINS = (74, 12, 12, 58)
"""Left, right, top and bottom margin of a figure, in pixels."""
OUTLINE = "#15181c"
"""The outline of a digit over a map."""
DIVERGING = ((0.0, "#4d0a66"), (0.25, "#8f63a3"), (0.5, "#b4b4b4"), (0.75, "#9be09a"), (1.0, "#7dfb87"))
"""Colour scale from negative to positive; brightness increases throughout, so that the sign is visible without hue."""


def class_colour(neuron: int, true: int | None, predicted: int) -> str:
    """Return the colour of an output, which is the same on every page.

    Without a true class (None) the predicted output is SELECTED, because it is neither correct nor incorrect.
    """
    if neuron == true:
        return TRUE
    if neuron == predicted:
        return SELECTED if true is None else PREDICTED
    return MUTED


def escape_label(name: str) -> str:
    """Escape a name that comes from data: Plotly interprets some HTML tags in its labels."""
    return escape(name, quote=False)


def css_text_colour(colour: str) -> str:
    """Return a CSS text colour for both page themes; MUTED becomes the text colour of the page."""
    return f"light-dark({colour},{DARK_VARIANT[colour]})" if colour in DARK_VARIANT else "inherit"


def with_alpha(colour: str, alpha: float) -> str:
    """Return a colour #rrggbb with this opacity in [0, 1] as a CSS colour."""
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red},{green},{blue},{alpha:g})"


def text_label(x: float, y: float, content: str, colour: str = REFERENCE, **more: Any) -> dict[str, Any]:
    """Return a Plotly annotation without an arrow, in data coordinates.

    Args:
        x: Horizontal position.
        y: Vertical position.
        content: Text of the label; HTML from data must be escaped.
        colour: Colour of the text.
        **more: Further entries of the annotation; they replace the defaults.
    """
    label = {"x": x, "y": y, "text": content, "showarrow": False, "font": {"size": 15, "color": colour}}
    return label | more
