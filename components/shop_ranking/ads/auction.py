"""Generalised second-price auction with throttled bidders (Edelman, Ostrovsky, Schwarz 2007)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bidder:
    """One campaign with the item it would show."""

    campaign_id: str
    item_id: str
    score: float  # as in ShownItem
    fused: float  # of the fused model, NaN where there is none
    pctr: float  # at the first position
    bid: float
    participation: float  # probability that pacing lets it take part


@dataclass(frozen=True)
class Won:
    """One slot: who shows what, what a click will cost, and how likely that was."""

    bidder: Bidder
    price: float
    propensity: float


def auction(
    bidders: Sequence[Bidder], takes_part: Sequence[bool], slots: int, reserve: float
) -> list[Won]:
    """Fill the slots by pCTR x bid; each pays the least that would have kept its place.

    Args:
        bidders: whom the floors let through, in any order.
        takes_part: how the coins of pacing fell, one a bidder.
        slots: how many may win.
        reserve: least that a click costs; a lower bid does not take part.

    """
    order = sorted(
        range(len(bidders)),
        key=lambda i: (-bidders[i].pctr * bidders[i].bid, bidders[i].campaign_id),
    )
    order = [i for i in order if bidders[i].bid >= reserve]
    places = place_probabilities(np.array([bidders[i].participation for i in order]), slots)
    present = [(rank, bidders[i]) for rank, i in enumerate(order) if takes_part[i]]
    won = []
    for slot, (rank, bidder) in enumerate(present[:slots]):
        following = present[slot + 1][1] if slot + 1 < len(present) else None
        needed = following.pctr * following.bid / bidder.pctr if following else 0.0
        price = min(max(needed, reserve), bidder.bid)
        won.append(Won(bidder, price, float(places[rank, slot])))
    return won


def place_probabilities(participation: Floats, slots: int) -> Floats:
    """Return P(the bidder ranked i gets slot s), (bidders, slots).

    The bidder takes part, and exactly s of those ranked above it do: coins are independent, so
    their number is Poisson-binomial, built up one bidder at a time.
    """
    places = np.zeros((len(participation), slots))
    above = np.zeros(slots + 1)  # P(s of those above take part); the last entry is "more"
    above[0] = 1.0
    for i, p in enumerate(participation.tolist()):
        places[i] = p * above[:slots]
        moved = p * above
        above = above - moved
        above[1:] += moved[:-1]
        above[-1] += moved[-1]
    return places
