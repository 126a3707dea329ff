"""The training step against other implementations of it, in processes that take turns; then the loop itself.

Every peer works in a process of its own, warmed up, and takes its turn again and again while the others wait, so
that a machine that slows down slows them all. Seconds are medians, with the 10th and 90th percentile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tempotron_core.data import datasets

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
_NUM_SUBSET_DIGITS = 4096  # digits for those that keep nothing of them: the memory shown is then the method's
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Spread:
    """Seconds: median, 10th and 90th percentile of n repetitions."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        low, median, high = np.percentile(seconds, [10, 50, 90])
        return cls(float(median), float(low), float(high), len(seconds))

    def __str__(self) -> str:
        if self.median < 0.1:
            return f"{self.median * 1e3:.2f} ms ({self.low * 1e3:.2f}-{self.high * 1e3:.2f})"
        return f"{self.median:.2f} s ({self.low:.2f}-{self.high:.2f})"


class Peer:
    """A process that takes training steps on request."""

    def __init__(self, title: str, name: str, digits: Path, steps: int) -> None:
        self.title, self.steps = title, steps
        self.seconds: list[float] = []
        self.peak_mb = 0.0
        command = [sys.executable, str(HERE / "peers.py"), name, str(digits), "--warm", str(min(20, 2 * steps))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        self._read_answer()

    def run_turn(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{self.steps}\n")
        self._process.stdin.flush()
        answer = self._read_answer()
        self.seconds += answer["seconds"]
        self.peak_mb = answer["peak_mb"]

    def stop(self) -> None:
        self._process.communicate()

    def _read_answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            said = (self._process.communicate()[1].strip() or "nothing").splitlines()[-1]
            raise SystemExit(f"{self.title}: expected an answer from its process, got its end; it said: {said}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def compare(digits: Path, few: Path, folders: list[str], rounds: int) -> dict[str, dict[str, Any]]:
    """Steps of all peers by turns: title -> Spread of the step and peak memory."""
    peers = [
        Peer("this project, training loop", "loop", digits, 50),
        Peer("this project, public call", "public", few, 20),
        Peer("the usual method, plainly", "dense", few, 1),
    ]
    for folder in folders:
        release = next(Path(folder).glob("spikingjelly-*.dist-info"), None)
        if not (Path(folder) / "spikingjelly").is_dir():
            print(
                f"Skipped {folder}: expected a folder with the package spikingjelly in it, found none.", file=sys.stderr
            )
            continue
        version = release.name.removesuffix(".dist-info").removeprefix("spikingjelly-") if release else "of " + folder
        peers.append(Peer(f"SpikingJelly {version}", folder, few, 2))
    if not folders:
        print("No --peer given: SpikingJelly is left out; the plain dense version stands in.", file=sys.stderr)
    for _ in range(rounds):
        for peer in peers:
            peer.run_turn()
    for peer in peers:
        peer.stop()
    return {c.title: {"step": asdict(Spread.of(c.seconds)), "peak_mb": c.peak_mb} for c in peers}


def measure_training_loop(digits: Path, repeats: int) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "training_loop.py"), str(digits), "--repeats", str(repeats)]
    report: dict[str, Any] = json.loads(
        subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True).stdout
    )
    return report


def epochs(dataset_dir: str | None, number: int) -> dict[str, Any]:
    """The headless command itself, everything included, and what it took from outside."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tempotron_core.train", "--epochs", str(number), "--recipe", "reference"]
        command += ["--log-dir", folder, *(["--dataset-dir", dataset_dir] if dataset_dir else [])]
        run = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    report: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return report


def write_digits(dataset_dir: str | None, file: Path) -> None:
    dataset = datasets.load("MNIST" if dataset_dir else datasets.EMBEDDED, dataset_dir)
    np.savez(
        file,
        images=dataset.train.images.flatten(1).numpy(),
        labels=dataset.train.labels.numpy(),
        test_images=dataset.test.images.flatten(1).numpy(),
        test_labels=dataset.test.labels.numpy(),
    )


def measure(dataset_dir: str | None, peers: list[str], quick: bool) -> dict[str, Any]:
    """Everything about the engine, as one JSON-able report."""
    with tempfile.TemporaryDirectory() as folder:
        digits = Path(folder) / "digits.npz"
        write_digits(dataset_dir, digits)
        few = Path(folder) / "few.npz"
        with np.load(digits) as arrays:
            np.savez(few, images=arrays["images"][:_NUM_SUBSET_DIGITS], labels=arrays["labels"][:_NUM_SUBSET_DIGITS])
        steps = compare(digits, few, peers, 3 if quick else 10)
        report = measure_training_loop(digits, 50 if quick else 400)
    run = epochs(dataset_dir, 2 if quick else 5)
    report["evaluation"] = asdict(Spread.of(report.pop("evaluation_seconds")))
    report["epoch"] = asdict(Spread.of(run["seconds_per_epoch"]))
    report["preparation_in_the_command"] = run["preparation_seconds"]
    steps["this project, training loop"]["epoch"] = report.pop("epoch")
    return {"peers": steps, "training_loop": report}


def format_report(report: dict[str, Any]) -> str:
    """The report as tables."""
    kept = report["training_loop"]
    samples, per_epoch = kept["samples"], -(-kept["samples"] // 64)
    rows = report["peers"]
    own = rows["this project, training loop"]["epoch"]["median"]
    call = rows["this project, public call"]["step"]["median"]
    titles = ["batch 64, m 16, T 100", "training step", f"epoch of {samples:,}", "peak memory"]
    titles += ["epoch against our loop", "step against our call"]
    lines = [f"| {' | '.join(titles)} |", "|---|---|---|---|---|---|"]
    for title, row in rows.items():
        step = Spread(**row["step"])
        epoch = row["epoch"]["median"] if "epoch" in row else step.median * per_epoch
        ours = title.startswith("this project")
        ratios = ["" if ours else f"{ratio:,.0f} x" for ratio in (epoch / own, step.median / call)]
        counted = "" if "epoch" in row else " *"
        epoch_text = f"{epoch:.2f} s" if epoch < 100 else f"{epoch / 60:,.0f} min"
        lines.append(f"| {title} | {step} | {epoch_text}{counted} | {row['peak_mb']:,.0f} MB | {' | '.join(ratios)} |")
    lines += ["", "\\* median step times the steps of an epoch.", ""]
    gather = kept["gather_seconds"] * 1e3
    lines += [
        f"Preparing {samples:,} digits: {kept['preparation_seconds']:.2f} s, {kept['preparation_mb']:,.0f} MB more.",
        f"Evaluating {kept['evaluated']:,} prepared digits: {Spread(**kept['evaluation'])}.",
        f"Gather-sums: {gather:.2f} ms, {kept['gather_share']:.0%} of a step.",
        "",
        "| one size changed | step | spikes of a batch | ns a spike |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {p['against']} = {p['value']} | {p['seconds'] * 1e3:.2f} ms | {p['spikes']:,.0f} | "
        f"{p['seconds'] * 1e9 / p['spikes']:.1f} |"
        for p in kept["scaling"]
    ]
    return "\n".join(lines)
