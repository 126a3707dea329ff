"""Every page for every eye and hand: axe-core, contrast, text alternatives, the keyboard alone, a narrow screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from helpers.a11y import (
    CONTROLS,
    axe_violations,
    evaluate_with_helpers,
    images,
    open_all_expanders,
    targets,
    text_in_images,
)
from helpers.browser import (
    LONG_TIMEOUT_MS,
    PAGES,
    Server,
    check_figures,
    clear_storage,
    excess_width,
    open_page,
    page_without_errors,
    wait_for_first_model,
    wait_until_idle,
)
from playwright.sync_api import Browser, BrowserContext, Page, expect

pytest.importorskip("axe_playwright_python", reason="axe-core is not installed: pip install axe-playwright-python")

MOST_STOPS = 200
VIEWS = [
    *((name, "sample=17") for name in PAGES),
    ("Encoder", "view=Information+in+the+code"),
    ("Runs", "model=saved+run"),
    ("Draw and perturb", "sample=17&jitter=8&right=2&curve=jitter&measure=true"),
    ("Draw and perturb", "source=Draw"),
    ("Laboratory", "lab_seed=1"),
]


def learn(page: Page) -> None:
    """Let the laboratory learn for a moment; what it shows meanwhile is tried as well."""
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".stMain h4", has_text="incorrect in cycle")).to_be_visible()
    assert find_faults(page) == []
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()


def draw(page: Page) -> None:
    """A stroke on the canvas."""
    page.locator("canvas").last.scroll_into_view_if_needed()
    box = page.locator("canvas").last.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 40, steps=8)
    page.mouse.up()
    expect(page.locator(".stMain h2")).to_contain_text("Prediction: ")


WITH_SIDEBAR = (VIEWS[0], ("Runs", "model=saved+run"))
"""The sidebar is tried where it shows each of its two forms; on the other pages it is the same."""

ACTIONS: dict[tuple[str, str], Callable[[Page], None]] = {VIEWS[-2]: draw, VIEWS[-1]: learn}


def part_of(view: tuple[str, str]) -> str:
    """Selector of what is tried."""
    return "body" if view in WITH_SIDEBAR else ".stMain"


def find_faults(page: Page, part: str = "body") -> list[str]:
    """Return violations of axe-core, texts of low contrast or size, and images without a sentence as alternative."""
    words, alternatives = text_in_images(page), images(page)
    return [
        *axe_violations(page, part),
        *(f"pale or small: {word}" for word in words if word["contrast"] < 4.5 or word["size"] < 15),
        # A sentence: words, with a number from the data or a name of it.
        *(f"no sentence: {alt!r}" for alt in alternatives if len(alt.split()) < 4 or not re.search(r"[\d.:]", alt)),
        *([] if words and alternatives else ["nothing to be read"]),
    ]


def show(page: Page, server: Server, view: tuple[str, str]) -> None:
    """Open the view and do what belongs to it."""
    wait_for_first_model(page, server)
    name, query = view
    open_page(page, server, name, query)
    if view in ACTIONS:
        ACTIONS[view](page)
        wait_until_idle(page)


def view_id(view: tuple[str, str]) -> str:
    return "?".join(view)


def tab_stops(page: Page, part: str) -> tuple[list[str], list[str]]:
    """The controls of a part of the page that no key reaches, and those that do not show that they have the focus."""
    evaluate_with_helpers(
        page,
        f"""
        const radios = new Set();
        const part = document.querySelector({part!r});
        window.wanted = [...part.querySelectorAll({CONTROLS!r})].filter((e) => {{
          if (!seen(e.closest("label") || e) || e.disabled || e.tabIndex < 0 || e.type === "file") return false;
          if (e.type !== "radio") return true;
          const first = !radios.has(e.name);
          radios.add(e.name);
          return first;
        }});
        const look = (e) => {{
          const near = [e, e.parentElement, e.parentElement.parentElement, ...e.parentElement.children];
          const style = (n) => {{
            const s = getComputedStyle(n);
            return [s.outline, s.boxShadow, s.borderColor, s.backgroundColor, s.color].join();
          }};
          return near.filter(Boolean).map(style).join();
        }};
        const still = document.createElement("style");
        still.textContent = "* {{ transition: none !important; }}";
        document.head.append(still);
        window.look = look;
        window.before = new Map(window.wanted.map((e) => [e, look(e)]));
        window.reached = new Set();
        window.blind = [];
        window.groups = "[role=radiogroup], [role=toolbar], [data-testid=stButtonGroup]";
        window.unreached = () => window.wanted.filter((e) => e.isConnected && !window.reached.has(e));
        window.called = label;
        const start = document.createElement("span");
        start.tabIndex = -1;
        part.prepend(start);
        start.focus();
        """,
    )
    last = None
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        here = page.evaluate(
            """() => {
                let e = document.activeElement;
                while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
                // A part of the page that is drawn again takes the focus with it; the next stop follows its place.
                if (e === document.body) return window.unreached().some((e) => !e.closest(window.groups)) ? "" : null;
                const again = window.reached.has(e);
                window.reached.add(e);
                const style = getComputedStyle(e);
                const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth);
                const same = window.before.has(e) && window.look(e) === window.before.get(e);
                if (!ring && same) window.blind.push(window.called(e));
                // A table takes several steps, one a cell.
                const inside = e === window.latest && e.closest("[data-testid=stDataFrame]");
                window.latest = e;
                return again && !inside ? null : window.called(e);
            }"""
        )
        if here is None:
            break
        last = here or last
    else:
        pytest.fail(f"the keyboard never comes round; it ended at {last}")
    # One stop for a group of buttons; the arrows go on inside it.
    while page.evaluate(
        """() => {
            window.group = window.unreached().map((e) => e.closest(window.groups)).find(Boolean);
            const stop = window.group && [...window.reached].find((e) => window.group.contains(e));
            stop?.focus();
            return Boolean(stop);
        }"""
    ):
        before = page.evaluate("window.unreached().length")
        for _ in range(30):
            page.keyboard.press("ArrowRight")
            if not page.evaluate(
                """() => {
                    window.reached.add(document.activeElement);
                    return window.unreached().some((e) => window.group.contains(e));
                }"""
            ):
                break
        if page.evaluate("window.unreached().length") == before:
            break
    missed: list[str] = page.evaluate("window.unreached().map(window.called)")
    blind: list[str] = page.evaluate("window.blind")
    return missed, blind


@pytest.mark.parametrize("view", VIEWS, ids=view_id)
def test_light_page_is_readable_and_usable_by_keyboard(page: Page, server: Server, view: tuple[str, str]) -> None:
    show(page, server, view)
    open_all_expanders(page)
    wait_until_idle(page)
    missed, blind = tab_stops(page, part_of(view))
    found = [
        *find_faults(page, part_of(view)),
        *(f"no key reaches {control}" for control in missed),
        *(f"no sign of the focus on {control}" for control in blind),
    ]
    if view[0] in ("Overview", "Encoder", "Voltages") and "view" not in view[1]:
        assert any(re.search(r"digit \w+ \(test sample [\d,]+\)", alt) for alt in images(page))
    found += small_in_a_presentation(page)
    assert found == [], "\n".join(found)


def small_in_a_presentation(page: Page) -> list[str]:
    """Words that stay smaller than a room needs, once the switch is on."""
    page.get_by_text("Presentation", exact=True).click()
    expect(page.get_by_role("button", name="Leave")).to_be_visible()
    for _ in range(LONG_TIMEOUT_MS // 100):
        words = text_in_images(page)
        small = [word for word in words if word["size"] < 20 - 0.01]
        if words and not small:
            return []
        page.wait_for_timeout(100)
    return [f"small in a presentation: {word}" for word in small]


@pytest.fixture(scope="package")
def narrow_dark_context(chrome: Browser, server: Server) -> Iterator[BrowserContext]:
    """A context of narrow, dark pages with touch; the page that stays open keeps the browser process."""
    with chrome.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True) as shared:
        shared.new_page().goto(f"{server.url}/_stcore/health")
        yield shared


@pytest.fixture
def narrow_dark_page(narrow_dark_context: BrowserContext, server: Server) -> Iterator[Page]:
    with page_without_errors(narrow_dark_context, server) as fresh:
        yield fresh
    clear_storage(narrow_dark_context)


@pytest.mark.parametrize("view", VIEWS, ids=view_id)
def test_dark_page_is_readable_has_its_figures_and_fits_a_narrow_screen(
    narrow_dark_page: Page, server: Server, view: tuple[str, str]
) -> None:
    page = narrow_dark_page
    show(page, server, view)
    width = excess_width(page)
    found = [*find_faults(page, part_of(view)), *targets(page), *([f"{width} px too wide"] if width > 1 else [])]
    assert found == [], "\n".join(found)
    if view in VIEWS[: len(PAGES)]:
        check_figures(page, view[0])


def test_wide_dark_page_is_readable(page: Page, server: Server) -> None:
    page.emulate_media(color_scheme="dark")
    show(page, server, ("Overview", "sample=17"))
    assert find_faults(page) == []


def test_letters_typed_into_a_field_are_no_shortcuts(page: Page, server: Server) -> None:
    open_page(page, server, "Runs", "present=true&sample=3")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type(" nbn n")
    wait_until_idle(page)
    assert "sample=3" in page.url
    open_page(page, server, "Voltages", "sample=3&t=40")
    page.get_by_label(re.compile("Test sample")).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    wait_until_idle(page)
    assert "t=40" in page.url
