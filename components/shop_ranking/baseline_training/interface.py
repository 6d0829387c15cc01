"""What a baseline is, and what one cut tells it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from components.platform.files import read_table
from components.shop_ranking.engine.rankings import Candidates, Floats, Ints, read_candidates

# User indexes (B,) -> a fresh array of scores (B, items); NaN is not allowed.
Score = Callable[[Ints], Floats]


@dataclass(frozen=True)
class CutData:
    """The tables of one cut, read when asked for."""

    prepared: Path
    name: str
    target_events: tuple[str, ...]
    # Models that more than one baseline needs, fitted once.
    fitted: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The cut's folder in data/prepared."""
        return self.prepared / "cuts" / self.name

    @cached_property
    def candidates(self) -> Candidates:
        """Evaluated shoppers and the eligible items by popularity."""
        return read_candidates(self.prepared, self.name)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Shoppers and items, all of them."""
        rows, columns = self.candidates.bought.shape
        return int(rows), int(columns)

    @cached_property
    def user_item(self) -> pd.DataFrame:
        """State of each bought pair, sorted by user_index, item_index."""
        table = read_table(self.folder / "user_item.parquet").to_pandas()
        return table.sort_values(["user_index", "item_index"], ignore_index=True)

    @cached_property
    def item_stats(self) -> pd.DataFrame:
        """A row an item, in item_index order."""
        return self._dense("item_stats", "item_index", self.shape[1])

    @cached_property
    def user_stats(self) -> pd.DataFrame:
        """A row a shopper, in user_index order; NaN where there was none before the cut."""
        return self._dense("user_stats", "user_index", self.shape[0])

    @cached_property
    def wanted(self) -> csr_array:
        """Targets, (shoppers, items), 1 where wanted."""
        table = read_table(self.folder / "targets.parquet", ["user_index", "item_index"])
        cells = (table["user_index"].to_numpy(), table["item_index"].to_numpy())
        return csr_array((np.ones(len(cells[0]), np.float32), cells), shape=self.shape)

    def pairs(self, values: npt.NDArray[np.floating]) -> csr_array:
        """Return values, one a row of user_item, as (shoppers, items)."""
        cells = (self.user_item["user_index"].to_numpy(), self.user_item["item_index"].to_numpy())
        return csr_array((np.asarray(values, np.float32), cells), shape=self.shape)

    def _dense(self, name: str, key: str, count: int) -> pd.DataFrame:
        table = read_table(self.folder / f"{name}.parquet").to_pandas().set_index(key)
        return table.reindex(np.arange(count))


class Baseline(Protocol):
    """One simple method; hyperparameters are its attributes."""

    name: str

    def fit(self, cuts: dict[str, CutData], at: str) -> Score:
        """Learn from what was known before the cut `at` and return a scorer of its shoppers.

        `cuts` are in time order; targets may be read only of cuts before `at`.
        """
