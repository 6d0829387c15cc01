"""Ranking metrics of a user's first k items against the wanted ones.

NDCG: Järvelin and Kekäläinen 2002, discount log2(rank + 1), ideal over min(k, wanted); this is its
only implementation. Values equal those of ir-measures (tests/platform/metrics/test_ranking.py).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

METRICS = ("ndcg", "recall", "hit_rate", "mrr")
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


def dcg(gain_NK: npt.NDArray[Any]) -> Floats:
    """Return the discounted cumulative gain of N lists, best place first, (N,).

    >>> dcg(np.array([[3.0, 0.0, 1.0]])).tolist()  # 3 / log2(2) + 1 / log2(4)
    [3.5]
    """
    length = gain_NK.shape[1]
    total: Floats = gain_NK @ (1.0 / np.log2(np.arange(2, length + 2)))
    return total


def ndcg(hit_NK: npt.NDArray[Any], wanted_N: npt.NDArray[Any]) -> Floats:
    """Return NDCG@K with gain 1 of N lists, (N,); NaN where nothing is wanted.

    Two items are wanted, places 1 and 3 of three are hits: the gain is 1 + 1/2, the best list has
    1 + 1/log2(3).

    >>> ndcg(np.array([[True, False, True]]), np.array([2])).round(4).tolist()
    [0.9197]

    Args:
        hit_NK: 1 where the item at this place is wanted; a list shorter than K ends in zeros.
        wanted_N: how many items are wanted, on the list or not.

    """
    length = hit_NK.shape[1]
    ideal = np.concatenate([[np.nan], dcg(np.tri(length))])
    values: Floats = dcg(hit_NK) / ideal[np.clip(wanted_N, 0, length)]
    return values


def hits(ranked_NK: Ints, wanted_NI: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell for every place of every list whether its item is wanted; -1 (padding) never is."""
    wanted_NK = np.take_along_axis(wanted_NI, np.maximum(ranked_NK, 0), axis=1)
    return wanted_NK & (ranked_NK >= 0)


def shopper_metrics(ranked_NK: Ints, wanted_NI: npt.NDArray[np.bool_]) -> dict[str, Floats]:
    """Return every metric at k = K, (N,) each; NaN for a user who wants nothing."""
    hit_NK = hits(ranked_NK, wanted_NI)
    wanted_N = wanted_NI.sum(axis=1)
    first_N = np.where(hit_NK.any(axis=1), hit_NK.argmax(axis=1) + 1, np.inf)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = {
            "ndcg": ndcg(hit_NK, wanted_N),
            "recall": hit_NK.sum(axis=1) / wanted_N,
            "hit_rate": hit_NK.any(axis=1).astype(np.float64),
            "mrr": 1.0 / first_N,
        }
    return {name: np.where(wanted_N > 0, value, np.nan) for name, value in values.items()}


def coverage(ranked_NK: Ints, eligible: int) -> float:
    """Return the share of the eligible catalogue that is shown to at least one user."""
    shown = np.unique(ranked_NK)
    return float((shown >= 0).sum() / eligible)


def popularity_bias(ranked_NK: Ints, percentile_I: Floats) -> Floats:
    """Return the mean popularity percentile of each user's list, (N,).

    Half is a list without bias, 1 a list of the most popular item only. The average
    recommendation popularity of Yin et al. 2012, on ranks so that shops can be compared.
    """
    shown = ranked_NK >= 0
    total = np.where(shown, percentile_I[np.maximum(ranked_NK, 0)], 0.0).sum(axis=1)
    return total / np.maximum(shown.sum(axis=1), 1)
