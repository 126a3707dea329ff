"""Entry script: Streamlit runs it at every rerun."""

import streamlit as st

from pages import navigation, server
from pages.state import auth

st.set_page_config(page_title="Tempotron Explorer", page_icon="⚡", layout="wide")
server.restore_working_directory()
page = navigation.show_navigation()
auth.require_login()
server.wait_for_imports(page.title)

from pages.shell import frame  # noqa: E402 (torch and plotly are imported after the first paint)

frame.render(page)
