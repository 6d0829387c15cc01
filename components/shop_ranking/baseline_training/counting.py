"""Baselines that count: of everyone, of the shopper, and with decay."""

import numpy as np

from components.shop_ranking.baseline_training.interface import CutData, Score
from components.shop_ranking.engine.rankings import Ints


class Popularity:
    """The same list for everyone: sessions before the cut."""

    name = "popularity"

    def fit(self, cuts: dict[str, CutData], at: str) -> Score:
        """See Baseline."""
        sessions = cuts[at].item_stats["sessions"].fillna(0).to_numpy(np.float32)
        return lambda users: np.tile(sessions, (len(users), 1))


class PersonalFrequency:
    """What the shopper bought most often, then popularity (Hu et al. 2020, "TopPersonal")."""

    name = "personal-frequency"

    def fit(self, cuts: dict[str, CutData], at: str) -> Score:
        """See Baseline."""
        data = cuts[at]
        own = data.pairs(data.user_item["sessions"].to_numpy())
        return lambda users: own[users].toarray()  # ties fall to popularity in top_k


class DecayedFrequency:
    """Recency-decayed personal frequency plus recent popularity.

    A purchase counts 2^(-age / 120 days); the most popular item of the last 28 days counts as
    much as one purchase of today.
    """

    name = "decayed-frequency"

    def fit(self, cuts: dict[str, CutData], at: str) -> Score:
        """See Baseline."""
        data = cuts[at]
        own = data.pairs(data.user_item["decayed_120"].to_numpy())
        recent = data.item_stats["sessions_28"].fillna(0).to_numpy(np.float32)
        recent /= max(float(recent.max()), 1.0)

        def score(users: Ints) -> np.ndarray:
            return own[users].toarray() + recent

        return score
