"""Tempotron Explorer: the application that `streamlit run app.py` starts."""

import streamlit as st

from pages.routes import page_routes
from pages.server import lifespan

app = st.App("pages/main.py", lifespan=lifespan, routes=page_routes())
