"""What pictures of markup say at the pointer, in a real Chromium; and the canvas's name and room."""

from __future__ import annotations

import re

import pytest
from helpers.browser import Server, chart, open_page, wait_for_first_model, wait_until_idle
from helpers.browser import rest as rest_on_chart
from playwright.sync_api import Locator, Page, expect

from tempotron_core.analysis.attribution import evidence
from tempotron_core.data import datasets
from tempotron_core.model.classifier import predict
from tempotron_core.training.settings import Settings, initial_model


def rest(page: Page, picture: Locator, across: float, down: float) -> str:
    """What is said where the pointer rests on a picture, in shares of its width and height."""
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
    expect(page.locator(".tooltip")).to_be_visible()
    return page.locator(".tooltip").inner_text()


def test_a_pixel_tells_its_spikes_weights_and_kernel_values(page: Page, server: Server) -> None:
    open_page(page, server, "Evidence", "model=untrained&sample=3&why=5&why_not=8")
    model, image = initial_model(Settings()), datasets.load().test.images[3]
    decision = predict(model, image)
    mine, theirs = evidence(model, decision, 5), evidence(model, decision, 8)
    for row, column in ((0, 0), (14, 13), (27, 27)):
        pixel, words = row * 28 + column, ""
        for key, parts in (("evidence", mine.contributions), ("lead", mine.contributions - theirs.contributions)):
            picture = page.locator(f"[data-figure={key}] [data-tooltip]")
            words = rest(page, picture, (column + 0.5) / 28, (row + 0.5) / 28).replace("−", "-")
            found = re.fullmatch(r"row (\d+), column (\d+): ([+-][\d.]+)", words.splitlines()[0])
            assert found and (int(found[1]), int(found[2])) == (row + 1, column + 1)
            assert float(found[3]) == pytest.approx(float(parts[pixel].sum()), abs=6e-5)
        spiking = [j for j in range(model.m) if decision.times[pixel, j] >= 0]
        lines = words.splitlines()[1:]
        assert len(lines) == len(spiking) > 0
        for line, j in zip(lines, spiking, strict=True):
            number = r"([+-]?[\d.]+)"
            matched = re.fullmatch(
                rf"neuron (\d+) at (\d+) ms · 5: w {number}, K {number} · 8: w {number}, K {number}", line
            )
            assert matched and (int(matched[1]), int(matched[2])) == (j + 1, int(decision.times[pixel, j]))
            for text, value in zip(
                matched.groups()[2:],
                (mine.weight[pixel, j], mine.kernel[pixel, j], theirs.weight[pixel, j], theirs.kernel[pixel, j]),
                strict=True,
            ):
                assert float(text) == pytest.approx(float(value), abs=6e-4)
    page.mouse.move(5, 5)
    expect(page.locator(".tooltip")).to_have_count(0)


def test_lines_and_bars_tell_their_values(page: Page, server: Server) -> None:
    open_page(page, server, "Learning rule", "model=untrained&sample=3")
    words = rest_on_chart(page, "step", 0.5, 0.5).splitlines()
    assert len(words) > 20 and words[1].endswith((" before", " after"))
    values = [float(value) for value in words[2::2]]
    assert values == sorted(values, reverse=True)
    page.goto(f"{server.url}/evidence?model=untrained&sample=3")
    wait_until_idle(page)
    bar = page.locator(f"{chart('evidence_neurons')} path[fill='#1b7837']").last.bounding_box()
    whole = page.locator(chart("evidence_neurons")).bounding_box()
    assert bar and whole
    across = (bar["x"] + bar["width"] / 2 - whole["x"]) / whole["width"]
    down = (bar["y"] + bar["height"] / 2 - whole["y"]) / whole["height"]
    assert re.fullmatch(r"neuron \d+: [+−][\d.]+", rest_on_chart(page, "evidence_neurons", across, down))


def test_a_resting_pointer_follows_a_chart_that_changes(page: Page, server: Server) -> None:
    open_page(page, server, "Learning rule", "model=untrained&sample=3")
    words = rest_on_chart(page, "step", 0.5, 0.5)
    page.evaluate("document.querySelector('[data-testid=stSidebar] [data-testid=stNumberInputStepUp]').click()")
    tooltip = page.locator(".st-key-step .stEChartsChart > div:not(:first-child)").first
    expect(tooltip).not_to_have_text(words)
    wait_until_idle(page)
    expect(tooltip).to_contain_text("after")


def test_a_resting_pointer_follows_the_page(page: Page, server: Server) -> None:
    open_page(page, server, "Evidence", "model=untrained&sample=3")
    picture = page.locator("[data-figure=evidence] [data-tooltip]")
    words = rest(page, picture, 0.5, 0.5)
    page.evaluate("document.querySelector('[data-testid=stSidebar] [data-testid=stNumberInputStepUp]').click()")
    expect(page.locator(".tooltip")).not_to_have_text(words)


def test_the_canvas_has_a_name_and_room(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Draw and perturb", "source=Draw")
    expect(page.get_by_role("img", name=re.compile("^Canvas: draw a digit"))).to_be_visible()
    for width in (660, 820, 1000, 1190, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        wait_until_idle(page)
        canvas = page.get_by_role("img", name=re.compile("^Canvas"))
        column = page.locator("[data-testid=stColumn]", has=page.locator(".st-key-canvas_place")).first
        inner, outer = canvas.bounding_box(), column.bounding_box()
        assert inner and outer
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1, width
        spare = "document.querySelector('.stMain').scrollWidth - document.querySelector('.stMain').clientWidth"
        assert page.evaluate(spare) <= 1, width
    wait_until_idle(page)


def test_equations_are_set_once_they_are_opened(page: Page, server: Server) -> None:
    open_page(page, server, "Evidence", "model=untrained&sample=3")
    assert page.locator(".katex").count() == 0
    page.get_by_text("The equation").click()
    expect(page.locator(".katex").first).to_be_visible()
    page.get_by_text("The equation").click()
    expect(page.locator(".katex")).to_have_count(0)
