"""EASE of a shopper: a sparse sum over the weights of the shopper's items (Steck, WWW 2019)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled
from components.shop_ranking.engine.feature_states import ItemState, ShopperState
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.signals import ease_weights

Doubles = npt.NDArray[np.float64]


class Scratch(NamedTuple):
    """Arrays over the catalogue that a loop cleans behind itself: one for each thread."""

    total: Doubles  # (I, 2) sums of a shopper
    seen: npt.NDArray[np.bool_]  # (I,) is noted in touched
    touched: Ints  # (I,) the items that may have a sum
    marks: npt.NDArray[np.uint16]  # (I,) a bit for each source that proposes the item
    bought: npt.NDArray[np.bool_]  # (I,) by the shopper before


def scratch_of(items: int) -> Scratch:
    """Return clean arrays for a catalogue."""
    return Scratch(
        np.zeros((items, 2)), np.zeros(items, bool), np.zeros(items, np.int32),
        np.zeros(items, np.uint16), np.zeros(items, bool),
    )  # fmt: skip


@dataclass(frozen=True)
class EaseAt:
    """EASE's scores of R rows; missing where there is no weight at all, or no history."""

    at: Floats  # (R, 2) over all a shopper bought, and weighted by recency
    z: Floats  # (R,) the first against the shopper's scores of all eligible items


class EaseScores:
    """EASE of the items of one catalogue."""

    def __init__(self, items: ItemState) -> None:
        ease = items.ease
        self.weights = (
            ease.indptr.astype(np.int64),
            ease.indices.astype(np.int32, copy=False),
            ease.data.astype(np.float32, copy=False),
        )
        self.eligible, self.count = items.eligible, len(items.order)

    def of_pairs(self, shoppers: ShopperState) -> Doubles:
        """Return what each pair counts in each of EASE, (P, 2)."""
        return np.stack(list(ease_weights(shoppers).values()), 1)

    def at(
        self, shoppers: ShopperState, ptr: npt.NDArray[np.int64], item: Ints, scratch: Scratch
    ) -> EaseAt:
        """Return the scores of rows; those of shopper b are ptr[b]:ptr[b + 1]."""
        at = np.empty((len(item), 2), np.float32)
        moments = np.empty((len(shoppers), 2))
        pairs = self.of_pairs(shoppers)
        _at(*self.weights, shoppers.ptr, shoppers.item, pairs, self.eligible, ptr, item,
            scratch, at, moments)  # fmt: skip
        return self.standardised(at, moments, ptr)

    def standardised(self, at: Floats, moments: Doubles, ptr: npt.NDArray[np.int64]) -> EaseAt:
        """Add the first scores against mean and deviation over a shopper's eligible items."""
        mean = moments[:, 0] / np.float64(self.count)
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.sqrt(np.maximum(moments[:, 1] / np.float64(self.count) - mean**2, 0))
            lengths = np.diff(ptr)
            z = (at[:, 0] - np.repeat(mean, lengths)) / np.repeat(deviation, lengths)
        return EaseAt(at, z.astype(np.float32))


@compiled
def add_up(start: Any, item: Ints, value: Floats, rows: Ints, pairs: Doubles, scratch: Any) -> int:
    """Add up the weights of a shopper's items; return how many items may have a sum.

    They are scratch.touched. With as many weights as the catalogue has items nearly each has a
    sum, and all are taken, ascending: that is cheaper than to note each.
    """
    total, seen, touched = scratch.total, scratch.seen, scratch.touched
    weights = 0
    for k in range(len(rows)):
        weights += start[rows[k] + 1] - start[rows[k]]
    count = 0
    if weights >= len(seen):
        for every in range(len(seen)):
            touched[every] = every
        count = len(seen)
    else:
        for k in range(len(rows)):
            for entry in range(start[rows[k]], start[rows[k] + 1]):
                if not seen[item[entry]]:
                    seen[item[entry]] = True
                    touched[count] = item[entry]
                    count += 1
    for k in range(len(rows)):
        first, second = pairs[k]
        for entry in range(start[rows[k]], start[rows[k] + 1]):
            place = np.uint32(item[entry])
            weight = np.float64(value[entry])
            total[place, 0] += weight * first
            total[place, 1] += weight * second
    return count


@compiled
def moments_of(scratch: Any, count: int, eligible: Any, known: bool, out: Doubles) -> None:
    """Write the sum of the first score over the eligible items, and that of its squares."""
    out[0] = out[1] = 0.0 if known else np.nan
    for k in range(count):
        place = scratch.touched[k]
        if eligible[place]:
            score = np.float64(np.float32(scratch.total[place, 0]))
            out[0] += score
            out[1] += score * score


@compiled
def in_order(scratch: Any, count: int) -> Ints:
    """Return the items that may have a sum, ascending, (count,)."""
    touched = scratch.touched[:count]
    return touched if count == len(scratch.seen) else np.sort(touched)


@compiled
def clean(scratch: Any, count: int) -> None:
    """Forget a shopper's sums."""
    for k in range(count):
        place = scratch.touched[k]
        scratch.seen[place] = False
        scratch.total[place, 0] = scratch.total[place, 1] = 0.0


@compiled
def _at(
    start: Any, item: Ints, value: Floats, ptr: Any, touched: Ints, pairs: Doubles, eligible: Any,
    row_ptr: Any, row_item: Ints, scratch: Any, at: Floats, moments: Doubles,
) -> None:  # fmt: skip
    for shopper in range(len(row_ptr) - 1):
        mine = slice(ptr[shopper], ptr[shopper + 1])
        count = add_up(start, item, value, touched[mine], pairs[mine], scratch)
        known = len(value) > 0 and ptr[shopper + 1] > ptr[shopper]
        moments_of(scratch, count, eligible, known, moments[shopper])
        for row in range(row_ptr[shopper], row_ptr[shopper + 1]):
            for k in range(2):
                at[row, k] = scratch.total[row_item[row], k] if known else np.nan
        clean(scratch, count)
