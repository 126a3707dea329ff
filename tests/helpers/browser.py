"""A real Chromium against a real server: shared by the browser tests and the screenshot script."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from helpers.waiting import PATIENCE, wait_until

STILL = """(() => !document.querySelector("[data-stale=true]") && document.getAnimations().every((animation) =>
    animation.playState !== "running" || animation.effect.getComputedTiming().endTime === Infinity))()"""
"""JavaScript: whether no text fades or moves; what turns for ever, such as a spinner, does not count."""


def skip_without_browser(what: str) -> NoReturn:
    """Without a browser its tests are skipped; they fail where one is required."""
    if os.environ.get("TEMPOTRON_REQUIRE_BROWSER"):
        pytest.fail(f"TEMPOTRON_REQUIRE_BROWSER is set, but {what}", pytrace=False)
    pytest.skip(what, allow_module_level=True)


try:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright
except ModuleNotFoundError:
    skip_without_browser("the playwright package is not installed: pip install playwright")

LONG_TIMEOUT_MS = int(1000 * PATIENCE)
"""Milliseconds after which a page has failed: only a fault uses them up, on a slow machine with busy processors too."""

expect.set_options(timeout=LONG_TIMEOUT_MS)

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "Overview": "",
    "Encoder": "encoder",
    "Voltages": "voltages",
    "Evidence": "evidence",
    "Draw and perturb": "draw",
    "Training": "training",
    "Learning rule": "rule",
    "Replay": "replay",
    "Laboratory": "laboratory",
    "Results": "results",
    "Runs": "runs",
    "Studies": "studies",
    "Published curve": "published",
}
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",
]


def find_chromium() -> str | None:
    """The browser's path; None where none is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Server:
    """A running dashboard, or another script: its address, its folder, its process, its log, whether it has a model."""

    def __init__(
        self,
        folder: Path,
        script: Path = ROOT / "app.py",
        options: Sequence[str] = (),
        command: Sequence[str] = (sys.executable,),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a server and wait until it answers.

        Args:
            folder: working directory
            script: what Streamlit runs
            options: further options of streamlit run
            command: the interpreter, with what precedes it
            environment: variables that differ
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://localhost:{port}"
        self.folder, self._log = folder, folder / f"server-{port}.log"
        self.has_model, self._read_length = False, 0
        if "--server.baseUrlPath" in options:
            self.url += f"/{options[options.index('--server.baseUrlPath') + 1]}"
        arguments = [*command, "-m", "streamlit", "run", str(script), *options]
        arguments += ["--server.port", str(port), "--server.headless", "true"]
        variables = os.environ | {"PYTHONPATH": str(script.parent), "PYTHONUNBUFFERED": "1"}
        for name in ("TEMPOTRON_DATA", "TEMPOTRON_RUNS"):  # its folders are those below its own
            variables.pop(name, None)
        variables |= environment or {}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log, env=variables)
        self._wait()

    def _wait(self) -> None:
        def answers() -> bool:
            try:
                urllib.request.urlopen(self.url + "/_stcore/health", timeout=10).read()
                return True
            except OSError:
                assert self.process.poll() is None, self.log
                return False

        wait_until(answers)

    @property
    def log(self) -> str:
        """Everything the server has printed."""
        return self._log.read_text()

    @property
    def complaints(self) -> list[str]:
        """Return the lines of its log that report errors."""
        return _complaints_in(self.log)

    def new_complaints(self) -> list[str]:
        """Return the errors in the log since the last call."""
        log, read_length = self.log, self._read_length
        self._read_length = len(log)
        return _complaints_in(log[read_length:])

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until the process has ended."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - started


def _complaints_in(log: str) -> list[str]:
    """Tracebacks, errors, and whatever Streamlit logs, which begins with the date, but for a missing network."""
    found = re.findall(r"^(?:.*(?:Traceback|Uncaught|Error|WARNING)|\d{4}-\d\d-\d\d ).*$", log, re.MULTILINE)
    return [line for line in found if not line.endswith("Did not auto detect external IP.")]


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield instance
        instance.close()


@contextmanager
def page_without_errors(context: BrowserContext, server: Server) -> Iterator[Page]:
    """A fresh page; whatever its console or the server has complained about by its end is an error."""
    complaints: list[str] = []
    page = context.new_page()
    page.set_default_timeout(LONG_TIMEOUT_MS)
    collect_complaints(page, complaints)
    try:
        yield page
        assert page.locator("[data-testid=stException]").count() == 0
    finally:
        page.close()
    assert complaints == [], complaints
    complaints_of_server = server.new_complaints()
    assert complaints_of_server == [], server.log


def clear_storage(context: BrowserContext) -> None:
    """Remove what pages have stored in the browser."""
    context.clear_cookies()
    context.pages[0].evaluate("localStorage.clear(); sessionStorage.clear()")


def collect_complaints(page: Page, complaints: list[str]) -> None:
    """Append all further errors of the page's console."""
    page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))


def is_complaint(message: ConsoleMessage) -> bool:
    """Errors, but for Streamlit's own search for its server below a page's address before it asks at the root."""
    probe = re.search(r"/\w+/_stcore/(health|host-config)$", message.location["url"])
    return message.type == "error" and not (probe and "404" in message.text)


def wait_until_idle(page: Page) -> None:
    """Wait until what was asked is answered, every chart drawn and the script at rest, for longer than a control waits.

    A page does not say that it waits for the server; so from its first rest on, what it sends is watched.
    """
    page.wait_for_function(
        """asked => {
            if (window.waiting === undefined) {
                window.waiting = 0;
                const send = WebSocket.prototype.send;
                WebSocket.prototype.send = function (...what) {
                    window.waiting += 1;
                    window.sent = performance.now();
                    this.addEventListener("message", () => { window.waiting = 0; }, { once: true });
                    return send.apply(this, what);
                };
            }
            const app = document.querySelector("[data-testid=stApp]");
            const charts = [...document.querySelectorAll("[data-testid=stPlotlyChart]")];
            const now = performance.now();
            const answered = window.waiting === 0 || now - window.sent > 10000;  // a part that is gone has no answer
            const calm = answered && app?.dataset.testScriptState === "notRunning" &&
                document.querySelector(".stMain :is(h1, h2)") &&
                !document.querySelector("[data-testid=stSkeleton]") && STILL &&
                !document.querySelector(".stEChartsChart[aria-busy=true]") &&
                charts.every((chart) => chart.querySelector("svg.main-svg"));
            if (!calm || window.calm?.asked !== asked) window.calm = { asked, since: now, frames: 0 };
            window.calm.frames += 1;
            return now - window.calm.since > 350 && window.calm.frames > 10;  // a busy machine draws few a second
        }""".replace("STILL", STILL),
        arg=time.monotonic(),
        timeout=LONG_TIMEOUT_MS,
    )


def chart(key: str) -> str:
    """The drawing of an ECharts chart, as a selector."""
    return f".st-key-{key} .stEChartsChart > div > svg"


def outlines(page: Page, key: str) -> list[str]:
    """What is drawn in an ECharts chart: the outline of every line and mark."""
    found: list[str] = page.locator(f"{chart(key)} path").evaluate_all("all => all.map(e => e.getAttribute('d'))")
    return found


def rest(page: Page, key: str, across: float, down: float) -> str:
    """What an ECharts chart says where the pointer rests, in shares of its width and height."""
    page.mouse.move(5, 5)
    place = page.locator(chart(key))
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    for near in (3, 0):
        page.mouse.move(box["x"] + across * box["width"] - near, box["y"] + down * box["height"])
    tooltip = page.locator(f".st-key-{key} .stEChartsChart > div:not(:first-child)").first
    expect(tooltip).to_have_css("opacity", "1")
    expect(tooltip).not_to_be_empty()
    return tooltip.inner_text()


def open_page(page: Page, server: Server, name: str, query: str = "") -> Page:
    """One of the pages, drawn."""
    page.goto(f"{server.url}/{PAGES[name]}?{query}")
    wait_until_idle(page)
    return page


def excess_width(page: Page) -> int:
    """Pixels by which the content is wider than the window."""
    content = "document.querySelector('.stMain')"
    width: int = page.evaluate(f"{content}.scrollWidth - {content}.clientWidth")
    return width


def check_figures(page: Page, name: str) -> None:
    """The page shows figures and no alert, fits its width and has no left-over of a failed calculation."""
    expect(page.locator(".js-plotly-plot, .stEChartsChart svg, [data-figure]").first, name).to_be_visible()
    assert page.locator("[data-testid=stAlert], [data-testid=stException]").count() == 0, name
    assert excess_width(page) <= 1, name
    text = page.locator(".stMain").inner_text()
    assert not re.search(r"\bnan\b|None|Traceback|undefined", text), name


def wait_for_first_model(page: Page, server: Server) -> None:
    """Wait until the model that the first viewer finds is there, once a server."""
    if not server.has_model:
        page.goto(server.url)
        expect(page.get_by_text("Trained cross-entropy on embedded").first).to_be_visible(timeout=LONG_TIMEOUT_MS)
        server.has_model = True


def press_slider_keys(page: Page, label: str, presses: int, key: str = "") -> None:
    """Move a slider by keys: that many steps, or with the key."""
    thumb = page.locator("[data-testid=stSlider]", has_text=label).get_by_role("slider")
    thumb.focus()
    for _ in range(abs(presses)):
        page.keyboard.press(key or ("ArrowRight" if presses > 0 else "ArrowLeft"))


def heading(page: Page) -> Locator:
    """The first large line of text."""
    return page.locator(".stMain h2, .stMain h4").first


def headline(page: Page) -> str:
    """What the first large line says now."""
    return heading(page).inner_text()


class ReceivedMessages:
    """When a page that is opened from now on has received something from its server."""

    def __init__(self, page: Page) -> None:
        self._page, self._last = page, time.monotonic()
        page.on("websocket", lambda socket: socket.on("framereceived", self._note))

    def _note(self, _: object) -> None:
        self._last = time.monotonic()

    def has_stopped(self, silence: float = 4.0, within: float = PATIENCE) -> bool:
        """Whether nothing comes any more for longer than what runs by itself ever waits."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            if time.monotonic() - self._last > silence:
                return True
            self._page.wait_for_timeout(50)
        return False
