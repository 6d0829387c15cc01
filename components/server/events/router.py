"""POST /events: what users did. What is acknowledged is on disk."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, HTTPException, Response
from prometheus_client import Counter

from components.platform.errors import ServiceError, StorageError
from components.platform.params import FeedbackParams
from components.platform.serving.clock import Clock
from components.platform.serving.event_hooks import EventHooks
from components.platform.serving.event_messages import EventsAnswer, EventsRequest, Rejected
from components.platform.serving.event_validation import RejectedEvent, record_of
from components.platform.serving.keys import RESPONSES, require_event_key
from components.platform.serving.messages import BAD_REQUEST, as_json
from components.platform.serving.segments import Record
from components.server.events.log import EventLog

RETRY_SECONDS = 5
EVENTS = Counter("shopfusion_events", "Events received, by what became of them", ["outcome"])


def router(
    log: EventLog, hooks: EventHooks, clock: Clock, params: Callable[[], FeedbackParams]
) -> APIRouter:
    """Return POST /events; `params` are asked at each request: they say which times are taken."""
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
            now = clock.now()
            records, rejected = _checked(batch, now, params())
            if hooks.blocks(records):  # in a thread: other requests go on meanwhile
                enriched = await asyncio.to_thread(hooks.enrich, records, now)
            else:  # no await from here to the log: no other request may be charged in between
                enriched = hooks.enrich(records, now)
            taken = log.append(enriched, durable=False)
            # Duplicates too may be acknowledged only when their first copy is durable.
            await asyncio.wrap_future(log.committed())
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


def _checked(
    batch: EventsRequest, now: datetime, params: FeedbackParams
) -> tuple[list[Record], list[Rejected]]:
    """Return the records of the good events, and the others by index with a reason."""
    records: list[Record] = []
    rejected: list[Rejected] = []
    for index, event in enumerate(batch.events):
        try:
            records.append(record_of(event, now, params))
        except RejectedEvent as error:
            rejected.append(Rejected(index=index, reason=str(error)))
    return records, rejected
