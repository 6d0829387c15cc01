"""Several orders made one, and a list made less alike."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.reciprocal_ranks import reciprocal_rank, sum_by_item


def weighted_sum(
    lists: Sequence[tuple[Ints, Floats]], weights: Sequence[float]
) -> tuple[Ints, Floats]:
    """Fuse scored lists: sum of weight x score, each list's scores put on 0..1; best first."""
    items = [items for items, _ in lists]
    terms = [weight * _unit(scores) for (_, scores), weight in zip(lists, weights, strict=True)]
    return sum_by_item(items, terms)


def personal(relevant: Ints, scores: Floats, first: int, weight: float) -> npt.NDArray[np.int64]:
    """Return the order of `relevant`, given best first, with a shopper's taste mixed in.

    Reciprocal ranks of relevance (weight 1) and of the fused model (weight < 1, so that relevance
    counts more) among the `first` items; what follows stays as it is. Ranks, because the scores
    of a text match and of a taste have no common unit.
    """
    count = min(first, len(relevant))
    own = np.empty(count)
    own[np.argsort(-scores[:count], kind="stable")] = np.arange(count)
    mixed = reciprocal_rank(np.arange(count)) + reciprocal_rank(own, weight)
    order = np.argsort(-mixed, kind="stable")
    return np.concatenate([order, np.arange(count, len(relevant))])


def diversified(scores: Floats, vectors: Floats, k: int, diversity: float) -> Ints:
    """Return the order of the first k items by maximal marginal relevance.

    Carbonell and Goldstein (SIGIR 1998): each next item has the largest (1 - diversity) x
    relevance - diversity x cosine with the most similar item before it.

    Args:
        scores: (n,) best first; put on 0..1.
        vectors: (n, D) unit length, or zeros for an item without one.
        k: items that are chosen.
        diversity: 0 leaves the order by score.

    """
    k = min(k, len(scores))
    if diversity == 0 or k < 2:
        return np.arange(k, dtype=np.int32)
    relevance = (1 - diversity) * _unit(scores)
    return _marginal(relevance, diversity * (vectors @ vectors.T), k)


@compiled
def _marginal(relevance: Floats, likeness: Floats, k: int) -> Ints:
    """Choose k times what has the most relevance beyond its likeness to what was chosen."""
    chosen = np.empty(k, np.int32)
    most_like = np.zeros(len(relevance), np.float32)
    taken = np.zeros(len(relevance), np.bool_)
    for place in range(k):
        best, most = -1, -np.inf
        for item in range(len(relevance)):
            marginal = np.float64(relevance[item]) - np.float64(most_like[item])
            if not taken[item] and marginal > most:
                best, most = item, marginal
        chosen[place] = best
        taken[best] = True
        most_like = np.maximum(most_like, likeness[best])
    return chosen


def _unit(scores: Floats) -> Floats:
    """Put scores on 0..1; all 1 where they are equal."""
    low, high = float(scores.min(initial=np.inf)), float(scores.max(initial=-np.inf))
    if len(scores) == 0 or high == low:
        return np.ones(len(scores), np.float32)
    return (scores - low) / np.float32(high - low)
