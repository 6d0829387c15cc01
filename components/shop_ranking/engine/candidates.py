"""Which items are worth the features of a fusion: a few hundred a shopper, from several sources."""

import numpy as np
import numpy.typing as npt

from components.shop_ranking.engine.history import Floats
from components.shop_ranking.engine.signals import Signals
from components.shop_ranking.engine.states import GROUPS, TOWERS, ItemState, ShopperState

# Of new items, each source proposes its first ones; items bought before come by habit and recency.
NEW_ITEM_SOURCES = (*TOWERS, "ease", "ease_recent", "popularity", "category_popularity")
BOUGHT_ITEM_SOURCES = ("habit",)
SOURCES = (*NEW_ITEM_SOURCES, *(f"bought_{name}" for name in BOUGHT_ITEM_SOURCES))


def propose(
    shoppers: ShopperState, items: ItemState, signals: Signals, *, new: int, bought: int
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return what each source proposes, (B, I) a source: eligible items only.

    Args:
        shoppers: B shoppers.
        items: the I items.
        signals: scores of these shoppers and items.
        new: items never bought before that each of NEW_ITEM_SOURCES proposes a shopper.
        bought: items bought before that each of BOUGHT_ITEM_SOURCES proposes a shopper.

    """
    scores = {**signals.scores, "category_popularity": _category_popularity(shoppers, items)}
    fresh = items.eligible & ~signals.bought
    owned = items.eligible & signals.bought
    proposed = {name: _first(scores[name], fresh, new) for name in NEW_ITEM_SOURCES}
    for name in BOUGHT_ITEM_SOURCES:
        proposed[f"bought_{name}"] = _first(scores[name], owned, bought)
    return proposed


def _first(scores_BI: Floats, allowed_BI: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.bool_]:
    """Mark the k best allowed items a row; a score of NaN is never proposed."""
    if k == 0:
        return np.zeros(allowed_BI.shape, bool)
    usable = allowed_BI & ~np.isnan(scores_BI)
    k = min(k, scores_BI.shape[1])
    masked = np.where(usable, scores_BI, -np.inf)
    best = np.argpartition(masked, scores_BI.shape[1] - k, axis=1)[:, -k:]
    marked = np.zeros(usable.shape, bool)
    np.put_along_axis(marked, best, True, axis=1)
    return marked & usable


def _category_popularity(shoppers: ShopperState, items: ItemState) -> Floats:
    """Popularity weighted by how much the shopper buys of the item's category, (B, I)."""
    code = items.groups[:, GROUPS.index("category")]
    size = int(code.max(initial=0)) + 2  # the last one is for items without a category
    cell = shoppers.owner * size + code[shoppers.item]
    cell = np.where(code[shoppers.item] < 0, shoppers.owner * size + size - 1, cell)
    bought = np.bincount(
        cell, shoppers.pair_column("decayed_120"), minlength=len(shoppers) * size
    ).reshape(len(shoppers), size)
    bought[:, -1] = 0
    affinity_BI = bought.astype(np.float32)[:, code]
    scores_BI: Floats = affinity_BI * np.log1p(items.column("sessions_28"))
    return np.where(affinity_BI > 0, scores_BI, np.float32(np.nan))
