"""A real Chromium against a real server: shared by the browser tests and the screenshot script."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
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
]


def chromium() -> str | None:
    """The browser's path; None where none is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Server:
    """A running dashboard, or another script: its address, its folder, its process, what it has logged."""

    def __init__(self, folder: Path, script: Path = ROOT / "app.py") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://localhost:{port}"
        self.folder, self._log = folder, folder / "server.log"
        command = [sys.executable, "-m", "streamlit", "run", str(script)]
        command += ["--server.port", str(port), "--server.headless", "true"]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        for name in ("TEMPOTRON_DATA", "TEMPOTRON_RUNS"):  # its folders are those below its own
            environment.pop(name, None)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        self._wait()

    def _wait(self) -> None:
        for _ in range(300):
            try:
                urllib.request.urlopen(self.url + "/_stcore/health", timeout=1).read()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"no server after 30 s: {self.log}")

    @property
    def log(self) -> str:
        """Everything the server has printed."""
        return self._log.read_text()

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until the process has ended."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - began


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield instance
        instance.close()


def settle(page: Page, quiet: float = 0.6, timeout: float = 30.0) -> None:
    """Wait until the app has drawn and its script has been at rest for a moment."""
    page.wait_for_selector("[data-testid=stApp]", timeout=timeout * 1000)
    deadline, calm = time.monotonic() + timeout, 0.0
    while time.monotonic() < deadline and calm < quiet:
        busy = page.locator("[data-testid=stStatusWidget], [data-testid=stSkeleton]").count()
        drawn = page.locator(".stMain h1, .stMain h2").count()
        calm = calm + 0.1 if drawn and not busy else 0.0
        page.wait_for_timeout(100)
    page.wait_for_timeout(300)
