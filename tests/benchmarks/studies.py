"""A study shared by processes that are killed at random times: wall time, CPU time, trials lost or done twice.

python tests/benchmarks/studies.py [--trials 60] [--processes 2] [--kills 2] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tempotron_core.studies.storage import StudyPlace, load_study
from tempotron_core.studies.worker import lineages

SPACE = "beta=1..4 m=4,6,8,16 tau=log:5..100"


def start(folder: Path, trials: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tempotron_core.sweep", "--study", "benchmark", "--log-dir", str(folder)]
    command += ["--space", SPACE, "--trials", str(trials), "--epochs", "2", "--heartbeat", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    numbers = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder, began = Path(name), time.monotonic()
        processes = [start(folder, options.trials) for _ in range(options.processes)]
        kills = []
        for _ in range(options.kills):
            time.sleep(numbers.uniform(10, 30))
            victim = numbers.randrange(options.processes)
            if processes[victim].poll() is None:
                processes[victim].send_signal(signal.SIGKILL)
                processes[victim].wait()
                kills.append(round(time.monotonic() - began, 1))
                processes[victim] = start(folder, options.trials)
        for process in processes:
            process.wait()
        seconds = time.monotonic() - began
        study = load_study(StudyPlace("benchmark", str(folder)))
        latest = lineages(study.trials)
        done = [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
        folders = list((folder / "studies" / "benchmark").glob("2*"))
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        record = {
            "seconds": round(seconds, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "killed_at": kills,
            "trials": len(latest),
            "complete_or_pruned": len(done),
            "pruned": sum(trial.state.name == "PRUNED" for trial in done),
            "attempts": len(study.trials),
            "runs": len(folders),
            "test_evaluations": len(study.user_attrs.get("test", {})),
        }
        print(json.dumps(record))


if __name__ == "__main__":
    main()
