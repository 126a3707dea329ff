"""Imports point one way: read from the source, lazy imports and those for type checks included."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "tempotron_core"
SOURCES = sorted([ROOT / "app.py", *(ROOT / "pages").rglob("*.py"), *CORE.rglob("*.py")])


def imports(file: Path) -> set[str]:
    """Full names of all modules, and of all names taken from modules, that a file imports."""
    package = file.relative_to(ROOT).parent.parts
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*parents, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def imports_from(file: Path, *modules: str) -> set[str]:
    """Those imports that are one of the modules or lie inside one."""
    return {name for name in imports(file) if any(name == m or name.startswith(f"{m}.") for m in modules)}


def named(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def test_there_is_something_to_check() -> None:
    assert {"app.py", "pages", "tempotron_core"} == {file.relative_to(ROOT).parts[0] for file in SOURCES}
    assert imports_from(CORE / "train.py", "tempotron_core.training.loop")


def test_only_pages_import_streamlit() -> None:
    core = [file for file in SOURCES if file.is_relative_to(CORE)]
    assert named([file for file in core if imports_from(file, "streamlit")]) == []


def test_only_figures_import_plotly() -> None:
    others = [file for file in SOURCES if not file.is_relative_to(CORE / "figures")]
    assert named([file for file in others if imports_from(file, "plotly")]) == []


def test_the_core_does_not_know_the_pages() -> None:
    core = [file for file in SOURCES if file.is_relative_to(CORE)]
    assert named([file for file in core if imports_from(file, "pages", "app")]) == []


def test_figures_know_no_training() -> None:
    above = [f"tempotron_core.{name}" for name in ("training", "trainer", "job", "runs", "runlog", "train")]
    figures = sorted((CORE / "figures").rglob("*.py"))
    assert figures
    assert named([file for file in figures if imports_from(file, *above)]) == []


@pytest.mark.parametrize(
    ("module", "known"),
    [
        ("checks", []),
        ("engine", []),
        ("store", ["engine"]),
        ("encoding", ["checks"]),
        ("neuron", ["checks", "engine"]),
        ("model", ["encoding", "neuron", "checks", "engine"]),
        ("data", ["checks"]),
        ("recipes", ["checks", "neuron"]),
        ("parallel", ["data", "checks"]),
        ("settings", ["data", "checks", "model", "recipes"]),
        ("history", []),
        ("snapshots", ["history", "model", "settings"]),
        ("trainer", ["model", "neuron", "parallel", "recipes", "settings", "store"]),
        ("training", ["data", "history", "model", "parallel", "settings", "snapshots", "store", "trainer"]),
        ("events", []),
        ("folders", ["checks"]),
        ("tables", ["checks", "folders", "history"]),
        ("runs", ["checks", "folders", "history", "model", "settings", "snapshots", "tables"]),
        ("runlog", ["events", "folders", "history", "settings", "snapshots", "tables"]),
        ("results", ["data", "model", "store"]),
        ("limits", ["data", "model", "settings"]),
        ("job", ["data", "limits", "model", "runlog", "settings", "snapshots", "training"]),
        ("library", ["folders", "runs"]),
        ("evidence", ["model"]),
        ("rule", ["checks", "model", "recipes"]),
        ("inspection", ["data", "model"]),
        ("advice", ["inspection"]),
        ("laboratory", ["checks", "engine"]),
        ("capacity", ["laboratory", "results"]),
        ("replay", ["evidence", "model", "runs", "settings"]),
        ("sharing", ["folders", "settings"]),
        ("drawing", []),
        ("perturb", ["data", "model"]),
        ("baselines", ["data", "model", "recipes"]),
        ("published", ["data", "baselines", "settings", "training"]),
        ("train", ["data", "limits", "parallel", "recipes", "runlog", "runs", "settings", "snapshots", "training"]),
    ],
)
def test_core_modules_import_only_those_below(module: str, known: list[str]) -> None:
    others = {file.stem for file in CORE.glob("*.py")} | {"figures"}
    assert not imports_from(CORE / f"{module}.py", *(f"tempotron_core.{name}" for name in others - set(known)))
