"""Which items are worth the features of a fusion: a few hundred a shopper, from several sources.

Each source is an index that is made once for a catalogue, so that nothing is computed for items
that no source proposes. Of equal scores the first in its index is taken: the same one whoever asks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.platform.errors import ModelError
from components.platform.serving.cache import Bounded
from components.shop_ranking.engine.ease_scores import EaseAt, EaseScores, Scratch
from components.shop_ranking.engine.feature_states import GROUPS, TOWERS, ItemState, ShopperState
from components.shop_ranking.engine.history import Ints
from components.shop_ranking.engine.proposing import SESSIONS, propose
from components.shop_ranking.engine.trained_with import TrainedWith
from components.shop_ranking.engine.vector_index import VectorIndex

# Of new items, each source proposes its first ones; items bought before come by habit.
NEW_ITEM_SOURCES = (*TOWERS, "ease", "ease_recent", "popularity", "category_popularity")
SOURCES = (*NEW_ITEM_SOURCES, "bought_habit")
MOST_SOURCES = np.iinfo(np.uint16).bits  # an item is marked by a bit a source that proposes it

# Items that a shopper may buy before the nearest ones are looked for again.
# Capacity only: changes no result.
SPARE = 40
# Lists of nearest items that are kept, one a vector of a shopper.
# Capacity only: changes no result.
NEAREST = 30_000


@dataclass(frozen=True)
class Proposed:
    """The candidates of B shoppers; those of shopper b are ptr[b]:ptr[b + 1], ascending."""

    ptr: npt.NDArray[np.int64]  # (B + 1,)
    items: Ints  # (R,)
    sources: npt.NDArray[np.bool_]  # (R, len(SOURCES)) who proposed it
    ease: EaseAt


class CandidateSources:
    """The sources of one catalogue; nothing in it changes but what it keeps.

    Args:
        items: the catalogue; its arrays lie in memory.
        ease: EASE of its items.
        trained_with: how many items each source proposes, and how the nearest are found.

    Raises:
        ModelError: there are more sources than bits to mark them by.

    """

    def __init__(self, items: ItemState, ease: EaseScores, trained_with: TrainedWith) -> None:
        if len(SOURCES) > MOST_SOURCES:
            raise ModelError(
                f"at most {MOST_SOURCES} candidate sources, which is what their marks hold",
                f"{len(SOURCES)}: {', '.join(SOURCES)}",
                "register fewer towers, or widen the marks in engine/candidates.py",
            )
        self.items, self.ease = items, ease
        self.new, self.bought = trained_with.new_candidates, trained_with.bought_candidates
        self.indexes = {
            tower: VectorIndex(items.vectors[tower], items.order, trained_with.index)
            for tower in TOWERS
        }
        self.sold = np.log1p(items.column("sessions_28"))
        eligible = np.flatnonzero(items.eligible).astype(np.int32)
        self.popular = eligible[np.argsort(-self.sold[eligible], kind="stable")]
        self.category = np.ascontiguousarray(items.groups[:, GROUPS.index("category")])
        self.listed = _first_of_groups(self.popular, self.category, trained_with.category_items)
        self._nearest: Bounded[tuple[str, bytes], Ints] = Bounded(NEAREST)

    def propose(self, shoppers: ShopperState, scratch: Scratch) -> Proposed:
        """Return the items that any source proposes: eligible ones."""
        near = self._find_nearest(shoppers)
        proposed = self._loop(shoppers, near, scratch)
        short_BT = proposed[-1]
        for row, tower in zip(*np.nonzero(short_BT), strict=True):  # more was bought than foreseen
            near[row][tower] = self._nearest_new(shoppers, int(row), list(TOWERS)[tower])
        if short_BT.any():
            proposed = self._loop(shoppers, near, scratch)
        ptr, items, marks, at, moments, _ = proposed
        sources = (marks[:, None] >> np.arange(len(SOURCES), dtype=np.uint16)) & 1
        return Proposed(ptr, items, sources.astype(bool), self.ease.standardised(at, moments, ptr))

    def _loop(self, shoppers: ShopperState, near: list[list[Ints]], scratch: Scratch) -> Any:
        lists = [items for of_shopper in near for items in of_shopper]
        ends = np.cumsum([len(items) for items in lists])
        near_ptr = np.concatenate([[0], ends]).astype(np.int64)
        whole = np.array([len(self.indexes[tower]) for tower in TOWERS], np.int64)
        return propose(
            shoppers.ptr, shoppers.item, shoppers.pairs, self.ease.of_pairs(shoppers),
            *self.ease.weights, self.items.eligible, self.popular, self.sold, self.category,
            self.listed, near_ptr, np.concatenate([np.zeros(0, np.int32), *lists]), whole,
            self.new, self.bought, scratch,
        )  # fmt: skip

    def _find_nearest(self, shoppers: ShopperState) -> list[list[Ints]]:
        """Return the nearest items of each shopper, a list a tower, in one pass where unknown.

        They follow from the vector alone and are kept: some more than are needed, as what is
        bought drops out.
        """
        near: list[list[Ints]] = [[] for _ in range(len(shoppers))]
        for tower, index in self.indexes.items():
            vectors = np.ascontiguousarray(shoppers.vectors[tower], np.float32)
            keys = [(tower, vector.tobytes()) for vector in vectors]
            place = {key: row for row, key in enumerate(keys)}
            near_of = self._nearest.kept(keys)
            missing = [key for key in place if key not in near_of]
            counts = {key: self.new + SPARE + self._pairs(shoppers, place[key]) for key in missing}
            if missing:
                nearest = index.nearest_of_all(
                    vectors[[place[key] for key in missing]],
                    max(counts.values()),
                    without=[None] * len(missing),
                    among=[None] * len(missing),
                )
                for key, (items, _) in zip(missing, nearest, strict=True):
                    near_of[key] = items[: counts[key]]
                    self._nearest.put(key, near_of[key])
            for row, key in enumerate(keys):
                near[row].append(near_of[key])
        return near

    def _nearest_new(self, shoppers: ShopperState, row: int, tower: str) -> Ints:
        mine = slice(shoppers.ptr[row], shoppers.ptr[row + 1])
        owned = shoppers.item[mine][shoppers.pairs[mine, SESSIONS] > 0]
        vector = np.asarray(shoppers.vectors[tower][row], np.float32)
        return self.indexes[tower].nearest(vector, self.new, without=owned)[0]

    def _pairs(self, shoppers: ShopperState, row: int) -> int:
        return int(shoppers.ptr[row + 1] - shoppers.ptr[row])


def _first_of_groups(ordered: Ints, code: Ints, count: int) -> Ints:
    """Return the first ones of `ordered` in each group, (groups, count), -1 pads."""
    groups = int(code.max(initial=-1)) + 1
    ordered = ordered[code[ordered] >= 0]
    mine = code[ordered]
    by_group = np.argsort(mine, kind="stable")
    sizes = np.bincount(mine, minlength=groups)
    rank = np.arange(len(mine)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = rank < count
    listed = np.full((groups, count), -1, np.int32)
    listed[mine[by_group][kept], rank[kept]] = ordered[by_group][kept]
    return listed
