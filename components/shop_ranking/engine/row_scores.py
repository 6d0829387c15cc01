"""Scores of chosen (shopper, item) rows, to the last bit the same in a batch and alone.

A tree asks on which side of a threshold a feature lies, so a last bit that depends on who else is
scored would now and then move a score. Products are therefore summed row by row, in double
precision, and rounded once: training, which scores thousands of shoppers together, and a server,
which scores a few items of one, get the same float32.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled_sums
from components.shop_ranking.engine.feature_states import TOWERS, ItemState, ShopperState
from components.shop_ranking.engine.history import Floats, Ints

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TowerScores:
    """Scores of R rows, (R,) a tower; NaN where the shopper or the item lacks a vector."""

    at: dict[str, Floats]
    z: dict[str, Floats]  # against the shopper's scores of all eligible items
    nearest: dict[str, Floats]  # cosine of the nearest of the latest items but itself


def score_rows(
    shoppers: ShopperState, items: ItemState, ptr: npt.NDArray[np.int64], item: Ints, recent: int
) -> TowerScores:
    """Score rows by every tower; those of shopper b are ptr[b]:ptr[b + 1].

    An item is also compared with the `recent` latest items of the shopper.
    """
    at, z, nearest = {}, {}, {}
    for tower in TOWERS:
        moments = items.moments[tower]
        at[tower], z[tower], nearest[tower] = _tower_rows(
            np.ascontiguousarray(shoppers.vectors[tower], np.float32), shoppers.ptr, shoppers.item,
            items.vectors[tower], items.norms[tower], moments.first, moments.second,
            moments.count, ptr, item, recent,
        )  # fmt: skip
    return TowerScores(at, z, nearest)


@compiled_sums
def _tower_rows(
    users: Floats, ptr: Any, touched: Ints, vectors: Floats, norms: Doubles, first: Doubles,
    second: Doubles, count: int, row_ptr: Any, row_item: Ints, recent: int,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return a tower's score, the score against all items, and the nearest cosine, (R,) each.

    Mean and deviation over the catalogue follow from the first two moments of its vectors.
    """
    dims = vectors.shape[1]
    at, z, nearest = np.empty((3, len(row_item)), np.float32)
    against = np.empty((1 + recent, dims))  # the shopper's vector, then the latest items'
    mine = np.empty(dims)
    for shopper in range(len(row_ptr) - 1):
        latest = touched[max(ptr[shopper], ptr[shopper + 1] - recent) : ptr[shopper + 1]]
        mean = squares = 0.0
        for dim in range(dims):
            against[0, dim] = users[shopper, dim]
            for k in range(len(latest)):
                against[1 + k, dim] = vectors[latest[k], dim]
        for dim in range(dims):
            total = 0.0
            for other in range(dims):
                total += second[dim, other] * against[0, other]
            squares += total * against[0, dim]
            mean += first[dim] * against[0, dim]
        mean /= np.float64(count)
        deviation = np.sqrt(max(squares / np.float64(count) - mean * mean, 0.0))
        for row in range(row_ptr[shopper], row_ptr[shopper + 1]):
            item = row_item[row]
            for dim in range(dims):
                mine[dim] = vectors[item, dim]
            score = 0.0
            for dim in range(dims):
                score += mine[dim] * against[0, dim]
            at[row] = score
            z[row] = (np.float64(at[row]) - mean) / deviation
            best = np.nan
            for k in range(len(latest)):
                if latest[k] == item:
                    continue
                product = 0.0
                for dim in range(dims):
                    product += mine[dim] * against[1 + k, dim]
                cosine = product / (norms[item] * norms[latest[k]])
                if np.isnan(best) or cosine > best:
                    best = cosine
            nearest[row] = best
    return at, z, nearest
