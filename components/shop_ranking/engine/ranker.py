"""The fused ranker as it is served: an engine over items, states of shoppers, a fitted fusion.

It needs numpy, scipy, lightgbm and torch, and no table: shoppers known at training time are rows
of arrays mapped into memory, others are summarised from the events that come with the request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.platform.errors import ModelError
from components.shop_ranking.engine.engine import Engine, in_shares
from components.shop_ranking.engine.feature_states import TOWERS, ItemState, ShopperState
from components.shop_ranking.engine.fusion import METHODS
from components.shop_ranking.engine.fusion.interface import Fusion
from components.shop_ranking.engine.history import Events, Floats, Ints, decay, summarise
from components.shop_ranking.engine.trained_with import TrainedWith, read_choice


@dataclass(frozen=True)
class Ranked:
    """Candidates of a shopper, best first."""

    items: Ints  # (R,)
    scores: Floats  # (R,)
    bought: npt.NDArray[np.bool_]  # (R,) by this shopper before


class FusedRanker:
    """Ranks the catalogue for batches of shoppers; nothing in it changes once it is made."""

    def __init__(
        self, fusion: Fusion, items: ItemState, shoppers: ShopperState, trained_with: TrainedWith
    ) -> None:
        self.fusion, self.items, self.shoppers = fusion, items, shoppers
        self.trained_with = trained_with
        size = int(shoppers.users.max(initial=-1)) + 1
        self.row_of_user = np.full(size + 1, -1, np.int64)  # the last one is for unknown shoppers
        self.row_of_user[shoppers.users] = np.arange(len(shoppers))

    @classmethod
    def load(cls, folder: Path, method: str | None = None) -> "FusedRanker":
        """Read models/fused: the chosen method of fusion, or `method`.

        Raises:
            ModelError: a file is absent, or the method is unknown.
            LayoutError: the folder was written by code of another layout.

        """
        chosen, trained_with = read_choice(folder)
        name = method or chosen
        if name not in METHODS:
            raise ModelError(f"one of {', '.join(METHODS)}", repr(name), "name one of them")
        items = ItemState.load(folder / "state" / "items")
        if set(items.vectors) != set(TOWERS):
            raise ModelError(
                f"vectors of the towers {', '.join(TOWERS)} in {folder}",
                ", ".join(sorted(items.vectors)) or "none",
                "train the fusion again with these towers",
            )
        return cls(
            METHODS[name].load(folder / name),
            items,
            ShopperState.load(folder / "state" / "shoppers"),
            trained_with,
        )

    @cached_property
    def engine(self) -> Engine:
        """What proposes items and makes their rows."""
        return self.engine_over(self.items)

    def engine_over(self, items: ItemState) -> Engine:
        """Return what proposes as this ranker does, out of another catalogue."""
        return Engine(items, self.trained_with)

    def known(self, users: Ints) -> ShopperState:
        """Return the state of shoppers by user_index; an unknown one (-1) has no history."""
        row = self.row_of_user[np.where(users < len(self.row_of_user) - 1, users, -1)]
        if (row >= 0).all():
            return self.shoppers.take(row)
        strangers = self.from_history([np.zeros(0, np.int32)] * int((row < 0).sum()))
        both = _stack(self.shoppers.take(row[row >= 0]), strangers)
        order = np.empty(len(row), np.int64)
        order[np.flatnonzero(row >= 0)] = np.arange((row >= 0).sum())
        order[np.flatnonzero(row < 0)] = np.arange((row >= 0).sum(), len(row))
        return both.take(order)

    def from_history(self, histories: Sequence[Ints]) -> ShopperState:
        """Return the state of strangers from the items they touched, oldest first, this session.

        Text and image profiles come from those items' vectors; the behaviour tower is missing.
        """
        lengths = np.array([len(items) for items in histories], np.int64)
        ptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        item = np.concatenate([np.zeros(0, np.int32), *histories]).astype(np.int32)
        back = np.repeat(ptr[1:], lengths) - np.arange(len(item)) - 1
        events = Events(
            ptr=ptr,
            item=item,
            day=(back / 1440 + 1e-3).astype(np.float32),  # a minute between two items
            session=np.zeros(len(item), np.int32),
            is_target=np.zeros(len(item), bool),
        )
        summary = summarise(events)
        owner = np.repeat(np.arange(len(histories)), lengths)
        weight = decay(back, self.trained_with.history_half_life_items)
        return ShopperState(
            users=np.full(len(histories), -1, np.int32),
            ptr=summary.ptr,
            item=summary.item,
            pairs=summary.pairs,
            numbers=summary.shoppers,
            vectors={
                tower: self._profile(tower, owner, item, weight, len(histories)) for tower in TOWERS
            },
        )

    def ranked(self, shoppers: ShopperState) -> list[Ranked]:
        """Return each shopper's candidates with their fused scores, ranked on all cores."""
        return list(chain.from_iterable(in_shares(self._ranked, shoppers)))

    def _ranked(self, shoppers: ShopperState) -> list[Ranked]:
        candidates = self.engine.propose(shoppers)
        scores, ranked = self.fusion.score(candidates), []
        for first, end in pairwise(candidates.ptr.tolist()):
            best = first + np.argsort(-scores[first:end], kind="stable")
            ranked.append(Ranked(candidates.items[best], scores[best], candidates.bought[best]))
        return ranked

    def score(self, shoppers: ShopperState, items: Sequence[Ints]) -> list[Floats]:
        """Return the fused scores of any items of each shopper; all are scored as one batch."""
        ordered = [np.unique(mine, return_inverse=True) for mine in items]
        if not any(len(mine) for mine, _ in ordered):
            return [np.zeros(0, np.float32) for _ in items]
        candidates = self.engine.rows(shoppers, [mine.astype(np.int32) for mine, _ in ordered])
        scores = self.fusion.score(candidates)
        return [
            scores[first + back]
            for first, (_, back) in zip(candidates.ptr[:-1].tolist(), ordered, strict=True)
        ]

    def rank(
        self, shoppers: ShopperState, k: int = 10, *, novel: bool = False
    ) -> tuple[Ints, Floats]:
        """Return the k best items and their scores, (B, k) each, -1 and -inf where there are fewer.

        Candidates come by score; items that are no candidate follow, the most popular first.

        Args:
            shoppers: from `known` or `from_history`.
            k: length of each list.
            novel: leave out what the shopper bought before.

        """
        items = np.full((len(shoppers), k), -1, np.int32)
        scores = np.full((len(shoppers), k), -np.inf, np.float32)
        for row, ranked in enumerate(self.ranked(shoppers)):
            shown = np.flatnonzero(np.isfinite(ranked.scores) & ~(ranked.bought & novel))[:k]
            count = len(shown)
            items[row, :count], scores[row, :count] = ranked.items[shown], ranked.scores[shown]
            if count < k:
                rest = self._by_popularity(shoppers, row, items[row, :count], k - count, novel)
                floor = scores[row, count - 1] if count else np.float32(0)
                items[row, count : count + len(rest)] = rest
                scores[row, count : count + len(rest)] = floor - 1 - np.arange(len(rest))
        return items, scores

    def _by_popularity(
        self, shoppers: ShopperState, row: int, shown: Ints, count: int, novel: bool
    ) -> Ints:
        """Items that are no candidate, most popular first."""
        pairs = slice(shoppers.ptr[row], shoppers.ptr[row + 1])
        bought = shoppers.item[pairs][shoppers.pair_column("sessions")[pairs] > 0]
        hidden = np.concatenate([shown, bought]) if novel else shown
        order = self.items.order
        return order[~np.isin(order, hidden)][:count]

    def _profile(
        self,
        tower: str,
        owner: npt.NDArray[np.int64],
        item: Ints,
        weight: npt.NDArray[Any],
        count: int,
    ) -> Floats:
        vectors = self.items.vectors[tower]
        out = np.full((count, vectors.shape[1]), np.nan, np.float32)
        known = ~np.isnan(vectors[item]).any(1)
        if not TOWERS[tower].profiles or not known.any():
            return out
        total = np.zeros((count, vectors.shape[1]))
        np.add.at(total, owner[known], weight[known, None] * vectors[item[known]])
        norm = np.linalg.norm(total, axis=1, keepdims=True)
        return np.where(norm > 0, total / np.maximum(norm, 1e-9), np.nan).astype(np.float32)


def _stack(first: ShopperState, second: ShopperState) -> ShopperState:
    return replace(
        first,
        ptr=np.concatenate([first.ptr, first.ptr[-1] + second.ptr[1:]]),
        **{
            name: np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("users", "item", "pairs", "numbers")
        },
        vectors={
            tower: np.concatenate([first.vectors[tower], second.vectors[tower]])
            for tower in first.vectors
        },
    )
