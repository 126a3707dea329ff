"""The real dashboard in a real Chromium: every page, every control that matters, a whole training."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers.browser import (
    LONG_TIMEOUT_MS,
    PAGES,
    ReceivedMessages,
    Server,
    chart,
    check_figures,
    collect_complaints,
    heading,
    headline,
    open_page,
    outlines,
    page_without_errors,
    press_slider_keys,
    wait_for_first_model,
    wait_until_idle,
)
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from tempotron_core.data import datasets
from tempotron_core.model.classifier import predict
from tempotron_core.training.settings import Settings, initial_model


@pytest.fixture
def own(context: BrowserContext, tmp_path: Path) -> Iterator[tuple[Page, Server]]:
    """A page of a server that no other test uses."""
    running = Server(tmp_path)
    try:
        with page_without_errors(context, running) as fresh:
            yield fresh, running
    finally:
        running.interrupt()


def test_overview_reads_the_digit_and_leads_on(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Overview")
    expect(page.locator(chart("traces"))).to_have_count(1)
    expect(page.locator(".stMain [role=img], .stMain img")).not_to_have_count(0)
    expect(heading(page)).to_have_text(re.compile(r"^(Correct|Incorrect): \d "))
    page.get_by_role("link", name="3 · Membrane potentials").click()
    expect(page.get_by_role("heading", name="Voltages")).to_be_visible()


def test_a_link_reopens_the_view(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Voltages", "sample=17&model=untrained&tau=30")
    press_slider_keys(page, "threshold", 4)
    expect(page).to_have_url(re.compile("threshold=1.2"))
    wait_until_idle(page)
    before = headline(page)
    page.get_by_role("link", name="Encoder").click()
    expect(page.get_by_role("heading", name="Encoder")).to_be_visible()
    expect(page).to_have_url(re.compile("sample=17"))
    page.get_by_role("link", name="Voltages").click()
    expect(page.get_by_role("heading", name="Voltages")).to_be_visible()
    expect(heading(page)).to_have_text(before)
    other = page.context.new_page()
    other.goto(page.url)
    expect(heading(other)).to_have_text(before)
    expect(other.get_by_label(re.compile("Test sample"))).to_have_value("17")
    other.close()


def test_encoder_follows_the_hand(page: Page, server: Server) -> None:
    open_page(page, server, "Encoder", "sample=0")
    before = headline(page)
    press_slider_keys(page, "Value x", 1, key="Home")
    expect(page.locator(".stMain h4").first).not_to_have_text(before)
    press_slider_keys(page, "m, neurons", 3)
    expect(page.locator(".stMain h4").first).to_contain_text("of 19 neurons")
    number = page.get_by_label(re.compile("^Pixel"))
    digit = page.locator("[data-figure=digit] [data-tooltip]")
    digit.scroll_into_view_if_needed()
    box = digit.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.62, box["y"] + box["height"] * 0.45)
    expect(number).to_have_value(str(12 * 28 + 17))
    expect(digit.locator("[data-chosen]")).to_have_attribute("data-chosen", str(12 * 28 + 17))
    page.mouse.move(box["x"] + box["width"] * 0.62, box["y"] + box["height"] * 0.45 + 1)
    expect(page.locator(".tooltip")).to_contain_text("row 13, column 18")


def cursor_text(page: Page) -> str:
    return page.locator(".cursor [data-part=words]").inner_text()


def test_the_cursor_plays_in_the_browser_alone(page: Page, server: Server) -> None:
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append("sent")))
    wait_for_first_model(page, server)
    open_page(page, server, "Overview")
    sent.clear()
    page.evaluate(
        """() => {
            window.moves = 0;
            let last = null;
            const look = () => {
                const line = document.querySelector(".st-key-traces .cursor-line");
                if (line && line.style.left !== last) { last = line.style.left; window.moves += 1; }
                requestAnimationFrame(look);
            };
            look();
        }"""
    )
    page.get_by_role("button", name="play", exact=True).click()
    page.wait_for_function("window.moves >= 20")
    page.get_by_role("button", name="pause").click()
    assert sent == []
    at = int(cursor_text(page).split(" ms")[0])
    assert at > 0
    page.get_by_label("time, ms").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert cursor_text(page).startswith(f"{at + 2} ms: ")
    expect(page).to_have_url(re.compile(f"[?&]t={at + 2}"))
    page.get_by_role("button", name=re.compile("^go to the peak of 0")).click()
    title = page.get_by_role("button", name=re.compile("^go to the peak of 0")).get_attribute("title")
    peak = re.search(r"(\d+) ms", title or "")
    assert peak is not None
    assert cursor_text(page).startswith(f"{peak.group(1)} ms: ")
    page.get_by_role("button", name="whole time").click()
    assert page.locator(".cursor-overlay").count() == 0
    assert sent == []


def test_the_cursor_shows_the_potentials_and_spikes_of_its_time(page: Page, server: Server) -> None:
    open_page(page, server, "Voltages", "sample=3&t=60&model=untrained")
    decision = predict(initial_model(Settings()), datasets.load().test.images[3])
    shown = page.locator("[data-number]").all_inner_texts()
    assert shown == [f"{float(v) + 0.0:.2f}" for v in decision.v[:, 60]]
    arrived = int(((decision.times >= 0) & (decision.times <= 60)).sum())
    assert cursor_text(page).startswith(f"60 ms: {arrived:,} of {int((decision.times >= 0).sum()):,} spikes")


def test_the_cursor_stays_through_new_digits_and_in_the_link(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Voltages", "sample=3&t=43")
    assert cursor_text(page).startswith("43 ms: ")
    for _ in range(3):
        page.get_by_role("button", name="Random").first.click()
        wait_until_idle(page)
        expect(page.locator(".cursor [data-part=words]")).to_have_text(re.compile("^43 ms: "))
        expect(page.locator(".cursor-line")).to_have_count(2)
    expect(page.locator(".cursor-handle")).to_be_visible()
    grip = page.locator(".cursor-handle").bounding_box()
    assert grip is not None
    page.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + 60)
    page.mouse.down()
    page.mouse.move(grip["x"] + grip["width"] / 2 + 100, grip["y"] + 60, steps=4)
    page.mouse.up()
    words = page.locator(".cursor [data-part=words]")
    expect(words).not_to_have_text(re.compile("^43 ms: "))
    wait_until_idle(page)
    there = cursor_text(page)
    assert int(there.split(" ms")[0]) > 50
    expect(page).to_have_url(re.compile(f"[?&]t={there.split(' ms')[0]}(&|$)"))
    other = page.context.new_page()
    other.goto(page.evaluate("location.href"))
    wait_until_idle(other)
    assert cursor_text(other) == there
    numbers = other.locator("[data-number]").all_inner_texts()
    assert len(numbers) == 10
    highest = max(map(float, numbers))
    assert f"V = {highest:.2f}" in there or highest <= 0
    other.close()


def test_voltages_follow_the_hand(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Voltages", "sample=3")
    before = headline(page)
    press_slider_keys(page, "tau, membrane", 1, key="End")
    expect(page.locator(".stMain h2").first).not_to_have_text(before)


def test_random_of_class_draws_that_class(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Overview")
    page.locator("[data-testid=stSidebar]").get_by_role("radio", name="7", exact=True).or_(
        page.locator("[data-testid=stSidebar] button", has_text=re.compile("^7$"))
    ).first.click()
    expect(page).to_have_url(re.compile(r"sample=\d+"))
    expect(heading(page)).to_have_text(re.compile(r"Correct: 7|true class 7"))


def test_a_missing_data_set_leaves_the_page_usable(page: Page, server: Server) -> None:
    open_page(page, server, "Overview", "data=FashionMNIST")
    expect(page.locator("[data-testid=stSidebar] [data-testid=stAlert]").first).to_contain_text("FashionMNIST")
    expect(page.locator(".stMain [data-testid=stAlert]").first).to_contain_text("FashionMNIST")
    expect(page.locator(".js-plotly-plot, .stEChartsChart")).to_have_count(0)
    page.get_by_label("Dataset directory").fill("/etc")
    page.get_by_label("Dataset directory").press("Enter")
    expect(page.get_by_text("expected a folder inside").first).to_be_visible()
    expect(page.get_by_role("button", name="Download FashionMNIST")).to_be_disabled()
    page.get_by_label("Dataset directory").fill(str(server.folder / "sets"))
    page.get_by_label("Dataset directory").press("Enter")
    page.get_by_role("button", name="Download FashionMNIST").click()
    expect(page.get_by_text("could not be downloaded")).to_be_visible()


@pytest.mark.parametrize("query", ["", "sample=5&model=last+finished+run"])
def test_a_click_on_a_mistake_leads_to_its_potentials(page: Page, server: Server, query: str) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Results", query)
    page.locator(".stMain").get_by_role("button", name=re.compile(r"→")).first.click()
    expect(page.get_by_role("heading", name="Voltages")).to_be_visible()
    expect(heading(page)).to_have_text(re.compile("^Incorrect:"))


def test_a_click_on_a_cell_filters_the_gallery(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Results")
    page.locator(".js-plotly-plot").first.get_by_text(re.compile(r"^1\d\d$")).first.click(force=True)
    expect(page).to_have_url(re.compile(r"true=0&taken=0"))
    wait_until_idle(page)
    button = page.locator(".stMain").get_by_role("button", name=re.compile(r"^0 \("))
    expect(button.first).to_be_visible()


def test_a_training_from_start_to_stop(own: tuple[Page, Server]) -> None:
    page, server = own
    wait_for_first_model(page, server)
    open_page(page, server, "Training")
    page.get_by_role("spinbutton", name="Epochs").fill("500")
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    wait_until_idle(page)
    page.get_by_role("button", name="Start").click()
    progress = page.locator("[data-testid=stProgress]")
    expect(progress).to_contain_text("Running: cross-entropy on embedded, epoch", timeout=LONG_TIMEOUT_MS)
    line = f"{chart('accuracy')} path[stroke='#8f959b']"  # the training accuracy
    points = f'(document.querySelector("{line}")?.getAttribute("d").split("L").length ?? 0)'
    page.wait_for_function(f"{points} >= 2")
    first = page.evaluate(points)
    page.evaluate(f"window.drawing = document.querySelector('{chart('accuracy')}')")
    page.wait_for_function(f"{points} > {first} + 5")
    assert page.evaluate("window.drawing.isConnected")  # redrawn in place, without a blink

    page.get_by_role("button", name="Pause").click()
    expect(progress).to_contain_text("Paused")
    # The figures of the step in progress come with the next refresh, after 1.2 s and what a run of the page takes; then
    # nothing changes any more: an observation window.
    page.wait_for_function(
        """() => {
            const text = document.querySelector("[data-testid=stProgress]")?.innerText;
            if (text !== window.held?.text) window.held = { text, since: performance.now() };
            return performance.now() - window.held.since > 4000;
        }"""
    )
    held = progress.inner_text()
    page.get_by_role("button", name="Resume").click()
    expect(progress).to_contain_text("Running")
    expect(progress).not_to_have_text(held)

    page.get_by_role("link", name="Encoder").click()
    expect(page.get_by_role("heading", name="Encoder")).to_be_visible()
    page.reload()
    wait_until_idle(page)
    open_page(page, server, "Training")
    expect(progress).to_contain_text("Running")
    page.get_by_role("button", name="Stop").click()
    expect(progress).to_contain_text("Stopped")
    expect(page.get_by_role("button", name="Start")).to_be_enabled()


def test_every_step_of_the_tour_stands_on_its_page(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Results", "sample=3")
    page.get_by_role("button", name="Take the tour").click()
    step = page.locator(".st-key-tour_step")
    seen: list[str] = []
    while True:
        expect(step).to_contain_text(f"{len(seen) + 1} of ")
        wait_until_idle(page)
        seen.append(step.inner_text())
        assert page.locator("[data-testid=stAlert]").count() == 0
        assert "sample=3" in page.url
        assert f"tour={len(seen)}" in page.url
        if page.locator(".st-key-tour_on button").count() == 0:
            break
        page.keyboard.press("PageDown")
    assert len(seen) == int(re.findall(r"of (\d+)", seen[0])[0]) == len(set(seen))
    page.keyboard.press("PageUp")
    expect(step).to_contain_text(f"{len(seen) - 1} of ")
    for address in ("", "voltages", "results"):
        page.goto(f"{server.url}/{address}?tour=4&sample=7")
        expect(step).to_contain_text("4 of ")
        wait_until_idle(page)
        assert page.url.startswith(f"{server.url}/voltages")
        assert "sample=7" in page.url
        expect(page.get_by_label(re.compile("Test sample"))).to_have_value("7")
    page.get_by_role("button", name="End the tour").click()
    expect(step).to_have_count(0)
    wait_until_idle(page)
    assert "tour=" not in page.url


def test_a_presentation_is_large_and_has_no_sidebar(page: Page, server: Server) -> None:
    wait_for_first_model(page, server)
    open_page(page, server, "Voltages", "sample=3")
    letters = "parseFloat(getComputedStyle(document.querySelector('.js-plotly-plot .xtick text')).fontSize)"
    before = page.evaluate(letters)
    open_page(page, server, "Voltages", "sample=3&present=true")
    expect(page.locator("[data-testid=stSidebar]")).to_be_hidden()
    assert page.evaluate(letters) > 1.2 * before
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("sample=4"))
    page.keyboard.press("b")
    expect(page).to_have_url(re.compile("sample=3"))
    wait_until_idle(page)
    page.keyboard.press("Escape")
    expect(page.locator("[data-testid=stSidebar]")).to_be_visible()
    expect(page).not_to_have_url(re.compile("present"))


def test_figures_can_be_taken_along(page: Page, server: Server, tmp_path: Path) -> None:
    open_page(page, server, "Voltages", "sample=3&model=untrained&t=20")
    panel = page.locator(".st-key-share")
    panel.get_by_text("Save or share").click()
    begins = {"PNG": b"\x89PNG", "SVG": b"<svg", "HTML": b"<", "CSV": b"", "All (zip)": b"PK"}
    for figure in ("Spikes", "Traces", "Peaks"):
        if figure != "Spikes":  # the first one is chosen already
            panel.get_by_role("combobox", name="Figure").click()
            page.get_by_role("option", name=figure, exact=True).click()
        wait_until_idle(page)
        for name, begin in begins.items():
            with page.expect_download() as coming:
                panel.get_by_role("button", name=name, exact=True).click()
            file = tmp_path / coming.value.suggested_filename
            coming.value.save_as(file)
            assert file.name.startswith(f"voltages-{figure.lower()}.")
            content = file.read_bytes()
            assert content.startswith(begin)
            assert len(content) > 150
            if name == "SVG":
                ElementTree.fromstring(content)
                assert b"cursor-overlay" not in content
            if name == "PNG":
                with Image.open(file) as picture:
                    assert picture.width > 400
                    assert len(picture.convert("RGB").getcolors(2**20) or []) > 20
            if name == "CSV" and figure == "Peaks":
                decision = predict(initial_model(Settings()), datasets.load().test.images[3])
                lines = [line for line in content.decode().splitlines() if not line.startswith("#")]
                peaks = [float(row["v_max"]) for row in csv.DictReader(lines)]
                assert peaks == pytest.approx(decision.v_max.tolist())
    with zipfile.ZipFile(file) as archive:
        view = json.loads(archive.read("view.json"))
    assert view["query"]["sample"] == "3"
    assert view["query"]["t"] == "20"
    panel.get_by_role("button", name="Copy link").click()
    expect(panel.get_by_label("link to this view")).to_have_value(page.url)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_saved_as_it_is_seen(page: Page, server: Server, tmp_path: Path, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_page(page, server, "Learning rule", "sample=3&model=untrained")
    panel = page.locator(".st-key-share")
    panel.get_by_text("Save or share").click()
    for name in ("SVG", "PNG", "HTML", "CSV"):
        with page.expect_download() as coming:
            panel.get_by_role("button", name=name, exact=True).click()
        file = tmp_path / coming.value.suggested_filename
        coming.value.save_as(file)
        assert file.name == f"learning-rule-step.{name.lower()}"
        content = file.read_bytes()
        if name == "SVG":
            drawing = ElementTree.fromstring(content)
            words = {"".join(text.itertext()) for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
            assert {"membrane potential V", "time, ms", "threshold"} <= words
            outline = [path.get("d") for path in drawing.iter("{http://www.w3.org/2000/svg}path")]
            assert all(line in outline for line in outlines(page, "step"))
        if name == "PNG":
            with Image.open(file) as picture:
                corner = picture.convert("L").getpixel((2, 2))
                assert isinstance(corner, int | float) and (corner > 200) == (scheme == "light")
                assert len(picture.convert("RGB").getcolors(2**20) or []) > 20
        if name == "HTML":
            assert b"plotly" in content


def test_every_page_opens_with_its_figures_and_an_idle_page_is_silent(
    page: Page, context: BrowserContext, server: Server
) -> None:
    wait_for_first_model(page, server)
    complaints: list[str] = []
    tabs: dict[str, tuple[Page, ReceivedMessages]] = {}
    for name, path in PAGES.items():
        tab = context.new_page()
        collect_complaints(tab, complaints)
        tabs[name] = tab, ReceivedMessages(tab)
        tab.goto(f"{server.url}/{path}", wait_until="commit")
    for name, (tab, _) in tabs.items():
        tab.bring_to_front()  # a tab in the background draws one frame a second
        wait_until_idle(tab)
        check_figures(tab, name)
    for name, (_, received) in tabs.items():
        assert received.has_stopped(silence=8.0), name  # with so many viewers, what runs by itself waits longer
    for tab, _ in tabs.values():
        tab.close()
    assert complaints == []


def test_a_link_to_a_page_is_the_first_thing_a_server_sees_and_interrupting_it_is_quick(
    context: BrowserContext, tmp_path: Path
) -> None:
    server = Server(tmp_path)
    fresh = context.new_page()
    fresh.goto(f"{server.url}/encoder?sample=7&m=9")
    expect(fresh.get_by_label(re.compile("Test sample"))).to_have_value("7", timeout=LONG_TIMEOUT_MS)
    expect(fresh.locator(".stMain h4").first).to_contain_text("of 9 neurons")
    links = fresh.locator("[data-testid=stSidebarNavLink]").all_inner_texts()
    assert [text.splitlines()[-1] for text in links] == list(PAGES)
    expect(fresh.get_by_text(re.compile("Preparing|Running"))).to_be_visible(timeout=LONG_TIMEOUT_MS)
    server.interrupt()
    assert server.process.returncode == 0  # it has ended by itself
    assert "Traceback" not in server.log
    fresh.close()
