"""What shoppers chose, in order and without dates: the layout of leave-one-out data sets."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Orders:
    """Items of U shoppers, oldest first; shopper i has item[first[i]:first[i + 1]]."""

    item: Ints  # (E,) rows of the item table
    first: Ints  # (U + 1,)
    items: int  # size of the item table

    @classmethod
    def of_lists(cls, lists: list[list[int]], items: int) -> "Orders":
        """Take one list of item rows a shopper."""
        first = np.cumsum([0, *map(len, lists)])
        flat = (
            np.concatenate([np.asarray(rows, np.int64) for rows in lists]) if lists else first[:0]
        )
        return cls(flat, first, items)

    def __len__(self) -> int:
        return len(self.first) - 1

    @cached_property
    def length(self) -> Ints:
        """How many items each shopper has, (U,)."""
        return np.diff(self.first)

    @cached_property
    def owner(self) -> Ints:
        """The shopper of each item, (E,)."""
        return np.repeat(np.arange(len(self)), self.length)

    @cached_property
    def age(self) -> Ints:
        """How many later items the shopper has, (E,); the last has 0."""
        return self.first[1:][self.owner] - 1 - np.arange(len(self.item))

    @cached_property
    def counts(self) -> Ints:
        """How often each item occurs, (items,)."""
        return np.bincount(self.item, minlength=self.items)

    def without_last(self, count: int) -> "Orders":
        """Leave out each shopper's last `count` items (all, if there are fewer)."""
        kept = self.age >= count
        first = np.concatenate([[0], np.cumsum(np.maximum(self.length - count, 0))])
        return Orders(self.item[kept], first, self.items)

    def take(self, rows: Ints) -> "Orders":
        """Return these shoppers, in this order."""
        length = self.length[rows]
        first = np.concatenate([[0], np.cumsum(length)])
        inside = np.arange(first[-1]) - np.repeat(first[:-1], length)
        return Orders(self.item[np.repeat(self.first[rows], length) + inside], first, self.items)

    def last(self, back: int = 1) -> Ints:
        """Return each shopper's item `back` places from the end, (U,); all have that many."""
        return self.item[self.first[1:] - back]

    def profile(self, decay: float, rows: Ints | None = None) -> csr_array:
        """Return decay ** age of each item of each shopper, (shoppers, items); repeats add up."""
        chosen = self if rows is None else self.take(rows)
        values = np.power(np.float32(decay), chosen.age, dtype=np.float32)
        # Copies: scipy sorts indices in place, and the order of a history is all that it has.
        cells = (values, chosen.item.copy(), chosen.first.copy())
        return csr_array(cells, shape=(len(chosen), self.items))

    def padded(self, rows: Ints, longest: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the latest items of shoppers, (B, T) left-aligned, and which places are real."""
        begin = np.maximum(self.first[rows], self.first[rows + 1] - longest)
        length = self.first[rows + 1] - begin
        place = np.arange(int(length.max(initial=1)))
        real = place < length[:, None]
        at = np.minimum(begin[:, None] + place, max(len(self.item) - 1, 0))
        return np.where(real, self.item[at], 0), real
