"""What users did since the model was trained: kept in memory, by pseudonym."""

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from components.platform.schemas import EVENT_TYPES

HISTORY = {"view", "click", "add_to_cart", "purchase", "rating"}  # what a user does to an item


class LiveEvent(NamedTuple):
    """One event, ordered by time and then by its id."""

    seconds: float  # since 1970, UTC
    event_id: str
    item_id: str
    kind: int  # index in EVENT_TYPES
    session_id: str
    quantity: float  # NaN where unknown
    price: float  # paid for one, NaN where unknown


class LiveEvents:
    """Events by user in time order; safe to fill and read from several threads.

    `accept` is the subscriber of the event log. An event that came before is passed over: one
    that was taken before the first champion had loaded is read from the log once more.
    """

    def __init__(self, events: int | None = None, users: int | None = None) -> None:
        """Keep the latest `events` of each of the `users` that were latest active; None: all."""
        self.most_events, self.most_users = events, users
        self._events: dict[str, list[LiveEvent]] = {}  # least recently active first
        self._revision: dict[str, int] = {}
        self._taken = 0
        self._lock = threading.Lock()

    def accept(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Take records in the columns of schemas.SERVED_EVENTS; impressions are no history."""
        for record in records:
            if record["event_type"] not in HISTORY or not record.get("item_id"):
                continue
            event = LiveEvent(
                seconds=moment_of(record["timestamp"]).timestamp(),
                event_id=str(record["event_id"]),
                item_id=str(record["item_id"]),
                kind=EVENT_TYPES.index(record["event_type"]),
                session_id=str(record.get("session_id") or ""),
                quantity=_number(record.get("value")),
                price=_number(record.get("price")),
            )
            user = str(record["user_id"])
            with self._lock:
                events = self._events.setdefault(user, [])
                place = bisect_left(events, event[:2])  # NaN compares with nothing: by time and id
                if events[place : place + 1] and events[place][:2] == event[:2]:
                    continue
                events.insert(place, event)
                if self.most_events is not None:
                    del events[: max(len(events) - self.most_events, 0)]
                self._note(user)

    def keep(self, events: int, users: int) -> None:
        """Keep so many from now on; what was forgotten under a lower limit stays forgotten."""
        self.most_events, self.most_users = events, users

    def _note(self, user: str) -> None:
        """Give the user a revision that nobody had, and forget the least recently active."""
        self._taken += 1
        self._revision[user] = self._taken
        self._events[user] = self._events.pop(user)
        while self.most_users is not None and len(self._events) > self.most_users:
            gone = next(iter(self._events))
            del self._events[gone]
            self._revision.pop(gone, None)

    def revision(self, user: str) -> int:
        """Return a number that grows with every event of the user; 0 without any."""
        return self._revision.get(user, 0)

    def since(self, user: str, first: float, last: float = float("inf")) -> list[LiveEvent]:
        """Return the user's events from `first` to `last` (seconds since 1970), oldest first."""
        with self._lock:
            return [event for event in self._events.get(user, ()) if first <= event.seconds <= last]


def moment_of(value: datetime | str) -> datetime:
    """Return the moment of a record, which may have been through JSON; no offset means UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
