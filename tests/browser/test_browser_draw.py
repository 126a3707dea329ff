"""Drawing, uploading and perturbing in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.browser import (
    Server,
    heading,
    headline,
    open_page,
    press_slider_keys,
    wait_for_first_model,
    wait_until_idle,
)
from PIL import Image
from playwright.sync_api import Page, expect

from tempotron_core.data import datasets


def stroke(page: Page, *points: tuple[float, float]) -> None:
    """Draw a line through points given in shares of the canvas."""
    canvas = page.locator("canvas").last
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    (x, y), *rest = ((box["x"] + across * box["width"], box["y"] + down * box["height"]) for across, down in points)
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


def source(page: Page, name: str) -> None:
    page.locator(".stMain").get_by_role("radio", name=name, exact=True).or_(
        page.locator(".stMain button", has_text=re.compile(f"^{name}$"))
    ).first.click()
    wait_until_idle(page)


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_a_stroke_is_read_and_outlives_a_visit_elsewhere(
    page: Page,
    server: Server,
    width: int,
    theme: str,
) -> None:
    wait_for_first_model(page, server)
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    open_page(page, server, "Draw and perturb")
    assert page.locator("canvas").count() == 0
    source(page, "Draw")
    expect(page.locator(".stMain h2").first).to_have_text("Draw a digit to classify")
    stroke(page, (0.5, 0.15), (0.5, 0.85))
    expect(page.locator(".stMain h2").first).to_contain_text("Prediction: 1")
    box = page.locator("canvas").last.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    source(page, "Test digit")
    source(page, "Draw")
    expect(page.locator(".stMain h2").first).to_contain_text("Prediction: 1")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".stMain h2").first).to_have_text("Draw a digit to classify")


def test_a_picture_is_read_and_garbage_gets_one_sentence(page: Page, server: Server, tmp_path: Path) -> None:
    wait_for_first_model(page, server)
    picture, garbage = tmp_path / "seven.png", tmp_path / "garbage.png"
    digits = datasets.load().test
    seven = digits.images[int((digits.labels == 7).nonzero()[0])]
    Image.fromarray(255 - seven.numpy()).resize((280, 280)).save(picture)
    garbage.write_bytes(b"no picture at all")
    open_page(page, server, "Draw and perturb", "source=Upload")
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(picture)
    expect(page.locator(".stMain h2").first).to_contain_text("Prediction: ")
    expect(page.get_by_text("Dark on light: the picture was inverted")).to_be_visible()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(garbage)
    expect(page.locator(".stMain [data-testid=stAlert]")).to_contain_text("Picture: expected one in PNG")
    expect(page.locator(".stMain [data-testid=stAlert]")).to_have_count(1)
    expect(heading(page)).to_have_text("Upload a picture to classify")


def test_a_slider_moves_the_lead_and_the_test_set_is_measured(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Draw and perturb", "sample=8")
    before = headline(page)
    press_slider_keys(page, "Jitter, ms", 8)
    expect(page.locator(".stMain h2").first).to_have_text(re.compile(r"with 4 ms jitter; lead \d+\.\d\d → \d+\.\d\d"))
    assert headline(page) != before
    expect(page).to_have_url(re.compile("jitter=4"))
    page.get_by_text("Measure on the test set").click()
    expect(page.locator(".stMain h4").last).to_contain_text("Accuracy ")
    expect(page.locator(".stMain h4").last).to_have_text(re.compile(r"\d% → "))
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    expect(page).to_have_url(re.compile("measure=true"))
