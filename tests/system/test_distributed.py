"""Two processes that train together learn what one learns from the combined batch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.waiting import PATIENCE
from safetensors.torch import load_file

from tempotron_core.data import datasets
from tempotron_core.runs.reader import read_run
from tempotron_core.training.distributed import SINGLE_PROCESS, DistributedError, ProcessGroup, init_process_group

ROOT = Path(__file__).parents[2]
RECIPES = ["cross-entropy", "as-published", "population", "local-pattern"]
BATCH, STEPS, RATE = 100, 20, 1e-3
SMALL = ["--epochs", "2", "-m", "3", "-T", "20", "--validation", "200", "-b", str(BATCH), "--lr", str(RATE)]

# One process and two add the terms of a gradient in different orders; a sum of n terms is exact to n epsilon of the sum
# of their sizes. AdamW divides by the size of the gradient itself: where terms cancel, rounding may move a weight by up
# to the learning rate in either direction. In float32 no bound would thus hold on every processor and still show a
# fault. In float64 a weight may differ by steps * rate * n epsilon = 1e-15, times CANCELLATION where the terms cancel
# to that part: 1e-10. A share of the batch that is lost or has the wrong weight shows at 1e-3 and above.
CANCELLATION = 1e5
TOLERANCE = STEPS * RATE * BATCH * torch.finfo(torch.float64).eps * CANCELLATION

IN_FLOAT64 = """
import dataclasses, runpy, sys, torch
from helpers import idx_files
from torch import distributed
from tempotron_core import train
from tempotron_core.data import datasets
few = dataclasses.replace(idx_files.few_digits(1200, 100), name=datasets.EMBEDDED)
datasets.load = lambda *_: few  # the evaluation of all digits would take longer than the steps
torch.set_default_dtype(torch.float64)
# The processes of a launcher can form a group only once: all recipes share it.
form, distributed.destroy_process_group = distributed.init_process_group, lambda: None
distributed.init_process_group = lambda backend: distributed.is_initialized() or form(backend)
*others, last = sys.argv[1].split()
for recipe in others:
    train.main([*sys.argv[2:], "--recipe", recipe])
sys.argv[1:] = [*sys.argv[2:], "--recipe", last]
runpy.run_module("tempotron_core.train", run_name="__main__", alter_sys=True)
"""
"""Trains one recipe after the other, the last one as the command line does: `python -m tempotron_core.train`."""


def run_training(launcher: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Train every recipe in float64, and return the reports by recipe."""
    script = folder / "in_float64.py"
    script.write_text(IN_FLOAT64)
    done = subprocess.run(
        [sys.executable, *launcher, str(script), " ".join(RECIPES), *SMALL, "--log-dir", str(folder / "runs")],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["settings"]["recipe"] for report in reports] == RECIPES, "one process alone speaks"
    assert len(list((folder / "runs").iterdir())) == len(RECIPES), "one process alone writes"
    return {report["settings"]["recipe"]: report for report in reports}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return run_training([], tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return run_training(launcher, tmp_path_factory.mktemp("two"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_learn_what_one_learns(
    recipe: str, alone: dict[str, dict[str, Any]], together: dict[str, dict[str, Any]]
) -> None:
    one, two = alone[recipe], together[recipe]
    assert two["steps"] == one["steps"] == STEPS
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-9)
    for key in ("train_accuracy", "test_accuracy"):
        assert two[key] == pytest.approx(one[key])
    expected, got = (read_run(report["log"]) for report in (one, two))
    assert [point.loss for point in got.points] == pytest.approx([point.loss for point in expected.points], rel=1e-9)
    for name in ("firing_error_rate", "peaks_at_start", "peaks_at_end"):
        found, wanted = (getattr(record.epochs[-1], name) for record in (got, expected))
        assert found == pytest.approx(wanted)
    weights, others = (load_file(Path(report["log"], "last.safetensors"))["fc.weight"] for report in (two, one))
    assert weights.dtype == torch.float64
    assert float((weights - others).abs().max()) < TOLERANCE


def test_shares_are_the_whole_set_once() -> None:
    images, labels = torch.arange(10, dtype=torch.uint8).view(10, 1, 1), torch.arange(10)
    split = datasets.Split(images, labels)
    whole = datasets.Dataset("ten", split, split, ("a",), "here")
    shares = [ProcessGroup(rank, 3).shard(whole) for rank in range(3)]
    assert sorted(int(label) for share in shares for label in share.train.labels) == list(range(10))
    batch = torch.tensor([7, 2, 9, 4, 0])
    drawn = [
        share.train.labels[ProcessGroup(rank, 3).local_indices(batch)].tolist() for rank, share in enumerate(shares)
    ]
    assert drawn == [[9, 0], [7, 4], [2]]
    assert SINGLE_PROCESS.shard(whole) is whole
    assert SINGLE_PROCESS.local_indices(batch) is batch


def test_more_processes_than_samples_are_refused() -> None:
    split = datasets.Split(torch.zeros(2, 28, 28, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(DistributedError, match="expected at most one a training sample, 2, got 3"):
        ProcessGroup(0, 3).shard(datasets.Dataset("two", split, split, ("a",), "here"))


def test_without_a_launcher_one_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with init_process_group("cpu") as (processes, device):
        assert processes is SINGLE_PROCESS
        assert device == "cpu"
        assert processes.sum(torch.ones(2)).tolist() == [1, 1]


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": str(torch.cuda.device_count())}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DistributedError, match="expected at most one a GPU"), init_process_group("cuda:0"):
        pass
