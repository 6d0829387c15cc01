"""Candidates with features of every evaluated shopper of a cut, batch by batch."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.files import read_table
from components.ranking.candidates import CandidateSet, concatenate, propose
from components.ranking.features import Rows, assemble
from components.ranking.history import Ints
from components.ranking.signals import SIGNALS, compute_signals
from components.ranking.states import ItemState, ShopperState

CELLS = 3_000_000  # shoppers x items scored at once: 12 MB a signal


@dataclass(frozen=True)
class Targets:
    """What shoppers wanted in the horizon after a cut; rows sorted by (user, item)."""

    users: Ints  # (T,) user_index
    items: Ints  # (T,)
    is_repeat: npt.NDArray[np.bool_]  # (T,)


def read_targets(prepared: Path, cut: str) -> Targets:
    """Read one cut's targets.

    Raises:
        DataError: the table is absent.

    """
    table = read_table(prepared / "cuts" / cut / "targets.parquet")
    users, items, repeat = (
        table[name].to_numpy() for name in ("user_index", "item_index", "is_repeat")
    )
    order = np.lexsort((items, users))
    return Targets(users[order], items[order], repeat[order])


def build(shoppers: ShopperState, items: ItemState, *, new: int, bought: int) -> CandidateSet:
    """Return the candidates of all of `shoppers`; `new` and `bought` as in `propose`."""
    size = max(1, CELLS // len(items.eligible))
    return concatenate(
        [
            build_batch(
                shoppers.take(np.arange(start, min(start + size, len(shoppers)))),
                items,
                new=new,
                bought=bought,
            )  # fmt: skip
            for start in range(0, len(shoppers), size)
        ]
    )
