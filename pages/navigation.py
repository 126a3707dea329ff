"""Table of all pages and the navigation made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage


@dataclass(frozen=True)
class PageEntry:
    """One page.

    Attributes:
        script: path of the script, relative to pages/
        url_path: path in the URL, empty for the start page
        title: title in the navigation
        icon: name of a Material icon
        section: section of the navigation
    """

    script: str
    url_path: str
    title: str
    icon: str
    section: str


PAGES = (
    PageEntry("views/overview.py", "", "Overview", "route", "Explore"),
    PageEntry("views/encoder.py", "encoder", "Encoder", "ssid_chart", "Explore"),
    PageEntry("views/voltages.py", "voltages", "Voltages", "monitoring", "Explore"),
    PageEntry("views/evidence.py", "evidence", "Evidence", "troubleshoot", "Explore"),
    PageEntry("views/draw.py", "draw", "Draw and perturb", "draw", "Explore"),
    PageEntry("views/training.py", "training", "Training", "school", "Train"),
    PageEntry("views/rule.py", "rule", "Learning rule", "biotech", "Train"),
    PageEntry("views/replay.py", "replay", "Replay", "history", "Train"),
    PageEntry("views/laboratory.py", "laboratory", "Laboratory", "science", "Train"),
    PageEntry("views/results.py", "results", "Results", "target", "Evaluate"),
    PageEntry("views/runs.py", "runs", "Runs", "inventory_2", "Evaluate"),
    PageEntry("views/studies.py", "studies", "Studies", "tune", "Evaluate"),
    PageEntry("views/published.py", "published", "Published curve", "trending_down", "Evaluate"),
)
BY_URL_PATH = {entry.url_path: entry for entry in PAGES}


def show_navigation() -> StreamlitPage:
    """Show the navigation and return the page selected by the URL."""
    sections: dict[str, list[StreamlitPage]] = {}
    for entry in PAGES:
        page = st.Page(
            entry.script, title=entry.title, icon=f":material/{entry.icon}:", url_path=entry.url_path or None,
            default=not entry.url_path,
        )  # fmt: skip
        sections.setdefault(entry.section, []).append(page)
    return st.navigation(sections, expanded=True)
