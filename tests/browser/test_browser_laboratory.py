"""The laboratory in a real Chromium: start, watch the errors fall, stop."""

from __future__ import annotations

import re

from helpers.browser import LONG_TIMEOUT_MS, ReceivedMessages, Server, chart, open_page, wait_until_idle
from playwright.sync_api import Page, expect


def errors_and_cycle(page: Page) -> tuple[int, int]:
    """Errors and the cycle they belong to, as the headline tells them."""
    line = page.locator(".stMain h4").first
    expect(line).to_contain_text("incorrect in cycle")
    found = re.match(r"([\d,]+) of [\d,]+ patterns incorrect in cycle ([\d,]+)", line.inner_text())
    assert found is not None
    return int(found.group(1).replace(",", "")), int(found.group(2).replace(",", ""))


def test_learning_is_started_watched_and_stopped(page: Page, server: Server) -> None:
    received = ReceivedMessages(page)
    open_page(page, server, "Laboratory", "lab_alpha=3&lab_seed=1")
    page.get_by_role("button", name="Start", exact=True).click()
    first, began = errors_and_cycle(page)
    for figure in ("target_pattern", "null_pattern", "errors"):
        expect(page.locator(f"{chart(figure)} path")).not_to_have_count(0)
    page.wait_for_function(
        "began => { const n = document.querySelector('.stMain h4').innerText.match(/incorrect in cycle ([\\d,]+)/);"
        " return n && Number(n[1].replace(',', '')) > began + 60; }",
        arg=began,
        timeout=LONG_TIMEOUT_MS,
    )
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    wait_until_idle(page)
    last, ended = errors_and_cycle(page)
    assert last < first and ended > began + 60
    expect(page.locator(f"{chart('errors')} path[stroke='#8250df']").first).to_be_visible()
    assert received.has_stopped()
    assert errors_and_cycle(page) == (last, ended)


def test_a_small_problem_is_solved_before_the_eyes(page: Page, server: Server) -> None:
    open_page(page, server, "Laboratory", "lab_N=30&lab_alpha=1&lab_T=200")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".stMain h4").first).to_contain_text("All 30 patterns correct after", timeout=LONG_TIMEOUT_MS)
    expect(page.get_by_text(re.compile(r"^Target: crosses the threshold at \d+ ms, correct"))).to_be_visible()
    expect(page.get_by_text(re.compile("^Null pattern: silent"))).to_be_visible()
    expect(page.locator(chart("target_pattern")).get_by_text("without shunting")).to_be_visible()
