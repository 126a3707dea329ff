"""What all commands share: parser, messages, signals, and streams whose reader may have closed them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

__all__ = ["CommandParser", "Interrupt", "fail", "print_error", "print_report"]


class CommandParser(argparse.ArgumentParser):
    """A parser that ends the process with exit code 2 and one sentence at invalid arguments."""

    def error(self, message: str) -> NoReturn:
        """Print the message to the error stream and raise SystemExit."""
        fail(f"{message}; see --help.")


class Interrupt:
    """Ctrl-C and SIGTERM as a flag and one KeyboardInterrupt; later signals do not disturb the end of the run.

    An exception raised inside a destructor would be printed and ignored by Python; the flag remains.
    """

    def __init__(self) -> None:
        self._requested = self._is_deferred = False
        self.exit_code = 128 + signal.SIGINT
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            return
        self._requested, self.exit_code = True, 128 + number
        if not self._is_deferred:
            raise KeyboardInterrupt

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Set only the flag within the block."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False

    @property
    def requested(self) -> bool:
        """Return whether a signal has arrived."""
        return self._requested

    def raise_if_requested(self) -> None:
        """Raise KeyboardInterrupt if a signal has arrived."""
        if self._requested:
            raise KeyboardInterrupt


def fail(message: str, code: int = 2) -> NoReturn:
    """Print a line to the error stream, with the rank of a process other than the first, and raise SystemExit."""
    rank = os.environ.get("RANK") or "0"
    print_error(message if rank == "0" else f"process {rank}: {message}")
    raise SystemExit(code)


def print_error(message: object) -> None:
    """Print a line to the error stream; do nothing if its reader has closed it."""
    with suppress(BrokenPipeError):
        print(message, file=sys.stderr, flush=True)


def print_report(line: str) -> None:
    """Print the last line of a command; do nothing if the reader has closed the stream."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # The interpreter flushes the stream again when it ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
