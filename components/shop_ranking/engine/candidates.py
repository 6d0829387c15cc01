"""Which items are worth the features of a fusion: a few hundred a shopper, from several sources.

Each source is an index that is made once for a catalogue, so that nothing is computed for items
that no source proposes. Of equal scores the first in its index is taken: the same one whoever asks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled
from components.platform.errors import ModelError
from components.platform.serving.cache import Bounded
from components.shop_ranking.engine.ease_scores import (
    Doubles,
    EaseAt,
    EaseScores,
    Scratch,
    add_up,
    clean,
    moments_of,
)
from components.shop_ranking.engine.history import PAIR_COLUMNS, Floats, Ints
from components.shop_ranking.engine.states import GROUPS, TOWERS, ItemState, ShopperState
from components.shop_ranking.engine.top_k import largest
from components.shop_ranking.engine.vector_index import VectorIndex

# Of new items, each source proposes its first ones; items bought before come by habit.
NEW_ITEM_SOURCES = (*TOWERS, "ease", "ease_recent", "popularity", "category_popularity")
SOURCES = (*NEW_ITEM_SOURCES, "bought_habit")
MOST_SOURCES = np.iinfo(np.uint16).bits  # an item is marked by a bit a source that proposes it

SPARE = 40  # items that a shopper may buy before the nearest ones are looked for again
NEAREST = 30_000  # lists of nearest items that are kept, one a vector of a shopper
LISTED = 128  # most popular items of a category that are looked through
DECAYED, SESSIONS = PAIR_COLUMNS.index("decayed_120"), PAIR_COLUMNS.index("sessions")


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
        new: items never bought before that each of NEW_ITEM_SOURCES proposes a shopper.
        bought: items bought before that are proposed by habit.

    Raises:
        ModelError: there are more sources than bits to mark them by.

    """

    def __init__(self, items: ItemState, ease: EaseScores, *, new: int, bought: int) -> None:
        if len(SOURCES) > MOST_SOURCES:
            raise ModelError(
                f"at most {MOST_SOURCES} candidate sources, which is what their marks hold",
                f"{len(SOURCES)}: {', '.join(SOURCES)}",
                "register fewer towers, or widen the marks in engine/candidates.py",
            )
        self.items, self.ease, self.new, self.bought = items, ease, new, bought
        self.indexes = {tower: VectorIndex(items.vectors[tower], items.order) for tower in TOWERS}
        self.sold = np.log1p(items.column("sessions_28"))
        eligible = np.flatnonzero(items.eligible).astype(np.int32)
        self.popular = eligible[np.argsort(-self.sold[eligible], kind="stable")]
        self.category = np.ascontiguousarray(items.groups[:, GROUPS.index("category")])
        self.listed = _first_of_groups(self.popular, self.category)
        self._nearest: Bounded[tuple[str, bytes], Ints] = Bounded(NEAREST)

    def propose(self, shoppers: ShopperState, scratch: Scratch) -> Proposed:
        """Return the items that any source proposes: eligible ones."""
        near = self._find_nearest(shoppers)
        found = self._loop(shoppers, near, scratch)
        short_BT = found[-1]
        for row, tower in zip(*np.nonzero(short_BT), strict=True):  # more was bought than foreseen
            near[row][tower] = self._nearest_new(shoppers, int(row), list(TOWERS)[tower])
        if short_BT.any():
            found = self._loop(shoppers, near, scratch)
        ptr, items, marks, at, moments, _ = found
        sources = (marks[:, None] >> np.arange(len(SOURCES), dtype=np.uint16)) & 1
        return Proposed(ptr, items, sources.astype(bool), self.ease.standardised(at, moments, ptr))

    def _loop(self, shoppers: ShopperState, near: list[list[Ints]], scratch: Scratch) -> Any:
        lists = [one for lists in near for one in lists]
        near_ptr = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)
        whole = np.array([len(self.indexes[tower]) for tower in TOWERS], np.int64)
        return _propose(
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
            missing = self._nearest.missing(keys)
            counts = {key: self.new + SPARE + self._pairs(shoppers, place[key]) for key in missing}
            made: dict[tuple[str, bytes], Ints] = {}
            if missing:
                nearest = index.nearest_of_all(
                    vectors[[place[key] for key in missing]],
                    max(counts.values()),
                    without=[None] * len(missing),
                    among=[None] * len(missing),
                )
                for key, (items, _) in zip(missing, nearest, strict=True):
                    made[key] = items[: counts[key]]
                    self._nearest.put(key, made[key])
            for row, key in enumerate(keys):
                kept = made.get(key)
                if kept is None:
                    kept = self._nearest.get(key, lambda: np.zeros(0, np.int32))
                near[row].append(kept)
        return near

    def _nearest_new(self, shoppers: ShopperState, row: int, tower: str) -> Ints:
        mine = slice(shoppers.ptr[row], shoppers.ptr[row + 1])
        owned = shoppers.item[mine][shoppers.pairs[mine, SESSIONS] > 0]
        vector = np.asarray(shoppers.vectors[tower][row], np.float32)
        return self.indexes[tower].nearest(vector, self.new, without=owned)[0]

    def _pairs(self, shoppers: ShopperState, row: int) -> int:
        return int(shoppers.ptr[row + 1] - shoppers.ptr[row])


@compiled
def _propose(
    ptr: Any, touched: Ints, pairs: Floats, ease_pairs: Doubles, start: Any, other: Ints,
    weight: Floats, eligible: Any, popular: Ints, sold: Floats, category: Ints, listed: Ints,
    near_ptr: Any, near: Ints, whole: Any, new: int, bought: int, scratch: Any,
) -> Any:  # fmt: skip
    """Return ptr, items, marks of sources, EASE's scores and moments, and where a list was short.

    A list of nearest items is short where fewer than `new` of it were never bought, and it is not
    the whole index.
    """
    shoppers, towers = len(ptr) - 1, len(whole)
    room = (towers + 4) * new + bought
    row_ptr = np.zeros(shoppers + 1, np.int64)
    items = np.empty(shoppers * room, np.int32)
    marks = np.empty(shoppers * room, np.uint16)
    at = np.empty((shoppers * room, 2), np.float32)
    moments = np.empty((shoppers, 2))
    short = np.zeros((shoppers, towers), np.bool_)
    mine = np.empty(room, np.int32)
    for shopper in range(shoppers):
        own, own_pairs = (
            touched[ptr[shopper] : ptr[shopper + 1]],
            pairs[ptr[shopper] : ptr[shopper + 1]],
        )
        for k in range(len(own)):
            scratch.bought[own[k]] = own_pairs[k, SESSIONS] > 0
        size = 0
        for tower in range(towers):
            first, end = near_ptr[shopper * towers + tower], near_ptr[shopper * towers + tower + 1]
            taken = 0
            for k in range(first, end):
                if taken < new and not scratch.bought[near[k]]:
                    size = _mark(scratch.marks, mine, size, near[k], tower)
                    taken += 1
            short[shopper, tower] = taken < new <= end - first < whole[tower]
        own_ease = ease_pairs[ptr[shopper] : ptr[shopper + 1]]
        count = add_up(start, other, weight, own, own_ease, scratch)
        known = len(weight) > 0 and len(own) > 0
        moments_of(scratch, count, eligible, known, moments[shopper])
        size = _of_ease(scratch, count, eligible, new, mine, size, towers)
        taken = 0
        for k in range(len(popular)):
            if taken == new:
                break
            if not scratch.bought[popular[k]]:
                size = _mark(scratch.marks, mine, size, popular[k], towers + 2)
                taken += 1
        size = _of_categories(
            own, own_pairs, category, listed, sold, new, scratch, mine, size, towers + 3
        )
        size = _habits(own, own_pairs, eligible, bought, scratch, mine, size, towers + 4)
        begin = row_ptr[shopper]
        row_ptr[shopper + 1] = begin + size
        items[begin : begin + size] = np.sort(mine[:size])
        for row in range(begin, begin + size):
            marks[row] = scratch.marks[items[row]]
            scratch.marks[items[row]] = 0
            for k in range(2):
                at[row, k] = scratch.total[items[row], k] if known else np.nan
        clean(scratch, count)
        for k in range(len(own)):
            scratch.bought[own[k]] = False
    rows = row_ptr[-1]
    return row_ptr, items[:rows].copy(), marks[:rows].copy(), at[:rows].copy(), moments, short


@compiled
def _mark(marks: Any, mine: Ints, size: int, item: int, source: int) -> int:
    """Note that a source proposes an item; return how many items are proposed."""
    if marks[item] == 0:
        mine[size] = item
        size += 1
    marks[item] |= np.uint16(1 << source)
    return size


@compiled
def _of_ease(
    scratch: Any, count: int, eligible: Any, new: int, mine: Ints, size: int, source: int
) -> int:
    """The largest scores above 0, which is none; of equal ones the first items."""
    touched = np.sort(scratch.touched[:count])
    scores, usable = np.empty(count, np.float32), np.empty(count, np.bool_)
    for which in range(2):
        for k in range(count):
            item = touched[k]
            scores[k] = scratch.total[item, which]
            usable[k] = scores[k] > 0 and eligible[item] and not scratch.bought[item]
        for place in largest(scores, usable, new):
            size = _mark(scratch.marks, mine, size, touched[place], source + which)
    return size


@compiled
def _of_categories(
    own: Ints, pairs: Floats, category: Ints, listed: Ints, sold: Floats, new: int, scratch: Any,
    mine: Ints, size: int, source: int,
) -> int:  # fmt: skip
    """Popular items of the categories the shopper buys in, weighted by how much."""
    amount = np.zeros(len(listed))
    for k in range(len(own)):
        if category[own[k]] >= 0:
            amount[category[own[k]]] += pairs[k, DECAYED]
    codes = np.flatnonzero(amount > 0)
    scores = np.empty(len(codes) * listed.shape[1])
    usable = np.zeros(len(scores), np.bool_)
    for k in range(len(codes)):
        for place in range(listed.shape[1]):
            item = listed[codes[k], place]
            if item >= 0 and not scratch.bought[item]:
                at = k * listed.shape[1] + place
                scores[at], usable[at] = amount[codes[k]] * sold[item], True
    for at in largest(scores, usable, new):
        item = listed[codes[at // listed.shape[1]], at % listed.shape[1]]
        size = _mark(scratch.marks, mine, size, item, source)
    return size


@compiled
def _habits(
    own: Ints, pairs: Floats, eligible: Any, bought: int, scratch: Any, mine: Ints, size: int,
    source: int,
) -> int:  # fmt: skip
    """What the shopper buys most, lately; of equal items the one touched longest ago."""
    habit, usable = np.empty(len(own), np.float32), np.empty(len(own), np.bool_)
    for k in range(len(own)):
        habit[k] = pairs[k, DECAYED]
        usable[k] = pairs[k, SESSIONS] > 0 and eligible[own[k]]
    for place in largest(habit, usable, bought):
        size = _mark(scratch.marks, mine, size, own[place], source)
    return size


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
