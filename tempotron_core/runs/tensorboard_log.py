"""TensorBoard events, written in the calling thread.

The writer of the tensorboard package has a thread of its own; an error of a full disk would be raised at a later call.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["TensorBoardWriter"]

_FLUSH_SECONDS = 10.0
_number = itertools.count()


class TensorBoardWriter:
    """An event file of scalars in a run folder.

    Raises:
        OSError: where it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        # Imported here: it takes a second that a page without training should not pay.
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        name = f"events.out.tfevents.{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}.{next(_number)}"
        self._file = (folder / name).open("xb")
        self._records = RecordWriter(self._file)
        self._flushed_at = 0.0
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Append one value."""
        summary = self._summary(value=[self._summary.Value(tag=tag, simple_value=value)])
        self._write(self._event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Flush the file; values that cannot be written are lost."""
        with suppress(OSError):
            self._file.close()

    def _write(self, event: object) -> None:
        self._records.write(event.SerializeToString())  # type: ignore[attr-defined]
        if time.monotonic() - self._flushed_at > _FLUSH_SECONDS:
            self._file.flush()
            self._flushed_at = time.monotonic()
