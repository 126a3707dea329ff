"""What a training is estimated to need: against what it took, and what is refused for it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import idx_files

from tempotron_core.training import resources
from tempotron_core.training.resources import (
    MAX_SECONDS,
    available_cores,
    available_memory,
    choose_threads,
    estimate,
    explain_if_too_large,
    require_fits,
)
from tempotron_core.training.settings import Settings, TrainingError

ROOT = Path(__file__).parents[3]
MEASURE = """
import json, os, resource, sys
import torch
from helpers import idx_files
from torch.utils.tensorboard import SummaryWriter
from tempotron_core.runs.writer import open_run_log
from tempotron_core.training.settings import Settings
from tempotron_core.training.loop import train_model
torch.set_num_threads(1)
for case in sys.argv[1:]:
    child = os.fork()  # the imports take longer than the trainings: each case has a process, all have one import
    if child:
        if os.waitpid(child, 0)[1]:
            sys.exit(1)
        continue
    options = json.loads(case)
    settings, few = Settings(**options["settings"]), idx_files.few_digits(options["samples"], options["test_samples"])
    before = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
    with open_run_log(settings) as log:
        for snapshot in train_model(settings, few):
            log.write(snapshot)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before, flush=True)
    os._exit(0)
"""
CASES: dict[str, dict[str, Any]] = {
    "a long window": {"T": 4000, "batch_size": 500},
    "many weights": {"m": 64, "recipe": "population", "batch_size": 500},
    "a large batch": {"T": 1000, "batch_size": 2000},
    "local patterns": {"m": 32, "code": "local-pattern", "batch_size": 64},
}
TEST_SAMPLES = 500


def num_samples(name: str) -> int:
    return max(1000, int(CASES[name]["batch_size"]))


@pytest.fixture(scope="module")
def measured_memory(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Bytes that the training of each case takes at its peak."""
    folder = str(tmp_path_factory.mktemp("runs"))
    cases = [
        {
            "settings": {"epochs": 1, "log_dir": folder, **changes},
            "samples": num_samples(name),
            "test_samples": TEST_SAMPLES,
        }
        for name, changes in CASES.items()
    ]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURE, *map(json.dumps, cases)]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return dict(zip(CASES, map(float, output.split()), strict=True))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", CASES)
def test_the_estimate_is_within_a_factor_of_two_of_the_peak(name: str, measured_memory: dict[str, float]) -> None:
    measured = measured_memory[name]
    estimated = estimate(Settings(epochs=1, **CASES[name]), num_samples(name), TEST_SAMPLES).memory
    assert measured / 2 <= estimated <= 2 * measured, (measured, estimated)


def test_every_size_counts() -> None:
    least = estimate(Settings(), 10_000, 2_000)
    for larger in (
        Settings(batch_size=4096), Settings(T=1000), Settings(m=64), Settings(tempotrons_per_class=20),
        Settings(afferent_dropout=0.5),
        Settings(beta=0.5),
    ):  # fmt: skip
        assert estimate(larger, 10_000, 2_000).memory > least.memory
    for longer in (
        Settings(epochs=20),
        Settings(T=1000),
        Settings(m=64),
        Settings(tempotrons_per_class=20),
        Settings(batch_size=1),
    ):
        assert estimate(longer, 10_000, 2_000).seconds > least.seconds
    assert estimate(Settings(), 60_000, 10_000).memory > least.memory


def test_usual_settings_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "available_memory", lambda device: 8e9)
    assert explain_if_too_large(Settings()) is None
    assert explain_if_too_large(Settings(dataset="MNIST", dataset_dir="x", T=1000, m=64, recipe="population")) is None
    assert explain_if_too_large(Settings(epochs=1000, dataset="MNIST", dataset_dir="x")) is None
    require_fits(Settings(), idx_files.few_digits(20, 10))


@pytest.mark.parametrize(
    ("changes", "name", "word"),
    [
        ({"batch_size": 10_000, "T": 1000}, "batch_size", "batch size"),
        ({"T": 50_000}, "T", "T"),
        ({"m": 20_000}, "m", "m"),
        ({"epochs": 2**31 - 1}, "epochs", "epochs"),
    ],
)
def test_the_nearest_that_fits_does_and_is_near(
    changes: dict[str, Any], name: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "available_memory", lambda device: 1e9)
    settings = replace(Settings(), **changes)
    with pytest.raises(TrainingError) as caught:
        require_fits(settings)
    text = str(caught.value)
    assert f"the nearest that fits is {word} " in text and "an estimate of" in text and len(text.splitlines()) == 1
    value = int(text.rsplit(" ", 1)[1].rstrip(".").replace(",", ""))
    changed: dict[str, Any] = {name: value}
    assert explain_if_too_large(replace(settings, **changed)) is None
    changed = {name: round(value * 1.2) + 1}
    assert explain_if_too_large(replace(settings, **changed)) is not None


def test_where_one_number_will_not_do_several_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    message = explain_if_too_large(Settings(m=2**31 - 1, T=2**31 - 1))
    assert message is not None and "what fits is T" in message and ", m " in message
    monkeypatch.setattr(resources, "available_memory", lambda device: 0.0)
    message = explain_if_too_large(Settings())
    assert message is not None and "nothing smaller fits either" in message


def test_a_week_is_the_most() -> None:
    a_day = 86400 / estimate(Settings(epochs=1), 10_000, 2_000).seconds
    assert explain_if_too_large(Settings(epochs=round(6.9 * a_day))) is None
    message = explain_if_too_large(Settings(epochs=round(7.5 * a_day)))
    assert message is not None and "at most 7 days" in message and MAX_SECONDS == 7 * 86400


def test_memory_is_what_the_system_and_the_control_group_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1e8 < available_memory() < 1e14
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100\n")
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert resources._cgroup_memory(tmp_path, "") == 800
    (tmp_path / "memory.max").write_text("max\n")
    assert resources._cgroup_memory(tmp_path, "") == float("inf")
    assert resources._cgroup_memory(tmp_path / "none", "memory") == float("inf")
    monkeypatch.setattr(resources, "_cgroup_memory", lambda folder, kind: 5e6)
    assert available_memory() <= 5e6 or not Path("/proc/self/cgroup").exists()


def test_limits_of_the_process_count(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {resource.RLIMIT_AS: resource.RLIM_INFINITY, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], resource.RLIM_INFINITY))
    free = available_memory()
    for kind in limits:
        with monkeypatch.context() as patch:
            patch.setitem(limits, kind, 2**50)
            assert available_memory() == pytest.approx(free, rel=0.2)
            patch.setitem(limits, kind, 1)
            assert available_memory() == 0
            with pytest.raises(TrainingError, match=r"expected at most 0\.0 GB of memory"):
                require_fits(Settings())


@pytest.mark.parametrize(
    ("files", "groups", "cores"),
    [
        ({"a/cpu.max": "150000 100000"}, "0::/a/b", 1),
        ({"cpu.max": "max 100000", "a/b/cpu.max": "300000 100000"}, "0::/a/b", 3),
        ({"a/cpu.max": "50000 100000"}, "0::/a", 1),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/", 2),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/", 6),
        ({}, "0::/a", 6),
    ],
)
def test_cores_are_those_of_affinity_and_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], groups: str, cores: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(resources, "_CGROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path: groups if str(path) == "/proc/self/cgroup" else read_text(path))
    assert available_cores() == cores


def test_one_thread_unless_more_help_or_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "available_cores", lambda: 4)
    large = Settings(recipe="population", batch_size=4096)
    for text in ("", "abc", "-1", "0"):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert [choose_threads(settings) for settings in (None, Settings(), large)] == [1, 1, 4]
    for text in ("3", "3,2", " 3 "):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert [choose_threads(settings) for settings in (None, Settings(), large)] == [3, 3, 3]
