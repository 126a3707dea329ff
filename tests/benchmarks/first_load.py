"""Time from the start of a server to the first page: listening, navigation, skeleton, first figure, trained model.

    python tests/benchmarks/first_load.py [--repeats 3] [--page encoder] [--json FILE]

The disk cache is emptied before each start where the user may do so (root on Linux), which the output states. The
browser runs before. Seconds count from the moment the server listens.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from helpers.browser import Server, browser

SCRIPT = """() => {
    const seen = (window.seen ??= {});
    const note = (name, there) => { if (there && !(name in seen)) seen[name] = Date.now(); };
    const look = () => {
        note("navigation", document.querySelectorAll("[data-testid=stSidebarNavLink]").length >= 12);
        note("title", document.querySelector(".stMain h1"));
        note("skeleton", document.querySelector(".first-load-skeleton"));
        note("figure", document.querySelector(".stMain svg.main-svg"));
        note("model", document.body && /Trained cross-entropy on embedded/.test(document.body.innerText));
        setTimeout(look, 20);
    };
    look();
}"""
STEPS = ("navigation", "title", "skeleton", "figure", "model")


def empty_disk_cache() -> bool:
    """Empty the disk cache; return whether that was possible."""
    try:
        subprocess.run(["sync"], check=True)
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def measure(page_path: str) -> dict[str, float]:
    """Start one server and return the seconds of each step."""
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 720})
        page.add_init_script(f"({SCRIPT})()")
        empty_disk_cache()
        began = time.time()
        server = Server(Path(folder))
        listening = time.time()
        try:
            page.goto(f"{server.url}/{page_path}")
            page.wait_for_function("() => 'figure' in window.seen && 'model' in window.seen", timeout=120_000)
            seen = page.evaluate("() => window.seen")
        finally:
            server.interrupt()
    return {"listening": listening - began} | {step: seen[step] / 1000 - listening for step in STEPS if step in seen}


def main() -> None:
    """Print the median of each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--page", default="", help="path of the page in the URL")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    runs = [measure(options.page) for _ in range(options.repeats)]
    seconds = {step: [round(run[step], 2) for run in runs if step in run] for step in ("listening", *STEPS)}
    for step, values in seconds.items():
        print(f"{step:12} {statistics.median(values) if values else float('nan'):6.2f} s   {values}")
    cold = os.access("/proc/sys/vm/drop_caches", os.W_OK)
    result = {"cold": cold, "page": options.page or "overview", "seconds": seconds}
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
