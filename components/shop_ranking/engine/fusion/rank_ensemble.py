"""Reciprocal rank fusion: no score is trusted, only the order each signal gives."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.feature_states import TOWERS
from components.shop_ranking.engine.fusion.interface import Weight
from components.shop_ranking.engine.fusion.lists import ranks_in
from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.reciprocal_ranks import reciprocal_rank
from components.shop_ranking.engine.signals import SIGNALS
from components.shop_ranking.params.fusion import DEFAULTS, FusionParams

RANKED = (*TOWERS, "habit")


class RankEnsemble:
    """Sum over the towers and habit of 1 / (60 + rank); missing ones add nothing."""

    name: ClassVar[str] = "rank-ensemble"
    needs_torch: ClassVar[bool] = False

    def __init__(self, seed: int = 0, params: FusionParams = DEFAULTS) -> None:
        pass

    def fit(self, train: Sequence[CandidateSet], validation: CandidateSet) -> None:
        """Ranks have nothing to fit."""

    def refit(self, train: Sequence[CandidateSet]) -> None:
        """Ranks have nothing to fit."""

    def score(self, candidates: CandidateSet) -> Floats:
        """Return the sum of reciprocal ranks over a shopper's candidates, (rows,)."""
        return np.sum(list(self.contributions(candidates).values()), axis=0, dtype=np.float32)

    def contributions(self, candidates: CandidateSet) -> dict[str, Floats]:
        """Return each ranking's reciprocal ranks, the terms of the sum."""
        terms = {}
        for name in RANKED:
            values = candidates.signals[:, SIGNALS.index(name)]
            order = np.lexsort((-np.nan_to_num(values, nan=-np.inf), candidates.owner))
            rank = np.empty(len(order))
            rank[order] = ranks_in(candidates.owner[order], len(candidates.users))
            terms[name] = np.where(np.isnan(values), 0, reciprocal_rank(rank))
        return terms

    def weights(self) -> list[Weight]:
        """Every ranking counts the same."""
        return [{"segment": "all", "part": name, "weight": 1 / len(RANKED)} for name in RANKED]

    def save(self, folder: Path) -> None:
        """Write what is ranked."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ranked.json").write_text(json.dumps(RANKED))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the ensemble; there is nothing to read."""
        return cls()
