"""The page Voltages in a browser: zoom, the time cursor on the zoomed axis, exact times."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helpers.browser import Server, open_page, wait_until_idle
from playwright.sync_api import Page, expect

from tempotron_core.data import datasets
from tempotron_core.model.classifier import predict
from tempotron_core.training.settings import Settings, initial_model

PLACES = """t => {
    const plot = document.querySelector(".st-key-traces .js-plotly-plot"), axis = plot._fullLayout.xaxis;
    const left = plot.getBoundingClientRect().left + axis._offset;
    const middle = (piece) => { const box = piece.getBoundingClientRect(); return box.left + box.width / 2; };
    const image = document.querySelector("[data-cursor=raster] [data-part=image]").getBoundingClientRect();
    return {
        range: axis.range.map(Number), wanted: left + axis.d2p(t),
        start: left + axis.d2p(-0.5), end: left + axis.d2p(99.5),
        line: middle(plot.querySelector(".cursor-line")), dot: middle(plot.querySelector(".cursor-dot")),
        raster: middle(document.querySelector("[data-cursor=raster] .cursor-line")), image: [image.left, image.right],
    };
}"""


def check_cursor(page: Page, t: float, is_zoomed: bool) -> tuple[float, float]:
    """The cursor, its dots and the raster lie where the axis of the potentials has their time."""
    page.wait_for_function(
        f"zoomed => {{ const {{ range }} = ({PLACES})({t}); return (range[1] - range[0] < 99) === zoomed; }}",
        arg=is_zoomed,
    )
    page.wait_for_function(f"() => {{ const p = ({PLACES})({t}); return Math.abs(p.line - p.wanted) < 1.6; }}")
    places: dict[str, Any] = page.evaluate(PLACES, t)
    for name in ("dot", "raster"):
        assert places[name] == pytest.approx(places["wanted"], abs=1.6), name
    assert places["image"] == pytest.approx([places["start"], places["end"]], abs=2)
    return tuple(places["range"])


def test_the_cursor_follows_the_zoomed_axis(page: Page, server: Server) -> None:
    open_page(page, server, "Voltages", "sample=3&t=60&model=untrained")
    drag_layer = page.locator(".st-key-traces .nsewdrag")
    drag_layer.scroll_into_view_if_needed()
    box = drag_layer.bounding_box()
    assert box is not None
    height = box["y"] + 0.3 * box["height"]
    whole = check_cursor(page, 60, is_zoomed=False)
    potentials = predict(initial_model(Settings()), datasets.load().test.images[3]).v[:, 60].tolist()
    widths = page.locator("[data-bar]").evaluate_all("bars => bars.map((bar) => bar.getBoundingClientRect().width)")
    assert min(potentials) < -0.1  # below rest, where bars used to have no width
    assert all(width > 1 for width, v in zip(widths, potentials, strict=True) if abs(v) > 0.05)
    page.mouse.move(box["x"] + 0.3 * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], height, steps=5)
    page.mouse.up()
    low, high = check_cursor(page, 60, is_zoomed=True)
    assert (low, high) == pytest.approx((29.5, 79.5), abs=1.5)
    page.mouse.move(box["x"] + 0.5 * box["width"], height)
    # The wheel zooms at once and changes the layout a moment later; a double-click in between would be undone.
    page.evaluate(
        """() => {
            const plot = document.querySelector(".st-key-traces .js-plotly-plot");
            plot.on("plotly_relayout", () => { window.wheelHasEnded = true; });
        }"""
    )
    page.mouse.wheel(0, -200)
    page.wait_for_function("window.wheelHasEnded")
    page.wait_for_function(
        f"width => {{ const r = ({PLACES})(60).range; return r[1] - r[0] < width; }}", arg=high - low
    )
    check_cursor(page, 60, is_zoomed=True)
    page.mouse.dblclick(box["x"] + 0.2 * box["width"], height)
    assert check_cursor(page, 60, is_zoomed=False) == whole


def test_the_cursor_moves_to_exact_times(page: Page, server: Server) -> None:
    query = "sample=8&model=untrained&time=exact&after_spike=shunt&threshold=0.2"
    model = initial_model(Settings(time="exact", after_spike="shunt"))
    decision = predict(type(model)(**(vars(model) | {"firing_threshold": 0.2})), datasets.load().test.images[8])
    output = int(decision.v_max.argmax())
    open_page(page, server, "Voltages", query)
    for name, t, v in (
        ("peak", float(decision.t_max[output]), float(decision.v_max[output])),
        ("threshold crossing", float(decision.t_spike[output, 0]), 0.2),
    ):
        page.get_by_role("button", name=f"go to the {name} of {output}, {t:.2f} ms").click()
        expect(page.locator(".cursor [data-part=words]")).to_have_text(re.compile(f"^{t:.2f} ms: "))
        expect(page.locator(f'[data-number="{output}"]')).to_have_text(f"{v:.2f}")
        page.wait_for_function("t => Math.abs(new URL(location).searchParams.get('t') - t) < 1e-3", arg=t)
    text = page.locator(".cursor [data-part=words]").inner_text()
    page.reload()
    wait_until_idle(page)
    expect(page.locator(".cursor [data-part=words]")).to_have_text(text)


def test_a_pinned_experiment_survives_other_pages_and_back(page: Page, server: Server) -> None:
    open_page(page, server, "Voltages", "sample=3&model=untrained")
    page.get_by_role("button", name="Pin for comparison").click()
    page.get_by_label(re.compile("^Test sample")).fill("5")
    page.get_by_label(re.compile("^Test sample")).press("Enter")
    sentence = page.locator(".stMain").get_by_text(re.compile("^Pinned: .*test sample 3.* now"))
    expect(sentence).to_be_visible()
    text = sentence.inner_text()
    expect(page).to_have_url(re.compile("[?&]pin="))
    wait_until_idle(page)
    page.get_by_role("link", name="Evidence").click()
    expect(page.get_by_role("heading", name="Evidence", exact=True)).to_be_visible()
    expect(sentence).to_have_text(text)
    wait_until_idle(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Voltages")).to_be_visible()
    expect(sentence).to_have_text(text)
    expect(page).to_have_url(re.compile("[?&]pin="))
