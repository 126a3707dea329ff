"""The learning rule in a real Chromium: steps taken, taken back, the rate changed, the view reopened from its link."""

from __future__ import annotations

import re

import pytest
from helpers.browser import (
    Server,
    chart,
    heading,
    headline,
    open_page,
    outlines,
    press_slider_keys,
    rest,
    wait_for_first_model,
    wait_until_idle,
)
from playwright.sync_api import Page, expect

LARGEST = """chart => {
  const box = chart.getBoundingClientRect();
  const marks = [...chart.querySelectorAll("path[fill='#0b7f73']")].map(e => e.getBoundingClientRect());
  const at = marks.reduce((a, b) => (b.width > a.width ? b : a));
  return [(at.x + at.width / 2 - box.x) / box.width, (at.y + at.height / 2 - box.y) / box.height];
}"""


def largest_change(page: Page) -> float:
    """What the largest mark on the kernel says of the change of its weights."""
    place = page.locator(chart("kernel")).evaluate(LARGEST)
    words = rest(page, "kernel", *place)
    found = re.fullmatch(r"[\d,]+ spikes at \d+ ms: ([+−][\d.]+)", words)
    assert found, words
    page.mouse.move(5, 5)
    return float(found[1].replace("−", "-"))


def test_steps_are_drawn_taken_and_taken_back(page: Page, server: Server) -> None:
    open_page(page, server, "Learning rule", "model=untrained&sample=3&rule_rate=2e-4")
    first, change = headline(page), largest_change(page)
    assert first == "Step 1: 1 output has a firing error."
    before = outlines(page, "step")
    page.get_by_role("button", name="Step again").click()
    expect(page.locator(".stMain h2").first).to_have_text(re.compile("^Step 2"))
    wait_until_idle(page)
    assert outlines(page, "step") != before
    expect(page).to_have_url(re.compile("rule_steps=1_linear_5_0.0002"))
    page.get_by_role("button", name="10 more").click()
    expect(page).to_have_url(re.compile(r"rule_steps=(?!1_)\d\d?_linear_5_0.0002"))
    wait_until_idle(page)
    taken, seen = headline(page), outlines(page, "step")
    assert int(taken.split(":")[0].removeprefix("Step ")) > 5

    other = page.context.new_page()
    other.goto(page.evaluate("location.href"))
    wait_until_idle(other)
    expect(heading(other)).to_have_text(taken)
    assert outlines(other, "step") == seen
    other.close()

    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
        wait_until_idle(page)
    expect(heading(page)).not_to_have_text(taken)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(".stMain h2").first).to_have_text(first)
    wait_until_idle(page)
    assert outlines(page, "step") == before
    assert "rule_steps" not in page.url
    press_slider_keys(page, "Learning rate", 1)
    expect(page).to_have_url(re.compile("rule_rate=5e-4"))
    wait_until_idle(page)
    assert largest_change(page) == pytest.approx(2.5 * change, rel=1e-3)


def test_steps_wait_while_another_page_is_looked_at(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Learning rule", "sample=3&rule=cross-entropy")
    page.get_by_role("button", name="Step again").click()
    expect(page.locator(".stMain h2").first).to_have_text(re.compile("^Step 2"))
    page.get_by_role("link", name="Voltages").click()
    expect(page.get_by_role("heading", name="Voltages")).to_be_visible()
    wait_until_idle(page)
    assert "rule_steps" not in page.url
    page.get_by_role("link", name="Learning rule").click()
    expect(page.locator(".stMain h2").first).to_have_text(re.compile("^Step 2"))
    expect(page).to_have_url(re.compile("rule_steps=1_cross-entropy_5_0.001"))
    page.locator("[data-testid=stSidebar] [data-testid=stNumberInputStepUp]").click()
    expect(page.get_by_text("Another sample was selected")).to_be_visible()
    expect(page.locator(".stMain h2").first).to_have_text(re.compile("^Step 1"))
    expect(page.locator("[data-testid=stAlert]")).to_have_count(0)
