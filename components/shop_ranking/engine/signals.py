"""Scores of every item for a batch of shoppers: the towers, EASE, habit and popularity.

These are what candidates are drawn from, what the fusions without features combine, and the
strongest features of those with.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.states import TOWERS, ItemState, ShopperState

# EASE over all a shopper ever bought, and over the same weighted by recency (Steck, WWW 2019).
EASE = ("ease", "ease_recent")
SIGNALS = (*TOWERS, *EASE, "habit", "popularity")


@dataclass(frozen=True)
class Signals:
    """`scores[name]` is (B, I), NaN where the shopper or the item lacks what it needs."""

    scores: dict[str, Floats]
    pair: npt.NDArray[np.int32]  # (B, I) row in ShopperState.pairs, -1 where never touched
    bought: npt.NDArray[np.bool_]  # (B, I) has a target event


def compute_signals(shoppers: ShopperState, items: ItemState) -> Signals:
    """Score all items; memory is about 11 x B x I x 4 bytes."""
    count, width = len(shoppers), len(items.eligible)
    cells = (shoppers.owner, shoppers.item)
    pair = np.full((count, width), -1, np.int32)
    pair[cells] = np.arange(len(shoppers.item))
    bought_pair = shoppers.pair_column("sessions") > 0
    bought = np.zeros((count, width), bool)
    bought[cells] = bought_pair
    scores = {tower: _dot(shoppers.vectors[tower], items.vectors[tower]) for tower in TOWERS}
    recent = shoppers.pair_column("decayed_120")
    scores |= ease_products(shoppers, items)
    for name in EASE:
        scores[name][np.diff(shoppers.ptr) == 0 if items.ease.nnz else slice(None)] = np.nan
    scores["habit"] = np.zeros((count, width), np.float32)
    scores["habit"][cells] = recent
    popularity = np.log1p(items.column("sessions_28"))
    scores["popularity"] = np.broadcast_to(popularity, (count, width))
    return Signals({name: scores[name] for name in SIGNALS}, pair, bought)


def _dot(users_BD: Floats, items_ID: Floats) -> Floats:
    """Return the tower's scores, (B, I); a row of NaN on either side makes NaN."""
    return np.asarray(users_BD, np.float32) @ np.asarray(items_ID, np.float32).T


def ease_products(shoppers: ShopperState, items: ItemState) -> dict[str, Floats]:
    """Return the scores of each of EASE, (B, I); summed in double precision, rounded once."""
    shape = (len(shoppers), len(items.eligible))
    found = {}
    for name, weights in ease_weights(shoppers).items():
        owned = csr_array((weights, shoppers.item, shoppers.ptr), shape=shape)
        found[name] = (owned @ items.ease_exact).toarray().astype(np.float32)
    return found


def ease_weights(shoppers: ShopperState) -> dict[str, npt.NDArray[np.float64]]:
    """Return what each pair counts in each of EASE, (P,)."""
    bought = shoppers.pair_column("sessions") > 0
    recent = np.log1p(shoppers.pair_column("decayed_120"))
    return {"ease": bought.astype(np.float64), "ease_recent": recent.astype(np.float64)}
