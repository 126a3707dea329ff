"""The Tempotron Explorer: streamlit run app.py."""

import sys

import streamlit as st

from pages import common

st.set_page_config(page_title="Tempotron Explorer", page_icon="⚡", layout="wide")

page = st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", icon=":material/route:", default=True),
        st.Page("pages/encoder.py", title="Encoder", icon=":material/ssid_chart:"),
        st.Page("pages/voltages.py", title="Voltages", icon=":material/monitoring:"),
        st.Page("pages/results.py", title="Results", icon=":material/target:"),
        st.Page("pages/training.py", title="Training", icon=":material/school:"),
        st.Page("pages/runs.py", title="Runs", icon=":material/inventory_2:"),
        st.Page("pages/published.py", title="Published curve", icon=":material/trending_down:"),
    ]
)
common.spare_collections(len(sys.modules))
common.first_training()
common.sidebar()
page.run()
