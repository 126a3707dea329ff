"""One process of a study: takes trials from the storage, trains them, reports, until none is left."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import datasets
from tempotron_core.data.datasets import Dataset
from tempotron_core.runs.catalogue import delete_run
from tempotron_core.runs.lock import RunLock
from tempotron_core.runs.reader import RunError, RunRecord, load_model
from tempotron_core.runs.writer import open_run_log
from tempotron_core.studies.plan import StudyError, StudyPlan
from tempotron_core.studies.quantities import measure
from tempotron_core.studies.storage import StudyPlace, import_optuna, load_plan, retry, retry_lost_trials, trial_lock
from tempotron_core.training.loop import train_model
from tempotron_core.training.resources import require_fits, set_threads
from tempotron_core.training.settings import TrainingError, fit_to_dataset
from tempotron_core.training.snapshot import Snapshot

if TYPE_CHECKING:
    import optuna

__all__ = ["Outcome", "Progress", "Worker", "lineages", "selected_trial"]

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """Numbers of the trials of a study by state.

    Attributes:
        planned: trials of the plan
        done: trials that are complete, pruned or failed for good
        running: trials in progress, and those that were lost and are not in the queue yet
    """

    planned: int
    done: int
    running: int
    waiting: int


@dataclass(frozen=True)
class Outcome:
    """Part of a study that one process has done.

    Attributes:
        trials: first numbers of the trials that ended in it
        interrupted: whether it was stopped within a trial
        budget_spent: whether its time ended before the trials did
        test_accuracy: accuracies of the selected trial on the test set, one a seed, if the process evaluated them
    """

    trials: tuple[int, ...] = ()
    interrupted: bool = False
    budget_spent: bool = False
    test_accuracy: tuple[float, ...] = ()


class _SurplusError(Exception):
    """Another process took the last trial at the same time."""


class _FailedError(Exception):
    """A trial cannot be trained; its problem is recorded."""


class _InterruptedError(Exception):
    """The process is to stop."""


def lineages(trials: list[optuna.trial.FrozenTrial]) -> dict[int, optuna.trial.FrozenTrial]:
    """Return the latest attempt of each trial by the number of the first one, without surplus ones."""
    retried_number = import_optuna().storages.RetryHeartbeatStaleTrialCallback.retried_trial_number
    latest: dict[int, Any] = {}
    for trial in trials:
        if "surplus" in trial.user_attrs:
            continue
        first = retried_number(trial)
        latest[trial.number if first is None else first] = trial
    return latest


def _is_lost(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether an attempt ended without a result and without a problem of its own."""
    return trial.state.name == "FAIL" and "problem" not in trial.user_attrs


def selected_trial(latest: Mapping[int, optuna.trial.FrozenTrial]) -> tuple[int, optuna.trial.FrozenTrial] | None:
    """Return the complete trial with the highest accuracy on held-out samples, the first of equal ones.

    Args:
        latest: latest attempts by the number of the first one, see lineages

    Returns:
        number of its first attempt, as in TrialRecord, and its latest attempt; None without a complete trial.
    """
    complete = [pair for pair in latest.items() if pair[1].state.name == "COMPLETE" and pair[1].value is not None]
    return min(complete, key=lambda pair: (-(pair[1].value or 0.0), pair[0]), default=None)


@dataclass
class Worker:
    """One process of a study.

    Attributes:
        study: open study
        plan: its plan
        place: location of the study
        dataset: data set of all trainings
        local: device and dataset_dir of this machine
        on_snapshot: called with every snapshot of a training; False stops the process and gives the trial back
        on_trial: called with the first number of each trial that has ended, and the trial
    """

    study: optuna.Study
    plan: StudyPlan
    place: StudyPlace
    dataset: Dataset
    local: Mapping[str, Any] = field(default_factory=dict)
    on_snapshot: Callable[[Snapshot, str], bool] = lambda snapshot, log: True
    on_trial: Callable[[int, optuna.trial.FrozenTrial], object] = lambda number, trial: None
    _done: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Split the data set once; every training uses the same held-out samples."""
        self._held_out = datasets.hold_out_validation(self.dataset, int(self.plan.given["validation"])).test

    def progress(self) -> Progress:
        """Return the numbers of trials by state."""
        optuna = import_optuna()
        state = optuna.trial.TrialState
        counts = {"done": 0, "running": 0, "waiting": 0}
        for trial in lineages(self.study.get_trials(deepcopy=False)).values():
            if trial.state == state.WAITING:
                counts["waiting"] += 1
            elif trial.state == state.RUNNING or _is_lost(trial):
                counts["running"] += 1
            else:
                counts["done"] += 1
        return Progress(self.plan.trials, **counts)

    def run(self, time_budget: float = math.inf, keep_going: Callable[[], bool] = lambda: True) -> Outcome:
        """Train trials until the plan is done; then evaluate the selected one on the test set, once.

        A process that finds all trials taken waits for their end, so that one that is lost is repeated.

        Args:
            time_budget: seconds after which no trial begins
            keep_going: called before each trial and while the process waits; False stops it

        Raises:
            StudyError: where the storage fails.
        """
        deadline = time.monotonic() + time_budget
        self._done = []
        interrupted = budget_spent = False
        try:
            while keep_going():
                retry_lost_trials(self.study, self.place)
                progress = self.progress()
                if progress.done >= progress.planned:
                    break
                if time.monotonic() >= deadline:
                    budget_spent = True
                    break
                if progress.waiting == 0 and progress.done + progress.running >= progress.planned:
                    self._repair()
                    time.sleep(_POLL_SECONDS)
                    continue
                self._run_one()
            else:
                interrupted = True
        except _InterruptedError:
            interrupted = True
        test_accuracy = () if interrupted else self._evaluate_selected()
        return Outcome(tuple(self._done), interrupted, budget_spent, test_accuracy)

    def _run_one(self) -> None:
        optuna = import_optuna()
        number, first, lock = -1, -1, None

        def objective(trial: Any) -> float:
            nonlocal number, first, lock
            number = trial.number
            if self.place.journal is not None:
                lock = trial_lock(self.place, number)
            first, rank = self._identify(trial)
            try:
                return self._train(trial, rank)
            except (optuna.TrialPruned, _FailedError, _InterruptedError, optuna.exceptions.OptunaError):
                raise
            except (ValueError, TypeError, RuntimeError, MemoryError, OSError) as error:
                # A trial whose end has no recorded problem counts as lost and would be repeated without end.
                reason = " ".join(str(error).split())[:300]
                trial.set_user_attr("problem", f"The trial ended by a {type(error).__name__} ({reason}).")
                raise _FailedError from error

        try:
            self.study.optimize(objective, n_trials=1, catch=(_SurplusError, _FailedError))
        except (_InterruptedError, KeyboardInterrupt):
            self._give_back(number)
            raise
        except optuna.exceptions.StorageInternalError as error:
            raise StudyError(
                f"storage: expected to write trial {number}, got {str(error)[:120]}; start the command again to go on."
            ) from error
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
            if number < 0 or self.study.trials[number].state == optuna.trial.TrialState.RUNNING:
                raise
            return  # another process counts this one as ended and repeats the trial
        finally:
            if lock is not None:
                self._release(lock, number)
        trial = self.study.trials[number]
        if "surplus" not in trial.user_attrs:
            self._done.append(first)
            self.on_trial(first, trial)

    def _identify(self, trial: optuna.Trial) -> tuple[int, int]:
        """Return the first number of a trial and its rank within the plan.

        Raises:
            _SurplusError: for one beyond the plan, and for a second attempt beside one that runs.
        """
        optuna = import_optuna()
        state = optuna.trial.TrialState
        trials = [one for one in self.study.get_trials(deepcopy=False) if "surplus" not in one.user_attrs]
        retried_number = optuna.storages.RetryHeartbeatStaleTrialCallback.retried_trial_number

        def first_number(one: Any) -> int:
            found = retried_number(one)
            return int(one.number if found is None else found)

        own = first_number(next(one for one in trials if one.number == trial.number))
        rank = len({first_number(one) for one in trials if first_number(one) < own})
        twins = (one for one in trials if first_number(one) == own and one.number < trial.number)
        if rank >= load_plan(self.study).trials or any(one.state != state.FAIL for one in twins):
            trial.set_user_attr("surplus", True)
            raise _SurplusError
        return own, rank

    def _train(self, trial: optuna.Trial, rank: int) -> float:
        """Train one combination with each seed and return the mean accuracy on the held-out samples."""
        optuna = import_optuna()
        self.study.sampler = self.plan.create_sampler(rank)
        values = {parameter.name: parameter.suggest(trial) for parameter in self.plan.parameters}
        self._discard(trial.user_attrs.get("runs", []))
        runs: list[str] = []
        curves: list[list[float]] = []
        seconds = 0.0
        measured: list[dict[str, float]] = []
        for seed in range(self.plan.seeds):
            curve: list[float] = []
            curves.append(curve)
            try:
                settings = self.plan.settings(values, seed, {**self.local, "log_dir": str(self.place.folder)})
                settings = fit_to_dataset(settings, self.dataset)
                set_threads(settings)
                require_fits(settings, self.dataset)
                last = None
                with open_run_log(settings) as log:
                    runs.append(log.path.name)
                    trial.set_user_attr("runs", runs)
                    for snapshot in train_model(settings, self.dataset):
                        log.write(snapshot)
                        last = snapshot
                        if not self.on_snapshot(snapshot, str(log.path)):
                            raise _InterruptedError
                        for result in snapshot.epochs[len(curve) :]:
                            curve.append(result.test_accuracy)
                            mean = sum(one[-1] for one in curves) / len(curves)
                            step = seed * settings.epochs + result.epoch
                            trial.report(mean, step)
                            if step < settings.epochs * self.plan.seeds and trial.should_prune():
                                self._record(trial, curves, seconds + last.training_seconds, measured)
                                raise optuna.TrialPruned
            except (ValueError, TypeError, RunError, TrainingError, datasets.DataError) as error:
                trial.set_user_attr("problem", str(error)[:500])
                raise _FailedError from error
            assert last is not None and last.model is not None
            seconds += last.training_seconds
            measured.append(
                measure(last.model, self._held_out, len(self.dataset.classes), len(last.epochs[-1].dead_outputs))
            )
        self._record(trial, curves, seconds, measured)
        return sum(curve[-1] for curve in curves) / len(curves)

    def _record(
        self, trial: optuna.Trial, curves: list[list[float]], seconds: float, measured: list[dict[str, float]]
    ) -> None:
        """Store curves [seeds][epochs], training time and mean quantities with a trial."""
        common = set.intersection(*map(set, measured)) if measured else set()
        means = {name: sum(one[name] for one in measured) / len(measured) for name in sorted(common)}
        trial.set_user_attr("result", {"curves": curves, "seconds": seconds, "quantities": means})

    def _evaluate_selected(self) -> tuple[float, ...]:
        """Evaluate the selected trial on the test set unless that has been done; return the accuracies.

        The process that has ended the last trial does it; or, at a restart, one that has found nothing else to do.
        """
        optuna = import_optuna()
        trials = lineages(self.study.get_trials(deepcopy=False))
        found = selected_trial(trials)
        running = any(one.state == optuna.trial.TrialState.RUNNING for one in trials.values())
        if running or found is None:
            return ()
        number, selected = found
        _, last = max((one.datetime_complete, first) for first, one in trials.items() if one.datetime_complete)
        if self._done and last not in self._done:
            return ()
        evaluations = dict(self.study.user_attrs.get("test", {}))
        if str(selected.number) in evaluations:
            return ()
        try:
            folders = [self.place.folder / name for name in selected.user_attrs["runs"]]
            accuracies = [evaluate(load_model(folder), self.dataset.test).accuracy for folder in folders]
        except (RunError, OSError) as error:
            raise StudyError(
                f"trial {number}: expected its runs in {str(self.place.folder)!r}, got {str(error)[:160]}; "
                "start the command on the machine that has them to evaluate them on the test set."
            ) from error
        evaluations[str(selected.number)] = accuracies
        self.study.set_user_attr("test", evaluations)
        return tuple(accuracies)

    def _repair(self) -> None:
        """Queue lost trials that are in no queue: a process was killed while it put them there."""
        for trial in lineages(self.study.get_trials(deepcopy=False)).values():
            ended = trial.datetime_complete
            if _is_lost(trial) and ended and (datetime.now() - ended).total_seconds() > self.place.heartbeat:
                retry(self.study, trial)

    def _give_back(self, number: int) -> None:
        """Queue the trial in which this process was stopped; without that its end would count as a failure."""
        optuna = import_optuna()
        if number < 0:
            return
        trial = self.study.trials[number]
        if trial.state == optuna.trial.TrialState.FAIL and "surplus" not in trial.user_attrs:
            retry(self.study, trial)

    def _discard(self, names: list[str]) -> None:
        """Delete the runs of an attempt that was interrupted; one that a process still writes is left."""
        for name in names:
            with suppress(RunError, OSError):
                if os.sep not in name and name not in ("", ".", ".."):
                    delete_run(RunRecord(self.place.folder / name))

    def _release(self, lock: RunLock, number: int) -> None:
        lock.close()
        folder = self.place.folder / "locks" / str(number)
        with suppress(OSError):
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
