"""A link that was followed from a row is a click, and is logged like one of the shop's own."""

import hashlib

from components.platform.errors import ServiceError, StorageError
from components.platform.progress import say
from components.platform.serving.event_validation import record_of
from components.shop_ranking.pages.visitor import Visitor
from components.shop_ranking.serving.service import Service


def note_click(service: Service, who: Visitor, impression_id: str, item_id: str) -> None:
    """Log that `item_id` was clicked in an answer of this server; once, however often it is read.

    Only what this server remembers to have shown can be clicked here, so nobody can make up
    clicks; everything else about events needs the key of POST /events.
    """
    shown = service.impressions.get(impression_id)
    places = (
        [item.position for item in shown.answer.items if item.item_id == item_id] if shown else []
    )
    if not places or shown is None:
        return
    once = hashlib.sha256(f"{impression_id}/{item_id}".encode()).hexdigest()[:32]
    try:
        now = service.clock.now()
        event: dict[str, object] = {
            "event_id": f"page-{once}",
            "action_name": "click",
            "query_id": impression_id,
            "user_id": who.shopper or impression_id,
            "timestamp": now.isoformat(),
            "event_attributes": {
                "object": {"object_id": item_id},
                "position": {"ordinal": places[0]},
            },
        }
        record = record_of(event, now, service.params.feedback)
        service.log.append(service.hooks.enrich([record], now), durable=False)
    except (ServiceError, StorageError) as error:  # a page is not to fail because of its log
        say(f"a click is not logged: {error}")
