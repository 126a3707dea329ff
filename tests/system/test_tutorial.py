"""The tutorial notebook runs: in a kernel where nbclient and ipykernel are installed, else in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest

import tempotron_core as tc

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "tests" / "tutorial.ipynb"
HAS_KERNEL = bool(util.find_spec("nbclient") and util.find_spec("ipykernel"))

RUNNER = """
import json, sys
values = {}
for cell in json.load(open(sys.argv[1], encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile(cell["source"], cell["id"], "exec"), values)
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return dict(os.environ)


def check(output: str, folder: Path) -> None:
    assert "of 3,136 afferents" in output
    peak, total = output.split("peak ")[1].splitlines()[0].split(", sum of the contributions ")
    assert float(peak) == pytest.approx(float(total), abs=2e-4)
    assert "ready at http://127.0.0.1:" in output
    (run,) = (folder / "runs").iterdir()
    assert [result.epoch for result in tc.read_run(run).epochs] == [1, 2]
    assert (folder / "tempotron.pt").stat().st_size > 100_000


@pytest.mark.skipif(HAS_KERNEL, reason="it runs in a kernel")
def test_the_cells_of_the_tutorial_run(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUNNER, str(NOTEBOOK)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, timeout=300, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    check(done.stdout, tmp_path)


@pytest.mark.skipif(not HAS_KERNEL, reason="nbclient and ipykernel are not installed")
def test_the_tutorial_runs_in_a_kernel(environment: dict[str, str], tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    check("\n".join(output.text for output in outputs if output.output_type == "stream"), tmp_path)
    assert any("Tempotron Explorer" in output.data.get("text/html", "") for output in outputs if "data" in output)


def test_the_notebook_holds_no_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
