"""Folders that pages may read and write.

Two environment variables, each with one or more folders separated as in PATH:

    TEMPOTRON_DATA   folders below which data sets are read and downloaded
    TEMPOTRON_RUNS   folders below which runs are written and read

If a variable is unset, the working directory of the server is allowed.
"""

from __future__ import annotations

import os
from pathlib import Path

DATA_ROOTS_ENV, RUNS_ROOTS_ENV = "TEMPOTRON_DATA", "TEMPOTRON_RUNS"


class PathNotAllowedError(ValueError):
    """Raised for a folder outside the allowed ones; the message can be shown to the user."""


def default_root(variable: str, default: str) -> str:
    """Return the first folder of the environment variable, or the default if it is unset."""
    return _displayable(next(iter(_configured_roots(variable)), default))


def roots(variable: str) -> tuple[str, ...]:
    """Return the folders of the environment variable; empty if it is unset."""
    return _configured_roots(variable)


def check_inside_roots(field_name: str, folder: str, variable: str) -> str:
    """Return the folder as typed if it is inside an allowed one after resolving symbolic links.

    Args:
        field_name: name of the field, for the message
        folder: path as typed
        variable: environment variable that lists the allowed folders

    Raises:
        PathNotAllowedError: if it is outside.
    """
    folder = _restore_bytes(folder, variable)
    try:
        roots = [Path(root).expanduser().resolve() for root in _configured_roots(variable) or (os.getcwd(),)]
    except (OSError, RuntimeError) as error:
        raise PathNotAllowedError(
            f"{field_name}: expected the folder in which the server was started, got none ({error.args[-1]}); start "
            f"the server in another folder, or with {variable} set to yours."
        ) from error
    try:
        resolved = Path(folder).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        resolved = None
    if resolved is None or not any(resolved.is_relative_to(root) for root in roots):
        shown_path = folder if len(folder) <= 80 else f"{folder[:76]} ..."
        raise PathNotAllowedError(
            f"{field_name}: expected a folder inside {' or '.join(repr(str(root)) for root in roots)}, got "
            f"{shown_path!r}; choose one there, or start the server with {variable} set to yours."
        )
    return folder


def _displayable(path: str) -> str:
    r"""Return a path whose bytes that are no UTF-8 are \xNN: a browser takes no others."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _restore_bytes(folder: str, variable: str) -> str:
    """Return the folder with the bytes that _displayable has replaced in a configured one."""
    for root in _configured_roots(variable):
        shown = _displayable(root)
        if shown != root and folder.startswith(shown):
            return root + folder[len(shown) :]
    return folder


def _configured_roots(variable: str) -> tuple[str, ...]:
    return tuple(part for part in os.environ.get(variable, "").split(os.pathsep) if part.strip())
