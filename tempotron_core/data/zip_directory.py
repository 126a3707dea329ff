"""Size of the directory of a zip archive, before it is listed: a million members take seconds and half a gigabyte."""

from __future__ import annotations

import io
from typing import IO

__all__ = ["directory_bytes"]

_END, _END_BYTES = b"PK\x05\x06", 22
_LARGE_END, _LARGE_END_DISTANCE = b"PK\x06\x06", 76  # the record of ZIP64 lies before its locator of 20 bytes
_COMMENT_BYTES = 2**16


def directory_bytes(file: IO[bytes]) -> int:
    """Return the size of an archive's directory as its end records state it, the larger if several do, 0 without one.

    zipfile reads so many bytes, and takes the record of ZIP64 wherever there is one.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _COMMENT_BYTES - _END_BYTES - _LARGE_END_DISTANCE))
    tail = file.read()
    stated = [0]
    for end in (len(tail) - _END_BYTES, tail.rfind(_END)):
        if end >= 0 and tail[end : end + 4] == _END:
            stated.append(int.from_bytes(tail[end + 12 : end + 16], "little"))
            large = end - _LARGE_END_DISTANCE
            if large >= 0 and tail[large : large + 4] == _LARGE_END:
                stated[-1] = int.from_bytes(tail[large + 40 : large + 48], "little")
    return max(stated)
