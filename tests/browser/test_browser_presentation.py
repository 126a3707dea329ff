"""Presentation mode: the headline and the key figure of every page fit the window; keys change page and sample."""

from __future__ import annotations

import contextlib
from functools import partial

import pytest
from helpers.browser import Server, open_page, wait_for_first_model, wait_until_idle
from helpers.waiting import wait_until
from playwright.sync_api import Page, expect

CHART, LINES = "[data-testid=stPlotlyChart]", ".stEChartsChart"
KEY_FIGURES = {
    "Overview": (1, [LINES, "[data-figure=peaks]"]),
    "Encoder": (2, [CHART]),
    "Voltages": (4, [CHART, "[data-figure=peaks]"]),
    "Evidence": (6, ["[data-figure=evidence]", "[data-figure=lead]"]),
    "Draw and perturb": (7, [".st-key-canvas_place", CHART]),
    "Training": (8, [LINES]),
    "Learning rule": (9, [LINES]),
    "Replay": (10, [f"{LINES} >> nth=0", f"{LINES} >> nth=1"]),
    "Laboratory": (11, [f"{LINES} >> nth={i}" for i in range(3)]),
    "Results": (12, [CHART]),
    "Studies": (13, [CHART]),
    "Published curve": (14, [CHART]),
}
"""Step of the tour and selectors of the key figure, by page."""
SIZES = [
    (1280, 720),
    (853, 480),  # 1280 x 720 at 150 %
]


def visible_share(page: Page, selector: str, height: int) -> float:
    box = page.locator(f".stMain {selector}").first.bounding_box()
    assert box is not None, selector
    bar = page.locator(".st-key-presenter").bounding_box()
    assert bar is not None
    top = max(bar["y"] + bar["height"], box["y"])
    return max(0.0, min(height, box["y"] + box["height"]) - top) / box["height"]


def visible_shares(page: Page, selectors: list[str], height: int) -> dict[str, float]:
    return {selector: visible_share(page, selector, height) for selector in selectors}


def are_visible(page: Page, selectors: list[str], height: int) -> bool:
    return min(visible_shares(page, selectors, height).values()) >= 0.9


@pytest.mark.parametrize("name", KEY_FIGURES)
def test_key_figure_and_headline_are_visible(page: Page, server: Server, name: str) -> None:
    wait_for_first_model(page, server)
    step, selectors = KEY_FIGURES[name]
    query = f"sample=17&present=true&tour={step}"
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    open_page(page, server, name, query + ("&source=Draw" if name == "Draw and perturb" else ""))
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for selector in selectors:
            expect(page.locator(f".stMain {selector}").first).to_be_visible()
        wait_until_idle(page)
        # The browser reports the size of its window a moment after the change; the page is drawn again then.
        with contextlib.suppress(TimeoutError):
            wait_until(partial(are_visible, page, selectors, height))
        shares = visible_shares(page, selectors, height)
        assert {selector: share for selector, share in shares.items() if share < 0.9} == {}
        headline = page.locator(".stMain :is(h2, h3, h4)").first.bounding_box()
        assert headline is not None
        assert 0 <= headline["y"] <= height - headline["height"]


def test_keys_change_page_and_sample(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Overview", "present=true&sample=3")
    page.keyboard.press("n")
    expect(page.locator("[data-figure=digit]")).to_be_attached()
    page.wait_for_url("**/*sample=4*")
    page.keyboard.press("PageDown")
    page.wait_for_url("**/encoder?*")
    wait_until_idle(page)
    assert "sample=4" in page.url and "present=true" in page.url
    page.keyboard.press("PageUp")
    page.wait_for_url(lambda url: "/encoder" not in url)
    wait_until_idle(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Leave")).to_have_count(0)
