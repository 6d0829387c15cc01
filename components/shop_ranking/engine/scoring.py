"""Candidates of one shopper and their fused scores, without touching the rest of the catalogue.

The candidates come from the sources that training draws them from (ranking/candidates.py), here
by indexes made when the model is loaded; their features come from the code of training itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from components.platform.serving.cache import Bounded
from components.shop_ranking.engine.batches import joined, stacked
from components.shop_ranking.engine.candidate_sets import CandidateSet, candidates_of
from components.shop_ranking.engine.ease_scores import EaseScores, Touched
from components.shop_ranking.engine.features import Rows
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.ranker import FusedRanker
from components.shop_ranking.engine.row_scores import score_rows
from components.shop_ranking.engine.states import GROUPS, TOWERS, ItemState, ShopperState
from components.shop_ranking.engine.top_k import largest
from components.shop_ranking.engine.trees import quickened
from components.shop_ranking.engine.vector_index import VectorIndex

SPARE = 40  # more of a known shopper's nearest items than are needed
NEAREST = 100_000  # lists of nearest items that are kept, one a shopper and tower
LISTED = 128  # most popular items of a category that are looked through


@dataclass(frozen=True)
class Ranked:
    """Candidates of a shopper, best first."""

    items: Ints  # (R,)
    scores: Floats  # (R,)
    bought: npt.NDArray[np.bool_]  # (R,) by this shopper before


class Scorer:
    """Scores items for one shopper at a time; nothing in it changes once it is made."""

    def __init__(self, ranker: FusedRanker) -> None:
        items = ranker.items
        self.fusion, self.new, self.bought = ranker.fusion, ranker.new, ranker.bought
        self.quick = quickened(ranker.fusion)
        self.items = ItemState(  # in memory, not mapped: a page fault costs more than a request
            numbers=np.array(items.numbers),
            eligible=np.array(items.eligible),
            groups=np.array(items.groups),
            vectors={name: np.array(vectors) for name, vectors in items.vectors.items()},
            ease=items.ease,
        )
        self.indexes = {
            tower: VectorIndex(self.items.vectors[tower], self.items.order) for tower in TOWERS
        }
        self.ease = EaseScores(self.items)
        self.sold = np.log1p(self.items.column("sessions_28"))
        eligible = np.flatnonzero(self.items.eligible).astype(np.int32)
        self.popular = eligible[np.argsort(-self.sold[eligible], kind="stable")]
        self.category = self.items.groups[:, GROUPS.index("category")]
        self.listed = _first_of_groups(self.popular, self.category)
        self._nearest: Bounded[tuple[str, int], Ints] = Bounded(NEAREST)
        for name in ("norms", "moments", "group_sessions_28", "group_sizes", "order"):
            getattr(self.items, name)  # computed now, not by the first request

    def rank(self, shopper: ShopperState) -> Ranked:
        """Return the shopper's candidates with their scores."""
        return self.rank_all([shopper])[0]

    def rank_all(self, shoppers: Sequence[ShopperState]) -> list[Ranked]:
        """Return each shopper's candidates with their scores; all are scored as one batch."""
        self._find_nearest(shoppers)
        eases = [self.ease.touched(shopper) for shopper in shoppers]
        asked = [
            (shopper, self.propose(shopper, ease), ease)
            for shopper, ease in zip(shoppers, eases, strict=True)
        ]
        found = self.candidates(asked)
        scores, ranked = self.quick.score(found), []
        for first, end in pairwise(found.ptr.tolist()):
            best = first + np.argsort(-scores[first:end], kind="stable")
            ranked.append(Ranked(found.items[best], scores[best], found.bought[best]))
        return ranked

    def score(self, shopper: ShopperState, items: Ints) -> Floats:
        """Return the fused scores of any items, (n,)."""
        return self.score_all([(shopper, items)])[0]

    def score_all(self, asked: Sequence[tuple[ShopperState, Ints]]) -> list[Floats]:
        """Return the fused scores of any items for each shopper; all are scored as one batch."""
        ordered = [np.unique(items, return_inverse=True) for _, items in asked]
        if not any(len(items) for items, _ in ordered):
            return [np.zeros(0, np.float32) for _ in asked]
        found = self.candidates(
            [(shopper, items, self.ease.touched(shopper))
             for (shopper, _), (items, _) in zip(asked, ordered, strict=True)]
        )  # fmt: skip
        scores = self.quick.score(found)
        return [
            scores[first + back]
            for first, (_, back) in zip(found.ptr[:-1].tolist(), ordered, strict=True)
        ]

    def features(self, shopper: ShopperState, items: Ints) -> CandidateSet:
        """Return items, ascending, with their features for one shopper."""
        return self.candidates([(shopper, items, self.ease.touched(shopper))])

    def candidates(self, asked: Sequence[tuple[ShopperState, Ints, Touched]]) -> CandidateSet:
        """Return items, ascending for each shopper, with their features."""
        shoppers = [shopper for shopper, _, _ in asked]
        batch = stacked(shoppers)
        owner = np.repeat(np.arange(len(asked)), [len(items) for _, items, _ in asked])
        item = np.concatenate([items for _, items, _ in asked])
        at = joined([self.ease.at(ease, items, shopper) for shopper, items, ease in asked])
        pair = [
            np.where((found := _pair_of(shopper, items)) >= 0, found + first, -1)
            for (shopper, items, _), first in zip(asked, batch.ptr[:-1].tolist(), strict=True)
        ]
        scores = score_rows(batch, self.items, at, owner, item)
        return candidates_of(
            Rows(batch, self.items, scores, owner, item, np.concatenate(pair).astype(np.int32))
        )

    def propose(self, shopper: ShopperState, ease: Touched) -> Ints:
        """Return the candidates, ascending."""
        owned = shopper.item[shopper.pair_column("sessions") > 0]
        bought = np.zeros(len(self.items.eligible), bool)
        bought[owned] = True
        found = [self._near(tower, shopper, owned, bought) for tower in TOWERS]
        usable = (self.items.eligible & ~bought)[ease.items]
        found += [
            ease.items[largest(scores, usable & (scores > 0), self.new)]  # 0 is no score
            for scores in ease.scores.values()
        ]
        popular = self.popular[: self.new + len(owned)]
        found.append(popular[~bought[popular]][: self.new])
        found.append(self._of_categories(shopper, bought))
        found.append(self._habits(shopper, owned))
        return np.unique(np.concatenate(found)).astype(np.int32)

    def _find_nearest(self, shoppers: Sequence[ShopperState]) -> None:
        """Find in one pass over the catalogue what `_near` would find shopper by shopper."""
        known = {int(shopper.users[0]): shopper for shopper in shoppers if shopper.users[0] >= 0}
        for tower, index in self.indexes.items():
            missing = self._nearest.missing((tower, user) for user in known)
            if not missing:
                continue
            asked = [known[user] for _, user in missing]
            found = index.nearest_of_all(
                np.concatenate([shopper.vectors[tower] for shopper in asked]),
                self.new + SPARE,
                without=[shopper.item[shopper.pair_column("sessions") > 0] for shopper in asked],
                among=[None] * len(asked),
            )
            for key, (items, _) in zip(missing, found, strict=True):
                self._nearest.put(key, items)

    def _near(
        self, tower: str, shopper: ShopperState, owned: Ints, bought: npt.NDArray[np.bool_]
    ) -> Ints:
        """The `new` nearest items never bought.

        The vectors of a known shopper stay as they are while this model answers, so their
        nearest items are kept, some more than are needed: what is bought meanwhile drops out.
        """
        vector, index = shopper.vectors[tower][0], self.indexes[tower]
        if shopper.users[0] < 0:
            return index.nearest(vector, self.new, without=owned)[0]
        spare = self.new + SPARE
        kept = self._nearest.get(
            (tower, int(shopper.users[0])), lambda: index.nearest(vector, spare, without=owned)[0]
        )
        fresh = kept[~bought[kept]]
        if len(fresh) < self.new and len(kept) == spare:
            return index.nearest(vector, self.new, without=owned)[0]
        return fresh[: self.new]

    def _of_categories(self, shopper: ShopperState, bought_before: npt.NDArray[np.bool_]) -> Ints:
        """Popular items of the categories the shopper buys in, weighted by how much."""
        code = self.category[shopper.item]
        inside = code >= 0
        bought = np.bincount(code[inside], shopper.pair_column("decayed_120")[inside])
        codes = np.flatnonzero(bought > 0)
        items = self.listed[codes]
        scores = (bought[codes, None] * self.sold[items]).ravel()
        items = items.ravel()
        return items[largest(scores, (items >= 0) & ~bought_before[items], self.new)]

    def _habits(self, shopper: ShopperState, owned: Ints) -> Ints:
        habit = shopper.pair_column("decayed_120")[shopper.pair_column("sessions") > 0]
        kept = self.items.eligible[owned]
        owned, habit = owned[kept], habit[kept]
        return owned[np.argsort(-habit, kind="stable")[: self.bought]]


def _pair_of(shopper: ShopperState, items: Ints) -> Ints:
    """Return each item's row in the shopper's pairs, -1 where never touched."""
    if len(shopper.item) == 0:
        return np.full(len(items), -1, np.int32)
    order = np.argsort(shopper.item)
    place = order[np.searchsorted(shopper.item, items, sorter=order).clip(max=len(order) - 1)]
    return np.where(shopper.item[place] == items, place, -1).astype(np.int32)


def _first_of_groups(ordered: Ints, code: Ints) -> Ints:
    """Return the first LISTED of `ordered` in each group, (groups, LISTED), -1 pads."""
    groups = int(code.max(initial=-1)) + 1
    ordered = ordered[code[ordered] >= 0]
    mine = code[ordered]
    by_group = np.argsort(mine, kind="stable")
    sizes = np.bincount(mine, minlength=groups)
    rank = np.arange(len(mine)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = rank < LISTED
    listed = np.full((groups, LISTED), -1, np.int32)
    listed[mine[by_group][kept], rank[kept]] = ordered[by_group][kept]
    return listed
