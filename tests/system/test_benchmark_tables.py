"""The tables of tests/benchmarks/README.md, written from the JSON of the benchmarks."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = next(folder for folder in Path(__file__).parents if folder.name == "tests") / "benchmarks"
SECTIONS = ("engine", "sizes", "formulations", "pages", "first paint", "first load")

STEP = {"median": 0.00232, "low": 0.0017, "high": 0.00314, "n": 500}
ENGINE = {
    "peers": {
        "this project, training loop": {"step": STEP, "peak_mb": 995.2, "epoch": STEP | {"median": 2.0}},
        "this project, public call": {"step": STEP | {"median": 0.005}, "peak_mb": 700.0},
        "SpikingJelly 2.0.0": {"step": {"median": 0.5, "low": 0.25, "high": 0.75, "n": 20}, "peak_mb": 2860.0},
    },
    "training_loop": {
        "samples": 60_000, "preparation_seconds": 1.8, "preparation_mb": 204.0, "gather_seconds": 0.0003,
        "gather_share": 0.15, "evaluated": 10_000, "evaluation": STEP,
        "scaling": [
            {"against": "m", "value": 4, "seconds": 0.0018, "spikes": 1.0},
            {"against": "m", "value": 8, "seconds": 0.002, "spikes": 1.0},
            {"against": "T", "value": 50, "seconds": 0.0022, "spikes": 1.0},
        ],
    },
}  # fmt: skip
PAGE = {"median": 114.2, "p95": 136.0, "bare_median": 113.0, "bare_p95": 130.0, "ratio": 1.01, "ratio_p95": 1.05}
PAGES = {
    "controls": {"Encoder: m": PAGE | {"bytes": 53_100}},
    "first_paint": {"Overview": PAGE},
    "idle_bytes": {"Overview": 0},
    "training": {
        "ticks": {"bytes_median": 40_100, "seconds_apart_median": 1.21},
        "controls": {"Encoder: m": {"median": 120.0, "p95": 150.0}},
        "slowdown": {"ratio": 1.02},
    },
}
SPEED = {
    "machine": "2 cores", "engine": ENGINE, "pages": PAGES,
    "formulations": {"spikes found": {"numpy flatnonzero": 0.2, "torch nonzero": 0.31}},
}  # fmt: skip
FIRST_LOAD = {"cold": True, "page": "overview", "seconds": {"listening": [2.0, 1.0, 4.0], "figure": []}}


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    return Path(shutil.copy(BENCHMARKS / "README.md", tmp_path))


def write_tables(readme: Path, *reports: Any, commit: str | None = None) -> subprocess.CompletedProcess[str]:
    files = []
    for number, report in enumerate(reports):
        files.append(readme.with_name(f"{number}.json"))
        files[-1].write_text(report if isinstance(report, str) else json.dumps(report))
    command = [sys.executable, str(BENCHMARKS / "tables.py"), *map(str, files), "--readme", str(readme)]
    return subprocess.run([*command, *(["--commit", commit] if commit else [])], capture_output=True, text=True)


def read_section(readme: Path, name: str) -> str:
    return readme.read_text().split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0]


def test_all_sections_are_written_and_the_rest_stays(readme: Path) -> None:
    before = readme.read_text()
    result = write_tables(readme, SPEED, FIRST_LOAD, commit="abc1234")
    assert result.returncode == 0, result.stderr
    for name in SECTIONS:
        assert "abc1234" in read_section(readme, name)
        before = before.replace(before.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0], "")
    after = readme.read_text()
    for name in SECTIONS:
        after = after.replace(f"{read_section(readme, name)}\n", "")
    assert after == before
    written = readme.read_text()
    assert write_tables(readme, SPEED, FIRST_LOAD, commit="abc1234").returncode == 0
    assert readme.read_text() == written


def test_figures_of_the_training_step(readme: Path) -> None:
    write_tables(readme, SPEED)
    lines = read_section(readme, "engine").splitlines()
    assert lines[0] == "Measured at commit not recorded; machine: 2 cores."
    assert "| this project, training loop | 2.32 ms (1.70–3.14) | 2.00 s | 995 MB |  |  |" in lines
    # 938 steps of 5 ms and of 0.5 s; ratios to 2 s an epoch and 5 ms a step
    assert "| this project, public call | 5.00 ms (1.70–3.14) | 4.69 s * | 700 MB |  |  |" in lines
    assert "| SpikingJelly 2.0.0 | 0.50 s (0.25–0.75) | 8 min * | 2,860 MB | 234 × | 100 × |" in lines
    assert "| m 4, 8 | 1.8, 2.0 |" in read_section(readme, "sizes")
    assert "| spikes found | torch nonzero | 0.31 |" in read_section(readme, "formulations")


def test_figures_of_the_pages(readme: Path) -> None:
    write_tables(readme, SPEED)
    assert "| Encoder: m | 114 (136) | 113 | 1.01 | 53 KB | 120 (150) |" in read_section(readme, "pages")
    assert "40 KB every 1.2 s" in read_section(readme, "pages")
    assert "| Overview | 114 (136) | 113 | 1.01 |" in read_section(readme, "first paint")


def test_first_loads_of_several_pages_are_columns(readme: Path) -> None:
    write_tables(readme, FIRST_LOAD, FIRST_LOAD | {"page": "encoder", "cold": False})
    text = read_section(readme, "first load")
    assert "| step | overview, cold disk cache | encoder, warm disk cache |" in text
    assert "| listening | 2.00 (1.00–4.00) | 2.00 (1.00–4.00) |" in text
    assert "| figure | – | – |" in text


def test_a_partial_report_leaves_other_sections(readme: Path) -> None:
    engine = read_section(readme, "engine")
    write_tables(readme, {"machine": "another", "pages": PAGES})
    assert read_section(readme, "engine") == engine
    assert "another" in read_section(readme, "pages")


@pytest.mark.parametrize("report", ["{", "[]", {"machine": "2 cores"}, {"engine": {"peers": {}}}], ids=str)
def test_an_unusable_report_changes_nothing(report: Any, readme: Path) -> None:
    before = readme.read_text()
    result = write_tables(readme, SPEED, report)
    assert result.returncode == 2
    assert "expected" in result.stderr and len(result.stderr.splitlines()) == 1
    assert readme.read_text() == before


def test_a_missing_comment_is_reported(readme: Path) -> None:
    readme.write_text(readme.read_text().replace("<!-- /engine -->", ""))
    result = write_tables(readme, SPEED)
    assert result.returncode == 2 and "<!-- /engine -->" in result.stderr
