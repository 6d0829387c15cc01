"""Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): several orders made one.

No score is trusted, only the order that each list gives; this is its only implementation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.shop_ranking.engine.history import Floats, Ints

SMOOTHING = 60  # the paper's constant; tuning it is not worth a param (their figure 1)


def reciprocal_rank(place: npt.NDArray[Any], weight: float = 1.0) -> npt.NDArray[np.float64]:
    """Return weight / (60 + rank) of places counted from 0, of any shape."""
    values: npt.NDArray[np.float64] = weight / (SMOOTHING + 1.0 + place)
    return values


def fuse_ranks(
    lists: Sequence[npt.NDArray[Any]], weights: Sequence[float] = ()
) -> tuple[Ints, Floats]:
    """Fuse lists of items, each best first, into one, best first, with its scores.

    Equal scores keep the order of the item numbers. Without weights every list counts the same.

    >>> items, scores = fuse_ranks([np.array([7, 3]), np.array([3, 5])])
    >>> items.tolist(), bool(np.isclose(scores[0], 1 / 62 + 1 / 61))
    ([3, 7, 5], True)
    """
    each = weights or [1.0] * len(lists)
    terms = [
        reciprocal_rank(np.arange(len(items)), weight)
        for items, weight in zip(lists, each, strict=True)
    ]
    return sum_by_item(lists, terms)


def sum_by_item(
    lists: Sequence[npt.NDArray[Any]], terms: Sequence[npt.NDArray[Any]]
) -> tuple[Ints, Floats]:
    """Add up each item's terms over all lists; return items and sums, best first."""
    items = np.concatenate([np.zeros(0, np.int32), *lists])
    known, place = np.unique(items, return_inverse=True)
    totals = np.bincount(place, np.concatenate([np.zeros(0), *terms]), minlength=len(known))
    best = np.argsort(-totals, kind="stable")
    return known[best].astype(np.int32), totals[best].astype(np.float32)
