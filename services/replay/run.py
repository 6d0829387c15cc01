"""The replay itself: before each basket a row is asked for, after it the purchases arrive."""

import signal
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from components.platform.params import FeedbackParams
from services.replay.outcome import Outcome
from services.replay.settings import ReplaySettings
from services.replay.shop import Json, Shop
from services.replay.shoppers import Shopper
from services.replay.visits import Line, Rating, Visit

BATCH = 500  # events
PLACE = "replay"  # beginning of every event id


@dataclass
class Replay:
    """One pass over visits in time order, and over the ratings that come between them."""

    shop: Shop
    shopper: Shopper
    settings: ReplaySettings
    ratings: Sequence[Rating] = ()  # in time order
    feedback: FeedbackParams = field(default_factory=FeedbackParams)  # what the shop takes
    outcome: Outcome = field(default_factory=Outcome)
    _pending: list[Json] = field(default_factory=list)
    _pending_shoppers: set[str] = field(default_factory=set)  # shoppers of these events
    _latest: datetime | None = None

    def run(self, visits: Sequence[Visit], bar: Any) -> None:
        """Repeat the visits; `bar(done, moment)` is told after each.

        A visit up to the shop's present time was seen by an earlier replay: its purchases are
        sent again under the same ids, and it is shown nothing. What waits is sent whatever ends
        the pass.
        """
        present = self.shop.now()
        oldest = present - timedelta(days=self.feedback.oldest_event_days)  # older is settled
        visits = [visit for visit in visits if visit.moment > oldest]
        self.ratings = [rating for rating in self.ratings if rating.moment > oldest]
        pace = _Pace(self.settings.speed, self.settings.most_seconds)
        try:
            for done, visit in enumerate(visits, start=1):
                if not pace.keep(visit.moment):
                    return
                self._visit(visit, show=visit.moment > present)
                bar(done, visit.moment)
        finally:
            with _uninterrupted():
                self._flush()

    def _visit(self, visit: Visit, show: bool) -> None:
        same_day = self._latest is None or visit.moment.date() == self._latest.date()
        if visit.user_id in self._pending_shoppers or not same_day:  # budgets are those of a day
            self._flush()
        self._latest = visit.moment
        given = self._given(visit.moment)
        self._pending += given
        self._pending_shoppers |= {event["user_id"] for event in given}
        if visit.user_id in self._pending_shoppers:  # rated since the last visit of anybody
            self._flush()
        events: list[Json] = []
        if show:
            self.shop.set_clock(visit.moment)
            events = self._look(visit)
        events += [self._event("purchase", visit, line, "basket") for line in visit.habits]
        once: dict[str, Json] = {}  # an item that two lists showed is bought from the first
        for event in events:
            once.setdefault(event["event_id"], event)
        self._pending += once.values()
        self._pending_shoppers.add(visit.user_id)
        if len(self._pending) >= BATCH:
            self._flush()

    def _given(self, moment: datetime) -> list[Json]:
        """Return the ratings up to `moment` as events, and forget them."""
        count = bisect_right(self.ratings, moment, key=lambda rating: rating.moment)
        given, self.ratings = self.ratings[:count], self.ratings[count:]
        return [
            {
                "event_id": f"{PLACE}-{self.settings.seed}-rating-{rating.key}",
                "action_name": "rating",
                "user_id": rating.user_id,
                "timestamp": rating.moment.isoformat(),
                "event_attributes": {
                    "object": {"object_id": rating.item_id},
                    "value": rating.stars,
                },
            }
            for rating in given
        ]

    def _look(self, visit: Visit) -> list[Json]:
        """Ask for a row or for results, and for sponsored slots beside them."""
        who = {"user_id": visit.user_id, "session_id": visit.key}
        surface = "search" if visit.query else "home"
        if visit.query:
            answer = self.shop.search(**who, query=visit.query, page_size=self.settings.k)
        else:
            answer = self.shop.recommend(**who, surface="home", k=self.settings.k)
        events, clicks = self._react(visit, answer, surface)
        if not visit.query:
            row = [item["item_id"] for item in answer["items"]]
            self.outcome.add(visit, row, clicks, answer["model_version"])
        if self.settings.ad_slots:
            asked = who | {"surface": surface, "query": visit.query}
            answer = self.shop.ads(**asked, slots=self.settings.ad_slots)
            events += self._react(visit, answer, "sponsored")[0]
        return events

    def _react(self, visit: Visit, answer: Json, surface: str) -> tuple[list[Json], int]:
        """Return the events that the shopper makes of an answer, and how many are clicks."""
        items = answer["items"]
        did = self.shopper.react(visit, [item["item_id"] for item in items], surface)
        self.outcome.see(surface, len(items), len(did.clicked))
        events = []
        for kind, places in (("click", did.clicked), ("purchase", did.bought)):
            for place in places:
                line = Line(items[place]["item_id"], 1.0, items[place]["price"])
                event = self._event(kind, visit, line, surface)
                event["query_id"] = answer["impression_id"]
                event["event_attributes"]["position"] = {"ordinal": items[place]["position"]}
                events.append(event)
        return events, len(did.clicked)

    def _event(self, kind: str, visit: Visit, line: Line, surface: str) -> Json:
        """Return an event whose id is the same in every replay with this seed.

        An item is bought once in a visit: after a click in this replay, from habit in the next.
        """
        details: Json = {"object": {"object_id": line.item_id}}
        what = f"{kind}-{surface}"
        if kind == "purchase":
            details |= {"value": line.quantity, "price": line.price}
            what = kind
        return {
            "event_id": f"{PLACE}-{self.settings.seed}-{visit.key}-{what}-{line.item_id}",
            "action_name": kind,
            "user_id": visit.user_id,
            "session_id": visit.key,
            "timestamp": visit.moment.isoformat(),
            "event_attributes": details,
        }

    def _flush(self) -> None:
        if self._pending and self._latest:
            accepted, known = self.shop.send(self._pending, self._latest)
            self.outcome.accepted += accepted
            self.outcome.duplicates += known
        self._pending, self._pending_shoppers = [], set()


@dataclass
class _Pace:
    """Holds shop time and time on the wall together."""

    speed: float | None
    most_seconds: float | None
    _first: datetime | None = None
    _began: float = 0.0

    def keep(self, moment: datetime) -> bool:
        """Wait until it is time for `moment`; return whether there is time left at all."""
        if self._first is None:
            self._first, self._began = moment, time.monotonic()
        passed = time.monotonic() - self._began
        if self.speed:
            due = (moment - self._first).total_seconds() / self.speed
            if self.most_seconds and due > self.most_seconds:
                return False
            time.sleep(max(due - passed, 0))
        return self.most_seconds is None or time.monotonic() - self._began <= self.most_seconds


class _uninterrupted:  # noqa: N801 - reads as the context manager it is
    """Puts Ctrl-C off until the block is done."""

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
