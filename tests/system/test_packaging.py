"""The wheel: installed into a fresh environment in a path with a space, it trains and opens a page."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.streamlit_client import Session
from helpers.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; the packages it requires come from the environment of the tests."""
    folder = tmp_path_factory.mktemp("a folder with spaces")
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(wheels)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True, timeout=PATIENCE)
    (wheel,) = wheels.glob("*.whl")
    venv.create(folder / "fresh environment", with_pip=False)
    site = next((folder / "fresh environment").glob("lib/python*/site-packages"))
    (site / "required.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(folder / "fresh environment/bin/python"), "install"]
    subprocess.run([*install, "-q", "--no-deps", "--no-index", str(wheel)], check=True, timeout=PATIENCE)
    return folder / "fresh environment"


def test_the_wheel_holds_pages_scripts_and_digits(environment: Path) -> None:
    (wheel,) = (environment.parent / "wheels").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"tempotron_core/data/mnist_subset.npz", "tempotron_explorer/app.py"} <= names
    for folder in ("pages", ".streamlit"):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert f"tempotron_explorer/{file.relative_to(ROOT).as_posix()}" in names


def test_the_command_trains(environment: Path, tmp_path: Path) -> None:
    command = [str(environment / "bin/tempotron-explorer"), "train", "-m", "3", "-T", "10", "--epochs", "1"]
    done = subprocess.run(
        [*command, "-b", "1000", "--log-dir", str(tmp_path / "runs")],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"test_accuracy"' in done.stdout.splitlines()[-1]


@pytest.fixture
def dashboard(environment: Path, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(environment / "bin/tempotron-explorer"), "--server.port", str(port), "--server.headless", "true"]
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, env=settings)
    url = f"http://localhost:{port}"

    def listening() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            return bool(urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).read())
        except OSError:
            return False

    try:
        wait_until(listening)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def test_the_command_opens_the_dashboard(dashboard: str) -> None:
    async def story() -> None:
        session = Session(dashboard, "encoder", "")
        await session.open()
        await session.wait_for_first_run(PATIENCE)
        assert session.find_text(r"of 12,544 afferents")
        assert session.complaints == []
        await session.close()

    asyncio.run(story())
