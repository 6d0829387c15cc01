"""POST /events: what shoppers did. What is acknowledged is on disk."""

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, Depends, HTTPException, Response
from prometheus_client import Counter

from components.platform.errors import ServiceError, StorageError
from components.platform.serving.keys import RESPONSES, require_event_key
from components.platform.serving.segments import Record
from components.server.events.validation import Refused, record_of
from components.shop_ranking.serving.answering import as_json
from components.shop_ranking.serving.api import BAD_REQUEST, EventsAnswer, EventsRequest, Rejected

if TYPE_CHECKING:
    from components.server.server import Server

RETRY_SECONDS = 5
EVENTS = Counter("shopfusion_events", "Events at the door, by what became of them", ["outcome"])


def router(server: "Server") -> APIRouter:
    """Return POST /events."""
    routes = APIRouter(
        tags=["events"],
        dependencies=[Depends(require_event_key)],
        responses=RESPONSES | BAD_REQUEST,
    )

    @routes.post("/events", response_model=EventsAnswer)
    async def take(batch: Annotated[EventsRequest, Body()]) -> Response:
        """Take a batch of events; the answer comes once those it accepts are durable.

        503 with Retry-After: nothing of the batch was taken; send it again as it is.
        """
        try:
            records, rejected = _checked(batch, server)
            now = server.clock.now()
            if server.ads.waits_for(records):  # in a thread: nobody else waits for the others
                charged = await asyncio.to_thread(server.ads.charge, records, now)
            else:  # no await from here to the log: no other request may charge in between
                charged = server.ads.charge(records, now)
            taken = server.log.append(charged, durable=False)
            # Duplicates too may be acknowledged only when their first copy is durable.
            await asyncio.wrap_future(server.log.committed())
        except (StorageError, ServiceError) as error:
            EVENTS.labels("unavailable").inc(len(batch.events))
            raise HTTPException(503, str(error), {"Retry-After": str(RETRY_SECONDS)}) from error
        answer = EventsAnswer(
            accepted=taken, duplicates=len(records) - taken, rejected=tuple(rejected)
        )
        EVENTS.labels("accepted").inc(answer.accepted)
        EVENTS.labels("duplicate").inc(answer.duplicates)
        EVENTS.labels("rejected").inc(len(rejected))
        return as_json(answer)

    return routes


def _checked(batch: EventsRequest, server: "Server") -> tuple[list[Record], list[Rejected]]:
    """Return the records of the good events, and the others by index with a reason."""
    now = server.clock.now()
    records: list[Record] = []
    rejected: list[Rejected] = []
    for index, event in enumerate(batch.events):
        try:
            records.append(record_of(event, now))
        except Refused as error:
            rejected.append(Rejected(index=index, reason=str(error)))
    return records, rejected
