"""Lock of a run folder: one process at a time writes a run.

The lock is flock(2) on an open file, so the operating system releases it when the process ends, however that is. Linux
passes it on to NFS and SMB servers that support locks. A second file says who holds it; it serves only for messages.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from tempotron_core.runs.files import RunError, escape_surrogates, write_atomic

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["HOLDER_FILE", "LOCK_FILE", "RunLock", "RunLockedError", "has_live_writer"]

LOCK_FILE, HOLDER_FILE = ".lock", ".writer.json"

_MAX_HOLDER_BYTES = 4096
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL}


class RunLockedError(RunError):
    """Another process writes the run; the message says which, as one sentence."""


class RunLock:
    """Exclusive right to write a run folder, until close() or the end of the process.

    note: one sentence where the file system has no locks, so that nothing prevents a second writer; else None.

    Raises:
        RunLockedError: while another process, or another part of this one, holds the lock.
        OSError: where the lock file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.note: str | None = None
        no_follow = getattr(os, "O_NOFOLLOW", 0)
        self._file: int | None = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | no_follow, 0o666)
        try:
            if fcntl is None:
                raise OSError(errno.ENOSYS, "no flock")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(self._file)
                self._file = None
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                raise RunLockedError(
                    f"{folder.name!r}: expected a run that no other process writes, got one written by "
                    f"{_describe_holder(folder)}; stop that one or wait for its end."
                ) from error
            name = escape_surrogates(folder.name)
            self.note = f"The file system of {name!r} has no locks: let no second process write this run."
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
        with suppress(OSError):
            write_atomic(folder / HOLDER_FILE, json.dumps(holder).encode())

    def close(self) -> None:
        """Release the lock; the lock file stays, because another process may have opened it already."""
        if self._file is None:
            return
        with suppress(OSError):
            (self._folder / HOLDER_FILE).unlink(missing_ok=True)
        with suppress(OSError):
            os.close(self._file)
        self._file = None


def has_live_writer(folder: Path) -> bool:
    """Return whether the last writer of the folder is a running process of this machine; False if that is unknown."""
    if fcntl is None:  # os.kill would end the process
        return False
    try:
        with (folder / HOLDER_FILE).open("rb") as file:
            holder = json.loads(file.read(_MAX_HOLDER_BYTES))
        if holder["host"] != socket.gethostname() or not isinstance(holder["pid"], int) or holder["pid"] <= 0:
            return False
        os.kill(holder["pid"], 0)
    except PermissionError:
        return True
    except (OSError, OverflowError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return True


def _describe_holder(folder: Path) -> str:
    """Return process id, host and start time of the writer, as far as its file tells."""
    try:
        with (folder / HOLDER_FILE).open("rb") as file:
            holder = json.loads(file.read(_MAX_HOLDER_BYTES))
        host, pid, since = (str(holder[name])[:80] for name in ("host", "pid", "since"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "an unknown process"
    return f"process {pid} on host {host!r} since {since!r}"
