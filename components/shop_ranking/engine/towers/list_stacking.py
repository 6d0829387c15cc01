"""Stacking of several rankings: boosted trees over what each says of a candidate.

Candidates are the union of each signal's best; features are every signal's score and place.
LambdaMART (Burges 2010) by LightGBM, the number of trees chosen on held-out queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from components.platform.errors import ModelError
from components.shop_ranking.engine.towers.item_orders import Floats, Ints

TREES: dict[str, Any] = {
    "objective": "lambdarank",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "lambdarank_truncation_level": 20,
    "eval_at": [10],
    "metric": "ndcg",
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}
MOST_TREES, PATIENCE = 400, 40
HELD_OUT = 0.2  # of the queries, for the number of trees


@dataclass(frozen=True)
class Candidates:
    """Candidate rows, those of a query together and queries in order."""

    owner: Ints  # (N,) query
    item: Ints  # (N,)
    features: Floats  # (N, F)


def gather(signals: Sequence[Floats], each: int, extra_I: Sequence[Floats] = ()) -> Candidates:
    """Take each signal's best items a query as candidates and describe them.

    Args:
        signals: scores (B, I), higher is better; -inf keeps an item out of that signal's best.
        each: items taken of each signal.
        extra_I: further features of an item, (I,) or (B, I) each.

    """
    places = []
    chosen_BI: npt.NDArray[np.bool_] = np.zeros(signals[0].shape, bool)
    each = min(each, signals[0].shape[-1])
    for scores_BI in signals:
        first_BK = np.argpartition(-scores_BI, each - 1, axis=1)[:, :each]
        np.put_along_axis(chosen_BI, first_BK, True, axis=1)
        places.append(-np.sort(-np.take_along_axis(scores_BI, first_BK, 1), axis=1))
    owner, item = np.nonzero(chosen_BI)
    columns: list[npt.NDArray[Any]] = []
    for scores_BI, best_BK in zip(signals, places, strict=True):
        score = scores_BI[owner, item]
        # Place among the signal's best: how many of them score higher, `each` when beyond.
        place = (best_BK[owner] > score[:, None]).sum(1)
        top = best_BK[owner, 0]
        columns += [score, np.log1p(place), score - top]
    columns += [values[owner, item] if values.ndim == 2 else values[item] for values in extra_I]
    return Candidates(owner, item, np.stack(columns, 1).astype(np.float32))


class ListStacking:
    """LambdaMART over Candidates."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.trees = 0
        self.booster: lgb.Booster | None = None

    def fit(self, candidates: Candidates, gain_N: npt.NDArray[Any]) -> None:
        """Learn from relevance grades (0 and up) of the rows; queries without any are left out.

        Raises:
            ModelError: no candidate is relevant.

        """
        gain = np.asarray(gain_N, np.float32)
        useful = np.unique(candidates.owner[gain > 0])
        if len(useful) == 0:
            raise ModelError("a wanted item among the candidates", "none", "take more candidates")
        rng = np.random.default_rng(self.seed)
        held = rng.choice(useful, int(HELD_OUT * len(useful)), replace=False)
        learnt = np.setdiff1d(useful, held)
        if self.trees == 0 and len(held) and len(learnt):
            part = self._dataset(candidates, gain, learnt)
            stopped = lgb.train(
                {**TREES, "seed": self.seed},
                part,
                num_boost_round=MOST_TREES,
                valid_sets=[self._dataset(candidates, gain, held, part)],
                callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
            )
            self.trees = max(stopped.best_iteration, 1)
        self.booster = lgb.train(
            {**TREES, "seed": self.seed},
            self._dataset(candidates, gain, useful),
            num_boost_round=self.trees or PATIENCE,
        )

    def score(self, candidates: Candidates) -> Floats:
        """Return one score a row, (N,)."""
        if self.booster is None:
            raise ModelError("a fitted stacking", "none", "call fit first")
        return np.asarray(self.booster.predict(candidates.features), np.float32)

    def _dataset(
        self,
        candidates: Candidates,
        gain_N: Floats,
        owners: Ints,
        reference: lgb.Dataset | None = None,
    ) -> lgb.Dataset:
        rows = np.isin(candidates.owner, owners)
        sizes = np.bincount(candidates.owner[rows])
        return lgb.Dataset(
            candidates.features[rows],
            gain_N[rows],
            group=sizes[sizes > 0],
            reference=reference,
            free_raw_data=False,
        )
