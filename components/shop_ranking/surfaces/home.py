"""Home: the shopper's candidates by fused score; what is popular for a stranger."""

from typing import TYPE_CHECKING

from components.shop_ranking.surfaces.registration import PageRow, Surface

if TYPE_CHECKING:
    from components.shop_ranking.engine.history import Floats, Ints
    from components.shop_ranking.serving.recommendation import RowRequest


def propose(row: "RowRequest") -> "tuple[Ints, Floats]":
    """Return the shopper's candidates, filled up where few are allowed."""
    return row.recommender.home(row.shopper, row.filters, row.wanted)


SURFACE = Surface(
    name="home",
    propose=propose,
    pages=(PageRow("home", "For you", stranger_heading="Popular now", length=12, place=10),),
    from_candidates=True,
    place=1,
)
