"""Leave-one-out: each shopper's last item is test, the one before it validation.

The layout is that of S3-Rec (Zhou et al., CIKM 2020): a line a shopper, its number and then its
items in order. The whole catalogue is ranked, never a sample (Krichene and Rendle, KDD 2020).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.quality.layouts import layout
from components.platform.errors import DataError
from components.platform.metrics.ranking import ndcg
from components.shop_ranking.engine.towers.item_orders import Floats, Ints, Orders

K = 10
BATCH = 512
LEAST_ITEMS = 3  # of a history: one to learn from, one to validate, one to test
LEAST_SHOPPERS, LEAST_SAMPLE = 20, 50  # below that nothing can be chosen on validation
FOLDER, PATTERNS = "beauty", ("*.txt.gz", "*.txt")
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
        return ndcg(place[:, None] == np.arange(K), np.ones(len(place), int))

    def recall(self, view: str) -> npt.NDArray[np.float64]:
        """Recall@10 of each shopper with one target, (N,)."""
        hits: npt.NDArray[np.float64] = (getattr(self, view) < K).astype(np.float64)
        return hits

    @property
    def choice(self) -> float:
        """What choices are made by: mean NDCG@10 of both views."""
        return float(self.ndcg("kept").mean() + self.ndcg("removed").mean()) / 2


def read_orders(source: Path, share: float, seed: int) -> LeaveOneOut:
    """Read one file, or the one file of a folder, and keep a share of the shoppers.

    Numbers of items may have gaps, and lines may be empty.

    Raises:
        DataError: no file, more than one, a line that is not numbers, or too few histories.

    """
    files = order_files(source)
    if len(files) != 1:
        raise DataError(f"one *.txt.gz or *.txt in {source}", f"{len(files)}", "name the one file")
    told = "bring a file in the layout of S3-Rec: a line a shopper, its number, then its items"
    with layout(files[0], "lines 'shopper item item ...' of whole numbers", told) as lines:
        lists = [[int(word) for word in line.split()[1:]] for line in lines]
    read = len(lists)
    lists = [items for items in lists if len(items) >= LEAST_ITEMS]
    if len(lists) < LEAST_SHOPPERS:
        expected = f"{LEAST_SHOPPERS} lines of {LEAST_ITEMS} items or more in {files[0]}"
        raise DataError(expected, f"{len(lists)} of {read} lines", told)
    if share < 1:
        rng = np.random.default_rng(seed)
        count = min(max(int(share * len(lists)), LEAST_SAMPLE), len(lists))
        lists = [lists[row] for row in np.sort(rng.choice(len(lists), count, replace=False))]
    flat, first = np.concatenate(lists), np.cumsum([0, *map(len, lists)])
    names, item = np.unique(flat, return_inverse=True)
    return LeaveOneOut(Orders(item.astype(np.int64), first, len(names)))


def order_files(source: Path) -> list[Path]:
    """Return the files of histories: `source` itself, those in its folder beauty, or in itself.

    S3-Rec lays files of sampled negatives beside them, *_sample.txt: rankings here are full.
    """
    if source.is_file():
        return [source]
    for folder in (source / FOLDER, source):
        matching = [file for pattern in PATTERNS for file in folder.glob(pattern)]
        if files := sorted(file for file in matching if "_sample.txt" not in file.name):
            return files
    return []


def stem(file: Path) -> str:
    """Return the name of the shop or category that a file's name gives: Beauty of Beauty.txt.gz."""
    return file.name.split(".")[0]


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
