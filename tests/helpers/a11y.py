"""What a browser can tell of a page's accessibility: axe-core's findings, and measures where axe looks away."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from helpers.browser import STILL, wait_until_idle

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONTROLS = ", ".join(
    (
        "button",
        "a[href]",
        "input",
        "textarea",
        "summary",
        "[role=slider]",
        "[role=combobox]",
        "[tabindex='0']",
    )
)

_HELPERS = """
const seen = (e) =>
  e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && e.getClientRects().length;
const rgba = (words) => {
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = canvas.height = 1;
  context.fillStyle = words;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const light = (c) => {
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = c.map((part) => linear(part / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [low, high] = [light(a), light(b)].sort((p, q) => p - q);
  return (high + 0.05) / (low + 0.05);
};
const paper = () => rgba(getComputedStyle(document.querySelector(".stApp")).backgroundColor).slice(0, 3);
const ground = (e, page) => {
  for (let n = e; n && n.getAttribute("role") !== "img"; n = n.parentElement) {
    const colour = rgba(getComputedStyle(n).backgroundColor);
    if (colour[3] > 0.99) return colour.slice(0, 3);
  }
  return page;
};
const faded = (e, root) => {
  let opacity = 1;
  for (let n = e; n && n !== root; n = n.parentElement) opacity *= Number(getComputedStyle(n).opacity);
  return opacity;
};
const label = (e) => e.getAttribute("aria-label") || e.textContent.trim().slice(0, 40) || e.outerHTML.slice(0, 90);
"""


def axe_violations(page: Page, part: str = "body") -> list[str]:
    """axe-core's violations of serious or critical impact in a part of the page, a line an element."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    # axe looks for a while: what it finds counts where nothing has faded or moved meanwhile.
    report: dict[str, Any] | None = None
    while report is None:
        page.wait_for_function(STILL)
        report = page.evaluate(
            f"""async () => {{
                const report = await axe.run({part!r}, {{ resultTypes: ["violations"] }});
                return report.violations.length && !{STILL} ? null : report;
            }}"""
        )
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for rule in report["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def evaluate_with_helpers(page: Page, script: str) -> Any:
    """Return the result of a function body that may use the helpers above, evaluated when nothing fades or moves."""
    once = f"() => {STILL} && (() => {{ const measure = () => {{ {_HELPERS} {script} }}; return [measure()]; }})()"
    return page.wait_for_function(once).json_value()[0]


def open_all_expanders(page: Page) -> None:
    """Open everything that can be opened."""
    while (closed := page.locator(".stMain details:not([open]) > summary")).count():
        left = closed.count()
        closed.first.click()
        page.wait_for_function(
            "left => document.querySelectorAll('.stMain details:not([open]) > summary').length < left", arg=left
        )
        wait_until_idle(page)  # a click while the opened content moves the page would miss


def text_in_images(page: Page) -> list[dict[str, Any]]:
    """Return the texts in charts and HTML figures, with size in px and contrast to the page; not those on cells."""
    found: list[dict[str, Any]] = evaluate_with_helpers(
        page,
        """
        const page = paper(), texts = [];
        const plotly = ".js-plotly-plot svg text:not(.hoverlayer *, .textpoint *)";
        const charts = [...document.querySelectorAll(`${plotly}, .stEChartsChart svg text`)];
        const plates = [...document.querySelectorAll(".stMain [role=img] *")].filter((e) =>
          [...e.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) && !e.closest("svg"));
        for (const e of [...charts, ...plates]) {
          if (!seen(e) || !e.textContent.trim()) continue;
          const style = getComputedStyle(e), colour = rgba(e.closest("svg") ? style.fill : style.color);
          const share = colour[3] * faded(e, document.querySelector(".stApp"));
          const under = e.closest("svg") ? page : ground(e, page);
          const mixed = colour.slice(0, 3).map((part, i) => share * part + (1 - share) * under[i]);
          const read = contrast(mixed, under);
          texts.push({ words: e.textContent.trim(), contrast: read, size: parseFloat(style.fontSize) });
        }
        return texts;
        """,
    )
    return found


def images(page: Page) -> list[str]:
    """The text alternative of every chart and plate; empty where there is none."""
    found: list[str] = evaluate_with_helpers(
        page,
        """
        const charts = [...document.querySelectorAll("[data-testid=stPlotlyChart], .stEChartsChart")].map((e) => {
          const named = [e, ...e.querySelectorAll("[role=img], [aria-label], [aria-describedby]")];
          return named.map((n) => n.getAttribute("aria-label")).find(Boolean) || "";
        });
        const plates = [...document.querySelectorAll(".stHtml [role=img]")];
        const images = [...document.querySelectorAll(".stHtml img")].filter((e) => !e.closest("[role=img]"));
        return [...charts, ...plates.map((e) => e.getAttribute("aria-label") || ""), ...images.map((e) => e.alt)];
        """,
    )
    return found


def targets(page: Page) -> list[str]:
    """Controls that a finger misses, under 24 px with no room around them, or that lie on each other."""
    found: list[str] = evaluate_with_helpers(
        page,
        f"""
        const all = [...document.querySelectorAll({CONTROLS!r})].filter((e) =>
          seen(e) && !e.disabled && e.tabIndex >= 0 && !e.querySelector("button, input") && !e.matches(".stMain") &&
          e.getBoundingClientRect().right > 24);
        const boxes = all.map((e) => {{
          const thumb = e.type === "range" && e.closest("[data-testid=stSlider]");
          const whole = thumb ? e.parentElement.parentElement : e.closest("label, .react-aria-ComboBox") || e;
          const after = getComputedStyle(whole, "::after"), r = whole.getBoundingClientRect();
          const grown = after.content === "none" ? 0 : Math.max(0, -parseFloat(after.top) || 0);
          const [x, y, w, h] = [r.left - grown, r.top - grown, r.width + 2 * grown, r.height + 2 * grown];
          return {{ whole, name: label(e), x, y, w, h }};
        }}).filter((b) => b.w > 1 && b.h > 1);
        const small = boxes.filter((b) => Math.min(b.w, b.h) < 23.5);
        const problems = small.map((b) => `${{b.name}}: ${{b.w.toFixed(0)}} x ${{b.h.toFixed(0)}} px`);
        boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {{
          if (a.whole.contains(b.whole) || b.whole.contains(a.whole)) return;
          const across = Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x);
          const down = Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y);
          if (across > 3 && down > 3) problems.push(`${{a.name}} lies on ${{b.name}}`);
        }}));
        return problems;
        """,
    )
    return found
