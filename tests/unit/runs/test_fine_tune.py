"""Fine-tuning, changes of the learning rate, and runs that end before their last epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import pytest
import torch

from tempotron_core.data import datasets
from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.runs.files import RunError
from tempotron_core.runs.fine_tune import fine_tune_settings, require_same_shape, split_checkpoint
from tempotron_core.runs.reader import load_model, load_snapshot, read_run
from tempotron_core.runs.resume import resume_settings
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.rate_changes import add_rate_change, parse_rate_changes, rate_after
from tempotron_core.training.settings import Settings
from tempotron_core.training.snapshot import Snapshot

SMALL = Settings(epochs=2, m=3, T=20, batch_size=50, recipe="reference", lr=1e-3)


def small_dataset() -> Dataset:
    whole = datasets.load()
    train, test = (Split(split.images[:200], split.labels[:200]) for split in (whole.train, whole.test))
    return replace(whole, train=train, test=test)


def write(settings: Settings, folder: Path | None = None, resume_from: Snapshot | None = None, **more: object) -> Path:
    with open_run_log(settings, folder, resume_from) as log:
        for snapshot in train_model(settings, small_dataset(), resume_from, **more):  # type: ignore[arg-type]
            log.write(snapshot)
    return log.path


def test_a_run_starts_from_any_epoch_of_another(tmp_path: Path) -> None:
    first = write(replace(SMALL, log_dir=str(tmp_path)))
    assert split_checkpoint(f"{first}:1") == (first, "epochs/0001")
    given = {"log_dir": str(tmp_path), "epochs": 1, "lr": 1e-30}
    settings, model = fine_tune_settings(f"{first}:1", given)
    assert settings.start_from == f"{first.name}:1"
    assert (settings.m, settings.T, settings.recipe) == (3, 20, "reference")
    require_same_shape(settings, model, small_dataset())
    tuned = write(settings, initial=model)
    # Nothing is learned at this rate: the weights are those of the epoch.
    assert torch.equal(load_model(tuned).weight, load_model(first, "epochs/0001").weight)
    assert not torch.equal(load_model(tuned).weight, load_model(first).weight)
    assert read_run(tuned).settings == settings
    # Its own fine-tuning differs from training on.
    assert fine_tune_settings(str(tuned), {})[0].start_from == tuned.name
    with pytest.raises(RunError, match="m: expected 3"):
        fine_tune_settings(str(first), {"m": 4})
    with pytest.raises(RunError, match="choose a data set of the shape"):
        require_same_shape(settings, model, datasets.load("iris"))


def test_another_recipe_keeps_the_number_of_tempotrons_per_class(tmp_path: Path) -> None:
    first = write(replace(SMALL, log_dir=str(tmp_path)))
    settings, model = fine_tune_settings(str(first), {"recipe": "local-pattern-population"})
    assert settings.resolved_recipe.tempotrons_per_class == model.tempotrons_per_class == 1
    *_, last = train_model(replace(settings, epochs=1), small_dataset(), initial=model)
    assert last.phase == "finished"


def test_epoch_0_of_a_run_is_named(tmp_path: Path) -> None:
    first = write(replace(SMALL, log_dir=str(tmp_path)))
    copyfile(first / "last.safetensors", first / "epochs" / "0000.safetensors")
    assert fine_tune_settings(f"{first}:0", {})[0].start_from == f"{first.name}:0"


def test_a_resumed_run_takes_and_records_another_learning_rate(tmp_path: Path) -> None:
    folder = write(replace(SMALL, epochs=1, log_dir=str(tmp_path)))
    snapshot = load_snapshot(folder)
    settings = resume_settings(folder, snapshot, {"epochs": 2, "lr": 5e-3})
    assert (settings.lr, settings.lr_changes) == (1e-3, "1:0.005")
    write(settings, folder, snapshot)
    recorded = read_run(folder).settings
    assert recorded is not None
    assert recorded.lr_changes == "1:0.005"
    # The same as planned from the beginning; the schedule of this recipe is constant.
    *_, planned = train_model(replace(SMALL, lr_changes="1:0.005"), small_dataset())
    *_, constant = train_model(SMALL, small_dataset())
    assert planned.weight is not None and constant.weight is not None
    assert torch.equal(load_model(folder).weight, planned.weight)
    assert not torch.equal(constant.weight, planned.weight)


def test_changes_of_the_rate_are_read_and_refused() -> None:
    assert parse_rate_changes("0:1e-2, 3:1e-4") == ((0, 1e-2), (3, 1e-4))
    assert [rate_after(1.0, "1:0.5,3:0.1", done) for done in range(5)] == [1.0, 0.5, 0.5, 0.1, 0.1]
    assert add_rate_change("1:0.5,3:0.1", 2, 0.2) == "1:0.5,2:0.2"
    for text in ("", "1", "1:x", "3:0.1,1:0.2", "1:0.1,1:0.2", "-1:0.1", "1:0"):
        with pytest.raises(ValueError) as caught:
            Settings(lr_changes=text)
        assert "lr_changes" in str(caught.value)


def test_a_run_ends_at_its_target_or_without_progress() -> None:
    tuned = replace(SMALL, epochs=9, validation=50)
    *_, last = train_model(replace(tuned, target_accuracy=1e-6), small_dataset())
    assert (last.phase, last.epochs_done) == ("finished", 1)
    *_, last = train_model(replace(tuned, lr=1e-30, patience=2), small_dataset())
    assert (last.phase, last.epochs_done) == ("finished", 3)
    settings = Settings(validation=1, patience=2, target_accuracy=0.9)
    for accuracies, ends in (([], False), ([0.5, 0.6, 0.6], False), ([0.5, 0.6, 0.6, 0.5], True), ([0.9], True)):
        assert settings.ends_after(accuracies) is ends
    with pytest.raises(ValueError, match="the test set must not decide it"):
        Settings(patience=2)
