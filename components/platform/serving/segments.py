"""Segments: files of events, a line each, that say by themselves where they are torn.

A line is `<CRC-32 of the JSON, 8 hex digits> <JSON>\\n`. A segment is called
`<spool>-<sequence of its first record>.jsonl`; sequences of one spool never come twice.
"""

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from components.platform.progress import say

PREFIX = "events/segments/"  # of their keys in S3
Record = dict[str, Any]


def segment_path(folder: Path, spool: str, sequence: int) -> Path:
    """Return the file of the segment whose first record has this sequence."""
    return folder / f"{spool}-{sequence:012d}.jsonl"


def first_sequence(path: Path) -> int:
    """Return the sequence of a segment's first record."""
    return int(path.stem.rpartition("-")[2])


def key_of(path: Path) -> str:
    """Return a segment's key in S3: the same however often it is sent."""
    return f"{PREFIX}{path.name}.gz"


def framed(records: Sequence[Record]) -> bytes:
    """Return the records as lines of a segment.

    Raises:
        TypeError: a value cannot be written as JSON.

    """
    texts = [orjson.dumps(record) for record in records]
    return b"".join(b"%08x %s\n" % (zlib.crc32(text), text) for text in texts)


def whole_lines(data: bytes) -> list[bytes]:
    """Return the JSON of every line that is whole; a torn or damaged one is left out."""
    texts = []
    for line in data.split(b"\n")[:-1]:  # what follows the last newline is torn
        if line[8:9] == b" " and line[:8] == b"%08x" % zlib.crc32(line[9:]):
            texts.append(line[9:])
    return texts


def repair(path: Path) -> list[bytes]:
    """Return the whole lines of a segment, and leave nothing else in the file.

    A line can only be torn where the machine stopped before it was acknowledged.
    """
    data = path.read_bytes()
    lines = whole_lines(data)
    repaired = b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in lines)
    if repaired != data:
        say(f"{path.name}: left out {len(data) - len(repaired)} bytes of a write that was cut off")
        temporary = path.with_suffix(".repaired")
        temporary.write_bytes(repaired)
        _sync(temporary)
        temporary.replace(path)
    _sync(path)  # whoever sends one of these again is told that it is durable
    return lines


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def shipped_form(data: bytes) -> bytes:
    """Return a closed segment as it lies in S3: JSON lines under gzip, always the same bytes."""
    return gzip.compress(b"\n".join([*whole_lines(data), b""]), compresslevel=6, mtime=0)


def records_of(shipped: bytes) -> Iterator[Record]:
    """Yield the records of a segment from S3."""
    for line in gzip.decompress(shipped).splitlines():
        yield orjson.loads(line)
