"""Studies: trials that equal single runs, selection, extension, and processes that are killed."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch

from tempotron_core import sweep
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import datasets
from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.runs.reader import load_model, read_run
from tempotron_core.studies import storage
from tempotron_core.studies.plan import StudyError, StudyPlan
from tempotron_core.studies.storage import JOURNAL, StudyPlace, load_study, open_study
from tempotron_core.studies.trials import StudyReader
from tempotron_core.studies.worker import Worker, lineages, selected_trial
from tempotron_core.training.loop import train_model
from tempotron_core.training.snapshot import Snapshot

GIVEN = {"epochs": 1, "T": 20, "validation": 60, "batch_size": 100}


def small_dataset() -> Dataset:
    whole = datasets.load()
    train, test = (Split(split.images[:300], split.labels[:300]) for split in (whole.train, whole.test))
    return replace(whole, train=train, test=test)


def worker(folder: Path, plan: StudyPlan, url: str | None = None, **more: Any) -> Worker:
    place = StudyPlace("study", str(folder), url, heartbeat=1)
    study, plan = open_study(place, plan)
    return Worker(study, plan, place, small_dataset(), **more)


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    state = optuna.trial.TrialState
    return [one for one in study.trials if one.state in (state.COMPLETE, state.PRUNED)]


def test_every_trial_is_a_run_equal_to_the_same_run_alone(tmp_path: Path) -> None:
    plan = StudyPlan("beta=1..4 m=3,4", GIVEN, trials=2, seeds=2)
    one = worker(tmp_path, plan)
    outcome = one.run()
    trials = finished(one.study)
    assert len(trials) == 2
    for trial in trials:
        names = trial.user_attrs["runs"]
        finals = []
        for seed, name in enumerate(names):
            record = read_run(one.place.folder / name)
            settings = record.settings
            assert settings is not None
            assert (settings.beta, settings.m, settings.seed) == (trial.params["beta"], trial.params["m"], seed)
            *_, alone = train_model(settings, small_dataset())
            assert alone.weight is not None
            assert torch.equal(load_model(record.path).weight, alone.weight)
            finals.append(record.epochs[-1].test_accuracy)
        assert trial.value == pytest.approx(sum(finals) / 2)
        assert trial.user_attrs["result"]["curves"] == [[value] for value in finals]
    selected = max(trials, key=lambda trial: trial.value or 0)
    runs = [load_model(one.place.folder / name) for name in selected.user_attrs["runs"]]
    expected = [evaluate(model, small_dataset().test).accuracy for model in runs]
    assert list(outcome.test_accuracy) == expected
    assert one.study.user_attrs["test"] == {str(selected.number): expected}
    assert one.run().trials == ()  # nothing is left, and the test set is not used again
    assert one.run().test_accuracy == ()


def test_a_stopped_process_gives_its_trial_back_and_a_larger_plan_goes_on(tmp_path: Path) -> None:
    plan = StudyPlan("m=3,4,5", GIVEN, trials=2, sampler="grid")
    stopped = worker(tmp_path, plan, on_snapshot=lambda snapshot, log: snapshot.step == 0)
    assert stopped.run().interrupted
    assert stopped.progress().waiting == 1
    one = worker(tmp_path, replace(plan, trials=3))
    one.run()
    assert sorted(trial.params["m"] for trial in finished(one.study)) == [3, 4, 5]
    assert len(list(one.place.folder.glob("*-seed0*"))) == 3  # the part of the stopped one is gone


def test_another_plan_is_refused_and_an_impossible_trial_is_recorded(tmp_path: Path) -> None:
    plan = StudyPlan("tau=5,50 tau_s=4,5", GIVEN, trials=4, sampler="grid")
    one = worker(tmp_path, plan)
    one.run()
    problems = {
        (trial.params["tau"], trial.params["tau_s"]) for trial in one.study.trials if "problem" in trial.user_attrs
    }
    assert problems == {(5.0, 5.0)}
    with pytest.raises(StudyError, match="expected its plan, seeds 1, got seeds 2"):
        worker(tmp_path, replace(plan, seeds=2))
    with pytest.raises(StudyError, match="found none"):
        load_study(StudyPlace("other", str(tmp_path)))


def test_an_unforeseen_error_ends_its_trial_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = worker(tmp_path, StudyPlan("m=3,4", GIVEN, trials=2, sampler="grid"))
    calls = iter([ValueError("no room"), None])

    def measure(*arguments: object) -> dict[str, float]:
        if error := next(calls):
            raise error
        return {}

    monkeypatch.setattr("tempotron_core.studies.worker.measure", measure)
    one.run()
    first, second = one.study.trials
    assert first.user_attrs["problem"] == "The trial ended by a ValueError (no room)."
    assert second.state == optuna.trial.TrialState.COMPLETE


def test_a_lost_trial_that_is_in_no_queue_is_repeated(tmp_path: Path) -> None:
    one = worker(tmp_path, StudyPlan("m=3,4", GIVEN, trials=1, sampler="grid"))
    trial = one.study.ask()  # as a process leaves it that is killed between the end and the queue
    one.study.tell(trial, state=optuna.trial.TrialState.FAIL)
    one.run()
    assert [trial.state.name for trial in one.study.trials] == ["FAIL", "COMPLETE"]
    assert one.study.trials[1].params == {"m": 3}


def test_hopeless_trials_are_pruned(tmp_path: Path) -> None:
    # A tiny rate learns nothing; the median of the first five is better at the same epoch.
    plan = StudyPlan(
        "lr=2e-3,3e-3,4e-3,5e-3,6e-3,1e-9", {**GIVEN, "epochs": 2, "batch_size": 20}, trials=6, sampler="grid"
    )
    one = worker(tmp_path, plan)
    one.run()
    last = one.study.trials[-1]
    assert last.state == optuna.trial.TrialState.PRUNED
    assert len(read_run(one.place.folder / last.user_attrs["runs"][0]).epochs) == 1


def test_a_time_budget_ends_the_process_between_trials(tmp_path: Path) -> None:
    outcome = worker(tmp_path, StudyPlan("m=3,4", GIVEN, trials=4)).run(time_budget=0)
    assert outcome.budget_spent
    assert outcome.trials == ()


@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_study_trains_on_a_file_of_samples(
    is_recorded: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.uniform(0, 100, (60, 20)).astype(np.float32), np.arange(60) % 3
    samples = {"times": x, "unit": np.array("ms"), "labels": y} if is_recorded else {"x": x, "y": y}
    np.savez(tmp_path / "samples.npz", **samples)
    options = ["--study", "one", "--space", "tau=10,20", "--sampler", "grid", "--epochs", "2", "--batch-size", "10"]
    place = ["--dataset", "samples.npz", "--dataset-dir", str(tmp_path), "--log-dir", str(tmp_path)]
    assert sweep.main([*options, *place]) == 0
    assert capsys.readouterr().err.count("validation accuracy") == 2
    records = StudyReader(StudyPlace("one", str(tmp_path))).records()
    assert [one.state for one in records] == ["complete", "complete"]
    assert {"late_spikes", "spikes_per_image", "margin"} <= set(records[0].quantities)


def test_a_pruned_trial_is_reported_as_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = small_dataset()
    monkeypatch.setattr(datasets, "load", lambda *_: dataset)
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda self: True)
    options = ["--study", "one", "--space", "m=3,4", "--trials", "1", "--epochs", "2", "-T", "20", "--batch-size", "50"]
    assert sweep.main([*options, "--validation", "60", "--log-dir", str(tmp_path)]) == 0
    assert "trial 1 of 1: pruned" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["mysql://user:secret@host:port/x", "bad scheme://secret", "postgresql://a:secret@b/c"])
def test_a_storage_that_cannot_be_opened_gives_a_sentence_without_password(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_ATTEMPTS", 1)
    with pytest.raises(StudyError) as caught:
        open_study(StudyPlace("one", str(tmp_path), url), StudyPlan("m=3,4", GIVEN))
    assert "storage: expected one that can be opened" in str(caught.value)
    assert "secret" not in str(caught.value)


def take_part(folder: Path, plan: StudyPlan, url: str | None, killed_at: int) -> None:
    """Work in a process of its own, which kills itself at this snapshot."""
    seen = 0

    def count(snapshot: Snapshot, log: str) -> bool:
        nonlocal seen
        seen += 1
        if seen == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    worker(folder, plan, url, on_snapshot=count).run()


@pytest.mark.parametrize("storage", ["database", "journal"])
def test_no_trial_is_lost_or_done_twice_when_a_process_is_killed(tmp_path: Path, storage: str) -> None:
    plan = StudyPlan("beta=1..4 m=3,4", GIVEN, trials=6, sampler="random")
    url = None if storage == "database" else str(tmp_path / "studies" / "study" / JOURNAL)
    fork = multiprocessing.get_context("fork")
    kill_at = [4, 0, 0, 0]
    processes = [fork.Process(target=take_part, args=(tmp_path, plan, url, number)) for number in kill_at]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [-signal.SIGKILL, 0, 0, 0]
    study = load_study(StudyPlace("study", str(tmp_path), url))
    done = finished(study)
    assert len(done) == 6
    assert not [trial for trial in study.trials if trial.state == optuna.trial.TrialState.RUNNING]
    latest = lineages(study.trials)
    assert sorted(trial.number for trial in latest.values()) == sorted(trial.number for trial in done)
    # The values are those of a process that was not killed.
    drawn = [plan.create_sampler(rank) for rank in range(6)]
    fresh = optuna.create_study(direction="maximize")
    expected = []
    for sampler in drawn:
        fresh.sampler = sampler
        trial = fresh.ask()
        expected.append({parameter.name: parameter.suggest(trial) for parameter in plan.parameters})
    assert [latest[first].params for first in sorted(latest)] == expected
    names = [name for trial in done for name in trial.user_attrs["runs"]]
    folders = [path.name for path in (tmp_path / "studies" / "study").glob("*-seed0*")]
    assert sorted(folders) == sorted(names)
    found = selected_trial(latest)
    assert found is not None
    assert list(study.user_attrs["test"]) == [str(found[1].number)]
