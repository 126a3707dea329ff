"""The headless command: its last line is JSON, Ctrl-C keeps what was learnt, bad input gets one line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets
from helpers import idx_files
from helpers.waiting import PATIENCE, wait_until

from tempotron_core import train
from tempotron_core.data import datasets
from tempotron_core.runs.reader import load_model
from tempotron_core.training.loop import train_model
from tempotron_core.training.settings import Settings
from tempotron_core.training.snapshot import Snapshot

ROOT = Path(__file__).parents[2]
SMALL = ["--epochs", "1", "-m", "4", "-T", "30", "--batch-size", "256"]
KEYS = {
    "settings", "preset", "interrupted", "steps", "evaluated_on", "dead_outputs", "test_accuracy", "train_accuracy",
    "loss", "seconds_per_epoch", "samples_per_second", "preparation_seconds", "log",
}  # fmt: skip


def start_command(arguments: list[str], errors: Path) -> subprocess.Popen[str]:
    """The command in a process of its own; what it says on stderr goes to a file."""
    with errors.open("w") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "tempotron_core.train", *arguments],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )


def last_line(text: str) -> dict[str, Any]:
    """The JSON object in the last line printed."""
    found = json.loads(text.splitlines()[-1])
    assert isinstance(found, dict)
    assert set(found) == KEYS
    assert {field.name for field in fields(Settings)} - {
        "time",
        "after_spike",
        "code",
        "from_preset",
        "imported_from",
        "start_from",
        "lr_changes",
        "target_accuracy",
        "patience",
    } <= set(found["settings"])
    return found


def test_command_trains_and_reports(tmp_path: Path) -> None:
    command = start_command([*SMALL, "--log-dir", str(tmp_path / "runs")], tmp_path / "errors")
    output, _ = command.communicate(timeout=PATIENCE)
    errors = (tmp_path / "errors").read_text()
    assert command.returncode == 0
    assert "Traceback" not in errors
    assert "test accuracy" in errors
    report = last_line(output)
    assert report["interrupted"] is False
    assert report["steps"] == 40
    for key in ("test_accuracy", "train_accuracy", "loss", "seconds_per_epoch"):
        assert len(report[key]) == 1
        assert report[key][0] > 0
    assert report["test_accuracy"][0] <= 1
    assert report["samples_per_second"] > 0
    assert report["settings"]["dataset"] == datasets.EMBEDDED
    assert report["settings"]["m"] == 4
    log = Path(report["log"])
    assert log.parent == tmp_path / "runs"
    assert list(log.glob("events.*"))
    assert json.loads((log / "settings.json").read_text()) == report["settings"]


def test_interrupt_keeps_what_was_learnt(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    arguments = ["--epochs", "100000", "-m", "4", "-T", "30", "--log-dir", str(tmp_path / "runs")]
    with start_command(arguments, errors) as command:
        try:
            wait_until(lambda: command.poll() is not None or "epoch 1:" in errors.read_text())
            assert command.poll() is None
            command.send_signal(signal.SIGINT)
            output, _ = command.communicate(timeout=PATIENCE)
        finally:
            command.kill()
    assert command.returncode == 130
    assert "Traceback" not in errors.read_text()
    assert "Stopped" in errors.read_text().splitlines()[-1]
    report = last_line(output)
    assert report["interrupted"] is True
    assert report["steps"] > 0
    assert 1 <= len(report["test_accuracy"]) < 100_000
    assert Path(report["log"]).is_dir()


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded digits are few."""
    digits = idx_files.few_digits(60, 20)
    monkeypatch.setattr(datasets, "load", lambda name, directory: digits)


@pytest.mark.usefixtures("few_digits")
def test_command_trains_in_exact_time_with_shunting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main([*SMALL, "--time", "exact", "--after-spike", "shunt", "--log-dir", str(tmp_path / "runs")]) == 0
    report = last_line(capsys.readouterr().out)
    assert (report["settings"]["time"], report["settings"]["after_spike"]) == ("exact", "shunt")
    assert json.loads((Path(report["log"]) / "settings.json").read_text()) == report["settings"]


@pytest.mark.usefixtures("few_digits")
def test_long_names_and_short_ones_mean_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = {"device": "cpu", "batch_size": 7, "lr": 0.002, "T": 20, "epochs": 2, "m": 3, "seed": 5}
    long = ["--device", "--batch-size", "--learning-rate", "--time-steps", "--epochs", "--neurons", "--seed"]
    short = ["-d", "-b", "-l", "-T", "-e", "-m", "-s"]
    for names in (long, short):
        arguments = [str(text) for pair in zip(names, values.values(), strict=True) for text in pair]
        recipe = "--recipe" if names is long else "-r"
        assert train.main([*arguments, recipe, "reference", "--log-dir", str(tmp_path)]) == 0
        report = last_line(capsys.readouterr().out)
        wanted = {**values, "recipe": "reference", "dataset": "embedded", "dataset_dir": None, "log_dir": str(tmp_path)}
        assert report["settings"] == {**report["settings"], **wanted}
        assert len(report["loss"]) == 2


@pytest.mark.parametrize(("named", "loaded"), [([], "MNIST"), (["--dataset", "KMNIST"], "KMNIST")])
def test_a_directory_means_mnist_unless_another_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], named: list[str], loaded: str
) -> None:
    idx_files.write_set(tmp_path, loaded)
    command = ["--dataset-dir", str(tmp_path), *named, "-m", "3", "-T", "20", "-e", "1", "--log-dir", str(tmp_path)]
    assert train.main(command) == 0
    report = last_line(capsys.readouterr().out)
    assert report["settings"]["dataset"] == loaded
    assert report["steps"] == 1


def test_download_of_a_set_already_there_is_no_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idx_files.write_set(tmp_path)
    command = [
        "--download",
        "--dataset-dir",
        str(tmp_path),
        "-m",
        "3",
        "-T",
        "20",
        "-e",
        "1",
        "--log-dir",
        str(tmp_path),
    ]
    assert train.main(command) == 0
    assert last_line(capsys.readouterr().out)["settings"]["dataset"] == "MNIST"


def check_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        train.main(arguments)
    assert caught.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert len(errors.splitlines()) == 1, errors
    assert "Traceback" not in errors
    assert words in errors


def test_log_directory_that_is_a_file_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    check_refused(["--log-dir", str(tmp_path / "file")], "log directory: expected", capsys)


def test_failed_download_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(SystemExit) as caught:
        train.main(["--download", "--dataset-dir", str(tmp_path / "sets"), "--log-dir", str(tmp_path)])
    assert caught.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert "MNIST could not be downloaded: tried 127.0.0.1" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert list((tmp_path / "sets").iterdir()) == []


def test_broken_set_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = idx_files.write_set(tmp_path)
    (raw / idx_files.FILES[2]).write_bytes(b"broken")
    check_refused(["--dataset-dir", str(tmp_path), "--log-dir", str(tmp_path)], idx_files.FILES[2], capsys)


def test_bad_input_from_a_shell(tmp_path: Path) -> None:
    command = start_command(["-m", "2"], tmp_path / "errors")
    output, _ = command.communicate(timeout=PATIENCE)
    assert (command.returncode, output) == (2, "")
    assert len((tmp_path / "errors").read_text().splitlines()) == 1


@pytest.mark.usefixtures("few_digits")
def test_diverging_run_ends_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        train.main([*SMALL, "-b", "1", "--lr", "1e30", "--log-dir", str(tmp_path)])
    assert caught.value.code == 2
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("The loss is no longer finite")


def test_help_explains_the_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        train.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in ("--dataset-dir", "--batch-size", "--lr", "--time-steps", "--neurons", "--recipe", "reference:"):
        assert name in text


@pytest.mark.usefixtures("few_digits")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_a_destructor_swallowed_still_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doomed:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def interrupted(settings: Settings, *others: Any, **options: Any) -> Iterator[Snapshot]:
        for number, snapshot in enumerate(train_model(settings, *others, **options)):
            if number == 3:
                Doomed()
            yield snapshot

    monkeypatch.setattr(train, "train_model", interrupted)
    assert train.main([*SMALL, "-b", "2", "--log-dir", str(tmp_path)]) == 130
    assert last_line(capsys.readouterr()[0])["interrupted"] is True


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("count", [1, 2, 4])
def test_interrupt_at_any_time_gives_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def interrupted(settings: Settings, *others: Any, **options: Any) -> Iterator[Snapshot]:
        for number, snapshot in enumerate(train_model(settings, *others, **options), 1):
            yield snapshot
            if number == count:
                raise KeyboardInterrupt

    monkeypatch.setattr(train, "train_model", interrupted)
    assert train.main([*SMALL, "-b", "2", "--log-dir", str(tmp_path)]) == 130
    output, errors = capsys.readouterr()
    report = last_line(output)
    assert report["interrupted"] is True
    assert report["test_accuracy"] == []
    assert report["steps"] == (16 if count == 4 else 0)
    assert "Traceback" not in errors


def test_interrupt_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "load", interrupted)
    with pytest.raises(SystemExit) as caught:
        train.main(["--log-dir", str(tmp_path)])
    assert caught.value.code == 130
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_sigterm_keeps_what_was_learnt(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    arguments = ["--epochs", "100000", "-m", "4", "-T", "30", "--log-dir", str(tmp_path / "runs")]
    with start_command(arguments, errors) as command:
        try:
            wait_until(lambda: command.poll() is not None or "epoch 1:" in errors.read_text())
            command.send_signal(signal.SIGTERM)
            command.send_signal(signal.SIGTERM)  # a second one does not disturb the end
            output, _ = command.communicate(timeout=PATIENCE)
        finally:
            command.kill()
    assert command.returncode == 143
    assert "Traceback" not in errors.read_text()
    report = last_line(output)
    assert report["interrupted"] is True
    assert (Path(report["log"]) / "ended").is_file()
    assert (Path(report["log"]) / "last.safetensors").is_file()


def test_closed_pipe_and_empty_variables_of_a_launcher(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = subprocess.run(
        [sys.executable, "-m", "tempotron_core.train", *SMALL, "--log-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RANK": "", "WORLD_SIZE": ""},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert command.returncode == 0, command.stderr
    assert "Traceback" not in command.stderr and "Exception" not in command.stderr
    (run,) = tmp_path.iterdir()
    assert (run / "ended").is_file()


@pytest.mark.parametrize(("rank", "size"), [("x", "2"), ("0", "two"), ("2", "2")])
def test_wrong_variables_of_a_launcher_get_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rank: str, size: str
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", size)
    check_refused([], "WORLD_SIZE" if size != "2" or rank == "2" else "RANK", capsys)


@pytest.mark.usefixtures("few_digits")
def test_a_resumed_run_takes_what_can_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin = [*SMALL, "-b", "32", "--log-dir", str(tmp_path / "runs")]
    assert train.main(begin) == 0
    folder = last_line(capsys.readouterr().out)["log"]
    for arguments, words in (
        (["--batch-size", "7"], "got --batch-size;"),
        (["--seed", "3", "-T", "31", "-e", "9"], "got --seed, --T;"),
        (["--recipe", "reference"], "got --recipe;"),
        (["--no-zero-grad"], "got --zero-grad;"),
        (["--epochs", "0"], "epochs: expected"),
        (["--device", "cuda:7"], "device: expected one of"),
    ):
        check_refused(["--resume", folder, *arguments], words, capsys)
    again = [*SMALL, "-b", "32", "-e", "3", "--device", "cpu", "--log-dir", str(tmp_path / "more")]
    assert train.main(["--resume", folder, *again]) == 0  # the same values are no change
    report = last_line(capsys.readouterr().out)
    assert Path(report["log"]).parent == tmp_path / "more"
    assert len(report["loss"]) == 3
    recorded = json.loads((Path(report["log"]) / "settings.json").read_text())
    assert (recorded["epochs"], recorded["log_dir"]) == (3, str(tmp_path / "more"))
    assert len((Path(folder) / "epochs.csv").read_text().splitlines()) == 2


def test_a_run_whose_data_moved_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idx_files.write_set(tmp_path / "old")
    small = ["-m", "3", "-T", "20", "-e", "1", "--log-dir", str(tmp_path / "runs")]
    assert train.main(["--dataset-dir", str(tmp_path / "old"), *small]) == 0
    folder = last_line(capsys.readouterr().out)["log"]
    (tmp_path / "old").rename(tmp_path / "new")
    check_refused(["--resume", folder, "-e", "2"], "name their folder with --dataset-dir", capsys)
    assert train.main(["--resume", folder, "-e", "2", "--dataset-dir", str(tmp_path / "new")]) == 0
    assert len(last_line(capsys.readouterr().out)["loss"]) == 2
    recorded = json.loads((Path(folder) / "settings.json").read_text())
    assert recorded["dataset_dir"] == str(tmp_path / "new")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space")
@pytest.mark.parametrize("gigabytes", [0.5, 1])
def test_a_small_address_space_gets_one_line(tmp_path: Path, gigabytes: float) -> None:
    limit = f'ulimit -v {int(gigabytes * 1e6)}; exec "$0" -m tempotron_core.train --log-dir "$1"'
    command = subprocess.run(
        ["sh", "-c", limit, sys.executable, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (command.returncode, command.stdout) == (2, "")
    assert len(command.stderr.splitlines()) == 1, command.stderr
    assert "ulimit -v" in command.stderr


def test_a_table_and_a_file_are_trained_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["-m", "4", "-T", "20", "-b", "16", "--log-dir", str(tmp_path / "runs")]
    assert train.main(["--dataset", "iris", "-e", "30", "--lr", "1e-2", *options]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["settings"]["dataset"] == "iris"
    assert report["test_accuracy"][-1] >= 0.9
    (tmp_path / "sets").mkdir()
    x, y = np.random.default_rng(0).normal(size=(60, 6)), np.arange(60) % 2
    np.savez(tmp_path / "sets" / "my set.npz", x=x + y[:, None], y=y)
    assert train.main(["--dataset", "sets/my set.npz", "-e", "1", *options]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out.splitlines()[-1])
    assert (report["settings"]["dataset"], report["settings"]["dataset_dir"]) == ("my set.npz", "sets")
    assert "scaled from its range in the training part" in captured.err
    assert load_model(report["log"]).weight.shape == (2, 6 * 4)
    (tmp_path / "sets").rename(tmp_path / "moved")
    with pytest.raises(SystemExit):
        train.main(["--resume", report["log"], "--epochs", "2"])
    assert "'my set.npz'" in capsys.readouterr().err
    assert train.main(["--resume", report["log"], "--epochs", "2", "--dataset-dir", "moved"]) == 0
    assert len(json.loads(capsys.readouterr().out.splitlines()[-1])["test_accuracy"]) == 2


@pytest.mark.parametrize(
    ("name", "words"), [("CIFAR", "'CIFAR'"), ("missing.npz", "'missing.npz'"), ("a.npz", "b'no'"), (".", "nothing")]
)
def test_a_data_set_that_is_none_is_refused(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    if name == "a.npz":
        Path(name).write_bytes(b"no")
    with pytest.raises(SystemExit):
        train.main(["--dataset", name, "--log-dir", str(tmp_path)])
    message = capsys.readouterr().err
    assert "expected" in message and words in message
    assert message.count("\n") == 1
