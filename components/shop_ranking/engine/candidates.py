"""Which items are worth the features of a fusion: a few hundred a shopper, from several sources.

Each source is an index that is made once for a catalogue, so that nothing is computed for items
that no source proposes. Of equal scores the first in its index is taken: the same one whoever asks.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from components.platform.serving.cache import Bounded
from components.shop_ranking.engine.ease_scores import Touched
from components.shop_ranking.engine.history import Ints
from components.shop_ranking.engine.states import GROUPS, TOWERS, ItemState, ShopperState
from components.shop_ranking.engine.top_k import largest
from components.shop_ranking.engine.vector_index import VectorIndex

# Of new items, each source proposes its first ones; items bought before come by habit.
NEW_ITEM_SOURCES = (*TOWERS, "ease", "ease_recent", "popularity", "category_popularity")
SOURCES = (*NEW_ITEM_SOURCES, "bought_habit")

SPARE = 40  # items that a shopper may buy before the nearest ones are looked for again
NEAREST = 30_000  # lists of nearest items that are kept, one a vector of a shopper
LISTED = 128  # most popular items of a category that are looked through


class CandidateSources:
    """The sources of one catalogue; nothing in it changes but what it keeps.

    Args:
        items: the catalogue; its arrays lie in memory.
        new: items never bought before that each of NEW_ITEM_SOURCES proposes a shopper.
        bought: items bought before that are proposed by habit.

    """

    def __init__(self, items: ItemState, *, new: int, bought: int) -> None:
        self.items, self.new, self.bought = items, new, bought
        self.indexes = {tower: VectorIndex(items.vectors[tower], items.order) for tower in TOWERS}
        self.sold = np.log1p(items.column("sessions_28"))
        eligible = np.flatnonzero(items.eligible).astype(np.int32)
        self.popular = eligible[np.argsort(-self.sold[eligible], kind="stable")]
        self.category = items.groups[:, GROUPS.index("category")]
        self.listed = _first_of_groups(self.popular, self.category)
        self._nearest: Bounded[tuple[str, bytes], Ints] = Bounded(NEAREST)

    def propose(self, shopper: ShopperState, ease: Touched) -> list[Ints]:
        """Return what each of SOURCES proposes for one shopper: eligible items, in no order."""
        owned = _owned(shopper)
        bought = np.zeros(len(self.items.eligible), bool)
        bought[owned] = True
        proposed = [self._near(tower, shopper, owned, bought) for tower in TOWERS]
        usable = (self.items.eligible & ~bought)[ease.items]
        proposed += [
            ease.items[largest(scores, usable & (scores > 0), self.new)]  # 0 is no score
            for scores in ease.scores.values()
        ]
        popular = self.popular[: self.new + len(owned)]
        proposed.append(popular[~bought[popular]][: self.new])
        proposed.append(self._of_categories(shopper, bought))
        proposed.append(self._habits(shopper, owned))
        return proposed

    def find_nearest(self, shoppers: Sequence[ShopperState]) -> None:
        """Find in one pass over the catalogue what `propose` would find shopper by shopper."""
        for tower, index in self.indexes.items():
            asked = {_nearest_key(tower, shopper): shopper for shopper in shoppers}
            missing = self._nearest.missing(asked)
            if not missing:
                continue
            longest = max(self._kept_of(asked[key]) for key in missing)
            nearest = index.nearest_of_all(
                np.concatenate([asked[key].vectors[tower] for key in missing]),
                longest,
                without=[None] * len(missing),
                among=[None] * len(missing),
            )
            for key, (items, _) in zip(missing, nearest, strict=True):
                self._nearest.put(key, items[: self._kept_of(asked[key])])

    def _kept_of(self, shopper: ShopperState) -> int:
        """Return how many nearest items are kept: enough when some more are bought meanwhile."""
        return self.new + SPARE + len(shopper.item)

    def _near(
        self, tower: str, shopper: ShopperState, owned: Ints, bought: npt.NDArray[np.bool_]
    ) -> Ints:
        """The `new` nearest items never bought."""
        vector, index, count = (
            shopper.vectors[tower][0],
            self.indexes[tower],
            self._kept_of(shopper),
        )
        kept = self._nearest.get(
            _nearest_key(tower, shopper), lambda: index.nearest(vector, count)[0]
        )
        fresh = kept[~bought[kept]]
        if len(fresh) < self.new and len(kept) < len(index):  # more was bought than was foreseen
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


def _nearest_key(tower: str, shopper: ShopperState) -> tuple[str, bytes]:
    """Return what a shopper's nearest items are kept under: they follow from the vector alone."""
    return tower, shopper.vectors[tower].tobytes()


def _owned(shopper: ShopperState) -> Ints:
    """Return the items that a shopper bought before."""
    return shopper.item[shopper.pair_column("sessions") > 0]


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
