"""Requests and answers of the server: what is on the wire, and nothing else."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Recommended = Literal["home", "similar", "basket", "buy_again"]
Surface = Literal["search", "home", "similar", "basket", "buy_again"]
Id = Annotated[str, Field(min_length=1, max_length=256)]  # as in the data contract
Ids = Annotated[tuple[Id, ...], Field(max_length=500)]


class Message(BaseModel):
    """A request or an answer; unknown keys are refused so that a typing slip is not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Message):
    """What went wrong, in one line: what was expected, what was found, what to do."""

    detail: str


def problem(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of an answer that is a Problem."""
    return {status: {"model": Problem, "description": description}}


BAD_REQUEST = problem(422, "The request is not what this document says; the line names where")


class Filters(Message):
    """Only items that pass all of these are shown."""

    category: str | None = Field(
        None, max_length=500, description="Category path or its beginning, e.g. GROCERY > CHEESE"
    )
    brand: Ids = Field((), description="Any of these brands; empty for all")
    price_min: float | None = Field(None, ge=0, description="Lowest price")
    price_max: float | None = Field(None, ge=0, description="Highest price")


class Asking(Message):
    """Who asks, and when."""

    user_id: Id | None = Field(None, description="Shopper's id or pseudonym; null for a stranger")
    session_id: Id | None = Field(None, description="Session of the shop's page")
    history: Ids = Field((), description="Items a stranger touched in this session, oldest first")
    filters: Filters = Filters()


class SearchRequest(Asking):
    """A query in words, or an example picture, or both."""

    query: str = Field("", max_length=1000, description="What the shopper typed")
    image: str | None = Field(
        None, max_length=8_000_000, description="Example picture: PNG or JPEG in base64"
    )
    page: int = Field(1, ge=1, le=1000, description="Page of the results, from 1")
    page_size: int = Field(20, ge=1, le=100, description="Items a page")


class RecommendRequest(Asking):
    """A row of recommendations on one surface."""

    surface: Recommended = Field("home", description="Where the row stands")
    item_id: Id | None = Field(None, description="similar: the item that is looked at")
    basket: Ids = Field((), description="basket: items in the basket so far")
    k: int = Field(10, ge=1, le=100, description="Length of the row")
    diversity: float = Field(
        0.1, ge=0, le=1, description="0: by score alone; 1: as unlike each other as can be"
    )


class AdsRequest(Asking):
    """Sponsored slots beside an answer on a surface."""

    surface: Surface = Field("home", description="Where the slots stand")
    slots: int = Field(2, ge=1, le=10, description="Number of slots")
    query: str = Field("", max_length=1000, description="search: what the shopper typed")
    item_id: Id | None = Field(None, description="similar: the item that is looked at")
    basket: Ids = Field((), description="basket: items in the basket so far")
    shown: Ids = Field((), description="Items of the answer beside the slots; none is shown twice")


class ShownItem(Message):
    """One item of an answer."""

    item_id: str
    position: int = Field(description="From 1")
    score: float = Field(description="Of the fused model; in a search, how well the item matches")
    fused_score: float | None = Field(
        None, description="Of the fused model; null where a search did not ask it"
    )
    propensity: float = Field(description="Probability that this policy shows it at this position")
    title: str | None
    category: str | None
    brand: str | None
    price: float | None
    image: str | None = Field(description="Path of the picture on this server")
    sponsored: bool = False
    campaign_id: str | None = None


class Answer(Message):
    """Items that are shown, under an impression id that events and explanations refer to."""

    impression_id: str
    surface: Surface
    items: tuple[ShownItem, ...]
    model_version: str = Field(description="Registered model and version, e.g. fused-ranker/3")
    policy: str = Field(description="How the items were ordered, e.g. fused+swap")
    total: int | None = Field(None, description="search: number of items found")
    corrected: str | None = Field(None, description="search: the query as it was understood")


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
    user_id: Id = Field(description="Shopper's id or pseudonym")
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


class Share(Message):
    """How much one part of the model moved the score."""

    part: str
    share: float


class Reason(Message):
    """An item of the shopper's history that speaks for the shown item."""

    item_id: str
    title: str | None
    weight: float
    tower: str


class ExplainedItem(Message):
    """Why one shown item is where it is."""

    item_id: str
    position: int
    title: str | None
    sentence: str = Field(description="The answer to `why do I see this?` in one sentence")
    shares: tuple[Share, ...]
    because_of: tuple[Reason, ...]
    sponsored: bool = False


class Explanation(Message):
    """Why an impression looks as it does."""

    impression_id: str
    surface: Surface
    model_version: str
    items: tuple[ExplainedItem, ...]
