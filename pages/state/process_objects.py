"""Objects of the server process that a reload of edited modules does not discard.

The cache belongs to the source of its function. The function is alone in this file, so that edits of other code leave
the objects in place.
"""

from __future__ import annotations

from typing import Any

import streamlit as st


@st.cache_resource(show_spinner=False)
def process_objects() -> dict[str, Any]:
    """Return the objects by name; empty after st.cache_resource.clear()."""
    return {}
