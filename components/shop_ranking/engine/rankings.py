"""The ranking file: the first items of the full ranking for every evaluated shopper of one cut.

Whatever ranks (a baseline, a tower, a fusion) writes one; evaluation reads nothing else of a model.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from components.platform.compiled import compiled
from components.platform.errors import DataError, ModelError
from components.platform.files import atomic_file, read_table
from components.platform.progress import track
from components.shop_ranking.engine.top_k import best_first

LENGTH = 100  # items kept a shopper
# Shoppers scored at once, 256 x 11,724 float32 is 12 MB; capacity only: changes no result.
BATCH = 256

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rankings:
    """One model's rankings at one cut; rows follow `users`, items best first, -1 pads."""

    users: Ints  # (n,) user_index, ascending
    all: Ints  # (n, LENGTH) item_index
    novel: Ints  # (n, LENGTH) the same with everything bought before the cut removed
    seconds: float  # fit + rank

    def save(self, path: Path) -> None:
        """Write the .npz file atomically."""
        with atomic_file(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                users=self.users.astype(np.int32),
                all=self.all.astype(np.int32),
                novel=self.novel.astype(np.int32),
                seconds=np.float32(self.seconds),
            )

    @classmethod
    def load(cls, path: Path) -> "Rankings":
        """Read a ranking file.

        Raises:
            DataError: the file is absent, not a ranking file, or its arrays do not fit together.

        """
        remedy = "run the stage that writes it (see dvc.yaml)"
        try:
            with np.load(path) as file:
                rankings = cls(file["users"], file["all"], file["novel"], float(file["seconds"]))
        except FileNotFoundError as error:
            raise DataError(f"the ranking file {path}", "none", remedy) from error
        except (KeyError, ValueError, OSError) as error:
            raise DataError(f"a ranking file at {path}", str(error), remedy) from error
        shapes = (rankings.users.shape, rankings.all.shape, rankings.novel.shape)
        if shapes[1] != (*shapes[0], LENGTH) or shapes[2] != shapes[1]:
            raise DataError(f"arrays (n,), (n, {LENGTH}) twice in {path}", f"{shapes}", remedy)
        if np.any(np.diff(rankings.users) <= 0):
            raise DataError(f"users of {path} ascending, each once", "another order", remedy)
        return rankings


@dataclass(frozen=True)
class Candidates:
    """Who is ranked for, and what may be ranked, at one cut."""

    users: Ints  # (n,) shoppers with history and targets, ascending
    order: Ints  # (eligible,) item_index, most sessions before the cut first, then lowest index
    bought: csr_array  # (users, items) bool, target events before the cut


def read_candidates(prepared: Path, cut: str) -> Candidates:
    """Read one cut of data/prepared."""
    folder = prepared / "cuts" / cut
    stats = read_table(folder / "item_stats.parquet", ["item_index", "eligible", "sessions"])
    item, eligible, sessions = (stats[name].to_numpy() for name in stats.column_names)
    order = item[np.lexsort((item, -sessions))]
    kept = np.isin(order, item[eligible])
    history = read_table(folder / "sequences.parquet", ["user_index"])["user_index"].to_numpy()
    wanted = read_table(folder / "targets.parquet", ["user_index"])["user_index"].to_numpy()
    pairs = read_table(folder / "user_item.parquet", ["user_index", "item_index"])
    cells = (pairs["user_index"].to_numpy(), pairs["item_index"].to_numpy())
    shape = (
        pq.read_metadata(prepared / "users.parquet").num_rows,
        pq.read_metadata(prepared / "items.parquet").num_rows,
    )
    return Candidates(
        users=np.intersect1d(history, wanted).astype(np.int32),
        order=order[kept].astype(np.int32),
        bought=csr_array((np.ones(len(cells[0]), bool), cells), shape=shape),
    )


def top_k(scores_BI: Floats, order_E: Ints, k: int = LENGTH) -> Ints:
    """Return the k best items a row, (B, k), -1 where fewer than k may be ranked.

    Only the items of `order_E` are ranked; equal scores keep its order (popularity, then index).
    A score of -inf keeps an item out. Scores are compared as float32.

    Raises:
        ModelError: a score is NaN.

    """
    best_BK, has_nan = _top_k(np.asarray(scores_BI, np.float32), order_E, k)
    if has_nan:
        raise ModelError("a number as the score of every eligible item", "NaN", "mend the model")
    return best_BK


@compiled
def _top_k(scores_BI: Floats, order_E: Ints, k: int) -> tuple[Ints, bool]:
    """Return the best items a row and whether any of their scores is NaN."""
    best_BK = np.full((len(scores_BI), k), -1, np.int32)
    scores_E, usable_E = np.empty(len(order_E), np.float32), np.empty(len(order_E), np.bool_)
    has_nan = False
    for row in range(len(scores_BI)):
        for place in range(len(order_E)):
            score = scores_BI[row, order_E[place]]
            has_nan |= np.isnan(score)
            scores_E[place], usable_E[place] = score, score > -np.inf
        places = best_first(scores_E, usable_E, k)
        for rank in range(len(places)):
            best_BK[row, rank] = order_E[places[rank]]
    return best_BK, has_nan


def rank(
    score: Callable[[Ints], Floats], candidates: Candidates, name: str, fit_seconds: float = 0.0
) -> Rankings:
    """Rank the whole catalogue for every evaluated shopper, batch by batch.

    `score` takes user indexes (B,) and returns a fresh array of scores (B, items).
    `fit_seconds` is added to the seconds spent here.
    """
    started = time.perf_counter()
    users = candidates.users
    whole = np.full((len(users), LENGTH), -1, np.int32)
    novel = whole.copy()
    for start in track(range(0, len(users), BATCH), f"rank {name}"):
        batch = users[start : start + BATCH]
        scores_BI = score(batch)
        whole[start : start + BATCH] = top_k(scores_BI, candidates.order)
        rows, items = candidates.bought[batch].nonzero()
        scores_BI[rows, items] = -np.inf
        novel[start : start + BATCH] = top_k(scores_BI, candidates.order)
    return Rankings(users, whole, novel, fit_seconds + time.perf_counter() - started)
