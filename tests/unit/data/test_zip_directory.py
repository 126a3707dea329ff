"""Size of an archive's directory: that which zipfile would read."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from tempotron_core.data.zip_directory import directory_bytes

ENTRY = 46  # bytes of a member in the directory, beside its name


def archive(members: int, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for i in range(members):
            out.writestr(f"{i:04}", b"")
        out.comment = comment
    return file.getvalue()


def with_large_end(content: bytes) -> bytes:
    """Move the size of the directory to a record of ZIP64; the usual record states 0 bytes, and zipfile ignores it."""
    end = content.rindex(b"PK\x05\x06")
    count, _, size, offset = struct.unpack("<2H2I", content[end + 8 : end + 20])
    large = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    return content[:end] + large + locator + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, 0, offset, 0)


@pytest.mark.parametrize("members", [0, 1, 500])
@pytest.mark.parametrize("comment", [b"", b"text", bytes(65_535)])
def test_size_is_that_of_the_directory(members: int, comment: bytes) -> None:
    content = archive(members, comment)
    assert len(zipfile.ZipFile(io.BytesIO(content)).infolist()) == members
    assert directory_bytes(io.BytesIO(content)) == members * (ENTRY + 4)


def test_the_record_of_zip64_is_not_hidden_by_the_usual_one() -> None:
    content = with_large_end(archive(500))
    assert len(zipfile.ZipFile(io.BytesIO(content)).infolist()) == 500
    assert directory_bytes(io.BytesIO(content)) == 500 * (ENTRY + 4)


@pytest.mark.parametrize("content", [b"", b"PK", bytes(1000), b"PK\x05\x06", b"PK\x05\x06" + bytes(5)])
def test_other_files_have_no_directory(content: bytes) -> None:
    assert directory_bytes(io.BytesIO(content)) == 0
