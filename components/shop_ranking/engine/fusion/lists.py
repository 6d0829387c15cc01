"""Lists of candidates: their NDCG, and one scale for both segments.

Items a shopper bought before and items new to the shopper are two different questions (when will
it be bought again; would it be liked at all), so the fusions treat them as two segments. A
logistic calibration puts both on one scale, the log-odds of being wanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled
from components.platform.metrics.calibration import logistic
from components.platform.metrics.ranking import ndcg
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.top_k import best_first
from components.shop_ranking.params.fusion import FusionParams

K = 10  # of the NDCG that methods are chosen by, as it is in their names: ndcg_all is NDCG@10
SEGMENTS = ("bought", "new")
VIEWS = {"all": 0, "novel": 1}


def rows_of(candidates: CandidateSet, segment: str) -> npt.NDArray[np.bool_]:
    """Mark the rows of one of SEGMENTS, (rows,)."""
    return candidates.bought if segment == "bought" else ~candidates.bought


def mean_ndcg(candidates: CandidateSet, scores: Floats, view: str) -> float:
    """Mean NDCG@10 over the shoppers who wanted anything in this view (all, novel)."""
    values_B = shopper_ndcg(candidates, scores, view)
    return 0.0 if np.isnan(values_B).all() else float(np.nanmean(values_B))


def shopper_ndcg(candidates: CandidateSet, scores: Floats, view: str) -> npt.NDArray[np.float64]:
    """NDCG@10 of each shopper, (B,), NaN for one who wanted nothing in this view.

    Equal to the full ranking's while every shopper has at least 10 candidates in the view.
    """
    assert candidates.wanted is not None
    usable = np.ones(len(candidates), bool) if view == "all" else ~candidates.bought
    hit_BK = _hits(candidates.ptr, np.asarray(scores), labels_of(candidates), usable, K)
    return ndcg(hit_BK, candidates.wanted[:, VIEWS[view]])


@compiled
def _hits(
    ptr: Any, scores: Floats, labels: npt.NDArray[np.bool_], usable: npt.NDArray[np.bool_], k: int
) -> npt.NDArray[np.bool_]:
    """Tell for the first k places of each shopper whether the item is wanted, (B, k)."""
    hit_BK = np.zeros((len(ptr) - 1, k), np.bool_)
    for shopper in range(len(ptr) - 1):
        mine = slice(ptr[shopper], ptr[shopper + 1])
        places = best_first(scores[mine], usable[mine], k)
        for rank in range(len(places)):
            hit_BK[shopper, rank] = labels[mine][places[rank]]
    return hit_BK


def ranks_in(owner: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Number the rows of each owner from 0; `owner` is ascending."""
    lengths = np.bincount(owner, minlength=count)
    return np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def quality(candidates: CandidateSet, scores: Floats) -> float:
    """The figure fusions are chosen by: NDCG@10 of the view all plus that of the view novel."""
    return mean_ndcg(candidates, scores, "all") + mean_ndcg(candidates, scores, "novel")


@dataclass(frozen=True)
class Calibration:
    """Log-odds of being wanted = slope * score + offset, a pair for each of SEGMENTS."""

    slope: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    def apply(self, candidates: CandidateSet, scores: Floats) -> Floats:
        """Put the scores of both segments on one scale, (rows,) float32."""
        bought = candidates.bought
        slope = np.where(bought, *self.slope)
        offset = np.where(bought, *self.offset)
        return (slope * scores + offset).astype(np.float32)


def calibrate(
    sets: Sequence[CandidateSet], scores: Sequence[Floats], params: FusionParams
) -> Calibration:
    """Fit a logistic regression a segment; slopes are kept positive."""
    slopes, offsets = [], []
    for segment in SEGMENTS:
        kept = [rows_of(candidates, segment) for candidates in sets]
        x = np.concatenate([s[rows] for s, rows in zip(scores, kept, strict=True)])
        y = np.concatenate(
            [labels_of(candidates)[rows] for candidates, rows in zip(sets, kept, strict=True)]
        )
        slope, offset = log_odds(x, y, params)
        slopes.append(slope)
        offsets.append(offset)
    return Calibration((slopes[0], slopes[1]), (offsets[0], offsets[1]))


def log_odds(
    scores: npt.NDArray[Any], labels: npt.NDArray[np.bool_], params: FusionParams
) -> tuple[float, float]:
    """Return slope and offset of the log-odds of a label given a score.

    The slope is positive: a better score never means a smaller chance.
    """
    x, y = scores.astype(np.float64), labels.astype(np.float64)
    if len(y) == 0:
        return 1.0, 0.0
    scale = float(x.std()) or 1.0
    slope, offset = logistic(np.stack([x / scale, np.ones_like(x)], 1), y, params.calibration_ridge)
    return max(float(slope), params.least_slope) / scale, float(offset)


def labels_of(candidates: CandidateSet) -> npt.NDArray[np.bool_]:
    """Return the labels of a labelled set, (rows,)."""
    assert candidates.labels is not None
    return candidates.labels
