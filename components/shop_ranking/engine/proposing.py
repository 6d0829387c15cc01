"""The loop in which the sources propose items to shoppers, one shopper after the other."""

from typing import Any

import numpy as np

from components.platform.compiled import compiled
from components.shop_ranking.engine.ease_scores import Doubles, add_up, clean, in_order, moments_of
from components.shop_ranking.engine.history import PAIR_COLUMNS, Floats, Ints
from components.shop_ranking.engine.top_k import top_k

DECAYED, SESSIONS = PAIR_COLUMNS.index("decayed_120"), PAIR_COLUMNS.index("sessions")


@compiled
def propose(
    ptr: Any, touched: Ints, pairs: Floats, ease_pairs: Doubles, start: Any, other: Ints,
    weight: Floats, eligible: Any, popular: Ints, sold: Floats, category: Ints, listed: Ints,
    near_ptr: Any, near: Ints, whole: Any, new: int, bought: int, scratch: Any,
) -> Any:  # fmt: skip
    """Return ptr, items, marks of sources, EASE's scores and moments, and where a list was short.

    A list of nearest items is short where fewer than `new` of it were never bought, and it is not
    the whole index.
    """
    shoppers, towers = len(ptr) - 1, len(whole)
    room = (towers + 4) * new + bought
    row_ptr = np.zeros(shoppers + 1, np.int64)
    items = np.empty(shoppers * room, np.int32)
    marks = np.empty(shoppers * room, np.uint16)
    at = np.empty((shoppers * room, 2), np.float32)
    moments = np.empty((shoppers, 2))
    short = np.zeros((shoppers, towers), np.bool_)
    mine = np.empty(room, np.int32)
    for shopper in range(shoppers):
        own, own_pairs = (
            touched[ptr[shopper] : ptr[shopper + 1]],
            pairs[ptr[shopper] : ptr[shopper + 1]],
        )
        for k in range(len(own)):
            scratch.bought[own[k]] = own_pairs[k, SESSIONS] > 0
        size = 0
        for tower in range(towers):
            first, end = near_ptr[shopper * towers + tower], near_ptr[shopper * towers + tower + 1]
            taken = 0
            for k in range(first, end):
                if taken < new and not scratch.bought[near[k]]:
                    size = _mark(scratch.marks, mine, size, near[k], tower)
                    taken += 1
            short[shopper, tower] = taken < new <= end - first < whole[tower]
        own_ease = ease_pairs[ptr[shopper] : ptr[shopper + 1]]
        count = add_up(start, other, weight, own, own_ease, scratch)
        known = len(weight) > 0 and len(own) > 0
        moments_of(scratch, count, eligible, known, moments[shopper])
        size = _of_ease(scratch, count, eligible, new, mine, size, towers)
        taken = 0
        for k in range(len(popular)):
            if taken == new:
                break
            if not scratch.bought[popular[k]]:
                size = _mark(scratch.marks, mine, size, popular[k], towers + 2)
                taken += 1
        size = _of_categories(
            own, own_pairs, category, listed, sold, new, scratch, mine, size, towers + 3
        )
        size = _habits(own, own_pairs, eligible, bought, scratch, mine, size, towers + 4)
        begin = row_ptr[shopper]
        row_ptr[shopper + 1] = begin + size
        items[begin : begin + size] = np.sort(mine[:size])
        for row in range(begin, begin + size):
            marks[row] = scratch.marks[items[row]]
            scratch.marks[items[row]] = 0
            for k in range(2):
                at[row, k] = scratch.total[items[row], k] if known else np.nan
        clean(scratch, count)
        for k in range(len(own)):
            scratch.bought[own[k]] = False
    rows = row_ptr[-1]
    return row_ptr, items[:rows].copy(), marks[:rows].copy(), at[:rows].copy(), moments, short


@compiled
def _mark(marks: Any, mine: Ints, size: int, item: int, source: int) -> int:
    """Note that a source proposes an item; return how many items are proposed."""
    if marks[item] == 0:
        mine[size] = item
        size += 1
    marks[item] |= np.uint16(1 << source)
    return size


@compiled
def _of_ease(
    scratch: Any, count: int, eligible: Any, new: int, mine: Ints, size: int, source: int
) -> int:
    """The largest scores above 0, which is none; of equal ones the first items."""
    touched = in_order(scratch, count)
    scores, usable = np.empty(count, np.float32), np.empty(count, np.bool_)
    for which in range(2):
        for k in range(count):
            item = touched[k]
            scores[k] = scratch.total[item, which]
            usable[k] = scores[k] > 0 and eligible[item] and not scratch.bought[item]
        for place in top_k(scores, usable, new):
            size = _mark(scratch.marks, mine, size, touched[place], source + which)
    return size


@compiled
def _of_categories(
    own: Ints, pairs: Floats, category: Ints, listed: Ints, sold: Floats, new: int, scratch: Any,
    mine: Ints, size: int, source: int,
) -> int:  # fmt: skip
    """Popular items of the categories the shopper buys in, weighted by how much."""
    amount = np.zeros(len(listed))
    for k in range(len(own)):
        if category[own[k]] >= 0:
            amount[category[own[k]]] += pairs[k, DECAYED]
    codes = np.flatnonzero(amount > 0)
    scores = np.empty(len(codes) * listed.shape[1])
    usable = np.zeros(len(scores), np.bool_)
    for k in range(len(codes)):
        for place in range(listed.shape[1]):
            item = listed[codes[k], place]
            if item >= 0 and not scratch.bought[item]:
                at = k * listed.shape[1] + place
                scores[at], usable[at] = amount[codes[k]] * sold[item], True
    for at in top_k(scores, usable, new):
        item = listed[codes[at // listed.shape[1]], at % listed.shape[1]]
        size = _mark(scratch.marks, mine, size, item, source)
    return size


@compiled
def _habits(
    own: Ints, pairs: Floats, eligible: Any, bought: int, scratch: Any, mine: Ints, size: int,
    source: int,
) -> int:  # fmt: skip
    """What the shopper buys most, lately; of equal items the one touched longest ago."""
    habit, usable = np.empty(len(own), np.float32), np.empty(len(own), np.bool_)
    for k in range(len(own)):
        habit[k] = pairs[k, DECAYED]
        usable[k] = pairs[k, SESSIONS] > 0 and eligible[own[k]]
    for place in top_k(habit, usable, bought):
        size = _mark(scratch.marks, mine, size, own[place], source)
    return size
