"""The full ranking of a fusion: its candidates by score, everything else by popularity."""

import time

import numpy as np

from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.fusion.interface import Fusion
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.rankings import Candidates, Rankings, rank

BELOW_ALL = np.float32(-1e30)  # items that are no candidate follow by popularity


def fused_rankings(
    fusion: Fusion, candidates: CandidateSet, evaluated: Candidates, *, name: str, seconds: float
) -> Rankings:
    """Rank by a fitted fusion for the evaluated; `seconds` are those spent on fitting it."""
    started = time.perf_counter()
    scores = fusion.score(candidates)
    width = evaluated.bought.shape[1]
    place = np.searchsorted(candidates.users, evaluated.users)

    def score(users: Ints) -> Floats:
        rows = place[np.searchsorted(evaluated.users, users)]
        part = candidates.take(rows)
        lengths = part.ptr[1:] - part.ptr[:-1]
        at = np.repeat(candidates.ptr[rows] - part.ptr[:-1], lengths) + np.arange(part.ptr[-1])
        out = np.full((len(users), width), BELOW_ALL, np.float32)
        out[part.owner, part.items] = scores[at]
        return out

    return rank(score, evaluated, name, seconds + time.perf_counter() - started)
