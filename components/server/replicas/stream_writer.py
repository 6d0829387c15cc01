"""The stream writer publishes to the other replicas, in its own thread: no request waits."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import orjson
from prometheus_client import Counter

from components.platform.errors import ServiceError, StorageError
from components.platform.progress import say
from components.platform.serving.segments import Record
from components.server.replicas.redis_client import RedisClient

BATCH_SIZE = 500  # entries, or answers, that are written at once
QUEUED = 100_000  # entries that wait while Redis is away; beyond that the oldest are let go of
ANSWERS = 10_000  # answers that wait
REPEATED = 10_000  # entries that are published again to a Redis that was started anew
PAUSE = 0.5  # seconds after a failure

ENTRIES = Counter("shopfusion_replica_told", "Entries for the other replicas", ["outcome"])


def concerns_others(record: Record) -> bool:
    """Tell whether other replicas must know: what users do, and what is offered for money."""
    return record["event_type"] != "impression" or bool(record.get("campaign_id"))


class StreamWriter:
    """A bounded queue that a thread empties into Redis.

    Nothing is published before it is durable here: another replica acknowledges a second copy of an
    event because it knows of the first.
    """

    def __init__(
        self,
        client: RedisClient,
        replica: str,
        durable: Callable[[], None],
        values: Callable[[], Mapping[str, bytes]],
    ) -> None:
        """Prepare; nothing is written before `start`.

        Args:
            client: of Redis.
            replica: name of this one.
            durable: returns once everything that was written to the log is on disk.
            values: returns this replica's values of what all hold in common, by name.

        """
        self._client, self._replica = client, replica
        self._durable, self._values = durable, values
        self._changed = threading.Condition()
        self._entries: deque[tuple[str, bytes]] = deque()
        self._answers: deque[tuple[str, bytes]] = deque(maxlen=ANSWERS)
        self._written: deque[tuple[str, bytes]] = deque(maxlen=REPEATED)
        self._identity = ""
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="stream-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, if Redis answers, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def enqueue_records(self, records: Sequence[Record]) -> None:
        """Queue records that came into the log, whose subscriber this is."""
        chosen = [record for record in records if concerns_others(record)]
        if chosen:
            self.enqueue("records", orjson.dumps(chosen))

    def enqueue(self, kind: str, payload: bytes) -> None:
        """Queue one entry of the stream."""
        with self._changed:
            self._entries.append((kind, payload))
            if len(self._entries) > QUEUED:
                self._entries.popleft()
                ENTRIES.labels("dropped").inc()
            self._changed.notify()

    def keep(self, key: str, answer: bytes) -> None:
        """Queue an answer that other replicas may be asked for."""
        with self._changed:
            self._answers.append((key, answer))
            self._changed.notify()

    def _run(self) -> None:
        failed = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._entries or self._answers or self._stopped)
                if self._stopped and (failed or not (self._entries or self._answers)):
                    return
                entries = [self._entries[i] for i in range(min(BATCH_SIZE, len(self._entries)))]
                answers = [self._answers[i] for i in range(min(BATCH_SIZE, len(self._answers)))]
            try:
                self._write(entries, answers)
                failed = False
            except (ServiceError, StorageError):  # the client, or the log, has said it
                failed = True
            except Exception as error:  # no other thread writes
                say(f"replicas: {type(error).__name__}: {error}")
                failed = True
            if failed:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, PAUSE)

    def _write(
        self, entries: Sequence[tuple[str, bytes]], answers: Sequence[tuple[str, bytes]]
    ) -> None:
        if entries:  # an answer is no event: it needs neither
            self._durable()
            self._publish_again()
            self._client.publish(self._replica, entries)
            self._written.extend(entries)
            ENTRIES.labels("written").inc(len(entries))
            self._drop(self._entries, entries)
        if answers:
            self._client.keep_answers(answers)
            self._drop(self._answers, answers)

    def _publish_again(self) -> None:
        """Publish again what a Redis that was started anew may have lost."""
        identity = self._client.identity()
        if self._identity not in {"", identity}:
            for name, value in self._values().items():
                self._client.offer_value(name, value)
            for start in range(0, len(self._written), BATCH_SIZE):
                again = [*self._written][start : start + BATCH_SIZE]
                self._client.publish(self._replica, again)
        self._identity = identity

    def _drop(self, queue: deque[tuple[str, bytes]], written: Sequence[tuple[str, bytes]]) -> None:
        """Take what was written from the queue; its front may have been let go of meanwhile."""
        with self._changed:
            for entry in written:
                if queue and queue[0] is entry:
                    queue.popleft()
