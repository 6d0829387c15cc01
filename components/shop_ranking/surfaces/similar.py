"""Similar: what goes with the item that is looked at, and what its content is near to."""

from typing import TYPE_CHECKING

from components.shop_ranking.surfaces.registration import PageRow, Surface

if TYPE_CHECKING:
    from components.shop_ranking.engine.history import Floats, Ints
    from components.shop_ranking.serving.recommendation import RowRequest


def propose(row: "RowRequest") -> "tuple[Ints, Floats]":
    """Return what was bought with the item and what is nearest to it, in this shopper's order."""
    return row.recommender.beside(
        row, [*row.recommender.goes_with(row.context), *row.recommender.alike(row)]
    )


SURFACE = Surface(
    name="similar",
    context="item",
    propose=propose,
    reason="it is like {title}",
    pages=(PageRow("item", "Similar", place=0),),
    place=2,
)
