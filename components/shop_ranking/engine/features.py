"""The features of (shopper, item) rows: one compiled loop for training and for serving.

It reads arrays of shopper and item state only, never targets and never a clock, so what a model
is trained on is what it is asked with. A feature is computed in single precision, a sum in double
precision and rounded once. A row depends on its own shopper and item alone (ADR 14).
"""

from collections import namedtuple
from typing import Any

import numpy as np
import numpy.typing as npt

from components.platform.compiled import compiled
from components.shop_ranking.engine.feature_names import FEATURES, SHOPPER
from components.shop_ranking.engine.feature_states import (
    GROUPS,
    ITEM_COLUMNS,
    ItemState,
    ShopperState,
)
from components.shop_ranking.engine.history import PAIR_COLUMNS, SHOPPER_COLUMNS, Floats, Ints
from components.shop_ranking.params.fusion import RowParams

NAN, ONE = np.float32(np.nan), np.float32(1)
MONTH_IN_QUARTER = np.float32(91 / 28)


def _numbered(name: str, columns: Any) -> Any:
    """Return the place of each column by its name; a compiled loop reads it as a constant."""
    return namedtuple(name, columns)(*range(len(columns)))


AT = _numbered("At", list(FEATURES))
PAIR = _numbered("Pair", PAIR_COLUMNS)
OF_SHOPPER = _numbered("OfShopper", SHOPPER_COLUMNS)
ITEM = _numbered("Item", ITEM_COLUMNS)
ALIKE = np.array(  # features that are a column of the pair, 0 where never touched
    [[list(FEATURES).index(name), PAIR_COLUMNS.index(name)] for name in (
        "sessions", "interactions", "decayed_14", "decayed_45", "decayed_120", "visits_5",
        "visits_20",
    )]
)  # fmt: skip
COPIED = np.array(  # features that are a column of the shopper
    [[list(FEATURES).index(name), SHOPPER_COLUMNS.index(name.removeprefix("user_"))]
     for name in SHOPPER]
)  # fmt: skip
AFFINITY = np.array([list(FEATURES).index(f"{group}_decayed") for group in GROUPS])
CATEGORY, PRODUCT_TYPE = GROUPS.index("category"), GROUPS.index("product_type")


def assemble(
    shoppers: ShopperState, items: ItemState, ptr: npt.NDArray[np.int64], item: Ints, pair: Ints,
    params: RowParams,
) -> Floats:  # fmt: skip
    """Return the features of rows, (R, len(FEATURES)); NaN is missing, as all scores are here.

    Args:
        shoppers: B shoppers.
        items: the catalogue.
        ptr: (B + 1,) rows ptr[b]:ptr[b + 1] are those of shopper b.
        item: (R,).
        pair: (R,) row in the shoppers' pairs, -1 where never touched.
        params: how the days between two purchases are expected.

    """
    features = np.full((len(item), len(FEATURES)), NAN, np.float32)
    sizes = np.array(items.group_sizes, np.int64)
    _fill(
        features, ptr, item, pair, shoppers.ptr, shoppers.item, shoppers.pairs, shoppers.numbers,
        items.numbers, items.groups, sizes, items.group_sessions_28,
        np.float32(params.prior_gaps), np.float32(params.default_gap_days),
    )  # fmt: skip
    return features


@compiled
def _fill(
    out: Floats, row_ptr: Any, row_item: Ints, row_pair: Ints, ptr: Any, item: Ints, pairs: Floats,
    numbers: Floats, catalogue: Floats, groups: Ints, sizes: Any, group_sold: Floats,
    prior_gaps: np.float32, default_gap: np.float32,
) -> None:  # fmt: skip
    starts = np.zeros(len(sizes) + 1, np.int64)
    starts[1:] = np.cumsum(sizes)
    sums = np.zeros((starts[-1], 4))  # of a shopper: decayed, items, paid, units in each group
    latest = np.full(starts[-1], np.float32(np.inf))  # days since the last purchase in each group
    none = np.full(pairs.shape[1], NAN, np.float32)
    for shopper in range(len(row_ptr) - 1):
        mine = slice(ptr[shopper], ptr[shopper + 1])
        _add_up_groups(sums, latest, starts, item[mine], pairs[mine], groups)
        for row in range(row_ptr[shopper], row_ptr[shopper + 1]):
            features, thing, code = out[row], catalogue[row_item[row]], groups[row_item[row]]
            touched = row_pair[row] >= 0
            pair = pairs[row_pair[row]] if touched else none
            for k in range(len(ALIKE)):
                features[ALIKE[k, 0]] = pair[ALIKE[k, 1]] if touched else 0
            for k in range(len(COPIED)):
                features[COPIED[k, 0]] = numbers[shopper, COPIED[k, 1]]
            _habit(features, pair, numbers[shopper], thing, prior_gaps, default_gap)
            _item(features, thing)
            _affinity(features, code, starts, sums, latest, numbers[shopper])
            for group in range(len(sizes)):
                sold = group_sold[row_item[row], group]
                features[AFFINITY[group] + 5] = thing[ITEM.sessions_28] / sold
            _price(features, thing, numbers[shopper], code, starts, sums)
            for k in range(len(features)):
                features[k] = NAN if np.isinf(features[k]) else features[k]
        _clean_groups(sums, latest, starts, item[mine], groups)


@compiled
def _clean_groups(sums: Any, latest: Floats, starts: Any, item: Ints, groups: Ints) -> None:
    """Forget a shopper's sums."""
    for place in range(len(item)):
        for group in range(len(starts) - 1):
            code = groups[item[place], group]
            if code >= 0:
                sums[starts[group] + code] = 0
                latest[starts[group] + code] = np.inf


@compiled
def _add_up_groups(
    sums: Any, latest: Floats, starts: Any, item: Ints, pairs: Floats, groups: Ints
) -> None:
    """Add a shopper's pairs up over the groups of their items."""
    for place in range(len(item)):
        decayed, days = pairs[place, PAIR.decayed_120], pairs[place, PAIR.days_since_last]
        paid, units = pairs[place, PAIR.spend], pairs[place, PAIR.quantity]
        for group in range(len(starts) - 1):
            code = groups[item[place], group]
            if code < 0:
                continue
            at = starts[group] + code
            sums[at, 0] += decayed
            sums[at, 1] += decayed > 0
            if not np.isnan(paid):
                sums[at, 2] += paid
            if not np.isnan(units):
                sums[at, 3] += units
            latest[at] = min(latest[at], days)


@compiled
def _habit(
    out: Floats, pair: Floats, mine: Floats, thing: Floats, prior_gaps: np.float32,
    default_gap: np.float32,
) -> None:  # fmt: skip
    last, since, span = pair[PAIR.days_since_last], pair[PAIR.visits_since], pair[PAIR.visits_span]
    out[AT.days_since_last], out[AT.days_since_first] = last, pair[PAIR.days_since_first]
    out[AT.visits_since] = since
    sessions = out[AT.sessions]
    bought = sessions if sessions > 0 else NAN
    gaps = bought - ONE
    between = pair[PAIR.days_since_first] - last
    usual = thing[ITEM.mean_gap_days]
    prior = prior_gaps * (default_gap if np.isnan(usual) else usual)
    expected = (between + prior) / (gaps + prior_gaps)
    gap = between / gaps if gaps > 0 else NAN
    out[AT.share_of_visits] = sessions / mine[OF_SHOPPER.sessions]
    out[AT.rate_since_first] = bought / span
    out[AT.share_of_decayed] = out[AT.decayed_120] / mine[OF_SHOPPER.decayed_120]
    out[AT.gap_days] = gap
    out[AT.due] = last / gap
    out[AT.expected_gap_days] = expected
    out[AT.expected_due] = last / expected
    visits = gaps if np.isnan(gaps) or gaps > 1 else ONE
    out[AT.visits_due] = since / ((span - ONE - since) / visits + ONE)
    out[AT.spend_per_session] = pair[PAIR.spend] / bought
    out[AT.quantity_per_session] = pair[PAIR.quantity] / bought
    out[AT.pair_discounted_share] = pair[PAIR.discounted_share]


@compiled
def _item(out: Floats, thing: Floats) -> None:
    week, month = thing[ITEM.sessions_7], thing[ITEM.sessions_28]
    out[AT.item_sessions], out[AT.item_users] = thing[ITEM.sessions], thing[ITEM.users]
    out[AT.item_sessions_7], out[AT.item_sessions_28] = week, month
    out[AT.item_sessions_91] = thing[ITEM.sessions_91]
    out[AT.item_trend] = (month + ONE) / (thing[ITEM.sessions_91] + MONTH_IN_QUARTER)
    out[AT.item_trend_7] = (week + ONE) / (month + np.float32(4))
    out[AT.item_sessions_per_user] = thing[ITEM.sessions] / thing[ITEM.users]
    out[AT.item_repeat_rate] = thing[ITEM.repeat_rate]
    out[AT.item_gap_days] = thing[ITEM.mean_gap_days]
    out[AT.item_days_since_first] = thing[ITEM.days_since_first]


@compiled
def _price(out: Floats, thing: Floats, mine: Floats, code: Ints, starts: Any, sums: Any) -> None:
    price, recent = thing[ITEM.mean_price], thing[ITEM.discounted_share_28]
    out[AT.item_price] = price
    out[AT.item_price_change] = thing[ITEM.price_28] / price
    out[AT.item_discounted_share] = thing[ITEM.discounted_share]
    out[AT.item_discount_change] = recent - thing[ITEM.discounted_share]
    out[AT.price_to_usual] = price / mine[OF_SHOPPER.mean_price]
    out[AT.discount_match] = recent * mine[OF_SHOPPER.discounted_share]
    if code[CATEGORY] >= 0:
        paid = sums[starts[CATEGORY] + code[CATEGORY]]
        out[AT.price_to_usual_in_category] = price / (np.float32(paid[2]) / np.float32(paid[3]))
    if code[PRODUCT_TYPE] >= 0:
        paid = sums[starts[PRODUCT_TYPE] + code[PRODUCT_TYPE]]
        out[AT.price_to_usual_in_product_type] = price / (np.float32(paid[2]) / np.float32(paid[3]))


@compiled
def _affinity(
    out: Floats, code: Ints, starts: Any, sums: Any, latest: Floats, mine: Floats
) -> None:
    """Write five of the six features of each group: the sixth is the item's alone."""
    for group in range(len(starts) - 1):
        at = AFFINITY[group]
        if code[group] < 0:
            continue
        cell = starts[group] + code[group]
        inside = np.float32(sums[cell, 0])
        out[at] = inside
        out[at + 1] = inside / mine[OF_SHOPPER.decayed_120]
        out[at + 2] = latest[cell]
        out[at + 3] = np.float32(sums[cell, 1])
        out[at + 4] = out[AT.decayed_120] / inside
