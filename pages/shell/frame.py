"""The frame around every page: sidebar, tour, presentation mode, export panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages import memory, navigation, streamlit_hooks
from pages.components import charts, export_panel, show_code
from pages.shell import presentation, shortcuts, sidebar, theme_fixes, tour

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage


def render(page: StreamlitPage) -> None:
    """Run a page with everything that surrounds it."""
    script = navigation.BY_URL_PATH[page.url_path].script
    memory.freeze_imported_objects()
    with streamlit_hooks.page_run():
        tour.go_to_current_step(script)
        charts.reset_exports()
        show_code.reset()
        presentation.reconcile_sample()
        sidebar.render(page.url_path)
        presentation.render_toggle()
        tour.render_start_button()
        presentation.render_controls(script)
        theme_fixes.apply()
        shortcuts.listen()
        tour.render_banner(script)
        page.run()
        export_panel.render(page.title, page.url_path)
    memory.trim_heap()
    presentation.mark_rendered()
