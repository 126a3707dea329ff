"""Command that runs a study, or joins it: python -m tempotron_core.sweep."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from tempotron_core.command_line import CommandParser, Interrupt, print_error, print_report
from tempotron_core.data import datasets
from tempotron_core.studies.plan import PRUNERS, SAMPLERS, StudyError, StudyPlan
from tempotron_core.studies.storage import HEARTBEAT_SECONDS, StudyPlace, load_plan, load_study, open_study
from tempotron_core.studies.worker import Outcome, Worker, lineages, selected_trial
from tempotron_core.train import training_parser
from tempotron_core.training.settings import TrainingError
from tempotron_core.training.snapshot import Snapshot

__all__ = ["main", "plan_of_arguments"]

_EPILOG = (
    "All options of python -m tempotron_core.train are taken as well, for what does not vary; see its --help. Start "
    "the command several times, on any machines, to share the trials; name the same --study and storage."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or join a study with these command-line arguments; the last line printed is one JSON object."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with Interrupt() as interrupt:
        try:
            return _run(arguments, interrupt)
        except (ValueError, TypeError, datasets.DataError, StudyError, TrainingError) as error:
            print_error(error)
            return 2
        except KeyboardInterrupt:
            print_error("Stopped; start the command again to go on.")
            return interrupt.exit_code


def plan_of_arguments(arguments: Sequence[str]) -> StudyPlan:
    """Return the plan that command-line arguments describe, without held-out samples unless they are named.

    Raises:
        StudyError, TypeError, ValueError: where there is none.
    """
    options, given, place = _read(arguments)
    return _plan(options, given, place)


def _read(arguments: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any], StudyPlace]:
    options, others = _parser().parse_known_args(arguments)
    given = vars(training_parser(with_defaults=False, prog="sweep").parse_args(others))
    for name in ("download", "resume", "start_from"):
        if given.pop(name, None):
            raise StudyError(
                f"--{name.replace('_', '-')}: expected options of a study, got one of a single training; leave it out."
            )
    place = StudyPlace(options.study, given.get("log_dir", "runs"), options.storage, options.heartbeat)
    return options, given, place


def _run(arguments: list[str], interrupt: Interrupt) -> int:
    options, given, place = _read(arguments)
    plan = _plan(options, given, place)
    local = {name: given[name] for name in ("device",) if name in given}
    given["dataset"], given["dataset_dir"] = datasets.locate(
        given.get("dataset", plan.given.get("dataset")), given.get("dataset_dir")
    )
    local["dataset_dir"] = given["dataset_dir"]
    dataset = datasets.load(given["dataset"], given["dataset_dir"])
    study, plan = open_study(place, plan.with_validation(dataset))
    began, cpu_began = time.monotonic(), time.process_time()

    def show(number: int, trial: Any) -> None:
        # Optuna gives a pruned trial the last accuracy before it was ended, and names failed trials FAIL.
        state = {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
        result = f"validation accuracy {trial.value:.2%}" if state == "complete" else state
        values = " ".join(f"{name}={value}" for name, value in trial.params.items())
        print_error(f"trial {number + 1} of {plan.trials}: {result} ({values})")

    def keep_going(snapshot: Snapshot, log: str) -> bool:
        return not interrupt.requested

    worker = Worker(study, plan, place, dataset, local, on_snapshot=keep_going, on_trial=show)
    with interrupt.deferred():
        outcome = worker.run(options.time_budget * 60, lambda: not interrupt.requested)
    if outcome.interrupted:
        print_error("Stopped; start the command again to go on.")
    elif outcome.budget_spent:
        print_error("The time budget is spent; start the command again to go on.")
    summary = _summary(worker, outcome)
    summary |= {"seconds": time.monotonic() - began, "cpu_seconds": time.process_time() - cpu_began}
    print_report(json.dumps(summary))
    return interrupt.exit_code if outcome.interrupted else 0


def _plan(options: argparse.Namespace, given: dict[str, Any], place: StudyPlace) -> StudyPlan:
    """Return the plan of the options, or of the study where no space is given."""
    named = {name: getattr(options, name) for name in ("trials", "seeds", "sampler", "pruner")}
    named = {name: value for name, value in named.items() if value is not None}
    settings = {name: value for name, value in given.items() if name not in ("device", "dataset_dir", "log_dir")}
    if options.space is not None:
        settings["dataset"], _ = datasets.locate(settings.get("dataset"), given.get("dataset_dir"))
        return StudyPlan(options.space, settings, **named)
    stored = load_plan(load_study(place))
    record = stored.to_record()
    return StudyPlan(**{**record, **named, "given": {**record["given"], **settings}})


def _summary(worker: Worker, outcome: Outcome) -> dict[str, Any]:
    progress = worker.progress()
    test = worker.study.user_attrs.get("test", {})
    summary: dict[str, Any] = {
        "study": worker.place.name,
        "log_dir": str(worker.place.folder),
        "trials": {"planned": progress.planned, "done": progress.done, "by_this_process": len(outcome.trials)},
        "interrupted": outcome.interrupted,
    }
    found = selected_trial(lineages(worker.study.get_trials(deepcopy=False)))
    if found is not None:
        number, best = found
        summary["selected"] = {
            "trial": number,
            "settings": best.params,
            "validation_accuracy": best.value,
            "test_accuracy": test.get(str(best.number)),
            "runs": best.user_attrs.get("runs", []),
        }
    return summary


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="tempotron-explorer sweep",
        description="Train over a space of settings. Trials are compared on held-out training samples; the test set is "
        "used once, for the selected trial.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--study", required=True, metavar="NAME", help="name of the study, new or to be joined")
    parser.add_argument(
        "--space",
        metavar="TEXT",
        help="what varies, such as 'beta=1..4 m=4,6,8,16 tau=log:5..100'; not needed to join a study",
    )
    parser.add_argument("--trials", type=int, help="combinations of values (default: 40)")
    parser.add_argument("--seeds", type=int, help="trainings of each combination (default: 1)")
    parser.add_argument("--sampler", choices=SAMPLERS, help="how values are chosen (default: tpe)")
    parser.add_argument(
        "--pruner", choices=PRUNERS, help="rule that ends trials of low accuracy early (default: median)"
    )
    parser.add_argument(
        "--time-budget", type=float, default=float("inf"), metavar="MINUTES", help="no trial begins after this time"
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="URL of a database, or path of a journal file; default: an SQLite file beside the runs",
    )
    parser.add_argument(
        "--heartbeat",
        type=int,
        default=HEARTBEAT_SECONDS,
        metavar="SECONDS",
        help="interval of the heartbeat; after three intervals without one a trial is repeated (default: 10)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
