"""Candidates of shoppers and their rows with features: the same for training and for serving.

What a fusion is fitted on and what it is asked with come from the same indexes and the same
loops, so that the two cannot drift apart.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled
from components.platform.cores import usable_cores
from components.shop_ranking.engine.candidate_sets import CandidateSet, concatenate
from components.shop_ranking.engine.candidates import SOURCES, CandidateSources, Proposed
from components.shop_ranking.engine.ease_scores import EaseScores, Scratch, scratch_of
from components.shop_ranking.engine.feature_names import FEATURES
from components.shop_ranking.engine.feature_states import TOWERS, ItemState, ShopperState
from components.shop_ranking.engine.features import assemble
from components.shop_ranking.engine.history import Ints
from components.shop_ranking.engine.row_scores import score_rows
from components.shop_ranking.engine.signals import EASE, SIGNALS
from components.shop_ranking.engine.trained_with import TrainedWith

TOGETHER = 64  # shoppers whose rows are made at once; capacity only: changes no result
THREADS = ThreadPoolExecutor(usable_cores(), "engine")
Made = TypeVar("Made")
PLACE = {name: place for place, name in enumerate(FEATURES)}


def in_shares(work: Callable[[ShopperState], Made], shoppers: ShopperState) -> list[Made]:
    """Return what `work` makes of shares of the shoppers, in their order, on all cores.

    Nobody's rows depend on who else is in a share (ADR 14), and the loops let go of the
    interpreter. `work` does not call this: it would wait for the threads that it runs on.
    """
    count = max(min(len(shoppers), usable_cores()), -(-len(shoppers) // TOGETHER))
    if count < 2:
        return [work(shoppers)]
    shares = np.array_split(np.arange(len(shoppers)), count)
    return list(THREADS.map(work, [shoppers.take(share) for share in shares]))


class Engine:
    """Proposes items to shoppers and makes rows of them; safe across threads.

    Args:
        items: the catalogue at one moment.
        trained_with: what a training uses, and whoever answers with its model.

    """

    def __init__(self, items: ItemState, trained_with: TrainedWith) -> None:
        self.items = ItemState(  # in memory, not mapped: a page fault costs more than a request
            numbers=np.array(items.numbers, np.float32, order="C"),
            eligible=np.array(items.eligible),
            groups=np.array(items.groups, np.int32, order="C"),
            vectors={
                name: np.array(vectors, np.float32, order="C")
                for name, vectors in items.vectors.items()
            },
            ease=items.ease,
        )
        for name in ("norms", "moments", "group_sessions_28", "group_sizes", "order"):
            getattr(self.items, name)  # computed now, not by the first request
        self.ease = EaseScores(self.items)
        self.sources = CandidateSources(self.items, self.ease, trained_with)
        self.new, self.row_params = self.sources.new, trained_with.rows
        self.indexes, self.popular = self.sources.indexes, self.sources.popular
        self._own = threading.local()

    def candidates(self, shoppers: ShopperState) -> CandidateSet:
        """Return the candidates of all of `shoppers` with their features, on all cores."""
        parts = in_shares(self.propose, shoppers)
        return parts[0] if len(parts) == 1 else concatenate(parts)

    def propose(self, shoppers: ShopperState) -> CandidateSet:
        """Return the candidates of a share of shoppers with their features, on this thread."""
        return self._rows(shoppers, self.sources.propose(shoppers, self._scratch()))

    def rows(self, shoppers: ShopperState, items: Sequence[Ints]) -> CandidateSet:
        """Return given items of each shopper with their features; no source is named.

        Args:
            shoppers: B shoppers.
            items: those of each shopper, ascending, each once.

        """
        ptr = np.concatenate([[0], np.cumsum([len(mine) for mine in items])]).astype(np.int64)
        item = np.concatenate([np.zeros(0, np.int32), *items]).astype(np.int32)
        ease = self.ease.at(shoppers, ptr, item, self._scratch())
        none = np.zeros((len(item), len(SOURCES)), bool)
        return self._rows(shoppers, Proposed(ptr, item, none, ease))

    def _rows(self, shoppers: ShopperState, proposed: Proposed) -> CandidateSet:
        ptr, item, ease = proposed.ptr, proposed.items, proposed.ease
        towers = score_rows(shoppers, self.items, ptr, item, self.row_params.recent_items)
        pair = _pairs_of(shoppers.ptr, shoppers.item, ptr, item, len(self.items.eligible))
        features = assemble(shoppers, self.items, ptr, item, pair, self.row_params)
        signals = np.empty((len(item), len(SIGNALS)), np.float32)
        for k, tower in enumerate(TOWERS):
            signals[:, k] = features[:, PLACE[tower]] = towers.at[tower]
            features[:, PLACE[f"{tower}_z"]] = _finite(towers.z[tower])
            features[:, PLACE[f"{tower}_nearest"]] = _finite(towers.nearest[tower])
        for k, name in enumerate(EASE):
            signals[:, len(TOWERS) + k] = features[:, PLACE[name]] = ease.at[:, k]
        features[:, PLACE["ease_z"]] = _finite(ease.z)
        signals[:, -2] = features[:, PLACE["decayed_120"]]
        signals[:, -1] = self.sources.sold[item]
        return CandidateSet(
            users=shoppers.users,
            ptr=ptr,
            items=item,
            bought=features[:, PLACE["sessions"]] > 0,
            features=features,
            signals=signals,
            sources=proposed.sources,
            user_vectors=shoppers.vectors,
            item_vectors=self.items.vectors,
        )

    def _scratch(self) -> Scratch:
        """Return this thread's arrays over the catalogue."""
        if not hasattr(self._own, "scratch"):
            self._own.scratch = scratch_of(len(self.items.eligible))
        scratch: Scratch = self._own.scratch
        return scratch


def _finite(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the values, NaN for an infinite one."""
    return np.where(np.isinf(values), np.float32(np.nan), values)


@compiled
def _pairs_of(ptr: Any, touched: Ints, row_ptr: Any, row_item: Ints, items: int) -> Ints:
    """Return each row's place in the shoppers' pairs, -1 where never touched."""
    place = np.full(items, -1, np.int32)
    pair = np.empty(len(row_item), np.int32)
    for shopper in range(len(row_ptr) - 1):
        for k in range(ptr[shopper], ptr[shopper + 1]):
            place[touched[k]] = k
        for row in range(row_ptr[shopper], row_ptr[shopper + 1]):
            pair[row] = place[row_item[row]]
        for k in range(ptr[shopper], ptr[shopper + 1]):
            place[touched[k]] = -1
    return pair
