"""Randomised slots with exact propensities.

At each slot in turn, with probability `share` the item there changes places with one of the next
`reach` items, drawn uniformly. Which places are swapped does not depend on the items, so the way
of one item is a Markov chain over places: with T_j the transition of step j, the product
T_1 T_2 ... T_k holds at (i, p) the probability that the item ranked i ends at place p. That is
the propensity, exactly, for any list of this length.
"""

import random
from functools import lru_cache

import numpy as np
import numpy.typing as npt


@lru_cache(maxsize=4096)
def propensities(length: int, slots: int, share: float, reach: int) -> npt.NDArray[np.float64]:
    """Return P(the item ranked i is shown at slot p), (length, slots)."""
    whole = np.eye(length)
    for slot in range(min(slots, length)):
        others = np.arange(slot + 1, min(slot + reach, length - 1) + 1)
        if len(others) == 0:
            continue
        mine, theirs = whole[:, slot].copy(), whole[:, others].copy()
        each = share / len(others)
        whole[:, slot] = (1 - share) * mine + each * theirs.sum(1)
        whole[:, others] = (1 - each) * theirs + each * mine[:, None]
    table: npt.NDArray[np.float64] = whole[:, :slots]
    table.flags.writeable = False
    return table


def explore(
    length: int, slots: int, share: float, reach: int, seed: str
) -> tuple[list[int], list[float]]:
    """Return which ranks are shown, slot by slot, and their propensities.

    Args:
        length: items that may be shown, in ranked order; those behind the slots can be drawn.
        slots: items that are shown.
        share: probability that a slot is randomised.
        reach: how far behind a slot its substitute may stand.
        seed: equal seeds give equal draws.

    """
    draw = random.Random(seed)
    order = list(range(length))
    slots = min(slots, length)
    for slot in range(slots):
        last = min(slot + reach, length - 1)
        if last > slot and draw.random() < share:
            other = draw.randint(slot + 1, last)
            order[slot], order[other] = order[other], order[slot]
    table = propensities(length, slots, share, reach)
    return order[:slots], [float(table[order[slot], slot]) for slot in range(slots)]
