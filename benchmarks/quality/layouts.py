"""Text files of a known layout, read or refused in one line.

A file from elsewhere may be cut short, packed in another way, or hold other things than its name
says, and every reader below it has an error of its own for that.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from components.platform.errors import DataError

BROKEN = (
    OSError, EOFError, zlib.error, csv.Error, ValueError, LookupError, TypeError, AttributeError,
)  # fmt: skip


@contextmanager
def layout(path: Path, expected: str, remedy: str) -> Iterator[TextIO]:
    """Yield the text of a file, packed with gzip where its name ends in .gz.

    Raises:
        DataError: the block met something else than expected.

    """
    try:
        packed = path.suffix == ".gz"
        with gzip.open(path, "rt", newline="") if packed else path.open(newline="") as lines:
            yield lines
    except BROKEN as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{expected} in {path}", said, remedy) from error
