"""HTTP routes in addition to those of Streamlit: the HTML document of every page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from pages import navigation, streamlit_hooks


def page_routes() -> list[Route]:
    """Return one route per page, and one that redirects `/overview` to the start page."""
    base = "/" + str(st.get_option("server.baseUrlPath") or "").strip("/")
    prefix = base.rstrip("/")
    shell = Path(__file__).with_name("shell")
    scripts = "\n".join((shell / name).read_text(encoding="utf-8") for name in ("history.js", "colour_scheme.js"))
    url_paths = [entry.url_path for entry in navigation.PAGES if entry.url_path]
    content = streamlit_hooks.index_html(url_paths, scripts)

    def document(request: Request) -> Response:
        return HTMLResponse(content, headers={"Cache-Control": "no-cache"})

    def start_page(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"./{query}")

    start = next(entry for entry in navigation.PAGES if not entry.url_path)
    routes = [Route(f"{prefix}/{entry.url_path}", document) for entry in navigation.PAGES]
    return [*routes, Route(f"{prefix}/{start.title.lower()}", start_page)]
