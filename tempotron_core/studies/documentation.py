"""Tables of the documentation, written from stored results: python -m tempotron_core.report --documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from tempotron_core.experiments.published_curve import accuracies_by_recipe, load_record
from tempotron_core.studies.space import format_value

__all__ = ["README", "RECORDS", "make_sections", "rewrite"]

README = Path(__file__).resolve().parents[1] / "README.md"
RECORDS = Path(__file__).with_name("records")

_REGIMES = {
    "as-published": "`as-published`: gradients never cleared",
    "reference": "`reference`: cleared",
    "cross-entropy": "`cross-entropy`",
    "over-fitting": "`over-fitting`",
}


def make_sections() -> dict[str, str]:
    """Return the Markdown of each table by the name of its section."""
    sections = {"published curve": _published_table(load_record())}
    for file in sorted(RECORDS.glob("*.json")):
        sections[f"study {file.stem}"] = _study_table(json.loads(file.read_text()))
    return sections


def rewrite(text: str, sections: dict[str, str]) -> str:
    """Return a text with what stands between `<!-- NAME -->` and `<!-- /NAME -->` replaced.

    Raises:
        ValueError: for a section that the text does not have.
    """
    for name, content in sections.items():
        pattern = re.compile(f"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(
                f"documentation: expected the section <!-- {name} -->, found none; add it where the table belongs."
            )
        text = pattern.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)  # type: ignore[misc]
    return text


def _published_table(record: dict[str, Any]) -> str:
    test, train = (accuracies_by_recipe(record, name) for name in ("test_accuracy", "train_accuracy"))
    seeds = max(len(values) for values in test.values())
    title = f"test accuracy after epochs 1 to {len(record['runs'][0]['test_accuracy'])}, %"
    rows = [f"| | {title}{f', mean of {seeds} seeds' if seeds > 1 else ''} |", "|---|---|"]
    for recipe in test:
        values = ", ".join(f"{100 * value:.1f}" for value in np.mean(test[recipe], axis=0))
        last = 100 * float(np.mean(train[recipe], axis=0)[-1])
        rows.append(f"| {_REGIMES[recipe]} | {values}; training accuracy at last {last:.1f} |")
    names = {"pixels": "the raw pixels", "gaussian": "the Gaussian features", "spikes": "the spike times"}
    for features, values in record["linear_test_accuracy"].items():
        rows.append(f"| linear classifier on {names[features]} | {', '.join(f'{100 * v:.1f}' for v in values)} |")
    return "\n".join(rows)


def _study_table(record: dict[str, Any]) -> str:
    names = [part.partition("=")[0] for part in record["plan"]["space"].split()]
    rows = [
        f"`{record['command']}`",
        "",
        f"| {' | '.join(names)} | held-out samples, % | mean | test set, % |",
        "|" + "---|" * (len(names) + 3),
    ]
    trials = sorted(record["trials"], key=lambda one: (-float(np.mean(one["held_out_accuracy"])), one["number"]))
    for one in trials:
        values = " | ".join(f"`{format_value(one['values'][name])}`" for name in names)
        held_out = ", ".join(f"{100 * value:.1f}" for value in one["held_out_accuracy"])
        test = ", ".join(f"{100 * value:.1f}" for value in one["test_accuracy"] or ()) or "–"
        rows.append(f"| {values} | {held_out} | {100 * float(np.mean(one['held_out_accuracy'])):.1f} | {test} |")
    return "\n".join(rows)
