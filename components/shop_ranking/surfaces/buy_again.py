"""Buy again: what the shopper bought before."""

from typing import TYPE_CHECKING

import numpy as np

from components.shop_ranking.surfaces.registration import PageRow, Surface

if TYPE_CHECKING:
    from components.shop_ranking.engine.history import Floats, Ints
    from components.shop_ranking.serving.recommendation import RowRequest


def propose(row: "RowRequest") -> "tuple[Ints, Floats]":
    """Return what the shopper bought before, by fused score: nothing for a new shopper."""
    state = row.shopper.state
    owned = state.item[state.pair_column("sessions") > 0]
    owned = owned[row.allowed[owned]]
    scores = row.recommender.ranker.score(state, [owned])[0]
    best = np.argsort(-scores, kind="stable")
    return owned[best], scores[best]


SURFACE = Surface(
    name="buy_again",
    propose=propose,
    pages=(PageRow("home", "Buy again", needs="shopper", place=20),),
    place=4,
)
