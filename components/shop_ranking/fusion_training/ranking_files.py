"""Ranking files of towers and fusions, for evaluation."""

from pathlib import Path

import numpy as np

from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.fused_rankings import fused_rankings
from components.shop_ranking.engine.fusion.interface import Fusion
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.rankings import rank, read_candidates
from components.shop_ranking.engine.states import TOWERS, ItemState, ShopperState

BELOW_ALL = np.float32(-1e30)  # items without a vector follow by popularity


def write_tower_rankings(
    items: ItemState, shoppers: ShopperState, prepared: Path, cut: str, fused: Path
) -> None:
    """Rank by each tower alone; items without a vector follow by popularity."""
    evaluated = read_candidates(prepared, cut)
    row_of_user = np.full(int(shoppers.users.max(initial=0)) + 1, -1)
    row_of_user[shoppers.users] = np.arange(len(shoppers))
    for tower in TOWERS:
        mine, theirs = shoppers.vectors[tower], np.asarray(items.vectors[tower])

        def score(users: Ints, mine: Floats = mine, theirs: Floats = theirs) -> Floats:
            scores_BI: Floats = mine[row_of_user[users]] @ theirs.T
            return np.where(np.isnan(scores_BI), BELOW_ALL, scores_BI)

        ranked = rank(score, evaluated, f"{tower} at {cut}")
        ranked.save(fused / "rankings" / cut / f"{tower}.npz")


def write_fusion_rankings(
    fusion: Fusion,
    candidates: CandidateSet,
    prepared: Path,
    cut: str,
    fused: Path,
    *,
    seconds: float,
) -> None:
    """Rank by a fitted fusion; `seconds` are those spent on fitting it."""
    evaluated = read_candidates(prepared, cut)
    ranked = fused_rankings(fusion, candidates, evaluated, seconds=seconds)
    ranked.save(fused / "rankings" / cut / f"{fusion.name}.npz")
