"""The Replay page in a real Chromium: the slider, the keys, a play to its end, and silence after it."""

from __future__ import annotations

import re

from helpers.browser import (
    ReceivedMessages,
    Server,
    chart,
    open_page,
    outlines,
    press_slider_keys,
    wait_for_first_model,
    wait_until_idle,
)
from playwright.sync_api import Page, expect


def scale(page: Page) -> list[str]:
    """The numbers at the axes of the potentials."""
    words = page.locator(f"{chart('traces')} text").all_text_contents()
    return [word for word in words if re.fullmatch(r"[-−0-9.,]+", word)]


def title(page: Page) -> str:
    return page.locator(".stMain h1").inner_text()


def verdict(page: Page) -> str:
    return page.locator(".stMain h3").first.inner_text()


def test_a_slider_over_the_epochs_changes_everything_and_goes_into_the_link(
    page: Page,
    server: Server,
) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Replay", "sample=3")
    assert title(page) == "Replay · epoch 2"
    verdicts, traces = {verdict(page)}, {str(outlines(page, "traces"))}
    spans = {str(scale(page))}
    for epoch in (1, 0):
        press_slider_keys(page, "Epoch", -1)
        expect(page).to_have_url(re.compile(f"epoch={epoch}"))
        wait_until_idle(page)
        verdicts.add(verdict(page))
        traces.add(str(outlines(page, "traces")))
        spans.add(str(scale(page)))
    assert title(page) == "Replay · before training"
    assert len(verdicts) == len(traces) == 3
    assert len(spans) == 1
    page.locator(".stMain h1").click()  # keys belong to the slider while it has the focus
    page.keyboard.press("l")
    expect(page.locator(".stMain h1")).to_have_text("Replay · epoch 1")
    wait_until_idle(page)
    other = page.context.new_page()
    other.goto(page.url)
    wait_until_idle(other)
    assert title(other) == "Replay · epoch 1"
    assert verdict(other) == verdict(page)
    other.close()


def test_a_play_ends_at_the_last_epoch_and_is_silent_then(page: Page, server: Server) -> None:
    received = ReceivedMessages(page)
    wait_for_first_model(page, server)
    open_page(page, server, "Replay", "sample=3")
    page.get_by_role("button", name="Play").click()
    for words in ("before training", "epoch 1", "epoch 2"):
        expect(page.locator(".stMain h1")).to_have_text(f"Replay · {words}")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.locator(".stMain [data-testid=stSlider]").first).to_be_visible()
    wait_until_idle(page)
    assert received.has_stopped()
    assert title(page) == "Replay · epoch 2"
