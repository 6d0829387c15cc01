"""A finished run's shoppers at one cut, without a share of the catalogue in their past."""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.quality.rows import Task
from components.platform.files import read_table
from components.shop_ranking import application as shop
from components.shop_ranking.engine.rankings import read_candidates
from components.shop_ranking.engine.towers.histories import Histories, read_histories
from components.shop_ranking.engine.towers.item_orders import Ints

HELD_OUT, FEWEST = 0.05, 11  # share of the catalogue, and items at least
SESSIONS = ("day", "session", "kind")


@dataclass(frozen=True)
class Shop:
    """What is known before a cut, with the held-out items taken out of the histories."""

    items: pa.Table
    user: Ints  # (U,) user_index of each history
    histories: Histories
    cold: Ints  # (C,) held-out items that are for sale at the cut, ascending
    cut: dict[str, Any]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Items that somebody's history holds, (I,)."""
        return np.bincount(self.histories.item, minlength=self.items.num_rows) > 0

    def sequences(self) -> pa.Table:
        """Return the histories as profile_vectors reads them: item_index and age in days."""
        start = pa.array(self.histories.start, pa.int32())
        columns = {"item_index": self.histories.item, "day": -self.histories.day}
        return pa.table(
            {name: pa.ListArray.from_arrays(start, pa.array(v)) for name, v in columns.items()}
        )

    def asked(self) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return rows of shoppers who wanted a held-out item, and which, (asked, C)."""
        folder = shop.PREPARED / "cuts" / self.cut["name"]
        table = read_table(folder / "targets.parquet")
        user, item = (table[name].to_numpy() for name in ("user_index", "item_index"))
        row_of = {int(user): row for row, user in enumerate(self.user)}
        kept = np.isin(item, self.cold) & np.isin(user, self.user)
        rows = np.array([row_of[int(name)] for name in user[kept]], np.int64)
        asked, place = np.unique(rows, return_inverse=True)
        wanted = np.zeros((len(asked), len(self.cold)), bool)
        wanted[place, np.searchsorted(self.cold, item[kept])] = True
        return asked, wanted


def read_without_cold(task: Task, cut: str = "test") -> Shop:
    """Read one cut and take a share of the test cut's catalogue out of every history.

    The same items are held out at every cut.
    """
    columns = ["item_id", "title", "category", "brand", "text", "text_embedding"]
    items = read_table(shop.PREPARED / "items.parquet", columns)
    rng = np.random.default_rng(task.seed)
    last = np.sort(read_candidates(shop.PREPARED, "test").order)
    cold = np.sort(rng.choice(last, max(int(HELD_OUT * len(last)), FEWEST), replace=False))
    user, histories = read_histories(shop.PREPARED / "cuts" / cut / "sequences.parquet")
    if task.sample < 1:
        count = max(int(task.sample * len(user)), 30)
        rows = np.sort(rng.choice(len(user), min(count, len(user)), replace=False))
        user, histories = user[rows], _taken(histories, rows)
    kept = ~np.isin(histories.item, cold)
    owner = np.repeat(np.arange(len(user)), np.diff(histories.start))
    length = np.bincount(owner[kept], minlength=len(user))
    some = length > 0  # a shopper of nothing but held-out items has no history left
    start = np.concatenate([[0], np.cumsum(length[some])])
    left = {name: getattr(histories, name)[kept] for name in ("item", *SESSIONS)}
    cuts = json.loads((shop.PREPARED / "cuts.json").read_text())
    return Shop(
        items,
        user[some].astype(np.int64),
        Histories(start, **left),
        cold[np.isin(cold, read_candidates(shop.PREPARED, cut).order)],
        next(described for described in cuts if described["name"] == cut),
    )


def _taken(histories: Histories, rows: Ints) -> Histories:
    length = np.diff(histories.start)[rows]
    start = np.concatenate([[0], np.cumsum(length)])
    at = np.repeat(histories.start[rows] - start[:-1], length) + np.arange(start[-1])
    columns = {name: getattr(histories, name)[at] for name in ("item", *SESSIONS)}
    return replace(histories, start=start, **columns)
