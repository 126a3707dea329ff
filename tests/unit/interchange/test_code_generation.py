"""Generated code: names stay text, the exported zip contains code that reads its own run, notebooks are valid."""

from __future__ import annotations

import ast
import io
import json
import zipfile

import torch

from tempotron_core.interchange.code_generation import potentials_code, runs_code
from tempotron_core.interchange.code_parts import CodeInput, with_run
from tempotron_core.interchange.notebook import to_notebook
from tempotron_core.runs.export import view_zip
from tempotron_core.training.settings import Settings

HOSTILE = 'runs/a\'); import os; os.system("x") #\n\\'


def calls(code: str) -> list[str]:
    return sorted(ast.unparse(node.func) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))


def test_names_of_runs_and_data_sets_stay_text() -> None:
    plain = potentials_code(CodeInput("a.npz", "data", run="runs/a", note="In progress."))
    hostile = CodeInput(HOSTILE, HOSTILE, drawing=HOSTILE, run=HOSTILE, note=HOSTILE)
    drawn = potentials_code(CodeInput("a.npz", "data", drawing="x", run="runs/a"))
    assert calls(potentials_code(hostile)) == calls(drawn)
    assert calls(runs_code([HOSTILE, "a"])) == calls(runs_code(["b", "a"]))
    for code in (plain, potentials_code(hostile)):
        other = with_run(code, "runs/b")
        assert "model = tc.load_model('runs/b')" in other or 'model = tc.load_model("runs/b")' in other
        assert calls(other) == calls(code)
        assert "In progress" not in other


def test_the_zip_contains_code_that_reads_its_run() -> None:
    settings, weight = Settings(m=3), torch.zeros(10, 784 * 3)
    code = potentials_code(CodeInput("embedded", run="runs/elsewhere", changes={"tau": 20.0}))
    content = view_zip(
        {}, "voltages", {}, settings, weight, tuple("0123456789"), scripts=lambda run: {"view.py": with_run(code, run)}
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        script = archive.read("view.py").decode()
        (folder,) = {name.rsplit("/", 1)[0] for name in archive.namelist() if name.startswith("runs/")}
    assert f'tc.load_model("{folder}")' in script
    assert "elsewhere" not in script
    assert "replace(model, tau=20.0)" in script


def test_a_notebook_has_the_code_in_cells() -> None:
    code = potentials_code(CodeInput("embedded", index=7, changes={"tau": 20.0}))
    notebook = json.loads(to_notebook(code))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    title, *cells = notebook["cells"]
    assert title["cell_type"] == "markdown"
    assert {cell["cell_type"] for cell in cells} == {"code"}
    assert ast.dump(ast.parse("\n".join(cell["source"] for cell in cells))) == ast.dump(
        ast.parse(code.split("\n", 1)[1])
    )
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
