"""One version of the fused ranker with all it needs to answer: immutable, replaced whole."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from components.platform.application import Packages
from components.platform.encoders.inference import ImageEncoder, TextEncoder, has_encoder
from components.platform.errors import ModelError
from components.platform.files import read_table
from components.platform.pseudonyms import pseudonym_of
from components.platform.serving.live_events import LiveEvents
from components.shop_ranking.engine.engine import Engine
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.params import Params
from components.shop_ranking.search.searching import Searcher
from components.shop_ranking.serving.api import Answer, Asking, RecommendRequest, SearchRequest
from components.shop_ranking.serving.catalogue import Catalogue
from components.shop_ranking.serving.recommendation import Recommender
from components.shop_ranking.serving.shoppers import Shopper, Shoppers
from components.shop_ranking.serving.slates import Presenter, Slate
from components.shop_ranking.surfaces import HOME, ROWS
from components.shop_ranking.surfaces.search import SURFACE as SEARCH
from components.shop_ranking.towers import reading
from components.shop_ranking.towers.registration import Queries


@dataclass(frozen=True)
class Champion:
    """Answers requests; a request uses one champion throughout."""

    version: str
    as_of: datetime  # end of its data
    catalogue: Catalogue
    ranker: FusedRanker
    shoppers: Shoppers
    recommender: Recommender
    searcher: Searcher
    presenter: Presenter

    @classmethod
    def load(cls, packages: Packages, params: Params, live: LiveEvents) -> "Champion":
        """Read the packages and answer a request of every kind.

        Raises:
            ShopError: a package is incomplete, broken, or made by another version of the code.

        """
        folder = packages.folders["fused"]
        ranker, shop = FusedRanker.load(folder), folder / "shop"
        try:
            about = json.loads((shop / "shop.json").read_text())
        except (OSError, ValueError) as error:
            raise ModelError(
                f"a package with a shop at {folder}", str(error), "register it again"
            ) from error
        as_of = datetime.fromisoformat(about["as_of"])
        users = read_table(folder / "ids" / "users.parquet")["user_id"].to_pylist()
        catalogue = Catalogue.read(shop, ranker.engine.items.eligible)
        shoppers = Shoppers(shop, ranker, catalogue, live, as_of, about["target_events"], users)
        recommender = Recommender(shop, ranker, catalogue, params.serving)
        words, pictures = _reader(packages, "words"), _reader(packages, "pictures")
        searcher = Searcher(
            ranker,
            catalogue,
            recommender,
            TextEncoder(words) if words and has_encoder(words) else None,
            ImageEncoder(pictures) if pictures and has_encoder(pictures) else None,
            params.serving,
            params.search,
        )
        made = cls(
            version=packages.version,
            as_of=as_of,
            catalogue=catalogue,
            ranker=ranker,
            shoppers=shoppers,
            recommender=recommender,
            searcher=searcher,
            presenter=Presenter(catalogue, packages.version, params.serving, params.seed),
        )
        made.warm_up(users)
        return made

    @property
    def engine(self) -> Engine:
        """What proposes this champion's items and makes their rows."""
        return self.ranker.engine

    def warm_up(self, users: Sequence[str]) -> None:
        """Answer requests of every kind, for known shoppers and for a stranger.

        Raises:
            ModelError: an answer is empty, or a score is not a number.

        """
        popular = self.engine.popular
        items = [self.catalogue.item_id[row] for row in popular[:3].tolist()]
        for user in [*users[:5], None]:
            for surface in ROWS:
                request = RecommendRequest.model_validate(
                    {"user_id": user, "surface": surface, "item_id": items[0], "basket": items}
                )
                answer = self.recommend(request, self.as_of)
                scores = [item.score for item in answer.items]
                if not np.isfinite(scores).all() or (surface == HOME and not scores):
                    raise ModelError(
                        f"items with scores on surface {surface} for {user or 'a stranger'}",
                        f"{scores[:5]}",
                        "train this model again, or roll back",
                    )
            title = self.catalogue.title[popular[0]] or "a"
            self.search(SearchRequest(user_id=user, query=title), self.as_of)

    def reading(self, request: RecommendRequest | SearchRequest) -> Callable[[], object] | None:
        """Return what reads the words of a query that nobody asked yet; any thread may call it."""
        return self.searcher.reading(request) if isinstance(request, SearchRequest) else None

    def prepare(self, requests: Sequence[RecommendRequest | SearchRequest], now: datetime) -> None:
        """Compute for all requests in one batch what they share in kind, and keep it."""
        users = [pseudonym_of(request.user_id) for request in requests if request.user_id]
        self.shoppers.prepare(users, now)
        asked = [(request, self.shopper(request, now)) for request in requests]
        self.recommender.prepare(
            shopper
            for request, shopper in asked
            if isinstance(request, RecommendRequest) and ROWS[request.surface].from_candidates
        )
        self.searcher.prepare(
            [(request, shopper) for request, shopper in asked if isinstance(request, SearchRequest)]
        )

    def recommend(self, request: RecommendRequest, now: datetime) -> Answer:
        """Return a row of recommendations; nothing is logged."""
        return self.presenter.show(self.slate(request, now), request.surface)

    def search(self, request: SearchRequest, now: datetime) -> Answer:
        """Return a page of search results; nothing is logged.

        Raises:
            DataError: the example picture is not one.

        """
        return self.presenter.show(self.slate(request, now), SEARCH.name)

    def slate(self, request: RecommendRequest | SearchRequest, now: datetime) -> Slate:
        """Return the ranked items of a request, of which nothing is shown yet.

        Raises:
            DataError: the example picture is not one.

        """
        shopper = self.shopper(request, now)
        if isinstance(request, SearchRequest):
            return self.searcher.search(request, shopper)
        return self.recommender.recommend(request, shopper)

    def score(
        self, user_id: str | None, item_ids: Sequence[str], now: datetime,
        history: Sequence[str] = (),
    ) -> Floats:  # fmt: skip
        """Return the fused scores of items for a shopper, (n,); NaN for an unknown item."""
        shopper = self.shoppers.of(pseudonym_of(user_id) if user_id else None, history, now)
        scores = np.full(len(item_ids), np.nan, np.float32)
        rows = np.array([self.catalogue.index.get(item, -1) for item in item_ids], np.int32)
        scores[rows >= 0] = self.ranker.score(shopper.state, [rows[rows >= 0]])[0]
        return scores

    def shopper(self, request: Asking, now: datetime) -> Shopper:
        """Return who asks, with the state as of now."""
        user = pseudonym_of(request.user_id) if request.user_id else None
        return self.shoppers.of(user, request.history, now)


def _reader(packages: Packages, queries: Queries) -> Path | None:
    """Return the package of the tower that reads queries of a kind; None where there is none."""
    tower = reading(queries)
    return packages.folders.get(tower) if tower else None
