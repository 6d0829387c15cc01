"""What applications add to events before they are logged, and what they learn from them after."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from components.platform.progress import say
from components.platform.serving.segments import Record

Subscriber = Callable[[Sequence[Record]], None]


class Enrichment(Protocol):
    """Adds to events what an application knows of them, e.g. what a click costs."""

    def blocks(self, records: Sequence[Record]) -> bool:
        """Tell whether `enrich` waits for another process, so that it must run in a thread."""

    def enrich(self, records: Sequence[Record], now: datetime) -> list[Record]:
        """Return the records as they are logged.

        Raises:
            ServiceError: what is needed cannot be had; nothing of the batch is taken.

        """


class EventHooks:
    """The enrichments and subscribers of one process, in the order in which they came."""

    def __init__(self) -> None:
        self._enrichments: list[Enrichment] = []
        self._subscribers: list[Subscriber] = []

    def enrich_with(self, enrichment: Enrichment) -> None:
        """Let every batch of events pass through this enrichment before it is logged."""
        self._enrichments.append(enrichment)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call back with every record: logged here, told by a replica, or recovered at the start.

        A record may come twice.
        """
        self._subscribers.append(subscriber)

    def blocks(self, records: Sequence[Record]) -> bool:
        """Tell whether `enrich` would wait for another process."""
        return any(enrichment.blocks(records) for enrichment in self._enrichments)

    def enrich(self, records: list[Record], now: datetime) -> list[Record]:
        """Return the records as they are logged.

        Raises:
            ServiceError: an enrichment cannot be had; nothing of the batch is taken.

        """
        for enrichment in self._enrichments:
            records = enrichment.enrich(records, now)
        return records

    def deliver(self, records: Sequence[Record]) -> None:
        """Call the subscribers; one that fails does not stop the others."""
        for subscriber in self._subscribers:
            try:
                subscriber(records)
            except Exception as error:  # the record is on disk: its event is not lost
                say(f"events: {subscriber!r} failed: {type(error).__name__}: {error}")
