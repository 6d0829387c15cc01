"""Shoppers that the page offers to be, and what is known of the one who looks."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from components.platform.pseudonyms import pseudonym_of
from components.shop_ranking.serving.shoppers import Shoppers

OFFERED = (1.0, 0.9, 0.75, 0.5, 0.25, 0.05)  # quantiles of the number of visits


@dataclass(frozen=True)
class Known:
    """A shopper the model knows."""

    user_id: str
    said: str


# A cache that does not keep a champion alive after its time.
_known: WeakKeyDictionary[Shoppers, tuple[Known, ...]] = WeakKeyDictionary()


def known_shoppers(shoppers: Shoppers) -> tuple[Known, ...]:
    """Return a few shoppers, from the one who came most often to one who hardly did."""
    if shoppers not in _known:
        _known[shoppers] = _choose(shoppers)
    return _known[shoppers]


def _choose(shoppers: Shoppers) -> tuple[Known, ...]:
    visits = _visits(shoppers)
    users = np.array(list(shoppers.row), object)
    rows = np.fromiter(shoppers.row.values(), np.int64)
    known = shoppers.place[rows] >= 0
    users, counts = users[known], visits[shoppers.place[rows[known]]]
    order = np.argsort(counts, kind="stable")
    chosen = [order[round(share * (len(order) - 1))] for share in OFFERED if len(order)]
    return tuple(
        Known(str(users[row]), f"{counts[row]} visits") for row in dict.fromkeys(map(int, chosen))
    )


def said_of(shoppers: Shoppers, shopper: str | None) -> str:
    """Say in one sentence what the server knows of a shopper."""
    if shopper is None:
        return "Nobody is signed in: the rows show what most shoppers want."
    user = pseudonym_of(shopper)
    place = int(shoppers.place[shoppers.row.get(user, -1)])
    visits = int(_visits(shoppers)[place]) if place >= 0 else 0
    since = len(shoppers.live.since(user, shoppers.as_of))
    if not visits and not since:
        return "Nothing is known of this shopper yet: the rows show what most shoppers want."
    return (
        f"{visits} visits before the model's last day, {since} events since then: "
        "both move the rows below."
    )


def _visits(shoppers: Shoppers) -> np.ndarray:
    """Return the visits of every shopper with a history, in the order of the histories."""
    ptr, session = shoppers.events.ptr, shoppers.events.session
    return session[np.asarray(ptr[1:]) - 1] + 1
