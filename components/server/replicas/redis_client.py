"""Redis as the replicas use it: one stream that all follow, kept answers, values, budgets."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from prometheus_client import Gauge
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from components.platform.errors import ServiceError
from components.platform.progress import say

PREFIX = "shopfusion:"
STREAM, ANSWERS, ORDER = (f"{PREFIX}{name}" for name in ("stream", "shown", "shown-order"))
LENGTH = 200_000  # entries of the stream, about; an entry is what one request brought
KEPT_ANSWERS = 10_000  # the latest answers that every replica can ask for
SECONDS = 1.0  # for an answer of Redis
FOLLOWED = 500  # entries that are read at once

UP = Gauge("shopfusion_redis_up", "1 while Redis answers this replica")

# The latest answers, whoever gave them: what is beyond KEPT_ANSWERS is let go of, oldest first.
KEEP_ANSWERS = """
for i = 2, #ARGV, 2 do
  if redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call('LPUSH', KEYS[2], ARGV[i])
  end
end
while redis.call('LLEN', KEYS[2]) > tonumber(ARGV[1]) do
  redis.call('HDEL', KEYS[1], redis.call('RPOP', KEYS[2]))
end
"""

# One click on one offer. KEYS: who was charged for the offer, what was spent of the budget.
# ARGV: event id, price, limit of the budget, what the replica knows to be spent, seconds to keep.
# An event that comes again is told its price again: nobody knows whether its first copy was logged.
CHARGE = """
local charged = redis.call('HMGET', KEYS[1], 'event', 'price')
if charged[1] then
  if charged[1] == ARGV[1] then return charged[2] end
  return '0'
end
local spent = math.max(tonumber(redis.call('GET', KEYS[2]) or '0'), tonumber(ARGV[4]))
local price = '0'
if spent < tonumber(ARGV[3]) then
  price = ARGV[2]
  spent = spent + tonumber(price)
end
redis.call('SET', KEYS[2], string.format('%.17g', spent), 'EX', ARGV[5])
redis.call('HSET', KEYS[1], 'event', ARGV[1], 'price', price)
redis.call('EXPIRE', KEYS[1], ARGV[5])
return price
"""


class Entry(NamedTuple):
    """One entry of the stream."""

    position: str
    replica: str  # who wrote it
    kind: str
    payload: bytes


class RedisClient:
    """Commands to one Redis, each of which answers within SECONDS or raises; safe across threads.

    Raises (all methods):
        ServiceError: Redis does not answer, or refuses.
    """

    def __init__(self, url: str) -> None:
        """Prepare; nothing is asked before the first command.

        Raises:
            ServiceError: the address is none of a Redis.

        """
        # Once more at once: a connection from before a restart of Redis fails, and a new one works.
        given = {"socket_timeout": 2 * SECONDS, "socket_connect_timeout": SECONDS}
        try:
            # Any: redis-py types every answer as str or bytes; without decoding it is bytes.
            self._redis: Any = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 1), **given)
        except ValueError:  # its words may hold a part of the password
            raise ServiceError(
                "redis://host:port/database",
                "an address that cannot be read",
                "correct SHOPFUSION_REDIS_URL; write / of a password as %2F",
            ) from None
        self._keep_answers = self._redis.register_script(KEEP_ANSWERS)
        self._charge = self._redis.register_script(CHARGE)
        self._lock = threading.Lock()
        self.problem = "it was not asked yet"  # empty while it answers

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Note whether Redis answers, and say it when that changes."""
        try:
            yield
        except (RedisError, OSError) as error:
            self._note(" ".join(f"{type(error).__name__}: {error}".split())[:200])
            raise ServiceError(
                "an answer of Redis", self.problem, "see whether it runs; set SHOPFUSION_REDIS_URL"
            ) from error
        self._note("")

    def _note(self, problem: str) -> None:
        with self._lock:
            changed, self.problem = bool(problem) != bool(self.problem), problem
        UP.set(not problem)
        if changed:
            said = f"does not answer: {problem}" if problem else "answers"
            say(f"redis {said}")

    def identity(self) -> str:
        """Return what changes whenever Redis is started anew."""
        with self._asked():
            return str(self._redis.info("server")["run_id"])

    def publish(self, replica: str, entries: Sequence[tuple[str, bytes]]) -> None:
        """Add (kind, payload) to the stream, all of them or none."""
        with self._asked():
            batch = self._redis.pipeline(transaction=True)
            for kind, payload in entries:
                fields = {"replica": replica, "kind": kind, "payload": payload}
                batch.xadd(STREAM, fields, maxlen=LENGTH, approximate=True)
            batch.execute()

    def read(self, after: str, wait: bool) -> list[Entry]:
        """Return what follows in the stream; with `wait` it may take a second to come."""
        with self._asked():
            block = int(1000 * SECONDS) if wait else None
            streams = self._redis.xread({STREAM: after}, count=FOLLOWED, block=block)
        return [
            Entry(
                position.decode(),
                fields[b"replica"].decode(),
                fields[b"kind"].decode(),
                fields[b"payload"],
            )
            for _, entries in streams or ()
            for position, fields in entries
        ]

    def keep_answers(self, answers: Sequence[tuple[str, bytes]]) -> None:
        """Keep answers by key, and forget the oldest beyond KEPT_ANSWERS."""
        flat = [part for answer in answers for part in answer]
        with self._asked():
            self._keep_answers(keys=[ANSWERS, ORDER], args=[KEPT_ANSWERS, *flat])

    def answer(self, key: str) -> bytes | None:
        """Return an answer that a replica kept."""
        with self._asked():
            kept: bytes | None = self._redis.hget(ANSWERS, key)
        return kept

    def publish_value(self, replica: str, name: str, value: bytes) -> None:
        """Tell a value to those who follow, and keep it for who starts later."""
        fields = {"replica": replica, "kind": name, "payload": value}
        with self._asked():
            batch = self._redis.pipeline(transaction=True)
            batch.set(f"{PREFIX}{name}", value)
            batch.xadd(STREAM, fields, maxlen=LENGTH, approximate=True)
            batch.execute()

    def offer_value(self, name: str, value: bytes) -> None:
        """Keep a value for who starts later, unless a replica has published one since."""
        with self._asked():
            self._redis.set(f"{PREFIX}{name}", value, nx=True)

    def value(self, name: str) -> bytes | None:
        """Return the value that a replica published last."""
        with self._asked():
            kept: bytes | None = self._redis.get(f"{PREFIX}{name}")
        return kept

    def charge(
        self, offer: str, budget: str, event_id: str, price: float, limit: float, spent: float,
        seconds: int,
    ) -> float:  # fmt: skip
        """Return what a click costs, and count it as spent in the same step.

        Args:
            offer: name of what was shown; it is charged once.
            budget: name of what is spent from.
            event_id: of the click.
            price: if it costs anything.
            limit: of the budget; once it is reached a click costs nothing.
            spent: what the replica knows to be spent, for a Redis that has lost its data.
            seconds: for which both are remembered.

        """
        keys = [f"{PREFIX}charged:{offer}", f"{PREFIX}spent:{budget}"]
        numbers = [repr(price), repr(limit), repr(spent), str(seconds)]
        with self._asked():
            return float(self._charge(keys=keys, args=[event_id, *numbers]))
