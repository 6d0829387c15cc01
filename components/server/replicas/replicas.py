"""One replica of several: what it learns of the others, and what it lets them know."""

import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import orjson
from prometheus_client import Counter

from components.platform.errors import ServiceError
from components.platform.progress import say
from components.platform.serving.clock import Clock
from components.platform.serving.event_hooks import EventHooks
from components.platform.serving.segments import Record, whole_lines
from components.server.events.log import EventLog
from components.server.replicas.redis_client import Entry, RedisClient
from components.server.replicas.stream_writer import StreamWriter

PAUSE = 0.5  # seconds after a failure
AGAIN = 500  # records of an entry
REMEMBERED = 3 * 86_400  # seconds; a click on an offer of the day before yesterday is history
OWN_KINDS = ("records", "clock")  # of entries; all others are names of values

APPLIED = Counter("shopfusion_replica_applied", "Entries of the stream that were applied here")


class SharedValue(NamedTuple):
    """A value that all replicas hold in common."""

    take: Callable[[bytes], None]  # gets another replica's
    present: Callable[[], bytes]  # returns this one's


class Replicas:
    """Follows the stream and applies it to this process's own memory.

    Everything in the stream may come twice, and late: events are kept once by time and id, offers
    are charged once, the clock only goes forward, and the newest value counts.
    """

    def __init__(self, client: RedisClient, log: EventLog, hooks: EventHooks, clock: Clock) -> None:
        """Begin to tell the others; what they tell is taken in from `start` on."""
        self.client, self.log, self.hooks, self.clock = client, log, hooks, clock
        self.name = secrets.token_hex(4)
        self._values: dict[str, SharedValue] = {}
        self.writer = StreamWriter(
            client, self.name, lambda: log.committed().result(), self._present_values
        )
        self._position = "0-0"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="replica-follower", daemon=True)
        with suppress(ServiceError):  # it is said, and asked again
            client.identity()
        self._publish_spool()
        self.writer.start()
        log.subscribe(self.writer.enqueue_records)
        clock.subscribe(lambda now: self.writer.enqueue("clock", now.isoformat().encode()))

    def start(self, since: datetime) -> None:
        """Learn what the stream holds since `since`, then follow it; an earlier time may follow.

        Without Redis it starts from what it knows, and catches up as soon as Redis answers.
        """
        first = f"{max(int(since.timestamp() * 1000), 0)}-0"
        following = self._thread.is_alive()
        if not following:
            self._position = first
        try:
            for name, shared in self._values.items():
                if (value := self.client.value(name)) is not None:
                    self._take_in(name, value, shared.take)
            position = first
            while entries := self.client.read(position, wait=False):
                for entry in entries:
                    self._take(entry)
                position = entries[-1].position
                if not following:
                    self._position = position
        except ServiceError as error:
            say(f"replicas: it starts without what the others know: {error}")
        if not following:
            self._thread.start()

    def stop(self) -> None:
        """Tell what is queued, and end both threads."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self.writer.stop()

    def state(self) -> str:
        """Say in one line whether the replicas know of each other."""
        problem = self.client.problem
        return f"Redis does not answer: {problem}" if problem else "one of many"

    def require(self) -> None:
        """Raise unless Redis answers, without asking it.

        Raises:
            ServiceError: it did not answer when it was last asked.

        """
        if self.client.problem:
            raise ServiceError("an answer of Redis", self.client.problem, "send it again later")

    # --- budgets ----------------------------------------------------------------------------------

    def charge(
        self, offer: str, budget: str, event_id: str, price: float, limit: float, spent: float
    ) -> float:
        """Return what a click costs, counted over all replicas.

        Raises:
            ServiceError: Redis does not answer.

        """
        return self.client.charge(offer, budget, event_id, price, limit, spent, REMEMBERED)

    # --- values held in common --------------------------------------------------------------------

    def share_value(
        self, name: str, take: Callable[[bytes], None], present: Callable[[], bytes]
    ) -> None:
        """Hold a value in common: `take` gets another replica's, `present` returns this one's.

        Raises:
            ServiceError: the name is taken.

        """
        if name in self._values or name in OWN_KINDS:
            raise ServiceError(
                f"one value called {name} for all replicas", "two", "rename it in one application"
            )
        self._values[name] = SharedValue(take, present)

    def publish_value(self, name: str, value: bytes) -> None:
        """Give a value to every replica.

        Raises:
            ServiceError: Redis does not answer; nobody has it then.

        """
        self.client.publish_value(self.name, name, value)

    def _present_values(self) -> Mapping[str, bytes]:
        return {name: shared.present() for name, shared in self._values.items()}

    # --- kept answers -----------------------------------------------------------------------------

    def keep(self, key: str, answer: bytes) -> None:
        """Let the others know an answer."""
        self.writer.keep(key, answer)

    def kept(self, key: str) -> bytes | None:
        """Return an answer that any replica gave.

        Raises:
            ServiceError: Redis does not answer.

        """
        self.require()
        return self.client.answer(key)

    # --- following --------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                for entry in self.client.read(self._position, wait=True):
                    self._position = entry.position
                    # Own values too: others' older ones may have been read since they came.
                    if entry.replica != self.name or entry.kind in self._values:
                        self._take(entry)
                        APPLIED.inc()
            except ServiceError:  # the client has said it
                self._stopped.wait(PAUSE)
            except Exception as error:  # nobody else follows
                say(f"replicas: {type(error).__name__}: {error}")
                self._stopped.wait(PAUSE)

    def _take(self, entry: Entry) -> None:
        own: dict[str, Callable[[bytes], None]] = {
            "records": self._take_records,
            "clock": self._take_clock,
        }
        shared = self._values.get(entry.kind)
        take = shared.take if shared else own.get(entry.kind)
        if take is None:
            say(f"replicas: entry {entry.position} is passed over: nobody takes {entry.kind}")
            return
        self._take_in(f"entry {entry.position}", entry.payload, take)

    def _take_in(self, name: str, payload: bytes, take: Callable[[bytes], None]) -> None:
        try:
            take(payload)
        except (KeyError, ValueError, TypeError) as error:  # of another version of the code
            say(f"replicas: {name} is passed over: {type(error).__name__}: {error}")

    def _take_records(self, payload: bytes) -> None:
        records: list[Record] = orjson.loads(payload)
        self.log.learn(records)
        self.hooks.deliver(records)

    def _take_clock(self, payload: bytes) -> None:
        self.clock.start(datetime.fromisoformat(payload.decode()))

    def _publish_spool(self) -> None:
        """Publish what lies in the own spool: a killed process may not have published all of it."""
        for path in self.log.segments():
            lines = whole_lines(path.read_bytes())
            for start in range(0, len(lines), AGAIN):
                self.writer.enqueue_records(
                    [orjson.loads(line) for line in lines[start : start + AGAIN]]
                )
