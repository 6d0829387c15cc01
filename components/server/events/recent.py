"""Event ids seen lately, so that an event sent twice is logged once."""

from collections.abc import Sequence

from components.platform.serving.segments import Record


class RecentIds:
    """The latest `capacity` ids; the oldest is forgotten first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ids: dict[str, None] = {}  # in the order in which they came

    def new(self, records: Sequence[Record]) -> list[Record]:
        """Return the records whose id is neither known nor earlier among them."""
        unknown: dict[str, Record] = {}
        for record in records:
            if record["event_id"] not in self._ids:
                unknown.setdefault(record["event_id"], record)
        return list(unknown.values())

    def add(self, records: Sequence[Record]) -> None:
        """Remember the ids of events; impressions have ids of the server's own making."""
        ids = self._ids
        for record in records:
            if record["event_type"] != "impression":
                ids[record["event_id"]] = None
        while len(ids) > self._capacity:
            del ids[next(iter(ids))]
