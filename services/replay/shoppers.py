"""Who clicks: the shopper of a real basket, or one of the simulator's with known tastes."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from components.platform.errors import DataError
from components.platform.pseudonyms import pseudonym
from components.shop_ranking.data_ingestion.adapters.simulated_shop import truth as read_truth
from components.shop_ranking.data_ingestion.simulator.catalogue import START
from components.shop_ranking.data_ingestion.simulator.shoppers import (
    APPEAL_WEIGHT,
    REBUY_SHARE,
    Truth,
)
from components.shop_ranking.data_ingestion.simulator.visits import react
from services.replay.visits import Visit

DAY = 86_400  # seconds


@dataclass(frozen=True)
class Reaction:
    """What a shopper did with an answer: places from 0 in its list."""

    clicked: tuple[int, ...]
    bought: tuple[int, ...]  # because it was shown, apart from what is bought anyway


class Shopper(Protocol):
    """Answers for everybody who comes."""

    def react(self, visit: Visit, shown: Sequence[str], part: str) -> Reaction:
        """Look at item ids, best first; `part` names the list within the visit."""


class RealBaskets:
    """Clicks what is shown and really in the basket; buys the basket and nothing else."""

    def react(self, visit: Visit, shown: Sequence[str], part: str) -> Reaction:
        """Return the places of the items that the visit really ended with."""
        wanted = {line.item_id for line in visit.basket}
        return Reaction(tuple(place for place, item in enumerate(shown) if item in wanted), ())


@dataclass
class SimulatedShoppers:
    """The simulator's click model: examined by position, clicked and bought by true preference.

    Draws come from the seed and the visit alone, so that a visit that is repeated is the same.
    """

    truth: Truth
    seed: int
    _bought: set[tuple[int, int]] = field(default_factory=set)  # (shopper, item), by taste

    def __post_init__(self) -> None:
        """Number the shoppers by pseudonym and the items by id."""
        users = (pseudonym(str(name)) for name in self.truth.user_ids)
        self._user = {name: row for row, name in enumerate(users)}
        self._item = {str(name): row for row, name in enumerate(self.truth.item_ids)}

    @classmethod
    def of(cls, raw: Path, seed: int) -> "SimulatedShoppers":
        """Read the truth beside the raw tables of a simulated shop."""
        return cls(read_truth(raw), seed)

    def react(self, visit: Visit, shown: Sequence[str], part: str) -> Reaction:
        """Examine, click and buy; an item bought by taste before is mostly left alone.

        Raises:
            DataError: a shown item is none of this shop's.

        """
        strange = [item for item in shown if item not in self._item]
        if strange:
            raise DataError(
                "a row of items of this simulated shop",
                strange[0],
                "serve a champion of the same dataset, or use another SHOPFUSION_HOME for each",
            )
        user = self._user[visit.user_id]
        items = np.array([self._item[item] for item in shown], np.int64)
        taste = self.truth.text[user, items] + self.truth.picture[user, items]
        utility = taste + APPEAL_WEIGHT * self.truth.appeal[items]
        rng = np.random.default_rng([self.seed, zlib.crc32(f"{visit.key}/{part}".encode())])
        clicked, bought = (drawn_1N[0] for drawn_1N in react(utility[None], rng))
        day = (visit.moment - START).total_seconds() / DAY
        known = self.truth.tasted[user, items] < day
        known |= np.array([(user, item) in self._bought for item in items.tolist()], bool)
        bought &= ~known | (rng.random(len(items)) < REBUY_SHARE)
        self._bought |= {(user, item) for item in items[bought].tolist()}
        return Reaction(
            tuple(np.flatnonzero(clicked).tolist()), tuple(np.flatnonzero(bought).tolist())
        )
