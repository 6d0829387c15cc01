"""Recovery: a server that starts learns again what was logged before."""

import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import orjson
from prometheus_client import Counter

from components.platform import storage
from components.platform.errors import StorageError
from components.platform.progress import say
from components.platform.serving.clock import Clock
from components.platform.serving.event_hooks import EventHooks
from components.platform.serving.live_events import moment_of
from components.platform.serving.segments import PREFIX, Record, key_of, records_of, whole_lines
from components.server.events.log import EventLog
from components.server.replicas.replicas import Replicas

MOST_FAILURES = 5  # consecutive segments
UNREAD = Counter("shopfusion_recovery_unread", "Segments that recovery could not read")


class Recovery:
    """Recovers events when an application's first model is about to answer."""

    def __init__(
        self, log: EventLog, hooks: EventHooks, clock: Clock, replicas: Replicas | None = None
    ) -> None:
        self._log, self._hooks, self._clock, self._replicas = log, hooks, clock, replicas
        self._recovered: set[str] = set()  # applications whose events are known
        self._since: datetime | None = None  # everything from here on is known
        self._lock = threading.Lock()  # applications load at the same time

    def start(self, application: str, as_of: datetime) -> None:
        """Let an application's first model know what happened since the end of its data.

        A model that fails before that is not the first.
        """
        self._clock.start(as_of)
        with self._lock:
            if application in self._recovered:
                return
            if self._since is None or as_of < self._since:
                self._recover(as_of)
                self._since = as_of
            self._recovered.add(application)

    def _recover(self, since: datetime) -> None:
        for records in recovered_segments(self._log, since):
            self._hooks.deliver(records)
            # The clock of a replay goes on where it stood.
            latest = (moment_of(record["received_at"]) for record in records)
            self._clock.start(max(latest, default=since))
        if self._replicas is not None:
            self._replicas.start(since)


def recovered_segments(log: EventLog, since: datetime) -> Iterator[list[Record]]:
    """Yield the records of every segment, those in S3 first, then those that still lie here.

    Of those in S3 only what was written there at or after `since` is read: an event cannot be in
    S3 before it has happened. A segment that is in both places is read once. Reading S3 stops
    after MOST_FAILURES consecutive failures; then only what lies here is known. A segment that
    cannot be read is said and counted, and is not in the way of the others: nothing of it is lost,
    but this server does not know it.
    """
    paths = log.segments()
    here = {key_of(path) for path in paths}
    try:
        failures = 0
        for stored in storage.stored(PREFIX):
            if stored.modified < since or stored.key in here:
                continue
            try:
                yield _read(stored.key, _from_store)
                failures = 0
            except StorageError as error:
                failures += 1
                if failures == MOST_FAILURES:
                    raise
                _pass_over(stored.key, error)
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
