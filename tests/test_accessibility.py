"""Every page for every eye and hand: axe-core, contrast, text alternatives, the keyboard alone, a narrow screen."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="the playwright package is not installed: pip install playwright")
pytest.importorskip("axe_playwright_python", reason="axe-core is not installed: pip install axe-playwright-python")

from accessible import CONTROLS, findings, measured, open_all, pictures, targets, words_in_pictures
from browser import PAGES, Server, browser, chromium, settle
from playwright.sync_api import Browser, Page, expect

if chromium() is None:
    if os.environ.get("TEMPOTRON_REQUIRE_BROWSER"):
        pytest.fail("TEMPOTRON_REQUIRE_BROWSER is set, but no Chromium is installed", pytrace=False)
    pytest.skip("no Chromium is installed (Debian: apt-get install chromium)", allow_module_level=True)

LONG = 60_000
MOST_STOPS = 200
VIEWS = {"a wrong digit": "sample=17", "one run": "model=saved+run"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("dashboard"))
    yield running
    running.interrupt()


@pytest.fixture(scope="module")
def chrome(server: Server) -> Iterator[Browser]:
    with browser() as instance:
        first = instance.new_page()
        first.goto(server.url)
        expect(first.get_by_text("Trained cross-entropy on embedded")).to_be_visible(timeout=LONG)
        first.close()
        yield instance


@pytest.fixture(params=["light", "dark"])
def page(chrome: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh page in either theme."""
    fresh = chrome.new_page(viewport={"width": 1280, "height": 800}, color_scheme=request.param)
    fresh.set_default_timeout(LONG)
    yield fresh
    fresh.close()


def opened(page: Page, server: Server, name: str, query: str = "") -> None:
    page.goto(f"{server.url}/{PAGES[name]}?{query}")
    settle(page)


def test_axe_finds_nothing_serious_and_every_picture_can_be_read(page: Page, server: Server) -> None:
    read = 0
    for name in PAGES:
        for query in VIEWS.values() if name in ("Voltages", "Runs") else ["sample=17"]:
            opened(page, server, name, query)
            open_all(page)
            settle(page)
            assert findings(page) == [], name
            for word in words_in_pictures(page):
                assert word["contrast"] >= 4.5, (name, word)
                assert word["size"] >= 15, (name, word)
                read += 1
            for told in pictures(page):
                # A sentence: words, with a number from the data or a name of it.
                assert len(told.split()) >= 4 and re.search(r"[\d.:]", told), (name, told)
            if name in ("Overview", "Encoder", "Voltages"):
                assert any(re.search(r"digit \w+ \(test sample [\d,]+\)", told) for told in pictures(page)), name
    assert read > 20 * len(PAGES)  # not that nothing was found to be read


def test_all_words_of_a_presentation_are_large(chrome: Browser, server: Server) -> None:
    page = chrome.new_page(viewport={"width": 1920, "height": 1080})
    for name in PAGES:
        opened(page, server, name, "present=true&sample=17")
        for word in words_in_pictures(page):
            assert word["size"] >= 1.25 * 15 - 0.01, (name, word)
    page.close()


def stops(page: Page) -> tuple[list[str], list[str]]:
    """What the tabulator key alone reaches, and what of it does not show that it has the focus."""
    measured(
        page,
        f"""
        const radios = new Set();
        window.wanted = [...document.querySelectorAll({CONTROLS!r})].filter((e) => {{
          if (!seen(e.closest("label") || e) || e.disabled || e.tabIndex < 0 || e.type === "file") return false;
          if (e.type !== "radio") return true;
          const first = !radios.has(e.name);
          radios.add(e.name);
          return first;
        }});
        const look = (e) => {{
          const near = [e, e.parentElement, e.parentElement.parentElement, ...e.parentElement.children];
          const style = (n) => {{
            const s = getComputedStyle(n);
            return [s.outline, s.boxShadow, s.borderColor, s.backgroundColor, s.color].join();
          }};
          return near.filter(Boolean).map(style).join();
        }};
        const still = document.createElement("style");
        still.textContent = "* {{ transition: none !important; }}";
        document.head.append(still);
        window.look = look;
        window.before = new Map(window.wanted.map((e) => [e, look(e)]));
        window.reached = new Set();
        window.blind = [];
        window.called = label;
        const start = document.createElement("span");
        start.tabIndex = -1;
        document.body.prepend(start);
        start.focus();
        """,
    )
    last = None
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        here = page.evaluate(
            """() => {
                const e = document.activeElement;
                if (e === document.body) return null;
                const again = window.reached.has(e);
                window.reached.add(e);
                const style = getComputedStyle(e);
                const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth);
                const same = window.before.has(e) && window.look(e) === window.before.get(e);
                if (!ring && same) window.blind.push(window.called(e));
                // A table takes several steps, one a cell.
                const inside = e === window.latest && e.closest("[data-testid=stDataFrame]");
                window.latest = e;
                return again && !inside ? null : window.called(e);
            }"""
        )
        if here is None:
            break
        last = here
    else:
        pytest.fail(f"the keyboard never comes round; it ended at {last}")
    # One stop for a group of buttons; the arrows go on inside it.
    groups = "[role=radiogroup], [role=toolbar], [data-testid=stButtonGroup]"
    page.evaluate("window.unreached = () => window.wanted.filter((e) => e.isConnected && !window.reached.has(e))")
    while page.evaluate(
        f"""() => {{
            window.group = window.unreached().map((e) => e.closest({groups!r})).find(Boolean);
            const stop = window.group && [...window.reached].find((e) => window.group.contains(e));
            stop?.focus();
            return Boolean(stop);
        }}"""
    ):
        before = page.evaluate("window.unreached().length")
        for _ in range(30):
            page.keyboard.press("ArrowRight")
            page.evaluate("window.reached.add(document.activeElement)")
        if page.evaluate("window.unreached().length") == before:
            break
    missed: list[str] = page.evaluate("window.unreached().map(window.called)")
    blind: list[str] = page.evaluate("window.blind")
    return missed, blind


def test_the_keyboard_alone_reaches_every_control_and_shows_where_it_is(chrome: Browser, server: Server) -> None:
    page = chrome.new_page(viewport={"width": 1280, "height": 800})
    for name in PAGES:
        opened(page, server, name, "sample=17")
        open_all(page)
        settle(page)
        assert stops(page) == ([], []), name
    page.close()


def test_letters_typed_into_a_field_are_no_shortcuts(chrome: Browser, server: Server) -> None:
    page = chrome.new_page(viewport={"width": 1280, "height": 800})
    opened(page, server, "Runs", "present=true&sample=3")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type(" nbn n")
    settle(page)
    assert "sample=3" in page.url
    opened(page, server, "Voltages", "sample=3&t=40")
    page.get_by_label(re.compile("Test sample")).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    settle(page)
    assert "t=40" in page.url
    page.close()


def test_a_narrow_page_can_be_touched(chrome: Browser, server: Server) -> None:
    page = chrome.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
    for name in PAGES:
        opened(page, server, name, "sample=17")
        assert targets(page) == [], name
        wide = "document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"
        assert page.evaluate(wide) <= 1, name
    page.close()
