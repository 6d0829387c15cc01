"""The full ranking of a fusion: its candidates by score, everything else by popularity."""

import time
from typing import Any

import numpy as np

from components.platform.compiled import compiled
from components.platform.errors import ModelError
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.rankings import LENGTH, Candidates, Rankings
from components.shop_ranking.engine.top_k import best_first


def fused_rankings(
    scores: Floats, candidates: CandidateSet, evaluated: Candidates, *, seconds: float
) -> Rankings:
    """Rank for the evaluated by the scores of a fusion.

    Args:
        scores: (rows,) of the candidates.
        candidates: of the evaluated, at least.
        evaluated: whose rankings, and of which items.
        seconds: those spent on fitting and scoring.

    Raises:
        ModelError: a score is NaN.

    """
    started = time.perf_counter()
    if np.isnan(scores).any():
        raise ModelError("a number as the score of every candidate", "NaN", "mend the fusion")
    row = np.searchsorted(candidates.users, evaluated.users)
    place = np.full(evaluated.bought.shape[1], -1, np.int32)
    place[evaluated.order] = np.arange(len(evaluated.order))
    bought = evaluated.bought[evaluated.users]
    whole, novel = (
        _rank(
            row, candidates.ptr, candidates.items, scores, evaluated.order, place,
            bought.indptr.astype(np.int64), bought.indices.astype(np.int32), without,
        )
        for without in (False, True)
    )  # fmt: skip
    return Rankings(evaluated.users, whole, novel, seconds + time.perf_counter() - started)


@compiled
def _rank(
    rows: Any, ptr: Any, items: Ints, scores: Floats, order: Ints, place: Ints, bought_ptr: Any,
    bought: Ints, without_bought: bool,
) -> Ints:  # fmt: skip
    """Return the first items of each shopper, (N, LENGTH), -1 pads.

    Of equal scores the more popular item comes first. `place` is an item's place in `order`, -1
    for one that may not be ranked.
    """
    ranked = np.full((len(rows), LENGTH), -1, np.int32)
    hidden = np.zeros(len(place), np.bool_)  # candidates, and what was bought
    for shopper in range(len(rows)):
        own = bought[bought_ptr[shopper] : bought_ptr[shopper + 1]]
        if without_bought:
            hidden[own] = True
        mine = slice(ptr[rows[shopper]], ptr[rows[shopper] + 1])
        by_place = np.argsort(place[items[mine]])
        candidates, values = items[mine][by_place], scores[mine][by_place]
        usable = np.empty(len(candidates), np.bool_)
        for k in range(len(candidates)):
            usable[k] = (
                place[candidates[k]] >= 0 and values[k] > -np.inf and not hidden[candidates[k]]
            )
        size = 0
        for k in best_first(values, usable, LENGTH):
            ranked[shopper, size] = candidates[k]
            size += 1
        hidden[candidates] = True
        for item in order:
            if size == LENGTH:
                break
            if not hidden[item]:
                ranked[shopper, size] = item
                size += 1
        hidden[candidates] = False
        hidden[own] = False
    return ranked
