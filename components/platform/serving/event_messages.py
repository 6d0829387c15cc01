"""POST /events on the wire: events in the names of User Behavior Insights."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from components.platform.serving.messages import Id, Message


class EventObject(Message):
    """UBI: what the event is about."""

    object_id: Id = Field(description="Item id")


class EventPosition(Message):
    """UBI: where on the page it happened."""

    ordinal: int = Field(ge=1, description="Position, from 1")


class EventAttributes(Message):
    """UBI: details of an event."""

    object: EventObject | None = None
    position: EventPosition | None = None
    value: float | None = Field(None, description="Quantity, stars or seconds, by action")
    price: float | None = Field(None, ge=0, description="purchase: price paid for one")


class Event(Message):
    """One event in the names of User Behavior Insights (ubi 1.3)."""

    event_id: Id = Field(description="Idempotency key: the same id counts once")
    action_name: Literal["view", "click", "add_to_cart", "purchase", "rating"]
    query_id: Id | None = Field(None, description="Impression id of the answer it follows")
    user_id: Id = Field(description="User's id or pseudonym")
    session_id: Id | None = None
    timestamp: datetime = Field(description="When it happened, with an offset from UTC")
    event_attributes: EventAttributes = EventAttributes()


class EventsRequest(Message):
    """A batch of events; each stands alone: a bad one does not stop its neighbours."""

    events: Annotated[tuple[dict[str, object], ...], Field(min_length=1, max_length=5000)]


class Rejected(Message):
    """An event that was not taken, and why."""

    index: int
    reason: str


class EventsAnswer(Message):
    """What became of a batch; what is accepted is on disk."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejected, ...]
