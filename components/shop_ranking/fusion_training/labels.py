"""What shoppers wanted after a cut: labels of candidates, and how many of them candidates hold."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.platform.files import read_table
from components.shop_ranking.engine.candidate_sets import CandidateSet
from components.shop_ranking.engine.candidates import SOURCES
from components.shop_ranking.engine.history import Ints


@dataclass(frozen=True)
class Targets:
    """The (shopper, item) pairs of the horizon after a cut, T of them."""

    users: Ints  # (T,) user_index
    items: Ints  # (T,)
    is_repeat: npt.NDArray[np.bool_]  # (T,) bought before the cut


def read_targets(prepared: Path, cut: str) -> Targets:
    """Read one cut's targets.

    Raises:
        DataError: the table is absent.

    """
    table = read_table(prepared / "cuts" / cut / "targets.parquet")
    return Targets(*(table[name].to_numpy() for name in ("user_index", "item_index", "is_repeat")))


def label(candidates: CandidateSet, targets: Targets) -> CandidateSet:
    """Return the candidates with labels and the number of wanted items of each shopper."""
    width = 1 + max(int(candidates.items.max(initial=0)), int(targets.items.max(initial=0)))
    user = candidates.users[candidates.owner].astype(np.int64)
    wanted = targets.users.astype(np.int64) * width + targets.items
    size = 1 + max(int(candidates.users.max(initial=0)), int(targets.users.max(initial=0)))
    counts = [
        np.bincount(targets.users[kept], minlength=size)[candidates.users]
        for kept in (np.ones(len(targets.users), bool), ~targets.is_repeat)
    ]
    return replace(
        candidates,
        labels=np.isin(user * width + candidates.items, wanted),
        wanted=np.stack(counts, 1).astype(np.int32),
    )


def recall_by_source(candidates: CandidateSet) -> list[dict[str, float | str]]:
    """Return for each source, and for all together, what it finds and how much it proposes.

    Keys: source, candidates (a shopper), recall_new (share of the wanted items never bought before
    that it proposed), recall_bought (of those bought before).
    """
    assert candidates.labels is not None
    assert candidates.wanted is not None
    new_wanted = candidates.wanted[:, 1].sum()
    bought_wanted = candidates.wanted[:, 0].sum() - new_wanted
    proposed = {name: candidates.sources[:, k] for k, name in enumerate(SOURCES)}
    proposed["all"] = np.ones(len(candidates), bool)
    return [
        {
            "source": name,
            "candidates": float(rows.sum() / len(candidates.users)),
            "recall_new": float((candidates.labels & ~candidates.bought & rows).sum())
            / max(float(new_wanted), 1.0),
            "recall_bought": float((candidates.labels & candidates.bought & rows).sum())
            / max(float(bought_wanted), 1.0),
        }
        for name, rows in proposed.items()
    ]
