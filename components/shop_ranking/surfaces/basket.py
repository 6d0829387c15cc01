"""Basket: what goes with the items in it."""

from typing import TYPE_CHECKING

from components.shop_ranking.surfaces.registration import PageRow, Surface

if TYPE_CHECKING:
    from components.shop_ranking.engine.history import Floats, Ints
    from components.shop_ranking.serving.recommendation import RowRequest


def propose(row: "RowRequest") -> "tuple[Ints, Floats]":
    """Return what was bought with the basket's items, in an order that knows the shopper too."""
    return row.recommender.beside(row, row.recommender.goes_with(row.context))


SURFACE = Surface(
    name="basket",
    context="basket",
    propose=propose,
    reason="it goes with {title}",
    pages=(
        PageRow("home", "Goes with this basket", needs="basket", place=0),
        PageRow("item", "Goes with it", place=10),
    ),
    place=3,
)
