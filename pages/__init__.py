"""The pages, which app.py puts into its navigation.

Streamlit takes a folder of this name for a set of scripts to run without app.py, until app.py has set up its own
navigation once. On a new server a link that leads straight to a page would so miss the sidebar and the link's choices.
The first import of this package therefore hands such a run over to app.py.
"""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()
