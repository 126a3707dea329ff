"""The Tempotron Explorer: streamlit run app.py."""

import sys

import streamlit as st

from pages import access, common, legible, machine, pace, pictures, presenter, share, sidebar, tour

st.set_page_config(page_title="Tempotron Explorer", page_icon="⚡", layout="wide")

PAGES = {
    "See": {
        "overview": ("Overview", "route"),
        "encoder": ("Encoder", "ssid_chart"),
        "voltages": ("Voltages", "monitoring"),
        "evidence": ("Evidence", "troubleshoot"),
        "draw": ("Draw and perturb", "draw"),
    },
    "Learn": {
        "training": ("Training", "school"),
        "rule": ("Learning rule", "biotech"),
        "replay": ("Replay", "history"),
        "laboratory": ("Laboratory", "science"),
    },
    "Judge": {
        "results": ("Results", "target"),
        "runs": ("Runs", "inventory_2"),
        "published": ("Published curve", "trending_down"),
    },
}
page = st.navigation(
    {
        group: [
            st.Page(f"pages/{name}.py", title=title, icon=f":material/{icon}:", default=name == "overview")
            for name, (title, icon) in members.items()
        ]
        for group, members in PAGES.items()
    },
    expanded=True,
)
access.entrance()
access.gate()
address = page.url_path
machine.spare_collections(len(sys.modules))
common.first_training()
here = f"pages/{address or 'overview'}.py"
pace.begin()
tour.follow(here)
pictures.forget_shown()
presenter.keep_steps()
sidebar.sidebar()
presenter.switch()
tour.offer()
presenter.stage()
legible.mend()
tour.banner(here)
page.run()
share.share(page.title, address)
machine.give_back()
pace.end(page._script_hash)
presenter.sent()
