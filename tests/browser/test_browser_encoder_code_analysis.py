"""What the encoding keeps and loses, in a real Chromium."""

from __future__ import annotations

import re

from helpers.browser import Server, heading, headline, open_page, press_slider_keys, wait_until_idle
from playwright.sync_api import Page, expect


def test_the_inspector_follows_the_hand_and_its_own_advice(page: Page, server: Server) -> None:
    open_page(page, server, "Encoder", "sample=0&pixel=400&x=0.3&m=4&T=50&beta=4")
    expect(page.locator(".js-plotly-plot, [data-figure=digit]")).to_have_count(2)
    page.get_by_text("Information in the code").click()
    expect(page.locator(".js-plotly-plot, [data-figure=digit]")).to_have_count(4)
    expect(page).to_have_url(re.compile("view=Information"))
    wait_until_idle(page)
    before = headline(page)
    assert "different codes" in before
    press_slider_keys(page, "T, window", 1)
    expect(page).to_have_url(re.compile("T=60"))
    expect(heading(page)).not_to_have_text(before)
    wait_until_idle(page)
    left = int(re.findall(r"only (\d+) different", headline(page))[0])
    page.get_by_role("button", name=re.compile("Set ")).first.click()
    wait_until_idle(page)
    after = re.findall(r"only (\d+) different", headline(page))
    assert not after or int(after[0]) > left
    # What was drawn last is what is there: each figure is seen, and nothing of the other view is left.
    for place in range(4):
        expect(page.locator(".js-plotly-plot").nth(place)).to_be_visible()
    expect(page.get_by_text("Click a pixel")).to_have_count(0)
    page.get_by_text("One pixel", exact=True).click()
    expect(page.locator(".js-plotly-plot, [data-figure=digit]")).to_have_count(2)
    expect(heading(page)).to_have_text(re.compile(r"^At x = 0\.30"))
    wait_until_idle(page)
    expect(page.get_by_label("Row, 1 to 28")).to_have_value("15")
    expect(page.get_by_label("Column, 1 to 28")).to_have_value("9")
    assert page.locator("[data-testid=stMetric]").count() == 0
