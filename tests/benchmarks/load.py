"""Many viewers at once on one server, each moving a control a second, while a training runs.

    python tests/benchmarks/load.py --viewers 25 --minutes 10
    python tests/benchmarks/load.py --viewers 10 --minutes 30 --soak

A viewer speaks the protocol of the pages over a WebSocket of its own; a repaint runs from the moment a control is moved
to the end of the run that draws its effect. Threads, open files and memory of the server are read every second; slopes
are least-squares lines through what follows the first minute, or the first five of a soak. With --soak, viewers also
change pages, reload, leave, drop their connection and come back, and trainings are started, paused, resumed and
stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import numpy as np
from helpers.browser import PAGES, Server
from helpers.streamlit_client import Session

PAGES_TO_STAY_ON = ("", "encoder", "voltages", "evidence", "training")
SAMPLES = 2000
WARM_UP, WARM_UP_SOAK = 60.0, 300.0
"""Seconds; in a soak all pages are opened first, and the server keeps the sessions of those who leave for 120 s."""

SAMPLE_SECONDS = 1.0


@dataclass
class Record:
    """What was seen: repaints (page, seconds, when), complaints, lost connections, wrong selections, jobs by name."""

    repaints: list[tuple[str, float, float]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    lost: int = 0
    visits: int = 0
    wrong_selections: list[str] = field(default_factory=list)
    jobs: list[set[str]] = field(default_factory=list)
    server: list[dict[str, float]] = field(default_factory=list)


async def simulate_viewer(url: str, number: int, record: Record, until: float, soak: bool) -> None:
    """One viewer, from its first page to the end; a new one takes its place where it leaves."""
    draw = random.Random(number)
    while time.monotonic() < until:
        page = draw.choice(list(PAGES.values())) if soak else PAGES_TO_STAY_ON[number % len(PAGES_TO_STAY_ON)]
        query = f"sample={draw.randrange(SAMPLES)}" + ("&model=live+run" if number % 3 == 0 else "")
        viewer = Session(url, page, query)
        record.visits += 1
        leaves = time.monotonic() + (draw.uniform(20, 120) if soak else 1e9)
        try:
            await viewer.open()
            await viewer.wait_for_first_run()
            VIEWERS[number] = viewer
            while time.monotonic() < min(until, leaves):
                began = time.monotonic()
                if soak and draw.random() < 0.1:
                    await random_disruption(viewer, draw)
                else:
                    await move_random_control(viewer, draw, record)
                if viewer.is_disconnected:
                    record.lost += 1
                    break
                await asyncio.sleep(max(0.05, began + 1 - time.monotonic()))
        except (TimeoutError, LookupError, OSError) as error:
            record.complaints.append(
                f"viewer {number} on {viewer.page!r}: {type(error).__name__} {error}{viewer.history()}"
            )
        finally:
            VIEWERS.pop(number, None)
            record.complaints += viewer.complaints
            await viewer.close()


VIEWERS: dict[int, Session] = {}


async def move_random_control(viewer: Session, draw: random.Random, record: Record) -> None:
    """Move the sample, or another control of the page."""
    sliders = viewer.all("slider")
    page = viewer.page
    if sliders and draw.random() < 0.5:
        slider = draw.choice(sliders).proto
        steps = max(1, round((slider.max - slider.min) / slider.step))
        place = slider.min + draw.randint(steps // 4, 3 * steps // 4) * slider.step
        value = slider.options[int(place)] if slider.options else place
        shown = f"of {value:.0f} neurons" if slider.label.startswith("m, neurons") else None
        record.repaints.append((page, await viewer.move("slider", slider.label, value, shown), time.monotonic()))
        return
    sample = draw.randrange(SAMPLES)
    # Other pages name samples of their own.
    own = (
        f"test sample {sample:,}[^0-9,]" if page in PAGES_TO_STAY_ON and viewer.find_text("test sample [0-9]") else None
    )
    record.repaints.append((page, await viewer.move("number_input", "Test sample", sample, own), time.monotonic()))
    await asyncio.sleep(0.2)
    shown = viewer.find_text("test sample [0-9,]*[0-9]")
    if own and not viewer.shows_alert() and shown != f"test sample {sample:,}":
        record.wrong_selections.append(f"{page!r}: chose {sample:,}, got {shown}")


async def random_disruption(viewer: Session, draw: random.Random) -> None:
    """Another page; or the connection drops and comes back, as a laptop wakes up."""
    if draw.random() < 0.6:
        await viewer.visit(draw.choice(list(PAGES.values())))
    else:
        await viewer.close()
        await asyncio.sleep(draw.uniform(0, 5))
        await viewer.open()
        await viewer.wait_for_first_run()


async def training_driver(url: str, record: Record, until: float, soak: bool) -> None:
    """Keep a training running; with soak, start, pause, resume and stop it in any order."""
    draw, viewer = random.Random(2006), Session(url, "training")
    await viewer.open()
    await viewer.wait_for_first_run()
    for label, value in (("Epochs", 1000), ("Batch size", 16)):
        await viewer.move("number_input", label, value)
    while time.monotonic() < until:
        try:
            labels = {button.proto.label for button in viewer.all("button")} & {"Start", "Pause", "Resume", "Stop"}
            wanted = draw.choice(sorted(labels)) if soak and labels else "Start"
            if wanted in labels:
                await viewer.move("button", wanted, True)
        except (TimeoutError, LookupError) as error:
            record.complaints.append(f"conductor: {type(error).__name__} {error}")
        await asyncio.sleep(draw.uniform(3, 12) if soak else 2)
    record.complaints += viewer.complaints
    await viewer.close()


async def monitor_server(server: Server, record: Record, until: float) -> None:
    """Read the server's memory, threads and files, and the job as every viewer sees it."""
    began, process = time.monotonic(), Path("/proc") / str(server.process.pid)
    while time.monotonic() < until:
        await asyncio.sleep(SAMPLE_SECONDS)
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
        record.server.append(
            {
                "seconds": time.monotonic() - began,
                "rss_mb": int(status["VmRSS"].split()[0]) / 1024,
                "threads": int(status["Threads"]),
                "files": len(os.listdir(process / "fd")),
            }
        )
        names = (re.sub(r"(, epoch|, test|: \d+%).*", "", viewer.job or "") for viewer in VIEWERS.values())
        record.jobs.append({name for name in names if name})


def longest_disagreement(jobs: list[set[str]]) -> float:
    """The longest time in which not all viewers have shown the same job in the same state."""
    longest = now = 0
    for names in jobs:
        now = now + 1 if len(names) > 1 else 0
        longest = max(longest, now)
    return longest * SAMPLE_SECONDS


def slope(samples: list[dict[str, float]], name: str, warm_up: float) -> float | None:
    """Growth a minute after the warm-up; None where there is too little."""
    late = [sample for sample in samples if sample["seconds"] > warm_up]
    if len(late) < 6:
        return None
    minutes = np.array([sample["seconds"] for sample in late]) / 60
    return float(np.polyfit(minutes, [sample[name] for sample in late], 1)[0])


async def measure(server: Server, viewers: int, minutes: float, soak: bool) -> dict[str, Any]:
    """The whole load, as one JSON-able report."""
    record, until = Record(), time.monotonic() + 60 * minutes
    parts = [simulate_viewer(server.url, number, record, until, soak) for number in range(viewers)]
    await asyncio.gather(
        training_driver(server.url, record, until, soak), monitor_server(server, record, until), *parts
    )
    began = until - 60 * minutes
    seconds = np.array([taken for _, taken, _ in record.repaints])
    by_page = {
        page or "overview": float(np.median([taken for where, taken, _ in record.repaints if where == page]))
        for page in sorted({where for where, *_ in record.repaints})
    }
    logged = server.complaints
    return {
        "viewers": viewers,
        "minutes": minutes,
        "soak": soak,
        "cores": len(os.sched_getaffinity(0)),
        "visits": record.visits,
        "repaints": len(seconds),
        "repaint_s": dict(zip(("median", "p95", "max"), np.percentile(seconds, [50, 95, 100]).tolist(), strict=True)),
        "median_by_page_s": by_page,
        "errors": record.complaints + logged,
        "lost_viewers": record.lost,
        "wrong_selections": record.wrong_selections,
        "seconds_with_one_job": sum(len(names) == 1 for names in record.jobs) * SAMPLE_SECONDS,
        "longest_disagreement_s": longest_disagreement(record.jobs),
        "slopes_per_minute": {
            name: slope(record.server, name, WARM_UP_SOAK if soak else WARM_UP)
            for name in ("rss_mb", "threads", "files")
        },
        "server": record.server,
        "every_repaint": [(round(when - began, 2), page, round(taken, 3)) for page, taken, when in record.repaints],
    }


def format_report(report: dict[str, Any]) -> str:
    """The report as a table."""
    repaint, last = report["repaint_s"], report["server"][-1]
    slopes = {name: "?" if value is None else f"{value:+.2f}" for name, value in report["slopes_per_minute"].items()}
    rows = (
        ("viewers, minutes, cores", f"{report['viewers']}, {report['minutes']:g}, {report['cores']}"),
        ("visits, repaints", f"{report['visits']:,}, {report['repaints']:,}"),
        ("repaint, median (95 %, longest), s", f"{repaint['median']:.2f} ({repaint['p95']:.2f}, {repaint['max']:.2f})"),
        ("the same by page, s", ", ".join(f"{page} {s:.2f}" for page, s in report["median_by_page_s"].items())),
        ("errors; lost viewers; wrong selections", f"{len(report['errors'])}; {report['lost_viewers']}; "
         f"{len(report['wrong_selections'])}"),
        ("all saw one job, s; longest until all had received its next state, s",
         f"{report['seconds_with_one_job']:.0f}; {report['longest_disagreement_s']:.0f}"),
        ("memory at the end, MB; a minute", f"{last['rss_mb']:.0f}; {slopes['rss_mb']}"),
        ("threads at the end; a minute", f"{last['threads']:.0f}; {slopes['threads']}"),
        ("open files at the end; a minute", f"{last['files']:.0f}; {slopes['files']}"),
    )  # fmt: skip
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main() -> int:
    """Start a server, load it, print the table; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=25)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--soak", action="store_true", help="everything moves: pages, trainings, viewers, connections")
    parser.add_argument("--json", type=Path, help="write the whole report there")
    parser.add_argument("--log", type=Path, help="write what the server has printed there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        server = Server(Path(home))
        print(f"process {server.process.pid} at {server.url}", file=sys.stderr)
        try:
            report = asyncio.run(measure(server, options.viewers, options.minutes, options.soak))
        finally:
            server.interrupt()
            if options.log:
                options.log.write_text(server.log)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    print(format_report(report))
    for problem in [*report["errors"], *report["wrong_selections"]][:20]:
        print(problem)
    return int(bool(report["errors"] or report["wrong_selections"] or report["lost_viewers"]))


if __name__ == "__main__":
    sys.exit(main())
