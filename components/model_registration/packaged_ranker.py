"""The registered fused ranker: ranks the catalogue for a shopper, known or not.

Loaded by MLflow (`loader_module`); runs with requirements-serving.lock alone.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from components.errors import DataError
from components.ranking.ranker import FusedRanker

DEFAULT_K = 10


class PackagedRanker:
    """Answers requests of one shopper each."""

    def __init__(self, ranker: FusedRanker) -> None:
        self.ranker = ranker

    def predict(self, requests: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """Rank the catalogue for each row of `user_id`, and optionally `history` and `k`.

        `user_id` is a pseudonym; one never seen is a new shopper. `history` lists item ids the
        shopper has touched since the model was trained, oldest first; ids the catalogue lacks
        are passed over. `k` is the number of items wanted, 10 where it is not given.

        Returns:
            `item_ids`, best first, and their `scores`, a row a request.

        Raises:
            DataError: a user_id is missing, or k is not between 1 and the catalogue's size.

        """
        if requests["user_id"].isna().any():
            raise DataError("a user_id in every row", "a null", "send any id for a new shopper")
        count = len(requests)
        k = requests["k"] if "k" in requests else pd.Series([DEFAULT_K] * count)
        largest = len(self.ranker.items)
        outside = k[(k < 1) | (k > largest)]
        if len(outside):
            raise DataError(
                f"k from 1 to {largest}, the catalogue's size", str(outside.iloc[0]), "change k"
            )
        histories = requests["history"] if "history" in requests else [None] * count
        ranked = [
            self.ranker.rank(user, _items(history), int(wanted))
            for user, history, wanted in zip(requests["user_id"], histories, k, strict=True)
        ]
        return pd.DataFrame(ranked, columns=["item_ids", "scores"], index=requests.index)


def _items(history: Sequence[str] | None) -> list[str]:
    """Return a request's history without nulls; a request may have none at all."""
    if not isinstance(history, Sequence | np.ndarray):
        return []
    return [item for item in history if isinstance(item, str)]


def _load_pyfunc(folder: str) -> PackagedRanker:
    return PackagedRanker(FusedRanker.load(Path(folder)))
