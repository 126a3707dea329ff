"""Accuracy on photographed digits: python tests/benchmarks/photographs.py [--digits 500] [--seed 0] [--json FILE].

Each of the first embedded test digits is rendered as ink on paper once per disturbance, with random parameters, read
from the file as an upload is, and classified by a network that is trained first. Prints a table with the accuracy as a
share of that on the original digits. Exits with 1 if a share is under 85 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

import numpy as np
import torch
from helpers.photographs import ROWS

from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import datasets
from tempotron_core.data.digit_normalisation import DrawingError, normalise, read_picture
from tempotron_core.model.classifier import Model
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings

LEAST_SHARE = 0.85


def train_network() -> Model:
    """Return a network trained on the embedded digits for some seconds."""
    model = None
    for snapshot in train_model(Settings(epochs=8, m=6, tau=60.0, tau_s=15.0), datasets.load()):
        model = snapshot.model or model
    assert model is not None
    return model


def measure_row(name: str, model: Model, digits: datasets.Split, seed: int) -> dict[str, Any]:
    """Return accuracy, refused pictures, doubtful ones and time of one disturbance."""
    images, refused, doubtful = np.zeros((len(digits), 28, 28), np.uint8), 0, 0
    seconds = 0.0
    for index, digit in enumerate(digits.images.numpy()):
        content = ROWS[name](digit, np.random.default_rng([seed, list(ROWS).index(name), index]))
        began = time.perf_counter()
        try:
            found = normalise(read_picture(content))
            images[index] = found.image
            doubtful += bool(found.doubt)
        except DrawingError:
            refused += 1
        seconds += time.perf_counter() - began
    correct = 0
    known = torch.from_numpy(images.any(axis=(1, 2)))
    if known.any():
        split = datasets.Split(torch.from_numpy(images)[known], digits.labels[known])
        correct = round(evaluate(model, split).accuracy * len(split))
    return {
        "accuracy": correct / len(digits),
        "refused": refused,
        "doubtful": doubtful,
        "ms": seconds / len(digits) * 1e3,
    }


def measure(num_digits: int = 500, seed: int = 0, names: tuple[str, ...] = tuple(ROWS)) -> dict[str, Any]:
    """Return the accuracy on the originals and the figures of each disturbance."""
    model, test = train_network(), datasets.load().test
    digits = datasets.Split(test.images[:num_digits], test.labels[:num_digits])
    original = evaluate(model, digits).accuracy
    rows = {}
    for name in names:
        rows[name] = measure_row(name, model, digits, seed)
        rows[name]["share"] = rows[name]["accuracy"] / original
    return {"digits": len(digits), "seed": seed, "original": original, "rows": rows}


def format_report(report: dict[str, Any]) -> str:
    """Return the report as a table."""
    lines = [
        f"{report['digits']} embedded test digits; accuracy on the originals {report['original']:.1%}.",
        "",
        "| picture | accuracy | share of the originals' | refused | marked as doubtful | ms to read |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in report["rows"].items():
        lines.append(
            f"| {name} | {row['accuracy']:.1%} | {row['share']:.1%} | {row['refused']} | {row['doubtful']} | "
            f"{row['ms']:.0f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks/photographs.py", description=__doc__)
    parser.add_argument("--digits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=tuple(ROWS), action="append", help="one disturbance; may be repeated")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    report = measure(options.digits, options.seed, tuple(options.only or ROWS))
    print(format_report(report), flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return 0 if all(row["share"] >= LEAST_SHARE for row in report["rows"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
