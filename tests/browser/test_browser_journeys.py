"""Journeys for which the browser matters: Back, a talk by keyboard only, a page that is saved and opened as a file."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.browser import LONG_TIMEOUT_MS, Server, headline, open_page, wait_for_first_model, wait_until_idle
from playwright.sync_api import Browser, Page, expect


def query_of(page: Page) -> str:
    return page.url.partition("?")[2]


def test_back_five_times_shows_what_was_seen(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Results", "true=4&open_in=Evidence")
    page.set_viewport_size({"width": 1280, "height": 720})
    sample = page.locator("[data-testid=stSidebar]").get_by_label(re.compile("Test sample")).bounding_box()
    assert sample is not None and sample["y"] + sample["height"] <= 720
    seen = [(page.url, headline(page))]

    def arrive(title: str, parameter: str) -> None:
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        page.wait_for_url(re.compile(parameter))
        wait_until_idle(page)
        seen.append((page.url, headline(page)))

    page.locator(".stMain").get_by_role("button", name=re.compile("→")).first.click()
    arrive("Evidence", "sample=")
    page.locator("[data-pixel]").first.click()
    arrive("Encoder", "pixel=")
    for name in ("Voltages", "Learning rule", "Results"):
        page.get_by_role("link", name=name, exact=True).first.click()
        arrive(name, name.split()[-1].lower())
    for url, text in reversed(seen[:-1]):
        page.go_back()
        expect(page).to_have_url(re.compile(f"^{re.escape(url.partition('?')[0])}"))
        wait_until_idle(page)
        expect(page.locator(".stMain h2, .stMain h4").first).to_have_text(text)
    assert "true=4" in query_of(page)


def test_a_talk_by_keyboard_only(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Overview", "sample=3")
    press, words = page.keyboard.press, page.locator(".cursor [data-part=words]")
    press("p")
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    wait_until_idle(page)
    press("n")
    page.wait_for_url("**/*sample=4*")
    wait_until_idle(page)
    press("Space")  # from the start of the window, which takes some seconds
    expect(page.get_by_role("button", name="pause", exact=True)).to_be_visible()
    press("Space")
    expect(page.get_by_role("button", name="play", exact=True)).to_be_visible()
    press("4")
    expect(words).to_have_text(re.compile(r"^\d+ ms: "))
    before = int(words.inner_text().split()[0])
    press("ArrowLeft")
    expect(words).to_have_text(re.compile(f"^{before - 1} ms: "))
    scheme = "getComputedStyle(document.querySelector('.stApp')).colorScheme"
    light = page.evaluate(scheme)
    press("t")
    page.wait_for_function(f"{scheme} !== '{light}'")
    press("?")
    expect(page.locator("dialog.shortcuts")).to_be_visible()
    press("?")
    expect(page.locator("dialog.shortcuts")).to_be_hidden()
    press("PageDown")
    page.wait_for_url("**/encoder?*")
    wait_until_idle(page)
    assert "sample=4" in query_of(page)
    press("b")
    page.wait_for_url("**/*sample=3*")
    wait_until_idle(page)
    press("p")
    expect(page.locator("[data-testid=stSidebar]")).to_be_visible()


def test_the_saved_overview_works_without_a_server(page: Page, server: Server, chrome: Browser, tmp_path: Path) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Overview", "sample=3")
    page.get_by_text("Save or share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Overview with time cursor (HTML)").click()
    file = tmp_path / "overview.html"
    download.value.save_as(file)
    context = chrome.new_context(offline=True)
    saved, problems, requests = context.new_page(), list[str](), list[str]()
    saved.set_default_timeout(LONG_TIMEOUT_MS)
    saved.on("pageerror", lambda error: problems.append(str(error)))
    saved.on("request", lambda request: requests.append(request.url))
    saved.goto(file.as_uri())
    expect(saved.get_by_role("heading").first).to_have_text(headline(page))
    saved.locator(".js-plotly-plot .main-svg").first.wait_for()
    slider = saved.get_by_role("slider", name="time, ms")
    slider.focus()
    slider.press("Home")
    expect(saved.locator("[data-part=words]")).to_have_text(re.compile("^0 ms: "))
    expect(saved.locator("[data-foot]")).to_have_text("potential at 0 ms")
    slider.press("ArrowRight")
    expect(saved.locator("[data-part=words]")).to_have_text(re.compile("^1 ms: "))
    assert saved.locator(".cursor-line").count() == 2  # of the raster and the potentials
    assert problems == []
    assert not [url for url in requests if url.startswith("http")]
    context.close()
