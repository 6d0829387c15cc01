"""Event validation: one event of a batch becomes a record of the log, or is rejected."""

import math
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from components.platform.params import FeedbackParams
from components.platform.pseudonyms import pseudonym_of
from components.platform.serving.event_messages import Event
from components.platform.serving.segments import Record


class RejectedEvent(Exception):  # noqa: N818 - not a fault of the server
    """The event is not taken; the message says why."""


def record_of(given: dict[str, object], now: datetime, params: FeedbackParams) -> Record:
    """Return the SERVED_EVENTS record of an event, its user a pseudonym, times as ISO texts.

    `params` say how far its time may be from `now`.

    Raises:
        RejectedEvent: the event breaks a rule; nothing of the user is in the message.

    """
    try:
        event = Event.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RejectedEvent(f"{where}: {first['msg']}") from error
    about = event.event_attributes
    if about.object is None:
        raise RejectedEvent("event_attributes.object: an item is missing")
    if event.action_name == "rating" and about.value is None:
        raise RejectedEvent("event_attributes.value: the stars of a rating are missing")
    if not all(math.isfinite(x) for x in (about.value, about.price) if x is not None):
        raise RejectedEvent("event_attributes: value and price must be finite")
    return {
        "event_id": event.event_id,
        "user_id": pseudonym_of(event.user_id),
        "session_id": event.session_id,
        "timestamp": _moment(event.timestamp, now, params).isoformat(),
        "event_type": event.action_name,
        "item_id": about.object.object_id,
        "query": None,
        "surface": None,
        "position": about.position.ordinal if about.position else None,
        "propensity": None,
        "model_version": None,
        "value": about.value,
        "impression_id": event.query_id,
        "policy": None,
        "campaign_id": None,
        "price": about.price if event.action_name == "purchase" else None,
        "received_at": now.isoformat(),
    }


def _moment(given: datetime, now: datetime, params: FeedbackParams) -> datetime:
    if given.tzinfo is None:
        raise RejectedEvent("timestamp: it has no offset from UTC")
    try:
        moment = given.astimezone(UTC)
    except OverflowError as error:
        raise RejectedEvent("timestamp: it is out of range") from error
    skew = timedelta(minutes=params.clock_skew_minutes)
    if moment > now + skew:
        raise RejectedEvent(f"timestamp: it is later than {skew} after the server's clock")
    if moment < now - timedelta(days=params.oldest_event_days):
        raise RejectedEvent(f"timestamp: it is more than {params.oldest_event_days} days old")
    return moment
