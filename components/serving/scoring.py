"""Candidates of one shopper and their fused scores, without touching the rest of the catalogue.

The candidates come from the sources that training draws them from (ranking/candidates.py), here
by indexes made when the model is loaded; their features come from the code of training itself.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.ranking.candidate_sets import CandidateSet, candidates_of
from components.ranking.features import Rows
from components.ranking.history import Floats, Ints
from components.ranking.ranker import FusedRanker
from components.ranking.row_scores import EaseAt, score_rows, spread_of
from components.ranking.signals import EASE, ease_weights
from components.ranking.states import GROUPS, TOWERS, ItemState, ShopperState
from components.serving.lru import Bounded
from components.serving.retrieval import VectorIndex

SPARE = 40  # more of a known shopper's nearest items than are needed
NEAREST = 100_000  # lists of nearest items that are kept, one a shopper and tower
LISTED = 128  # most popular items of a category that are looked through


@dataclass(frozen=True)
class Ranked:
    """Candidates of a shopper, best first."""

    items: Ints  # (R,)
    scores: Floats  # (R,)
    bought: npt.NDArray[np.bool_]  # (R,) by this shopper before


@dataclass(frozen=True)
class Touched:
    """Items that EASE has a score for; all others have 0."""

    items: Ints  # (T,) ascending
    scores: dict[str, Floats]  # (T,) each of EASE


class Scorer:
    """Scores items for one shopper at a time; nothing in it changes once it is made."""

    def __init__(self, ranker: FusedRanker) -> None:
        items = ranker.items
        self.fusion, self.new, self.bought = ranker.fusion, ranker.new, ranker.bought
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
        ease = self._ease(shopper)
        found = self.candidates(shopper, self.propose(shopper, ease), ease)
        scores = self.fusion.score(found)
        best = np.argsort(-scores, kind="stable")
        return Ranked(found.items[best], scores[best], found.bought[best])

    def score(self, shopper: ShopperState, items: Ints) -> Floats:
        """Return the fused scores of any items, (n,)."""
        ordered, back = np.unique(items, return_inverse=True)
        if len(ordered) == 0:
            return np.zeros(0, np.float32)
        found: Floats = self.fusion.score(self.candidates(shopper, ordered))[back]
        return found

    def candidates(
        self, shopper: ShopperState, items: Ints, ease: Touched | None = None
    ) -> CandidateSet:
        """Return items, ascending, with their features for one shopper."""
        owner = np.zeros(len(items), np.int64)
        known = self.items.ease.nnz > 0 and len(shopper.item) > 0
        at = self._ease_at(ease or self._ease(shopper), items, known)
        scores = score_rows(shopper, self.items, at, owner, items)
        return candidates_of(
            Rows(shopper, self.items, scores, owner, items, _pair_of(shopper, items))
        )

    def propose(self, shopper: ShopperState, ease: Touched) -> Ints:
        """Return the candidates, ascending."""
        owned = shopper.item[shopper.pair_column("sessions") > 0]
        bought = np.zeros(len(self.items.eligible), bool)
        bought[owned] = True
        found = [self._near(tower, shopper, owned, bought) for tower in TOWERS]
        found += [self._first(ease.items, scores, bought) for scores in ease.scores.values()]
        popular = self.popular[: self.new + len(owned)]
        found.append(popular[~bought[popular]][: self.new])
        found.append(self._of_categories(shopper, bought))
        found.append(self._habits(shopper, owned))
        return np.unique(np.concatenate(found)).astype(np.int32)

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

    def _first(self, items: Ints, scores: Floats, bought: npt.NDArray[np.bool_]) -> Ints:
        """The `new` best of the eligible items that were never bought; 0 is no score."""
        usable = (scores > 0) & self.items.eligible[items] & ~bought[items]
        items, scores = items[usable], scores[usable]
        if len(items) <= self.new:
            return items
        return items[np.argpartition(scores, len(items) - self.new)[-self.new :]]

    def _of_categories(self, shopper: ShopperState, bought_before: npt.NDArray[np.bool_]) -> Ints:
        """Popular items of the categories the shopper buys in, weighted by how much."""
        code = self.category[shopper.item]
        inside = code >= 0
        bought = np.bincount(code[inside], shopper.pair_column("decayed_120")[inside])
        codes = np.flatnonzero(bought > 0)
        items = self.listed[codes]
        scores = np.where(items >= 0, bought[codes, None] * self.sold[items], -np.inf).ravel()
        items = items.ravel()
        scores[bought_before[items]] = -np.inf
        best = np.argsort(-scores, kind="stable")[: self.new]
        return items[best[np.isfinite(scores[best])]]

    def _habits(self, shopper: ShopperState, owned: Ints) -> Ints:
        habit = shopper.pair_column("decayed_120")[shopper.pair_column("sessions") > 0]
        kept = self.items.eligible[owned]
        owned, habit = owned[kept], habit[kept]
        return owned[np.argsort(-habit, kind="stable")[: self.bought]]

    def _ease(self, shopper: ShopperState) -> Touched:
        """Return EASE's scores of the items that the shopper's items have a weight for."""
        starts = self.items.ease.indptr[shopper.item]
        lengths = self.items.ease.indptr[shopper.item + 1] - starts
        if lengths.sum() == 0:
            nothing = np.zeros(0, np.float32)
            return Touched(np.zeros(0, np.int32), dict.fromkeys(EASE, nothing))
        ends = np.cumsum(lengths)
        place = np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1])
        item, values = self.items.ease.indices[place], self.items.ease.data[place]
        touched = np.zeros(len(self.items.eligible), bool)
        touched[item] = True
        items = np.flatnonzero(touched).astype(np.int32)
        number = np.empty(len(touched), np.int64)  # only the touched places are written and read
        number[items] = np.arange(len(items))
        cell = number[item]
        scores = {
            name: np.bincount(cell, np.repeat(weights, lengths) * values).astype(np.float32)
            for name, weights in ease_weights(shopper).items()
        }
        return Touched(items, scores)

    def _ease_at(self, ease: Touched, items: Ints, known: bool) -> EaseAt:
        """Return EASE's scores of `items`; missing where there is no weight or no history."""
        place = np.searchsorted(ease.items, items).clip(max=max(len(ease.items) - 1, 0))
        hit = ease.items[place] == items if len(ease.items) else np.zeros(len(items), bool)
        none = np.float32(0 if known else np.nan)
        at = {
            name: np.where(hit, scores[place], none) if len(scores) else np.full(len(items), none)
            for name, scores in ease.scores.items()
        }
        whole = ease.scores["ease"][self.items.eligible[ease.items]].astype(np.float64)
        total, squares = np.array([whole.sum()]), np.array([np.square(whole).sum()])
        spread = spread_of(total, squares, len(self.items.order) if known else 0)
        return EaseAt(at, *spread)


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
