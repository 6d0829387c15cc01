"""LambdaMART (Burges 2010) by LightGBM on frequency, recency, popularity and EASE features.

Learns from the targets of every cut before the one it ranks.
"""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from components.platform.errors import DataError
from components.shop_ranking.baseline_training.collaborative import ease_of, taste
from components.shop_ranking.baseline_training.ease import Ease
from components.shop_ranking.baseline_training.interface import CutData, Score
from components.shop_ranking.engine.rankings import Floats, Ints, top_k
from components.shop_ranking.params import BaselineParams

BATCH = 256  # shoppers whose candidates are drawn at once. Capacity only: changes no result.
NOT_CANDIDATE = np.float32(-1e9)  # below every candidate, ordered by popularity
PAIR = [
    "sessions", "days_since_first", "days_since_last", "decayed_14", "decayed_45", "decayed_120",
    "quantity",
]  # fmt: skip
ITEM = [
    "sessions", "users", "sessions_7", "sessions_28", "sessions_91", "repeat_rate",
    "mean_gap_days", "days_since_first",
]  # fmt: skip
SHOPPER = [
    "sessions", "items", "days_since_first", "days_since_last", "mean_basket", "mean_gap_days",
    "repeat_share",
]  # fmt: skip
# The listwise cross entropy of Bruch (2021) in LambdaMART's boosting. On the validation cut, with
# 350,000 candidates of each of two fit cuts, it ranks as well as the pairwise lambdarank (NDCG@10
# all .442 against .441), new items better (.052 against .047), and takes a third of the time.
OPTIONS = {
    "objective": "rank_xendcg",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


@dataclass(frozen=True)
class Rows:
    """Candidates of a batch of shoppers, grouped by shopper."""

    users: Ints  # (R,)
    items: Ints  # (R,)
    features: Floats  # (R, F)


@dataclass
class LambdaMart:
    """Candidates are everything bought before and the best new items by EASE."""

    params: BaselineParams
    seed: int
    name = "lambdamart"

    def fit(self, cuts: dict[str, CutData], at: str) -> Score:
        """See Baseline.

        Raises:
            DataError: there is no earlier cut to learn from.

        """
        names = list(cuts)
        earlier = names[: names.index(at)]
        if not earlier:
            raise DataError(
                "a cut before the validation cut for LambdaMART to learn from", "none",
                "set preparation.fit_cuts to 1 or more",
            )  # fmt: skip
        rng = np.random.default_rng(self.seed)
        features, labels, groups = [], [], []
        for name in earlier:
            data, builder = cuts[name], self._builder(cuts[name])
            users = data.candidates.users
            users = np.sort(
                rng.choice(
                    users,
                    max(1, int(self.params.lambdamart_shopper_share * len(users))),
                    replace=False,
                )
            )
            for start in range(0, len(users), BATCH):
                rows = builder.build(users[start : start + BATCH])
                features.append(rows.features)
                labels.append(np.asarray(data.wanted[rows.users, rows.items]).ravel())
                groups.append(np.unique(rows.users, return_counts=True)[1])
        dataset = lgb.Dataset(
            np.concatenate(features), np.concatenate(labels), group=np.concatenate(groups)
        )
        examples = sum(len(part) for part in labels)
        # A small shop has not so many rows alike.
        leaf = min(
            self.params.lambdamart_leaf_rows, examples // self.params.lambdamart_least_leaves
        )
        options = OPTIONS | {
            "num_leaves": self.params.lambdamart_leaves,
            "learning_rate": self.params.lambdamart_learning_rate,
            "feature_fraction": self.params.lambdamart_feature_share,
            "min_data_in_leaf": max(1, leaf),
            "seed": self.seed,
        }
        booster = lgb.train(options, dataset, num_boost_round=self.params.lambdamart_trees)
        builder = self._builder(cuts[at])

        def score(users: Ints) -> Floats:
            rows = builder.build(users)
            scores = np.full((len(users), cuts[at].shape[1]), NOT_CANDIDATE, np.float32)
            place = np.searchsorted(users, rows.users)
            scores[place, rows.items] = booster.predict(rows.features, num_threads=1)
            return scores

        return score

    def _builder(self, data: CutData) -> "CandidateRows":
        ease = ease_of(data, self.params)
        asked = taste(data, self.params.purchase_scale)
        return CandidateRows(data, ease, asked, self.params.lambdamart_new_items)


class CandidateRows:
    """Builds candidates and their features for batches of one cut's shoppers."""

    def __init__(self, data: CutData, ease: Ease, asked: csr_array, new_items: int) -> None:
        self.data, self.ease, self.asked, self.new_items = data, ease, asked, new_items
        pairs = data.user_item
        self.pointer = np.searchsorted(pairs["user_index"], np.arange(data.shape[0] + 1))
        self.pair_items = pairs["item_index"].to_numpy(np.int32)
        self.pairs = pairs[PAIR].to_numpy(np.float32)
        self.items = data.item_stats[ITEM].to_numpy(np.float32)
        self.shoppers = data.user_stats[SHOPPER].to_numpy(np.float32)
        self.eligible = np.zeros(data.shape[1], bool)
        self.eligible[data.candidates.order] = True

    def build(self, users: Ints) -> Rows:
        """Return the candidate rows of `users` (ascending)."""
        ease_BI = self.ease.score(self.asked[users])
        length = self.pointer[users + 1] - self.pointer[users]
        row = np.repeat(np.arange(len(users)), length)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
        source = self.pointer[users][row] + offset
        bought = self.pair_items[source]
        unbought = ease_BI.copy()
        unbought[row, bought] = -np.inf
        new = top_k(unbought, self.data.candidates.order, self.new_items)
        kept = self.eligible[bought]
        new_row = np.repeat(np.arange(len(users)), new.shape[1])
        rows = np.concatenate([row[kept], new_row])
        items = np.concatenate([bought[kept], new.ravel()])
        sources = np.concatenate([source[kept], np.full(new.size, -1)])
        real = np.flatnonzero(items >= 0)
        order = real[np.argsort(rows[real], kind="stable")]
        rows, items, sources = rows[order], items[order], sources[order]
        features = self._features(users[rows], items, sources, ease_BI[rows, items])
        return Rows(users[rows].astype(np.int32), items.astype(np.int32), features)

    def _features(
        self, users: Ints, items: Ints, sources: npt.NDArray[np.int64], ease: Floats
    ) -> Floats:
        """Pair state (NaN where never bought), item, shopper, EASE and ratios of them."""
        pair = pd.DataFrame(
            np.where(sources[:, None] >= 0, self.pairs[sources], np.nan), columns=PAIR
        )
        item = pd.DataFrame(self.items[items], columns=ITEM)
        shopper = pd.DataFrame(self.shoppers[users], columns=SHOPPER)
        span = pair["days_since_first"] - pair["days_since_last"]
        gap = span / (pair["sessions"] - 1).where(pair["sessions"] > 1)
        ratios = [
            gap,
            pair["days_since_last"] / gap,
            pair["days_since_last"] / item["mean_gap_days"],
            pair["sessions"] / shopper["sessions"],
            item["sessions_28"] / item["sessions"],
        ]
        parts = [pair, item, shopper, pd.Series(ease), *ratios]
        return np.column_stack([np.asarray(part, np.float32) for part in parts])
