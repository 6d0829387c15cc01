"""What a shopper's events say of each item they touched: the state that features are made of.

The same function summarises the sequences of a cut, when the fused ranker is trained, and the
events a client sends along, when it answers: training and serving cannot drift apart.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

HALF_LIVES_DAYS = (14, 45, 120)
RECENT_VISITS = (5, 20)
RECENT_DAYS = (28, 91)

# Of a (shopper, item) pair. A visit is a session; sessions without a target event count as visits.
PAIR_COLUMNS = (
    "sessions",  # with a target event (a purchase, unless params say otherwise)
    "interactions",  # events of any type
    "days_since_first",  # days from the first and last target event to the cut, NaN for none
    "days_since_last",
    "decayed_14",  # sum over sessions with a target event of 2^(-age / half-life in days)
    "decayed_45",
    "decayed_120",
    "visits_5",  # how many of the shopper's last 5 (20) visits had the item
    "visits_20",
    "visits_since",  # visits after the last one with the item
    "visits_span",  # visits since, and with, the first one with the item
    "spend",  # money paid for it; NaN where no order is known
    "quantity",
    "discounted_share",  # of its orders
)

SHOPPER_COLUMNS = (
    "sessions",
    "sessions_28",  # in the 28 (91) days before the cut
    "sessions_91",
    "items",  # distinct, with a target event
    "days_since_first",
    "days_since_last",
    "mean_basket",  # distinct items a session with a target event
    "repeat_share",  # of (item, session) pairs with a target event, those bought before
    "decayed_120",  # sum over items
    "discounted_share",  # of order lines; NaN where no order is known
    "mean_price",
)


def decay(age: npt.NDArray[Any], half_life: float) -> npt.NDArray[Any]:
    """Return what an event of this age counts: 1 now, a half after one half-life (same unit).

    >>> decay(np.array([0.0, 45.0, 90.0]), 45).tolist()
    [1.0, 0.5, 0.25]
    """
    weight: npt.NDArray[Any] = np.exp2(-age / half_life)
    return weight


@dataclass(frozen=True)
class Events:
    """Events of B shoppers; the N rows are grouped by shopper, oldest first."""

    ptr: npt.NDArray[np.int64]  # (B + 1,) rows ptr[b]:ptr[b + 1] belong to shopper b
    item: Ints  # (N,)
    day: Floats  # (N,) days before the cut (or before now), > 0
    session: Ints  # (N,) 0.. within the shopper, in time order
    is_target: npt.NDArray[np.bool_]  # (N,)


@dataclass(frozen=True)
class Summary:
    """The P pairs and B shoppers of some events; pairs are grouped by shopper, latest last."""

    ptr: npt.NDArray[np.int64]  # (B + 1,)
    item: Ints  # (P,)
    pairs: Floats  # (P, len(PAIR_COLUMNS))
    shoppers: Floats  # (B, len(SHOPPER_COLUMNS))


def summarise(events: Events) -> Summary:
    """Return the state of every touched (shopper, item) pair and of every shopper.

    Columns that need orders (spend, quantity, discounted_share, mean_price) are NaN here.
    """
    count = len(events.ptr) - 1
    shopper = np.repeat(np.arange(count), np.diff(events.ptr))
    last_visit = np.full(count, -1, np.int64)
    np.maximum.at(last_visit, shopper, events.session)
    back = last_visit[shopper] - events.session  # 0 = the latest visit

    # One row a (shopper, item, session), with the age of the latest event and whether it counts.
    order = np.lexsort((events.session, events.item, shopper))
    s, i, v = shopper[order], events.item[order], events.session[order]
    new_pair = _changes(s, i)
    new_visit = new_pair | _changes(v)
    starts = np.flatnonzero(new_visit)
    pair_of_visit = (np.cumsum(new_pair) - 1)[starts]
    hit = np.logical_or.reduceat(events.is_target[order], starts) if len(starts) else starts > 0
    age_by_visit = np.where(events.is_target[order], events.day[order], np.inf)
    age = np.minimum.reduceat(age_by_visit, starts) if len(starts) else age_by_visit
    visit_back = back[order][starts]

    first_row = np.flatnonzero(new_pair)
    pair_shopper, pair_item = s[first_row], i[first_row]
    pairs = np.full((len(first_row), len(PAIR_COLUMNS)), np.nan, np.float32)
    column = {name: pairs[:, k] for k, name in enumerate(PAIR_COLUMNS)}

    def per_pair(weights: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        return np.bincount(pair_of_visit, weights, minlength=len(first_row))

    column["sessions"][:] = per_pair(hit.astype(float))
    column["interactions"][:] = np.diff(np.append(first_row, len(order)))
    bought = column["sessions"] > 0
    pair_start = np.flatnonzero(_changes(pair_of_visit))
    if len(pair_start):
        latest = np.minimum.reduceat(age, pair_start)
        oldest = np.maximum.reduceat(np.where(hit, age, -np.inf), pair_start)
        column["days_since_last"][:] = np.where(bought, latest, np.nan)
        column["days_since_first"][:] = np.where(bought, oldest, np.nan)
        column["visits_since"][:] = np.minimum.reduceat(visit_back, pair_start)
        column["visits_span"][:] = np.maximum.reduceat(visit_back, pair_start) + 1
    for half_life in HALF_LIVES_DAYS:
        column[f"decayed_{half_life}"][:] = per_pair(np.where(hit, decay(age, half_life), 0))
    for visits in RECENT_VISITS:
        column[f"visits_{visits}"][:] = per_pair((visit_back < visits).astype(float))

    shoppers = _shoppers(events, shopper, pair_shopper, column, hit=hit, visit_shopper=s[starts])
    latest_last = np.lexsort((pair_item, -column["visits_since"], pair_shopper))
    return Summary(
        ptr=np.concatenate([[0], np.cumsum(np.bincount(pair_shopper, minlength=count))]),
        item=pair_item[latest_last],
        pairs=pairs[latest_last],
        shoppers=shoppers,
    )


def _shoppers(
    events: Events,
    shopper: npt.NDArray[np.int64],
    pair_shopper: npt.NDArray[np.int64],
    pair: dict[str, Floats],
    *,
    hit: npt.NDArray[np.bool_],
    visit_shopper: npt.NDArray[np.int64],
) -> Floats:
    """Return (B, len(SHOPPER_COLUMNS)); `hit` and `visit_shopper` have a row a (pair, session)."""
    count = len(events.ptr) - 1
    target = events.is_target
    keys = shopper[target] * (events.session.max(initial=0) + 1) + events.session[target]
    where = np.unique(keys, return_index=True)[1]
    owner, day = shopper[target][where], events.day[target][where]
    numbers = np.full((count, len(SHOPPER_COLUMNS)), np.nan, np.float32)
    column = {name: numbers[:, k] for k, name in enumerate(SHOPPER_COLUMNS)}
    sessions = np.bincount(owner, minlength=count)
    lines = np.bincount(visit_shopper[hit], minlength=count)
    items = np.bincount(pair_shopper[pair["sessions"] > 0], minlength=count)
    column["sessions"][:] = sessions
    for days in RECENT_DAYS:
        column[f"sessions_{days}"][:] = np.bincount(owner[day <= days], minlength=count)
    column["items"][:] = items
    column["mean_basket"][:] = lines / np.maximum(sessions, 1)
    column["repeat_share"][:] = 1 - items / np.maximum(lines, 1)
    column["decayed_120"][:] = np.bincount(pair_shopper, pair["decayed_120"], minlength=count)
    for name, worst, best in (
        ("days_since_first", -np.inf, np.maximum),
        ("days_since_last", np.inf, np.minimum),
    ):
        extreme = np.full(count, worst)
        best.at(extreme, owner, day)
        column[name][:] = np.where(sessions > 0, extreme, np.nan)
    return numbers


def _changes(*keys: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Mark the rows where any of the sorted keys differs from the row before."""
    changed = np.ones(len(keys[0]), bool)
    for number, key in enumerate(keys):
        differs = key[1:] != key[:-1]
        changed[1:] = differs if number == 0 else changed[1:] | differs
    return changed
