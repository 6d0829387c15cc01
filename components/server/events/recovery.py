"""Records of the past: what a server that starts has to learn again."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import orjson
from prometheus_client import Counter

from components.platform import storage
from components.platform.errors import StorageError
from components.platform.progress import say
from components.platform.serving.segments import PREFIX, Record, key_of, records_of, whole_lines
from components.server.events.log import EventLog

AWAY = 5  # segments in a row
UNREAD = Counter("shopfusion_past_unread", "Segments of the past that could not be read")


def past(log: EventLog, since: datetime) -> Iterator[list[Record]]:
    """Yield the records of every segment, those in S3 first, then those that still lie here.

    Of those in S3 only what was written there at or after `since` is read: an event cannot be in
    S3 before it has happened. A segment that is in both places is read once. While S3 is away,
    and it is when it keeps back AWAY segments in a row, what lies here has to do. A segment that
    cannot be read is said and counted, and is not in the way of the others: nothing of it is lost,
    but this server does not know it.
    """
    paths = log.segments()
    here = {key_of(path) for path in paths}
    try:
        kept_back = 0
        for one in storage.stored(PREFIX):
            if one.modified < since or one.key in here:
                continue
            try:
                yield _read(one.key, _from_store)
                kept_back = 0
            except StorageError as error:
                kept_back += 1
                if kept_back == AWAY:
                    raise
                _pass_over(one.key, error)
    except StorageError as error:
        say(f"events in S3 are not known to this server: {error}")
        UNREAD.inc()
    for path in paths:
        try:
            yield _read(str(path), _from_here)
        except StorageError as error:
            _pass_over(path.name, error)


def _read(name: str, read: Callable[[str], Iterable[Record]]) -> list[Record]:
    try:
        return list(read(name))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        _pass_over(name, error)
        return []


def _pass_over(name: str, error: Exception) -> None:
    say(f"segment {name} is not known to this server: {type(error).__name__}: {error}")
    UNREAD.inc()


def _from_store(key: str) -> Iterator[Record]:
    return records_of(storage.get(key))


def _from_here(name: str) -> list[Record]:
    path = Path(name)
    try:
        return [orjson.loads(line) for line in whole_lines(path.read_bytes())]
    except FileNotFoundError:  # shipped since the listing
        return list(_from_store(key_of(path)))
