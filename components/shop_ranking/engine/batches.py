"""Shoppers who wait at the same moment, put together so that they are scored as one batch."""

from collections.abc import Iterator, Sequence

import numpy as np

from components.shop_ranking.engine.feature_states import ShopperState
from components.shop_ranking.engine.history import Events, Summary


def stacked(states: Sequence[ShopperState]) -> ShopperState:
    """Return the states of several shoppers as one, in their order."""
    if len(states) == 1:
        return states[0]
    ends = np.cumsum([len(state.item) for state in states])
    return ShopperState(
        users=np.concatenate([state.users for state in states]),
        ptr=np.concatenate([[0], ends]).astype(np.int64),
        item=np.concatenate([state.item for state in states]),
        pairs=np.concatenate([state.pairs for state in states]),
        numbers=np.concatenate([state.numbers for state in states]),
        vectors={
            tower: np.concatenate([state.vectors[tower] for state in states])
            for tower in states[0].vectors
        },
    )


def together(parts: Sequence[Events]) -> Events:
    """Return the events of shoppers, one a part, as one batch."""
    lengths = [len(part.item) for part in parts]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("item", "day", "session", "is_target")
    }
    return Events(ptr=np.concatenate([[0], np.cumsum(lengths)]), **columns)


def split(whole: Summary) -> Iterator[Summary]:
    """Yield the summary of each shopper of a batch."""
    for row in range(len(whole.ptr) - 1):
        pairs = slice(whole.ptr[row], whole.ptr[row + 1])
        yield Summary(
            ptr=whole.ptr[row : row + 2] - whole.ptr[row],
            item=whole.item[pairs],
            pairs=whole.pairs[pairs].copy(),  # money is added to it
            shoppers=whole.shoppers[row : row + 1].copy(),
        )
