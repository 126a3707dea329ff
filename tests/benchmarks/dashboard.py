"""The pages in a real Chromium, beside a bare script that draws one of their figures from constants.

A control's time runs from its event in the browser (key or click) to the last change inside any figure of the page;
the bare script has one slider and one chart, on a server of its own with the same settings, and takes turns with the
page. First paint runs from the request of a page to its first Plotly chart with something drawn in it, or, where it
has none, to its main figure. Bytes are what the page's WebSocket receives.
"""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.browser import PAGES, ROOT, Server, browser, wait_until_idle
from playwright.sync_api import Browser, Page, TimeoutError

from tempotron_core import figures
from tempotron_core.analysis.attribution import evidence
from tempotron_core.data import datasets
from tempotron_core.model.classifier import Model, initial_weight, pixel_tuning, predict

WIDTH, HEIGHT = 1280, 800
QUIET = 0.35

PROBE = """() => {
  const probe = window.probe = {began: 0, last: 0, painted: 0};
  for (const name of ['keydown', 'click'])
    document.addEventListener(name, () => { probe.began = performance.now(); probe.last = 0; }, true);
  new MutationObserver(changes => {
    for (const change of changes) {
      const element = change.target.nodeType === 1 ? change.target : change.target.parentElement;
      if (element && element.closest('.js-plotly-plot, .stMain :is(.stEChartsChart, .stHtml)'))
        probe.last = performance.now();
    }
    const main = {
      '': '.st-key-traces .stEChartsChart path',
      evidence: '[data-figure=evidence] img',
      rule: '.st-key-step .stEChartsChart path',
      replay: '.st-key-traces .stEChartsChart path',
      training: '.st-key-accuracy .stEChartsChart path',
      runs: '.st-key-comparison .stEChartsChart path',
    };
    const chart = '.js-plotly-plot :is(.scatterlayer path, .imagelayer image, .bars path)';
    if (!probe.painted && document.querySelector(main[location.pathname.slice(1)] ?? chart))
      requestAnimationFrame(() => { probe.painted = probe.painted || performance.now(); });
  }).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
}"""

BARE_SCRIPT = """
import json
from pathlib import Path
import plotly.io
import streamlit as st

st.set_page_config(layout="wide")

@st.cache_resource
def constants():
    sets = json.loads(Path(__file__).with_name("figures.json").read_text())
    return {name: [plotly.io.from_json(text) for text in texts] for name, texts in sets.items()}

sets = constants()
drawn = sets.get(st.query_params.get("set"), sets["Voltages"])
st.title("Bare")
value = st.slider("value", 0, len(drawn) - 1, 0)
st.plotly_chart(drawn[value], width="stretch", key="chart", config={"displayModeBar": False})
"""


@dataclass
class Socket:
    """What the page's WebSocket has received: moments and bytes."""

    frames: list[tuple[float, int]] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> Socket:
        socket, session = cls(), page.context.new_cdp_session(page)
        session.send("Network.enable")

        def received(event: dict[str, Any]) -> None:
            frame = event["response"]
            payload = frame["payloadData"]
            size = len(base64.b64decode(payload)) if frame["opcode"] == 2 else len(payload)
            socket.frames.append((time.monotonic(), size))

        session.on("Network.webSocketFrameReceived", received)
        return socket

    def since(self, moment: float) -> int:
        return sum(size for when, size in self.frames if when >= moment)


@dataclass(frozen=True)
class Control:
    """One thing to do on a page, again and again; moves there and back."""

    page: str
    name: str
    locate: str
    act: Callable[[Page, int], None]


def press(locate: str) -> Callable[[Page, int], None]:
    def act(page: Page, turn: int) -> None:
        page.locator(locate).first.focus()
        page.keyboard.press("ArrowRight" if turn % 8 < 4 else "ArrowLeft")

    return act


def step(page: Page, turn: int) -> None:
    page.locator("[data-testid=stSidebar] [data-testid=stNumberInputStepUp]").click()


def slider(label: str) -> str:
    return f"[data-testid=stSlider]:has-text('{label}') input[type=range]"


CONTROLS = (
    Control("Encoder", "value x", slider("Value x"), press(slider("Value x"))),
    Control("Encoder", "m", slider("m, neurons"), press(slider("m, neurons"))),
    Control("Voltages", "threshold", slider("threshold"), press(slider("threshold"))),
    Control("Voltages", "tau", slider("tau, membrane"), press(slider("tau, membrane"))),
    Control("Overview", "next sample", "[data-testid=stNumberInputStepUp]", step),
    Control("Evidence", "next sample", "[data-testid=stNumberInputStepUp]", step),
    Control("Draw and perturb", "jitter", slider("Jitter"), press(slider("Jitter"))),
    Control("Learning rule", "rate", slider("Learning rate"), press(slider("Learning rate"))),
    Control("Replay", "next sample", "[data-testid=stNumberInputStepUp]", step),
)
BARE_CONTROL = press("[data-testid=stSlider] input[type=range]")


def constants() -> dict[str, list[str]]:
    """Page -> its main figure for ten values, as JSON."""
    digits = datasets.load(datasets.EMBEDDED, None).test
    model = Model(initial_weight(16, 10, 0) * 8)
    tuning, grid = pixel_tuning(16), torch.linspace(0, 1, 201).view(1, 1, -1)
    shapes = tuning.response(grid)[0, 0].numpy().astype(np.float32)
    encoder, potentials, parts = [], [], []
    for i in range(10):
        x = torch.tensor([[[0.3 + i / 100]]])
        time_of, response = tuning.encode(x, 100)[0, 0, 0].numpy(), tuning.response(x)[0, 0, 0].numpy()
        info = figures.TuningInfo(grid.view(-1).numpy(), shapes, float(x), response, time_of, 100)
        encoder.append(figures.tuning_figure(info).to_json())
        decision = predict(model, digits.images[i])
        names = tuple(map(str, range(10)))
        v, v_max, t_max = decision.v.numpy(), decision.v_max.numpy(), decision.t_max.numpy()
        voltages = figures.VoltageInfo(v, v_max, t_max, 1.0, names, int(digits.labels[i]), None)
        potentials.append(figures.traces_figure(voltages, height=480).to_json())
        found = evidence(model, decision, 0)
        arrays = found.weight.numpy(), found.kernel.numpy(), found.times.numpy()
        mine = figures.EvidenceInfo("0", *arrays, found.v_max, found.t_max, digits.images[i].numpy())
        parts.append(figures.evidence_figure(mine).to_json())
    return {"Encoder": encoder, "Voltages": potentials, "Evidence": parts}


@contextmanager
def servers() -> Iterator[tuple[Server, Server, Path]]:
    """The dashboard, the bare script under the same settings, and where the dashboard's runs go."""
    with tempfile.TemporaryDirectory() as home:
        here, there = Path(home) / "dashboard", Path(home) / "bare"
        here.mkdir()
        there.mkdir()
        shutil.copytree(ROOT / ".streamlit", there / ".streamlit")
        # All settings are shared but one: a bare script has Streamlit's own collection of garbage after every run.
        config = there / ".streamlit" / "config.toml"
        config.write_text(config.read_text().replace("postScriptGC = false", "postScriptGC = true"))
        (there / "bare.py").write_text(BARE_SCRIPT)
        (there / "figures.json").write_text(json.dumps(constants()))
        pair = Server(here), Server(there, there / "bare.py")
        try:
            yield *pair, here / "runs"
        finally:
            for server in pair:
                server.interrupt()


def open_page(chrome: Browser, address: str) -> tuple[Page, Socket]:
    page = chrome.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.add_init_script(f"({PROBE})()")
    socket = Socket.of(page)
    page.goto(address)
    return page, socket


def wait_until_figures_idle(page: Page) -> None:
    page.locator(".js-plotly-plot, .stEChartsChart svg, [data-figure]").first.wait_for(timeout=30_000)
    wait_until_idle(page)


def repaint(page: Page, act: Callable[[Page, int], None], turn: int) -> float:
    """Milliseconds from the event to the last change in a figure; waits until nothing has changed for a moment."""
    at_rest = f"probe.last > probe.began && performance.now() - probe.last > {QUIET * 1000}"
    act(page, turn)
    try:
        page.wait_for_function(at_rest, timeout=6_000, polling=50)
    except TimeoutError:
        # What does not follow is counted by its time; the next turn finds the page in use again.
        return 6_000.0
    return float(page.evaluate("probe.last - probe.began"))


def controls(chrome: Browser, dashboard: Server, bare: Server, repeats: int) -> dict[str, Any]:
    """Every control by turns with the bare script's: ms, ratios, bytes."""
    report: dict[str, Any] = {}
    for control in CONTROLS:
        ours, socket = open_page(chrome, f"{dashboard.url}/{PAGES[control.page]}")
        plain, _ = open_page(chrome, f"{bare.url}/?set={control.page}")
        wait_until_figures_idle(ours)
        wait_until_figures_idle(plain)
        taken: dict[str, list[float]] = {"page": [], "bare": []}
        received = []
        for turn in range(repeats + 2):
            began = time.monotonic()
            milliseconds = repaint(ours, control.act, turn)
            ours.wait_for_timeout(100)
            beside = repaint(plain, BARE_CONTROL, turn)
            if turn >= 2:
                taken["page"].append(milliseconds)
                taken["bare"].append(beside)
                received.append(socket.since(began))
        ours.close()
        plain.close()
        report[f"{control.page}: {control.name}"] = compare_quantiles(taken) | {"bytes": max(received)}
    return report


def compare_quantiles(taken: dict[str, list[float]]) -> dict[str, float]:
    quantiles = {name: np.percentile(values, [50, 95]) for name, values in taken.items()}
    median, high = (float(quantiles["page"][i] / quantiles["bare"][i]) for i in (0, 1))
    return {
        "median": float(quantiles["page"][0]),
        "p95": float(quantiles["page"][1]),
        "bare_median": float(quantiles["bare"][0]),
        "bare_p95": float(quantiles["bare"][1]),
        "ratio": median,
        "ratio_p95": high,
    }


def first_paints(chrome: Browser, dashboard: Server, bare: Server, repeats: int) -> dict[str, Any]:
    """Request to first figure, by turns; a new context each time, so that both load everything."""
    report = {}
    for name in PAGES:
        taken: dict[str, list[float]] = {"page": [], "bare": []}
        for turn in range(repeats + 1):
            for kind, address in (("page", f"{dashboard.url}/{PAGES[name]}"), ("bare", f"{bare.url}/?set={name}")):
                page, _ = open_page(chrome, address)
                page.wait_for_function("window.probe && probe.painted > 0", timeout=30_000, polling=50)
                if turn:
                    taken[kind].append(float(page.evaluate("probe.painted")))
                page.close()
        report[name] = compare_quantiles(taken)
    return report


def idle(chrome: Browser, dashboard: Server) -> dict[str, int]:
    """Bytes that a page receives in five seconds in which nothing happens."""
    report = {}
    for name in PAGES:
        page, socket = open_page(chrome, f"{dashboard.url}/{PAGES[name]}")
        wait_until_idle(page)
        began = time.monotonic()
        page.wait_for_timeout(5000)
        report[name] = socket.since(began)
        page.close()
    return report


def start_training(page: Page, epochs: int) -> None:
    wait_until_idle(page)
    box = page.get_by_label("Epochs", exact=True)
    box.fill(str(epochs))
    box.press("Enter")
    wait_until_idle(page)
    page.get_by_role("button", name="Start").click()
    page.get_by_text("samples/s").wait_for(timeout=30_000)


def while_training(chrome: Browser, dashboard: Server, runs: Path, repeats: int) -> dict[str, Any]:
    """Controls of the other pages, and the live page's own traffic, while a long training runs."""
    live, socket = open_page(chrome, f"{dashboard.url}/training")
    start_training(live, 1000)
    began = time.monotonic()
    live.wait_for_timeout(10_000)
    ticks = group_by_tick([frame for frame in socket.frames if frame[0] >= began])
    live.goto("about:blank")
    report: dict[str, Any] = {"ticks": tick_report(ticks), "controls": {}}
    for control in CONTROLS:
        page, _ = open_page(chrome, f"{dashboard.url}/{PAGES[control.page]}")
        wait_until_figures_idle(page)
        taken = [repaint(page, control.act, turn) for turn in range(repeats + 2)][2:]
        page.close()
        report["controls"][f"{control.page}: {control.name}"] = {
            "median": statistics.median(taken),
            "p95": float(np.percentile(taken, 95)),
        }
    report["slowdown"] = slowdown(live, dashboard, runs)
    live.goto(f"{dashboard.url}/training")
    live.get_by_role("button", name="Stop").click(timeout=30_000)
    wait_until_idle(live)
    live.close()
    return report


def group_by_tick(frames: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Frames that belong to one tick: those less than 200 ms after the one before."""
    ticks: list[tuple[float, int]] = []
    previous = -1.0
    for moment, size in frames:
        if ticks and moment - previous < 0.2:
            ticks[-1] = (ticks[-1][0], ticks[-1][1] + size)
        else:
            ticks.append((moment, size))
        previous = moment
    return ticks


def tick_report(ticks: list[tuple[float, int]]) -> dict[str, float]:
    # The first and the last may be cut off.
    sizes, gaps = [size for _, size in ticks[1:-1]], np.diff([moment for moment, _ in ticks])
    return {
        "ticks": len(ticks),
        "bytes_median": statistics.median(sizes),
        "bytes_max": max(sizes),
        "seconds_apart_median": float(np.median(gaps)),
        "seconds_apart_min": float(gaps.min()),
    }


def slowdown(page: Page, dashboard: Server, runs: Path, turns: int = 4, seconds: float = 10.0) -> dict[str, float]:
    """Median seconds of the epochs that lie wholly in a phase with the Training page open, or with none."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    phases = []
    for _ in range(turns):
        for state, address in (("open", f"{dashboard.url}/training"), ("closed", "about:blank")):
            page.goto(address)
            if state == "open":
                wait_until_idle(page)
            page.wait_for_timeout(1000)
            began = time.time()
            page.wait_for_timeout(seconds * 1000)
            phases.append((state, began, time.time()))
    latest = max(runs.iterdir(), key=lambda folder: folder.stat().st_mtime)
    events = EventAccumulator(str(latest), size_guidance={"scalars": 0}).Reload()
    taken: dict[str, list[float]] = {"open": [], "closed": []}
    for began, ended in itertools.pairwise(event.wall_time for event in events.Scalars("test_accuracy")):
        for state, first, last in phases:
            if first <= began and ended <= last:
                taken[state].append(ended - began)
    medians = {state: statistics.median(values) for state, values in taken.items()}
    return medians | {"ratio": medians["open"] / medians["closed"]}


def measure(repeats: int) -> dict[str, Any]:
    """Everything about the pages, as one JSON-able report."""
    with servers() as (dashboard, bare, runs), browser() as chrome:
        page, _ = open_page(chrome, dashboard.url)
        page.get_by_text("Trained cross-entropy").wait_for(timeout=60_000)
        page.close()
        return {
            "controls": controls(chrome, dashboard, bare, repeats),
            "first_paint": first_paints(chrome, dashboard, bare, max(2, repeats // 4)),
            "idle_bytes": idle(chrome, dashboard),
            "training": while_training(chrome, dashboard, runs, repeats),
        }


def format_report(report: dict[str, Any]) -> str:
    """The report as tables."""
    lines = ["| control | median (95 %), ms | bare, ms | ratio | KB received | while training, ms |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, row in report["controls"].items():
        busy = report["training"]["controls"][name]
        lines.append(
            f"| {name} | {row['median']:.0f} ({row['p95']:.0f}) | {row['bare_median']:.0f} ({row['bare_p95']:.0f}) | "
            f"{row['ratio']:.2f} ({row['ratio_p95']:.2f}) | {row['bytes'] / 1e3:.0f} | "
            f"{busy['median']:.0f} ({busy['p95']:.0f}) |"
        )
    lines += ["", "| first paint | median (95 %), ms | bare, ms | ratio |", "|---|---|---|---|"]
    for name, row in report["first_paint"].items():
        lines.append(
            f"| {name} | {row['median']:.0f} ({row['p95']:.0f}) | {row['bare_median']:.0f} ({row['bare_p95']:.0f}) | "
            f"{row['ratio']:.2f} |"
        )
    ticks, slow = report["training"]["ticks"], report["training"]["slowdown"]
    lines += [
        "",
        f"A live tick of Training: {ticks['bytes_median'] / 1e3:.1f} KB (at most {ticks['bytes_max'] / 1e3:.1f}), "
        f"every {ticks['seconds_apart_median']:.2f} s (never sooner than {ticks['seconds_apart_min']:.2f}).",
        f"Idle for five seconds: {max(report['idle_bytes'].values())} bytes.",
        f"Training with the page open takes {slow['ratio']:.2f} times as long as with none.",
    ]
    return "\n".join(lines)
