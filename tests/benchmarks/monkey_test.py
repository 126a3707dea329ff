"""Monkey test: random actions in Chromium: tests/benchmarks/monkey_test.py [--minutes 10] [--viewers 2] [--seed 0].

Each viewer is a tab of Chromium and does what comes to hand: presses, drags, types sense and nonsense, clicks into
pictures, draws, goes to another page, back, reloads, presses keys; often before the page has answered. Counted as
faults: an error on a page, in a browser's console or in the server's log; a page without a heading, or with a part that
is stale when all is at rest; a page that does not come to rest within a minute.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

from helpers.browser import PAGES, Server, browser, is_complaint, wait_until_idle
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, ViewportSize

KINDS = {
    "press": "button, a[href^='/'], a[href^='http'], summary, [data-testid=stCheckbox] label",
    "choose": "[role=radiogroup] label, [role=tab]",
    "slide": "[role=slider], input[type=range]",
    "type": "input[type=number], input[type=text]:not([role=combobox]), textarea",
    "list": "[data-testid=stSelectbox] input, [data-testid=stMultiSelect] input",
    "point": "[data-testid=stPlotlyChart], img, .stMain svg",
    "draw": "canvas",
}
"""What can be done -> to what."""

WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 390, "height": 800}
KEYS = ("n", "b", "j", "k", "l", "f", " ", "Escape", "Tab", "Enter", "PageDown", "PageUp", "ArrowRight", "ArrowLeft")
STEPS = ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown")
NUMBERS = ("0", "1", "7", "-1", "3.5", "1e9", "1e-9", "99999999999999999999", "NaN")
WORDS = (*NUMBERS, "", " ", "abc", "runs", "../..", "/etc")

FIND = """kinds => {
    const within = document.querySelector("[role=dialog]") || document;
    const places = "[role=dialog], .stMain, [data-testid=stSidebar]";
    const found = [];
    for (const [kind, selector] of Object.entries(kinds))
        for (const e of within.querySelectorAll(selector)) {
            const box = e.getBoundingClientRect();
            const away = e.href && new URL(e.href).origin !== location.origin;
            if (!e.closest(places) || e.disabled || away || e.type === "file" || !e.checkVisibility()) continue;
            if (!box.width || !box.height || box.right < 1 || box.left > innerWidth - 1) continue;
            e.dataset.monkey = found.length;
            found.push([kind, (e.getAttribute("aria-label") || e.innerText || e.alt || e.tagName).slice(0, 40)]);
        }
    return found;
}"""

STATE = """() => ({
    errors: [...document.querySelectorAll("[data-testid=stException]")].map(e => e.innerText.slice(0, 200)),
    heading: document.querySelector(".stMain :is(h1, h2)")?.innerText || "",
    stale: document.querySelectorAll(".stMain [data-stale=true]").length,
})"""


@dataclass
class Monkey:
    """A tab, what its viewer did last, and how often he did what."""

    page: Page
    rng: random.Random
    action_counts: Counter[str] = field(default_factory=Counter)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=12))

    def act(self) -> None:
        """Do something at random; what is gone or covered by then is left."""
        try:
            self._act()
        except Error as problem:
            self.action_counts["out of reach"] += 1
            self._record(f"(out of reach: {str(problem).splitlines()[0][:60]})")

    def find_faults(self) -> list[str]:
        """What is wrong with the page once it is at rest."""
        where = self.page.url.split("/", 3)[-1].split("?")[0] or "overview"
        try:
            wait_until_idle(self.page)
            state = self.page.evaluate(STATE)
            if state["stale"]:  # what runs by itself may just have begun
                wait_until_idle(self.page)
                state = self.page.evaluate(STATE)
        except Error as problem:
            return [f"{where} does not come to rest: {str(problem).splitlines()[0]}"]
        found = [f"{where} shows {' '.join(error.split())}" for error in state["errors"]]
        found += [f"{where} has no heading"] * (not state["heading"])
        found += [f"{where} has {state['stale']} stale parts"] * bool(state["stale"])
        return found

    def _record(self, what: str) -> None:
        self.last.append(what)

    def _act(self) -> None:
        page, dice = self.page, self.rng
        chance = dice.random()
        if chance < 0.1:
            self._start_action("go", name := dice.choice(list(PAGES)))
            link = page.locator("[data-testid=stSidebar]").get_by_role("link", name=name, exact=True)
            if page.viewport_size == WIDE and link.count():
                link.click(timeout=1500)
            else:
                page.goto(urljoin(page.url, f"/{PAGES[name]}"))
        elif chance < 0.12:
            self._start_action("reload")
            page.reload()
        elif chance < 0.14:
            self._start_action("back")
            page.go_back()
            if not page.url.startswith("http"):  # where the tab was before the dashboard
                page.go_forward()
        elif chance < 0.22:
            self._start_action("key", key := dice.choice(KEYS))
            page.keyboard.press(key)
        else:
            self._use_random_element()

    def _start_action(self, kind: str, name: str = "") -> None:
        self.action_counts[kind] += 1
        self._record(f"{kind} {name!r}")

    def _use_random_element(self) -> None:
        page, dice = self.page, self.rng
        found = page.evaluate(FIND, KINDS)
        if not found:
            return
        kinds = sorted({kind for kind, _ in found})
        kind = dice.choice(kinds)
        number = dice.choice([i for i, (of, _) in enumerate(found) if of == kind])
        self._start_action(kind, found[number][1])
        one = page.locator(f'[data-monkey="{number}"]').first
        if kind in ("press", "choose"):
            one.click(timeout=1500, click_count=dice.choice((1, 1, 1, 2)))
        elif kind == "slide":
            one.focus(timeout=1500)
            for _ in range(dice.randint(1, 5)):
                page.keyboard.press(dice.choice(STEPS))
        elif kind == "type":
            one.click(timeout=1500)
            page.keyboard.press("Control+A")
            page.keyboard.type(dice.choice(WORDS))
            page.keyboard.press(dice.choice(("Enter", "Tab")))
        elif kind == "list":
            one.click(timeout=1500)
            for _ in range(dice.randint(0, 4)):
                page.keyboard.press("ArrowDown")
            page.keyboard.press(dice.choice(("Enter", "Enter", "Escape")))
        else:
            one.scroll_into_view_if_needed(timeout=1500)
            box = one.bounding_box()
            if box is None:
                return
            places = [
                (box["x"] + dice.random() * box["width"], box["y"] + dice.random() * box["height"]) for _ in "abc"
            ]
            page.mouse.move(*places[0])
            page.mouse.down()
            if kind == "draw" or dice.random() < 0.3:
                for place in places:
                    page.mouse.move(*place, steps=4)
            page.mouse.up()


def open_monkey(
    chrome: Browser, server: Server, size: ViewportSize, dice: random.Random, complaints: list[str]
) -> Monkey:
    """One who has opened the dashboard; what his browser complains about is added to the complaints."""
    page = chrome.new_page(viewport=size)
    monkey = Monkey(page, dice)

    def complain(words: str) -> None:
        complaints.append(f"console: {words} after {'; '.join(monkey.last)}")

    def on_console(message: ConsoleMessage) -> None:
        if is_complaint(message):
            complain(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: complain(str(error)))
    page.goto(server.url)
    page.get_by_text("Trained cross-entropy").first.wait_for(timeout=60_000, state="attached")
    return monkey


def run_monkeys(monkeys: list[Monkey], minutes: float) -> list[str]:
    """Let them act in turn for that time; the faults found, with what went before."""
    found: list[str] = []
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        for monkey in monkeys:
            for _ in range(monkey.rng.randint(1, 3)):
                monkey.act()
            for fault in monkey.find_faults():
                found.append(f"{fault} after {'; '.join(monkey.last)}")
                monkey.page.goto(monkey.page.url.split("?")[0])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--viewers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    server, complaints, monkeys = Server(Path(tempfile.mkdtemp())), list[str](), list[Monkey]()
    try:
        with browser() as chrome:
            for number in range(options.viewers):
                dice = random.Random(f"{options.seed} {number}")
                monkeys.append(open_monkey(chrome, server, WIDE if number % 2 == 0 else NARROW, dice, complaints))
            found = run_monkeys(monkeys, options.minutes)
    finally:
        server.interrupt()
    logged = server.complaints
    done = sum((monkey.action_counts for monkey in monkeys), Counter[str]())
    print(json.dumps({**vars(options), "done": done, "faults": Counter(found + complaints + logged)}, indent=1))
    if logged:
        print(server.log, file=sys.stderr)
    return 1 if found or complaints or logged else 0


if __name__ == "__main__":
    sys.exit(main())
