"""The nginx example of the security notes with the real server: log-in, WebSocket, sub-path."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.browser import ROOT, Server
from helpers.streamlit_client import Session
from helpers.waiting import PATIENCE, wait_until
from websockets.exceptions import InvalidStatus

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx")

USER = "viewer:secret"
FRAME = """
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
worker_processes 1;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def example() -> str:
    """The server block of the document."""
    found = re.search(r"```nginx\n(.*?)```", (ROOT / ".github/SECURITY.md").read_text(), re.DOTALL)
    assert found
    return found[1]


@contextmanager
def proxy(folder: Path, upstream: str, block: str) -> Iterator[int]:
    """Nginx with a server block: its own port, without TLS, with one user; the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder.mkdir()
    (folder / "htpasswd").write_text(USER.replace(":", ":{PLAIN}") + "\n")
    for expected, replacement in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("/etc/nginx/htpasswd", str(folder / "htpasswd")),
        ("http://127.0.0.1:8501", upstream),
    ):
        assert expected in block
        block = block.replace(expected, replacement)
    block = re.sub(r" *ssl_certificate.*\n", "", block)
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker may not read the folder
    (folder / "nginx.conf").write_text(FRAME.format(user=user, folder=folder, server=block))
    process = subprocess.Popen([str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:

        def listens() -> bool:
            assert process.poll() is None, (folder / "error.log").read_text()
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", port)) == 0

        wait_until(listens)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def get(port: int, path: str, user: str | None) -> int:
    """The status of a page."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": "example.org"})
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            assert "<title>" in answer.read().decode()
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def visit(port: int, path: str = "") -> Session:
    """A viewer at the name of the example, who has seen a page and pressed a button."""

    async def story() -> Session:
        viewer = Session(f"http://{USER}@example.org{path}", "encoder", via=("127.0.0.1", port))
        await viewer.open()
        await viewer.wait_for_first_run(PATIENCE)
        await viewer.move("slider", "m, neurons", 20.0, "of 20 neurons", PATIENCE)
        await viewer.close()
        return viewer

    return asyncio.run(story())


@pytest.fixture(params=["", "explorer"], ids=["at the root", "below a sub-path"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, str]]:
    options = ("--server.baseUrlPath", request.param) if request.param else ()
    server = Server(tmp_path, options=options)
    yield server, f"/{request.param}" if request.param else ""
    server.interrupt()
    assert "Traceback" not in server.log, server.log


def test_a_page_is_served_through_the_example(served: tuple[Server, str], tmp_path: Path) -> None:
    server, path = served
    block, upstream = example(), server.url.removesuffix(path).replace("localhost", "127.0.0.1")
    if path:
        assert "location / {" in block
        block = block.replace("location / {", f"location {path}/ {{")
    with proxy(tmp_path / "proxy", upstream, block) as port:
        assert get(port, f"{path}/encoder", None) == 401
        assert get(port, f"{path}/encoder", USER) == 200
        assert visit(port, path).complaints == []
    if not path:  # the reason for the line in the example
        without_host = re.sub(r" *proxy_set_header Host .*\n", "", block)
        assert without_host != block
        with proxy(tmp_path / "without", upstream, without_host) as port, pytest.raises(InvalidStatus):
            visit(port)
