"""One replica of several: what it learns of the others, and what it lets them know."""

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import orjson
from prometheus_client import Counter

from components.platform.errors import ServiceError
from components.platform.progress import say
from components.platform.serving.clock import Clock
from components.platform.serving.live_events import LiveEvents
from components.platform.serving.segments import Record, whole_lines
from components.server.events.log import EventLog, Subscriber
from components.server.replicas.redis_client import Entry, Link
from components.server.replicas.stream_writer import Publisher
from components.shop_ranking.ads.ads import Ads
from components.shop_ranking.ads.campaigns import Campaign

PAUSE = 0.5  # seconds after a failure
AGAIN = 500  # records of an entry
REMEMBERED = 3 * 86_400  # seconds; a click on an offer of the day before yesterday is history

LEARNT = Counter("shopfusion_replica_learnt", "Entries of other replicas that were taken in")


def packed(campaigns: Sequence[Campaign]) -> bytes:
    """Return campaigns as they stand in Redis."""
    return orjson.dumps([one.model_dump(mode="json") for one in campaigns])


class Replicas:
    """Follows the stream and applies it to this process's own memory.

    Everything in the stream may come twice, and late: events are kept once by time and id, offers
    are charged once, the clock only goes forward, and the newest campaigns count.
    """

    def __init__(self, link: Link, log: EventLog, live: LiveEvents, ads: Ads, clock: Clock) -> None:
        self.link, self.log, self.live, self.ads, self.clock = link, log, live, ads, clock
        self.name = secrets.token_hex(4)
        self.publisher = Publisher(
            link, self.name, lambda: log.committed().result(), lambda: packed(ads.campaigns())
        )
        self._subscribers: list[Subscriber] = []
        self._position = "0-0"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="replica-follower", daemon=True)
        with suppress(ServiceError):  # it is said, and asked again
            link.identity()
        self._tell_again()
        self.publisher.start()
        log.subscribe(self.publisher.tell_records)
        clock.subscribe(lambda now: self.publisher.tell("clock", now.isoformat().encode()))
        ads.shared = self

    def start(self, since: datetime) -> None:
        """Learn what the stream holds since the model's day, then follow it.

        Without Redis it starts from what it knows, and catches up as soon as Redis answers.
        """
        self._position = f"{max(int(since.timestamp() * 1000), 0)}-0"
        try:
            if (campaigns := self.link.campaigns()) is not None:
                self._take_campaigns(campaigns)
            while entries := self.link.read(self._position, wait=False):
                for entry in entries:
                    self._take(entry)
        except ServiceError as error:
            say(f"replicas: it starts without what the others know: {error}")
        self._thread.start()

    def subscribe(self, callback: Subscriber) -> None:
        """Call back with every record that another replica tells, once its effect is here."""
        self._subscribers.append(callback)

    def stop(self) -> None:
        """Tell what waits, and end both threads."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self.publisher.stop()

    def state(self) -> str:
        """Say in one line whether the replicas know of each other."""
        return f"Redis does not answer: {self.link.problem}" if self.link.problem else "one of many"

    # --- what ads need ---------------------------------------------------------------------------

    def charge(
        self, click: Record, campaign: Campaign, price: float, spent: float, now: datetime
    ) -> float:
        """Return what a click costs, counted over all replicas.

        Raises:
            ServiceError: Redis does not answer.

        """
        return self.link.charge(
            f"{click['impression_id']}:{click['item_id']}",
            f"{campaign.campaign_id}:{now.date().isoformat()}",
            click["event_id"], price, campaign.daily_budget, spent, REMEMBERED,
        )  # fmt: skip

    def require(self) -> None:
        """Raise unless Redis answers, without asking it.

        Raises:
            ServiceError: it did not answer when it was last asked.

        """
        if self.link.problem:
            raise ServiceError("an answer of Redis", self.link.problem, "send it again later")

    def share_campaigns(self, campaigns: Sequence[Campaign]) -> None:
        """Give the campaigns to every replica.

        Raises:
            ServiceError: Redis does not answer; nobody has them then.

        """
        self.link.publish_campaigns(self.name, packed(campaigns))

    # --- what explanations need -------------------------------------------------------------------

    def keep(self, impression_id: str, answer: bytes) -> None:
        """Let the others explain an answer."""
        self.publisher.keep(impression_id, answer)

    def shown(self, impression_id: str) -> bytes | None:
        """Return an answer that any replica gave.

        Raises:
            ServiceError: Redis does not answer.

        """
        self.require()
        return self.link.shown(impression_id)

    # --- following --------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                for entry in self.link.read(self._position, wait=True):
                    # Own campaigns too: others' older ones may have been read since they came.
                    if entry.replica != self.name or entry.kind == "campaigns":
                        self._take(entry)
                        LEARNT.inc()
                    self._position = entry.position
            except ServiceError:  # the link has said it
                self._stopped.wait(PAUSE)
            except Exception as error:  # nobody else follows
                say(f"replicas: {type(error).__name__}: {error}")
                self._stopped.wait(PAUSE)

    def _take(self, entry: Entry) -> None:
        self._position = entry.position
        take: dict[str, Callable[[bytes], None]] = {
            "records": self._take_records,
            "clock": self._take_clock,
            "campaigns": self._take_campaigns,
        }
        try:
            take[entry.kind](entry.payload)
        except (KeyError, ValueError, TypeError) as error:  # of another version of the code
            say(f"replicas: entry {entry.position} is passed over: {type(error).__name__}: {error}")

    def _take_records(self, payload: bytes) -> None:
        records: list[Record] = orjson.loads(payload)
        self.log.learn(records)
        self.live.accept(records)
        self.ads.observe(records)
        for subscriber in self._subscribers:
            subscriber(records)

    def _take_clock(self, payload: bytes) -> None:
        self.clock.start(datetime.fromisoformat(payload.decode()))

    def _take_campaigns(self, payload: bytes) -> None:
        self.ads.take([Campaign.model_validate(one) for one in json.loads(payload)])

    def _tell_again(self) -> None:
        """Tell what lies in the own spool: who was killed may not have told all of it."""
        for path in self.log.segments():
            lines = whole_lines(path.read_bytes())
            for start in range(0, len(lines), AGAIN):
                self.publisher.tell_records(
                    [orjson.loads(line) for line in lines[start : start + AGAIN]]
                )
