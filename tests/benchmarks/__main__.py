"""Every benchmark in one go: python tests/benchmarks [--dataset-dir DIR] [--peer FOLDER ...] [--json FILE]."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

import torch

PARTS = ("engine", "formulations", "pages")


def machine() -> str:
    """The machine in words."""
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    parts = [
        f"{os.cpu_count()} cores" + (f" ({names[0]})" if names else ""),
        f"{memory[0] / 2**20:.0f} GiB" if memory else "memory unknown",
        platform.machine(),
        f"Python {platform.python_version()}",
        f"torch {torch.__version__} on {torch.get_num_threads()} threads",
    ]
    return ", ".join(parts)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("--dataset-dir", help="folder with all of MNIST; the embedded digits without it")
    parser.add_argument("--peer", action="append", default=[], help="folder with an unpacked release of SpikingJelly")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it works")
    options = parser.parse_args()
    chosen = options.only or PARTS
    warnings.filterwarnings("ignore", message="Sparse")
    report: dict[str, Any] = {"machine": machine()}
    print(f"Machine: {report['machine']}\n", flush=True)
    if "engine" in chosen:
        import comparison

        report["engine"] = comparison.measure(options.dataset_dir, options.peer, options.quick)
        print(comparison.format_report(report["engine"]) + "\n", flush=True)
    if "formulations" in chosen:
        import formulations

        report["formulations"] = formulations.measure(options.quick)
        print(formulations.format_report(report["formulations"]) + "\n", flush=True)
    if "pages" in chosen:
        import dashboard

        report["pages"] = dashboard.measure(4 if options.quick else 20)
        print(dashboard.format_report(report["pages"]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
