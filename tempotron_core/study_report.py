"""A study as one HTML page, as a notebook, and as the record from which the documentation is written."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from tempotron_core import figures
from tempotron_core.data import datasets
from tempotron_core.figures.html.report import report_page
from tempotron_core.interchange.notebook import to_notebook
from tempotron_core.studies.explanation import explain
from tempotron_core.studies.plan import StudyPlan
from tempotron_core.studies.space import format_value
from tempotron_core.studies.trials import StudyReader, TrialRecord, group_curves, ranked

__all__ = ["study_command", "study_notebook", "study_page", "study_record", "trial_command"]

_ROWS = 50


def study_command(name: str, plan: StudyPlan) -> str:
    """Return the command that repeats a study; the folder of the data is left as DIR."""
    parts = ["tempotron-explorer", "sweep", "--study", name, "--space", " ".join(map(str, plan.parameters))]
    parts += ["--trials", str(plan.trials), "--seeds", str(plan.seeds)]
    parts += ["--sampler", plan.sampler, "--pruner", plan.pruner]
    return shlex.join([*parts, *_options(plan.given)])


def trial_command(plan: StudyPlan, trial: TrialRecord, seed: int = 0) -> str:
    """Return the command that repeats one training of a trial, bit for bit on the CPU."""
    values = {**plan.given, **trial.values, "seed": plan.first_seed + seed}
    return shlex.join(["tempotron-explorer", "train", *_options(values)])


def _options(values: Mapping[str, Any]) -> list[str]:
    parts = []
    for name, value in values.items():
        option = f"--{name if len(name) == 1 else name.replace('_', '-')}"
        if isinstance(value, bool):
            parts.append(option if value else f"--no-{option[2:]}")
        elif value is not None:
            parts += [option, format_value(value)]
    if values.get("dataset") not in (None, datasets.EMBEDDED, *datasets.TABLES):
        parts += ["--dataset-dir", "DIR"]
    return parts


def study_page(reader: StudyReader) -> str:
    """Return a study as an HTML page with its figures, which needs no network."""
    records, plan = reader.records(), reader.plan
    complete = [one for one in records if one.is_complete]
    best = next(iter(ranked(complete)), None)
    command = study_command(reader.place.name, plan)
    parts: list[tuple[str, Any]] = [("text", _summary(reader, records, best)), ("code", command)]
    if best is not None:
        parts += [("heading", f"Selected trial {best.number}"), ("code", trial_command(plan, best))]
    sentences = explain(records)
    parts += [("text", sentence) for sentence in sentences]
    if sentences:
        parts.append(("text", "A rank correlation over the complete trials describes them; it does not show a cause."))
    names = [parameter.name for parameter in plan.parameters]
    for parameter in plan.parameters:
        groups = group_curves(complete, parameter)
        bands = figures.BandsInfo(
            tuple(group.label for group in groups), tuple(group.mean for group in groups),
            tuple(group.deviation for group in groups), tuple(group.runs for group in groups),
        )  # fmt: skip
        parts += [("heading", f"Curves by {parameter.name}"), ("text", bands.takeaway)]
        parts.append(("figure", figures.bands_figure(bands)))
    for kind in figures.STUDY_FIGURES:
        parts += [("heading", kind), ("figure", figures.study_figure(kind, reader.complete_trials(), names))]
    parts.append(("heading", "Trials, best first"))
    if len(records) > _ROWS:
        parts.append(("text", f"The first {_ROWS} of {len(records):,}."))
    rows = [["trial", "state", "held out, %", *names, "seconds"]]
    for one in ranked(records)[:_ROWS]:
        accuracy = "" if one.accuracy is None else f"{100 * one.accuracy:.2f}"
        values = [format_value(one.values[name]) if name in one.values else "" for name in names]
        rows.append([str(one.number), one.state, accuracy, *values, f"{one.seconds:.1f}"])
    parts.append(("table", rows))
    return report_page(f"Study {reader.place.name}", parts)


def study_notebook(reader: StudyReader) -> str:
    """Return a Jupyter notebook that repeats the study and shows its trials; its first cell summarises the results."""
    records, plan, name = reader.records(), reader.plan, reader.place.name
    best = next((one for one in ranked(records) if one.is_complete), None)
    title = f'"""Study {name}. {_summary(reader, records, best)}"""'
    cells = [
        title,
        f"# Repeats the study; where the folder runs has its trials, they are only read.\n!{study_command(name, plan)}",
    ]
    cells.append(
        "from tempotron_core.studies.explanation import explain\n"
        "from tempotron_core.studies.storage import StudyPlace\n"
        "from tempotron_core.studies.trials import StudyReader, ranked"
    )
    cells.append(f"reader = StudyReader(StudyPlace({name!r}))\nrecords = reader.records()\nranked(records)[:10]")
    cells.append('print("\\n".join(explain(records)))')
    cells.append(
        "from tempotron_core import figures\n"
        "names = [parameter.name for parameter in reader.plan.parameters]\n"
        'figures.study_figure("History", reader.complete_trials(), names)'
    )
    if best is not None:
        cells.append(f"# Repeats the selected trial alone.\n!{trial_command(plan, best)}")
    return to_notebook("\n\n".join(cells))


def study_record(reader: StudyReader) -> str:
    """Return the results of a study as JSON: plan, accuracies of the complete trials, test accuracy of the selected."""
    complete = [one for one in reader.records() if one.is_complete]
    record = {
        "study": reader.place.name,
        "command": study_command(reader.place.name, reader.plan),
        "plan": reader.plan.to_record(),
        "trials": [
            {
                "number": one.number,
                "values": one.values,
                "held_out_accuracy": [curve[-1] for curve in one.curves],
                "test_accuracy": reader.test_accuracy(one),
            }
            for one in complete
        ],
    }
    return json.dumps(record, indent=1) + "\n"


def _summary(reader: StudyReader, records: list[TrialRecord], best: TrialRecord | None) -> str:
    plan = reader.plan
    complete = sum(one.is_complete for one in records)
    pruned = sum(one.state == "pruned" for one in records)
    text = (
        f"{complete} complete and {pruned} pruned trials of {plan.trials} planned, {plan.seeds} training(s) each, "
        f"compared on {plan.given.get('validation')} held-out training samples."
    )
    if best is None:
        return text
    text += f" Selected: trial {best.number} with {100 * (best.accuracy or 0):.2f} % on these"
    test = reader.test_accuracy(best)
    if test is None:
        return f"{text}; the test set has not been used for it."
    shown = ", ".join(f"{100 * value:.2f}" for value in test)
    return f"{text} and {shown} % on the test set, which was used for no other choice."
