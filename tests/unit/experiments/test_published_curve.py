"""The published curve: its words follow from the curves, its record from its command."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import idx_files

from tempotron_core.analysis.baselines import linear_accuracy
from tempotron_core.analysis.evaluation import evaluate
from tempotron_core.data import datasets
from tempotron_core.experiments import published_curve
from tempotron_core.experiments.records import read_record
from tempotron_core.figures import REGIMES, PublishedInfo
from tempotron_core.training.loop import train_model
from tempotron_core.training.recipes import RECIPES

UP, DOWN, FLAT = np.array([0.5, 0.6, 0.7]), np.array([0.7, 0.65, 0.6]), np.array([0.7, 0.702, 0.701])


def info(
    published: np.ndarray, reference: np.ndarray, train: np.ndarray = FLAT, samples: int = 10_000
) -> PublishedInfo:
    tests = {"as-published": published, "reference": reference}
    return PublishedInfo(tests, dict.fromkeys(tests, train), samples)


def test_the_answer_follows_from_the_curves() -> None:
    assert "only if the gradients are never cleared" in info(DOWN, UP).takeaway
    assert "not the only cause" in info(DOWN, DOWN).takeaway
    assert "ends higher with cleared gradients" in info(FLAT, np.array([0.7, 0.75, 0.8])).takeaway
    assert "no visible effect" in info(UP, UP).takeaway
    assert "Train both recipes to see" in info(DOWN[:1], UP).takeaway
    assert "no visible effect" in info(DOWN, FLAT, samples=20).takeaway  # ten points are noise on twenty samples


def test_over_fitting_needs_a_training_accuracy_that_climbs() -> None:
    climbing = info(DOWN, UP, train=np.array([0.8, 0.9, 0.98])).findings
    assert climbing[0].endswith(
        "falls from 70.0 to 60.0 % while training accuracy rises to 98.0 %: a sign of over-fitting."
    )
    fallen = info(DOWN, UP, train=np.array([0.72, 0.7, 0.68])).findings
    assert fallen[0].endswith("and training accuracy falls from 72.0 to 68.0 %: no sign of over-fitting.")
    level = info(DOWN, UP, train=np.array([0.72, 0.72, 0.721])).findings
    assert level[0].endswith("while training accuracy ends at 72.1 %: no sign of over-fitting.")
    assert fallen[1] == "reference (gradients cleared): test accuracy rises from 50.0 to 70.0 %."
    assert "is stable, from 70.0 to 70.1 %" in info(FLAT, FLAT).findings[0]
    assert PublishedInfo({}, {}, 10).findings == ()


def test_a_mean_over_the_steps_shows_no_over_fitting() -> None:
    curves = {"as-published": DOWN, "reference": UP}
    result = PublishedInfo(curves, dict.fromkeys(curves, np.array([0.8, 0.9, 0.98])), 10_000, is_after_epoch=False)
    assert not any("over-fitting" in text or "below training" in text for text in result.findings)
    assert "mean training accuracy during the last epoch is 98.0 %" in result.findings[0]


def test_seeds_are_given_by_mean_and_range() -> None:
    three = np.array([DOWN - 0.01, DOWN, DOWN + 0.01])
    result = PublishedInfo({"as-published": three, "reference": UP}, {"as-published": three, "reference": UP}, 10_000)
    assert "only if the gradients are never cleared" in result.takeaway
    assert "falls from 70.0 to 60.0 % (mean of 3 seeds, 59.0 to 61.0 in the end)" in result.findings[0]
    low, high = result.test_band("as-published")
    assert (low[-1], high[-1]) == pytest.approx((0.59, 0.61))


def test_every_regime_is_a_recipe() -> None:
    assert set(REGIMES) <= set(RECIPES)
    assert [settings.recipe for settings in published_curve.regime_settings(datasets.EMBEDDED, None)] == list(REGIMES)


def test_the_record_tells_what_is_claimed() -> None:
    record = published_curve.load_record()
    curves, train = (
        {name: np.array(values) for name, values in published_curve.accuracies_by_recipe(record, key).items()}
        for key in ("test_accuracy", "train_accuracy")
    )
    assert set(curves) == set(REGIMES)
    result = PublishedInfo(curves, train, record["test_samples"])
    assert {result.seeds(name) for name in REGIMES} == {len(record["runs"]) // 4}
    assert "only if the gradients are never cleared" in result.takeaway
    assert "no sign of over-fitting" in result.findings[0]
    assert result.mean_test("cross-entropy")[-1] > 0.92 > result.mean_test("over-fitting")[-1]
    linear = {name: values[-1] for name, values in record["linear_test_accuracy"].items()}
    assert linear["pixels"] == pytest.approx(0.92, abs=0.01)
    assert linear["spikes"] > result.mean_test("cross-entropy")[-1]  # no claim that the network reads more than they do
    for run in record["runs"]:
        assert (run["settings"]["m"], run["settings"]["T"], run["settings"]["batch_size"]) == (16, 100, 64)


def test_the_command_records_what_it_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It continues where it ended, and evaluates the training set with the weights of the end of an epoch."""
    idx_files.write_set(tmp_path)
    output = tmp_path / "record.json"
    command = ["--dataset-dir", str(tmp_path), "--epochs", "2", "--seeds", "1", "--output", str(output)]
    assert published_curve.main([*command, "--at-most", "1"]) == 0
    assert [run["settings"]["recipe"] for run in json.loads(output.read_text())["runs"]] == ["as-published"]
    assert published_curve.main([*command, "--resume"]) == 0
    record = json.loads(output.read_text())
    assert [len(run["test_accuracy"]) for run in record["runs"]] == [2] * 4
    assert "dataset_dir" not in record["runs"][0]["settings"]
    assert set(record["linear_test_accuracy"]) == {"pixels", "gaussian", "spikes"}
    dataset = datasets.load("MNIST", str(tmp_path))
    *_, last = train_model(published_curve.regime_settings("MNIST", str(tmp_path), 2)[2], dataset)
    assert last.model is not None
    assert record["runs"][2]["train_accuracy"][-1] == evaluate(last.model, dataset.train).accuracy
    assert set(published_curve.accuracies_by_recipe(record, "train_accuracy")) == set(REGIMES)
    assert published_curve.main(["--dataset-dir", str(tmp_path / "nowhere")]) == 2
    assert len(capsys.readouterr().err.splitlines()[-1:]) == 1


@pytest.mark.parametrize(("features", "least"), [("pixels", 0.7), ("gaussian", 0.7), ("spikes", 0.7)])
def test_linear_classifiers_learn(features: str, least: float) -> None:
    digits = idx_files.few_digits(2000, 500)
    accuracies = linear_accuracy(digits, features, epochs=3)
    assert len(accuracies) == 3
    assert accuracies[-1] > least
    assert accuracies == linear_accuracy(digits, features, epochs=3)


def test_unknown_features_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of pixels, gaussian, spikes, got 'x'"):
        linear_accuracy(idx_files.few_digits(5, 5), "x")


@pytest.mark.parametrize("name", ["published_curve.json", "capacity.json"])
def test_a_record_that_an_editor_has_touched_is_read(name: str, tmp_path: Path) -> None:
    text = published_curve.RECORD.with_name(name).read_text()
    before = json.loads(text)
    for content in (
        b"\xef\xbb\xbf" + text.encode(),
        text.replace("\n", "\r\n").encode() + b"\r\n\r\n",
        text.encode("utf-16"),
    ):
        (tmp_path / name).write_bytes(content)
        assert read_record(tmp_path / name) == before


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe\xfd", b"[" * 100_000, b"7"])
def test_another_file_than_a_record_is_told_in_one_sentence(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "record.json"
    output.write_bytes(content)
    folder = tmp_path / "data"
    idx_files.write_set(folder)
    arguments = ["--dataset-dir", str(folder), "--output", str(output), "--resume", "--at-most", "0"]
    assert published_curve.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("record.json: expected the record of an experiment")
    assert output.read_bytes() == content
