"""Rows of recommendations: candidates of a surface, the fused ranker, and a list less alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.platform.files import read_table
from components.platform.serving.cache import Bounded
from components.shop_ranking.engine.batches import stacked
from components.shop_ranking.engine.engine import Engine
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.ranker import FusedRanker, Ranked
from components.shop_ranking.engine.reciprocal_ranks import fuse_ranks
from components.shop_ranking.params import ServingParams
from components.shop_ranking.serving.api import Filters, RecommendRequest
from components.shop_ranking.serving.catalogue import Catalogue, Mask
from components.shop_ranking.serving.ordering import diversified, personal
from components.shop_ranking.serving.shoppers import Shopper
from components.shop_ranking.serving.slates import Slate
from components.shop_ranking.surfaces import HOME, ROWS
from components.shop_ranking.surfaces.registration import Surface

NO_FILTERS = Filters()
RANKINGS = 20_000  # shoppers whose ranked candidates are kept. Capacity only: changes no result.
LISTS = 20_000  # finished rows that are kept. Capacity only: changes no result.


@dataclass(frozen=True)
class RowRequest:
    """What a surface makes a row of."""

    recommender: "Recommender"
    shopper: Shopper
    context: Ints  # (n,) rows of the catalogue that the answer stands beside; none without context
    filters: Filters
    wanted: int  # items that may be shown

    @property
    def allowed(self) -> Mask:
        """Items that pass the filters, (I,)."""
        return self.recommender.catalogue.allowed(self.filters)


class Recommender:
    """Ranks for every surface that is a row of recommendations."""

    def __init__(
        self, folder: Path, ranker: FusedRanker, catalogue: Catalogue, params: ServingParams
    ) -> None:
        self.ranker, self.catalogue, self.params = ranker, catalogue, params
        self.engine = ranker.engine
        pairs = read_table(folder / "item_pairs.parquet", ["item_index", "other_index"])
        self.together = pairs["other_index"].to_numpy()  # strongest first an item
        self.pairs_of = np.searchsorted(
            pairs["item_index"].to_numpy(), np.arange(len(catalogue) + 1)
        )
        self.likeness = _unit_vectors(self.engine)
        self.rankings: Bounded[object, Ranked] = Bounded(RANKINGS)
        self._lists: Bounded[object, tuple[Ints, Floats]] = Bounded(LISTS)

    def ranked(self, shopper: Shopper) -> Ranked:
        """Return the shopper's candidates; kept until the shopper does something, or a new day."""
        return self.rankings.get(shopper.key, lambda: self.ranker.ranked(shopper.state)[0])

    def prepare(self, shoppers: Iterable[Shopper]) -> None:
        """Rank in one batch the candidates of shoppers that `ranked` would rank one by one."""
        states = {shopper.key: shopper.state for shopper in shoppers}
        missing = self.rankings.missing(states)
        if missing:
            batch = stacked([states[key] for key in missing])  # type: ignore[index]
            for key, ranked in zip(missing, self.ranker.ranked(batch), strict=True):
                self.rankings.put(key, ranked)

    def recommend(self, request: RecommendRequest, shopper: Shopper) -> Slate:
        """Return the row of a surface; one without an item or basket it knows shows home's."""
        surface = ROWS[request.surface]
        context = self._context(surface, request)
        if surface.context is not None and not context:
            surface = ROWS[HOME]
        wanted = request.k + self.params.exploration_reach
        key = shopper.key and (
            shopper.key, surface.name, context, request.filters, wanted, request.diversity
        )  # fmt: skip
        items, scores = self._lists.get(
            key, lambda: self._list(shopper, surface, context, request, wanted)
        )
        return Slate(items, scores, "fused", min(request.k, len(items)))

    def _context(self, surface: Surface, request: RecommendRequest) -> tuple[int, ...]:
        """Return the rows of the items that the surface stands beside; none that are not known."""
        named: Sequence[str] = ()
        if surface.context == "item" and request.item_id:
            named = [request.item_id]
        elif surface.context == "basket":
            named = request.basket
        return tuple(dict.fromkeys(self.catalogue.rows(named).tolist()))

    def _list(
        self, shopper: Shopper, surface: Surface, context: tuple[int, ...],
        request: RecommendRequest, wanted: int,
    ) -> tuple[Ints, Floats]:  # fmt: skip
        assert surface.propose is not None
        row = RowRequest(self, shopper, np.array(context, np.int32), request.filters, wanted)
        items, scores = surface.propose(row)
        pool = slice(0, self.params.diversity_pool * wanted)
        items, scores = items[pool], scores[pool]
        order = diversified(_falling(scores), self.likeness[items], wanted, request.diversity)
        return items[order], scores[order]

    def home(self, shopper: Shopper, filters: Filters, wanted: int) -> tuple[Ints, Floats]:
        """Return allowed items by fused score: the shopper's candidates, filled up where few."""
        ranked, mask = self.ranked(shopper), self.catalogue.allowed(filters)
        kept = mask[ranked.items]
        items, scores = ranked.items[kept], ranked.scores[kept]
        if filters == NO_FILTERS and len(items) >= wanted:
            return items, scores
        return self._filled(shopper, items, mask, wanted, filters != NO_FILTERS)

    def _filled(
        self, shopper: Shopper, items: Ints, mask: Mask, wanted: int, towers: bool
    ) -> tuple[Ints, Floats]:
        """Add popular allowed items, and behind filters those nearest to the shopper.

        All are scored together: some methods of fusion compare what stands in one list.
        """
        popular = self.engine.popular
        more = [popular[mask[popular]][: max(wanted, self.engine.new)]]
        if towers:
            more += [
                self.engine.indexes[tower].nearest(
                    shopper.state.vectors[tower][0], self.engine.new, among=mask
                )[0]
                for tower in TOWERS
            ]
        items = np.unique(np.concatenate([items, *more])).astype(np.int32)
        scores = self.ranker.score(shopper.state, [items])[0]
        best = np.argsort(-scores, kind="stable")
        return items[best], scores[best]

    def beside(self, row: RowRequest, lists: Sequence[Ints]) -> tuple[Ints, Floats]:
        """Fuse lists of items that go with a context into an order that knows the shopper too.

        Where no list holds an allowed item, the items are home's.
        """
        allowed = row.allowed.copy()
        allowed[row.context] = False
        items, _ = fuse_ranks([items[allowed[items]] for items in lists])
        if len(items) == 0:
            items = self.home(row.shopper, NO_FILTERS, self.params.beside_candidates)[0]
            items = items[allowed[items]]
        items = items[: max(self.params.personal_first, self.params.beside_candidates)]
        scores = self.ranker.score(row.shopper.state, [items])[0]
        order = personal(items, scores, len(items), self.params.personal_weight)
        return items[order], scores[order]

    def alike(self, row: RowRequest) -> list[Ints]:
        """Return the items nearest to the context's first one by content, a list a tower."""
        return [
            self.engine.indexes[tower].nearest(
                self.engine.items.vectors[tower][row.context[0]], self.params.beside_candidates,
                without=row.context, among=row.allowed,
            )[0]
            for tower in TOWERS
            if TOWERS[tower].profiles
        ]  # fmt: skip

    def goes_with(self, context: Ints) -> list[Ints]:
        """What was bought in one visit with an item, a list an item, and what EASE sees in them."""
        each = self.params.beside_candidates
        lists = [
            self.together[self.pairs_of[item] : self.pairs_of[item + 1]][:each]
            for item in context.tolist()
        ]
        ease = self.engine.items.ease
        if ease.nnz:
            rows = ease[context].sum(axis=0)
            best = np.argsort(-rows, kind="stable")[:each]
            lists.append(best[rows[best] > 0].astype(np.int32))
        return lists


def _unit_vectors(engine: Engine) -> Floats:
    """Return the vectors that say how alike two items are, (I, D), zeros for an item without.

    Of the first tower that knows any item; towers of content come before those of behaviour.
    """
    for tower in sorted(TOWERS, key=lambda name: not TOWERS[name].profiles):
        vectors = engine.items.vectors[tower]
        norms = engine.items.norms[tower]
        if not np.isnan(norms).all():
            return np.nan_to_num(vectors / norms[:, None].astype(np.float32), nan=0.0)
    return np.zeros((len(engine.items.eligible), 1), np.float32)


def _falling(scores: Floats) -> Floats:
    """Return scores that fall from one place to the next, whatever the list was ordered by."""
    falling: Floats = np.minimum.accumulate(scores)
    return falling
