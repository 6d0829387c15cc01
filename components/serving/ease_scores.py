"""EASE for one shopper at a time: a sparse sum over the weights of the shopper's items."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from components.ranking.history import Floats, Ints
from components.ranking.row_scores import EaseAt, spread_of
from components.ranking.signals import EASE, ease_weights
from components.ranking.states import ItemState, ShopperState

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
        self.everything = np.arange(len(items.eligible), dtype=np.int32)

    def touched(self, shopper: ShopperState) -> Touched:
        """Return EASE's scores of the items that the shopper's items have a weight for."""
        rows = self.items.ease[shopper.item]
        if rows.nnz == 0:
            nothing = np.zeros(0, np.float32)
            return Touched(np.zeros(0, np.int32), dict.fromkeys(EASE, nothing))
        width = len(self.items.eligible)
        if CROWDED * rows.nnz > width:  # most items have a score: no need to know which
            items, cell = self.everything, rows.indices
        else:
            touched = np.zeros(width, bool)
            touched[rows.indices] = True
            items = np.flatnonzero(touched).astype(np.int32)
            number = np.empty(width, np.int32)  # only the touched places are written and read
            number[items] = np.arange(len(items), dtype=np.int32)
            cell = number[rows.indices]
        weights = np.stack(list(ease_weights(shopper).values()), 1)  # (P, 2)
        shape = len(items), len(shopper.item)
        sums = csc_array((rows.data.astype(np.float64), cell, rows.indptr), shape=shape) @ weights
        return Touched(items, dict(zip(EASE, sums.T.astype(np.float32), strict=True)))

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
