"""The command tempotron-explorer: dashboard, training, studies and their reports, import and export of networks."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

__all__ = ["app_script", "main"]

_USAGE = """usage: tempotron-explorer [--help]
       tempotron-explorer [train ... | sweep ... | report ... | open FILE | export RUN | STREAMLIT OPTIONS]

  tempotron-explorer                     open the dashboard; options as of streamlit run, such as --server.port 8600
  tempotron-explorer train [OPTIONS]     train without the dashboard; see tempotron-explorer train --help
  tempotron-explorer sweep [OPTIONS]     train over a space of settings; see tempotron-explorer sweep --help
  tempotron-explorer report STUDY ...    write a study as a page or a notebook; see tempotron-explorer report --help
  tempotron-explorer open FILE [OPTIONS] import a network and open the dashboard; see tempotron-explorer open --help
  tempotron-explorer export RUN [OPTIONS] write a network for another program; see tempotron-explorer export --help
"""

_COMMANDS = {
    "train": "tempotron_core.train",
    "sweep": "tempotron_core.sweep",
    "report": "tempotron_core.report",
    "export": "tempotron_core.export_network",
}
"""Command -> module with its function main, imported when it is used."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: command-line arguments, those of the process by default
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] in (["-h"], ["--help"]):
        print(_USAGE, end="")
        return 0
    if arguments[:1] == ["open"]:
        return _open_network(arguments[1:])
    if arguments and arguments[0] in _COMMANDS:
        return int(import_module(_COMMANDS[arguments[0]]).main(arguments[1:]))
    if arguments and not arguments[0].startswith("-"):
        commands = ", ".join((*_COMMANDS, "open"))
        print(f"expected {commands} or an option, got {arguments[0]!r}; see --help.", file=sys.stderr)
        return 2
    return _open_dashboard(arguments)


def app_script() -> Path:
    """Return the dashboard's script: beside this package in a checkout, in tempotron_explorer once installed."""
    root = Path(__file__).resolve().parents[1]
    installed = root / "tempotron_explorer" / "app.py"
    return installed if installed.is_file() else root / "app.py"


def _open_network(arguments: Sequence[str]) -> int:
    """Import a network, print its JSON object and open the dashboard with it as the model of all pages."""
    from tempotron_core import import_network

    run = import_network.import_from_arguments(arguments, "tempotron-explorer open")
    if isinstance(run, int):
        return run
    os.environ.setdefault("TEMPOTRON_RUNS", str(run.path.resolve().parent))
    os.environ["TEMPOTRON_OPEN_RUN"] = run.path.name
    return _open_dashboard([])


def _open_dashboard(options: Sequence[str]) -> int:
    """Run `streamlit run` in this process; it returns when the server stops."""
    sys.argv = ["streamlit", "run", str(app_script()), *options]
    try:
        runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
