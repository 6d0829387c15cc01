"""EASE for one shopper at a time: a sparse sum over the weights of the shopper's items."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.row_scores import EaseAt, spread_of
from components.shop_ranking.engine.signals import EASE, ease_weights
from components.shop_ranking.engine.states import ItemState, ShopperState

CROWDED = 4  # the whole catalogue is summed over where this times the entries exceeds it


@dataclass(frozen=True)
class Touched:
    """Items that EASE may have a score for; all others have 0."""

    items: Ints  # (T,) ascending
    scores: dict[str, Floats]  # (T,) each of EASE


class EaseScores:
    """EASE (Steck, WWW 2019) of the items of one champion."""

    def __init__(self, items: ItemState) -> None:
        self.items = items
        ease = items.ease
        self.ease = (
            ease.indptr.astype(np.int64),
            ease.indices.astype(np.int32, copy=False),
            ease.data,
        )
        _mark(*self.ease[:2], np.zeros(0, np.int32), 0)  # compiled now: few shoppers need it
        self.everything = np.arange(len(items.eligible), dtype=np.int32)

    def touched(self, shopper: ShopperState) -> Touched:
        """Return EASE's scores of the items that the shopper's items have a weight for."""
        ease, rows = self.items.ease, shopper.item
        entries = int((ease.indptr[rows + 1] - ease.indptr[rows]).sum())
        if entries == 0:
            nothing = np.zeros(0, np.float32)
            return Touched(np.zeros(0, np.int32), dict.fromkeys(EASE, nothing))
        width = len(self.items.eligible)
        if CROWDED * entries > width:  # most items have a score: no need to know which
            items, number = self.everything, self.everything[:0]
        else:
            items = np.flatnonzero(_mark(*self.ease[:2], rows, width)).astype(np.int32)
            number = np.empty(width, np.int32)  # only the touched places are written and read
            number[items] = np.arange(len(items), dtype=np.int32)
        weights = np.stack(list(ease_weights(shopper).values()), 1)  # (P, 2)
        sums = _add_up(*self.ease, rows, weights, number, len(items))
        return Touched(
            items, dict(zip(EASE, np.ascontiguousarray(sums.T, np.float32), strict=True))
        )

    def at(self, ease: Touched, items: Ints, shopper: ShopperState) -> EaseAt:
        """Return EASE's scores of `items`; missing where there is no weight or no history."""
        known = self.items.ease.nnz > 0 and len(shopper.item) > 0
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


@compiled
def _mark(start: Ints, item: Ints, rows: Ints, width: int) -> npt.NDArray[np.bool_]:
    """Mark the items that any of the rows of EASE has a weight for, (width,)."""
    touched = np.zeros(width, np.bool_)
    for row in rows:
        for entry in range(start[row], start[row + 1]):
            touched[item[entry]] = True
    return touched


@compiled
def _add_up(
    start: Ints, item: Ints, value: Floats,
    rows: Ints, weights: npt.NDArray[np.float64], number: Ints, count: int,
) -> npt.NDArray[np.float64]:  # fmt: skip
    """Return the weighted sum of rows of EASE, (count, 2).

    An item's place is its `number`; without numbers it is the item itself.
    """
    total, numbered = np.zeros((count, 2)), len(number) > 0
    for k in range(len(rows)):
        first, second = weights[k]
        for entry in range(start[rows[k]], start[rows[k] + 1]):
            weight = np.float64(value[entry])
            # Unsigned: an index that cannot be negative need not be looked at.
            place = np.uint32(number[item[entry]] if numbered else item[entry])
            total[place, 0] += weight * first
            total[place, 1] += weight * second
    return total
