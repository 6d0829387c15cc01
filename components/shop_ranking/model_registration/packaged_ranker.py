"""The registered fused ranker: ranks the catalogue for a shopper, known or not.

Loaded by MLflow (`loader_module`); runs with requirements-serving.lock alone.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from components.platform.errors import DataError
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.ranker import FusedRanker

DEFAULT_K = 10


class PackagedRanker:
    """Answers by pseudonym and item id; the ranker inside counts in row numbers."""

    def __init__(self, ranker: FusedRanker, users: pd.Index, items: pd.Index) -> None:
        self.ranker, self.users, self.items = ranker, users, items

    def predict(self, requests: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """Rank the catalogue for each row of `user_id`, and optionally `history` and `k`.

        `user_id` is a pseudonym; one never seen is a new shopper. `history` lists the item ids a
        new shopper touched, oldest first; ids the catalogue lacks are passed over, and a shopper
        the model knows is ranked for by what it knows. `k` is the number of items, 10 by default.

        Returns:
            `item_ids`, best first, and their `scores`, a row a request.

        Raises:
            DataError: a user_id is missing, or k is not between 1 and the catalogue's size.

        """
        if requests["user_id"].isna().any():
            raise DataError("a user_id in every row", "a null", "send any id for a new shopper")
        k = self._lengths(requests)
        user = self.users.get_indexer(requests["user_id"]).astype(np.int32)
        histories = self._histories(requests)
        items_BK, scores_BK = self._rank(user, histories, int(k.max(initial=1)))
        kept = ((items_BK >= 0) & (np.arange(items_BK.shape[1]) < k[:, None])).sum(axis=1)
        answers = zip(items_BK, scores_BK, kept.tolist(), strict=True)
        ranked = [(self.items[row[:n]].tolist(), score[:n].tolist()) for row, score, n in answers]
        return pd.DataFrame(ranked, columns=["item_ids", "scores"], index=requests.index)

    def _rank(self, user: Ints, histories: list[Ints], k: int) -> tuple[Ints, Floats]:
        """Return (B, k) items and scores: strangers by what they sent, the rest by their state."""
        sent = np.array([len(history) > 0 for history in histories], bool) & (user < 0)
        items = np.full((len(user), k), -1, np.int32)
        scores = np.full((len(user), k), -np.inf, np.float32)
        if sent.any():
            strangers = [histories[row] for row in np.flatnonzero(sent).tolist()]
            items[sent], scores[sent] = self.ranker.rank(self.ranker.from_history(strangers), k)
        if not sent.all():
            items[~sent], scores[~sent] = self.ranker.rank(self.ranker.known(user[~sent]), k)
        return items, scores

    def _lengths(self, requests: pd.DataFrame) -> Ints:
        if "k" not in requests:
            return np.full(len(requests), DEFAULT_K, np.int32)
        largest = int(self.ranker.items.eligible.sum())
        outside = requests.loc[(requests["k"] < 1) | (requests["k"] > largest), "k"]
        if len(outside):
            raise DataError(
                f"k from 1 to {largest}, the catalogue's size", str(outside.iloc[0]), "change k"
            )
        return requests["k"].to_numpy(np.int32)

    def _histories(self, requests: pd.DataFrame) -> list[Ints]:
        """Return the known items of each request's history; a request may have none at all."""
        if "history" not in requests:
            return [np.zeros(0, np.int32)] * len(requests)
        exploded = requests["history"].reset_index(drop=True).explode().dropna()
        item = self.items.get_indexer(exploded)
        known = item >= 0
        row = exploded.index.to_numpy()[known]
        bounds = np.searchsorted(row, np.arange(1, len(requests)))
        return np.split(item[known].astype(np.int32), bounds)


def _load_pyfunc(folder: str) -> PackagedRanker:
    """Read what `packaging.ranker_package` put together."""
    place = Path(folder)
    users = pd.Index(pd.read_parquet(place / "ids" / "users.parquet")["user_id"])
    items = pd.Index(pd.read_parquet(place / "ids" / "items.parquet")["item_id"])
    return PackagedRanker(FusedRanker.load(place), users, items)
