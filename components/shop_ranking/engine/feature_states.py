"""What is known of items and of shoppers at one moment, as arrays: the input of every feature.

Both are plain arrays in a folder, so that a server maps them into memory and answers without
reading a table.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, load_npz, save_npz

from components.platform.errors import ModelError
from components.shop_ranking.engine.history import PAIR_COLUMNS, SHOPPER_COLUMNS, Floats, Ints
from components.shop_ranking.towers import TOWERS

__all__ = ["GROUPS", "ITEM_COLUMNS", "TOWERS", "ItemState", "Moments", "ShopperState", "without"]

# Vectors that are taken in double precision at once. Capacity only: changes no result.
PART = 16_384
ITEM_COLUMNS = (
    "sessions",
    "users",
    "sessions_7",
    "sessions_28",
    "sessions_91",
    "repeat_rate",
    "mean_gap_days",
    "days_since_first",
    "mean_price",
    "price_28",
    "discounted_share",
    "discounted_share_28",
)
# How items are grouped: top of the category path, two levels, whole path; brand; brand in level 2.
GROUPS = ("department", "category", "product_type", "brand", "brand_in_category")


@dataclass(frozen=True)
class Moments:
    """Sums over the vectors v of the eligible items that have one."""

    first: npt.NDArray[np.float64]  # (D,) sum of v
    second: npt.NDArray[np.float64]  # (D, D) sum of v v'
    count: int


@dataclass(frozen=True)
class ItemState:
    """Every item of the catalogue (I of them) at one moment."""

    numbers: Floats  # (I, len(ITEM_COLUMNS)), NaN for unknown
    eligible: npt.NDArray[np.bool_]  # (I,) may be ranked
    groups: Ints  # (I, len(GROUPS)) code of the item's group, -1 for none
    vectors: Mapping[str, Floats]  # tower -> (I, D); a row of NaN is an item without the modality
    ease: csr_array  # (I, I) weights; an empty matrix when there are none

    def column(self, name: str) -> Floats:
        """Return one of ITEM_COLUMNS, (I,)."""
        return self.numbers[:, ITEM_COLUMNS.index(name)]

    @cached_property
    def order(self) -> Ints:
        """Eligible items, most sessions first, then lowest index."""
        items = np.flatnonzero(self.eligible)
        return items[np.lexsort((items, -self.column("sessions")[items]))].astype(np.int32)

    @cached_property
    def group_sizes(self) -> tuple[int, ...]:
        """Number of groups of each of GROUPS."""
        return tuple(int(codes.max(initial=-1)) + 1 for codes in self.groups.T)

    @cached_property
    def group_sessions_28(self) -> Floats:
        """Sessions of the last 28 days over the item's whole group, (I, len(GROUPS))."""
        sold = self.column("sessions_28")
        out = np.full(self.groups.shape, np.nan, np.float32)
        for k, size in enumerate(self.group_sizes):
            known = self.groups[:, k] >= 0
            codes = self.groups[known, k]
            out[known, k] = np.bincount(codes, sold[known], minlength=size)[codes]
        return out

    @cached_property
    def norms(self) -> dict[str, npt.NDArray[np.float64]]:
        """Length of each tower's vectors, (I,) a tower; NaN where missing."""
        parts = {name: _parts(vectors) for name, vectors in self.vectors.items()}
        return {
            name: np.concatenate([np.linalg.norm(part, axis=1) for part in converted])
            for name, converted in parts.items()
        }

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """What mean and deviation of a tower's scores over the catalogue follow from."""
        return {name: self._moments(vectors) for name, vectors in self.vectors.items()}

    def _moments(self, vectors: Floats) -> Moments:
        dim = vectors.shape[1]
        first, second, count = np.zeros(dim), np.zeros((dim, dim)), 0
        for rows in np.array_split(self.order, len(self.order) // PART + 1):
            part = vectors[rows].astype(np.float64)
            part = part[~np.isnan(part).any(1)]
            first += part.sum(0)
            second += part.T @ part
            count += len(part)
        return Moments(first, second, count)

    def save(self, folder: Path) -> None:
        """Write the arrays into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("numbers", "eligible", "groups"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        _save_vectors(self.vectors, folder)
        save_npz(folder / "ease.npz", self.ease)

    @classmethod
    def load(cls, folder: Path) -> "ItemState":
        """Map what `save` wrote into memory."""
        numbers, eligible, groups = (
            _map(folder / f"{name}.npy") for name in ("numbers", "eligible", "groups")
        )
        ease = csr_array(load_npz(folder / "ease.npz"))
        return cls(numbers, eligible, groups, _load_vectors(folder), ease)


@dataclass(frozen=True)
class ShopperState:
    """A batch of B shoppers at one moment; pairs are grouped by shopper, the latest last."""

    users: Ints  # (B,) user_index, -1 for a shopper the catalogue of shoppers does not know
    ptr: npt.NDArray[np.int64]  # (B + 1,)
    item: Ints  # (P,)
    pairs: Floats  # (P, len(PAIR_COLUMNS))
    numbers: Floats  # (B, len(SHOPPER_COLUMNS))
    vectors: Mapping[str, Floats]  # tower -> (B, D); a row of NaN is a shopper without

    def __len__(self) -> int:
        return len(self.users)

    def column(self, name: str) -> Floats:
        """Return one of SHOPPER_COLUMNS, (B,)."""
        return self.numbers[:, SHOPPER_COLUMNS.index(name)]

    def pair_column(self, name: str) -> Floats:
        """Return one of PAIR_COLUMNS, (P,)."""
        return self.pairs[:, PAIR_COLUMNS.index(name)]

    @cached_property
    def owner(self) -> npt.NDArray[np.int64]:
        """Row of the shopper of each pair, (P,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.ptr))

    def take(self, rows: npt.NDArray[np.integer]) -> "ShopperState":
        """Return the shoppers at `rows`, in that order."""
        lengths = self.ptr[rows + 1] - self.ptr[rows]
        ptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        pairs = np.repeat(self.ptr[rows] - ptr[:-1], lengths) + np.arange(ptr[-1])
        return ShopperState(
            users=self.users[rows],
            ptr=ptr,
            item=self.item[pairs],
            pairs=self.pairs[pairs],
            numbers=self.numbers[rows],
            vectors={name: vectors[rows] for name, vectors in self.vectors.items()},
        )

    def save(self, folder: Path) -> None:
        """Write the arrays into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("users", "ptr", "item", "pairs", "numbers"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        _save_vectors(self.vectors, folder)

    @classmethod
    def load(cls, folder: Path) -> "ShopperState":
        """Map what `save` wrote into memory."""
        names = ("users", "ptr", "item", "pairs", "numbers")
        arrays = {name: _map(folder / f"{name}.npy") for name in names}
        return cls(**arrays, vectors=_load_vectors(folder))


def without(vectors: Mapping[str, Floats], towers: frozenset[str]) -> dict[str, Floats]:
    """Return the vectors with those of `towers` missing: what an ablation or an outage looks like.

    Raises:
        ModelError: a name is no tower.

    """
    if unknown := towers - set(vectors):
        raise ModelError(f"towers of {sorted(vectors)}", f"{sorted(unknown)}", "name one of them")
    return {
        name: np.full_like(values, np.nan) if name in towers else values
        for name, values in vectors.items()
    }


def _save_vectors(vectors: Mapping[str, Floats], folder: Path) -> None:
    for name, values in vectors.items():
        np.save(folder / f"vectors_{name}.npy", values)
    (folder / "vectors.json").write_text(json.dumps(sorted(vectors)))


def _load_vectors(folder: Path) -> dict[str, Floats]:
    names = json.loads((folder / "vectors.json").read_text())
    return {name: _map(folder / f"vectors_{name}.npy") for name in names}


def _parts(vectors: Floats) -> Iterator[npt.NDArray[np.float64]]:
    """Yield all vectors in double precision, a part at a time."""
    for start in range(0, max(len(vectors), 1), PART):
        yield vectors[start : start + PART].astype(np.float64)


def _map(path: Path) -> Any:
    try:
        # A plain view: slices of a memmap cost a few times as much.
        return np.load(path, mmap_mode="r").view(np.ndarray)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"an array at {path}", str(error), "train the fusion again, or fetch it whole"
        ) from error
