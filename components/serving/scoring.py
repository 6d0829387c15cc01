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
from components.serving.retrieval import VectorIndex

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
        self.weight = self.items.eligible.astype(np.float64)
        for name in ("norms", "moments", "group_sessions_28", "group_sizes", "order"):
            getattr(self.items, name)  # computed now, not by the first request

    def rank(self, shopper: ShopperState) -> Ranked:
        """Return the shopper's candidates with their scores."""
        ease = self._ease(shopper)
        items = self.propose(shopper, ease)
        found = self.candidates(shopper, items, ease)
        scores = self.fusion.score(found)
        best = np.argsort(-scores, kind="stable")
        return Ranked(items[best], scores[best], found.bought[best])

    def score(self, shopper: ShopperState, items: Ints) -> Floats:
        """Return the fused scores of any items, (n,)."""
        ordered, back = np.unique(items, return_inverse=True)
        if len(ordered) == 0:
            return np.zeros(0, np.float32)
        found: Floats = self.fusion.score(self.candidates(shopper, ordered))[back]
        return found

    def candidates(
        self, shopper: ShopperState, items: Ints, ease: dict[str, Floats] | None = None
    ) -> CandidateSet:
        """Return items, ascending, with their features for one shopper."""
        owner = np.zeros(len(items), np.int64)
        scores = score_rows(
            shopper, self.items, self._ease_at(ease or self._ease(shopper), items), owner, items
        )
        return candidates_of(
            Rows(shopper, self.items, scores, owner, items, _pair_of(shopper, items))
        )

    def propose(self, shopper: ShopperState, ease: dict[str, Floats]) -> Ints:
        """Return the candidates, ascending."""
        owned = shopper.item[shopper.pair_column("sessions") > 0]
        found = [
            self.indexes[tower].nearest(shopper.vectors[tower][0], self.new, without=owned)[0]
            for tower in TOWERS
        ]
        found += [self._first(values, owned) for values in ease.values()]
        found.append(self.popular[: self.new + len(owned)])
        found[-1] = found[-1][~np.isin(found[-1], owned)][: self.new]
        found.append(self._of_categories(shopper, owned))
        found.append(self._habits(shopper, owned))
        return np.unique(np.concatenate(found)).astype(np.int32)

    def _first(self, scores: Floats, owned: Ints) -> Ints:
        """The `new` best of the eligible items that were never bought; 0 is no score."""
        scores = scores.copy()
        scores[owned] = 0
        touched = np.flatnonzero(scores > 0)
        touched = touched[self.items.eligible[touched]]
        if len(touched) <= self.new:
            return touched.astype(np.int32)
        best = np.argpartition(scores[touched], len(touched) - self.new)[-self.new :]
        return touched[best].astype(np.int32)

    def _of_categories(self, shopper: ShopperState, owned: Ints) -> Ints:
        """Popular items of the categories the shopper buys in, weighted by how much."""
        code = self.category[shopper.item]
        inside = code >= 0
        bought = np.bincount(code[inside], shopper.pair_column("decayed_120")[inside])
        codes = np.flatnonzero(bought > 0)
        items = self.listed[codes]
        scores = np.where(items >= 0, bought[codes, None] * self.sold[items], -np.inf).ravel()
        items = items.ravel()
        scores[np.isin(items, owned)] = -np.inf
        best = np.argsort(-scores, kind="stable")[: self.new]
        return items[best[np.isfinite(scores[best])]]

    def _habits(self, shopper: ShopperState, owned: Ints) -> Ints:
        habit = shopper.pair_column("decayed_120")[shopper.pair_column("sessions") > 0]
        kept = self.items.eligible[owned]
        owned, habit = owned[kept], habit[kept]
        return owned[np.argsort(-habit, kind="stable")[: self.bought]]

    def _ease(self, shopper: ShopperState) -> dict[str, Floats]:
        """Return EASE's scores of all items, (I,) each of EASE, by the touched rows alone."""
        width = len(self.items.eligible)
        if self.items.ease.nnz == 0 or len(shopper.item) == 0:
            return dict.fromkeys(EASE, np.zeros(width, np.float32))
        starts = self.items.ease.indptr[shopper.item]
        lengths = self.items.ease.indptr[shopper.item + 1] - starts
        ends = np.cumsum(lengths)
        place = np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1])
        item, values = self.items.ease.indices[place], self.items.ease.data[place]
        return {
            name: np.bincount(item, np.repeat(weights, lengths) * values, width).astype(np.float32)
            for name, weights in ease_weights(shopper).items()
        }

    def _ease_at(self, ease: dict[str, Floats], items: Ints) -> EaseAt:
        at = {name: values[items] for name, values in ease.items()}
        whole = ease["ease"].astype(np.float64)
        total, squares = whole @ self.weight, np.square(whole) @ self.weight
        spread = spread_of(np.array([total]), np.array([squares]), len(self.items.order))
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
