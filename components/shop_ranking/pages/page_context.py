"""The context of a page: rows, results, reasons, and what must be said of the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi.responses import HTMLResponse

from components.platform.errors import DataError, ModelError, ServiceError, ShopError
from components.platform.pages.rendering import Pages
from components.shop_ranking.ads.campaigns import SIMULATED
from components.shop_ranking.ads.router import fill
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.pages.clicks import note_click
from components.shop_ranking.pages.demo_shoppers import Known, known_shoppers, said_of
from components.shop_ranking.pages.labels import labels
from components.shop_ranking.pages.visitor import Visitor
from components.shop_ranking.serving.answering import recommend, search
from components.shop_ranking.serving.api import (
    AdsRequest,
    Answer,
    Explanation,
    Filters,
    RecommendRequest,
    SearchRequest,
)
from components.shop_ranking.serving.catalogue import Catalogue, picture_address
from components.shop_ranking.serving.explaining import explain
from components.shop_ranking.serving.service import Service

if TYPE_CHECKING:
    from components.shop_ranking.serving.champion import Champion

LEVELS = 2  # of the category path that are offered as filters
PAGES = Pages(
    SHOP_RANKING.name,
    "Shop",
    Path(__file__).parent,
    menu=(("/", "Shop"), ("/compare", "Compare models"), ("/operations", "Operations")),
    tests={"simulated": lambda campaign: str(campaign).startswith(SIMULATED)},
)


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


class PageContext:
    """Answers for the pages; every row is logged as shown, as the API logs it."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def champion(self) -> "Champion":
        """The model that answers now.

        Raises:
            ModelError: there is none yet.

        """
        return self._service.champion

    @property
    def catalogue(self) -> Catalogue:
        """The champion's catalogue."""
        return self.champion.catalogue

    def version(self) -> str | None:
        """Return the champion's name and version, None before there is one."""
        try:
            return self.champion.version
        except ModelError:
            return None

    def state(self) -> str:
        """Say in one line what answers, or why nothing does."""
        return self._service.models.state()

    def now(self) -> datetime | None:
        """Return the shop's time, None for a replay's clock that nothing has started."""
        try:
            return self._service.clock.now()
        except ServiceError:
            return None

    def labels(self) -> tuple[str, ...]:
        """Return what must be said plainly of the data and of the time."""
        return labels(self._service, self.version(), self.now())

    def page(self, template: str, who: Visitor, status: int = 200, **values: Any) -> HTMLResponse:
        """Render a page of the shop."""
        shared = {
            "visitor": who,
            "link": who.link,
            "labels": self.labels(),
            "model_version": self.version(),
            "as_of": self.champion.as_of,
            "query": "",
        }
        return PAGES.page(template, status, **shared | values)

    # --- answers ----------------------------------------------------------------------------------

    def row(
        self, who: Visitor, surface: str, k: int, item_id: str | None = None,
        basket: Sequence[str] = (),
    ) -> Answer:  # fmt: skip
        """Return a row of recommendations and log it."""
        asked = self._asking(who, item_id) | {"surface": surface, "k": k, "item_id": item_id}
        asked["basket"] = tuple(basket) or who.basket
        return recommend(self._service, RecommendRequest.model_validate(asked))

    def sponsored(
        self, who: Visitor, surface: str, slots: int, query: str = "",
        item_id: str | None = None, shown: Sequence[Answer] = (), filters: Filters | None = None,
    ) -> Answer:  # fmt: skip
        """Return sponsored slots and log them; what stands in `shown` is not shown again."""
        asked = self._asking(who, item_id) | {"surface": surface, "slots": slots, "query": query}
        asked |= {"item_id": item_id, "filters": filters or Filters()}
        asked["shown"] = [item.item_id for answer in shown for item in answer.items]
        return fill(self._service, AdsRequest.model_validate(asked))

    def search(self, who: Visitor, wanted: SearchRequest) -> tuple[Answer | None, str]:
        """Return the results and log them; or none, and what is wrong with the request."""
        request = wanted.model_copy(update=self._asking(who))
        try:
            return search(self._service, request), ""
        except DataError as error:
            return None, f"{str(error).capitalize()}."

    def note_click(self, who: Visitor, impression_id: str, item_id: str) -> None:
        """Log that a link of an answer was followed."""
        note_click(self._service, who, impression_id, item_id)

    def explain(self, impression_id: str) -> Explanation | None:
        """Return why an answer looks as it does, None where it is not remembered."""
        return explain(self._service, impression_id)

    def both(self, who: Visitor, words: str, k: int) -> tuple[dict[str, Side], str]:
        """Return what champion and challenger would show now, and why one is not shown.

        Nothing is logged. A challenger that cannot be had leaves the champion alone on the page.
        """
        now, asked = self._service.clock.now(), self._asking(who)

        def side(model: "Champion") -> Side:
            answer = (
                model.search(SearchRequest(query=words, page_size=k, **asked), now)
                if words
                else model.recommend(RecommendRequest(k=k, **asked), now)
            )
            return Side(answer, model.as_of)

        champion = self.champion
        sides, problem = {"Champion": side(champion)}, ""
        try:
            challenger = self._service.models.challenger()
            if challenger is not None and challenger.version != champion.version:
                sides["Challenger"] = side(challenger)
        except ShopError as error:
            problem = f"The challenger cannot be shown: {error}."
        except Exception as error:  # it loaded, and fails at this question
            said = f"{type(error).__name__}: {error}"
            problem = f"The challenger does not answer this: {' '.join(said.split())[:300]}."
        return sides, problem

    @staticmethod
    def _asking(who: Visitor, item_id: str | None = None) -> dict[str, Any]:
        """Return who asks; a stranger is known by the basket and by what is looked at."""
        touched = (*who.basket, *([item_id] if item_id else []))
        return {"user_id": who.shopper, "history": () if who.shopper else touched}

    # --- the catalogue and its shoppers -----------------------------------------------------------

    def item(self, item_id: str) -> Item:
        """Return one item of the catalogue."""
        catalogue = self.catalogue
        row = catalogue.index.get(item_id)
        if row is None:
            return Item(item_id)
        price, pictured = float(catalogue.price[row]), catalogue.picture_row[row] >= 0
        return Item(
            item_id,
            known=True,
            sold=bool(catalogue.eligible[row]),
            title=catalogue.title[row],
            category=catalogue.category[row],
            brand=catalogue.brand[row],
            price=None if np.isnan(price) else price,
            image=picture_address(item_id) if pictured else None,
        )

    def category_of(self, item_id: str) -> str | None:
        """Return the category path of an item, None without a champion too."""
        try:
            return self.item(item_id).category
        except ModelError:
            return None

    def categories(self) -> Sequence[str]:
        """Return the first levels of all category paths that are sold, in the order of names."""
        return _first_levels(tuple(self.catalogue.categories))

    def known_shoppers(self) -> tuple[Known, ...]:
        """Return a few shoppers to choose from, from the most faithful to the newest."""
        return known_shoppers(self.champion.shoppers)

    def about(self, who: Visitor) -> str:
        """Say in one sentence what is known of the visitor."""
        return said_of(self.champion.shoppers, who.shopper)


@lru_cache(maxsize=4)
def _first_levels(paths: tuple[str | None, ...]) -> tuple[str, ...]:
    split = [path.split(" > ") for path in paths if path]
    beginnings = {tuple(names[:level]) for names in split for level in range(1, LEVELS + 1)}
    return tuple(" > ".join(names) for names in sorted(beginnings))
