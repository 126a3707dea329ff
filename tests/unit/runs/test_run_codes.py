"""Runs of other codes than the published one: stored, opened, evaluated, resumed, replayed, exported."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import idx_files
from safetensors.torch import load_file, save_file

from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.analysis.learning_step import StepSettings, learning_step
from tempotron_core.analysis.replay import CheckpointCache, replay_run
from tempotron_core.analysis.robustness import Perturbation, num_correct
from tempotron_core.data.datasets import Dataset, Split
from tempotron_core.model.classifier import predict
from tempotron_core.model.codes import CODES, GAUSSIAN, Code, CodeError, register_code
from tempotron_core.runs.export import view_zip
from tempotron_core.runs.reader import RunError, list_runs, load_model, load_snapshot, read_run
from tempotron_core.runs.resume import resume_settings
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings, TrainingError, initial_model
from tempotron_core.training.snapshot import Snapshot

M = {
    "gaussian": 4,
    "gaussian-unrounded": 4,
    "latency": 1,
    "latency-logarithmic": 1,
    "local-pattern": 5,
    "gaussian-and-local-pattern": 11,
    "latency-and-local-pattern": 6,
}


@pytest.fixture(scope="module")
def few_digits() -> Dataset:
    return idx_files.few_digits(60, 20)


def train(settings: Settings, dataset: Dataset, stop_after: int | None = None) -> tuple[Path, Snapshot]:
    """Train into a folder, to the end or to the end of an epoch."""
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, dataset):
            log.write(snapshot)
            if stop_after is not None and snapshot.epochs_done == stop_after:
                break
    return log.path, snapshot


def settings_of(code: str, log_dir: Path) -> Settings:
    return Settings(m=M[code], T=30, epochs=3, batch_size=16, code=code, tau=20, tau_s=5, log_dir=str(log_dir))


@pytest.fixture
def local_pattern_run(tmp_path: Path, few_digits: Dataset) -> Path:
    return train(settings_of("local-pattern", tmp_path), few_digits)[0]


@pytest.mark.parametrize("code", M)
def test_a_run_is_evaluated_with_its_code(code: str, tmp_path: Path, few_digits: Dataset) -> None:
    assert set(M) == set(CODES), "every code is tried"
    settings = settings_of(code, tmp_path)
    path, last = train(settings, few_digits)
    record = json.loads((path / "settings.json").read_text())
    assert record.get("code", "gaussian") == code
    assert ("code" in record) == (code != "gaussian")
    assert (path / "code.safetensors").exists() == code.endswith("local-pattern")
    assert read_run(path).settings == settings
    assert read_run(path).notes == ()
    model = load_model(path)
    assert model.code.name == code
    evaluation = evaluate(model, few_digits.test)
    assert evaluation.accuracy == last.epochs[-1].test_accuracy
    assert last.model is not None
    for index, image in enumerate(few_digits.test.images[:4]):
        peaks = predict(model, image).v_max
        assert torch.allclose(peaks, torch.from_numpy(evaluation.v_max[index]), atol=1e-5)
        assert torch.equal(peaks, predict(last.model, image).v_max)
    hits = round(evaluation.accuracy * len(few_digits.test))
    assert num_correct(model, few_digits.test, Perturbation()) == hits
    step = learning_step(model, few_digits.test.images[0], StepSettings(3, 1e-3))
    assert torch.equal(step.before.times, predict(model, few_digits.test.images[0]).times)


@pytest.mark.parametrize("code", M)
def test_a_resumed_run_has_the_same_weights(code: str, tmp_path: Path, few_digits: Dataset) -> None:
    _, whole = train(settings_of(code, tmp_path / "whole"), few_digits)
    path, _ = train(settings_of(code, tmp_path / "parts"), few_digits, stop_after=1)
    stored = (path / "code.safetensors").read_bytes() if code.endswith("local-pattern") else b""
    origin = load_snapshot(path)
    settings = resume_settings(path, origin, {})
    with open_run_log(settings, path, origin) as log:
        for snapshot in train_model(settings, few_digits, origin):
            log.write(snapshot)
    assert whole.weight is not None
    assert torch.equal(load_model(path).weight, whole.weight)
    assert not stored or (path / "code.safetensors").read_bytes() == stored


def test_a_resumed_run_keeps_its_codebook(local_pattern_run: Path, few_digits: Dataset) -> None:
    """The code is part of what has been learned: it is read, not computed again from what the images are now."""
    origin = load_snapshot(local_pattern_run)
    other = replace(few_digits, train=Split(few_digits.train.images.flip(1), few_digits.train.labels))
    settings = resume_settings(local_pattern_run, origin, {"epochs": 4})
    last = list(train_model(settings, other, origin))[-1]
    assert last.code is not None
    assert origin.code is not None
    assert torch.equal(last.code.fitted["codebook"], origin.code.fitted["codebook"])


def test_only_training_images_determine_the_codebook(tmp_path: Path, few_digits: Dataset) -> None:
    settings = replace(settings_of("local-pattern", tmp_path), epochs=1, validation=20)

    def codebook(dataset: Dataset) -> torch.Tensor:
        code = list(train_model(settings, dataset))[-1].code
        assert code is not None
        return code.fitted["codebook"]

    usual = codebook(few_digits)
    black_test = replace(few_digits, test=Split(few_digits.test.images * 0, few_digits.test.labels))
    assert torch.equal(codebook(black_test), usual)
    without_held_out = Split(few_digits.train.images[:40], few_digits.train.labels[:40])
    kept = list(train_model(replace(settings, validation=0), replace(few_digits, train=without_held_out)))[-1].code
    assert kept is not None
    assert kept.fitted["codebook"].shape == usual.shape


def test_a_replay_uses_the_code_of_the_run(local_pattern_run: Path, few_digits: Dataset) -> None:
    image, label = few_digits.test.images[2], int(few_digits.test.labels[2])
    replay = replay_run(local_pattern_run, image, label, 10, CheckpointCache())
    assert replay.epochs == (0, 1, 2, 3)
    model = load_model(local_pattern_run)
    assert torch.equal(replay.v_max[-1], predict(model, image).v_max)
    settings = read_run(local_pattern_run).settings
    assert settings is not None
    assert torch.equal(replay.v_max[0], predict(initial_model(settings, 10, model.code), image).v_max)


@pytest.mark.parametrize("content", [None, b"", b"not a file of tensors", "other tensors", "another m", "huge"])
def test_a_missing_or_damaged_codebook_is_explained(local_pattern_run: Path, content: bytes | str | None) -> None:
    file = local_pattern_run / "code.safetensors"
    tensors = load_file(file)
    file.unlink()
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content == "other tensors":
        save_file({"fc.weight": torch.zeros(2, 2)}, file)
    elif content == "huge":
        with file.open("wb") as huge:
            huge.truncate(2**24 + 1)
    elif content == "another m":
        save_file({**tensors, "preferred": tensors["preferred"][:4].contiguous()}, file)
    for load in (load_model, load_snapshot):
        with pytest.raises(RunError, match=r"code.*expected") as caught:
            load(local_pattern_run)
        assert len(str(caught.value).splitlines()) == 1
    assert list_runs(local_pattern_run.parent)[0].problem is None, "settings and metrics can be read"


@pytest.mark.parametrize("m", [1, 5])
def test_an_unknown_code_is_reported(m: int, local_pattern_run: Path) -> None:
    file = local_pattern_run / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"code": "of-the-future", "m": m}))
    record = read_run(local_pattern_run)
    assert record.settings is not None
    assert (record.settings.code, record.settings.m) == ("of-the-future", m)
    assert record.notes == ("code 'of-the-future': not known here; it is needed to encode samples for the network.",)
    for load in (load_model, load_snapshot):
        with pytest.raises(RunError, match=r"code: expected one of gaussian, .* got 'of-the-future'"):
            load(local_pattern_run)


def test_a_run_of_version_0_1_has_the_gaussian_code(tmp_path: Path, few_digits: Dataset) -> None:
    path, _ = train(settings_of("gaussian", tmp_path), few_digits)
    assert not {"code", "from_preset"} & set(json.loads((path / "settings.json").read_text()))
    assert load_model(path).code is GAUSSIAN


def test_an_exported_view_holds_the_code(local_pattern_run: Path, few_digits: Dataset, tmp_path: Path) -> None:
    settings, model = read_run(local_pattern_run).settings, load_model(local_pattern_run)
    assert settings is not None
    content = view_zip({}, "voltages", {}, settings, model.weight, few_digits.classes, model.code)
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path / "unpacked")
    (folder,) = (tmp_path / "unpacked" / "runs").iterdir()
    image = few_digits.test.images[0]
    assert torch.equal(predict(load_model(folder), image).v, predict(model, image).v)


def test_a_deleted_folder_gets_its_codebook_again(tmp_path: Path, few_digits: Dataset) -> None:
    settings = settings_of("local-pattern", tmp_path)
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, few_digits):
            log.write(snapshot)
            if snapshot.epochs_done == 1 and (log.path / "settings.json").exists():
                for name in ("settings.json", "code.safetensors"):
                    (log.path / name).unlink()
    assert load_model(log.path).code.name == "local-pattern"


@pytest.fixture
def broken_code() -> Iterator[str]:
    code = register_code(Code("broken", "Symbols that its table lacks.", lambda images, fitted: images.flatten(1),
                              lambda m, T, beta, fitted: torch.zeros(3, m)))  # fmt: skip
    yield code.name
    del CODES["broken"]


def test_a_training_says_what_a_code_does_wrong(broken_code: str, few_digits: Dataset) -> None:
    settings = Settings(code=broken_code, m=2, T=20, epochs=1)
    with pytest.raises(TrainingError, match="code broken: expected symbols from 0 to 2, got 255"):
        list(train_model(settings, few_digits))


def test_too_few_patterns_for_the_preferred_ones() -> None:
    full = idx_files.few_digits(20, 20)
    black = replace(full, train=Split(full.train.images * 0, full.train.labels))
    with pytest.raises(TrainingError, match=r"m \(preferred patterns\): expected at most the 1 different patterns"):
        list(train_model(Settings(code="local-pattern", m=5, T=20, epochs=1), black))


def test_an_unfitted_snapshot_does_not_guess(few_digits: Dataset) -> None:
    settings = Settings(code="local-pattern", m=5, T=20)
    with pytest.raises(CodeError, match="expected what was computed from the training images"):
        predict(initial_model(settings), few_digits.test.images[0])
