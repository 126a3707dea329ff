"""Write the tables of tests/benchmarks/README.md from the JSON files of the benchmarks.

    python tests/benchmarks/tables.py FILE.json [FILE.json ...] [--commit HASH]

A file is the report of `python tests/benchmarks --json FILE` or of `python tests/benchmarks/first_load.py --json FILE`.
Only the sections that a file has figures for are rewritten. A section is what stands between the comments
`<!-- NAME -->` and `<!-- /NAME -->`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

README = Path(__file__).with_name("README.md")
SECTIONS = ("engine", "sizes", "formulations", "pages", "first paint", "first load")
_OWN = "this project"
_DASH = "–"


class ReportError(Exception):
    """A report or a README that cannot be used; the message is one sentence."""


def make_sections(reports: list[dict[str, Any]]) -> dict[str, str]:
    """Return the Markdown of each section that the reports have figures for.

    Args:
        reports: contents of the JSON files; a later one replaces the sections of an earlier one, except that
            first-load reports of several pages become columns of one table
    """
    sections: dict[str, str] = {}
    first_loads: list[dict[str, Any]] = []
    for report in reports:
        source = _describe_source(report)
        if "seconds" in report and "cold" in report:
            first_loads.append(report)
            continue
        found = {}
        if "engine" in report:
            found["engine"] = _engine(report["engine"])
            found["sizes"] = _sizes(report["engine"]["training_loop"]["scaling"])
        if "formulations" in report:
            found["formulations"] = _formulations(report["formulations"])
        if "pages" in report:
            found["pages"] = _pages(report["pages"])
            found["first paint"] = _first_paint(report["pages"]["first_paint"])
        if not found:
            raise ReportError(
                f"expected a report with engine, formulations, pages or first-load seconds, got the keys "
                f"{', '.join(report) or 'none'}; pass a file that a benchmark wrote with --json."
            )
        sections |= {name: f"{source}\n\n{text}" for name, text in found.items()}
    if first_loads:
        sections["first load"] = f"{_describe_source(first_loads[-1])}\n\n{_first_load(first_loads)}"
    return sections


def replace_sections(text: str, sections: dict[str, str]) -> str:
    """Return the Markdown with these sections replaced.

    Raises:
        ReportError: if a section is not marked exactly once.
    """
    for name, content in sections.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        counts = text.count(begin), text.count(end)
        if counts != (1, 1) or text.index(begin) > text.index(end):
            raise ReportError(
                f"section {name!r}: expected one {begin} before one {end}, got {counts[0]} and {counts[1]}; "
                "restore the comments."
            )
        text = f"{text[: text.index(begin)]}{begin}\n{content}\n{text[text.index(end) :]}"
    return text


def _describe_source(report: dict[str, Any]) -> str:
    commit = f"commit {report['commit']}" if report.get("commit") else "commit not recorded"
    return f"Measured at {commit}; machine: {report.get('machine') or 'not recorded'}."


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" if line[0] != "---" else f"|{'|'.join(line)}|" for line in lines)


def _seconds(spread: dict[str, float]) -> str:
    low, median, high = (spread[name] for name in ("low", "median", "high"))
    if median < 0.1:
        return f"{median * 1e3:.2f} ms ({low * 1e3:.2f}{_DASH}{high * 1e3:.2f})"
    return f"{median:.2f} s ({low:.2f}{_DASH}{high:.2f})"


def _engine(report: dict[str, Any]) -> str:
    training_loop, rows = report["training_loop"], report["peers"]
    samples, own = training_loop["samples"], [title for title in rows if title.startswith(_OWN)]
    loop = next(rows[title] for title in own if "epoch" in rows[title])["epoch"]["median"]
    call = next(rows[title] for title in own if "epoch" not in rows[title])["step"]["median"]
    cells = []
    for title, row in rows.items():
        step, measured = row["step"], "epoch" in row
        # An epoch that was not run: median step times the steps of batch 64.
        epoch = row["epoch"]["median"] if measured else step["median"] * -(-samples // 64)
        ratios = [f"{epoch / loop:,.0f} ×", f"{step['median'] / call:,.0f} ×"] if title not in own else ["", ""]
        epoch_text = f"{epoch:.2f} s" if epoch < 100 else f"{epoch / 60:,.0f} min"
        cells.append(
            [title, _seconds(step), epoch_text + ("" if measured else " *"), f"{row['peak_mb']:,.0f} MB", *ratios]
        )
    header = ["", "training step", f"epoch of {samples:,}", "peak memory", "epoch / our loop", "step / our call"]
    return (
        f"{_table(header, cells)}\n\n"
        "\\* median step times the steps of an epoch.\n\n"
        f"Preparing {samples:,} samples takes {training_loop['preparation_seconds']:.2f} s and "
        f"{training_loop['preparation_mb']:,.0f} MB, evaluating {training_loop['evaluated']:,} takes "
        f"{_seconds(training_loop['evaluation'])}. The gather-sums are {training_loop['gather_share']:.0%} of a step."
    )


def _sizes(points: list[dict[str, Any]]) -> str:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        grouped.setdefault(point["against"], []).append(point)
    rows = [
        [
            f"{name} {', '.join(str(point['value']) for point in group)}",
            ", ".join(f"{point['seconds'] * 1e3:.1f}" for point in group),
        ]
        for name, group in grouped.items()
    ]
    return _table(["one size changed, the others as above", "training step, ms"], rows)


def _formulations(report: dict[str, dict[str, float]]) -> str:
    rows = [[part, way, f"{ms:.2f}"] for part, ways in report.items() for way, ms in ways.items()]
    return _table(["part of a step (the first variant is the one in use)", "variant", "ms"], rows)


def _milliseconds(row: dict[str, float]) -> str:
    return f"{row['median']:.0f} ({row['p95']:.0f})"


def _pages(report: dict[str, Any]) -> str:
    training = report["training"]
    rows = [
        [
            name, _milliseconds(row), f"{row['bare_median']:.0f}", f"{row['ratio']:.2f}",
            f"{row['bytes'] / 1e3:.0f} KB", _milliseconds(training["controls"][name]),
        ]
        for name, row in report["controls"].items()
    ]  # fmt: skip
    header = ["control", "median (95 %), ms", "bare script", "ratio", "received", "during a training, ms"]
    ticks, slowdown = training["ticks"], training["slowdown"]["ratio"]
    return (
        f"{_table(header, rows)}\n\n"
        f"A live refresh of Training sends {ticks['bytes_median'] / 1e3:.0f} KB every "
        f"{ticks['seconds_apart_median']:.1f} s. With the page open an epoch takes {slowdown:.2f} times as long. "
        f"An idle page receives {max(report['idle_bytes'].values())} bytes in five seconds."
    )


def _first_paint(report: dict[str, Any]) -> str:
    rows = [
        [name, _milliseconds(row), f"{row['bare_median']:.0f}", f"{row['ratio']:.2f}"] for name, row in report.items()
    ]
    return _table(["page", "first paint, median (95 %), ms", "bare script", "ratio"], rows)


def _first_load(reports: list[dict[str, Any]]) -> str:
    steps = list(dict.fromkeys(step for report in reports for step in report["seconds"]))

    def cell(values: list[float]) -> str:
        return f"{statistics.median(values):.2f} ({min(values):.2f}{_DASH}{max(values):.2f})" if values else _DASH

    rows = [[step, *(cell(report["seconds"].get(step, [])) for report in reports)] for step in steps]
    columns = [f"{report['page']}, {'cold' if report['cold'] else 'warm'} disk cache" for report in reports]
    return f"Seconds, median (smallest{_DASH}largest).\n\n{_table(['step', *columns], rows)}"


def _read(file: Path, commit: str | None) -> dict[str, Any]:
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(f"{file}: expected a JSON file of a benchmark, got {error}; check the path.") from error
    if not isinstance(report, dict):
        raise ReportError(f"{file}: expected a JSON object, got {type(report).__name__}; pass a file of a benchmark.")
    return report | ({"commit": commit} if commit else {})


def main() -> int:
    """Rewrite the sections and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.json")
    parser.add_argument("--commit", help="the commit that was measured, if the file does not name it")
    parser.add_argument("--readme", type=Path, default=README)
    options = parser.parse_args()
    try:
        sections = make_sections([_read(file, options.commit) for file in options.files])
        text = replace_sections(options.readme.read_text(encoding="utf-8"), sections)
    except ReportError as error:
        print(error, file=sys.stderr)
        return 2
    except (KeyError, TypeError, StopIteration) as error:
        print(f"expected a complete report of a benchmark, got one without {error}; measure again.", file=sys.stderr)
        return 2
    options.readme.write_text(text, encoding="utf-8")
    print(f"{options.readme}: {', '.join(sections)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
