"""Two processes that train together learn what one learns from the combined batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tempotron_core.data import datasets
from tempotron_core.runs.reader import load_model, read_run
from tempotron_core.training.distributed import ALONE, ParallelError, Processes, joined

ROOT = Path(__file__).parents[1]
SMALL = ["--epochs", "2", "-m", "4", "-T", "30", "--batch-size", "250"]


def trained(launcher: list[str], arguments: list[str]) -> dict[str, Any]:
    """The command's report."""
    done = subprocess.run(
        [sys.executable, "-m", *launcher, "tempotron_core.train", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, "one process alone speaks"
    report = json.loads(lines[0])
    assert isinstance(report, dict)
    return report


@pytest.mark.parametrize("recipe", ["cross-entropy", "as-published", "population"])
def test_two_processes_learn_what_one_learns(recipe: str, tmp_path: Path) -> None:
    arguments = [*SMALL, "--recipe", recipe]
    together = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    one = trained([], [*arguments, "--log-dir", str(tmp_path / "one")])
    two = trained(together, [*arguments, "--log-dir", str(tmp_path / "two")])
    assert len(list((tmp_path / "two").iterdir())) == 1, "one process alone writes"
    assert two["steps"] == one["steps"] == 80
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    for key in ("train_accuracy", "test_accuracy"):
        assert two[key] == pytest.approx(one[key], abs=1e-3)
    expected, got = (read_run(report["log"]) for report in (one, two))
    assert [point.loss for point in got.points] == pytest.approx([point.loss for point in expected.points], rel=1e-4)
    for name in ("wrong_state", "pinned_first", "pinned_last"):
        found, wanted = (getattr(record.epochs[-1], name) for record in (got, expected))
        assert found == pytest.approx(wanted, abs=1e-3)
    weights, others = load_model(two["log"]).weight, load_model(one["log"]).weight
    assert float((weights - others).abs().max()) < 1e-4 * float(others.abs().max())


def test_shares_are_the_whole_set_once() -> None:
    images, labels = torch.arange(10, dtype=torch.uint8).view(10, 1, 1), torch.arange(10)
    split = datasets.Split(images, labels)
    whole = datasets.Dataset("ten", split, split, ("a",), "here")
    shares = [Processes(rank, 3).share(whole) for rank in range(3)]
    assert sorted(int(label) for share in shares for label in share.train.labels) == list(range(10))
    batch = torch.tensor([7, 2, 9, 4, 0])
    drawn = [share.train.labels[Processes(rank, 3).own(batch)].tolist() for rank, share in enumerate(shares)]
    assert drawn == [[9, 0], [7, 4], [2]]
    assert ALONE.share(whole) is whole
    assert ALONE.own(batch) is batch


def test_more_processes_than_samples_are_refused() -> None:
    split = datasets.Split(torch.zeros(2, 28, 28, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ParallelError, match="expected at most one a training sample, 2, got 3"):
        Processes(0, 3).share(datasets.Dataset("two", split, split, ("a",), "here"))


def test_without_a_launcher_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as (processes, device):
        assert processes is ALONE
        assert device == "cpu"
        assert processes.sum(torch.ones(2)).tolist() == [1, 1]


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": str(torch.cuda.device_count())}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ParallelError, match="expected at most one a GPU"), joined("cuda:0"):
        pass
