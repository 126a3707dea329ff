"""Imports point one way: read from the source, lazy imports and those for type checks included."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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


def relative_paths(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def test_there_is_something_to_check() -> None:
    assert {"app.py", "pages", "tempotron_core"} == {file.relative_to(ROOT).parts[0] for file in SOURCES}
    assert imports_from(CORE / "train.py", "tempotron_core.training.loop")


def test_only_pages_import_streamlit() -> None:
    core = [file for file in SOURCES if file.is_relative_to(CORE)]
    assert relative_paths([file for file in core if imports_from(file, "streamlit")]) == []


def test_only_figures_import_plotly() -> None:
    others = [file for file in SOURCES if not file.is_relative_to(CORE / "figures")]
    assert relative_paths([file for file in others if imports_from(file, "plotly")]) == []


def test_the_core_does_not_know_the_pages() -> None:
    core = [file for file in SOURCES if file.is_relative_to(CORE)]
    assert relative_paths([file for file in core if imports_from(file, "pages", "app")]) == []


PACKAGES = (
    "validation",
    "snn",
    "data",
    "model",
    "training",
    "runs",
    "interchange",
    "jobs",
    "analysis",
    "experiments",
    "studies",
)
"""A package imports only packages before it."""


def test_every_package_is_listed() -> None:
    found = {path.stem for path in CORE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert found == {*PACKAGES, "figures"} - {"validation"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_packages_before_it(package: str) -> None:
    allowed = {*PACKAGES[: PACKAGES.index(package) + 1]}
    later = [f"tempotron_core.{name}" for name in {*PACKAGES, "figures", "train"} - allowed]
    files = sorted((CORE / package).rglob("*.py")) or [CORE / f"{package}.py"]
    assert {str(file): found for file in files if (found := imports_from(file, *later))} == {}


def test_figures_import_nothing_of_the_core() -> None:
    others = [f"tempotron_core.{name}" for name in PACKAGES]
    files = sorted((CORE / "figures").rglob("*.py"))
    assert files
    assert relative_paths([file for file in files if imports_from(file, *others)]) == []


def test_modules_of_a_package_import_each_other_in_one_direction() -> None:
    graph = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): imports(file)
        for file in SOURCES
    }
    edges = {
        name: {
            target
            for target in found
            # `from package import module` needs the package only as a folder
            if target in graph and target != name and not any(other.startswith(f"{target}.") for other in found)
        }
        for name, found in graph.items()
    }
    while free := [name for name, targets in edges.items() if not targets]:
        for name in free:
            del edges[name]
        for targets in edges.values():
            targets.difference_update(free)
    assert edges == {}, "import cycle"


def test_widgets_bind_url_parameters_through_the_table_of_settings() -> None:
    from pages.state.settings import SETTINGS

    used = set()
    for file in sorted((ROOT / "pages").rglob("*.py")):
        if file.name == "settings.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            assert not any(keyword.arg == "bind" for keyword in node.keywords), f"{file}:{node.lineno}"
            if isinstance(node.func, ast.Name) and node.func.id in ("url_widget", "number_widget"):
                used |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    from pages.state.overrides import CONSTANTS

    used |= set(CONSTANTS)  # drawn in a loop
    assert used <= set(SETTINGS)
    assert len(used) > 40
