"""Requests and answers of shop ranking: what is on the wire, and nothing else."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from components.platform.serving.messages import Id, Message
from components.shop_ranking.surfaces import HOME, ROWS, SURFACES, beside

if TYPE_CHECKING:
    Recommended = str
    Surface = str
else:
    Recommended = Literal[tuple(ROWS)]
    Surface = Literal[tuple(SURFACES)]
TYPED = f"{beside('query')}: what the shopper typed"
LOOKED_AT = f"{beside('item')}: the item that is looked at"
IN_BASKET = f"{beside('basket')}: items in the basket so far"
Ids = Annotated[tuple[Id, ...], Field(max_length=500)]


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

    surface: Recommended = Field(HOME, description="Where the row stands")
    item_id: Id | None = Field(None, description=LOOKED_AT)
    basket: Ids = Field((), description=IN_BASKET)
    k: int = Field(10, ge=1, le=100, description="Length of the row")
    diversity: float = Field(
        0.1, ge=0, le=1, description="0: by score alone; 1: as unlike each other as can be"
    )


class AdsRequest(Asking):
    """Sponsored slots beside an answer on a surface."""

    surface: Surface = Field(HOME, description="Where the slots stand")
    slots: int = Field(2, ge=1, le=10, description="Number of slots")
    query: str = Field("", max_length=1000, description=TYPED)
    item_id: Id | None = Field(None, description=LOOKED_AT)
    basket: Ids = Field((), description=IN_BASKET)
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
