"""The server as the pages see it: rows, results, reasons, and what has to be said about the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse

from components.serving.api import (
    AdsRequest,
    Answer,
    Explanation,
    RecommendRequest,
    SearchRequest,
)
from components.serving.catalogue import Catalogue
from components.serving.pages.rendering import page
from components.serving.pages.visitor import Visitor

if TYPE_CHECKING:
    from components.serving.server import Server

LEVELS = 2  # of the category path that are offered as filters


@dataclass(frozen=True)
class Known:
    """A shopper the model knows."""

    user_id: str
    said: str


@dataclass(frozen=True)
class Item:
    """One item as its page shows it; `known` is False where the catalogue lacks it."""

    item_id: str
    known: bool = False
    sold: bool = False
    title: str | None = None
    category: str | None = None
    brand: str | None = None
    price: float | None = None
    image: str | None = None


@dataclass(frozen=True)
class Side:
    """What one of two models would show."""

    answer: Answer
    as_of: datetime


class Front:
    """Answers for the pages; every row is logged as shown, as the API logs it."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    @property
    def catalogue(self) -> Catalogue:
        """The champion's catalogue."""
        return self._server.champion.current().catalogue

    def page(self, template: str, who: Visitor, status: int = 200, **values: Any) -> HTMLResponse:
        """Render a page of the shop."""
        shared = {
            "visitor": who,
            "labels": self.labels(),
            "model_version": self.version(),
            "as_of": self.as_of(),
            "here": "",
            "query": "",
        }
        return page(template, status, **shared | values)

    def item(self, item_id: str) -> Item:
        """Return one item of the catalogue."""
        catalogue = self.catalogue
        row = catalogue.index.get(item_id)
        if row is None:
            return Item(item_id)
        price = float(catalogue.price[row])
        return Item(
            item_id,
            known=True,
            sold=bool(catalogue.eligible[row]),
            title=catalogue.title[row],
            category=catalogue.category[row],
            brand=catalogue.brand[row],
            price=price if price == price else None,  # NaN is unknown
            image=f"/picture/{item_id}" if catalogue.picture_row[row] >= 0 else None,
        )

    def category_of(self, item_id: str) -> str | None:
        """Return the category path of an item."""
        return self.item(item_id).category

    def categories(self) -> Sequence[str]:
        """Return the first levels of all category paths that are sold, in the order of names."""
        return _first_levels(tuple(self.catalogue.categories))


@lru_cache(maxsize=4)
def _first_levels(paths: tuple[str, ...]) -> tuple[str, ...]:
    split = [path.split(" > ") for path in paths if path]
    found = {tuple(names[:level]) for names in split for level in range(1, LEVELS + 1)}
    return tuple(" > ".join(names) for names in sorted(found))
