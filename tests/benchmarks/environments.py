"""The dashboard under unusual conditions: python tests/benchmarks/environments.py [--only WORD] [--python PATH].

Each condition starts the real server, trains the first network, and opens every page with a viewer that speaks the
protocol. A fault is an exception on a page, an empty page, a traceback in the server's log, or a server that
does not start. --lowest makes an environment with the lowest versions that requirements.txt allows; torch and
torchvision, whose wheels take gigabytes, and what only others require come from the present environment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

from helpers.browser import PAGES, ROOT, Server
from helpers.streamlit_client import Session
from helpers.waiting import PATIENCE

_PARTS = ("app.py", "pages", "tempotron_core", ".streamlit")
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
_LARGE = ("torch", "torchvision")


class NotPossibleError(Exception):
    """A condition cannot be set up on this machine; the message states why."""


@contextmanager
def plain(folder: Path, python: str) -> Iterator[list[Server]]:
    yield [Server(folder, command=(python,))]


@contextmanager
def ascii_locale(folder: Path, python: str) -> Iterator[list[Server]]:
    names = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    yield [Server(folder, command=(python,), environment=names)]


@contextmanager
def c_locale(folder: Path, python: str) -> Iterator[list[Server]]:
    yield [Server(folder, command=(python,), environment={"LC_ALL": "C", "LANG": "C"})]


@contextmanager
def copied(folder: Path, python: str) -> Iterator[list[Server]]:
    place = folder / "Übung für Käse & Söhne (1)"
    _copy_project(place)
    yield [Server(place, place / "app.py", command=(python,))]


@contextmanager
def unprivileged(folder: Path, python: str) -> Iterator[list[Server]]:
    """As the user nobody, with a read-only home folder; code and packages belong to another user."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise NotPossibleError("needs root and setpriv")
    readable = [*_NOBODY, python, "-c", "import sys"]
    if subprocess.run(readable, capture_output=True, check=False, cwd="/").returncode:
        raise NotPossibleError(f"another user cannot run {python}")
    home, work, code = folder / "home", folder / "work", folder / "code"
    _copy_project(code)
    for each in (home, work):
        each.mkdir()
    folder.chmod(0o755)
    os.chown(work, 65534, 65534)
    home.chmod(0o555)
    names = {"HOME": str(home), "TMPDIR": str(work), "PYTHONDONTWRITEBYTECODE": "1"}
    yield [Server(work, code / "app.py", command=(*_NOBODY, python), environment=names)]


@contextmanager
def no_home(folder: Path, python: str) -> Iterator[list[Server]]:
    yield [Server(folder, command=(python,), environment={"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"})]


@contextmanager
def read_only_code(folder: Path, python: str) -> Iterator[list[Server]]:
    """Working directory that cannot be written: runs are not kept, pages work."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise NotPossibleError("needs root and setpriv")
    folder.chmod(0o755)
    names = {"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    code = folder / "code"
    _copy_project(code)
    yield [Server(folder, code / "app.py", command=(*_NOBODY, python), environment=names)]


@contextmanager
def one_core(folder: Path, python: str) -> Iterator[list[Server]]:
    if not shutil.which("taskset"):
        raise NotPossibleError("needs taskset")
    yield [Server(folder, command=("taskset", "-c", "0", python))]


@contextmanager
def sub_path(folder: Path, python: str) -> Iterator[list[Server]]:
    yield [Server(folder, command=(python,), options=("--server.baseUrlPath", "explorer"))]


@contextmanager
def two_servers(folder: Path, python: str) -> Iterator[list[Server]]:
    """Two servers, both of which train, write into one log directory."""
    pair = [Server(folder, command=(python,)), Server(folder, command=(python,))]
    yield pair
    runs = [entry for entry in (folder / "runs").iterdir() if (entry / "settings.json").is_file()]
    if len(runs) != 2:
        raise AssertionError(f"expected a run of each server, got {len(runs)}")


CONDITIONS: dict[str, Callable[[Path, str], object]] = {
    "as installed": plain,
    "LC_ALL=C": c_locale,
    "LC_ALL=C without UTF-8 mode": ascii_locale,
    "home that does not exist": no_home,
    "unprivileged user, read-only home": unprivileged,
    "unprivileged user, read-only working directory": read_only_code,
    "one core": one_core,
    "path with spaces and umlauts": copied,
    "--server.baseUrlPath": sub_path,
    "two servers, one log directory": two_servers,
}


def _copy_project(place: Path) -> None:
    place.mkdir()
    for name in _PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place)


async def visit_pages(server: Server) -> list[str]:
    """Open every page once the first network is trained; return the faults."""
    faults = []
    viewer = Session(server.url)
    await viewer.open()
    async with asyncio.timeout(PATIENCE):
        while viewer.job is None or re.match("Preparing|Running|Paused|Stopping", viewer.job):
            if viewer.is_disconnected:
                return ["the connection was lost"]
            await asyncio.sleep(0.1)
    for title, page in PAGES.items():
        await viewer.visit(page, PATIENCE)
        faults += [f"{title}: {complaint}" for complaint in viewer.complaints]
        viewer.complaints.clear()
        if not viewer.find_text(r"\w") or len(viewer.elements) < 10:
            faults.append(f"{title}: an empty page")
    await viewer.close()
    return faults


async def visit_all(servers: list[Server]) -> list[str]:
    return [fault for faults in await asyncio.gather(*map(visit_pages, servers)) for fault in faults]


def check(condition: Callable[[Path, str], object], python: str) -> dict[str, object]:
    """Run one condition; return pages opened, seconds and faults."""
    folder = Path(tempfile.mkdtemp(prefix="environment"))
    began, servers, faults, skipped = time.monotonic(), list[Server](), list[str](), None
    try:
        with condition(folder, python) as servers:  # type: ignore[attr-defined]
            faults += asyncio.run(visit_all(servers))
            faults += [line for server in servers for line in server.log.splitlines() if "Traceback" in line]
    except NotPossibleError as error:
        skipped = str(error)
    except (AssertionError, OSError, TimeoutError) as error:
        faults.append(f"{type(error).__name__}: {error}")
        faults += [server.log[-2000:] for server in servers]
    finally:
        for server in servers:
            server.interrupt()
        shutil.rmtree(folder, ignore_errors=True)
    seconds = round(time.monotonic() - began, 1)
    return {"pages": len(PAGES) * len(servers), "seconds": seconds, "skipped": skipped, "faults": faults}


def lowest_versions() -> dict[str, str]:
    """Return the lowest version of each requirement, by name."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = (re.match(r"([\w.-]+)(?:\[[^]]*\])?>=([\w.]+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def make_lowest(folder: Path) -> str:
    """Make an environment with the lowest versions; return its interpreter."""
    venv.create(folder, with_pip=False)
    python = str(folder / "bin/python")
    wanted = [
        f"{name}=={version}{'.*' if name.startswith('opencv') else ''}"  # whose releases have a fourth number
        for name, version in lowest_versions().items()
        if name not in _LARGE
    ]
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--only-binary", ":all:", *wanted]
    subprocess.run(install, check=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "present.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def versions(python: str) -> dict[str, str]:
    """Return the versions of the requirements in an environment."""
    names = [*lowest_versions()]
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names!r}}}))"
    found: dict[str, str] = json.loads(subprocess.run([python, "-c", code], check=True, capture_output=True).stdout)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="conditions whose name contains this")
    parser.add_argument("--python", default=sys.executable, help="interpreter of another environment")
    parser.add_argument("--lowest", action="store_true", help="use the lowest versions of all requirements")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # for the unprivileged user
        python = make_lowest(Path(folder) / "lowest") if options.lowest else options.python
        report: dict[str, object] = {"python": platform.python_version(), "versions": versions(python)}
        faulty = False
        for name, condition in CONDITIONS.items():
            if options.only in name:
                result = check(condition, python)
                faulty |= bool(result["faults"])
                report[name] = result
                print(f"{name}: {result}", file=sys.stderr, flush=True)
    print(json.dumps(report, indent=1))
    return int(faulty)


if __name__ == "__main__":
    sys.exit(main())
