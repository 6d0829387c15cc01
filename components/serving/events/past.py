"""Records of the past: what a server that starts has to learn again."""

from collections.abc import Iterator
from datetime import datetime

import orjson

from components import storage
from components.errors import StorageError
from components.progress import say
from components.serving.events.log import EventLog
from components.serving.events.segments import PREFIX, Record, key_of, records_of, whole_lines


def past(log: EventLog, since: datetime) -> Iterator[list[Record]]:
    """Yield the records of every segment, those in S3 first, then those that still lie here.

    Of those in S3 only what was written there at or after `since` is read: an event cannot be in
    S3 before it has happened. A segment that is in both places is read once. While S3 is away,
    what lies here has to do.
    """
    paths = log.segments()
    here = {key_of(path) for path in paths}
    try:
        for one in storage.stored(PREFIX):
            if one.modified >= since and one.key not in here:
                yield list(records_of(storage.get(one.key)))
    except StorageError as error:
        say(f"events in S3 are not known to this server: {error}")
    for path in paths:
        try:
            yield [orjson.loads(line) for line in whole_lines(path.read_bytes())]
        except FileNotFoundError:  # shipped since the listing
            yield list(records_of(storage.get(key_of(path))))
