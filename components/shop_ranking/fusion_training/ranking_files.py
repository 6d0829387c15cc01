"""Ranking files for evaluation: where they lie, and those of the towers alone."""

from pathlib import Path

import numpy as np

from components.shop_ranking.engine.feature_states import TOWERS, ItemState, ShopperState
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.rankings import Candidates, rank

BELOW_ALL = np.float32(-1e30)  # below any score; its size changes no result


def write_tower_rankings(
    items: ItemState, shoppers: ShopperState, evaluated: Candidates, cut: str, fused: Path
) -> None:
    """Rank by each tower alone; items without a vector follow by popularity."""
    row_of_user = np.full(int(shoppers.users.max(initial=0)) + 1, -1)
    row_of_user[shoppers.users] = np.arange(len(shoppers))
    for tower in TOWERS:
        mine, theirs = shoppers.vectors[tower], np.asarray(items.vectors[tower])

        def score(users: Ints, mine: Floats = mine, theirs: Floats = theirs) -> Floats:
            scores_BI: Floats = mine[row_of_user[users]] @ theirs.T
            return np.where(np.isnan(scores_BI), BELOW_ALL, scores_BI)

        ranked = rank(score, evaluated, f"{tower} at {cut}")
        ranked.save(ranking_file(fused, cut, tower))


def ranking_file(fused: Path, cut: str, name: str) -> Path:
    """Return where the ranking of a tower or of a method lies."""
    return fused / "rankings" / cut / f"{name}.npz"
