"""The command tempotron-explorer: open the dashboard, or train without it."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["app_script", "main"]

_USAGE = """usage: tempotron-explorer [--help] [train ... | STREAMLIT OPTIONS]

  tempotron-explorer                     open the dashboard; options as of streamlit run, such as --server.port 8600
  tempotron-explorer train [OPTIONS]     train without the dashboard; see tempotron-explorer train --help
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: command-line arguments, those of the process by default
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] in (["-h"], ["--help"]):
        print(_USAGE, end="")
        return 0
    if arguments[:1] == ["train"]:
        from tempotron_core.train import main as train

        return train(arguments[1:])
    if arguments and not arguments[0].startswith("-"):
        print(f"expected train or an option, got {arguments[0]!r}; see --help.", file=sys.stderr)
        return 2
    return _open_dashboard(arguments)


def app_script() -> Path:
    """Return the dashboard's script: beside this package in a checkout, in tempotron_explorer once installed."""
    root = Path(__file__).resolve().parents[1]
    installed = root / "tempotron_explorer" / "app.py"
    return installed if installed.is_file() else root / "app.py"


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
