"""Leave-one-out: each shopper's last item is test, the one before it validation.

The layout is that of S3-Rec (Zhou et al., CIKM 2020): a line a shopper, its number and then its
items in order. The whole catalogue is ranked, never a sample (Krichene and Rendle, KDD 2020).
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.errors import DataError
from components.models.item_orders import Floats, Ints, Orders

K = 10
BATCH = 512
# Histories and rows of them -> a fresh dense (B, items); no NaN.
Score = Callable[[Orders, Ints], Floats]


@dataclass(frozen=True)
class LeaveOneOut:
    """The histories of one file; shoppers with fewer than 3 items are left out."""

    whole: Orders

    @cached_property
    def train(self) -> Orders:
        """All but validation and test items: also the histories that validation is ranked from."""
        return self.whole.without_last(2)

    @cached_property
    def known(self) -> Orders:
        """All but the test items: train + validation, and the histories test is ranked from."""
        return self.whole.without_last(1)

    @property
    def validation_target(self) -> Ints:
        """The item to find from `train`, (U,)."""
        return self.whole.last(2)

    @property
    def test_target(self) -> Ints:
        """The item to find from `known`, (U,)."""
        return self.whole.last(1)


@dataclass(frozen=True)
class Ranks:
    """Place of each shopper's target, 0 is best: history in the ranking, or taken out of it."""

    kept: Ints  # (N,)
    removed: Ints  # (N,)

    def ndcg(self, view: str) -> npt.NDArray[np.float64]:
        """NDCG@10 of each shopper with one target, (N,)."""
        place = getattr(self, view)
        found: npt.NDArray[np.float64] = np.where(place < K, 1 / np.log2(place + 2.0), 0.0)
        return found

    def recall(self, view: str) -> npt.NDArray[np.float64]:
        """Recall@10 of each shopper with one target, (N,)."""
        found: npt.NDArray[np.float64] = (getattr(self, view) < K).astype(np.float64)
        return found

    @property
    def choice(self) -> float:
        """What choices are made by: mean NDCG@10 of both views."""
        return float(self.ndcg("kept").mean() + self.ndcg("removed").mean()) / 2


def read_orders(folder: Path, share: float, seed: int) -> LeaveOneOut:
    """Read the one file of a folder and keep a share of the shoppers.

    Raises:
        DataError: no file, more than one, or a line that is not numbers.

    """
    files = sorted(folder.glob("*.txt.gz"))
    if len(files) != 1:
        raise DataError(f"one *.txt.gz in {folder}", f"{len(files)}", "keep the one to measure")
    try:
        with gzip.open(files[0], "rt") as lines:
            lists = [[int(word) for word in line.split()[1:]] for line in lines]
    except (ValueError, OSError) as error:
        raise DataError(
            f"lines 'shopper item item ...' of whole numbers in {files[0]}",
            str(error),
            "bring a file in the layout of S3-Rec",
        ) from error
    lists = [one for one in lists if len(one) >= 3]
    if share < 1:
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(lists), max(int(share * len(lists)), 50), replace=False)
        lists = [lists[row] for row in np.sort(chosen)]
    flat, first = np.concatenate(lists), np.cumsum([0, *map(len, lists)])
    names, item = np.unique(flat, return_inverse=True)
    return LeaveOneOut(Orders(item.astype(np.int64), first, len(names)))


def ranks(
    score: Score, histories: Orders, target_U: Ints, counts_I: Ints, rows: Ints | None = None
) -> Ranks:
    """Rank the whole catalogue for shoppers and find their targets; ties go by popularity.

    A target that is in the history is last where history is removed.
    """
    rows = np.arange(len(histories)) if rows is None else rows
    place_I = np.empty(histories.items, np.int64)
    place_I[np.argsort(-counts_I, kind="stable")] = np.arange(histories.items)
    kept, removed = (np.empty(len(rows), np.int64) for _ in range(2))
    for begin in range(0, len(rows), BATCH):
        batch = rows[begin : begin + BATCH]
        scores_BI = score(histories, batch)
        wanted = target_U[batch]
        own = np.arange(len(batch))
        level_B = scores_BI[own, wanted]
        above_BI = scores_BI > level_B[:, None]
        row, item = np.nonzero(scores_BI == level_B[:, None])
        first = place_I[item] < place_I[wanted[row]]
        above_BI[row[first], item[first]] = True
        place_B = above_BI.sum(1)
        held = histories.take(batch)
        pairs = np.unique(held.owner * histories.items + held.item)
        owner, item = np.divmod(pairs, histories.items)
        before = np.bincount(owner, above_BI[owner, item], minlength=len(batch)).astype(np.int64)
        bought = np.bincount(owner, item == wanted[owner], minlength=len(batch)) > 0
        kept[begin : begin + BATCH] = place_B
        removed[begin : begin + BATCH] = np.where(bought, histories.items, place_B - before)
    return Ranks(kept, removed)
