"""Scores of chosen (shopper, item) rows, to the last bit the same in a batch and alone.

A tree asks on which side of a threshold a feature lies, so a last bit that depends on the size of
a matrix product would now and then move a score. Products are therefore summed in double
precision and rounded once: training, which scores thousands of shoppers together, and a server,
which scores a few items of one, get the same float32.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.states import TOWERS, ItemState, ShopperState

RECENT_ITEMS = 10  # the latest items of a shopper that a candidate is compared with
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EaseAt:
    """EASE's scores of R rows, and their mean and deviation over a shopper's eligible items."""

    at: dict[str, Floats]  # (R,) each of EASE
    mean: Doubles  # (B,) of "ease"
    deviation: Doubles  # (B,)


@dataclass(frozen=True)
class RowScores:
    """Scores of R rows; NaN where the shopper or the item lacks what it needs."""

    at: dict[str, Floats]  # each of TOWERS and EASE, (R,)
    z: dict[str, Floats]  # towers and "ease" against the shopper's scores of all items, (R,)
    nearest: dict[str, Floats]  # cosine of the nearest of the latest items but itself, (R,)


def spread_of(total: Doubles, squares: Doubles, count: int) -> tuple[Doubles, Doubles]:
    """Return mean and deviation from sums over `count` items."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / np.float64(count)
        return mean, np.sqrt(np.maximum(squares / np.float64(count) - mean**2, 0))


def score_rows(
    shoppers: ShopperState,
    items: ItemState,
    ease: EaseAt,
    shopper: npt.NDArray[np.int64],
    item: Ints,
) -> RowScores:
    """Score rows; `shopper` is ascending."""
    at, z, nearest = dict(ease.at), {}, {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for tower in TOWERS:
            exact, nearest[tower] = _tower_rows(shoppers, items, tower, shopper, item)
            mean, deviation = _tower_spread(shoppers, items, tower)
            at[tower] = exact.astype(np.float32)
            z[tower] = _standardised(at[tower], mean[shopper], deviation[shopper])
        z["ease"] = _standardised(at["ease"], ease.mean[shopper], ease.deviation[shopper])
    return RowScores(at, z, nearest)


def _standardised(values: Floats, mean: Doubles, deviation: Doubles) -> Floats:
    found: Floats = ((values - mean) / deviation).astype(np.float32)
    return found


def _tower_rows(
    shoppers: ShopperState,
    items: ItemState,
    tower: str,
    shopper: npt.NDArray[np.int64],
    item: Ints,
) -> tuple[Doubles, Floats]:
    """Return the tower's score and the cosine of the nearest latest item, (R,) each.

    One small matrix product a shopper: rows by (the shopper's vector, the latest items).
    """
    vectors, norms = items.vectors[tower], items.norms[tower]
    score = np.empty(len(item))
    nearest = np.full(len(item), np.nan, np.float32)
    bounds = np.searchsorted(shopper, np.arange(len(shoppers) + 1))
    for row in range(len(shoppers)):
        rows = slice(bounds[row], bounds[row + 1])
        mine = item[rows]
        if len(mine) == 0:
            continue
        first, end = int(shoppers.ptr[row]), int(shoppers.ptr[row + 1])
        latest = shoppers.item[max(first, end - RECENT_ITEMS) : end]
        against = np.concatenate([shoppers.vectors[tower][row : row + 1], vectors[latest]])
        product = vectors[mine].astype(np.float64) @ against.astype(np.float64).T
        score[rows] = product[:, 0]
        if len(latest):
            cosine = product[:, 1:] / (norms[mine, None] * norms[latest])
            cosine[mine[:, None] == latest] = np.nan
            nearest[rows] = np.fmax.reduce(cosine, axis=1)
    return score, nearest


def _tower_spread(shoppers: ShopperState, items: ItemState, tower: str) -> tuple[Doubles, Doubles]:
    """Return mean and deviation of a tower's scores over all eligible items, (B,) each.

    By the first two moments of the items' vectors: no item is scored for it.
    """
    moments = items.moments[tower]
    users = np.asarray(shoppers.vectors[tower], np.float64)
    squares = ((users @ moments.second) * users).sum(1)
    return spread_of(users @ moments.first, squares, moments.count)
