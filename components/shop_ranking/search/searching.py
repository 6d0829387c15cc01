"""Search: words and meaning fused, pictures too, then the shopper's taste among what matches."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from components.platform.encoders.inference import ImageEncoder, TextEncoder
from components.platform.errors import DataError
from components.platform.serving.cache import Bounded
from components.shop_ranking.engine.batches import stacked
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.reciprocal_ranks import fuse_ranks
from components.shop_ranking.engine.vector_index import Nearest, VectorIndex
from components.shop_ranking.params import SearchParams, ServingParams
from components.shop_ranking.search.lexical import Lexical
from components.shop_ranking.serving.api import Filters, SearchRequest
from components.shop_ranking.serving.catalogue import Catalogue, Mask
from components.shop_ranking.serving.ordering import personal, weighted_sum
from components.shop_ranking.serving.recommendation import NO_FILTERS, Recommender
from components.shop_ranking.serving.shoppers import Shopper
from components.shop_ranking.serving.slates import Slate
from components.shop_ranking.towers import reading
from components.shop_ranking.towers.registration import Queries

RESULTS = 10_000  # searches whose results are kept. Capacity only: changes no result.


class Searcher:
    """Hybrid search over one catalogue; a tower without an encoder takes no part."""

    def __init__(
        self, ranker: FusedRanker, catalogue: Catalogue, recommender: Recommender,
        text: TextEncoder | None, image: ImageEncoder | None, params: ServingParams,
        search: SearchParams,
    ) -> None:  # fmt: skip
        self.ranker, self.catalogue, self.recommender = ranker, catalogue, recommender
        self.engine = ranker.engine
        self.text, self.image, self.params = text, image, params
        self.limits, self.lexical = search, Lexical(catalogue, search)
        self._results: Bounded[tuple[str, Filters], tuple[Ints, Floats, str | None]] = Bounded(
            RESULTS
        )
        self.orders: Bounded[object, tuple[npt.NDArray[np.int64], Floats]] = Bounded(RESULTS)

    def near(self, queries: Queries) -> VectorIndex:
        """Return the index of the tower that reads queries of a kind; there is an encoder of it."""
        tower = reading(queries)
        assert tower is not None
        return self.engine.indexes[tower]

    def search(self, request: SearchRequest, shopper: Shopper) -> Slate:
        """Return one page of the results.

        Raises:
            DataError: the example picture is not a picture, or pictures cannot be searched.

        """
        mask = self.catalogue.allowed(request.filters)
        start = (request.page - 1) * request.page_size
        end = start + request.page_size
        query, asked = request.query.strip(), _words(request)
        if not query and request.image is None:
            items, scores = self.recommender.home(shopper, request.filters, end)
            total = int(mask.sum())
            return _page(items, scores, "browse", slice(start, end), total, None)
        items, scores, corrected = (
            self._results_by_words(*asked)
            if asked
            else self.find(query, request.filters, request.image or None)
        )
        if shopper.has_history and len(items):
            order, fused = self.orders.get(
                shopper.key and asked and (shopper.key, *asked),
                lambda: self._to_taste(shopper, items),
            )
            items, scores = items[order], scores[order]
        else:
            fused = np.full(len(items), np.nan, np.float32)
        policy = "hybrid+fused" if shopper.has_history else "hybrid"
        return _page(items, scores, policy, slice(start, end), len(items), corrected, fused)

    def reading(self, request: SearchRequest) -> Callable[[], object] | None:
        """Return what lets the encoder read the words, None where that is done or not needed."""
        asked = _words(request)
        if self.text is None or asked is None or not self._results.missing([asked]):
            return None
        return partial(self._vector, asked[0])

    def prepare(self, asked: Sequence[tuple[SearchRequest, Shopper]]) -> None:
        """Find what the words of queries match, and score it for all shoppers in one batch."""
        by_words = [
            (words, shopper) for request, shopper in asked if (words := _words(request)) is not None
        ]
        self._find_all(words for words, _ in by_words)
        results: dict[object, tuple[Shopper, Ints]] = {}
        for words, shopper in by_words:
            items = self._results_by_words(*words)[0]
            if shopper.key and shopper.has_history and len(items):
                results[(shopper.key, *words)] = shopper, items
        missing = self.orders.missing(results)
        if not missing:
            return
        scores = self.ranker.score(
            stacked([results[key][0].state for key in missing]),
            [results[key][1][: self.params.personal_first] for key in missing],
        )
        for key, fused in zip(missing, scores, strict=True):
            self.orders.put(key, self._mixed(results[key][1], fused))

    def _find_all(self, asked: Iterable[tuple[str, Filters]]) -> None:
        """Find what `_results_by_words` would find one by one, the vectors' nearest in one pass."""
        missing = self._results.missing(asked)
        if self.text is None or not missing:
            return
        near = self.near("words").nearest_of_all(
            np.stack([self._vector(query) for query, _ in missing]),
            self.limits.nearest,
            without=[None] * len(missing),
            among=[self._among(filters) for _, filters in missing],
        )
        for key, nearest in zip(missing, near, strict=True):
            self._results.put(key, self.find(*key, nearest=nearest))

    def _vector(self, query: str) -> Floats:
        assert self.text is not None
        return self.text.encode(self.lexical.understand(query).corrected or query)

    def _results_by_words(self, query: str, filters: Filters) -> tuple[Ints, Floats, str | None]:
        return self._results.get((query, filters), lambda: self.find(query, filters))

    def _among(self, filters: Filters) -> Mask | None:
        """Return which items the towers may find: None for all of theirs, which is quicker."""
        return None if filters == NO_FILTERS else self.catalogue.allowed(filters)

    def _to_taste(self, shopper: Shopper, items: Ints) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return the order of the results for this shopper, and the fused scores in it."""
        fused = self.ranker.score(shopper.state, [items[: self.params.personal_first]])[0]
        return self._mixed(items, fused)

    def _mixed(self, items: Ints, fused: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
        order = personal(items, fused, len(fused), self.params.personal_weight)
        none = np.full(len(items) - len(fused), np.nan, np.float32)
        return order, np.concatenate([fused, none])[order]

    def find(
        self, query: str, filters: Filters, image: str | None = None,
        nearest: Nearest | None = None,
    ) -> tuple[Ints, Floats, str | None]:  # fmt: skip
        """Return the allowed items that match, best first, and the query as understood.

        Args:
            query: words.
            filters: what is allowed.
            image: an example picture in base64.
            nearest: those to the words by their tower, where they are known already.

        """
        mask, among = self.catalogue.allowed(filters), self._among(filters)
        lists: list[tuple[Ints, Floats]] = []
        weights: list[float] = []
        corrected = None
        if query:
            understood = self.lexical.understand(query)
            corrected = understood.corrected
            lists.append(self.lexical.search(understood.words, mask, self.limits.matched))
            weights.append(self.params.lexical_weight)
            if self.text is not None:
                if nearest is None:
                    vector = self.text.encode(corrected or query)
                    nearest = self.near("words").nearest(vector, self.limits.nearest, among=among)
                lists.append(nearest)
                weights.append(1 - self.params.lexical_weight)
        if image is not None:
            vector = self._picture(image)
            lists.append(self.near("pictures").nearest(vector, self.limits.nearest, among=among))
            weights.append(1.0)
        if self.params.search_fusion == "weighted-sum":
            return *weighted_sum(lists, weights), corrected
        return *fuse_ranks([items for items, _ in lists], weights), corrected

    def _picture(self, image: str) -> Floats:
        if self.image is None:
            raise DataError("a tower with an encoder of pictures", "none", "search by words")
        try:
            picture = base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError) as error:
            raise DataError("a picture in base64", str(error), "encode its bytes") from error
        return self.image.encode(picture)


def _words(request: SearchRequest) -> tuple[str, Filters] | None:
    """Return what a search by words alone is kept under; None for pictures and for browsing."""
    query = request.query.strip()
    return (query, request.filters) if query and not request.image else None


def _page(
    items: Ints, scores: Floats, policy: str, page: slice, total: int, corrected: str | None,
    fused: Floats | None = None,
) -> Slate:  # fmt: skip
    """Cut out a page; random slots stay within it, so that pages neither repeat nor lack items."""
    shown = items[page]
    fused = None if fused is None else fused[page]
    return Slate(shown, scores[page], policy, len(shown), total, corrected, fused)
