"""TensorBoard events, written in the calling thread.

The writer of the tensorboard package has a thread of its own; an error of a full disk would be raised at a later call.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tempotron_core.runs.files import write_atomic

__all__ = ["TensorBoardWriter", "purge_events"]

_FLUSH_SECONDS = 10.0
_MAX_BYTES = 2**30  # of an event file that is read
_number = itertools.count()


class TensorBoardWriter:
    """An event file of scalars in a run folder.

    first_step: step from which values follow in a run that is resumed, 0 in a new one; a TensorBoard that shows the
    run already drops what it has read from that step on

    Raises:
        OSError: where it cannot be written.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        # Imported here: it takes a second that a page without training should not pay.
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = Event, Summary
        name = f"events.out.tfevents.{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}.{next(_number)}"
        self._file = (folder / name).open("xb")
        self._records = RecordWriter(self._file)
        self._flushed_at = 0.0
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if first_step:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=first_step, session_log=start))

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


def purge_events(folder: Path, last_step: int, last_step_by_tag: Mapping[str, int]) -> None:
    """Remove the values after a step from all event files of a run.

    Args:
        folder: folder of the run
        last_step: step after which values are removed
        last_step_by_tag: the same for tags whose steps are counted otherwise

    Raises:
        OSError: where a file cannot be written.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    for file in sorted(folder.glob("events.out.tfevents.*")):
        if file.is_symlink() or not file.is_file() or file.stat().st_size > _MAX_BYTES:
            continue
        content, kept = file.read_bytes(), []
        for record, payload in _split_records(content):
            try:
                event = Event.FromString(payload)
            except DecodeError:
                continue
            tags = [value.tag for value in event.summary.value]
            if event.HasField("session_log") and event.step > last_step:
                continue
            if all(event.step <= last_step_by_tag.get(tag, last_step) for tag in tags):
                kept.append(record)
        remaining = b"".join(kept)
        if remaining != content:
            write_atomic(file, remaining)


def _split_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each whole record of an event file and its payload.

    A record is the length of the payload as 8 bytes, a checksum of 4, the payload, a checksum of 4 (TFRecord).
    """
    start = 0
    while start + 16 <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        end = start + 12 + length + 4
        if end > len(content):
            return
        yield content[start:end], content[start + 12 : end - 4]
        start = end
