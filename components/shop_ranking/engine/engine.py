"""Candidates of shoppers and their rows with features: one way for training and for serving.

What a fusion is fitted on and what it is asked with come from the same indexes and the same
loops, so that the two cannot drift apart.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from components.shop_ranking.engine.batches import joined
from components.shop_ranking.engine.candidate_sets import CandidateSet, candidates_of, concatenate
from components.shop_ranking.engine.candidates import SOURCES, CandidateSources
from components.shop_ranking.engine.ease_scores import EaseScores, Touched
from components.shop_ranking.engine.features import Rows
from components.shop_ranking.engine.history import Ints
from components.shop_ranking.engine.row_scores import score_rows
from components.shop_ranking.engine.states import ItemState, ShopperState

TOGETHER = 256  # shoppers whose rows are made at once


class Engine:
    """Proposes items to shoppers and makes rows of them; safe across threads.

    Args:
        items: the catalogue at one moment.
        new: items never bought before that each source proposes a shopper.
        bought: items bought before that are proposed a shopper.

    """

    def __init__(self, items: ItemState, *, new: int, bought: int) -> None:
        self.items = ItemState(  # in memory, not mapped: a page fault costs more than a request
            numbers=np.array(items.numbers),
            eligible=np.array(items.eligible),
            groups=np.array(items.groups),
            vectors={name: np.array(vectors) for name, vectors in items.vectors.items()},
            ease=items.ease,
        )
        self.sources = CandidateSources(self.items, new=new, bought=bought)
        self.new, self.indexes, self.popular = new, self.sources.indexes, self.sources.popular
        self.ease = EaseScores(self.items)
        for name in ("norms", "moments", "group_sessions_28", "group_sizes", "order"):
            getattr(self.items, name)  # computed now, not by the first request

    def candidates(self, shoppers: ShopperState) -> CandidateSet:
        """Return the candidates of all of `shoppers` with their features."""
        starts = range(0, max(len(shoppers), 1), TOGETHER)
        batches = (np.arange(start, min(start + TOGETHER, len(shoppers))) for start in starts)
        return concatenate([self._batch(shoppers.take(batch)) for batch in batches])

    def rows(self, shoppers: ShopperState, items: Sequence[Ints]) -> CandidateSet:
        """Return given items of each shopper, ascending, with their features; no source is named.

        Args:
            shoppers: B shoppers.
            items: those of each shopper, ascending, each once.

        """
        apart = _apart(shoppers)
        return self._rows(shoppers, apart, items, [self.ease.touched(one) for one in apart])

    def _batch(self, shoppers: ShopperState) -> CandidateSet:
        apart = _apart(shoppers)
        self.sources.find_nearest(apart)
        ease = [self.ease.touched(shopper) for shopper in apart]
        proposed = [self.sources.propose(*given) for given in zip(apart, ease, strict=True)]
        items = [np.unique(np.concatenate(lists)).astype(np.int32) for lists in proposed]
        marks = [_marks(*given) for given in zip(items, proposed, strict=True)]
        none = np.zeros((0, len(SOURCES)), bool)
        return replace(
            self._rows(shoppers, apart, items, ease), sources=np.concatenate([none, *marks])
        )

    def _rows(
        self, shoppers: ShopperState, apart: Sequence[ShopperState], items: Sequence[Ints],
        ease: Sequence[Touched],
    ) -> CandidateSet:  # fmt: skip
        owner = np.repeat(np.arange(len(apart)), [len(mine) for mine in items])
        item = np.concatenate([np.zeros(0, np.int32), *items])
        scores = joined([self.ease.at(*given) for given in zip(ease, items, apart, strict=True)])
        pair = [
            np.where((place := _pair_of(shopper, mine)) >= 0, place + first, -1)
            for shopper, mine, first in zip(apart, items, shoppers.ptr[:-1].tolist(), strict=True)
        ]
        return candidates_of(
            Rows(
                shoppers,
                self.items,
                score_rows(shoppers, self.items, scores, owner, item),
                owner,
                item,
                np.concatenate([np.zeros(0, np.int32), *pair]).astype(np.int32),
            )
        )


def _apart(shoppers: ShopperState) -> list[ShopperState]:
    """Return each shopper of a batch alone."""
    if len(shoppers) == 1:
        return [shoppers]
    return [shoppers.take(np.array([row])) for row in range(len(shoppers))]


def _marks(items: Ints, proposed: Sequence[Ints]) -> npt.NDArray[np.bool_]:
    """Mark who proposed each item, (items, SOURCES)."""
    marks = np.zeros((len(items), len(SOURCES)), bool)
    for source, mine in enumerate(proposed):
        marks[np.searchsorted(items, mine), source] = True
    return marks


def _pair_of(shopper: ShopperState, items: Ints) -> Ints:
    """Return each item's row in the shopper's pairs, -1 where never touched."""
    if len(shopper.item) == 0:
        return np.full(len(items), -1, np.int32)
    order = np.argsort(shopper.item)
    place = order[np.searchsorted(shopper.item, items, sorter=order).clip(max=len(order) - 1)]
    return np.where(shopper.item[place] == items, place, -1).astype(np.int32)
