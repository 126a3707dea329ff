"""The guided tour, over and over: python tests/benchmarks/tour.py [--minutes 5].

A viewer steps through the tour by key while a training runs, takes another digit, and begins again. Counted as faults:
an error on the page, in the browser's console or in the server's log; a step on another page than its own; a part that
Streamlit marks as stale once the page is at rest; and a verdict or a picture that belongs to another digit.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

from helpers.browser import Server, browser, collect_complaints, wait_until_idle
from playwright.sync_api import Page, expect

from pages.shell.tour import STEPS

VERDICT = re.compile(r"^(Correct|Incorrect|Tie|Prediction)\b.*")


def find_faults(page: Page, number: int, sample: int, verdicts: dict[int, str]) -> list[str]:
    """What is wrong with the step now shown, numbered from 1."""
    found = []
    step = STEPS[number - 1]
    here = page.evaluate("location.pathname").strip("/") or "overview"
    if here != Path(step.page).stem:
        found.append(f"step {number} stands on {here}")
    text = page.locator(".st-key-tour_step").inner_text()
    if not text.startswith(f"{number} of {len(STEPS)}"):
        found.append(f"step {number} says {text[:40]!r}")
    alerts = page.locator("[data-testid=stException], [data-testid=stAlert]").all_inner_texts()
    found += [f"step {number} shows {text[:80]!r}" for text in alerts]
    if page.locator(".stMain [data-stale=true]").count():
        found.append(f"step {number} has stale parts")
    headings = [text for text in page.locator(".stMain h2").all_inner_texts() if VERDICT.match(text)]
    said = verdicts.setdefault(sample, headings[0]) if headings else ""
    found += [f"step {number} says {text!r}, another said {said!r}" for text in headings if text != said]
    for alt in page.locator(".stMain img[alt*='test sample']").evaluate_all("all => all.map(one => one.alt)"):
        named = re.search(r"The digit .*\(test sample ([\d,]+)\)", alt)
        if named and int(named.group(1).replace(",", "")) != sample:
            found.append(f"step {number} shows {alt!r} for sample {sample}")
    return found


def take_tour(page: Page, url: str, minutes: float) -> tuple[int, list[str]]:
    """Steps taken in that time, and the faults found."""
    steps, sample, found = 0, 0, list[str]()
    verdicts: dict[int, str] = {}
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        page.goto(f"{url}/?tour=1&sample={sample}")
        for number in range(1, len(STEPS) + 1):
            expect(page.locator(".st-key-tour_step")).to_contain_text(f"{number} of ", timeout=30_000)
            wait_until_idle(page)
            found += find_faults(page, number, sample, verdicts)
            steps += 1
            if number < len(STEPS):
                page.keyboard.press("PageDown")
        page.keyboard.press("PageUp")
        expect(page.locator(".st-key-tour_step")).to_contain_text(f"{len(STEPS) - 1} of ", timeout=30_000)
        steps += 1
        sample += 1
    return steps, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    complaints: list[str] = []
    server = Server(Path(tempfile.mkdtemp()))
    try:
        with browser() as chrome:
            page = chrome.new_page(viewport={"width": 1280, "height": 800})
            collect_complaints(page, complaints)
            page.goto(server.url)
            page.get_by_text("Trained cross-entropy").wait_for(timeout=60_000)
            steps, found = take_tour(page, server.url, options.minutes)
    finally:
        server.interrupt()
    logged = server.complaints
    report = {"minutes": options.minutes, "steps": steps, "faults": Counter(found + complaints + logged)}
    print(json.dumps(report, indent=1))
    return 1 if report["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
