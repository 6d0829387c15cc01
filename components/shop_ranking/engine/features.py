"""The features of (shopper, item) rows: one function for training and for serving.

It reads arrays of shopper and item state only, never targets and never a clock, so what a model
is trained on is what it is asked with.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.shop_ranking.engine.feature_names import FEATURES, SHOPPER
from components.shop_ranking.engine.history import Floats, Ints
from components.shop_ranking.engine.row_scores import RowScores
from components.shop_ranking.engine.states import GROUPS, ItemState, ShopperState

PRIOR_GAPS = 1.5  # how many observed gaps the item's mean gap is worth against the personal one
DEFAULT_GAP_DAYS = 60.0


@dataclass(frozen=True)
class Rows:
    """R candidate rows of a batch of B shoppers."""

    shoppers: ShopperState
    items: ItemState
    scores: RowScores
    shopper: npt.NDArray[np.int64]  # (R,) row in the batch, ascending
    item: Ints  # (R,)
    pair: npt.NDArray[np.int32]  # (R,) row in the pairs, -1 where never touched

    def of_pair(self, name: str, missing: float = np.nan) -> Floats:
        """A column of the pair, `missing` where there is none, (R,)."""
        if len(self.shoppers.item) == 0:
            return np.full(len(self.item), missing, np.float32)
        found = self.shoppers.pair_column(name)[np.maximum(self.pair, 0)]
        return np.where(self.pair >= 0, found, np.float32(missing))

    def of_item(self, name: str) -> Floats:
        """A column of the item, (R,)."""
        return self.items.column(name)[self.item]

    def of_shopper(self, name: str) -> Floats:
        """A column of the shopper, (R,)."""
        return self.shoppers.column(name)[self.shopper]


def assemble(rows: Rows) -> Floats:
    """Return the features of rows, (R, len(FEATURES)) float32; NaN is missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = {
            **_habit(rows),
            **_item(rows),
            **_price(rows),
            **{name: rows.of_shopper(name.removeprefix("user_")) for name in SHOPPER},
            **_affinity(rows),
            **_scores(rows),
        }
    features = np.empty((len(rows.item), len(FEATURES)), np.float32)
    for k, name in enumerate(FEATURES):
        features[:, k] = parts[name]
    features[np.isinf(features)] = np.nan
    return features


def _habit(rows: Rows) -> dict[str, Floats]:
    zero = ("sessions", "interactions", "decayed_14", "decayed_45", "decayed_120",
            "visits_5", "visits_20")  # fmt: skip
    unknown = ("days_since_last", "days_since_first", "visits_since")
    out = {name: rows.of_pair(name, 0.0) for name in zero}
    out |= {name: rows.of_pair(name) for name in unknown}
    sessions, last, since = out["sessions"], out["days_since_last"], out["visits_since"]
    bought = np.where(sessions > 0, sessions, np.nan)
    span = rows.of_pair("visits_span")
    gaps = bought - 1
    between = out["days_since_first"] - last
    item_gap = rows.of_item("mean_gap_days")
    prior = PRIOR_GAPS * np.where(np.isnan(item_gap), DEFAULT_GAP_DAYS, item_gap)
    expected = (between + prior) / (gaps + PRIOR_GAPS)
    gap = np.where(gaps > 0, between / gaps, np.nan)
    return out | {
        "share_of_visits": sessions / rows.of_shopper("sessions"),
        "rate_since_first": bought / span,
        "share_of_decayed": out["decayed_120"] / rows.of_shopper("decayed_120"),
        "gap_days": gap,
        "due": last / gap,
        "expected_gap_days": expected,
        "expected_due": last / expected,
        "visits_due": since / ((span - 1 - since) / np.maximum(gaps, 1) + 1),
        "spend_per_session": rows.of_pair("spend") / bought,
        "quantity_per_session": rows.of_pair("quantity") / bought,
        "pair_discounted_share": rows.of_pair("discounted_share"),
    }


def _item(rows: Rows) -> dict[str, Floats]:
    sold = {days: rows.of_item(f"sessions_{days}") for days in (7, 28, 91)}
    return {
        "item_sessions": rows.of_item("sessions"),
        "item_users": rows.of_item("users"),
        **{f"item_sessions_{days}": values for days, values in sold.items()},
        "item_trend": (sold[28] + 1) / (sold[91] + 91 / 28),
        "item_trend_7": (sold[7] + 1) / (sold[28] + 4),
        "item_sessions_per_user": rows.of_item("sessions") / rows.of_item("users"),
        "item_repeat_rate": rows.of_item("repeat_rate"),
        "item_gap_days": rows.of_item("mean_gap_days"),
        "item_days_since_first": rows.of_item("days_since_first"),
    }


def _price(rows: Rows) -> dict[str, Floats]:
    price = rows.of_item("mean_price")
    recent = rows.of_item("discounted_share_28")
    paid, units = (np.nan_to_num(rows.shoppers.pair_column(name)) for name in ("spend", "quantity"))
    usual = {
        group: price / (_in_group(rows, group, paid) / _in_group(rows, group, units))
        for group in ("category", "product_type")
    }
    return {
        "item_price": price,
        "item_price_change": rows.of_item("price_28") / price,
        "item_discounted_share": rows.of_item("discounted_share"),
        "item_discount_change": recent - rows.of_item("discounted_share"),
        "price_to_usual": price / rows.of_shopper("mean_price"),
        "price_to_usual_in_category": usual["category"],
        "price_to_usual_in_product_type": usual["product_type"],
        "discount_match": recent * rows.of_shopper("discounted_share"),
    }


def _affinity(rows: Rows) -> dict[str, Floats]:
    decayed = rows.shoppers.pair_column("decayed_120")
    last = rows.shoppers.pair_column("days_since_last")
    item_decayed = rows.of_pair("decayed_120", 0.0)
    out: dict[str, Floats] = {}
    for k, group in enumerate(GROUPS):
        inside = _in_group(rows, group, decayed)
        out |= {
            f"{group}_decayed": inside,
            f"{group}_share": inside / rows.of_shopper("decayed_120"),
            f"{group}_days_since_last": _latest_in_group(rows, group, last),
            f"{group}_items": _in_group(rows, group, (decayed > 0).astype(np.float32)),
            f"{group}_item_share": item_decayed / inside,
            f"{group}_popularity_share": rows.of_item("sessions_28")
            / rows.items.group_sessions_28[rows.item, k],
        }
    return out


def _scores(rows: Rows) -> dict[str, Floats]:
    scores = rows.scores
    return {
        **scores.at,
        **{f"{name}_z": values for name, values in scores.z.items()},
        **{f"{tower}_nearest": values for tower, values in scores.nearest.items()},
    }


def _in_group(rows: Rows, group: str, values_P: Floats) -> Floats:
    """Sum a column of the pairs over the item's group, for each row's shopper, (R,)."""
    k = GROUPS.index(group)
    size = rows.items.group_sizes[k]
    code_P = rows.items.groups[rows.shoppers.item, k]
    inside = code_P >= 0
    cell = rows.shoppers.owner[inside] * size + code_P[inside]
    sums = np.bincount(cell, values_P[inside], minlength=len(rows.shoppers) * size)
    return _gather(rows, k, sums.astype(np.float32))


def _latest_in_group(rows: Rows, group: str, days_P: Floats) -> Floats:
    k = GROUPS.index(group)
    size = rows.items.group_sizes[k]
    code_P = rows.items.groups[rows.shoppers.item, k]
    inside = (code_P >= 0) & ~np.isnan(days_P)
    latest = np.full(len(rows.shoppers) * size, np.inf, np.float32)
    np.minimum.at(latest, rows.shoppers.owner[inside] * size + code_P[inside], days_P[inside])
    return _gather(rows, k, latest)


def _gather(rows: Rows, k: int, cells: Floats) -> Floats:
    """Look up each row's (shopper, group) cell; NaN for an item without a group."""
    code = rows.items.groups[rows.item, k]
    if len(cells) == 0:
        return np.full(len(code), np.nan, np.float32)
    found = cells[rows.shopper * rows.items.group_sizes[k] + np.maximum(code, 0)]
    return np.where(code >= 0, found, np.float32(np.nan))
