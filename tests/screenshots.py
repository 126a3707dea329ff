"""Screenshots of every page: python tests/screenshots.py FOLDER [--width 1280 1920 390] [--theme light dark]."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from helpers.browser import PAGES, Server, browser, wait_until_idle

HEIGHTS = {390: 844, 1280: 800, 1920: 1080}


def main() -> None:
    """Start the dashboard, wait for its first model, take the pictures."""
    parser = argparse.ArgumentParser(description="Take screenshots of every page.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, nargs="+", default=[1280])
    parser.add_argument("--theme", choices=("light", "dark"), nargs="+", default=["light"])
    parser.add_argument("--page", choices=tuple(PAGES), nargs="+", default=list(PAGES))
    parser.add_argument("--query", default="", help="for example sample=8&model=untrained")
    parser.add_argument("--whole", action="store_true", help="the whole page, not only what fits the window")
    parser.add_argument("--url", help="a running dashboard; without it one is started")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    server = None if options.url else Server(Path(tempfile.mkdtemp()))
    url = options.url or (server.url if server else "")
    with browser() as chrome:
        first = chrome.new_page()
        first.goto(url)
        first.get_by_text("Trained cross-entropy").wait_for(timeout=60_000)
        for width in options.width:
            for theme in options.theme:
                page = chrome.new_page(viewport={"width": width, "height": HEIGHTS.get(width, 800)}, color_scheme=theme)
                for name in options.page:
                    page.goto(f"{url}/{PAGES[name]}?{options.query}")
                    wait_until_idle(page)
                    if options.whole:
                        height = page.evaluate("document.querySelector('.stMain').scrollHeight")
                        page.set_viewport_size({"width": width, "height": int(height) + 20})
                        wait_until_idle(page)
                    page.screenshot(path=str(options.folder / f"{name.lower()}-{width}-{theme}.png"))
                    page.set_viewport_size({"width": width, "height": HEIGHTS.get(width, 800)})
    if server:
        server.interrupt()


if __name__ == "__main__":
    main()
